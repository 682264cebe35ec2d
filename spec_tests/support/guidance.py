"""Small problems of guidance."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffx


def size(w: float, *terms: np.ndarray) -> np.ndarray:
    """The numbers that are rounded: w and w - 1 times the predictions."""
    return (abs(w) + abs(w - 1) + 1) * np.abs(terms).sum(axis=0)


def constant(value, x, t):
    """A denoiser that always gives the same answer."""
    return value


def lookup(x, t, c):
    """A network that answers with its condition."""
    return c


D = 3


def law(dtype, mean: Any, cov: Any) -> diffx.GaussianLaw:
    return diffx.GaussianLaw(jnp.asarray(mean, dtype), jnp.asarray(cov, dtype))


def one(mean: float, variance: float) -> diffx.GaussianLaw:
    return law(jnp.float64, [mean], [variance])


@jax.jit
def hundred_steps(sampler, mean, cov, ts):
    end = diffx.exact_law(sampler, diffx.GaussianLaw(mean, cov), ts)
    return end.mean, end.cov


def output(sampler, start: diffx.GaussianLaw, ts) -> np.ndarray:
    """Mean and variance of what a sampler outputs in one dimension, a hundred steps at a time."""
    mean, cov = start.mean, start.cov.reshape(1, 1)
    for i in range(0, len(ts) - 1, 100):
        mean, cov = hundred_steps(sampler, mean, cov, ts[i : i + 101])
    return np.array([mean[0], cov[0, 0]])
