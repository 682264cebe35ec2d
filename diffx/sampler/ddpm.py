r"""DDPM: draw from the posterior of a step at the predicted x0, with one of three variances.

Ho, Jain and Abbeel 2020, arXiv:2006.11239; the optimal variance: Bao et al. 2022, arXiv:2201.06503.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx._callables import as_pytree
from diffx.law import Covariance, GaussianLaw, diagonalised, noised_variance, transformed
from diffx.process import Process, Scalar, transition
from diffx.reverse import Denoiser, Posterior, posterior
from diffx.sampler.core import Info, Sampler, State, add_noise, ask, one_step


def from_posterior(state: State, x0: Array, weights: Posterior, sigma: Array, noise: Array | None) -> tuple[State, Info]:
    """x_s = of_x x + of_x0 x0 + sigma noise."""
    mean = weights.of_x * state.x + weights.of_x0 * x0
    return State(add_noise(mean, sigma, noise).astype(state.x.dtype)), Info(x0)


def ddpm_step(state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""x_s ~ q(x_s | x_t, x0 = D(x, t)), variance beta-tilde = sigma_s^2 sigma_{t|s}^2/sigma_t^2.

    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7).  The last step, to sigma(s) = 0, adds no noise.
    Domain: sigma(t) > 0.  Claims: REV-06, REV-09, REV-10, REV-16, PTS-05.
    """
    x0 = ask(denoise, state.x, t)
    weights = posterior(process, t, s)
    return from_posterior(state, x0, weights, weights.sigma, z)


def ddpm_beta_step(state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""The posterior mean with variance beta = sigma_{t|s}^2, of the last step too.

    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2.  Domain: sigma(t) > 0.  Claims: REV-06, REV-10.
    """
    x0 = ask(denoise, state.x, t)
    return from_posterior(state, x0, posterior(process, t, s), transition(process, t, s).sigma, z)


def ddpm_optimal_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser, cov: Covariance
) -> tuple[State, Info]:
    r"""The posterior mean with the covariance of x_s given x_t: sigma_{t|s}^2 v_s/v_t along each eigenvector of the data.

    v_t = alpha_t^2 L + sigma_t^2.  cov: the data's covariance, diagonalised.  Exact at any number of steps.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1, in each direction.  Domain: sigma(t) > 0.  Claims: REV-07.
    """
    x0 = ask(denoise, state.x, t)
    variance = lambda v, r: noised_variance(v, process.alpha(r), process.sigma(r))
    noise = None if z is None else transformed(cov, z, lambda v: jnp.sqrt(variance(v, s) / variance(v, t)))
    return from_posterior(state, x0, posterior(process, t, s), transition(process, t, s).sigma, noise)


def ddpm(process: Process, denoise: Denoiser) -> Sampler:
    r"""The ancestral sampler with variance beta-tilde. See `ddpm_step`.

    Claims: REV-06, REV-09, REV-10, REV-16, PTS-05, PTS-07, LIT-15, LIT-16.
    """
    return one_step(ddpm_step, stochastic=True, process=process, denoise=as_pytree(denoise))


def ddpm_beta(process: Process, denoise: Denoiser) -> Sampler:
    r"""The ancestral sampler with variance beta. See `ddpm_beta_step`.  Claims: REV-06, REV-10, BRN-06."""
    return one_step(ddpm_beta_step, stochastic=True, process=process, denoise=as_pytree(denoise))


def ddpm_optimal(process: Process, denoise: Denoiser, *, law: GaussianLaw) -> Sampler:
    r"""The ancestral sampler with the variance that is optimal for data of this Gaussian law. See `ddpm_optimal_step`.

    Raises TypeError unless law is a GaussianLaw.  Claims: REV-07, REV-23, REV-24.
    """
    if not isinstance(law, GaussianLaw):
        raise TypeError(f"the optimal variance is known for a GaussianLaw, got {type(law).__name__}; see gaussian_of")
    parameters = {"process": process, "denoise": as_pytree(denoise), "cov": diagonalised(law.cov)}
    return one_step(ddpm_optimal_step, stochastic=True, **parameters)
