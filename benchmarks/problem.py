"""What every library is given: one start, one grid, one Gaussian and one mixture, as plain numpy
float32.
"""

from typing import Any, NamedTuple

import numpy as np

POINTS, COMPONENTS = 4096, 8


class Gaussian(NamedTuple):
    weights: np.ndarray  # (k,); a Gaussian is a mixture of one
    means: np.ndarray  # (k, 2)
    values: np.ndarray  # (k, 2): eigenvalues of the covariances
    vectors: np.ndarray  # (k, 2, 2): eigenvectors in columns

    def covs(self) -> np.ndarray:
        return np.einsum("kij,kj,klj->kil", self.vectors, self.values, self.vectors)


def _law(k: int, spread: float, seed: int) -> Gaussian:
    rng = np.random.default_rng(seed)
    angle, scale = rng.uniform(0, np.pi, k), rng.uniform(0.05, 0.6, (k, 2))
    turn = np.moveaxis(
        np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0
    )
    fields = np.full(k, 1 / k), spread * rng.standard_normal((k, 2)), scale, turn
    return Gaussian(*(field.astype(np.float32) for field in fields))


GAUSSIAN, MIXTURE = _law(1, 0.5, 0), _law(COMPONENTS, 2.0, 1)
LAWS = {"Gaussian": GAUSSIAN, "mixture": MIXTURE}
START = np.random.default_rng(2).standard_normal((POINTS, 2)).astype(np.float32)


def _plane(weights, means, values, angles) -> Gaussian:
    turn = np.moveaxis(
        np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]), -1, 0
    )
    return Gaussian(*(np.asarray(field, np.float32) for field in (weights, means, values, turn)))


# A mixture of three with deviations .2 to .5, for the log-likelihood of 1,024 of its points.
DENSITY = _plane(
    [0.25, 0.25, 0.5],
    [[-1, 0], [1, 0.5], [0, -1]],
    [[0.05, 0.15], [0.05, 0.2], [0.04, 0.25]],
    np.array([0.8, 0, 2.2]),
)


def density_points(n: int = 1024) -> np.ndarray:
    rng = np.random.default_rng(3)
    which, z = rng.choice(3, n, p=DENSITY.weights), rng.standard_normal((n, 2))
    spread = DENSITY.vectors * np.sqrt(DENSITY.values)[:, None]
    return (DENSITY.means[which] + np.einsum("nij,nj->ni", spread[which], z)).astype(np.float32)


def log_density(x: np.ndarray, alpha: Any = 1.0, sigma: Any = 0.0) -> np.ndarray:
    """That of alpha x_0 + sigma eps, float64."""
    weights, means, values, vectors = (np.asarray(field, np.float64) for field in DENSITY)
    spread = alpha**2 * values + sigma**2
    white = np.einsum(
        "nki,kij->nkj", np.asarray(x, np.float64)[:, None] - alpha * means, vectors
    ) / np.sqrt(spread)
    parts = weights / np.sqrt(spread.prod(1)) * np.exp(-(white**2).sum(2) / 2)
    return np.log(parts.sum(1) / (2 * np.pi))


def vp(t: Any) -> tuple[np.ndarray, np.ndarray]:
    """alpha and sigma of the VP process with beta from 0.1 to 20, float64."""
    b = t * (0.1 + 19.9 * t / 2)
    return np.exp(-b / 2), np.sqrt(-np.expm1(-b))
