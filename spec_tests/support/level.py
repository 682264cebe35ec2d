"""A process with given alpha, sigma, alpha' and sigma': one noise level without a schedule."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

T = 0.25  # the time of the level; float32 holds it exactly


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Level:
    """alpha(t) and sigma(t) linear in t, with the given values and rates at t = T: at any other
    time they are wrong.
    """

    alpha0: Any
    sigma0: Any
    alpha_rate: Any
    sigma_rate: Any

    def alpha(self, t: Any) -> jax.Array:
        return self.alpha0 + self.alpha_rate * (t - T)

    def sigma(self, t: Any) -> jax.Array:
        return self.sigma0 + self.sigma_rate * (t - T)


def level(a: float, s: float, dtype: Any, rates: tuple[float, float] = (-1.0, 1.0)) -> Any:
    """The process and its time T in a dtype: alpha(T) = a and sigma(T) = s exactly."""
    numbers = (jnp.asarray(number, dtype) for number in (a, s, *rates))
    return Level(*numbers), jnp.asarray(T, dtype)
