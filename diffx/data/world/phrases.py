"""The phrases of captions: arrays of word numbers in which 0 is a word left out."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.attributes import ATTRIBUTES, COUNTABLE, index
from diffx.data.world.sample import pick
from diffx.data.world.scene import Scene
from diffx.data.world.truth import is_outdoors, relation, words_true_of
from diffx.data.world.words import NUMBER, SYNONYMS, VOCABULARY

# How much each thing that a person wears is worth mentioning.
ITEMS = {
    "headwear": 5.0,
    "facial_hair": 2.0,
    "eyewear": 1.5,
    "top": 2.0,
    "neckwear": 1.0,
    "hair": 1.0,
    "legwear": 0.7,
}
A, AN, WITH, WITHOUT, IN, ON, AT, BY, OF, AND, NO, THE, WEARING = (
    NUMBER[word]
    for word in (
        "a",
        "an",
        "with",
        "without",
        "in",
        "on",
        "at",
        "by",
        "of",
        "and",
        "no",
        "the",
        "wearing",
    )
)
# of another kind than their first: only as single words
NO_SWAP = ("pair", "raining", "snowing", "foggy", "storm")


def _other_words() -> np.ndarray:
    others = np.arange(len(VOCABULARY))
    for word, other in SYNONYMS:
        if other not in NO_SWAP:
            others[NUMBER[word]] = NUMBER[other]
    return others


OTHER_WORD = _other_words()
PREPOSITION = {"wall": AT, "beach": AT, "sea": IN, "farm": ON, "mountain": ON, "lake": AT}
PLACE_ARTICLE = np.asarray(
    [{"space": 0, "sea": THE, "arctic": THE}.get(place, A) for place in ATTRIBUTES["place"]]
)
NAMES = {
    name: np.asarray([NUMBER.get(value, 0) for value in values])
    for name, values in ATTRIBUTES.items()
}
PLURAL = np.asarray([NUMBER[COUNTABLE.get(name, "")] for name in ATTRIBUTES["thing"]])
WITH_HAIR, WITH_FACIAL_HAIR = (list(ITEMS).index(name) for name in ("hair", "facial_hair"))
NO_ARTICLE = ("horns", "glasses", "sunglasses", "trousers", "shorts")


class Draw:
    """Uniform numbers in turn, so that every choice of a caption has its own."""

    def __init__(self, u: Array):
        self.u, self.next = u, 0

    def __call__(self, chance: float, value: Array | int, otherwise: Array | int = 0) -> Array:
        """value with this chance, else the other."""
        self.next += 1
        return jnp.where(self.u[self.next - 1] < chance, value, otherwise)

    def number(self) -> Array:
        self.next += 1
        return self.u[self.next - 1]


def name_of(scene: Scene, attribute: str, draw: Draw) -> Array:
    """The word for the attribute's value, or one time in three its synonym."""
    word = jnp.asarray(NAMES[attribute])[getattr(scene, attribute)]
    return draw(1 / 3, jnp.asarray(OTHER_WORD)[word], word)


def _article(word: Array) -> Array:
    bare = jnp.isin(word, jnp.asarray([NUMBER[w] for w in NO_ARTICLE]))
    return jnp.where(bare | (word == 0), 0, A)


def words_if(condition: Array, *words: Array | int) -> list[Array]:
    return [jnp.where(condition, word, 0) for word in words]


def _colour(scene: Scene, item: str, draw: Draw, chance: float = 0.65) -> list[Array]:
    """Shade and colour: neither, the colour, or both."""
    colour = draw(chance, jnp.asarray(NAMES[f"{item}_colour"])[getattr(scene, f"{item}_colour")])
    shade = (
        jnp.asarray(NAMES[f"{item}_shade"])[getattr(scene, f"{item}_shade")]
        if f"{item}_shade" in NAMES
        else 0
    )
    return [jnp.where(colour > 0, shade, 0), colour]


def _items(scene: Scene, draw: Draw) -> tuple[Array, Array]:
    """Phrases for what the person wears, six words at most, and their weights, 0 if absent."""
    hair_colour = jnp.asarray(NAMES["hair_colour"])[scene.hair_colour]
    phrases, there = [], []
    for item in ITEMS:
        word = name_of(scene, item, draw)
        if item == "hair":
            style, tail = word, scene.hair == index("hair", "ponytail")
            words = [
                jnp.where(tail, A, draw(0.7, style)),
                draw(0.6, hair_colour),
                jnp.where(tail, style, NUMBER["hair"]),
            ]
            there.append((scene.person > 0) & (scene.hair != index("hair", "bald")))
        else:
            colour = {"facial_hair": [draw(0.3, hair_colour)], "eyewear": []}
            own = colour[item] if item in colour else _colour(scene, item, draw)
            pattern = (
                [draw(0.6, jnp.asarray(NAMES["pattern"])[scene.pattern])] if item == "top" else []
            )
            words = [_article(word), *own, *pattern, word]
            there.append((getattr(scene, item) > 0) & (scene.person > 0))
        phrases.append(
            jnp.stack([*(jnp.asarray(w) for w in words), *[jnp.asarray(0)] * (6 - len(words))])
        )
    return jnp.stack(phrases), jnp.stack(there) * jnp.asarray([*ITEMS.values()], jnp.float32)


