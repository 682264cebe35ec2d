"""DDPM with variance beta."""

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process, transition
from diffx.reverse import posterior
from diffx.samplers._posterior import posterior_mean
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def ddpm_beta_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """The posterior mean with variance beta = sigma_{t|s}^2, also in the last step.

    Domain: sigma(t) > 0.
    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2.
    Also called: fixed large variance, variance_type fixed_large.
    Claims: REV-06, REV-10.
    """
    x0 = denoise(x, t)
    return posterior_mean(posterior(process, t, s), x, x0) + transition(process, t, s).sigma * z, x0


def ddpm_beta(process: Process, denoise: Denoiser) -> Sampler:
    """The ancestral sampler with variance beta.

    See `ddpm_beta_step`.

    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2.
    Also called: DDPM with fixed large variance, variance_type fixed_large.
    Claims: REV-06, REV-10, BRN-06.

    >>> sampler = diffx.samplers.ddpm_beta(process, denoise)
    """
    return sampler_of_step(ddpm_beta_step, process=process, denoise=denoise)
