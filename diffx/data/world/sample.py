r"""Random scenes: attributes by weights, places on jittered grids, no two things on one spot."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx.data.world.attributes import ATTRIBUTES, COLOURS, COUNTABLE, index
from diffx.data.world.marks import MARKS, MOVES
from diffx.data.world.places import GROUND
from diffx.data.world.scene import Scene

SPLITS = ("train", "test")
NONE = {  # how often an attribute is "none" (or its first value); the others share the rest equally
    "time": 0.6, "season": 0.45, "sky": 0.3, "weather": 0.5, "plant": 0.45, "person": 0.25,
    "view": 0.4, "hair": 0.12, "headwear": 0.3, "eyewear": 0.55, "facial_hair": 0.4, "mood": 0.5,
    "top": 0.0, "top_shade": 0.6, "pattern": 0.55, "neckwear": 0.5, "legwear": 0.0, "pose": 0.0,
    "held": 0.5, "thing": 0.22, "thing_shade": 0.6, "count": 0.0, "size": 0.4, "motion": 0.25,
    "facing": 0.6,
}  # fmt: skip
OFTEN = dict.fromkeys(COUNTABLE, 2.0) | {"ball": 5.0, "apple": 3.0}  # what moves in most ways
SCALES = {"": 0.3, "tiny": 0.13, "small": 0.21, "big": 0.42, "huge": 0.58}
COUNT_SCALE = (1, 1, 0.62, 0.5, 0.6, 0.5)
ALLOWED = np.asarray(
    [
        [float(m in MOVES.get(thing, ("",))) for m in ATTRIBUTES["motion"]]
        for thing in ATTRIBUTES["thing"]
    ],
    np.float32,
)
MAY_COUNT = np.asarray([thing in COUNTABLE for thing in ATTRIBUTES["thing"]])
IN_AIR = np.asarray(
    [m in ("flying", "falling", "floating", "bouncing", "jumping", "spinning") for m in MARKS]
)


def _weights(attribute: str) -> np.ndarray:
    n = len(ATTRIBUTES[attribute])
    first = NONE.get(attribute, 1 / n)
    often = np.asarray(
        [
            OFTEN.get(value, 1.0) if attribute == "thing" else 1.0
            for value in ATTRIBUTES[attribute][1:]
        ]
    )
    return np.asarray([first, *((1 - first) * often / often.sum())], np.float32)


def _edges() -> np.ndarray:
    """Ends of the intervals of [0, 1), one for each value: (attributes, values), padded by 2."""
    edges = np.full((len(ATTRIBUTES), max(map(len, ATTRIBUTES.values()))), 2, np.float32)
    for i, name in enumerate(ATTRIBUTES):
        inner = np.cumsum(_weights(name))[:-1]
        edges[i, : len(inner)] = inner
    return edges


EDGES = _edges()


def pick(u: Array, weights: Array) -> Array:
    """The value whose interval of cumulated weights holds u in [0, 1), times the sum of the
    weights.
    """
    edges = jnp.cumsum(weights)
    # u * total may round up to total
    last = jnp.max(jnp.where(weights > 0, jnp.arange(weights.shape[0]), 0))
    return jnp.minimum(jnp.sum(u * edges[-1] >= edges), last).astype(jnp.int32)


def _attributes(u: Array) -> dict[str, Array]:
    values = jnp.sum(u[: len(ATTRIBUTES), None] >= EDGES, axis=1, dtype=jnp.int32)
    return {name: values[i] for i, name in enumerate(ATTRIBUTES)}


def _where(condition: Array, value: Array) -> Array:
    return jnp.where(condition, value, 0)


def _person_facts(a: dict) -> dict:
    """No beard under a mask, no legwear under a dress, no pose in a portrait."""
    person, whole = a["person"] > 0, a["view"] == index("view", "whole")
    man = a["person"] == index("person", "man")
    masked = a["eyewear"] == index("eyewear", "mask")
    dress = a["top"] == index("top", "dress")
    boyish = man | (a["person"] == index("person", "boy"))
    a["top"] = _where(person, jnp.where(dress & boyish, index("top", "shirt"), a["top"]))
    a["view"] = _where(person, a["view"])
    for name in ("headwear", "eyewear", "neckwear", "pattern"):
        a[name] = _where(person, a[name])
    plain = (a["top"] == index("top", "shirt")) | (a["top"] == index("top", "sweater"))
    a["pattern"] = _where(plain, a["pattern"])
    a["facial_hair"] = _where(man & ~masked, a["facial_hair"])
    a["mood"] = _where(person & ~masked, a["mood"])
    skirt = boyish & (a["legwear"] == index("legwear", "skirt"))
    long = (a["top"] == index("top", "dress")) | (a["top"] == index("top", "coat"))
    legwear = jnp.where(skirt, index("legwear", "trousers"), a["legwear"])
    a["legwear"] = _where(person & whole & ~long, legwear)
    a["pose"] = _where(person & whole, a["pose"])
    calm = a["pose"] <= index("pose", "walking")
    a["held"] = _where(person & whole & calm, a["held"])
    return a


def _outdoor_facts(a: dict) -> dict:
    """No weather in a room, no moon by day, no season in space."""
    indoors, space = a["place"] <= index("place", "room"), a["place"] == index("place", "space")
    night = a["time"] == index("time", "night")
    sun, moon, stars = (index("sky", name) for name in ("sun", "moon", "stars"))
    dark = jnp.where(a["sky"] == sun, moon, a["sky"])
    bright = jnp.where((a["sky"] == moon) | (a["sky"] == stars), sun, a["sky"])
    a["sky"] = _where(~indoors, jnp.where(night | space, dark, bright))
    a["time"] = _where(~indoors & ~space, a["time"])
    a["weather"] = _where(~indoors & ~space, a["weather"])
    a["season"] = _where(~indoors & ~space & (a["place"] != index("place", "sea")), a["season"])
    a["plant"] = _where(~indoors & ~space & (a["place"] != index("place", "sea")), a["plant"])
    snowing = a["weather"] == index("weather", "snow")
    hot = snowing & (a["season"] == index("season", "summer"))
    a["weather"] = _where(~hot, a["weather"])
    return a


def _thing_facts(a: dict, u: Array) -> dict:
    """One to five of what has a plural; small ones beside a portrait; motions that the thing can
    make.
    """
    there = a["thing"] > 0
    portrait = (a["person"] > 0) & (a["view"] == index("view", "portrait"))
    alone = a["person"] == 0
    many = jnp.asarray(MAY_COUNT)[a["thing"]] & ~portrait
    one = index("count", "one")
    a["count"] = _where(there, jnp.where(many & (u[0] < 0.6), jnp.maximum(a["count"], one), one))
    several = a["count"] > one
    room = jnp.where(
        portrait,
        index("size", "small"),
        jnp.where(alone, index("size", "huge"), index("size", "big")),
    )
    largest = jnp.where(several & ~alone, index("size", "small"), room)
    a["size"] = _where(there, jnp.where(a["size"] > largest, 0, a["size"]))
    allowed = jnp.asarray(ALLOWED)[a["thing"]] * jnp.asarray(_weights("motion"))
    still = portrait | (a["size"] == index("size", "huge"))
    a["motion"] = _where(there & ~still, pick(u[1], allowed))
    return a


def _keep_split(a: dict, u: Array, split: str) -> dict:
    """No held-out combinations in training; always headwear and a beard in testing."""
    beard, coat, car = index("facial_hair", "beard"), index("top", "coat"), index("thing", "car")
    if split == "test":
        a["person"] = jnp.full_like(a["person"], index("person", "man"))
        a["facial_hair"] = jnp.full_like(a["facial_hair"], beard)
        a["headwear"] = 1 + pick(u[0], jnp.ones(len(ATTRIBUTES["headwear"]) - 1, jnp.float32))
        a["eyewear"] = _where(a["eyewear"] != index("eyewear", "mask"), a["eyewear"])
        return a
    orange, purple = index("top_colour", "orange"), index("thing_colour", "purple")
    both = (a["headwear"] > 0) & (a["facial_hair"] == beard)
    a["headwear"] = _where(~both | (u[0] < 0.5), a["headwear"])
    a["facial_hair"] = _where(~both | (u[0] >= 0.5), a["facial_hair"])
    a["top_colour"] = jnp.where(
        (a["top"] == coat) & (a["top_colour"] == orange),
        index("top_colour", "red"),
        a["top_colour"],
    )
    car_purple = (a["thing"] == car) & (a["thing_colour"] == purple)
    a["thing_colour"] = jnp.where(car_purple, index("thing_colour", "blue"), a["thing_colour"])
    return a


def _contrast(a: dict) -> dict:
    """Black and white have no shades, and patterns are white: a white shirt is plain."""
    for item in ("top", "thing"):
        bare = (a[f"{item}_colour"] == COLOURS.index("black")) | (
            a[f"{item}_colour"] == COLOURS.index("white")
        )
        a[f"{item}_shade"] = _where(~bare, a[f"{item}_shade"])
    pale = (a["top_colour"] == COLOURS.index("white")) | (
        a["top_shade"] == index("top_shade", "light")
    )
    a["pattern"] = _where(~pale, a["pattern"])
    return a


def _places(a: dict, u: Array) -> dict:
    """Places: the person in a third of the picture, the thing in another, the plant in the rest."""
    person, portrait = a["person"] > 0, a["view"] == index("view", "portrait")
    child = (a["person"] == index("person", "boy")) | (a["person"] == index("person", "girl"))
    jitter = 0.1 * (2 * u - 1)
    side = jnp.where(u[0] < 0.5, -1.0, 1.0)  # of the thing; the plant stands on the other
    person_scale = jnp.where(
        portrait, jnp.where(child, 0.38, 0.44), jnp.where(child, 0.21, 0.27)
    ) * (1 + jitter[1])
    feet = -0.78 + 0.5 * jitter[2]
    person_y = jnp.where(
        portrait, jnp.where(child, -0.12, 0.0) + 0.5 * jitter[2], feet + 3.55 * person_scale
    )
    scale = (
        jnp.asarray([*SCALES.values()], jnp.float32)[a["size"]]
        * jnp.asarray(COUNT_SCALE, jnp.float32)[a["count"]]
        * (1 + jitter[3])
    )
    scale = scale * jnp.where(portrait, 0.85, 1.0)
    in_air = jnp.asarray(IN_AIR)[a["motion"]]
    centre = (u[4] < 0.35) & ~person  # the middle of the picture, if nobody is there
    middle_or_side = (
        jnp.where(centre, 0.0, side * jnp.where(portrait, 0.8 - 0.5 * scale, 0.55)) + jitter[5]
    )
    reach = scale * (1 + 1.15 * jnp.asarray([0, 0, 1, 2, 1, 2], jnp.float32)[a["count"]])
    edge = jnp.maximum(0.97 - reach, 0.0)
    lines = jnp.where(a["count"] >= index("count", "four"), 2.15, 1.0)
    ground = jnp.maximum(-0.7 + lines * scale + jitter[6], -0.97 + lines * scale)
    plant_scale = 0.5 * (1 + 2 * jitter[7])
    plant_scale = plant_scale * jnp.where(person | (a["thing"] > 0), 0.85, 1.15)
    free = (~person & (a["thing"] == 0)) | (a["thing"] == 0)
    plant_x = jnp.where(free & ~portrait, -side * 0.5, -side * 0.68) + 0.7 * jitter[8]
    over = in_air & ~person & (u[8] < 0.5)  # a kite above a tree
    plant_x = jnp.where(over, middle_or_side, plant_x)
    plant_scale = jnp.where(over, 0.36, plant_scale)
    air = jnp.where(over, 0.85 - scale, 0.28 + jitter[6])
    return {
        "person_x": jnp.where(portrait, 0.0, -0.12 * side) + jitter[9],
        "person_y": person_y,
        "person_scale": person_scale,
        "swing": jnp.zeros_like(scale),
        "headwear_lift": jnp.zeros_like(scale),
        "thing_x": jnp.clip(middle_or_side, -edge, edge),
        "thing_y": jnp.where(in_air, jnp.maximum(air, ground + 0.3), ground),
        "thing_scale": scale,
        "thing_angle": jnp.where(a["motion"] == index("motion", "falling"), 0.6, 0.0)
        * jnp.sign(u[10] - 0.5),
        "plant_x": plant_x,
        "plant_y": GROUND - 0.12 + plant_scale + 0.5 * jitter[10],
        "plant_scale": plant_scale,
        "sky_x": jnp.where(u[11] < 0.5, -0.52, 0.52) + jitter[12],
        "sky_y": 0.72 + 0.5 * jitter[13],
        "sky_scale": 0.23 * (1 + jitter[14]),
        "phase": u[15],
    }


def sample_scene(key: Array, split: str = "train") -> Scene:
    """One random scene; `jax.vmap(sample_scene)` over keys gives a batch (with split bound).

    split="train" never satisfies `is_held_out`; "test" always does: a bearded man with headwear.

    Raises: ValueError for another split; TypeError unless key is a key of jax.random.
    """
    _arguments.key(key)
    _arguments.require(split in SPLITS, f"split must be 'train' or 'test', got {split!r}")
    n = len(ATTRIBUTES)
    u = jax.random.uniform(key, (n + 24,), jnp.float32)
    a = _keep_split(_attributes(u), u[n + 18 :], split)
    a = _contrast(_thing_facts(_outdoor_facts(_person_facts(a)), u[n + 20 :]))
    integers = {name: value.astype(jnp.int32) for name, value in a.items()}
    floats = {
        name: jnp.asarray(value, jnp.float32) for name, value in _places(a, u[n : n + 16]).items()
    }
    return Scene(**integers, **floats)
