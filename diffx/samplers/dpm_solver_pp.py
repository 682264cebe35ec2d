"""DPM-Solver++, multi-step (2M, 3M): x0 as a polynomial in lambda = log(alpha/sigma).

The polynomial goes through the answers of earlier steps.
"""

from typing import Any

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, bend, ddim_update, recall, slopes, span, weights
from diffx.samplers.ddim import ddim_step
from diffx.samplers.multistep import History, multistep, push
from diffx.samplers.protocol import Info, Sampler, checked_step, sampler_of_step


@checked_step
def dpm_solver_pp_2m_step(
    state: History, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    """x_s = sigma_s/sigma_t x + alpha_s (1 - e^-h) (x0 + h/2 x0[t, r]).

    x0[t, r] = (x0_t - x0_r)/(lambda_t - lambda_r), r the time of the step before; without one the
    step is DDIM's, and so it is where sigma(s) = 0. One evaluation.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 2.
    Also called: DPM++ 2M, DPM-Solver++(2M).
    Claims: REV-14, REV-19, REV-20, REV-57.
    """
    x0, h = denoise(state.x, t), span(process, t, s)
    (slope,) = slopes(x0, recall(process, state, t))
    return push(state, ddim_update(process, state.x, x0 + h / 2 * slope, t, s), x0, t), Info(x0)


@checked_step
def dpm_solver_pp_3m_step(
    state: History, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    """x_s = sigma_s/sigma_t x + alpha_s int_0^h e^(tau - h) p(tau) dtau, p the parabola through x0.

    The parabola goes through x0 now and twice before. With one step behind, p is the straight line;
    without any the step is DDIM's, and so it is where sigma(s) = 0. The third-order multi-step
    update of released code has half of this parabola's weight (phi_3 D_2 where D_2 is half a second
    derivative) and is of order 2. One evaluation.

    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095, Proposition 4.1, with p integrated exactly (derived
        here).
    Also called: DPM++ 3M, DPM-Solver++(3M).
    Claims: REV-14, REV-19, REV-20, REV-53, REV-57.
    """
    x0, memory = denoise(state.x, t), recall(process, state, t)
    more = bend(x0, memory, weights(memory, span(process, t, s), rate=-1))
    return push(
        state, ddim_update(process, state.x, x0, t, s) + process.alpha(s) * more, x0, t
    ), Info(x0)


def dpm_solver_pp(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    """DPM-Solver++ of order 1 (DDIM), 2 (2M) or 3 (3M), one evaluation per step.

    See `dpm_solver_pp_2m_step` and `dpm_solver_pp_3m_step`. A start without memory takes its first
    steps at lower order: the error is then of order 2 at most; for an exact start see `with_past`.

    Raises: ValueError for another order.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 2.
    Also called: DPM++ 2M, DPM++ 3M, DPM-Solver++ multistep, k-diffusion sample_dpmpp_2m, diffusers
        DPMSolverMultistepScheduler, diffusers EDMDPMSolverMultistepScheduler, azula xEABSampler
        (orders 1 and 3).
    Claims: REV-14, REV-15, REV-19, REV-20, REV-52, REV-53, REV-56, REV-57.

    >>> sampler = diffx.dpm_solver_pp(process, denoise, order=2)
    """
    order = an_order(order, 3, "DPM-Solver++ (multi-step)")
    if order == 1:
        return sampler_of_step(ddim_step, process=process, denoise=denoise)
    method = dpm_solver_pp_2m_step if order == 2 else dpm_solver_pp_3m_step
    return multistep(method, order - 1, process=process, denoise=denoise)
