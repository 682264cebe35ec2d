r"""DPM-Solver: eps as a polynomial in lambda = log(alpha/sigma), within one step.         Lu et al. 2022, arXiv:2206.00927."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, ddim_update, slope_weight, span, time_between
from diffx.samplers.ddim import ddim_step
from diffx.samplers.protocol import Info, Sampler, State, ask, ask_eps, one_step


def dpm_solver_2_step(
    state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""x_s = alpha_s/alpha_t x - sigma_s (e^h - 1) eps(u, m), u DDIM's point at the middle m in lambda.

    Source: Lu et al. 2022, arXiv:2206.00927, Algorithm 1.  Written as DDIM's step and a correction.
    t, s: scalar times, s < t.  Two evaluations.  Where sigma(s) = 0 or alpha(t) = 0 it is DDIM's step.
    Domain: sigma(t) > 0.  Claims: REV-14, REV-17, REV-19, REV-20.
    """
    t, s = _arguments.step_times(t, s)
    x, x0 = state.x, ask(denoise, state.x, t)
    middle, h = time_between(process, t, s, 1 / 2), span(process, t, s)
    turn = ask_eps(process, denoise, ddim_update(process, x, x0, t, middle), middle) - eps_of_x0(process, x, x0, t)
    return State((ddim_update(process, x, x0, t, s) - process.sigma(s) * jnp.expm1(h) * turn).astype(x.dtype)), Info(x0)


def dpm_solver_3_step(
    state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""DDIM's step - (3/2) sigma_s h phi_2(h) (eps(u_2, s_2) - eps_t), s_1, s_2 at 1/3 and 2/3 of the step in lambda.

    u_1 is DDIM's point at s_1, u_2 that at s_2 - 2 sigma_2 (2h/3) phi_2(2h/3) (eps(u_1, s_1) - eps_t).
    Source: Lu et al. 2022, arXiv:2206.00927, Algorithm 2 (h phi_2(h) is its (e^h - 1)/h - 1).
    t, s: scalar times, s < t.  Three evaluations.  Where sigma(s) = 0 or alpha(t) = 0 it is DDIM's step.
    Domain: sigma(t) > 0.  Claims: REV-14, REV-17, REV-19, REV-20.
    """
    t, s = _arguments.step_times(t, s)
    x, x0 = state.x, ask(denoise, state.x, t)
    eps, h = eps_of_x0(process, x, x0, t), span(process, t, s)
    first, second = time_between(process, t, s, 1 / 3), time_between(process, t, s, 2 / 3)
    turn = ask_eps(process, denoise, ddim_update(process, x, x0, t, first), first) - eps
    ahead = ddim_update(process, x, x0, t, second) - 2 * process.sigma(second) * slope_weight(2 * h / 3, rate=1) * turn
    turn = ask_eps(process, denoise, ahead, second) - eps
    return State(
        (ddim_update(process, x, x0, t, s) - 1.5 * process.sigma(s) * slope_weight(h, rate=1) * turn).astype(x.dtype)
    ), Info(x0)


def dpm_solver(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    r"""DPM-Solver of order 1 (DDIM), 2 or 3: as many evaluations a step. See `dpm_solver_2_step`, `dpm_solver_3_step`.

    Raises ValueError for another order.  Claims: REV-14, REV-15, REV-17, REV-19, REV-20.
    """
    step = (ddim_step, dpm_solver_2_step, dpm_solver_3_step)[an_order(order, 3, "DPM-Solver") - 1]
    return one_step(step, stochastic=False, process=process, denoise=as_pytree(denoise))
