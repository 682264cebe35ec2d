"""Langevin steps at one noise level."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.predictions import score_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.protocol import noise_or_zero


def langevin_step(
    process: Process, denoise: Denoiser, x: Array, t: Scalar, z: Array | None, *, step_size: Scalar
) -> Array:
    """x + e score(x, t) + sqrt(2 e) z, score = (alpha D - x)/sigma^2.

    On Gaussian data of variance v at time t it is stable for e < 2 v and settles at the variance
    v/(1 - e/(2 v)).

    Units: x any shape, data units; step_size e in squared data units.
    Domain: sigma(t) > 0.
    Source: Song et al. 2021, arXiv:2011.13456, section 4.2.
    Also called: Langevin dynamics, unadjusted Langevin algorithm, ULA, Langevin MCMC.
    Claims: REV-25.
    """
    t = _arguments.time(t)
    score = score_of_x0(process, x, _arguments.answer(denoise, x, t), t)
    return (x + step_size * score + jnp.sqrt(2 * step_size) * noise_or_zero(z, x)).astype(x.dtype)


def _langevin_at(
    x: Array, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser, snr: Scalar
) -> Array:
    """langevin_step at s with e = 2 (snr sigma)^2.

    Where sigma(s) = 0 it is x itself; there the denoiser is called at t.
    """
    last = process.sigma(s) == 0
    there = jnp.where(last, t, s)
    step_size = 2 * (snr * process.sigma(there)) ** 2
    return jnp.where(last, x, langevin_step(process, denoise, x, there, z, step_size=step_size))


def langevin_corrector(process: Process, denoise: Denoiser, *, snr: Scalar = 0.16) -> Partial:
    """A corrector (x, t, s, z) -> x: a Langevin step at s with e = 2 (snr sigma(s))^2.

    It serves `predictor_corrector`. e is Song's with |z|/|score| taken at its value for noise,
    sigma: it depends on neither x nor z, so that `exact_law` applies; the step is stable for snr <
    1. Where sigma(s) = 0 it does nothing.

    Units: snr a scalar, 1; 0.16 is the value of the source's code.
    Raises: ValueError unless snr > 0.
    Source: Song et al. 2021, arXiv:2011.13456, Algorithms 4, 5, and their code's `ald`.
    Also called: Langevin corrector, annealed Langevin dynamics, ALD, corrector step.
    Claims: REV-25.

    >>> corrector = diffx.samplers.langevin_corrector(process, denoise, snr=0.16)
    """
    _arguments.positive(snr=snr)
    return Partial(_langevin_at, process=process, denoise=as_pytree(denoise), snr=snr)
