"""Heun's method (improved Euler) on the probability flow in the process's own time."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.predictions import velocity_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def heun_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = x + (s - t) (u(x, t) + u(x_E, s))/2 with Euler's x_E.

    Where sigma(s) = 0 it is Euler's step x_E itself. Two evaluations per step.

    Domain: sigma(t) > 0.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1, in the process's own time.
    Also called: Heun step, improved Euler, explicit trapezoidal rule.
    Claims: REV-19, REV-22, REV-29, REV-32, REV-34, REV-35, LIT-08.
    """
    x0 = denoise(x, t)
    u = velocity_of_x0(process, x, x0, t)
    end = (x + (s - t) * u).astype(x.dtype)
    last = process.sigma(s) == 0
    # the field is not defined at sigma = 0: evaluate where it is and do not use it
    there = jnp.where(last, t, s)
    ahead = velocity_of_x0(process, end, denoise(end, there), there)
    return jnp.where(last, end, x + (s - t) * (u + ahead) / 2), x0


def heun(process: Process, denoise: Denoiser) -> Sampler:
    """Heun's method on the probability flow, of order 2.

    See `heun_step`.

    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1, in the process's own time.
    Also called: Heun sampler, EDM deterministic sampler, improved Euler, k-diffusion sample_heun
        (in EDM time), diffusers HeunDiscreteScheduler (in EDM time), diffusers
        FlowMatchHeunDiscreteScheduler (in rectified-flow time), azula HeunSampler (in EDM time).
    Claims: REV-19, REV-22, REV-29, REV-30, REV-32, REV-34, REV-35, REV-41, PTS-04, LIT-08.

    >>> sampler = diffx.heun(process, denoise)
    """
    return sampler_of_step(heun_step, process=process, denoise=denoise)
