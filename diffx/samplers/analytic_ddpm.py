"""Analytic-DPM: DDPM with the isotropic variance that is optimal for the data.

The variance comes from the denoiser's mean squared error.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.reverse import posterior
from diffx.samplers._posterior import posterior_mean
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def analytic_ddpm_step(
    x: Array,
    t: Array,
    s: Array,
    z: Array,
    *,
    process: Process,
    denoise: Denoiser,
    mmse: Callable[[Scalar], Scalar],
) -> tuple[Array, Array]:
    """The posterior mean at x0 = D(x, t), with variance beta-tilde + of_x0^2 mmse(t).

    The second term is the uncertainty of x0. In the paper's terms mmse = (sigma/alpha)^2 (1 -
    sigma^2 E|score|^2/d), lambda^2 = beta-tilde, and the variance is lambda^2 +
    (sigma_t/alpha_{t|s} - sqrt(sigma_s^2 - lambda^2))^2 (1 - sigma_t^2 E|score|^2/d).

    Domain: sigma(t) > 0.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1.
    Also called: Analytic-DPM, optimal reverse variance, learned variance.
    Claims: REV-08.
    """
    x0 = denoise(x, t)
    back = posterior(process, t, s)
    return posterior_mean(back, x, x0) + jnp.sqrt(back.sigma**2 + back.of_x0**2 * mmse(t)) * z, x0


def analytic_ddpm(
    process: Process, denoise: Denoiser, *, mmse: Callable[[Scalar], Scalar]
) -> Sampler:
    """The ancestral sampler with the optimal isotropic variance for any data.

    See `analytic_ddpm_step`. For isotropic Gaussian data this is `ddpm_optimal`, exact in any
    number of steps.

    Units: mmse t -> E|x_0 - D(x_t, t)|^2/d, squared data units: a closed form, or means over data
        at the times of the grid.
    Raises: TypeError unless mmse is callable.
    Source: Bao et al. 2022, arXiv:2201.06503, Theorem 1.
    Also called: Analytic-DPM, Analytic-DDPM.
    Claims: REV-08.

    >>> sampler = diffx.samplers.analytic_ddpm(process, denoise, mmse=lambda t: t)
    """
    mmse = as_pytree(mmse, "mmse, a function t -> E|x_0 - D(x_t, t)|^2/d,")
    return sampler_of_step(analytic_ddpm_step, process=process, denoise=denoise, mmse=mmse)
