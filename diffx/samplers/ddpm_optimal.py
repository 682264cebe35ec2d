r"""DDPM with the variance that is optimal for Gaussian data.            Bao et al. 2022, arXiv:2201.06503."""

from typing import Any

import jax.numpy as jnp

from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.laws.covariance import Covariance, apply_to_eigenvalues, diagonalise, noised_variance
from diffx.laws.gaussian import GaussianLaw
from diffx.processes.protocol import Process, transition
from diffx.reverse import posterior
from diffx.samplers._posterior import draw_from_posterior
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def ddpm_optimal_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser, cov: Covariance
) -> tuple[State, Info]:
    r"""The posterior mean with the covariance of x_s given x_t: sigma_{t|s}^2 v_s/v_t along each eigenvector of the data.

    v_t = alpha_t^2 L + sigma_t^2.  cov: the data's covariance, diagonalised.  Exact at any number of steps.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1, in each direction.  Domain: sigma(t) > 0.  Claims: REV-07.
    """
    x0 = ask(denoise, state.x, t)
    variance = lambda v, r: noised_variance(v, process.alpha(r), process.sigma(r))
    noise = None if z is None else apply_to_eigenvalues(cov, z, lambda v: jnp.sqrt(variance(v, s) / variance(v, t)))
    return draw_from_posterior(state, x0, posterior(process, t, s), transition(process, t, s).sigma, noise)


def ddpm_optimal(process: Process, denoise: Denoiser, *, law: GaussianLaw) -> Sampler:
    r"""The ancestral sampler with the variance that is optimal for data of this Gaussian law. See `ddpm_optimal_step`.

    Raises TypeError unless law is a GaussianLaw.  Claims: REV-07, REV-23, REV-24.
    """
    if not isinstance(law, GaussianLaw):
        raise TypeError(f"the optimal variance is known for a GaussianLaw, got {type(law).__name__}; see gaussian_of")
    parameters = {"process": process, "denoise": as_pytree(denoise), "cov": diagonalise(law.cov)}
    return one_step(ddpm_optimal_step, stochastic=True, **parameters)
