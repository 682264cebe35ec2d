"""DDPM with the variance that is optimal for Gaussian data."""

import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Denoiser
from diffx.laws.covariance import Covariance, apply_to_eigenvalues, diagonalise, noised_variance
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.processes.protocol import Process, transition
from diffx.reverse import posterior
from diffx.samplers._posterior import posterior_mean
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def ddpm_optimal_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser, cov: Covariance
) -> tuple[Array, Array]:
    """The posterior mean with the covariance of x_s given x_t: sigma_{t|s}^2 v_s/v_t.

    That is the variance along each eigenvector of the data, v_t = alpha_t^2 L + sigma_t^2. It is
    exact in any number of steps.

    Units: cov the covariance of the data, diagonalised.
    Domain: sigma(t) > 0.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1, in each direction.
    Also called: optimal reverse covariance.
    Claims: REV-07.
    """
    x0 = denoise(x, t)
    variance = lambda v, r: noised_variance(v, process.alpha(r), process.sigma(r))
    noise = apply_to_eigenvalues(cov, z, lambda v: jnp.sqrt(variance(v, s) / variance(v, t)))
    return posterior_mean(posterior(process, t, s), x, x0) + transition(
        process, t, s
    ).sigma * noise, x0


def ddpm_optimal(process: Process, denoise: Denoiser, *, law: GaussianLaw) -> Sampler:
    """The ancestral sampler with the variance that is optimal for data of this Gaussian law.

    See `ddpm_optimal_step`.

    Raises: TypeError unless law is a GaussianLaw.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1, in each direction.
    Also called: exact ancestral sampler.
    Claims: REV-07, REV-23, REV-24, REV-41.

    >>> sampler = diffx.samplers.ddpm_optimal(process, denoise, law=law)
    """
    cov = diagonalise(require_gaussian(law, "the optimal variance").cov)
    return sampler_of_step(ddpm_optimal_step, process=process, denoise=denoise, cov=cov)
