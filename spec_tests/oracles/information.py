"""Information of one-dimensional mixtures by the trapezoidal rule on densities, of Gaussians in
wide floats, of +-1 in noise.

A mixture is a tuple of arrays (weights, means, variances), each (k,). No function knows a denoising
error: entropies are integrals of -p log p, rates integrals of time derivatives of densities, and
mmse is the mean of a posterior variance.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import logsumexp

WIDE = np.longdouble


class Mixture(NamedTuple):
    """sum_k weights_k N(means_k, variances_k) on the line."""

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def noised(self, a: float, s: float) -> "Mixture":
        return Mixture(self.weights, a * self.means, a**2 * self.variances + s**2)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(logsumexp(self.joint(x), axis=-1))

    def joint(self, x: np.ndarray) -> np.ndarray:
        """log weights_k + log N(x; means_k, variances_k), shape (..., k)."""
        away = x[..., None] - self.means
        return (
            np.log(self.weights)
            - (np.log(2 * np.pi * self.variances) + away**2 / self.variances) / 2
        )

    def rate(self, x: np.ndarray, means_rate: np.ndarray, variances_rate: np.ndarray) -> np.ndarray:
        """dp(x)/dt where means and variances move."""
        away, v = x[..., None] - self.means, self.variances
        moved = means_rate * away / v + variances_rate / 2 * (away**2 / v**2 - 1 / v)
        return (np.exp(self.joint(x)) * moved).sum(-1)

    def nodes(self, n: int = 4001, reach: float = 11.0) -> tuple[np.ndarray, float]:
        """Points and their spacing: 11 deviations beyond every component, where the density is
        1e-26.
        """
        widest = reach * np.sqrt(self.variances)
        x = np.linspace((self.means - widest).min(), (self.means + widest).max(), n)
        return x, float(x[1] - x[0])


def entropy(p: Mixture) -> float:
    """-int p log p."""
    x, step = p.nodes()
    log = p.log_density(x)
    return float(-(np.exp(log) * log).sum() * step)


def divergence(p: Mixture, q: Mixture) -> float:
    """int p log(p/q)."""
    x, step = p.nodes()
    log = p.log_density(x)
    return float((np.exp(log) * (log - q.log_density(x))).sum() * step)


def mutual_information(p: Mixture, g: float) -> float:
    """h(sqrt(g) x_0 + z) - h(z)."""
    return entropy(p.noised(np.sqrt(g), 1.0)) - np.log(2 * np.pi * np.e) / 2


def mmse(p: Mixture, g: float) -> float:
    """The mean over x_t of the variance of x_0 given x_t = sqrt(g) x_0 + z."""
    noisy = p.noised(np.sqrt(g), 1.0)
    x, step = noisy.nodes()
    shares = np.exp(noisy.joint(x) - noisy.log_density(x)[:, None])
    gain = np.sqrt(g) * p.variances / noisy.variances
    inner = p.means + gain * (x[:, None] - noisy.means)
    within = p.variances / noisy.variances
    middle = (shares * inner).sum(-1)
    spread = (shares * (within + (inner - middle[:, None]) ** 2)).sum(-1)
    return float((np.exp(noisy.log_density(x)) * spread).sum() * step)


def entropy_rate(p: Mixture, means_rate: np.ndarray, variances_rate: np.ndarray) -> float:
    """-int p' log p: the mass is conserved."""
    x, step = p.nodes()
    return float(-(p.rate(x, means_rate, variances_rate) * p.log_density(x)).sum() * step)


def divergence_rate(p: Mixture, p_rates: tuple, q: Mixture, q_rates: tuple) -> float:
    """int p' log(p/q) - p q'/q."""
    x, step = p.nodes()
    gap, ratio = p.log_density(x) - q.log_density(x), np.exp(p.log_density(x) - q.log_density(x))
    return float((p.rate(x, *p_rates) * gap - ratio * q.rate(x, *q_rates)).sum() * step)


# --- Gaussians: one direction of variance L, in the coordinate tau = 1/SNR ----------------------


def frozen_denoiser_kl(variances: np.ndarray, taus: np.ndarray) -> float:
    """Sum over steps and directions of KL(q(x_s | x_t) || ddpm's step): one mean, two variances; by
    precisions.

    y_s given y_t: N(y_s; y_0, tau_s) N(y_t; y_s, tau_t - tau_s), y_0 of variance L for q and known
    for ddpm's variance.
    """
    now, then = (np.asarray(x, WIDE)[:, None] for x in (taus[:-1], taus[1:]))
    true = 1 / (1 / (np.asarray(variances, WIDE) + then) + 1 / (now - then))
    used = 1 / (1 / then + 1 / (now - then))
    return float(gaussian_kl(true, used).sum())


def gaussian_kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(N(m, p) || N(m, q))."""
    return (p / q - 1 - np.log(p / q)) / 2


def frozen_score_kl(variances: np.ndarray, taus: np.ndarray, nodes: int = 40) -> float:
    """Half the integral of J(tau) - J(tau_k) over every step, J = 1/(L + tau): Gauss and
    Legendre.
    """
    z, w = np.polynomial.legendre.leggauss(nodes)
    now, then = taus[:-1, None], taus[1:, None]
    tau = (now + then) / 2 + (now - then) / 2 * z
    fisher = 1 / (variances[:, None, None] + tau)
    start = 1 / (variances[:, None, None] + now)
    return float((((fisher - start) * w).sum(-1) * (now - then)[:, 0] / 2).sum() / 2)


def frozen_score_end(variances: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """The variance at the end of y' = y - h y/(L + tau) + sqrt(h) z from the exact law."""
    now = variances + taus[0]
    for tau, then in pairwise(taus):
        h = tau - then
        now = (1 - h / (variances + tau)) ** 2 * now + h
    return now


# --- coding theory ------------------------------------------------------------------------------


def binary_bits(g: float) -> float:
    """Bits that sqrt(g) x + z tells of x = +-1: 1 - E log2(1 + exp(-2 g - 2 sqrt(g) z))."""

    def lost(z: float) -> float:
        return (
            np.exp(-(z**2) / 2)
            / np.sqrt(2 * np.pi)
            * np.logaddexp(0, -2 * g - 2 * np.sqrt(g) * z)
            / np.log(2)
        )

    return 1 - quad(lost, -12, 12, epsabs=1e-13, limit=200)[0]


def binary_mmse(g: float) -> float:
    """1 - E tanh(g + sqrt(g) z): what x = +-1 keeps unknown."""
    return (
        1
        - quad(
            lambda z: np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * np.tanh(g + np.sqrt(g) * z),
            -12,
            12,
            epsabs=1e-13,
        )[0]
    )
