r"""Scores of images and texts: a scale times the cosine of two embeddings."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Number, Points, Scalar

Embeddings = Float[Array, "N d"]
LARGEST_SCALE = 100.0


def normalise(x: Points) -> Points:
    r"""x/|x| on the last axis, in float32 or wider; a zero vector stays zero, with derivative zero.

    Units: x (..., d), any unit.
    Also called: L2 normalisation, unit vectors, F.normalize.
    Claims: CLP-02.
    """
    x = wide("x", x)
    return x * _inverse_length(x)[..., None]


def wide(name: str, x: Array) -> Array:
    """x in float32 or wider: bfloat16 scores at scale 100 have gradients that are 13% wrong."""
    x = _arguments.floats(name, x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _inverse_length(x: Array) -> Array:
    square = (x**2).sum(-1)
    # 1/inf: a zero vector has score 0; NaN stays NaN
    return 1 / jnp.sqrt(jnp.where(square == 0, jnp.inf, square))


@jax.custom_jvp
def scores(images: Array, texts: Array, log_scale: Array) -> Array:
    """exp(log_scale) cos(image_i, text_j), (n, N), of arrays (n, d) and (N, d) in float32 or wider.

    The lengths scale the product of the raw vectors, so that no normalised copy is held, nor its
    derivative.
    """
    return contract("id,jd->ij", images, texts) * _lengths(images, texts, log_scale)


def _lengths(images: Array, texts: Array, log_scale: Array) -> Array:
    return (jnp.exp(log_scale) * _inverse_length(images))[:, None] * _inverse_length(texts)


@scores.defjvp
def _scores_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """dS_ij = S_ij dlog_scale + scale (turn dx_i . y_j + x_i . turn dy_j)/(|x_i| |y_j|)."""
    (x, y, log_scale), (dx, dy, dl) = primals, tangents
    moved = contract("id,jd->ij", _turn(x, dx) + x * dl, y) + contract("id,jd->ij", x, _turn(y, dy))
    return scores(x, y, log_scale), moved * _lengths(x, y, log_scale)


def _turn(x: Array, dx: Array) -> Array:
    """|x| d(x/|x|): the part of dx that is orthogonal to x."""
    return dx - x * (_inverse_length(x) ** 2 * (x * dx).sum(-1))[..., None]


def scores_of_pairs(images: Array, texts: Array, log_scale: Array) -> Array:
    """exp(log_scale) cos(image_i, text_i), shape (n,)."""
    return (
        jnp.exp(log_scale)
        * _inverse_length(images)
        * _inverse_length(texts)
        * (images * texts).sum(-1)
    )


def clamp_log_scale(log_scale: Scalar, *, largest: Scalar = LARGEST_SCALE) -> Number:
    r"""min(log_scale, log(largest)): applied after an optimizer's step, never a part of the loss.

    A clamp inside the loss has derivative zero above the cap, where it would hold the scale for
    ever.

    Units: log_scale a scalar; largest a bound of the scale, not of its logarithm.
    Raises: ValueError unless largest > 0.
    Source: Radford et al. 2021, arXiv:2103.00020, section 2.5: clipped "to prevent scaling the
        logits by more than 100".
    Also called: logit scale clipping, temperature clamp, logit_scale.clamp.
    Claims: CLP-04.
    """
    _arguments.positive(largest=largest)
    log_scale = _arguments.number("log_scale", log_scale)
    return jnp.minimum(log_scale, jnp.log(jnp.asarray(largest, log_scale.dtype)))
