"""DPM-Solver: eps as a polynomial in lambda = log(alpha/sigma), within one step."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers._exponential import (
    an_order,
    ddim_update,
    eps_at,
    slope_weight,
    span,
    time_between,
)
from diffx.samplers.ddim import ddim_step
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def dpm_solver_2_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = alpha_s/alpha_t x - sigma_s (e^h - 1) eps(u, m).

    u is DDIM's point at the middle m in lambda. Written as DDIM's step and a correction; where
    sigma(s) = 0 or alpha(t) = 0 it is DDIM's step. Two evaluations.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2206.00927, Algorithm 1.
    Also called: DPM-Solver-2, exponential midpoint method.
    Claims: REV-14, REV-19, REV-20, REV-57.
    """
    x0 = denoise(x, t)
    middle, h = time_between(process, t, s, 1 / 2), span(process, t, s)
    turn = eps_at(process, denoise, ddim_update(process, x, x0, t, middle), middle) - eps_of_x0(
        process, x, x0, t
    )
    return ddim_update(process, x, x0, t, s) - process.sigma(s) * jnp.expm1(h) * turn, x0


@step
def dpm_solver_3_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = DDIM's step - (3/2) sigma_s h phi_2(h) (eps(u_2, s_2) - eps_t).

    s_1 and s_2 lie at 1/3 and 2/3 of the step in lambda. u_1 is DDIM's point at s_1, u_2 that at
    s_2 - 2 sigma_2 (2h/3) phi_2(2h/3) (eps(u_1, s_1) - eps_t). Where sigma(s) = 0 or alpha(t) = 0
    it is DDIM's step. Three evaluations.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2206.00927, Algorithm 2 (h phi_2(h) is its (e^h - 1)/h - 1).
    Also called: DPM-Solver-3.
    Claims: REV-14, REV-19, REV-20, REV-53, REV-57.
    """
    x0 = denoise(x, t)
    eps, h = eps_of_x0(process, x, x0, t), span(process, t, s)
    first, second = time_between(process, t, s, 1 / 3), time_between(process, t, s, 2 / 3)
    turn = eps_at(process, denoise, ddim_update(process, x, x0, t, first), first) - eps
    ahead = (
        ddim_update(process, x, x0, t, second)
        - 2 * process.sigma(second) * slope_weight(2 * h / 3, rate=1) * turn
    )
    turn = eps_at(process, denoise, ahead, second) - eps
    return ddim_update(process, x, x0, t, s) - 1.5 * process.sigma(s) * slope_weight(
        h, rate=1
    ) * turn, x0


def dpm_solver(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    """DPM-Solver of order 1 (DDIM), 2 or 3, with as many evaluations per step.

    See `dpm_solver_2_step` and `dpm_solver_3_step`.

    Raises: ValueError for another order.
    Source: Lu et al. 2022, arXiv:2206.00927, Algorithms 1, 2.
    Also called: DPM-Solver-2, DPM-Solver-3, DPM-Solver singlestep, diffusers
        DPMSolverSinglestepScheduler (algorithm_type dpmsolver), k-diffusion sample_dpm_2 (order 2),
        diffusers KDPM2DiscreteScheduler (order 2).
    Claims: REV-14, REV-15, REV-19, REV-20, REV-53, REV-57.

    >>> sampler = diffx.samplers.dpm_solver(process, denoise, order=3)
    """
    method = (ddim_step, dpm_solver_2_step, dpm_solver_3_step)[an_order(order, 3, "DPM-Solver") - 1]
    return sampler_of_step(method, process=process, denoise=denoise)
