r"""Pointwise mutual information, the optimal contrastive score, and vectors that factor it."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diffx import _arguments
from diffx.concepts.algebra import parallelogram_defect


class Factors(NamedTuple):
    """Vectors whose inner products are a table of scores."""

    texts: Float[Array, "m d"]
    images: Float[Array, "n d"]  # orthonormal columns


def pmi(joint: Float[Array, "*texts n"]) -> Float[Array, "*texts n"]:
    r"""log p(z, x) - log p(z) - log p(x): the optimal score of a contrastive loss.

    -inf where p(z, x) = 0, and NaN where p(z) or p(x) is 0. The empty text, which says nothing, has
    0.

    Units: joint (*texts, n), probabilities of text z (one axis, or one for each concept in it) and
        image x (the last axis); the result in nats.
    Raises: ValueError unless the entries are probabilities.
    Source: van den Oord et al. 2018, arXiv:1807.03748: the density ratio; Levy and Goldberg 2014,
        for word vectors.
    Also called: pointwise mutual information, PMI, log density ratio, information density.
    Claims: CON-01, CON-02.
    """
    joint = _probabilities(joint)
    of_images = joint.sum(tuple(range(joint.ndim - 1)))
    of_texts = joint.sum(-1, keepdims=True)
    # three logarithms would round at the size of the largest
    return jnp.log(joint / of_texts / of_images)


def _probabilities(joint: Array) -> Array:
    joint = _arguments.finite("joint", joint)
    _arguments.require(
        joint.ndim >= 2,
        f"joint must have shape (*texts, n), a table of at least 2 axes, got {joint.shape}",
    )
    _arguments.none_negative("joint", joint)
    allowed = 4 * joint.size * float(jnp.finfo(joint.dtype).eps)
    total = lambda joint: joint.astype(np.float64).sum()
    message = lambda joint: f"joint must sum to 1, got {total(joint)}; pass joint / joint.sum()"
    _arguments.require_that(lambda joint: abs(total(joint) - 1) <= allowed, message, joint)
    return joint


def log_odds_ratio(table: Float[Array, "2 2 *shape"]) -> Float[Array, "*shape"]:
    r"""log(p_11 p_00/(p_10 p_01)): 0 where the two concepts are independent.

    A joint table (2, 2, n) gives logOR(z_1, z_2 | x), its sum over x gives logOR(z_1, z_2).

    Units: table (2, 2, *shape), by the two concepts: probabilities up to a factor for each entry of
        *shape; returns (*shape), in nats.
    Raises: ValueError for another shape or a negative entry.
    Also called: log odds ratio, logOR, association of two concepts.
    Claims: CON-01.
    """
    table = _arguments.floats("table", table)
    _arguments.none_negative("table", table)
    return parallelogram_defect(jnp.log(table))


def pmi_embeddings(scores: Float[Array, "m n"], *, dim: int) -> Factors:
    r"""Texts U S and images V of the singular value decomposition U S V' of a table of scores.

    The decomposition is cut at `dim`. For dim >= rank, texts images' = scores, and since the
    columns of images are orthonormal, a combination of texts is as long as that of their rows of
    scores: additive rows give parallelograms. For dim < rank they are the closest in the Frobenius
    norm (Eckart and Young 1936). Derivatives are NaN for repeated singular values.

    Units: scores (m, n), such as pmi; dim a Python integer; returns texts (m, dim), images (n,
        dim).
    Domain: dim from 1 to min(m, n).
    Raises: ValueError for another shape, infinite scores, or a dim out of range.
    Source: Levy and Goldberg 2014, where U sqrt(S) is shared out evenly.
    Also called: truncated SVD, low-rank factorisation, matrix factorisation of PMI, SVD word
        vectors.
    Claims: CON-03, CON-04.
    """
    scores = _arguments.finite("scores", scores)
    _arguments.require(
        scores.ndim == 2,
        f"scores must have shape (m, n), got {scores.shape}; reshape the concepts into one axis",
    )
    dim = _arguments.count("dim", dim)
    _arguments.require(
        dim <= min(scores.shape),
        f"dim must be at most {min(scores.shape)} for scores {scores.shape}, got {dim}",
    )
    left, values, right = jnp.linalg.svd(scores, full_matrices=False)
    return Factors((left * values)[:, :dim], right[:dim].T)
