r"""Problems with known answers, in numpy float64: a denoiser, and the flow that code must follow.

With y = x/alpha and tau = sigma/alpha every probability flow is d y/d log tau = y - D(y, tau): the
answer depends on the noise levels at the two ends alone, whatever the schedule between them
(FWD-06, REV-02).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# (x, alpha, sigma) -> E[x_0 | x], rows of x are a batch
Denoise = Callable[[Any, Any, Any], np.ndarray]


def level(alpha: Any, sigma: Any) -> tuple[float, float]:
    """One noise level for all rows; TypeError for one level per row, which many networks take."""
    if np.size(alpha) != 1 or np.size(sigma) != 1:
        got = f"{np.shape(alpha)} and {np.shape(sigma)}"
        raise TypeError(
            f"denoise takes one alpha and one sigma, numbers for the whole batch, got shapes {got}"
        )
    return float(np.asarray(alpha).item()), float(np.asarray(sigma).item())


class Gaussian(NamedTuple):
    """Data N(mean, cov): the mean is not 0, the variance not 1, the axes not those of the
    coordinates.
    """

    mean: np.ndarray  # (d,)
    cov: np.ndarray  # (d, d)

    def denoise(self, x: Any, alpha: Any, sigma: Any) -> np.ndarray:
        """D = mean + alpha cov (alpha^2 cov + sigma^2)^-1 (x - alpha mean).

        Source: Efron 2011, doi:10.1198/jasa.2011.tm11181.
        """
        alpha, sigma = level(alpha, sigma)
        spread = alpha**2 * self.cov + sigma**2 * np.eye(len(self.mean))
        gain = alpha * np.linalg.solve(spread, self.cov)  # cov and spread commute
        return self.mean + (np.asarray(x, np.float64) - alpha * self.mean) @ gain

    def marginal(self, alpha: float, sigma: float) -> "Gaussian":
        return Gaussian(alpha * self.mean, alpha**2 * self.cov + sigma**2 * np.eye(len(self.mean)))

    def flow(
        self, start: tuple[float, float], end: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The probability flow between two noise levels (alpha, sigma): x -> offset + x @ matrix
        (REV-02).
        """
        before, after = self.marginal(*start), self.marginal(*end)
        values, vectors = np.linalg.eigh(self.cov)
        stretch = np.sqrt(
            (end[0] ** 2 * values + end[1] ** 2) / (start[0] ** 2 * values + start[1] ** 2)
        )
        matrix = (vectors * stretch) @ vectors.T
        return matrix, after.mean - before.mean @ matrix


PLANE = Gaussian(np.array([0.6, -0.4]), np.array([[1.3, 0.5], [0.5, 0.5]]))
# all data at one point: exponential integrators are exact (REV-17)
POINT = Gaussian(PLANE.mean, np.zeros((2, 2)))


def w2(p: Gaussian, q: Gaussian) -> float:
    """The 2-Wasserstein distance of two Gaussians.

    Source: Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X.
    """
    a, b = _root(p.cov), _root(q.cov)
    # the orthogonal U that brings b U nearest to a: no difference of traces cancels
    left, _, right = np.linalg.svd(b @ a)
    return float(np.sqrt(((p.mean - q.mean) ** 2).sum() + ((a - b @ (left @ right)) ** 2).sum()))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


class Mixture(NamedTuple):
    """Two Gaussians in one dimension, not symmetric: an order needs a nonlinear denoiser
    (REV-19).
    """

    weights: np.ndarray
    means: np.ndarray
    variance: float

    def denoise(self, x: Any, alpha: Any, sigma: Any) -> np.ndarray:
        alpha, sigma = level(alpha, sigma)
        x = np.asarray(x, np.float64)[..., None]
        spread = alpha**2 * self.variance + sigma**2
        logs = np.log(self.weights) - (x - alpha * self.means) ** 2 / (2 * spread)
        shares = np.exp(logs - logs.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        return (
            shares * (self.means + alpha * self.variance / spread * (x - alpha * self.means))
        ).sum(-1)


TWO = Mixture(np.array([0.35, 0.65]), np.array([-0.9, 0.8]), 0.3)


def gate(denoise: Denoise, first: float, last: float) -> Denoise:
    """A denoiser on which a multi-step method starts without error, with no access to its history.

    Where tau = sigma/alpha >= first all data are at 0: then D, the noise and every velocity are
    constant along the flow, and a first step of any order is exact. Between first and last a
    polynomial of degree nine in log tau opens the gate, four times differentiable, so that orders
    up to 4 show.
    """

    def gated_answer(x: Any, alpha: Any, sigma: Any) -> np.ndarray:
        alpha, sigma = level(alpha, sigma)
        share = (
            _opening(np.log(first * alpha / sigma) / np.log(first / last))
            if sigma * alpha > 0
            else float(sigma == 0)
        )
        return share * denoise(x, alpha, sigma)

    return gated_answer


def _opening(u: float) -> float:
    """0 before 0, 1 after 1, and in between the regularised incomplete beta function I_u(5, 5).

    It has four continuous derivatives.
    """
    u = min(max(u, 0.0), 1.0)
    return u**5 * (126 + u * (-420 + u * (540 + u * (-315 + u * 70))))


def follow_gated(
    denoise: Denoise,
    x: np.ndarray,
    sigma: float,
    end: tuple[float, float],
    first: float,
    last: float,
) -> np.ndarray:
    """The end of the flow of gate(denoise, first, last) from x, noise of deviation sigma.

    Integrated as y = tau x/sigma by DOP853.
    """
    from scipy.integrate import solve_ivp

    field = gate(denoise, first, last)
    slope = lambda u, y: y - field(y, 1.0, np.exp(u))
    span = np.log(first), np.log(max(end[1] / end[0], 1e-9))  # below it y no longer moves
    solved = solve_ivp(slope, span, x * first / sigma, method="DOP853", rtol=1e-12, atol=1e-12)
    return end[0] * solved.y[:, -1]
