"""Contrastive losses as their papers write them: loops over rows, float64, log-sum-exp by scipy."""

import numpy as np
from scipy.special import log_softmax, softmax


def cosines(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    return np.array([[i @ t / np.linalg.norm(i) / np.linalg.norm(t) for t in texts] for i in images])


def clip(scores: np.ndarray, positives: np.ndarray | None = None) -> float:
    """Symmetric cross-entropy; the target of a row is uniform over its positives."""
    n = len(scores)
    positives = np.eye(n, dtype=bool) if positives is None else positives
    rows = [-np.mean(log_softmax(scores[i])[positives[i]]) for i in range(n)]
    columns = [-np.mean(log_softmax(scores[:, j])[positives[:, j]]) for j in range(n)]
    return float(np.mean(rows) + np.mean(columns)) / 2


def siglip(scores: np.ndarray, positives: np.ndarray | None = None) -> float:
    """Sum over all pairs of a binary cross-entropy, divided by the number of rows."""
    n = len(scores)
    positives = np.eye(n, dtype=bool) if positives is None else positives
    total = sum(np.logaddexp(0, -scores[i, j] if positives[i, j] else scores[i, j]) for i in range(n) for j in range(n))
    return float(total) / n


def clip_gradient(scores: np.ndarray) -> np.ndarray:
    """dL/dS = (P_row + P_col - 2 I)/(2N)."""
    return (softmax(scores, axis=1) + softmax(scores, axis=0) - 2 * np.eye(len(scores))) / (2 * len(scores))


def siglip_gradient(scores: np.ndarray) -> np.ndarray:
    """dL/dS = (sigmoid(S) - I)/N."""
    return (1 / (1 + np.exp(-scores)) - np.eye(len(scores))) / len(scores)


def embedding_gradient(images: np.ndarray, texts: np.ndarray, scale: float, of_scores: np.ndarray) -> np.ndarray:
    """dL/d images from dL/dS: what is left of scale dL/dS t after the part along the image, over its length."""
    units = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    lengths = np.linalg.norm(images, axis=1, keepdims=True)
    along = images / lengths
    raw = scale * of_scores @ units
    return (raw - (raw * along).sum(1, keepdims=True) * along) / lengths


def row_violation(scores: np.ndarray) -> float:
    """Mean over the rows of max_j S_ij - S_ii."""
    return float(np.mean(scores.max(axis=1) - np.diag(scores)))
