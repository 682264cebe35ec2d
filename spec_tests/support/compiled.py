"""Functions that are compiled once for the tests of many files."""

import jax
import numpy as np

import diffx

posterior = jax.jit(diffx.posterior)
gaussian_step = jax.jit(diffx.reverse.gaussian_step)


def sqrtm(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
