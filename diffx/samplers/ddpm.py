"""DDPM with variance beta-tilde: a draw from the posterior of a step at the predicted x0."""

from jaxtyping import Array

from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.reverse import posterior
from diffx.samplers._posterior import posterior_mean
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def ddpm_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s ~ q(x_s | x_t, x0 = D(x, t)), variance beta-tilde = sigma_s^2 sigma_{t|s}^2/sigma_t^2.

    The last step, to sigma(s) = 0, adds no noise.

    Domain: sigma(t) > 0.
    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7).
    Also called: ancestral sampling, ancestral variance, posterior sampling, beta-tilde, fixed small
        variance, variance_type fixed_small.
    Claims: REV-06, REV-09, REV-10, REV-16, PTS-05.
    """
    x0 = denoise(x, t)
    back = posterior(process, t, s)
    return posterior_mean(back, x, x0) + back.sigma * z, x0


def ddpm(process: Process, denoise: Denoiser) -> Sampler:
    """The ancestral sampler with variance beta-tilde.

    See `ddpm_step`.

    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7).
    Also called: DDPM, ancestral sampler, diffusers DDPMScheduler, azula DDPMSampler.
    Claims: REV-06, REV-09, REV-10, REV-16, REV-41, PTS-05, PTS-07, LIT-15, LIT-16.

    >>> diffx.sample(diffx.ddpm(process, denoise), key, x, diffx.uniform(2))[0].shape
    (2,)
    """
    return sampler_of_step(ddpm_step, process=process, denoise=denoise)
