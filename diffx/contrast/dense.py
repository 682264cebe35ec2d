r"""Contrastive losses on a whole table of scores: CLIP's symmetric InfoNCE and SigLIP's sigmoid
loss.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._types import Number, Scalar
from diffx.contrast._batch import Mask, Positives, embeddings, offset, pairs_of, partners
from diffx.contrast.scores import Embeddings, scores, wide


def info_nce(
    scores: Float[Array, "N N"], *, positives: Positives = None, mask: Mask = None
) -> Number:
    r"""[CE(S) + CE(S')]/2, CE(S) = -(1/N) sum_i log(exp S_ii / sum_j exp S_ij): symmetric InfoNCE
    of any scores, in nats.

    scores: (N, N), of image i and text j, any real numbers.  positives, mask: as for clip_loss.
    Source: Oord et al. 2018, arXiv:1807.03748, eq. (4), taken both ways.
    Raises ValueError for a table that is not square, TypeError and ValueError as clip_loss does.
    Claims: CLP-08, CLP-14.
    """
    scores = _square(scores)
    pairs, rows = _partners(positives, mask, scores.shape[0])
    return (_cross_entropy(scores, pairs, rows) + _cross_entropy(scores.T, pairs.T, rows)) / 2


def sigmoid_nce(
    scores: Float[Array, "N N"], *, positives: Positives = None, mask: Mask = None
) -> Number:
    r"""-(1/N) sum_ij log sigmoid(z_ij S_ij), z = 1 for partners, else -1: SigLIP's loss of any
    scores, in nats.

    scores: (N, N), of image i and text j, any real numbers, the bias included.  positives, mask: as
    for clip_loss.
    Source: Zhai et al. 2023, arXiv:2303.15343, section 3.2.
    Raises ValueError for a table that is not square, TypeError and ValueError as clip_loss does.
    Claims: CLP-12, CLP-14.
    """
    scores = _square(scores)
    pairs, rows = _partners(positives, mask, scores.shape[0])
    losses = jax.nn.softplus(jnp.where(pairs, -scores, scores))
    return jnp.where(rows[:, None] & rows, losses, 0).sum() / rows.sum()


def clip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""[CE(S) + CE(S')]/2 with S_ij = exp(log_scale) cos(image_i, text_j): symmetric InfoNCE, in
    nats.

    images, texts: raw embeddings (N, d), normalised inside.  log_scale: scalar (CLIP starts at
    log(1/0.07)). positives: the pairs that belong together, (N, N) booleans, or (N,) integers that
    name the captions, equal where two captions are one; the target is uniform over partners
    (default: the diagonal). mask: (N,) booleans, the rows that count, for ragged batches.  Computed
    in float32 or wider.
    Source: Radford et al. 2021, arXiv:2103.00020, Figure 3.
    Raises ValueError for unequal shapes or a counted row without a partner.
    Claims: CLP-01, CLP-02, CLP-03, CLP-04, CLP-05, CLP-06, CLP-07, CLP-09, CLP-14, LIT-10.
    """
    return info_nce(scores(*embeddings(images, texts, log_scale)), positives=positives, mask=mask)


def siglip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    bias: Scalar,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""-(1/N) sum_ij log sigmoid(z_ij (exp(log_scale) cos(image_i, text_j) + bias)), z = 1 for
    partners, else -1; in nats.

    images, texts: raw embeddings (N, d), normalised inside.  log_scale, bias: scalars (SigLIP
    starts at log 10, -10). positives, mask: as for clip_loss.  Source: Zhai et al. 2023,
    arXiv:2303.15343, section 3.2, with the sign of the bias of Algorithm 1 (the formula printed
    there has -bias). Raises ValueError for unequal shapes or a counted row without a partner.
    Claims: CLP-03, CLP-12, LIT-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    return sigmoid_nce(scores(x, y, log_scale) + offset(bias, x), positives=positives, mask=mask)


def _square(scores: Any) -> Array:
    scores = wide("scores", scores)
    square = scores.ndim == 2 and scores.shape[0] == scores.shape[1] >= 1
    _arguments.require(
        square, f"scores must be a square table (N, N) with N >= 1, got shape {scores.shape}"
    )
    return scores


def _partners(positives: Any, mask: Any, n: int) -> tuple[Array, Array]:
    """Which pairs belong together (N, N), and which rows count (N,), as booleans."""
    names, counted, table = pairs_of(positives, mask, n)
    return partners(names, names, counted, counted, table), counted


def _cross_entropy(scores: Array, pairs: Array, rows: Array) -> Array:
    """Mean over the rows that count of -sum_j target_ij log softmax(scores_i)_j, target uniform
    over a row's partners.
    """
    logs = jax.nn.log_softmax(jnp.where(rows[None, :], scores, -jnp.inf), axis=1)
    share = jnp.maximum(pairs.sum(1), 1)
    return -(jnp.where(pairs, logs, 0).sum(1) / share).sum() / rows.sum()
