"""Any sampler with a corrector after each of its steps."""

from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Scalar
from diffx.noise import standard_normal
from diffx.samplers.protocol import Sampler

Corrector = Callable[[Array, Scalar, Scalar, Any], Array]


def predictor_corrector_step(
    state: Any,
    t: Scalar,
    s: Scalar,
    z: Any,
    *,
    predictor: Sampler,
    correctors: tuple[Corrector, ...],
) -> tuple[Any, Any]:
    """The predictor's step from t to s, then each corrector at s.

    Units: z (the noise of the predictor, (one noise for each corrector)).
    Source: Song et al. 2021, arXiv:2011.13456, Algorithm 1.
    Also called: PC step.
    Claims: REV-25.
    """
    first, rest = (None, (None,) * len(correctors)) if z is None else z
    state, info = predictor.step(state, t, s, first)
    x = state.x
    for correct, noise in zip(correctors, rest, strict=True):
        x = correct(x, t, s, noise)
    return state._replace(x=x), info


def predictor_corrector(predictor: Sampler, corrector: Corrector, *, n: int = 1) -> Sampler:
    """Any sampler, with n steps of a corrector after each of its steps.

    See `predictor_corrector_step`.

    Units: corrector (x, t, s, z) -> x at s, such as `langevin_corrector`.
    Raises: TypeError unless predictor is a Sampler and n an integer; ValueError unless n >= 1.
    Source: Song et al. 2021, arXiv:2011.13456, Algorithm 1.
    Also called: predictor-corrector sampler, PC sampler, diffusers ScoreSdeVeScheduler.
    Claims: REV-25.

    >>> corrector = diffx.samplers.langevin_corrector(process, denoise)
    >>> sampler = diffx.samplers.predictor_corrector(diffx.ddpm(process, denoise), corrector)
    """
    if not isinstance(predictor, Sampler):
        raise TypeError(
            "predictor must be a Sampler, such as diffx.ddpm(process, denoise), got "
            f"{type(predictor).__name__}"
        )
    correctors = (as_pytree(corrector, "a corrector (x, t, s, z) -> x"),) * _arguments.count("n", n)
    step = Partial(predictor_corrector_step, predictor=predictor, correctors=correctors)
    return Sampler(predictor.init, step, Partial(_noises, predictor.noise, correctors))


def _noises(
    noise: Callable | None, correctors: tuple[Corrector, ...], key: Array, x: Array
) -> tuple:
    """Independent noises: the predictor's, and one for each corrector."""
    first, *rest = jax.random.split(key, 1 + len(correctors))
    return None if noise is None else noise(first, x), tuple(
        standard_normal(key, x) for key in rest
    )
