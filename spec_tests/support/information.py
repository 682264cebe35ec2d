"""Curves of squared errors, and laws whose information is known."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.oracles import bayes, information as exact
from spec_tests.support.arrays import cast

MEAN, VARIANCES = np.array([0.5, -1.0]), np.array([2.0, 0.25])


def two_axes(dtype):
    return diffx.GaussianLaw(*cast(dtype, MEAN, VARIANCES))


@jax.jit
def terms(processes, x0, eps, t, s):
    """vlb_term of a denoiser that is no exact one, and its answer, for every process."""
    wrong = lambda x, t: 0.75 * x + 0.5
    return [
        (diffx.likelihood.vlb_term(p, wrong, x0, eps, t, s), wrong(diffx.perturb(p, x0, eps, t), t))
        for p in processes
    ]


# --- paths --------------------------------------------------------------------------------------


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Brownian:
    """x_t = x_0 + sqrt(T t) eps: Euler-Maruyama in its time freezes the score."""

    total: Any

    def alpha(self, t: Any) -> Any:
        return jnp.ones_like(t)

    def sigma(self, t: Any) -> Any:
        return jnp.sqrt(self.total * t)

    def f(self, t: Any) -> Any:
        return jnp.zeros_like(t)

    def g(self, t: Any) -> Any:
        return jnp.sqrt(self.total) * jnp.ones_like(t)

    def log_snr(self, t: Any) -> Any:
        return -jnp.log(self.total * t)

    def log_snr_step(self, t: Any, s: Any) -> Any:
        return -jnp.log1p((t - s) / s)

    def time_of_log_snr(self, l: Any) -> Any:
        return jnp.exp(-l) / self.total


def stay(x, t):
    """x/alpha of rectified flow: the answer of who knows no score."""
    return x / (1 - t)


GSV = "Guo, Shamai and Verdu 2005, arXiv:cs/0412108"
KONG = "Kong, Brekelmans and Ver Steeg 2023, arXiv:2302.03792"
QUADRATURE = "the trapezoidal rule in log-SNR limits it, not rounding"
HALF_LOG = np.log(2 * np.pi * np.e) / 2

NODES = 97  # of each variable of a mixture, on [-8, 8]: exp(-32) is left beyond, 1e-13 between

TIMES = (0.0625, 0.75)


def grid(process, low, high, n, dtype=np.float64):
    """(n + 1,) times of uniform log-SNR."""
    return process.time_of_log_snr(jnp.asarray(np.linspace(low, high, n + 1), dtype))


def bell(n=NODES, reach=8.0):
    """Nodes and weights of an expectation under N(0, 1), by the trapezoidal rule."""
    z = np.linspace(-reach, reach, n)
    w = np.exp(-(z**2) / 2)
    return z, w / w.sum()


def mixture(weights=(0.3125, 0.6875), means=(-1.0, 1.5), variances=(0.25, 0.5)):
    return exact.Mixture(*(np.array(value, np.float64) for value in (weights, means, variances)))


def law_of(p, dtype=np.float64):
    return diffx.MixtureLaw(*cast(dtype, p.weights, p.means[:, None], p.variances))


def draws_of(p, n=NODES):
    """x0, eps, weights that stand for a mixture and its noise, (2 n^2, 1)."""
    (z, w), k = bell(n), len(p.means)
    x0 = p.means[:, None] + np.sqrt(p.variances)[:, None] * z
    every = np.broadcast_to(x0[:, :, None], (k, n, n)), np.broadcast_to(z, (k, n, n))
    weights = p.weights[:, None, None] * w[:, None] * w
    return *(value.reshape(-1, 1) for value in every), weights.ravel()


def gaussian_draws(mean, cov):
    """The same for N(mean, cov), (3^(2 d), d): exact where the error is quadratic."""
    d = len(mean)
    nodes, weights = bayes.hermite(3, 2 * d)
    return mean + nodes[:, :d] @ bayes.root_of(cov).T, nodes[:, d:], weights


def curve(process, law, draws, ts, **options):
    x0, eps, weights = cast(ts.dtype, *draws)
    return diffx.likelihood.mmse_curve(
        process, diffx.denoiser(process, law), x0, eps, ts, weights=weights, **options
    )


def plane(points, n, reach):
    """x0, eps, weights: every point with a tensor of n x n noises."""
    z, w = bell(n, reach)
    noise = np.stack(np.meshgrid(z, z, indexing="ij"), -1).reshape(-1, 2)
    x0 = np.repeat(points, n * n, axis=0)
    return (
        x0,
        np.tile(noise, (len(points), 1)),
        np.tile(np.outer(w, w).ravel(), len(points)) / len(points),
    )


# --- rates --------------------------------------------------------------------------------------


def moving(path, p, t):
    """The mixture of x_t and the rates of its means and variances."""
    a, s = path.alpha(t), path.sigma(t)
    rates = (
        path.alpha_rate(t) * p.means,
        2 * a * path.alpha_rate(t) * p.variances + 2 * s * path.sigma_rate(t),
    )
    return p.noised(a, s), rates
