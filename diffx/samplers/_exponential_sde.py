r"""The reverse SDE with x0 held fixed over a step: its mean and its deviation."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx.processes.protocol import Process


def sde_mean(process: Process, x: Array, x0: Array, t: Array, s: Array) -> Array:
    """sigma_s/sigma_t e^-h x + alpha_s (1 - e^-2h) x0."""
    step = process.log_snr_step(t, s)  # -2h
    return (
        process.sigma(s) / process.sigma(t) * jnp.exp(step / 2) * x
        - process.alpha(s) * jnp.expm1(step) * x0
    )


def sde_deviation(process: Process, t: Array, s: Array) -> Array:
    """sigma_s sqrt(1 - e^-2h)."""
    return process.sigma(s) * jnp.sqrt(-jnp.expm1(process.log_snr_step(t, s)))
