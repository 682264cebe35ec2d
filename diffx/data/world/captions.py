r"""A caption grammar: one of six templates, its phrases joined into a line of words."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx.data.world.attributes import ATTRIBUTES
from diffx.data.world.phrases import (
    AN,
    AND,
    NAMES,
    WITH,
    A,
    Draw,
    held_phrase,
    person_noun,
    place_phrase,
    plant_phrase,
    relation_phrase,
    scenery,
    thing_noun,
    with_items,
    words_if,
)
from diffx.data.world.sample import pick
from diffx.data.world.scene import Scene
from diffx.data.world.truth import words_true_of
from diffx.data.world.words import CONTENT_WORDS, HEADWEAR_WORDS, LENGTH, PLURALS, VOCABULARY

# How often each kind of caption is drawn, where the scene allows it.
TEMPLATES = {"word": 0.17, "item": 0.23, "person": 0.3, "thing": 0.15, "scene": 0.09, "both": 0.06}
HEADWEAR_WEIGHT = 6.0  # of a headwear word among the single words that are true of a scene
RARE_WEIGHT = 4.0  # of words that few scenes make true: motions, plurals, counts
RARE = {
    *(*ATTRIBUTES["motion"], *ATTRIBUTES["pose"], *ATTRIBUTES["count"][2:], *PLURALS),
    *("pair", "several", "many", "fruit", "middle"),
} - {""}
VOWEL = np.asarray([word[:1] in tuple("aeiou") for word in VOCABULARY])


def _weight(word: str) -> float:
    if word in HEADWEAR_WORDS:
        return HEADWEAR_WEIGHT
    return RARE_WEIGHT if word in RARE else float(word in CONTENT_WORDS)


WORD_WEIGHTS = np.asarray([_weight(word) for word in VOCABULARY], np.float32)


def _word(scene: Scene, draw: Draw) -> Array:
    return pick(draw.number(), words_true_of(scene) * jnp.asarray(WORD_WEIGHTS))


def _pad(words: list, width: int) -> Array:
    return jnp.stack(
        [jnp.asarray(word, jnp.int32) for word in [*words, *[0] * (width - len(words))]]
    )


def _close_up(words: Array) -> Array:
    """Words without gaps: (LENGTH,); "a" before a vowel becomes "an"."""
    kept = words > 0
    at = jnp.where(kept, jnp.cumsum(kept) - 1, LENGTH)
    line = jnp.zeros(LENGTH, jnp.int32).at[at].set(words, mode="drop")
    return jnp.where((line == A) & jnp.asarray(VOWEL)[jnp.roll(line, -1)], AN, line)


def caption(key: Array, scene: Scene) -> Array:
    """A true caption of one scene: (LENGTH,) int32 numbers of words in VOCABULARY, padded by 0.

    One of six `TEMPLATES` is drawn: a single word, a noun phrase, a person, a thing, the scenery,
    or a person and a thing; each drops attributes at random. `jax.vmap(caption)` over keys and
    scenes gives a batch.

    Raises: TypeError unless key is a key of jax.random.
    """
    _arguments.key(key)
    draw = Draw(jax.random.uniform(key, (96,), jnp.float32))
    items, item = with_items(scene, draw)
    person, thing = person_noun(scene, draw), thing_noun(scene, draw)
    pose = draw(0.6, jnp.asarray(NAMES["pose"])[scene.pose])
    held = words_if(draw.number() < 0.7, *held_phrase(scene, draw))
    motion = draw(0.85, jnp.asarray(NAMES["motion"])[scene.motion])
    nobody, nothing = scene.person == 0, scene.thing == 0
    short = words_if(~nobody, *item)
    alone = words_if(nobody | (draw.number() < 0.25), *thing)
    said_thing = alone[-1] > 0
    plant = words_if(nobody & nothing, *plant_phrase(scene, draw))
    always = jnp.asarray(True)
    lines = [
        (always, [_word(scene, draw)]),
        (always, [*words_if(~said_thing, *short), *alone, *plant]),
        (~nobody, [*person, pose, *items, *held, *place_phrase(scene, draw, 0.35)]),
        (
            ~nothing,
            [*thing, motion, *relation_phrase(scene, draw), *place_phrase(scene, draw, 0.35)],
        ),
        (always, scenery(scene, draw)),
        (
            ~nobody & ~nothing,
            [
                *person,
                *words_if(item.any(), WITH),
                *short,
                AND,
                *thing,
                *place_phrase(scene, draw, 0.5),
            ],
        ),
    ]
    width = max(len(words) for _, words in lines)
    words = jnp.stack([_pad(words, width) for _, words in lines])
    allowed = jnp.stack([fits for fits, _ in lines]) & (words > 0).any(axis=1)
    return _close_up(
        words[pick(draw.number(), allowed * jnp.asarray([*TEMPLATES.values()], jnp.float32))]
    )
