r"""The Euler-Maruyama method on the reverse SDE in the process's own time."""

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
    r"""x_s = x - (t - s) [f x - g^2 score] + g sqrt(t - s) z, with f, g and the score at t.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (6).  t, s: scalar times, s < t.
    Domain: sigma(t) > 0 and alpha(t) > 0, so start below t = 1 where alpha(1) = 0.  Claims: REV-21,
    REV-22, REV-32, REV-34, REV-35.
    """
    x0 = denoise(x, t)
    return x - (t - s) * reverse_drift_of_x0(process, x, x0, t) + process.g(t) * jnp.sqrt(
        t - s
    ) * z, x0


def euler_maruyama(process: Process, denoise: Denoiser) -> Sampler:
    r"""The Euler-Maruyama method on the reverse SDE. See `euler_maruyama_step`.  Claims: REV-21,
    REV-22, REV-32, REV-34, REV-35, REV-41.
    """
    return sampler_of_step(euler_maruyama_step, process=process, denoise=denoise)
