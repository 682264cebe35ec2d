r"""Euler's method on a bare velocity field."""

from collections.abc import Callable

from jaxtyping import Array

from diffx._types import Scalar
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def flow_euler_step(
    x: Array, t: Array, s: Array, *, velocity: Callable[[Array, Scalar], Array]
) -> tuple[Array, Array]:
    r"""x_s = x + (s - t) u(x, t); the answer x0 = x - t u is where the straight line of this
    velocity meets data.

    Source: Liu et al. 2023, arXiv:2209.03003, with time reversed.  t, s: scalar times, s < t.
    Claims: REV-15, FM-06.
    """
    u = velocity(x, t)
    return x + (s - t) * u, x - t * u


def flow_euler(velocity: Callable[[Array, Scalar], Array]) -> Sampler:
    r"""Euler's method on a bare field (x, t) -> dx/dt, which points to noise (rectified flow: eps -
    x0).

    See `flow_euler_step`.  A field of the opposite time runs as (x, t) -> -u(x, 1 - t).  Claims:
    REV-15, FM-06, FM-15.
    """
    return sampler_of_step(flow_euler_step, velocity=velocity)
