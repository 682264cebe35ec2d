"""Contrastive losses with closed-form gradients: the right ones, and common mistakes."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import TINY


class Batch(NamedTuple):
    images: np.ndarray  # (N, d), unit rows
    texts: np.ndarray
    log_scale: float
    bias: float | None


class Result(NamedTuple):
    value: float
    gradients: dict[str, Any]


def _scores(batch: Batch) -> np.ndarray:
    return np.exp(batch.log_scale) * batch.images @ batch.texts.T + (batch.bias or 0.0)


def _result(batch: Batch, value: float, slope: np.ndarray) -> Result:
    """slope: dL/dS (N, N); the rest is the chain rule of S = exp(log_scale) X Y' + bias."""
    scale = np.exp(batch.log_scale)
    by_scale = (slope * scale * (batch.images @ batch.texts.T)).sum()
    images, texts = scale * slope @ batch.texts, scale * slope.T @ batch.images
    return Result(
        float(value), {"images": images, "texts": texts, "log_scale": by_scale, "bias": slope.sum()}
    )


def clip(batch: Batch, *, rows: float = 0.5, columns: float = 0.5, shift: int = 0) -> Result:
    """CLIP's loss; rows and columns are the weights of its two directions.

    Source: Radford et al. 2021, arXiv:2103.00020, Figure 3.
    """
    scores = _scores(batch)
    pairs = np.roll(np.eye(len(scores)), shift, axis=1)
    (by_row, p_row), (by_column, p_column) = (
        _cross_entropy(scores, pairs),
        _cross_entropy(scores.T, pairs.T),
    )
    slope = rows * (p_row - pairs) + columns * (p_column - pairs.T).T
    return _result(batch, rows * by_row + columns * by_column, slope / len(scores))


def _cross_entropy(scores: np.ndarray, pairs: np.ndarray) -> tuple[float, np.ndarray]:
    """-log softmax at the partner, averaged over rows, and the softmax."""
    peak = scores.max(1, keepdims=True)
    logs = scores - peak - np.log(np.exp(scores - peak).sum(1, keepdims=True))
    return -float((pairs * logs).sum() / len(scores)), np.exp(logs)


def siglip(
    batch: Batch, *, over: int = 1, negatives: float = -1.0, bias_sign: float = 1.0
) -> Result:
    """-(1/N) sum_ij log sigmoid(z_ij S_ij); over: the power of N.

    Source: Zhai et al. 2023, arXiv:2303.15343, Algorithm 1.
    """
    scores = _scores(batch._replace(bias=bias_sign * (batch.bias or 0.0)))
    n = len(scores)
    z = np.where(np.eye(n) > 0, 1.0, negatives)
    value, slope = np.logaddexp(0, -z * scores).sum(), -z / (1 + np.exp(z * scores))
    found = _result(batch, value / n**over, slope / n**over)
    return found._replace(gradients=found.gradients | {"bias": bias_sign * found.gradients["bias"]})


def in_shards(form: Callable[[Batch], Result], shards: int, batch: Batch) -> Result:
    """The mean over shards, each of which sees only its own rows."""
    cut = zip(np.split(batch.images, shards), np.split(batch.texts, shards), strict=True)
    parts = [form(batch._replace(images=images, texts=texts)) for images, texts in cut]
    stacked = {
        name: np.concatenate([p.gradients[name] for p in parts]) / shards
        for name in ("images", "texts")
    }
    means = {
        name: np.mean([part.gradients[name] for part in parts]) for name in ("log_scale", "bias")
    }
    return Result(float(np.mean([part.value for part in parts])), stacked | means)


def _change_scale(
    form: Callable[[Batch], Result], scale: Callable[[float], float], batch: Batch
) -> Result:
    """The loss of a batch whose scale exp(log_scale) is scale(log_scale)."""
    return form(batch._replace(log_scale=float(np.log(max(scale(batch.log_scale), TINY)))))


_WRONG_SCALES: dict[str, Callable[[float], float]] = {
    "the loss with log_scale as the scale, without the exponential": lambda log: log,
    "the loss with 1/scale, the temperature inverted": lambda log: np.exp(-log),
    "the loss without a scale": lambda log: 1.0,
}

wrong_clips: dict[str, Callable[[Batch], Result]] = {
    "the rows' cross-entropy alone, from images to texts": partial(clip, rows=1.0, columns=0.0),
    "the columns' cross-entropy alone, from texts to images": partial(clip, rows=0.0, columns=1.0),
    "half of the rows' part": partial(clip, rows=0.5, columns=0.0),
    "half of the columns' part": partial(clip, rows=0.0, columns=0.5),
    "the loss with captions shifted by one": partial(clip, shift=1),
    "the loss with captions shifted by one, the other way": partial(clip, shift=-1),
    **{name: partial(_change_scale, clip, change) for name, change in _WRONG_SCALES.items()},
}

wrong_siglips: dict[str, Callable[[Batch], Result]] = {
    "the mean over all N^2 pairs, not the sum over N": partial(siglip, over=2),
    "the sum over all pairs, not divided by N": partial(siglip, over=0),
    "the loss with every pair as partners, without the -1": partial(siglip, negatives=1.0),
    "the loss with the wrong sign of the bias": partial(siglip, bias_sign=-1.0),
    "the loss without its bias": partial(siglip, bias_sign=0.0),
    **{name: partial(_change_scale, siglip, change) for name, change in _WRONG_SCALES.items()},
}
