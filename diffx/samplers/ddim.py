"""DDIM: keep the predicted noise, move its level."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def ddim_step(
    x: Array, t: Array, s: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = alpha_s x0 + sigma_s eps, x0 = D(x, t), eps = (x - alpha_t x0)/sigma_t.

    Domain: sigma(t) > 0.
    Source: Song, Meng and Ermon 2021, arXiv:2010.02502, eq. (12) with sigma = 0.
    Also called: DDIM, probability flow step, deterministic sampling, DPM-Solver-1, exponential
        Euler.
    Claims: REV-11, REV-14, REV-15, REV-17, REV-19, REV-57, NUM-08.
    """
    x0 = denoise(x, t)
    eps = (x - process.alpha(t) * x0) / process.sigma(t)
    return process.alpha(s) * x0 + process.sigma(s) * eps, x0


@step
def ddim_eta_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser, eta: Scalar
) -> tuple[Array, Array]:
    """x_s = alpha_s x0 + sqrt(sigma_s^2 - sigma_eta^2) eps + sigma_eta z.

    sigma_eta = eta sigma_s sigma_{t|s}/sigma_t. eta = 1 is DDPM with beta-tilde.

    Domain: sigma(t) > 0, 0 <= eta <= 1.
    Source: Song, Meng and Ermon 2021, arXiv:2010.02502, eqs. (12), (16).
    Also called: stochastic DDIM, DDIM eta.
    Claims: REV-16, NUM-04.
    """
    x0 = denoise(x, t)
    eps = (x - process.alpha(t) * x0) / process.sigma(t)
    fresh = -jnp.expm1(process.log_snr_step(t, s))  # sigma_{t|s}^2/sigma_t^2
    mean = process.alpha(s) * x0 + process.sigma(s) * jnp.sqrt(1 - eta**2 * fresh) * eps
    return mean + process.sigma(s) * eta * jnp.sqrt(fresh) * z, x0


def ddim(process: Process, denoise: Denoiser, *, eta: Scalar | None = None) -> Sampler:
    """The DDIM sampler: deterministic, or with noise eta in [0, 1] if eta is given.

    See `ddim_step` and `ddim_eta_step`. A given eta draws noise at every step, even eta = 0
    (drawing costs 30 times the step).

    Units: denoise (x, t) -> x0; eta a scalar, 1.
    Raises: ValueError for eta outside [0, 1].
    Source: Song, Meng and Ermon 2021, arXiv:2010.02502, eqs. (12), (16).
    Also called: DDIM, diffusers DDIMScheduler, denoising diffusion implicit model, DPM-Solver-1,
        DPM-Solver++ 1, azula DDIMSampler, k-diffusion sample_euler, diffusers
        EulerDiscreteScheduler, azula EulerSampler.
    Claims: REV-11, REV-12, REV-13, REV-14, REV-15, REV-16, REV-17, REV-18, REV-19, REV-30, REV-41,
        REV-50, REV-57, PTS-04, PTS-07, PTS-09, NUM-08, FM-15.

    >>> diffx.sample(diffx.ddim(process, denoise), key, x, diffx.uniform(2))[0].shape
    (2,)
    """
    if eta is None:
        return sampler_of_step(ddim_step, process=process, denoise=denoise)
    _arguments.unit_interval("eta", eta, "0 is DDIM, 1 is DDPM")
    return sampler_of_step(ddim_eta_step, process=process, denoise=denoise, eta=eta)
