r"""Langevin steps at one noise level, and any sampler with them after each of its steps: predictor-corrector."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx.predict import score_of_x0
from diffx.process import Process, Scalar
from diffx.reverse import Denoiser
from diffx.sampler.core import Sampler, add_noise, ask, standard_normal

Corrector = Callable[[Array, Scalar, Scalar, Any], Array]


def langevin_step(process: Process, denoise: Denoiser, x: Array, t: Scalar, z: Array | None, *, step_size: Scalar) -> Array:
    r"""x + e score(x, t) + sqrt(2 e) z, score = (alpha D - x)/sigma^2: the unadjusted Langevin algorithm.

    On Gaussian data of variance v at time t it is stable for e < 2 v and settles at the variance v/(1 - e/(2 v)).
    x: any shape, data units; z: standard normal or None for zero; step_size: e, squared data units.
    Source: Song et al. 2021, arXiv:2011.13456, section 4.2.  Domain: sigma(t) > 0.  Claims: REV-25.
    """
    t = _check.time(t)
    score = score_of_x0(process, x, ask(denoise, x, t), t)
    return add_noise(x + step_size * score, jnp.sqrt(2 * step_size), z).astype(x.dtype)


def _langevin_at(x: Array, t: Scalar, s: Scalar, z: Any, *, process: Process, denoise: Denoiser, snr: Scalar) -> Array:
    """langevin_step at s with e = 2 (snr sigma)^2; x itself where sigma(s) = 0, where the denoiser is asked at t."""
    last = process.sigma(s) == 0
    there = jnp.where(last, t, s)
    step_size = 2 * (snr * process.sigma(there)) ** 2
    return jnp.where(last, x, langevin_step(process, denoise, x, there, z, step_size=step_size))


def langevin_corrector(process: Process, denoise: Denoiser, *, snr: Scalar = 0.16) -> Partial:
    r"""A corrector (x, t, s, z) -> x for `predictor_corrector`: a Langevin step at s with e = 2 (snr sigma(s))^2.

    e is Song's with |z|/|score| taken at its value for noise, sigma: it depends on neither x nor z, so that
    `exact_law` applies; the step is stable for snr < 1.  Where sigma(s) = 0 it does nothing.
    Source: Song et al. 2021, arXiv:2011.13456, Algorithms 4, 5, and their code's `ald`; 0.16 is their value.
    Raises ValueError unless snr > 0.  Claims: REV-25.
    """
    _check.positive(snr=snr)
    return Partial(_langevin_at, process=process, denoise=as_pytree(denoise), snr=snr)


def predictor_corrector_step(
    state: Any, t: Scalar, s: Scalar, z: Any, *, predictor: Sampler, correctors: tuple[Corrector, ...]
) -> tuple[Any, Any]:
    """The predictor's step from t to s, then each corrector at s.  z: (the predictor's, (one for each corrector)).

    Source: Song et al. 2021, arXiv:2011.13456, Algorithm 1.  Claims: REV-25.
    """
    first, rest = (None, (None,) * len(correctors)) if z is None else z
    state, info = predictor.step(state, t, s, first)
    x = state.x
    for correct, noise in zip(correctors, rest, strict=True):
        x = correct(x, t, s, noise)
    return state._replace(x=x), info


def predictor_corrector(predictor: Sampler, corrector: Corrector, *, n: int = 1) -> Sampler:
    r"""Any sampler, with n steps of a corrector after each of its steps. See `predictor_corrector_step`.

    corrector: (x, t, s, z) -> x at s, such as `langevin_corrector`.  Raises TypeError unless predictor is a Sampler and n
    an integer, ValueError unless n >= 1.  Claims: REV-25.
    """
    if not isinstance(predictor, Sampler):
        raise TypeError(f"predictor must be a Sampler, such as diffx.ddpm(process, denoise), got {type(predictor).__name__}")
    correctors = (as_pytree(corrector, "a corrector (x, t, s, z) -> x"),) * _check.count("n", n)
    step = Partial(predictor_corrector_step, predictor=predictor, correctors=correctors)
    return Sampler(predictor.init, step, Partial(_noises, predictor.noise, correctors))


def _noises(noise: Callable | None, correctors: tuple[Corrector, ...], key: Array, x: Array) -> tuple:
    """Independent noises: the predictor's, and one for each corrector."""
    first, *rest = jax.random.split(key, 1 + len(correctors))
    return None if noise is None else noise(first, x), tuple(standard_normal(key, x) for key in rest)
