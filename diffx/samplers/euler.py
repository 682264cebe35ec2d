r"""Euler's method on the probability flow in the process's own time."""

from typing import Any

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.predictions import velocity_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def euler_step(state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""x_s = x + (s - t) u, u = alpha' x0 + sigma' eps, x0 = D(x, t), eps = (x - alpha x0)/sigma.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).  In rectified-flow or EDM time this is DDIM, in VP time it is
    not.  t, s: scalar times, s < t.  Domain: sigma(t) > 0.  Claims: REV-15, REV-22.
    """
    t, s = _arguments.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    u = velocity_of_x0(process, state.x, x0, t)
    return State((state.x + (s - t) * u).astype(state.x.dtype)), Info(x0)


def euler(process: Process, denoise: Denoiser) -> Sampler:
    r"""Euler's method on the probability flow, order 1. See `euler_step`.  Claims: REV-15, REV-22, REV-30, PTS-04, FM-15."""
    return one_step(euler_step, stochastic=False, process=process, denoise=as_pytree(denoise))
