"""What every library is given: one start, one grid, one Gaussian and one mixture, as plain numpy float32."""

from typing import NamedTuple

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
    turn = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0)
    fields = np.full(k, 1 / k), spread * rng.standard_normal((k, 2)), scale, turn
    return Gaussian(*(field.astype(np.float32) for field in fields))


GAUSSIAN, MIXTURE = _law(1, 0.5, 0), _law(COMPONENTS, 2.0, 1)
LAWS = {"Gaussian": GAUSSIAN, "mixture": MIXTURE}
START = np.random.default_rng(2).standard_normal((POINTS, 2)).astype(np.float32)


def vp(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """alpha and sigma of the VP process with beta from 0.1 to 20, float64."""
    b = t * (0.1 + 19.9 * t / 2)
    return np.exp(-b / 2), np.sqrt(-np.expm1(-b))
