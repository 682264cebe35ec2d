r"""Retrieval of texts by images and of images by texts. Ties and NaN count against the model."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Number
from diffx.contrast.scores import normalise


class Retrieval(NamedTuple):
    """Metrics of one direction."""

    recall_at_1: Number  # the share of queries with at least one partner among the first 1, 5, 10
    recall_at_5: Number
    recall_at_10: Number
    median_rank: Number  # of the best partner; 1 is first
    mean_rank: Number


class RetrievalMetrics(NamedTuple):
    """Metrics of both directions."""

    image_to_text: Retrieval
    text_to_image: Retrieval


def partner_ranks(
    scores: Float[Array, "n m"], *, positives: Bool[Array, "n m"] | None = None
) -> Float[Array, "n"]:
    r"""1 + the number of strangers j with not s_ij < s_i*, s_i* the best score of i's partners.

    A stranger with the same score or with NaN stands before the partner; a query with a partner of
    score NaN never finds it, and has rank infinity. (Counting s_ij > s_i* instead gives rank 1 to
    collapsed and to NaN embeddings.)

    Units: scores (n, m), query by candidate; positives (n, m) booleans, the partners (default: the
        diagonal of a square table); returns (n,), floats, the dtype of scores.
    Raises: ValueError for other shapes or a query without a partner.
    Also called: retrieval rank, rank of the correct match.
    Claims: CON-07.
    """
    scores = _arguments.floats("scores", scores)
    positives = _partners(positives, scores.shape)
    best = jnp.where(positives, scores, -jnp.inf).max(1)
    before = (~(scores < best[:, None]) & ~positives).sum(1)
    return jnp.where(jnp.isnan(best), jnp.inf, 1 + before).astype(scores.dtype)


def _partners(positives: Array | None, shape: tuple[int, ...]) -> Array:
    _arguments.require(
        len(shape) == 2 and min(shape) >= 1,
        f"scores must have shape (n, m) with n, m >= 1, got {shape}",
    )
    if positives is None:
        _arguments.require(
            shape[0] == shape[1],
            f"{shape[0]} queries and {shape[1]} candidates: say which pairs match with positives=",
        )
        return jnp.eye(shape[0], dtype=bool)
    positives = jnp.asarray(positives)
    if positives.dtype != bool:
        raise TypeError(
            f"positives must be an array of booleans, got {positives.dtype}; pass positives > 0"
        )
    _arguments.require(
        positives.shape == shape,
        f"positives must have the shape of the scores, {shape}, got {positives.shape}",
    )
    alone = lambda positives: np.flatnonzero(~positives.any(1))
    message = lambda p: (
        f"every query needs a partner, rows {alone(p)} of positives have none; leave them out"
    )
    _arguments.require_that(lambda positives: positives.any(1), message, positives)
    return positives


def retrieval_metrics(
    images: Float[Array, "n d"],
    texts: Float[Array, "m d"],
    *,
    positives: Bool[Array, "n m"] | None = None,
) -> RetrievalMetrics:
    r"""Recall at 1, 5 and 10, median and mean rank of the best partner, in both directions.

    Candidates are ranked by cosine. Recall at k is the share of queries with at least one partner
    among the first k, as in the papers on CLIP. Ties and NaN count against the model
    (`partner_ranks`): NaN embeddings have recall 0 and infinite ranks, collapsed ones rank last.

    Units: images (n, d) and texts (m, d), normalised inside; positives (n, m) booleans, the pairs
        that match (default: the diagonal); returns scalars, float32 or wider.
    Raises: ValueError for unequal widths, unequal batch sizes without positives, or an image or
        text without a partner.
    Also called: recall@k, recall@1, R@1, image-text retrieval, median rank, mean rank.
    Claims: CON-07.
    """
    images, texts = _arguments.floats("images", images), _arguments.floats("texts", texts)
    _arguments.require(
        images.ndim == texts.ndim == 2 and images.shape[1] == texts.shape[1],
        f"images must have shape (n, d) and texts (m, d) with one width d, got {images.shape} and "
        f"{texts.shape}",
    )
    scores = contract("id,jd->ij", normalise(images), normalise(texts))
    positives = _partners(positives, scores.shape)
    return RetrievalMetrics(_one_way(scores, positives), _one_way(scores.T, positives.T))


def _one_way(scores: Array, positives: Array) -> Retrieval:
    ranks = partner_ranks(scores, positives=positives)
    recall = lambda k: (ranks <= k).astype(ranks.dtype).mean()
    return Retrieval(recall(1), recall(5), recall(10), jnp.median(ranks), ranks.mean())
