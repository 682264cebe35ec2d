"""What x_t = a x_0 + s z says about x_0, by Bayes' rule in plain numpy and scipy; expectations by
quadrature.

Gaussians by precisions of a latent standard normal, gradients of densities by complex steps, point
sets by one softmax. A covariance is a (d, d) matrix here. x: (..., d).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal


class Moments(NamedTuple):
    """Mean (..., d) and covariance of x_0 given x_t = x; that of a Gaussian, (d, d), does not
    depend on x.
    """

    mean: np.ndarray
    cov: np.ndarray


def root_of(cov: np.ndarray) -> np.ndarray:
    """Some B with B B' = cov, for singular cov too."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0))


def gaussian_posterior(
    mean: np.ndarray, root: np.ndarray, a: float, s: float, x: np.ndarray
) -> Moments:
    """x_0 = mean + root u, u standard normal: u given x has the precision I + (a/s)^2 root'
    root.
    """
    precision = np.eye(root.shape[1]) + (a / s) ** 2 * root.T @ root
    pull = a / s**2 * (x - a * mean) @ root
    u = np.linalg.solve(precision, pull[..., None])[..., 0]
    return Moments(mean + u @ root.T, root @ np.linalg.solve(precision, root.T))


def gaussian_score(
    mean: np.ndarray, cov: np.ndarray, a: float, s: float, x: np.ndarray
) -> np.ndarray:
    """The gradient of log N(x; a mean, a^2 cov + s^2 I), by complex steps of the quadratic form."""
    noisy = a**2 * cov + s**2 * np.eye(len(mean))
    return gradient(lambda y: -_quadratic(noisy, y - a * mean) / 2, x)


def gmm_log_prob(
    weights: np.ndarray, means: np.ndarray, covs: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """The log-density of a Gaussian mixture at x, by scipy."""
    return np.asarray(logsumexp(_gmm_joint(weights, means, covs, x), axis=0))


def gmm_noised(
    weights: np.ndarray, means: np.ndarray, covs: np.ndarray, a: float, s: float
) -> tuple[Any, Any, Any]:
    """The mixture that x_t has: weights, means, covariances."""
    return weights, a * means, a**2 * covs + s**2 * np.eye(means.shape[1])


def gmm_posterior(
    weights: np.ndarray, means: np.ndarray, covs: np.ndarray, a: float, s: float, x: np.ndarray
) -> Moments:
    """Bayes over the components, then within each; the covariance has a batch: (..., d, d)."""
    shares = softmax(_gmm_joint(*gmm_noised(weights, means, covs, a, s), x), axis=0)
    parts = [
        gaussian_posterior(mean, root_of(cov), a, s, x)
        for mean, cov in zip(means, covs, strict=True)
    ]
    inner = np.stack([part.mean for part in parts])
    mean = np.einsum("k...,k...i->...i", shares, inner)
    within = np.einsum("k...,kij->...ij", shares, np.stack([part.cov for part in parts]))
    between = np.einsum("k...,k...i,k...j->...ij", shares, inner - mean, inner - mean)
    return Moments(mean, within + between)


def gmm_score(
    weights: np.ndarray, means: np.ndarray, covs: np.ndarray, a: float, s: float, x: np.ndarray
) -> np.ndarray:
    """The gradient of the log-density of x_t, by complex steps of a sum of exponentials."""
    weights, means, covs = gmm_noised(weights, means, covs, a, s)
    logs = _gmm_joint(weights, means, covs, x)
    top = logs.max(0)

    def log_density(y: np.ndarray) -> np.ndarray:
        # each exponential relative to its value at x, so that the complex step alone moves it
        moved = [
            _quadratic(c, y - m) - _quadratic(c, x - m) for m, c in zip(means, covs, strict=True)
        ]
        return np.log(sum(np.exp(log - top - q / 2) for log, q in zip(logs, moved, strict=True)))

    return gradient(log_density, x)


def points_posterior(
    points: np.ndarray, weights: np.ndarray, a: float, s: float, x: np.ndarray
) -> Moments:
    """All points at once: (..., d) and (..., d, d).  points: (n, d)."""
    with np.errstate(divide="ignore"):
        logits = np.log(weights) - ((x[..., None, :] - a * points) ** 2).sum(-1) / (2 * s**2)
    shares = softmax(logits, axis=-1)
    mean = shares @ points
    away = points - mean[..., None, :]
    return Moments(mean, np.einsum("...n,...ni,...nj->...ij", shares, away, away))


def gradient(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Im f(x + i h e_j)/h, h = 1e-30: no difference is taken, so that all digits stand."""
    steps = 1e-30j * np.eye(x.shape[-1])
    return np.stack([np.imag(function(x + step)) / 1e-30 for step in steps], axis=-1)


def hermite(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n^d, d) and weights (n^d,) of expectations under N(0, I): exact for degrees below 2n
    in each variable.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    grid = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), -1).reshape(-1, d)
    product = (
        np.stack(np.meshgrid(*[weights / weights.sum()] * d, indexing="ij"), -1)
        .reshape(-1, d)
        .prod(-1)
    )
    return grid, product


def trapezoid(n: int, reach: float, d: int) -> tuple[np.ndarray, float]:
    """Nodes (n^d, d) on [-reach, reach]^d and the volume of each: spectral accuracy where the
    integrand has died out.
    """
    nodes, step = np.linspace(-reach, reach, n, retstep=True)
    return np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), -1).reshape(-1, d), float(step) ** d


def _quadratic(cov: np.ndarray, r: np.ndarray) -> np.ndarray:
    """r' cov^-1 r."""
    return (r * np.linalg.solve(cov, r[..., None])[..., 0]).sum(-1)


def _gmm_joint(
    weights: np.ndarray, means: np.ndarray, covs: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """log weights_k + log N(x; means_k, covs_k), shape (k, ...)."""
    with np.errstate(divide="ignore"):
        logs = np.log(weights)
    parts = zip(logs, means, covs, strict=True)
    return np.stack(
        [
            log + multivariate_normal(mean, cov).logpdf(x).reshape(x.shape[:-1])
            for log, mean, cov in parts
        ]
    )
