r"""SDE-DPM-Solver++: the reverse SDE with x0 as a polynomial in log(alpha/sigma).        Lu et al. 2022, arXiv:2211.01095."""

from typing import Any

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, recall, slopes, span
from diffx.samplers._exponential_sde import sde_deviation, sde_mean
from diffx.samplers.multistep import History, multistep, push
from diffx.samplers.protocol import Info, Sampler, State, add_noise, ask, one_step


def sde_dpm_solver_pp_1_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""x_s = sigma_s/sigma_t e^-h x + alpha_s (1 - e^-2h) x0 + sigma_s sqrt(1 - e^-2h) z: DDPM with beta-tilde.

    Source: Lu et al. 2022, arXiv:2211.01095, section 6.  h = lambda_s - lambda_t.  t, s: scalar times, s < t.
    Domain: sigma(t) > 0.  Claims: REV-16, REV-17, REV-19.
    """
    t, s = _arguments.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    mean = sde_mean(process, state.x, x0, t, s)
    return State(add_noise(mean, sde_deviation(process, t, s), z).astype(state.x.dtype)), Info(x0)


def sde_dpm_solver_pp_2m_step(
    state: History, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    r"""The step of order 1 with x0 + h/2 (x0_t - x0_r)/(lambda_t - lambda_r) for x0, r the time of the step before.

    Source: Lu et al. 2022, arXiv:2211.01095, section 6.  On Gaussian data its order in law is 2.
    t, s: scalar times, s < t.  Where sigma(s) = 0 it is the step of order 1.  Domain: sigma(t) > 0.
    Claims: REV-17, REV-19, REV-20.
    """
    t, s = _arguments.step_times(t, s)
    x0, h = ask(denoise, state.x, t), span(process, t, s)
    (slope,) = slopes(x0, recall(process, state, t))
    mean = sde_mean(process, state.x, x0 + h / 2 * slope, t, s)
    return push(state, add_noise(mean, sde_deviation(process, t, s), z), x0, t), Info(x0)


def sde_dpm_solver_pp(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    r"""SDE-DPM-Solver++ 1 (DDPM with beta-tilde) or 2M, one evaluation a step. See `sde_dpm_solver_pp_2m_step`.

    There is no 3M: with a parabola through three answers, exactly integrated or as released, the order in law on Gaussian
    data is 2 again.  Raises ValueError for another order.  Claims: REV-16, REV-17, REV-19.
    """
    order = an_order(order, 2, "SDE-DPM-Solver++")
    parameters = {"process": process, "denoise": as_pytree(denoise)}
    if order == 1:
        return one_step(sde_dpm_solver_pp_1_step, stochastic=True, **parameters)
    return multistep(sde_dpm_solver_pp_2m_step, 1, stochastic=True, **parameters)
