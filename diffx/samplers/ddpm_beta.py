r"""DDPM with variance beta.            Ho, Jain and Abbeel 2020, arXiv:2006.11239."""

from typing import Any

from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process, transition
from diffx.reverse import posterior
from diffx.samplers._posterior import draw_from_posterior
from diffx.samplers.protocol import Info, Sampler, State, ask, one_step


def ddpm_beta_step(state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser) -> tuple[State, Info]:
    r"""The posterior mean with variance beta = sigma_{t|s}^2, of the last step too.

    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2.  Domain: sigma(t) > 0.  Claims: REV-06, REV-10.
    """
    x0 = ask(denoise, state.x, t)
    return draw_from_posterior(state, x0, posterior(process, t, s), transition(process, t, s).sigma, z)


def ddpm_beta(process: Process, denoise: Denoiser) -> Sampler:
    r"""The ancestral sampler with variance beta. See `ddpm_beta_step`.  Claims: REV-06, REV-10, BRN-06."""
    return one_step(ddpm_beta_step, stochastic=True, process=process, denoise=as_pytree(denoise))
