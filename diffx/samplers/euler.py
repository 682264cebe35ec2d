"""Euler's method on the probability flow in the process's own time."""

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.predictions import velocity_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def euler_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = x + (s - t) u, u = alpha' x0 + sigma' eps, x0 = D(x, t), eps = (x - alpha x0)/sigma.

    In rectified-flow or EDM time this is DDIM, in VP time it is not.

    Domain: sigma(t) > 0.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).
    Also called: Euler step of the probability flow ODE.
    Claims: REV-15, REV-19, REV-22, REV-32, REV-34, REV-35.
    """
    x0 = denoise(x, t)
    return x + (s - t) * velocity_of_x0(process, x, x0, t), x0


def euler(process: Process, denoise: Denoiser) -> Sampler:
    """Euler's method on the probability flow, of order 1.

    See `euler_step`.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).
    Also called: Euler sampler, probability flow ODE, PF-ODE, k-diffusion sample_euler (in EDM
        time), diffusers EulerDiscreteScheduler (in EDM time), diffusers EDMEulerScheduler (in EDM
        time).
    Claims: REV-15, REV-19, REV-22, REV-30, REV-32, REV-34, REV-35, REV-41, PTS-04, FM-15.

    >>> sampler = diffx.euler(process, denoise)
    """
    return sampler_of_step(euler_step, process=process, denoise=denoise)
