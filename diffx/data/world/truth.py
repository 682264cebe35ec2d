r"""Truth about a scene: words, as a vector of booleans, and bindings (colours, counts)."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.attributes import ATTRIBUTES, COUNTABLE, index
from diffx.data.world.scene import Scene
from diffx.data.world.words import FUNCTION_WORDS, NUMBER, VOCABULARY, WORDS_OF

# An attribute counts where what it belongs to is there.
BELONGS = {
    **dict.fromkeys(
        ("view", "hair", "mood", "top", "top_colour", "top_shade", "pattern", "pose"), "person"
    ),
    **{f"{item}_colour": item for item in ("headwear", "neckwear", "legwear", "held")},
    **dict.fromkeys(("thing_colour", "thing_shade"), "thing"),
}
APART = 0.25  # left of: the centres are at least this far apart, in units of the picture


def _table(attribute: str) -> np.ndarray:
    hot = np.zeros((len(ATTRIBUTES[attribute]), len(VOCABULARY)), bool)
    for value, words in enumerate(WORDS_OF[attribute]):
        hot[value, [NUMBER[word] for word in words]] = True
    return hot


TABLES = {name: _table(name) for name in ATTRIBUTES}


def _plural_table() -> np.ndarray:
    hot = np.zeros((len(ATTRIBUTES["thing"]), len(VOCABULARY)), bool)
    for name, plural in COUNTABLE.items():
        hot[index("thing", name), NUMBER[plural]] = True
    return hot


def _is_there(scene: Scene, attribute: str) -> Array:
    if attribute == "time":
        return is_outdoors(scene)
    if attribute == "hair_colour":
        return (scene.person > 0) & (
            (scene.hair != index("hair", "bald")) | (scene.facial_hair > 0)
        )
    owner = BELONGS.get(attribute)
    return jnp.ones_like(scene.place, bool) if owner is None else getattr(scene, owner) > 0


def is_outdoors(scene: Scene) -> Array:
    """Whether the place has a sky with a day and a night."""
    return (scene.place > index("place", "room")) & (scene.place != index("place", "space"))


def is_in_the_middle(scene: Scene) -> Array:
    return (scene.thing > 0) & (jnp.abs(scene.thing_x) < 0.2) & (scene.person == 0)


def words_true_of(scene: Scene) -> Array:
    """(..., len(VOCABULARY)) booleans: the words that are true of a scene, by its attributes.

    The ground truth for judging captions and generated pictures. Function words (a, with, left,
    ...) are always true, padding never. A colour is true where a coloured item (clothes, headwear,
    hair, the thing, what is held) has it.

    Source: derived here.
    """
    true = jnp.zeros((*jnp.shape(scene.place), len(VOCABULARY)), bool)
    for name, table in TABLES.items():
        true |= jnp.asarray(table)[getattr(scene, name)] & _is_there(scene, name)[..., None]
    true |= jnp.asarray(_plural_table())[scene.thing] & (scene.count > 1)[..., None]
    always = np.isin(np.asarray(VOCABULARY), FUNCTION_WORDS)
    one = np.eye(len(VOCABULARY), dtype=bool)
    true |= is_in_the_middle(scene)[..., None] & one[NUMBER["middle"]]
    true |= (scene.person == 0)[..., None] & one[NUMBER["nobody"]]
    return true | always


def relation(scene: Scene, x: Array, y: Array, *, other_there: Array) -> Array:
    """The word for the position of the thing relative to (x, y): left, right or above; else 0."""
    right, up = scene.thing_x - x, scene.thing_y - y
    aside = jnp.where(right < 0, NUMBER["left"], NUMBER["right"])
    word = jnp.where(jnp.abs(right) > APART, aside, jnp.where(up > 2 * APART, NUMBER["above"], 0))
    return jnp.where(other_there & (scene.thing > 0) & (scene.count == 1), word, 0)


def describe(scene: Scene) -> dict[str, Any]:
    """One scene in words: each attribute's value (where it matters), and the floats."""
    values = {
        name: ATTRIBUTES[name][int(getattr(scene, name))]
        for name in ATTRIBUTES
        if bool(_is_there(scene, name))
    }
    return values | {
        name: float(getattr(scene, name)) for name in scene._fields if name not in ATTRIBUTES
    }
