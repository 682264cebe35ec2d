r"""DDPM with variance beta-tilde: draw from the posterior of a step at the predicted x0.

Ho, Jain and Abbeel 2020, arXiv:2006.11239.
"""

from typing import Any

from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.reverse import posterior
from diffx.samplers._posterior import draw_from_posterior
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def ddpm_step(state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""x_s ~ q(x_s | x_t, x0 = D(x, t)), variance beta-tilde = sigma_s^2 sigma_{t|s}^2/sigma_t^2.

    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7).  The last step, to sigma(s) = 0, adds no noise.
    Domain: sigma(t) > 0.  Claims: REV-06, REV-09, REV-10, REV-16, PTS-05.
    """
    x0 = ask(denoise, state.x, t)
    weights = posterior(process, t, s)
    return draw_from_posterior(state, x0, weights, weights.sigma, z)


def ddpm(process: Process, denoise: Denoiser) -> Sampler:
    r"""The ancestral sampler with variance beta-tilde. See `ddpm_step`.

    Claims: REV-06, REV-09, REV-10, REV-16, PTS-05, PTS-07, LIT-15, LIT-16.
    """
    return one_step(ddpm_step, stochastic=True, process=process, denoise=as_pytree(denoise))
