"""DPM-Solver++, single-step (2S, 3S): x0 as a polynomial in log(alpha/sigma), within one step."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, ddim_update, slope_weight, span, time_between
from diffx.samplers.ddim import ddim_step
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def dpm_solver_pp_2s_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = sigma_s/sigma_t x + alpha_s (1 - e^-h) D(u, m).

    u is DDIM's point at the middle m in lambda. Where sigma(s) = 0 or alpha(t) = 0 it is DDIM's
    step. Two evaluations.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 1 with r = 1/2.
    Also called: DPM++ 2S, DPM-Solver++(2S).
    Claims: REV-14, REV-19, REV-20, REV-57.
    """
    x0 = denoise(x, t)
    middle = time_between(process, t, s, 1 / 2)
    ahead = denoise(ddim_update(process, x, x0, t, middle), middle)
    held = jnp.where(span(process, t, s) > 0, ahead, x0)
    return ddim_update(process, x, held, t, s), x0


@step
def dpm_solver_pp_3s_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = DDIM's step + (3/2) alpha_s h phi_2(-h) (D(u_2, s_2) - D_t).

    s_1 and s_2 lie at 1/3 and 2/3 of the step in lambda. u_1 is DDIM's point at s_1, u_2 that at
    s_2 + 2 alpha_2 (2h/3) phi_2(-2h/3) (D(u_1, s_1) - D_t). Where sigma(s) = 0 or alpha(t) = 0 it
    is DDIM's step. Three evaluations.

    Domain: sigma(t) > 0.
    Source: the data form of `dpm_solver_3_step`, by the same expansion (derived here); the authors'
        code has it as singlestep_dpm_solver_third_update.
    Also called: DPM++ 3S, DPM-Solver++(3S).
    Claims: REV-14, REV-19, REV-20, REV-53, REV-57.
    """
    x0, h = denoise(x, t), span(process, t, s)
    first, second = time_between(process, t, s, 1 / 3), time_between(process, t, s, 2 / 3)
    turn = denoise(ddim_update(process, x, x0, t, first), first) - x0
    ahead = (
        ddim_update(process, x, x0, t, second)
        + 2 * process.alpha(second) * slope_weight(2 * h / 3, rate=-1) * turn
    )
    turn = denoise(ahead, second) - x0
    return ddim_update(process, x, x0, t, s) + 1.5 * process.alpha(s) * slope_weight(
        h, rate=-1
    ) * turn, x0


def dpm_solver_pp_single(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    """DPM-Solver++ of order 1 (DDIM), 2 (2S) or 3 (3S), with as many evaluations per step.

    See `dpm_solver_pp_2s_step` and `dpm_solver_pp_3s_step`.

    Raises: ValueError for another order.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 1.
    Also called: DPM++ 2S, DPM++ 3S, DPM-Solver++ singlestep, diffusers
        DPMSolverSinglestepScheduler.
    Claims: REV-14, REV-15, REV-19, REV-20, REV-53, REV-57.

    >>> sampler = diffx.samplers.dpm_solver_pp_single(process, denoise, order=3)
    """
    order = an_order(order, 3, "DPM-Solver++ (single-step)")
    method = (ddim_step, dpm_solver_pp_2s_step, dpm_solver_pp_3s_step)[order - 1]
    return sampler_of_step(method, process=process, denoise=denoise)
