"""Numbers of a path at many times, and how the code rounds them."""

import jax
import jax.numpy as jnp

from diffx.processes.protocol import rates, transition
from spec_tests.support.paths import classes


def total(values):
    return sum(jnp.sum(leaf) for leaf in jax.tree_util.tree_leaves(values))


CLASSES = classes()

LOG1P = {
    "float64": 8,
    "float32": 1,
}  # XLA's float64 log1p is off by 118 ulp near -0.41 and 70 near 0.41, not by 2


@jax.jit
def paths_at(process, ts):
    return process.alpha(ts), process.sigma(ts)


@jax.jit
def coefficients_at(process, ts):
    return process.f(ts), process.g(ts), jax.vmap(lambda t: rates(process, t))(ts)


@jax.jit
def transitions(process, t, s):
    return jax.vmap(lambda t, s: transition(process, t, s))(t, s), process.log_snr_step(t, s)


@jax.jit
def log_snrs(process, ts, ls):
    return process.log_snr(ts), process.time_of_log_snr(ls)
