r"""Contrastive losses of image and text embeddings: CLIP's symmetric InfoNCE and SigLIP's sigmoid loss."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from diffx import _check
from diffx._linalg import contract
from diffx._types import Number, Points
from diffx.process import Scalar

Embeddings = Float[Array, "N d"]


def normalised(x: Points) -> Points:
    r"""x/|x| on the last axis, in float32 or wider; a zero vector stays zero, with derivative zero.

    x: (..., d).  Claims: CLP-02.
    """
    x = _check.floats("x", x)
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    square = (x**2).sum(-1, keepdims=True)
    return x / jnp.sqrt(jnp.where(square == 0, jnp.inf, square))  # 0/inf: value and derivative are 0; NaN stays NaN


def _scores(images: Array, texts: Array, log_scale: Scalar) -> Array:
    """exp(log_scale) cos(image_i, text_j), shape (N, N), in float32 or wider."""
    images, texts = _check.same_shape(images=_check.finite("images", images), texts=_check.finite("texts", texts))
    _check.require(
        images.ndim == 2 and images.shape[0] >= 1,
        f"images and texts must have shape (N, d) with N >= 1, got {images.shape}",
    )
    return jnp.exp(_check.number("log_scale", log_scale)) * contract("id,jd->ij", normalised(images), normalised(texts))


def _pairs(positives: Array | None, mask: Array | None, n: int) -> tuple[Array, Array]:
    """Which pairs belong together (N, N), and which rows count (N,), as booleans."""
    rows = jnp.ones(n, bool) if mask is None else _flags("mask", mask, (n,))
    pairs = jnp.eye(n, dtype=bool) if positives is None else _flags("positives", positives, (n, n))
    pairs = pairs & rows[:, None] & rows[None, :]
    if _check.is_concrete(pairs, rows):
        _check.require(bool(rows.any()), "mask must count at least one row, or there is nothing to take the mean of")
        empty = jnp.flatnonzero(rows & ~(pairs.any(0) & pairs.any(1)))
        way_out = "add their pairs to positives, or leave them out by mask"
        _check.require(empty.size == 0, f"every counted image and text needs a partner, rows {empty} have none; {way_out}")
    return pairs, rows


def _flags(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    value = jnp.asarray(value)
    if value.dtype != bool:
        raise TypeError(f"{name} must be an array of booleans, got {value.dtype}; compare it: {name} > 0")
    _check.require(value.shape == shape, f"{name} must have shape {shape}, got {value.shape}")
    return value


def _cross_entropy(scores: Array, pairs: Array, rows: Array) -> Array:
    """Mean over the rows that count of -sum_j target_ij log softmax(scores_i)_j, target uniform over a row's partners."""
    logs = jax.nn.log_softmax(jnp.where(rows[None, :], scores, -jnp.inf), axis=1)
    partners = jnp.maximum(pairs.sum(1), 1)
    return -(jnp.where(pairs, logs, 0).sum(1) / partners).sum() / rows.sum()


def clip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    positives: Bool[Array, "N N"] | None = None,
    mask: Bool[Array, "N"] | None = None,
) -> Number:
    r"""[CE(S) + CE(S')]/2 with S_ij = exp(log_scale) cos(image_i, text_j): symmetric InfoNCE, in nats.

    images, texts: raw embeddings (N, d), normalised inside.  log_scale: scalar (CLIP starts at log(1/0.07)).
    positives: (N, N) booleans, the pairs that belong together; the target is uniform over partners (default: the diagonal).
    mask: (N,) booleans, the rows that count, for ragged batches.  Computed in float32 or wider.
    Source: Radford et al. 2021, arXiv:2103.00020, Figure 3.
    Raises ValueError for unequal shapes or a counted row without a partner.
    Claims: CLP-01, CLP-02, CLP-03, CLP-04, CLP-05, LIT-10.
    """
    scores = _scores(images, texts, log_scale)
    pairs, rows = _pairs(positives, mask, scores.shape[0])
    return (_cross_entropy(scores, pairs, rows) + _cross_entropy(scores.T, pairs.T, rows)) / 2


def siglip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    bias: Scalar,
    positives: Bool[Array, "N N"] | None = None,
    mask: Bool[Array, "N"] | None = None,
) -> Number:
    r"""-(1/N) sum_ij log sigmoid(z_ij (exp(log_scale) cos(image_i, text_j) + bias)), z = 1 for partners, else -1; in nats.

    images, texts: raw embeddings (N, d), normalised inside.  log_scale, bias: scalars (SigLIP starts at log 10, -10).
    positives, mask: as for clip_loss.  Source: Zhai et al. 2023, arXiv:2303.15343, section 3.2,
    with the sign of the bias of Algorithm 1 (the formula printed there has -bias).
    Raises ValueError for unequal shapes or a counted row without a partner.  Claims: CLP-03, LIT-11.
    """
    scores = _scores(images, texts, log_scale) + _check.number("bias", bias)
    pairs, rows = _pairs(positives, mask, scores.shape[0])
    losses = -jax.nn.log_sigmoid(jnp.where(pairs, scores, -scores))
    return jnp.where(rows[:, None] & rows[None, :], losses, 0).sum() / rows.sum()
