r"""Log-SNR increments and derivatives where a value is 0 or infinite."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments


def fixed_where(process: Any, still: Array) -> Any:
    """The process with parameters that do not move an alpha or a sigma that is 0 at an end.

    Its root has an infinite derivative there, and infinity times 0 is NaN.
    """
    return jax.tree_util.tree_map(lambda p: jnp.where(still, jax.lax.stop_gradient(p), p), process)


def finite_increment(process: Any, t: Any, s: Any) -> tuple[Array, Array, Array]:
    """The times of a log-SNR increment, and where it is -inf whatever the parameters.

    That is from data or to pure noise. There the times are 1/2, so that no derivative meets 0/0;
    `_increment` puts the -inf back.
    """
    t, s = _arguments.times(t), _arguments.times(s, "s")
    whole = (s == 0) | (process.alpha(t) == 0)
    return jnp.where(whole, 0.5, t), jnp.where(whole, 0.5, s), whole


def with_infinite_increment(whole: Array, step: Array) -> Array:
    return jnp.where(whole, -jnp.inf, step)
