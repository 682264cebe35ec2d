"""Variance preserving in the coordinate B(t) = int_0^t beta.

alpha^2 = exp(-B), sigma^2 = 1 - exp(-B).
"""

import jax.numpy as jnp
from jaxtyping import Array


def vp_sigma(b: Array) -> Array:
    return jnp.sqrt(-jnp.expm1(-b))  # expm1: at B = 1e-4 float32 keeps 7 digits, 1 - exp keeps 3


def vp_log_snr_step(b_s: Array, db: Array) -> Array:
    """l_t - l_s = -log(expm1(B_t)/expm1(B_s)), from the increment dB = B_t - B_s.

    The increment is given and never subtracted.
    """
    # abs, not minus: a GPU gave NaN at B_s = 0
    return -jnp.log1p(jnp.expm1(db) / jnp.abs(jnp.expm1(-b_s)))
