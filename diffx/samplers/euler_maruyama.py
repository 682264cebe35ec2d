r"""The Euler-Maruyama method on the reverse SDE in the process's own time."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.reverse import reverse_drift_of_x0
from diffx.samplers.protocol import Info, Sampler, State, add_noise, ask, one_step


def euler_maruyama_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""x_s = x - (t - s) [f x - g^2 score] + g sqrt(t - s) z, with f, g and the score at t.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (6).  t, s: scalar times, s < t.
    Domain: sigma(t) > 0 and alpha(t) > 0, so start below t = 1 where alpha(1) = 0.  Claims: REV-21, REV-22.
    """
    t, s = _arguments.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    mean = state.x - (t - s) * reverse_drift_of_x0(process, state.x, x0, t)
    return State(add_noise(mean, process.g(t) * jnp.sqrt(t - s), z).astype(state.x.dtype)), Info(x0)


def euler_maruyama(process: Process, denoise: Denoiser) -> Sampler:
    r"""The Euler-Maruyama method on the reverse SDE. See `euler_maruyama_step`.  Claims: REV-21, REV-22."""
    return one_step(euler_maruyama_step, stochastic=True, process=process, denoise=as_pytree(denoise))
