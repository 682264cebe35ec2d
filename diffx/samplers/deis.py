"""DEIS: the exponential Adams-Bashforth method.

eps is a polynomial through the answers of earlier steps.
"""

from typing import Any

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, bend, ddim_update, recall, span, weights
from diffx.samplers.multistep import History, multistep, push
from diffx.samplers.protocol import Info, Sampler, checked_step


@checked_step
def deis_step(
    state: History, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    """x_s = alpha_s/alpha_t x - sigma_s int_0^h e^(h - tau) p(tau) dtau.

    p is the polynomial in lambda through eps now and before; the order is 1 + the number of
    remembered steps. Without memory, and where sigma(s) = 0, it is the step of DDIM. One
    evaluation.

    Domain: sigma(t) > 0.
    Source: Zhang and Chen 2023, arXiv:2204.13902, with the polynomial in log(sigma/alpha) and its
        integral in closed form.
    Also called: DEIS, diffusion exponential integrator sampler, exponential Adams-Bashforth.
    Claims: REV-14, REV-19, REV-20, REV-57.
    """
    x0, h = denoise(state.x, t), span(process, t, s)
    eps, memory = eps_of_x0(process, state.x, x0, t), recall(process, state, t)
    more = bend(eps, memory, weights(memory, h, rate=1))
    return push(
        state, ddim_update(process, state.x, x0, t, s) - process.sigma(s) * more, eps, t
    ), Info(x0)


def deis(process: Process, denoise: Denoiser, *, order: int = 3) -> Sampler:
    """The DEIS sampler of order 1 (DDIM) to 4, one evaluation per step.

    See `deis_step`. A start without memory takes its first steps at lower order: the error is then
    of order 2 at most; for an exact start see `with_past`.

    Raises: ValueError for another order.
    Source: Zhang and Chen 2023, arXiv:2204.13902.
    Also called: DEIS, exponential Adams-Bashforth, diffusers DEISMultistepScheduler, azula
        zEABSampler.
    Claims: REV-14, REV-15, REV-19, REV-20, REV-57.

    >>> sampler = diffx.samplers.deis(process, denoise, order=2)
    """
    order = an_order(order, 4, "DEIS")
    return multistep(deis_step, order - 1, process=process, denoise=denoise)