def person_noun(scene: Scene, draw: Draw) -> list[Array]:
    bald = jnp.where(scene.hair == index("hair", "bald"), NUMBER["bald"], 0)
    bearded = jnp.where(scene.facial_hair == index("facial_hair", "beard"), NUMBER["bearded"], 0)
    mood = jnp.where(scene.mood > 0, name_of(scene, "mood", draw), 0)
    adjective = draw(0.5, jnp.where(bald > 0, bald, jnp.where(mood > 0, mood, bearded)))
    return words_if(scene.person > 0, A, draw(0.5, adjective), name_of(scene, "person", draw))


def place_phrase(scene: Scene, draw: Draw, chance: float) -> list[Array]:
    prepositions = np.asarray([PREPOSITION.get(place, IN) for place in ATTRIBUTES["place"]])
    article = jnp.asarray(PLACE_ARTICLE)[scene.place]
    said = draw.number() < chance
    return words_if(
        said, jnp.asarray(prepositions)[scene.place], article, name_of(scene, "place", draw)
    )


def thing_noun(scene: Scene, draw: Draw) -> list[Array]:
    word, several = name_of(scene, "thing", draw), scene.count > 1
    number = jnp.where(
        several, jnp.asarray(NAMES["count"])[scene.count], draw(0.9, A, NUMBER["one"])
    )
    noun = jnp.where(several, jnp.asarray(PLURAL)[scene.thing], word)
    size = draw(0.5, name_of(scene, "size", draw))
    return words_if(scene.thing > 0, number, size, *_colour(scene, "thing", draw), noun)


def plant_phrase(scene: Scene, draw: Draw) -> list[Array]:
    return words_if(scene.plant > 0, A, name_of(scene, "plant", draw))


def held_phrase(scene: Scene, draw: Draw) -> list[Array]:
    word = jnp.asarray(NAMES["held"])[scene.held]
    return words_if(scene.held > 0, NUMBER["holding"], A, _colour(scene, "held", draw)[1], word)


def with_items(scene: Scene, draw: Draw) -> tuple[list[Array], Array]:
    """Phrases "with ... and ...": two different items, the second dropped half of the time; and
    the first alone.
    """
    phrases, weights = _items(scene, draw)
    first = pick(draw.number(), weights)
    rest = weights * (jnp.arange(weights.shape[0]) != first)
    second = pick(draw.number(), rest)
    two = (draw.number() < 0.5) & (rest.sum() > 0)
    some = weights.sum() > 0
    worn = (first != WITH_HAIR) & (first != WITH_FACIAL_HAIR) & ~two
    joint = jnp.where(worn & (draw.number() < 0.4), WEARING, WITH)
    return [
        *words_if(some, joint),
        *words_if(some, *phrases[first]),
        *words_if(two, AND, *phrases[second]),
    ], phrases[first]


def relation_phrase(scene: Scene, draw: Draw) -> list[Array]:
    """The phrase "left of a tree": the place of the thing relative to plant or person."""
    plant, person = scene.plant > 0, scene.person > 0
    to_plant = plant & (~person | (draw.number() < 0.5))
    whole = person & (scene.view == index("view", "whole"))
    x, y = (
        jnp.where(to_plant, scene.plant_x, scene.person_x),
        jnp.where(to_plant, scene.plant_y, scene.person_y),
    )
    word = relation(scene, x, y, other_there=to_plant | whole)
    noun = jnp.where(to_plant, name_of(scene, "plant", draw), name_of(scene, "person", draw))
    of = jnp.where((word == NUMBER["left"]) | (word == NUMBER["right"]), OF, 0)
    return words_if((word > 0) & (draw.number() < 0.7), word, of, A, noun)


def scenery(scene: Scene, draw: Draw) -> list[Array]:
    """Phrases such as "a desert with a cactus, at night" and "a desert with no tree"."""
    either = draw(0.5, NUMBER["tree"], NUMBER["cactus"])
    other = NUMBER["tree"] + NUMBER["cactus"] - either
    true = words_true_of(scene)
    absent = jnp.where(true[either], other, either)
    plant = jnp.where(scene.plant > 0, draw(0.75, plant_phrase(scene, draw)[1]), 0)
    said_plant = plant > 0
    negative, no = ~said_plant & ~true[absent] & (draw.number() < 0.5), draw.number() < 0.6
    season = draw(0.5, name_of(scene, "season", draw))
    time = jnp.where(is_outdoors(scene), draw(0.5, name_of(scene, "time", draw)), 0)
    weather = draw(0.6, jnp.asarray(NAMES["weather"])[scene.weather])
    sky = draw(0.5, jnp.asarray(NAMES["sky"])[scene.sky])
    lead = [jnp.asarray(PLACE_ARTICLE)[scene.place], name_of(scene, "place", draw)]
    weather_article = jnp.where(scene.weather == index("weather", "rainbow"), A, 0)
    sky_article = jnp.where(sky == NUMBER["stars"], 0, jnp.where(sky == NUMBER["cloud"], A, THE))
    some = said_plant | negative
    return [
        *lead,
        *words_if(season > 0, IN, season),
        *words_if(some, jnp.where(said_plant | no, WITH, WITHOUT)),
        *words_if(said_plant, A, plant),
        *words_if(negative, jnp.where(no, NO, A), absent),
        *words_if(weather > 0, jnp.where(some, AND, WITH), weather_article, weather),
        *words_if(sky > 0, jnp.where(some | (weather > 0), AND, WITH), sky_article, sky),
        *words_if((time > 0) & (season == 0), jnp.where(time == NUMBER["day"], BY, AT), time),
    ]
