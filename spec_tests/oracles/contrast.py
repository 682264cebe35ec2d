"""Contrastive losses as their papers write them: loops over rows, float64, log-sum-exp by scipy;
and their populations.
"""

from itertools import product

import numpy as np
from scipy.special import ive, log_softmax, softmax
from scipy.stats import multivariate_normal


def cosines(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    return np.array(
        [[i @ t / np.linalg.norm(i) / np.linalg.norm(t) for t in texts] for i in images]
    )


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
    total = sum(
        np.logaddexp(0, -scores[i, j] if positives[i, j] else scores[i, j])
        for i in range(n)
        for j in range(n)
    )
    return float(total) / n


def clip_gradient(scores: np.ndarray) -> np.ndarray:
    """dL/dS = (P_row + P_col - 2 I)/(2N)."""
    return (softmax(scores, axis=1) + softmax(scores, axis=0) - 2 * np.eye(len(scores))) / (
        2 * len(scores)
    )


def siglip_gradient(scores: np.ndarray) -> np.ndarray:
    """dL/dS = (sigmoid(S) - I)/N."""
    return (1 / (1 + np.exp(-scores)) - np.eye(len(scores))) / len(scores)


def embedding_gradient(
    images: np.ndarray, texts: np.ndarray, scale: float, of_scores: np.ndarray
) -> np.ndarray:
    """dL/d images from dL/dS: what is left of scale dL/dS t after the part along the image, over
    its length.
    """
    units = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    lengths = np.linalg.norm(images, axis=1, keepdims=True)
    along = images / lengths
    raw = scale * of_scores @ units
    return (raw - (raw * along).sum(1, keepdims=True) * along) / lengths


def row_violation(scores: np.ndarray) -> float:
    """Mean over the rows of max_j S_ij - S_ii."""
    return float(np.mean(scores.max(axis=1) - np.diag(scores)))


# --- exact populations: every batch, every posterior --------------------------------------------


def of_alphabet(joint: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All batches of n independent pairs: indices of the images and of the texts, (batches, n), and
    probabilities.
    """
    pairs = np.array(list(product(range(joint.size), repeat=n)))
    xs, ys = np.unravel_index(pairs, joint.shape)
    return xs, ys, joint[xs, ys].prod(1)


def one_sided(joint: np.ndarray, critic: np.ndarray, n: int) -> float:
    """E[log sum_j exp f(x, y_j) - f(x, y_1)] over one pair and n - 1 texts of other pairs: a row of
    the loss.
    """
    texts, total = joint.sum(0), 0.0
    for x, y in product(*map(range, joint.shape)):
        for others in product(range(len(texts)), repeat=n - 1):
            scores = critic[x, [y, *others]]
            total += (
                joint[x, y] * texts[list(others)].prod() * (np.logaddexp.reduce(scores) - scores[0])
            )
    return float(total)


def population(joint: np.ndarray, critic: np.ndarray, n: int) -> float:
    return (one_sided(joint, critic, n) + one_sided(joint.T, critic.T, n)) / 2


def doubt(joint: np.ndarray, n: int) -> float:
    """The mean of one_sided_doubt of images and of texts."""
    return (one_sided_doubt(joint, n) + one_sided_doubt(joint.T, n)) / 2


def one_sided_doubt(joint: np.ndarray, n: int) -> float:
    """H(which of n texts belongs to x | x and the texts), of which one does and the others are
    drawn alone.
    """
    texts, total = joint.sum(0), 0.0
    for x in range(len(joint)):
        for ys in product(range(len(texts)), repeat=n):
            alone = texts[list(ys)]
            together = (
                np.array([joint[x, y] * np.delete(alone, k).prod() for k, y in enumerate(ys)]) / n
            )
            total -= (together * np.log(together / together.sum())).sum()
    return float(total)


def information(joint: np.ndarray) -> float:
    """Entropy of the images plus that of the texts less that of the pairs."""
    entropy = lambda p: -(p * np.log(p)).sum()
    return float(entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint))


def sigmoid_population(joint: np.ndarray, critic: np.ndarray, n: int) -> float:
    """Each image meets its own text once and n - 1 texts of other pairs."""
    apart = np.outer(joint.sum(1), joint.sum(0))
    return float(
        (joint * np.logaddexp(0, -critic)).sum() + (n - 1) * (apart * np.logaddexp(0, critic)).sum()
    )


def binary_entropy(p: float) -> float:
    return float(-p * np.log(p) - (1 - p) * np.log1p(-p))


# --- directions, and Gaussian pairs -------------------------------------------------------------


def circle(n: int, turn: float = 0.0) -> np.ndarray:
    """n equally spaced unit vectors of the plane, (n, 2)."""
    angles = 2 * np.pi * np.arange(n) / n + turn
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def aligned_circle(n: int, scale: float) -> float:
    """log sum_j exp(scale cos(2 pi j/n)) - scale by Bessel functions of every multiple of n: I_0 +
    2 I_n + 2 I_2n + ...
    """
    return float(np.log(n) + np.log(ive(0, scale) + 2 * ive(n * np.arange(1, 40), scale).sum()))


def cosine_law(dim: int, nodes: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of a uniform direction with a fixed one, and their probabilities: equal angles, exact
    for dim 1 and even.
    """
    if dim == 1:
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    angles = 2 * np.pi * (np.arange(nodes) + 0.5) / nodes
    density = np.abs(np.sin(angles)) ** (dim - 2)
    return np.cos(angles), density / density.sum()


def sphere_log_mean(scale: float, dim: int) -> float:
    """log E cosh(scale cos), cosh - 1 = 2 sinh^2 to many digits where it is small."""
    cosines, p = cosine_law(dim)
    return float(np.log1p((p * 2 * np.sinh(scale * cosines / 2) ** 2).sum()))


def sphere_information(kappa: float, dim: int) -> float:
    """KL of the cosine's law given x from its law alone."""
    cosines, p = cosine_law(dim)
    tilted = p * np.exp(kappa * (cosines - 1))
    tilted /= tilted.sum()
    some = tilted > 0
    return float((tilted[some] * np.log(tilted[some] / p[some])).sum())


def gaussian_pmi(mean: np.ndarray, cov: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Three log-densities of scipy for each pair, (n, N)."""
    d = x.shape[1]
    pairs = np.concatenate([np.repeat(x[:, None], len(y), 1), np.repeat(y[None], len(x), 0)], -1)
    together = multivariate_normal(mean, cov).logpdf(pairs).reshape(len(x), len(y))
    of_x, of_y = (
        multivariate_normal(mean[part], cov[part, part]) for part in (slice(d), slice(d, None))
    )
    return together - of_x.logpdf(x).reshape(-1, 1) - of_y.logpdf(y).reshape(1, -1)
