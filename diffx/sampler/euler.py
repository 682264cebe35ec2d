r"""Euler's method on the probability flow in the process's own time, and on a bare velocity field."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx.predict import velocity_of_x0
from diffx.process import Process, Scalar
from diffx.reverse import Denoiser
from diffx.sampler.core import Info, Sampler, State, ask, one_step


def euler_step(state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""x_s = x + (s - t) u, u = alpha' x0 + sigma' eps, x0 = D(x, t), eps = (x - alpha x0)/sigma.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).  In rectified-flow or EDM time this is DDIM, in VP time it is
    not.  t, s: scalar times, s < t.  Domain: sigma(t) > 0.  Claims: REV-15, REV-22.
    """
    t, s = _check.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    u = velocity_of_x0(process, state.x, x0, t)
    return State((state.x + (s - t) * u).astype(state.x.dtype)), Info(x0)


def euler(process: Process, denoise: Denoiser) -> Sampler:
    r"""Euler's method on the probability flow, order 1. See `euler_step`.  Claims: REV-15, REV-22, REV-30, PTS-04, FM-15."""
    return one_step(euler_step, stochastic=False, process=process, denoise=as_pytree(denoise))


def flow_euler_step(
    state: State, t: Scalar, s: Scalar, z: Any = None, *, velocity: Callable[[Array, Scalar], Array]
) -> tuple[State, Info]:
    r"""x_s = x + (s - t) u(x, t); the answer x0 = x - t u is where the straight line of this velocity meets data.

    Source: Liu et al. 2023, arXiv:2209.03003, with time reversed.  t, s: scalar times, s < t.  Claims: REV-15, FM-06.
    """
    t, s = _check.step_times(t, s)
    u = ask(velocity, state.x, t)
    return State((state.x + (s - t) * u).astype(state.x.dtype)), Info((state.x - t * u).astype(state.x.dtype))


def flow_euler(velocity: Callable[[Array, Scalar], Array]) -> Sampler:
    r"""Euler's method on a bare field (x, t) -> dx/dt, which points to noise (rectified flow: eps - x0).

    See `flow_euler_step`.  A field of the opposite time runs as (x, t) -> -u(x, 1 - t).  Claims: REV-15, FM-06, FM-15.
    """
    return one_step(flow_euler_step, stochastic=False, velocity=as_pytree(velocity))
