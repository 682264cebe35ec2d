r"""Tests of a dual encoder on held-out scenes: retrieval, attributes, word order, the hat."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.concepts.algebra import concept_direction, rank_words
from diffx.concepts.retrieval import retrieval_metrics
from diffx.contrast.scores import normalise
from diffx.data.world.attributes import ATTRIBUTES
from diffx.data.world.captions import caption
from diffx.data.world.sample import sample_scene
from diffx.data.world.scene import Scene, with_headwear, without_headwear
from diffx.data.world.words import HEADWEAR_WORDS, VOCABULARY, encode_words
from diffx.nn.encoders import DualEncoder

ASKED = ("headwear", "place", "eyewear")


class Judge(NamedTuple):
    """The two towers as functions, and the vectors of single words.

    see: scenes -> unit vectors of their pictures. read: (n, L) ids -> unit vectors. words: the unit
    vectors of each word alone.
    """

    see: Callable[[Any], Array]
    read: Callable[[Array], Array]
    words: Array


def judge(encoder: DualEncoder, draw: Callable[[Any], Array]) -> Judge:
    """The encoder's two towers, compiled; draw: one scene -> one picture."""
    see = jax.jit(lambda scenes: encoder.encode_image(jax.vmap(draw)(scenes)))
    read = jax.jit(encoder.encode_text)
    return Judge(see, read, read(jnp.arange(1, len(VOCABULARY), dtype=jnp.int32)[:, None]))


def draw_held_out(key: Array, n: int) -> Scene:
    """n scenes of the test split: combinations that training never showed."""
    return jax.jit(jax.vmap(lambda k: sample_scene(k, "test")))(jax.random.split(key, n))


@partial(jax.jit, static_argnames="tries")
def longest_captions(scenes: Scene, key: Array, *, tries: int = 16) -> Array:
    """The longest of `tries` captions of each scene, (n, L): a single word would fit half of the
    pictures.
    """
    captions = jax.vmap(
        lambda k, scene: jax.vmap(caption, (0, None))(jax.random.split(k, tries), scene)
    )
    tokens = captions(jax.random.split(key, scenes.headwear.shape[0]), scenes)
    best = (tokens > 0).sum(-1).argmax(1)
    return jnp.take_along_axis(tokens, best[:, None, None], axis=1)[:, 0]


def retrieval(by: Judge, scenes: Scene, key: Array) -> dict[str, float]:
    """Recall at 1, both ways, with long captions; pictures of equal captions are partners."""
    tokens = longest_captions(scenes, key)
    same = (tokens[:, None] == tokens[None]).all(-1)
    found = retrieval_metrics(by.see(scenes), by.read(tokens), positives=same)
    ways = {"R@1 image to text": found.image_to_text, "R@1 text to image": found.text_to_image}
    return {name: float(way.recall_at_1) for name, way in ways.items()}


def row_of(word: str) -> int:
    """The place of a word in the vocabulary without its padding."""
    return VOCABULARY.index(word) - 1


def zero_shot(by: Judge, scenes: Scene) -> dict[str, float]:
    """Share of scenes whose true word scores highest among the words of its attribute.

    Scenes without a word for the attribute are left out.
    """
    vectors, found = by.see(scenes), {}
    for name in ASKED:
        words = ATTRIBUTES[name]
        truth, said = np.asarray(getattr(scenes, name)), [i for i, word in enumerate(words) if word]
        scores = vectors @ by.words[np.asarray([row_of(words[i]) for i in said])].T
        guess = np.asarray(said)[np.asarray(scores).argmax(1)]
        counted = np.isin(truth, said)
        found[f"zero-shot {name}"] = float((guess == truth)[counted].mean())
    return found


def ranks(directions: Array, words: Array, own: int, *, centre: bool) -> np.ndarray:
    """The rank of the word `own`, 1 the best, for each direction (*batch, d)."""
    return 1 + np.asarray(rank_words(directions, words, centre=centre).order == own).argmax(-1)


def first_words(
    direction: Array, words: Array, count: int, *, centre: bool = False
) -> dict[str, float]:
    """The words with the largest cosines to one direction (d,), best first, and these cosines."""
    ranking = rank_words(direction, words, centre=centre)
    return {VOCABULARY[1 + int(i)]: float(ranking.scores[i]) for i in ranking.order[:count]}


def hat_experiment(by: Judge, scenes: Scene) -> dict[str, dict[str, Any]]:
    """The rank of each headwear's word by the mean of with - without, and by single pairs."""
    bare, worn = (
        by.see(without_headwear(scenes)),
        {word: by.see(with_headwear(scenes, word)) for word in HEADWEAR_WORDS},
    )
    return {
        f"with {word}": one_hat(worn[word], bare, by.words, row_of(word)) for word in HEADWEAR_WORDS
    }


def one_hat(worn: Array, bare: Array, words: Array, own: int) -> dict[str, Any]:
    """Ranks of one word by the mean difference (raw and centred), by single pairs, and
    unsubtracted.
    """
    mean, single = concept_direction(worn, bare), normalise(worn) - normalise(bare)
    alone = ranks(single, words, own, centre=False)
    return {
        "rank": int(ranks(mean, words, own, centre=False)),
        "rank centred": int(ranks(mean, words, own, centre=True)),
        "top-1": float((alone == 1).mean()),
        "top-5": float((alone <= 5).mean()),
        "top-1 centred": float((ranks(single, words, own, centre=True) == 1).mean()),
        "top-1 without subtraction": float((ranks(worn, words, own, centre=False) == 1).mean()),
        "first six": " ".join(first_words(mean, words, 6)),
    }


def swap(by: Judge, scenes: Scene) -> dict[str, float]:
    """Share of two-colour scenes that score higher with their colours than with them swapped."""
    said = list(
        zip(
            *(names(scenes, name) for name in ("headwear", "headwear_colour", "top", "top_colour")),
            strict=True,
        )
    )
    two = np.asarray([a != b for _, a, _, b in said])
    right = by.read(phrases([f"a man with a {a} {hat} and a {b} {top}" for hat, a, top, b in said]))
    wrong = by.read(phrases([f"a man with a {b} {hat} and a {a} {top}" for hat, a, top, b in said]))
    vectors = by.see(scenes)
    return {"swap": float(np.asarray((vectors * (right - wrong)).sum(1) > 0)[two].mean())}


def names(scenes: Scene, attribute: str) -> list[str]:
    """The words of an attribute's true values."""
    return [ATTRIBUTES[attribute][int(value)] for value in getattr(scenes, attribute)]


def phrases(texts: Sequence[str]) -> Array:
    """Word ids of phrases of one length, (n, L)."""
    return jnp.stack([jnp.asarray(encode_words(text), jnp.int32) for text in texts])


def report(
    encoder: DualEncoder, draw: Callable[[Any], Array], *, seed: int, n: int = 256
) -> dict[str, Any]:
    """All results above for n held-out scenes; draw: one scene -> one picture, as in training."""
    by, scenes = judge(encoder, draw), draw_held_out(jax.random.key(seed + 1_000_003), n)
    facts = retrieval(by, scenes, jax.random.key(seed)) | zero_shot(by, scenes) | swap(by, scenes)
    return facts | hat_experiment(by, scenes)
