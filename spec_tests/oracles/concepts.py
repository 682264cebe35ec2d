"""Concepts by enumeration in plain numpy: independence as logits, retrieval by sorting, zero-shot
by loops.
"""

import numpy as np
from scipy.stats import multivariate_normal, norm


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def log_odds_ratio(table: np.ndarray) -> np.ndarray:
    """How much z_2 moves the logit of z_1, by conditional probabilities; table (2, 2, ...)."""
    given_one = table[1, 1] / (table[1, 1] + table[0, 1])
    given_zero = table[1, 0] / (table[1, 0] + table[0, 0])
    return logit(given_one) - logit(given_zero)


def pmi_rows(joint: np.ndarray) -> np.ndarray:
    """log p(x|z) - log p(x), text by text; joint (2, 2, n) gives (4, n)."""
    rows = joint.reshape(-1, joint.shape[-1])
    return np.array([np.log(row / row.sum()) - np.log(rows.sum(0) / rows.sum()) for row in rows])


def simplex(k: int) -> np.ndarray:
    """(k, k): k unit vectors of equal angles and sum 0."""
    vertices = np.eye(k) - 1 / k
    return vertices / np.linalg.norm(vertices[0])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def ranks(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The place of the first partner in a list sorted by score, strangers before partners where
    equal, NaN before all.
    """
    found = []
    for row, partners in zip(scores, positives, strict=True):
        if np.isnan(row[partners]).any():
            found.append(np.inf)
            continue
        strength = np.where(np.isnan(row), np.inf, row)
        order = sorted(range(len(row)), key=lambda j: (-strength[j], partners[j]))
        found.append(1 + next(place for place, j in enumerate(order) if partners[j]))
    return np.array(found, np.float64)


def recalls(places: np.ndarray) -> list[float]:
    return [sum(place <= k for place in places) / len(places) for k in (1, 5, 10)]


def ensemble(vectors: np.ndarray) -> np.ndarray:
    """(k, T, d) -> (k, d): the unit vector along the sum of unit vectors."""
    sums = [sum(v / np.linalg.norm(v) for v in of_class) for of_class in vectors]
    return np.array([total / np.linalg.norm(total) for total in sums])


def mean_class_recall(predictions: np.ndarray, labels: np.ndarray) -> float:
    return float(
        np.mean([np.mean(predictions[labels == label] == label) for label in np.unique(labels)])
    )


def log_posterior(
    x: np.ndarray, means: np.ndarray, cov: np.ndarray, priors: np.ndarray
) -> np.ndarray:
    """log p(c | x) by Bayes' rule from densities; x (n, d) gives (n, k)."""
    logs = np.stack([multivariate_normal(mean, cov).logpdf(x) for mean in means], -1) + np.log(
        priors
    )
    return logs - np.logaddexp.reduce(logs, -1, keepdims=True)


def mahalanobis(x: np.ndarray, means: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """(n, k) distances."""
    gaps = x[:, None] - means[None]
    return np.sqrt(np.einsum("nki,nki->nk", gaps, np.linalg.solve(cov, gaps[..., None])[..., 0]))


def half_plane(mean: np.ndarray, cov: np.ndarray, normal: np.ndarray, offset: float) -> float:
    """P(normal x + offset > 0) of N(mean, cov) in the plane: x_2 given x_1 by its conditional law,
    x_1 by quadrature.
    """
    nodes = np.linspace(-9, 9, 721)
    weights = norm.pdf(nodes) * (nodes[1] - nodes[0])
    first = mean[0] + np.sqrt(cov[0, 0]) * nodes
    second = mean[1] + cov[0, 1] / cov[0, 0] * (first - mean[0])
    spread = np.sqrt(cov[1, 1] - cov[0, 1] ** 2 / cov[0, 0])
    bound = -(offset + normal[0] * first) / normal[1]
    above = norm.sf((bound - second) / spread)
    return float(weights @ (above if normal[1] > 0 else 1 - above))
