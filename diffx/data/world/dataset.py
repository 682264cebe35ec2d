r"""Pictures with captions and the scenes they show, in one call."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx.data.world.captions import caption
from diffx.data.world.rendering import render
from diffx.data.world.sample import SPLITS, sample_scene
from diffx.data.world.scene import Scene
from diffx.data.world.words import decode_words

CHUNK = 64  # pictures drawn at once: the canvases of one chunk stay in a core's cache


class World(NamedTuple):
    """n pictures with their captions and scenes.

    images: (n, size, size, 3) float32 in [-1, 1]. captions: n strings. tokens: (n, LENGTH) int32.
    scenes: n scenes.
    """

    images: Array
    captions: tuple[str, ...]
    tokens: Array
    scenes: Scene


def render_many(scenes: Scene, size: int = 32, **how: Any) -> Array:
    """`render` of a batch of scenes, in chunks that bound the memory: (n, size, size, 3) float32.

    how: the keyword arguments of render.
    """
    return _render_many(scenes, size, how.get("drawings"))


@partial(jax.jit, static_argnames="size")
def _render_many(scenes: Scene, size: int, drawings: Any) -> Array:
    how = {} if drawings is None else {"drawings": drawings}
    return jax.lax.map(lambda scene: render(scene, size, **how), scenes, batch_size=CHUNK)


@partial(jax.jit, static_argnames=("n", "split"))
def _scenes_and_tokens(key: Array, *, n: int, split: str) -> tuple[Scene, Array]:
    of_scene, of_caption = jax.random.split(key)
    scenes = jax.vmap(partial(sample_scene, split=split))(jax.random.split(of_scene, n))
    return scenes, jax.vmap(caption)(jax.random.split(of_caption, n), scenes)


def miniworld(n: int, *, size: int = 32, seed: int = 0, split: str = "train") -> World:
    r"""n pictures of the drawn world, their captions, and their scenes: the true attributes.

    The same arguments give the same world, which is kept in memory after the first call.
    split="train" never shows what `is_held_out` holds out; "test" shows only headwear with a beard.

    Licence and provenance: computed here from a key; nothing is downloaded, and it is free of any
    licence. It is synthetic: what a model learns from it is genuinely learned, but the world, its
    words and their likenesses are ours.

    Units: images (n, size, size, 3) float32 in [-1, 1]; captions n strings; tokens (n, LENGTH)
        int32, see VOCABULARY; scenes a `Scene` whose every field is (n,).
    Domain: n >= 1; size >= 8; seed >= 0.
    Raises: TypeError or ValueError unless n and size are integers of at least 1 and 8, seed is an
        integer of at least 0, and split is "train" or "test".
    Also called: synthetic image-caption data set, toy captions.
    """
    n, size, seed = (
        _arguments.count("n", n),
        _arguments.count("size", size, least=8),
        _arguments.count("seed", seed, least=0),
    )
    _arguments.require(split in SPLITS, f"split must be 'train' or 'test', got {split!r}")
    return _miniworld(n, size, seed, split)


@lru_cache(maxsize=8)
def _miniworld(n: int, size: int, seed: int, split: str) -> World:
    key = jax.random.fold_in(jax.random.key(seed), SPLITS.index(split))
    scenes, tokens = _scenes_and_tokens(key, n=n, split=split)
    captions = tuple(map(decode_words, np.asarray(tokens)))
    return World(render_many(scenes, size), captions, jnp.asarray(tokens), scenes)
