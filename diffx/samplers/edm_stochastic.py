"""EDM's stochastic sampler: up in noise a little, then a step of Heun's method down.

Everything happens in the coordinates y = x/alpha, r = sigma/alpha, where dy/dr = eps for every
process.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser, Scalar
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process, transition
from diffx.samplers._exponential import ddim_update, eps_at
from diffx.samplers.protocol import Sampler, noise_or_zero, sampler_of_step, step


def churn(
    process: Process, x: Array, t: Scalar, z: Array | None, *, gamma: Scalar, noise_scale: Scalar
) -> tuple[Array, Array]:
    """y_hat = y + sqrt(r_hat^2 - r^2) z at the noise r_hat = (1 + gamma) r: the forward kernel.

    The result is x at r_hat, and its time; both unchanged where gamma = 0.

    Domain: alpha(t) > 0, and r_hat within the process, r_hat <= sigma(1)/alpha(1).
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 2.
    Also called: churn, S_churn, re-noising.
    Claims: REV-26.
    """
    up = process.time_of_log_snr(process.log_snr(t) - 2 * jnp.log1p(gamma))
    t_hat = jnp.where(gamma > 0, up, t)  # the time of a log-SNR is known to 100 ulps only
    there = transition(process, t_hat, t)
    return (there.alpha * x + noise_scale * there.sigma * noise_or_zero(z, x)).astype(
        x.dtype
    ), t_hat


@step
def edm_stochastic_step(
    x: Array,
    t: Array,
    s: Array,
    z: Array,
    *,
    process: Process,
    denoise: Denoiser,
    gamma: Scalar,
    noise_scale: Scalar,
    sigma_low: Scalar,
    sigma_high: Scalar,
) -> tuple[Array, Array]:
    """y_s = y_hat + (r_s - r_hat)(eps(y_hat, r_hat) + eps(y_E, r_s))/2 from the churned y_hat.

    y_E is Euler's point; where sigma(s) = 0 it is Euler's step itself. gamma counts as 0 where r is
    not in [sigma_low, sigma_high]. Two evaluations per step; info.x0 is the answer at y_hat.

    Domain: alpha(t) > 0, sigma(t) > 0.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 2.
    Also called: EDM stochastic sampler step.
    Claims: REV-19, REV-26, REV-33, REV-35.
    """
    r = jnp.exp(-process.log_snr(t) / 2)
    gamma = jnp.where((sigma_low <= r) & (r <= sigma_high), gamma, 0)
    x, t = churn(process, x, t, z, gamma=gamma, noise_scale=noise_scale)
    x0 = denoise(x, t)
    eps, end = eps_of_x0(process, x, x0, t), ddim_update(process, x, x0, t, s).astype(x.dtype)
    last = process.sigma(s) == 0
    # eps is not defined at sigma = 0: ask where it is and do not use it
    there = jnp.where(last, t, s)
    ahead = eps_at(process, denoise, end, there)
    # alpha_s (r_s - r_hat); 0 where last
    reach = -process.sigma(there) * jnp.expm1(-process.log_snr_step(t, there) / 2)
    return end + reach * (ahead - eps) / 2, x0


def edm_stochastic(
    process: Process,
    denoise: Denoiser,
    *,
    gamma: Scalar,
    noise_scale: Scalar = 1.0,
    sigma_low: Scalar = 0.0,
    sigma_high: Scalar | None = None,
) -> Sampler:
    """EDM's stochastic sampler, of order 2 where gamma = 0.

    See `edm_stochastic_step`. gamma is min(S_churn/N, sqrt(2) - 1) for the S_churn of the paper and
    N steps; noise_scale is S_noise; sigma_low and sigma_high are S_tmin and S_tmax. The default of
    sigma_high is the largest from which churning stays within the process, sigma(1)/alpha(1)/(1 +
    gamma); beyond it the denoiser would be called at times above 1.

    Units: gamma and noise_scale scalars, 1; sigma_low and sigma_high bounds of sigma/alpha in data
        units.
    Raises: ValueError for gamma < 0 or gamma > sqrt(2) - 1, where more noise would be added than
        there is, and for a sigma_high that leads beyond the process.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 2.
    Also called: EDM sampler, S_churn, k-diffusion sample_heun (s_churn > 0), stochastic Heun.
    Claims: REV-19, REV-26, REV-33, REV-35.

    >>> sampler = diffx.samplers.edm_stochastic(diffx.EDM(), denoise, gamma=0.2)
    """
    _arguments.not_negative(gamma=gamma, noise_scale=noise_scale, sigma_low=sigma_low)
    most = jnp.exp(-process.log_snr(1.0) / 2) / (1 + gamma)
    sigma_high = most if sigma_high is None else sigma_high
    _arguments.require_that(
        lambda gamma: gamma <= 2**0.5 - 1 + 1e-6,  # float32 rounds sqrt(2) - 1 up
        lambda gamma: (
            f"gamma must be at most sqrt(2) - 1, got {gamma}; for the paper's S_churn give "
            "min(S_churn / N, 2**0.5 - 1)"
        ),
        gamma,
    )
    _arguments.require_that(
        lambda most, high: high <= most * (1 + 1e-6), _too_high, most, sigma_high
    )
    numbers = {
        "gamma": gamma,
        "noise_scale": noise_scale,
        "sigma_low": sigma_low,
        "sigma_high": sigma_high,
    }
    return sampler_of_step(edm_stochastic_step, process=process, denoise=denoise, **numbers)


def _too_high(most: Any, high: Any) -> str:
    return (
        f"churning from sigma_high={high} leads beyond this process; give sigma_high <= "
        f"{float(most):.6g}, "
        "which is sigma(1)/alpha(1)/(1 + gamma), or leave it out"
    )
