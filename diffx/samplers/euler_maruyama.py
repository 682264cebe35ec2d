"""The Euler-Maruyama method on the reverse SDE in the process's own time."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.reverse import reverse_drift_of_x0
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def euler_maruyama_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = x - (t - s) [f x - g^2 score] + g sqrt(t - s) z, with f, g and the score at t.

    Domain: sigma(t) > 0 and alpha(t) > 0, so start below t = 1 where alpha(1) = 0.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (6).
    Also called: Euler-Maruyama step, reverse SDE step, reverse diffusion.
    Claims: REV-21, REV-22, REV-32, REV-34, REV-35.
    """
    x0 = denoise(x, t)
    return x - (t - s) * reverse_drift_of_x0(process, x, x0, t) + process.g(t) * jnp.sqrt(
        t - s
    ) * z, x0


def euler_maruyama(process: Process, denoise: Denoiser) -> Sampler:
    """The Euler-Maruyama method on the reverse SDE.

    See `euler_maruyama_step`.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (6).
    Also called: Euler-Maruyama, reverse SDE, reverse-time SDE sampler, diffusers
        ScoreSdeVpScheduler.
    Claims: REV-21, REV-22, REV-32, REV-34, REV-35, REV-41.

    >>> sampler = diffx.euler_maruyama(process, denoise)
    """
    return sampler_of_step(euler_maruyama_step, process=process, denoise=denoise)
