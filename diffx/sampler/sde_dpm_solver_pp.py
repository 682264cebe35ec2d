r"""SDE-DPM-Solver++: the reverse SDE with x0 as a polynomial in log(alpha/sigma).        Lu et al. 2022, arXiv:2211.01095."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx.process import Process, Scalar
from diffx.reverse import Denoiser
from diffx.sampler._exponential import an_order, between, recall, slopes, span
from diffx.sampler.core import Info, Sampler, State, add_noise, ask, one_step, start
from diffx.sampler.history import History, multistep, push


def sde_dpm_solver_pp_1_step(
    state: State, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[State, Info]:
    r"""x_s = sigma_s/sigma_t e^-h x + alpha_s (1 - e^-2h) x0 + sigma_s sqrt(1 - e^-2h) z: DDPM with beta-tilde.

    Source: Lu et al. 2022, arXiv:2211.01095, section 6.  h = lambda_s - lambda_t.  t, s: scalar times, s < t.
    Domain: sigma(t) > 0.  Claims: REV-16, REV-17, REV-19.
    """
    t, s = _check.step_times(t, s)
    x0 = ask(denoise, state.x, t)
    mean = _held(process, state.x, x0, t, s)
    return State(add_noise(mean, _spread(process, t, s), z).astype(state.x.dtype)), Info(x0)


def sde_dpm_solver_pp_2m_step(
    state: History, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    r"""The step of order 1 with x0 + h/2 (x0_t - x0_r)/(lambda_t - lambda_r) for x0, r the time of the step before.

    Source: Lu et al. 2022, arXiv:2211.01095, section 6.  On Gaussian data its order in law is 2.
    t, s: scalar times, s < t.  Where sigma(s) = 0 it is the step of order 1.  Domain: sigma(t) > 0.
    Claims: REV-17, REV-19, REV-20.
    """
    t, s = _check.step_times(t, s)
    x0, h = ask(denoise, state.x, t), span(process, t, s)
    (slope,) = slopes(x0, recall(process, state, t))
    mean = _held(process, state.x, x0 + h / 2 * slope, t, s)
    return push(state, add_noise(mean, _spread(process, t, s), z), x0, t), Info(x0)


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
    t, s = _check.step_times(t, s)
    x, x0 = state.x, ask(denoise, state.x, t)
    middle, whole = between(process, t, s, 1 / 2), span(process, t, s) > 0
    first, second = (None, None) if z is None else z
    ahead = add_noise(_held(process, x, x0, t, middle), _spread(process, t, middle), first)
    mean = _held(process, x, jnp.where(whole, ask(denoise, ahead, middle), x0), t, s)
    carried = process.sigma(s) / process.sigma(middle) * jnp.exp(process.log_snr_step(middle, s) / 2)
    mean = add_noise(mean, carried * _spread(process, t, middle), first)
    return State(add_noise(mean, _spread(process, middle, s), second).astype(x.dtype)), Info(x0)


def _held(process: Process, x: Array, x0: Array, t: Array, s: Array) -> Array:
    """sigma_s/sigma_t e^-h x + alpha_s (1 - e^-2h) x0."""
    step = process.log_snr_step(t, s)  # -2h
    return process.sigma(s) / process.sigma(t) * jnp.exp(step / 2) * x - process.alpha(s) * jnp.expm1(step) * x0


def _spread(process: Process, t: Array, s: Array) -> Array:
    """sigma_s sqrt(1 - e^-2h)."""
    return process.sigma(s) * jnp.sqrt(-jnp.expm1(process.log_snr_step(t, s)))


def _two_normals(key: Array, x: Array) -> tuple[Array, Array]:
    first, second = jax.random.split(key)
    return jax.random.normal(first, x.shape, x.dtype), jax.random.normal(second, x.shape, x.dtype)


def sde_dpm_solver_pp(process: Process, denoise: Denoiser, *, order: int = 2) -> Sampler:
    r"""SDE-DPM-Solver++ 1 (DDPM with beta-tilde) or 2M, one evaluation a step. See `sde_dpm_solver_pp_2m_step`.

    There is no 3M: with a parabola through three answers, exactly integrated or as released, the order in law on Gaussian
    data is 2 again.  Raises ValueError for another order.  Claims: REV-16, REV-17, REV-19.
    """
    order = an_order(order, 2, "SDE-DPM-Solver++")
    parameters = {"process": process, "denoise": as_pytree(denoise)}
    if order == 1:
        return one_step(sde_dpm_solver_pp_1_step, stochastic=True, **parameters)
    return multistep(sde_dpm_solver_pp_2m_step, 1, stochastic=True, **parameters)


def sde_dpm_solver_pp_2s(process: Process, denoise: Denoiser) -> Sampler:
    r"""SDE-DPM-Solver++ 2S: two evaluations and two noises a step. See `sde_dpm_solver_pp_2s_step`.

    Claims: REV-17, REV-19.
    """
    step = Partial(sde_dpm_solver_pp_2s_step, process=process, denoise=as_pytree(denoise))
    return Sampler(Partial(start), step, Partial(_two_normals))
