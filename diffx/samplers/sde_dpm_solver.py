r"""The reverse SDE with its linear part solved exactly, and eps held fixed over the step."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process, transition
from diffx.samplers.protocol import Info, Sampler, State, add_noise, ask, one_step


def sde_dpm_solver_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""y_s = y - 2 (r_t - r_s) eps + sqrt(r_t^2 - r_s^2) z in y = x/alpha, r = sigma/alpha: eps held fixed, any process.

    Source: SDE-DPM-Solver-1 of Lu et al. 2022, arXiv:2211.01095.  Domain: alpha(t) > 0, sigma(t) > 0.  Claims: REV-22.
    """
    t, s = _arguments.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    eps = eps_of_x0(process, state.x, x0, t)
    gone = transition(process, t, s)
    reach = process.sigma(t) / gone.alpha * jnp.expm1(process.log_snr_step(t, s) / 2)  # alpha_s (r_s - r_t)
    mean = state.x / gone.alpha + 2 * reach * eps
    return State(add_noise(mean, gone.sigma / gone.alpha, z).astype(state.x.dtype)), Info(x0)


def sde_dpm_solver(process: Process, denoise: Denoiser) -> Sampler:
    r"""The exponential integrator of the reverse SDE with eps held fixed. See `sde_dpm_solver_step`.  Claims: REV-22."""
    return one_step(sde_dpm_solver_step, stochastic=True, process=process, denoise=as_pytree(denoise))
