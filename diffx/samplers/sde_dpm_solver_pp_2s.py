"""SDE-DPM-Solver++ 2S: the middle of the step in log(alpha/sigma)."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx._pytrees import as_pytree
from diffx._types import Denoiser
from diffx.noise import standard_normal
from diffx.processes.protocol import Process
from diffx.samplers._exponential import span, time_between
from diffx.samplers._exponential_sde import sde_deviation, sde_mean
from diffx.samplers.protocol import Info, Sampler, State, checked_step, noise_or_zero, start


@checked_step
def sde_dpm_solver_pp_2s_step(
    state: State, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    """The step of order 1 with D(u, m) for x0, u the step of order 1 to the middle m in lambda.

    Both are on one Brownian path: the noise of the whole step is that of the first half carried on,
    sigma_s/sigma_m e^(-h/2) sigma_m sqrt(1 - e^-h) z_1, and that of the second half, sigma_s sqrt(1
    - e^-h) z_2. Where sigma(s) = 0 or alpha(t) = 0 it is the step of order 1.

    Units: z a pair of standard normals, one for each half.
    Domain: sigma(t) > 0.
    Source: Lu et al. 2022, arXiv:2211.01095, with the stages of k-diffusion's
        sample_dpmpp_sde (r = 1/2).
    Also called: DPM++ SDE step.
    Claims: REV-51, REV-54, REV-58, REV-59.
    """
    x, x0 = state.x, denoise(state.x, t)
    first, second = (noise_or_zero(part, x) for part in z or (None, None))
    middle, whole = time_between(process, t, s, 1 / 2), span(process, t, s) > 0
    ahead = sde_mean(process, x, x0, t, middle) + sde_deviation(process, t, middle) * first
    mean = sde_mean(process, x, jnp.where(whole, denoise(ahead, middle), x0), t, s)
    carried = (
        process.sigma(s) / process.sigma(middle) * jnp.exp(process.log_snr_step(middle, s) / 2)
    )
    noise = (
        carried * sde_deviation(process, t, middle) * first
        + sde_deviation(process, middle, s) * second
    )
    return State((mean + noise).astype(x.dtype)), Info(x0)


def _two_normals(key: Array, x: Array) -> tuple[Array, Array]:
    first, second = jax.random.split(key)
    return standard_normal(first, x), standard_normal(second, x)


def sde_dpm_solver_pp_2s(process: Process, denoise: Denoiser) -> Sampler:
    """SDE-DPM-Solver++ 2S: two evaluations and two noises per step.

    See `sde_dpm_solver_pp_2s_step`.

    Source: Lu et al. 2022, arXiv:2211.01095.
    Also called: DPM++ SDE, k-diffusion sample_dpmpp_sde, diffusers DPMSolverSDEScheduler.
    Claims: REV-51, REV-58, REV-59.

    >>> sampler = diffx.samplers.sde_dpm_solver_pp_2s(process, denoise)
    """
    step = Partial(sde_dpm_solver_pp_2s_step, process=process, denoise=as_pytree(denoise))
    return Sampler(Partial(start), step, Partial(_two_normals))
