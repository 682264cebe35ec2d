r"""beta(t) = beta_min + (beta_max - beta_min) t, its integral B(t) and the inverse of that."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments


def linear_integral(p: Any, t: Array) -> Array:
    return t * (p.beta_min + (p.beta_max - p.beta_min) * t / 2)


def linear_integral_step(p: Any, t: Array, s: Array) -> Array:
    return (t - s) * (p.beta_min + (p.beta_max - p.beta_min) * (t + s) / 2)


def linear_time_of_integral(p: Any, b: Array) -> Array:
    """The t with B(t) = b; this root of the quadratic subtracts nothing."""
    return 2 * b / (p.beta_min + jnp.sqrt(p.beta_min**2 + 2 * (p.beta_max - p.beta_min) * b))


def linear_check(p: Any) -> None:
    _arguments.positive(beta_min=p.beta_min, beta_max=p.beta_max)


def linear_alpha(p: Any, t: Any) -> Array:
    return jnp.exp(-linear_integral(p, _arguments.times(t)) / 2)
