"""Linear multi-step (Adams-Bashforth) in r = sigma/alpha, where dy/dr = eps for y = x/alpha."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx._linalg import contract
from diffx._types import Denoiser, Scalar
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers._exponential import an_order, ddim_update
from diffx.samplers.multistep import History, memory_times, multistep, push
from diffx.samplers.protocol import Info, Sampler, checked_step

GAUSS = (
    0.5 - 12**-0.5,
    0.5 + 12**-0.5,
)  # two nodes on [0, 1] of weight 1/2 integrate polynomials of degree 3 exactly


def adams_weights(process: Process, t: Scalar, s: Scalar, times: Array, known: Array) -> Array:
    """w_j = int_0^1 prod_{k != j} (u - u_k)/(u_j - u_k) du, u = (r - r_t)/(r_s - r_t).

    The products run over the known times; the weights of the others are 0. A time of r = infinity
    does not count.

    Units: times (k,), before t; known (k,) booleans; the result (k,), the weights of the steps
        before; the weight of the step from t is 1 less their sum.
    Source: the integral of Lagrange's polynomials.
    Also called: Adams-Bashforth coefficients, linear multistep coefficients, k-diffusion
        linear_multistep_coeff.
    Claims: REV-46.
    """
    u = jnp.expm1(-process.log_snr_step(times, t) / 2) / jnp.expm1(process.log_snr_step(t, s) / 2)
    known = jnp.append(True, known & jnp.isfinite(u))
    u = jnp.append(0.0, u)
    pairs = known[:, None] & known & ~jnp.eye(u.shape[0], dtype=bool)
    apart = jnp.where(pairs, u[:, None] - u, 1)
    factors = [jnp.where(pairs, (node - u) / apart, 1) for node in GAUSS]
    weights = (factors[0].prod(1) + factors[1].prod(1)) / 2
    return jnp.where(known, weights, 0)[1:].astype(u.dtype)


@checked_step
def lms_step(
    state: History, t: Array, s: Array, z: Any = None, *, process: Process, denoise: Denoiser
) -> tuple[History, Info]:
    """y_s = y + (r_s - r_t) sum_j w_j eps_j, eps_j the last answers.

    It is DDIM plus corrections by eps_j - eps. w_j is the integral of Lagrange's polynomials
    through the known r_j, see `adams_weights`. A method of order p starts at order 1 and gains one
    per step, or at order p by `with_past`.

    Domain: sigma(t) > 0.
    Source: k-diffusion, sampling.py, sample_lms; there by adaptive quadrature, here exactly.
    Also called: Adams-Bashforth step.
    Claims: REV-19, REV-46, REV-47, REV-48, REV-49.
    """
    x0 = denoise(state.x, t)
    eps = eps_of_x0(process, state.x, x0, t)
    known, times = memory_times(state, t)
    # r_s - r_t
    reach = process.sigma(t) / process.alpha(t) * jnp.expm1(process.log_snr_step(t, s) / 2)
    weights = adams_weights(process, t, s, times, known)
    # reach is infinite where alpha(t) = 0
    moves = jnp.where(weights == 0, 0, process.alpha(s) * reach * weights)
    x = ddim_update(process, state.x, x0, t, s) + contract("j,j...->...", moves, state.past - eps)
    return push(state, x, eps, t), Info(x0)


def lms(process: Process, denoise: Denoiser, *, order: int = 4) -> Sampler:
    """The linear multi-step method of order 1 (DDIM) to 4, one evaluation per step.

    See `lms_step`.

    Raises: TypeError unless order is an integer, ValueError unless it is 1, 2, 3 or 4.
    Source: k-diffusion, sampling.py, sample_lms.
    Also called: LMS, Adams-Bashforth, k-diffusion sample_lms, diffusers LMSDiscreteScheduler, azula
        zABSampler.
    Claims: REV-19, REV-46, REV-47, REV-48, REV-49.

    >>> sampler = diffx.samplers.lms(process, denoise, order=4)
    """
    return multistep(lms_step, an_order(order, 4, "lms") - 1, process=process, denoise=denoise)
