r"""Euler's method on a bare velocity field."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Scalar
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def flow_euler_step(
    state: State, t: Scalar, s: Scalar, z: Any = None, *, velocity: Callable[[Array, Scalar], Array]
) -> tuple[State, Info]:
    r"""x_s = x + (s - t) u(x, t); the answer x0 = x - t u is where the straight line of this velocity meets data.

    Source: Liu et al. 2023, arXiv:2209.03003, with time reversed.  t, s: scalar times, s < t.  Claims: REV-15, FM-06.
    """
    t, s = _arguments.step_times(t, s)
    u = ask(velocity, state.x, t)
    return State((state.x + (s - t) * u).astype(state.x.dtype)), Info((state.x - t * u).astype(state.x.dtype))


def flow_euler(velocity: Callable[[Array, Scalar], Array]) -> Sampler:
    r"""Euler's method on a bare field (x, t) -> dx/dt, which points to noise (rectified flow: eps - x0).

    See `flow_euler_step`.  A field of the opposite time runs as (x, t) -> -u(x, 1 - t).  Claims: REV-15, FM-06, FM-15.
    """
    return one_step(flow_euler_step, stochastic=False, velocity=as_pytree(velocity))
