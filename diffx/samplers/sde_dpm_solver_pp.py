"""SDE-DPM-Solver++: the reverse SDE with x0 as a polynomial in log(alpha/sigma)."""

from typing import Any

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, recall, slopes, span
from diffx.samplers._exponential_sde import sde_deviation, sde_mean
from diffx.samplers.multistep import History, multistep, push
from diffx.samplers.protocol import (
    Info,
    Sampler,
    checked_step,
    noise_or_zero,
    sampler_of_step,
    step,
)


@step
def sde_dpm_solver_pp_1_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = sigma_s/sigma_t e^-h x + alpha_s (1 - e^-2h) x0 + sigma_s sqrt(1 - e^-2h) z.

    It is DDPM with beta-tilde; h = lambda_s - lambda_t.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095.
    Also called: SDE-DPM-Solver++-1.
    Claims: REV-16, REV-51, REV-58.
    """
    x0 = denoise(x, t)
    return sde_mean(process, x, x0, t, s) + sde_deviation(process, t, s) * z, x0


@checked_step
def sde_dpm_solver_pp_2m_step(
    state: History, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    """The step of order 1 with x0 + h/2 (x0_t - x0_r)/(lambda_t - lambda_r) for x0.

    r is the time of the step before. On Gaussian data its order in law is 2. Where sigma(s) = 0 it
    is the step of order 1.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095.
    Also called: DPM++ 2M SDE.
    Claims: REV-51, REV-54, REV-58.
    """
    x0, h = denoise(state.x, t), span(process, t, s)
    (slope,) = slopes(x0, recall(process, state, t))
    mean = sde_mean(process, state.x, x0 + h / 2 * slope, t, s)
    noise = sde_deviation(process, t, s) * noise_or_zero(z, state.x)
    return push(state, mean + noise, x0, t), Info(x0)


def sde_dpm_solver_pp(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    """SDE-DPM-Solver++ 1 (DDPM with beta-tilde) or 2M, one evaluation per step.

    See `sde_dpm_solver_pp_2m_step`. There is no 3M: with a parabola through three answers, exactly
    integrated or as released, the order in law on Gaussian data is 2 again.

    Raises: ValueError for another order.
    Source: Lu et al. 2022, arXiv:2211.01095.
    Also called: SDE-DPM-Solver++, DPM++ 2M SDE, k-diffusion sample_dpmpp_2m_sde, diffusers
        DPMSolverMultistepScheduler (algorithm_type sde-dpmsolver++).
    Claims: REV-16, REV-51, REV-58.

    >>> sampler = diffx.samplers.sde_dpm_solver_pp(process, denoise)
    """
    order = an_order(order, 2, "SDE-DPM-Solver++")
    if order == 1:
        return sampler_of_step(sde_dpm_solver_pp_1_step, process=process, denoise=denoise)
    return multistep(
        sde_dpm_solver_pp_2m_step, 1, stochastic=True, process=process, denoise=denoise
    )
