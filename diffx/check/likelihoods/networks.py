"""Two laws whose probability flow, density and denoiser are known in closed form."""

from typing import Any, NamedTuple

import numpy as np

from diffx.check.problems import Gaussian, Mixture, level

Level = tuple[float, float]  # (alpha, sigma)


class Parts(NamedTuple):
    """Parts of log p(x) = at_end + stretch for a normal at the noise end; density is that of the
    data.
    """

    at_end: np.ndarray  # (B,): log N(x_T; 0, s^2 I)
    stretch: np.ndarray  # (B,): log |det dx_T/dx|, the integral of the divergence
    density: np.ndarray  # (B,)


class PlaneNetwork(NamedTuple):
    """The exact denoiser of a Gaussian, its derivative, and its flow from data to noise."""

    law: Gaussian

    def __call__(self, x: Any, alpha: Any, sigma: Any) -> np.ndarray:
        return self.law.denoise(x, alpha, sigma)

    def pull(self, x: Any, alpha: Any, sigma: Any, v: Any) -> np.ndarray:
        """v dD/dx, where D is affine in x and its derivative symmetric."""
        ends = [self.law.denoise(y, alpha, sigma) for y in (v, np.zeros_like(v))]
        return ends[0] - ends[1]

    def log_map(self, start: Level, end: Level) -> np.ndarray:
        """The logarithm of dx_T/dx, whose trace the probes estimate."""
        values, vectors = np.linalg.eigh(self.law.flow(end, start)[0])
        return (vectors * np.log(values)) @ vectors.T

    def parts(self, x: np.ndarray, start: Level, end: Level, deviation: float) -> Parts:
        matrix, offset = self.law.flow(end, start)
        stretch = np.full(len(x), np.log(np.abs(np.linalg.det(matrix))))
        return Parts(_normal(offset + x @ matrix, deviation), stretch, self._density(x, end))

    def _density(self, x: np.ndarray, end: Level) -> np.ndarray:
        mean, cov = self.law.marginal(*end)
        away = x - mean
        quadratic = (away * np.linalg.solve(cov, away.T).T).sum(1)
        return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * cov)[1])


class LineNetwork(NamedTuple):
    """The same for a mixture on the line, where the flow keeps every quantile."""

    law: Mixture

    def __call__(self, x: Any, alpha: Any, sigma: Any) -> np.ndarray:
        return self.law.denoise(x, alpha, sigma)

    def pull(self, x: Any, alpha: Any, sigma: Any, v: Any) -> np.ndarray:
        (alpha, sigma), x = level(alpha, sigma), np.asarray(x, np.float64)[..., None]
        spread = alpha**2 * self.law.variance + sigma**2
        gain = alpha * self.law.variance / spread
        slopes, shares = (alpha * self.law.means - x) / spread, np.exp(self._logs(x, alpha, spread))
        shares /= shares.sum(-1, keepdims=True)
        centres = self.law.means + gain * (x - alpha * self.law.means)
        mean_slope = (shares * slopes).sum(-1, keepdims=True)
        return (gain + (shares * (slopes - mean_slope) * centres).sum(-1)) * np.asarray(
            v, np.float64
        )

    def parts(self, x: np.ndarray, start: Level, end: Level, deviation: float) -> Parts:
        density, y = self._density(x[:, 0], end), self._same_quantile(x[:, 0], start, end)
        return Parts(_normal(y[:, None], deviation), density - self._density(y, start), density)

    def grid(self, end: Level) -> np.ndarray:
        """Points (n, 1) at which the trapezium rule integrates the density, to 1e-10 with both
        tails.
        """
        alpha, sigma = end
        spread = np.sqrt(alpha**2 * self.law.variance + sigma**2)
        low, high = (alpha * bound for bound in (self.law.means.min(), self.law.means.max()))
        return np.arange(low - 7 * spread, high + 7 * spread, spread / 2)[:, None]

    def _logs(self, x: np.ndarray, alpha: float, spread: float) -> np.ndarray:
        logs = np.log(self.law.weights) - (x - alpha * self.law.means) ** 2 / (2 * spread)
        return logs - logs.max(-1, keepdims=True)

    def _density(self, x: np.ndarray, level: Level) -> np.ndarray:
        alpha, spread = level[0], level[0] ** 2 * self.law.variance + level[1] ** 2
        logs = np.log(self.law.weights) - (x[:, None] - alpha * self.law.means) ** 2 / (2 * spread)
        return np.logaddexp.reduce(logs, axis=1) - np.log(2 * np.pi * spread) / 2

    def _log_odds(self, x: np.ndarray, level: Level) -> np.ndarray:
        """log P(X <= x) - log P(X > x), increasing and exact in both tails."""
        from scipy.special import log_ndtr

        deviation = np.sqrt(level[0] ** 2 * self.law.variance + level[1] ** 2)
        z = (x[:, None] - level[0] * self.law.means) / deviation
        below, above = (
            np.logaddexp.reduce(np.log(self.law.weights) + log_ndtr(side), axis=1)
            for side in (z, -z)
        )
        return below - above

    def _same_quantile(self, x: np.ndarray, start: Level, end: Level) -> np.ndarray:
        wanted, reach = self._log_odds(x, end), 40 * np.hypot(*start) * np.ones_like(x)
        low, high = -reach, reach
        for _ in range(80):  # bisection, to rounding
            middle = (low + high) / 2
            under = self._log_odds(middle, start) < wanted
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) / 2


def _normal(x: np.ndarray, deviation: float) -> np.ndarray:
    return -((x / deviation) ** 2 + np.log(2 * np.pi * deviation**2)).sum(1) / 2
