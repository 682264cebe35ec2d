r"""Contrastive losses on a whole table of scores: CLIP's InfoNCE and SigLIP's sigmoid loss."""

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
    r"""[CE(S) + CE(S')]/2, CE(S) = -(1/N) sum_i log(exp S_ii / sum_j exp S_ij).

    The symmetric InfoNCE loss of any table of scores.

    Units: scores (N, N), any real numbers, row i for image i and column j for text j; positives and
        mask as for clip_loss; the loss in nats.
    Raises: ValueError for a table that is not square; TypeError and ValueError as clip_loss does.
    Source: Oord et al. 2018, arXiv:1807.03748, taken both ways.
    Also called: InfoNCE, symmetric InfoNCE, softmax contrastive loss, contrastive cross-entropy.
    Claims: CLP-08, CLP-14.
    """
    scores = _square(scores)
    pairs, rows = _partners(positives, mask, scores.shape[0])
    return (_cross_entropy(scores, pairs, rows) + _cross_entropy(scores.T, pairs.T, rows)) / 2


def sigmoid_nce(
    scores: Float[Array, "N N"], *, positives: Positives = None, mask: Mask = None
) -> Number:
    r"""-(1/N) sum_ij log sigmoid(z_ij S_ij), z = 1 for partners, else -1.

    SigLIP's loss of any table of scores.

    Units: scores (N, N), any real numbers, the bias included, row i for image i and column j for
        text j; positives and mask as for clip_loss; the loss in nats.
    Raises: ValueError for a table that is not square; TypeError and ValueError as clip_loss does.
    Source: Zhai et al. 2023, arXiv:2303.15343, section 3.2.
    Also called: sigmoid contrastive loss, pairwise sigmoid loss, binary cross-entropy over all
        pairs.
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
    r"""[CE(S) + CE(S')]/2, S_ij = exp(log_scale) cos(image_i, text_j): symmetric InfoNCE.

    The target of a row is uniform over its partners: positives gives the pairs that match, as a
    table (N, N) of booleans or as (N,) integers that name the captions, equal where two captions
    are the same (default: image i matches text i alone). mask says which rows count, for ragged
    batches. Computed in float32 or wider.

    Units: images and texts (N, d), raw embeddings, normalised inside; log_scale a scalar (CLIP
        starts at log(1/0.07)); mask (N,) booleans; the loss in nats.
    Raises: ValueError for unequal shapes or a counted row without a partner.
    Source: Radford et al. 2021, arXiv:2103.00020, Figure 3.
    Also called: CLIP loss, InfoNCE, contrastive language-image pre-training, image-text contrastive
        loss, logit scale, temperature, multiple positives, open_clip ClipLoss.
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
    r"""-(1/N) sum_ij log sigmoid(z_ij (exp(log_scale) cos(image_i, text_j) + bias)).

    z_ij = 1 for partners, else -1. The sign of the bias is that of Algorithm 1 of the source; the
    formula printed there has -bias.

    Units: images and texts (N, d), raw embeddings, normalised inside; log_scale and bias scalars
        (SigLIP starts at log 10 and -10); positives and mask as for clip_loss; the loss in nats.
    Raises: ValueError for unequal shapes or a counted row without a partner.
    Source: Zhai et al. 2023, arXiv:2303.15343, section 3.2, with the sign of the bias of Algorithm
        1.
    Also called: SigLIP loss, sigmoid loss, pairwise sigmoid loss, logit bias, open_clip SigLipLoss.
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
    """Booleans: the pairs that match (N, N), and the rows that count (N,)."""
    names, counted, table = pairs_of(positives, mask, n)
    return partners(names, names, counted, counted, table), counted


def _cross_entropy(scores: Array, pairs: Array, rows: Array) -> Array:
    """-sum_j target_ij log softmax(scores_i)_j, averaged over the counted rows.

    The target of a row is uniform over its partners.
    """
    logs = jax.nn.log_softmax(jnp.where(rows[None, :], scores, -jnp.inf), axis=1)
    share = jnp.maximum(pairs.sum(1), 1)
    return -(jnp.where(pairs, logs, 0).sum(1) / share).sum() / rows.sum()
