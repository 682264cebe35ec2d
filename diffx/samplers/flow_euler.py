"""Euler's method on a bare velocity field."""

from collections.abc import Callable

from jaxtyping import Array

from diffx._types import Scalar
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def flow_euler_step(
    x: Array, t: Array, s: Array, *, velocity: Callable[[Array, Scalar], Array]
) -> tuple[Array, Array]:
    """x_s = x + (s - t) u(x, t).

    The answer x0 = x - t u is the point where the straight line of this velocity meets data.

    Units: velocity (x, t) -> u in data units/time.
    Source: Liu et al. 2023, arXiv:2209.03003, with time reversed.
    Also called: Euler step of a flow, rectified flow step.
    Claims: REV-15, FM-06.
    """
    u = velocity(x, t)
    return x + (s - t) * u, x - t * u


def flow_euler(velocity: Callable[[Array, Scalar], Array]) -> Sampler:
    """Euler's method on a bare field (x, t) -> dx/dt that points to noise.

    See `flow_euler_step`. For the rectified flow the field is eps - x0. A field of the opposite
    time runs as (x, t) -> -u(x, 1 - t).

    Units: velocity (x, t) -> u in data units/time.
    Source: Liu et al. 2023, arXiv:2209.03003, with time reversed.
    Also called: flow matching sampler, rectified flow sampler, diffusers
        FlowMatchEulerDiscreteScheduler, flow_matching ODESolver (method euler).
    Claims: REV-15, FM-06, FM-15.

    >>> sampler = diffx.flow_euler(lambda x, t: x)
    """
    return sampler_of_step(flow_euler_step, velocity=velocity)
