"""The value and every gradient of a contrastive loss for any partners and mask, by the chain rule
in numpy.
"""

import numpy as np
from scipy.special import softmax

from spec_tests.oracles.contrast import clip, cosines, embedding_gradient, siglip


def clip_slopes(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """dL/dS = (P_row - T_row + P_col - T_col)/(2N), where T is uniform over the partners of a row
    or of a column.
    """
    by_row, by_column = positives / positives.sum(1, keepdims=True), positives / positives.sum(0)
    return (softmax(scores, axis=1) - by_row + softmax(scores, axis=0) - by_column) / (
        2 * len(scores)
    )


def siglip_slopes(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """dL/dS = (sigmoid(S) - P)/N."""
    return (1 / (1 + np.exp(-scores)) - positives) / len(scores)


def value_and_gradients(
    kind: str,
    images: np.ndarray,
    texts: np.ndarray,
    log_scale: float,
    bias: float,
    positives: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[float, tuple]:
    """The loss "clip" or "siglip" of the rows that count, and its gradient by images, texts,
    log_scale and bias.
    """
    n = len(images)
    counted = np.ones(n, bool) if mask is None else mask
    partners = (np.eye(n, dtype=bool) if positives is None else positives)[np.ix_(counted, counted)]
    x, y, scale = images[counted], texts[counted], float(np.exp(log_scale))
    scaled = scale * cosines(x, y)
    shift = bias if kind == "siglip" else 0.0
    value, slopes = {"clip": (clip, clip_slopes), "siglip": (siglip, siglip_slopes)}[kind]
    of_scores = slopes(scaled + shift, partners)
    of_images, of_texts = np.zeros(images.shape), np.zeros(texts.shape)
    of_images[counted] = embedding_gradient(x, y, scale, of_scores)
    of_texts[counted] = embedding_gradient(y, x, scale, of_scores.T)
    of_bias = of_scores.sum() if kind == "siglip" else 0.0
    return value(scaled + shift, partners), (
        of_images,
        of_texts,
        (of_scores * scaled).sum(),
        of_bias,
    )
