"""The reverse SDE with its linear part solved exactly, and eps held fixed over the step."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process, transition
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def sde_dpm_solver_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """y_s = y - 2 (r_t - r_s) eps + sqrt(r_t^2 - r_s^2) z in y = x/alpha, r = sigma/alpha.

    eps is held fixed; any process.

    Domain: alpha(t) > 0, sigma(t) > 0.
    Source: SDE-DPM-Solver-1 of Lu et al. 2022, arXiv:2211.01095.
    Also called: SDE-DPM-Solver-1.
    Claims: REV-33, REV-34, REV-35, REV-42.
    """
    x0 = denoise(x, t)
    eps = eps_of_x0(process, x, x0, t)
    gone = transition(process, t, s)
    # alpha_s (r_s - r_t)
    reach = process.sigma(t) / gone.alpha * jnp.expm1(process.log_snr_step(t, s) / 2)
    return x / gone.alpha + 2 * reach * eps + gone.sigma / gone.alpha * z, x0


def sde_dpm_solver(process: Process, denoise: Denoiser) -> Sampler:
    """The exponential integrator of the reverse SDE with eps held fixed.

    See `sde_dpm_solver_step`.

    Source: SDE-DPM-Solver-1 of Lu et al. 2022, arXiv:2211.01095.
    Also called: SDE-DPM-Solver-1, diffusers DPMSolverMultistepScheduler (algorithm_type
        sde-dpmsolver).
    Claims: REV-33, REV-34, REV-35, REV-42.

    >>> sampler = diffx.samplers.sde_dpm_solver(process, denoise)
    """
    return sampler_of_step(sde_dpm_solver_step, process=process, denoise=denoise)
