r"""v(man with hat) - v(man) = v(hat) - v(nothing): differences of embeddings and projections."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Floats, Points
from diffx.contrast.scores import normalise


class Ranking(NamedTuple):
    """Words by their cosine with a direction."""

    order: Int[Array, "*batch n"]  # indices of the words, the best first
    scores: Float[Array, "*batch n"]  # cosines, in the order of the vocabulary


def concept_direction(
    with_: Float[Array, "n d"], without: Float[Array, "n d"]
) -> Float[Array, "d"]:
    r"""m/|m|, m = (1/n) sum_i (a_i/|a_i| - b_i/|b_i|): the direction from without to with_.

    The rows of with_ are the a_i, those of without the b_i. The differences of single pairs are
    normalise(with_) - normalise(without).

    Units: with_ and without (n, d), embeddings of n pairs that differ in the concept alone,
        normalised inside (a zero vector stays 0); returns (d,), float32 or wider.
    Raises: ValueError for unequal shapes, NaN, or a mean difference of 0.
    Source: the mean of word differences, Mikolov et al. 2013, arXiv:1301.3781, of pictures.
    Also called: concept vector, attribute direction, semantic direction, difference of means,
        steering vector, word vector arithmetic.
    Claims: CON-08.
    """
    with_, without = _arguments.same_shape(
        with_=_arguments.finite("with_", with_), without=_arguments.finite("without", without)
    )
    _arguments.require(
        with_.ndim == 2 and with_.shape[0] >= 1,
        f"with_ and without must have shape (n, d) with n >= 1 pairs, got {with_.shape}; for "
        "one pair pass with_[None]",
    )
    mean = (normalise(with_) - normalise(without)).mean(0)
    _arguments.not_zero("the mean difference of with_ and without", mean)
    return normalise(mean)


def rank_words(
    direction: Float[Array, "*batch d"], text_vectors: Float[Array, "n d"], *, centre: bool = False
) -> Ranking:
    r"""Words by decreasing cos(direction, t_j).

    With centre=True it is cos(direction, t_j/|t_j| - mean of t/|t|). Equal scores stay in the order
    of the vocabulary; NaN (possible inside jit alone) comes last.

    Units: direction (*batch, d), not zero: a direction of concept_direction or differences of
        single pairs; text_vectors (n, d), one for each word, normalised inside (a zero vector
        scores 0); centre a Python boolean, whether the mean of the unit text vectors is first
        subtracted from each; returns order and scores, both (*batch, n).
    Raises: ValueError for unequal widths, no words, NaN, or a zero direction.
    Source: the ranking of analogies by cosine, Mikolov et al. 2013, arXiv:1301.3781.
    Also called: nearest words, word analogy, cosine similarity ranking, king - man + woman.
    Claims: CON-08.
    """
    direction, words = (
        _arguments.finite("direction", direction),
        _arguments.finite("text_vectors", text_vectors),
    )
    _arguments.require(
        words.ndim == 2 and words.shape[0] >= 1,
        f"text_vectors must have shape (n, d) with n >= 1 words, got {words.shape}",
    )
    _arguments.events("direction", direction, words.shape[1:])
    _arguments.not_zero("direction", direction)
    units = normalise(words)
    if centre:
        units = normalise(units - units.mean(0))
    scores = contract("...d,nd->...n", normalise(direction), units)
    return Ranking(jnp.argsort(-scores, axis=-1), scores)


def decomposable(*factors: Float[Array, "_ d"]) -> Float[Array, "*counts d"]:
    r"""v(z_1, ..., z_m) = sum_i factors_i[z_i]: a sum of ideal words.

    The result holds every combination of the values of m factors. Every parallelogram_defect of it
    is 0. All |v| can be 1 only if differences within one factor are orthogonal to those within any
    other (as in a product of simplices).

    Units: factors m arrays (k_i, d); returns (k_1, ..., k_m, d).
    Raises: ValueError for no factors or unequal widths.
    Source: Trager et al. 2023, arXiv:2302.14383.
    Also called: ideal words, decomposable embeddings, compositional embeddings, linear factor
        model.
    Claims: CON-04.
    """
    arrays = [_arguments.floats(f"factors[{i}]", factor) for i, factor in enumerate(factors)]
    shapes = [factor.shape for factor in arrays]
    _arguments.require(
        bool(arrays) and all(len(shape) == 2 and shape[1] == shapes[0][-1] for shape in shapes),
        f"factors must be arrays (k_i, d) of one width d, at least one, got shapes {shapes}",
    )
    total = arrays[0]
    for factor in arrays[1:]:
        total = total[..., None, :] + factor
    return total


def _edges(values: Array) -> tuple[Array, Array]:
    """v_11 - v_10 and v_01 - v_00 of values (2, 2, ...)."""
    values = _arguments.floats("values", values)
    _arguments.require(
        values.shape[:2] == (2, 2),
        f"values must have shape (2, 2, ...), the two concepts first, got {values.shape}",
    )
    (nothing, hat), (man, both) = values
    return both - man, hat - nothing


def parallelogram_defect(values: Float[Array, "2 2 *shape"]) -> Float[Array, "*shape"]:
    r"""(v_11 - v_10) - (v_01 - v_00): 0 where v(man with hat) - v(man) = v(hat) - v(nothing).

    For a table of pointwise mutual information it is logOR(z_1, z_2 | x) - logOR(z_1, z_2).

    Units: values (2, 2, *shape), by the two concepts: vectors, rows of a table of scores, or
        logarithms of probabilities; returns (*shape).
    Raises: ValueError for another shape.
    Source: derived here; conditional independence and decomposable embeddings are Trager et al.
        2023, arXiv:2302.14383.
    Also called: analogy error, interaction of two concepts, second difference, parallelogram rule.
    Claims: CON-01, CON-02, CON-03, CON-04.
    """
    first, second = _edges(values)
    return first - second


def analogy_cosine(vectors: Float[Array, "2 2 d"]) -> Float[Array, ""]:
    r"""cos(v_11 - v_10, v_01 - v_00): is the hat of a man the hat of nobody?

    With edges a, b and defect a - b it is (|a|^2 + |b|^2 - |a - b|^2)/(2|a||b|), which is 1 for a
    parallelogram.

    Units: vectors (2, 2, d), by the two concepts; returns a scalar.
    Raises: ValueError for another shape, or an edge of length 0.
    Source: derived here: the law of cosines.
    Also called: analogy similarity, cosine of difference vectors.
    Claims: CON-04.
    """
    first, second = _edges(vectors)
    _arguments.require(
        first.ndim == 1,
        f"vectors must have shape (2, 2, d), got {jnp.shape(vectors)}; for a batch use jax.vmap",
    )
    _arguments.not_zero("an edge of the parallelogram", jnp.stack([first, second]))
    return contract("d,d->", normalise(first), normalise(second))


def projector(directions: Float[Array, "k d"]) -> Float[Array, "d d"]:
    r"""P = V V', V an orthonormal basis of the span of the directions: P^2 = P = P'.

    P u = u for u in the span, and 0 for u orthogonal to it. The directions may depend on each
    other: singular values below max(k, d) eps of the largest count as 0. The derivative is NaN for
    repeated singular values.

    Units: directions (k, d), not all zero; returns (d, d).
    Raises: ValueError for another rank, NaN, or nothing but zeros.
    Also called: orthogonal projection matrix, projection onto a subspace, concept subspace.
    Claims: CON-06.
    """
    directions = _arguments.finite("directions", directions)
    _arguments.require(
        directions.ndim == 2 and directions.shape[0] >= 1,
        f"directions must have shape (k, d) with k >= 1, got {directions.shape}; for one "
        "direction pass directions[None]",
    )
    _arguments.not_zero("the span of directions", directions.reshape(-1))
    _, values, rows = jnp.linalg.svd(directions, full_matrices=False)
    least = max(directions.shape) * jnp.finfo(directions.dtype).eps * values[0]
    return contract("ki,k,kj->ij", rows, values > least, rows)


def concept_projection(score: Points, other: Points, projector: Float[Array, "d d"]) -> Floats:
    r"""(I - P) score + P other: the concept whose subspace P projects on is taken from `other`.

    Everything else is left alone. Where concepts act on orthogonal independent blocks this is
    exactly the score with the attribute swapped; elsewhere it is an edit and not a conditional
    score.

    Units: score and other (..., d), scores (or predictions of any one kind) under two prompts at
        one x and one noise level; projector (d, d), of `projector`.
    Raises: ValueError for unequal shapes or another width.
    Source: Wang, Gui, Negrea and Veitch 2023, arXiv:2302.03693.
    Also called: concept algebra, concept editing, attribute swap.
    Claims: CON-06.
    """
    score, other = _arguments.same_shape(score=score, other=other)
    p = _arguments.floats("projector", projector)
    _arguments.require(
        score.ndim >= 1 and p.shape == (score.shape[-1],) * 2,
        f"projector must be (d, d) for scores (..., d), got {p.shape} and {score.shape}",
    )
    return (score + contract("...i,ij->...j", other - score, p)).astype(score.dtype)
