"""Small Gaussian problems of flow matching and couplings."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import diffx
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast

D = 2


def gaussian(dtype, mean, cov):
    return diffx.GaussianLaw(*cast(dtype, mean, cov))


def plane_covariances():
    """(2, 2) in a rotated basis, condition number at most 100."""
    return st.builds(
        lambda q, v: st_.rotated(v, q), st_.rotations(D), st_.arrays(D, st_.log_uniform(0.05, 5.0))
    )


# --- bad input ----------------------------------------------------------------------------------


def ones(*shape):
    return jnp.ones(shape)


@jax.jit
def euler_law(law, ts):
    field = diffx.flow_matching.marginal_velocity(diffx.RectifiedFlow(), law)
    start = diffx.GaussianLaw(
        jnp.zeros_like(law.mean), jnp.eye(len(law.mean), dtype=law.mean.dtype)
    )
    return diffx.exact_law(diffx.flow_euler(field), start, ts)


def shifted(dtype, n, shift):
    return diffx.time_shift(jnp.asarray(np.linspace(1, 0, n + 1), dtype), shift)


drawn: dict = {}  # the same draws for every example


def field(x, t):
    return x
