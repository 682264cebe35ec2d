r"""Heun's method (improved Euler) on the probability flow in the process's own time."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.predictions import velocity_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def heun_step(state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""x_s = x + (s - t) (u(x, t) + u(x_E, s))/2 with Euler's x_E; where sigma(s) = 0 Euler's step x_E itself.

    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1, in the process's own time.  Two evaluations a step.
    t, s: scalar times, s < t.  Domain: sigma(t) > 0.  Claims: REV-22, REV-29, LIT-08.
    """
    t, s = _arguments.step_times(t, s)
    x, x0 = state.x, ask(denoise, state.x, t)
    u = velocity_of_x0(process, x, x0, t)
    end = x + (s - t) * u
    last = process.sigma(s) == 0
    there = jnp.where(last, t, s)  # the field is not defined at sigma = 0: evaluate where it is and do not use it
    ahead = velocity_of_x0(process, end.astype(x.dtype), ask(denoise, end.astype(x.dtype), there), there)
    return State(jnp.where(last, end, x + (s - t) * (u + ahead) / 2).astype(x.dtype)), Info(x0)


def heun(process: Process, denoise: Denoiser) -> Sampler:
    r"""Heun's method on the probability flow, order 2. See `heun_step`.  Claims: REV-22, REV-29, REV-30, PTS-04, LIT-08."""
    return one_step(heun_step, stochastic=False, process=process, denoise=as_pytree(denoise))
