"""Ancestral DPM-Solver-2: a step down further than asked, to sigma_down, then fresh noise sigma_up.

sigma_up^2 + sigma_down^2 = sigma^2 and sigma_up = eta sigma_s sqrt(1 - r_s^2/r_t^2), r =
sigma/alpha. The source is k-diffusion, sampling.py, get_ancestral_step (Crowson 2022), in the
coordinates y = x/alpha and r.
"""

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser, Scalar
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers._exponential import ddim_update, eps_at
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def dpm2_ancestral_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser, eta: Scalar
) -> tuple[Array, Array]:
    """y_s = y + (r_down - r_t) eps(y_mid, r_mid) + r_up z.

    r_mid = sqrt(r_t r_down) and y_mid = y + (r_mid - r_t) eps(y, r_t). Where sigma(s) = 0 it is
    Euler's step; eta = 0 is DPM-Solver-2. Two evaluations per step.

    Domain: alpha(t) > 0, sigma(t) > 0.
    Source: k-diffusion, sampling.py, sample_dpm_2_ancestral.
    Also called: DPM2 a.
    Claims: REV-19, REV-33, REV-34, REV-35.
    """
    x0 = denoise(x, t)
    eps = eps_of_x0(process, x, x0, t)
    fresh = -jnp.expm1(process.log_snr_step(t, s))  # 1 - (r_s/r_t)^2
    up, down = (
        process.sigma(s) * jnp.sqrt(share) for share in (eta**2 * fresh, 1 - eta**2 * fresh)
    )
    end = process.alpha(s) * x0 + down * eps
    last = process.sigma(s) == 0
    half = (jnp.log1p(-(eta**2) * fresh) + process.log_snr_step(t, s)) / 4  # log(r_mid/r_t)
    mid = jnp.where(last, t, process.time_of_log_snr(process.log_snr(t) - 2 * half))
    ahead = eps_at(process, denoise, ddim_update(process, x, x0, t, mid).astype(x.dtype), mid)
    reach = jnp.where(last, 0, -down * jnp.expm1(-2 * half))  # alpha_s (r_down - r_t)
    return end + reach * (ahead - eps) + up * z, x0


def dpm2_ancestral(process: Process, denoise: Denoiser, *, eta: Scalar = 1.0) -> Sampler:
    """DPM-Solver-2 down to sigma_down, then noise sigma_up.

    See `dpm2_ancestral_step`.

    Raises: ValueError for eta outside [0, 1].
    Source: k-diffusion, sampling.py, sample_dpm_2_ancestral.
    Also called: DPM2 a, k-diffusion sample_dpm_2_ancestral, diffusers
        KDPM2AncestralDiscreteScheduler.
    Claims: REV-19, REV-33, REV-34, REV-35.

    >>> sampler = diffx.samplers.dpm2_ancestral(process, denoise)
    """
    _arguments.unit_interval("eta", eta, "0 is DPM-Solver-2, above 1 sigma_up exceeds sigma")
    return sampler_of_step(dpm2_ancestral_step, process=process, denoise=denoise, eta=eta)
