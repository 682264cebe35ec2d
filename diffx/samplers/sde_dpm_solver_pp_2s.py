r"""SDE-DPM-Solver++ 2S: the middle of the step in log(alpha/sigma).        Lu et al. 2022, arXiv:2211.01095."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers._exponential import span, time_between
from diffx.samplers._exponential_sde import sde_deviation, sde_mean
from diffx.samplers.protocol import Info, Sampler, State, add_noise, ask, start


def sde_dpm_solver_pp_2s_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""The step of order 1 with D(u, m) for x0, u the step of order 1 to the middle m in lambda, both on one Brownian path.

    z: a pair of standard normals, one for each half: the noise of the whole step is that of the first half carried on,
    sigma_s/sigma_m e^(-h/2) sigma_m sqrt(1 - e^-h) z_1, and that of the second half, sigma_s sqrt(1 - e^-h) z_2.
    Source: Lu et al. 2022, arXiv:2211.01095, section 6, with the stages of k-diffusion's sample_dpmpp_sde (r = 1/2).
    t, s: scalar times, s < t.  Where sigma(s) = 0 or alpha(t) = 0 it is the step of order 1.
    Domain: sigma(t) > 0.  Claims: REV-17, REV-19, REV-20.
    """
    t, s = _arguments.step_times(t, s)
    x, x0 = state.x, ask(denoise, state.x, t)
    middle, whole = time_between(process, t, s, 1 / 2), span(process, t, s) > 0
    first, second = (None, None) if z is None else z
    ahead = add_noise(sde_mean(process, x, x0, t, middle), sde_deviation(process, t, middle), first)
    mean = sde_mean(process, x, jnp.where(whole, ask(denoise, ahead, middle), x0), t, s)
    carried = process.sigma(s) / process.sigma(middle) * jnp.exp(process.log_snr_step(middle, s) / 2)
    mean = add_noise(mean, carried * sde_deviation(process, t, middle), first)
    return State(add_noise(mean, sde_deviation(process, middle, s), second).astype(x.dtype)), Info(x0)


def _two_normals(key: Array, x: Array) -> tuple[Array, Array]:
    first, second = jax.random.split(key)
    return jax.random.normal(first, x.shape, x.dtype), jax.random.normal(second, x.shape, x.dtype)


def sde_dpm_solver_pp_2s(process: Process, denoise: Denoiser) -> Sampler:
    r"""SDE-DPM-Solver++ 2S: two evaluations and two noises a step. See `sde_dpm_solver_pp_2s_step`.

    Claims: REV-17, REV-19.
    """
    step = Partial(sde_dpm_solver_pp_2s_step, process=process, denoise=as_pytree(denoise))
    return Sampler(Partial(start), step, Partial(_two_normals))
