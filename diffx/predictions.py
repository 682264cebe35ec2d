r"""What a network may predict, x0, eps, score, v or velocity, and the way from each to each.

Given x = alpha x0 + sigma eps, every prediction is a combination of x0 and eps:

    eps = (x - alpha x0)/sigma      score = -eps/sigma      v = alpha eps - sigma x0      velocity = alpha' x0 + sigma' eps

so that any two of them determine every other by a 2 x 2 system. `a_of_b(process, x, b, t)` gives a from b; x, b and the
result have one shape, t is a scalar time. x0 and x are in data units, eps in 1, score in 1/data units, velocity in data
units/time; v in data units (for data of unit scale).
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Points, Scalar
from diffx.processes.protocol import Process, rates

Row = tuple[Any, Any]  # the coefficients of x0 and of eps


def _x(process: Process, t: Array) -> Row:
    return process.alpha(t), process.sigma(t)


def _x0(process: Process, t: Array) -> Row:
    return 1.0, 0.0


def _eps(process: Process, t: Array) -> Row:
    return 0.0, 1.0


def _v(process: Process, t: Array) -> Row:
    return -process.sigma(t), process.alpha(t)


def _velocity(process: Process, t: Array) -> Row:
    rate = rates(process, t)
    return rate.alpha, rate.sigma


def _det(a: Row, b: Row) -> Any:
    return a[0] * b[1] - a[1] * b[0]


def _convert(wanted: Callable, given: Callable, process: Process, x: Array, value: Array, t: Scalar) -> Array:
    """Cramer's rule: wanted = [det(wanted, given) x + det(x, wanted) given]/det(x, given)."""
    x, value = _arguments.same_shape(x=x, prediction=value)
    t = _arguments.time(t)
    base, row, target = _x(process, t), given(process, t), wanted(process, t)
    whole = _det(base, row)
    if _arguments.is_concrete(whole, target):
        _arguments.require(
            bool(jnp.isfinite(whole) & jnp.isfinite(_det(target, row))),
            f"the velocity has no finite coefficients for this process at t = {t}: sigma'(t) is infinite at t = 0 for VP, "
            "CosineVP and VE; give a t > 0",
        )
        _arguments.require(
            bool(whole != 0),
            f"{given.__name__[1:]} does not determine {wanted.__name__[1:]} at t = {t}: alpha = {base[0]}, sigma = {base[1]}; "
            "from eps or score alpha must be positive, from x0 sigma must be; v and velocity work at both ends",
        )
    return ((_det(target, row) / whole) * x + (_det(base, target) / whole) * value).astype(x.dtype)


def _positive_sigma(process: Process, t: Scalar) -> Array:
    sigma = process.sigma(_arguments.time(t))
    if _arguments.is_concrete(sigma):
        _arguments.require(bool(sigma > 0), f"the score needs sigma(t) > 0, got sigma = 0 at t = {t}; predict x0 or v there")
    return sigma


# --- x0 from the others ------------------------------------------------------------------------------------------


def x0_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    r"""x0 = (x - sigma eps)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01, NUM-06.
    """
    return _convert(_x0, _eps, process, x, eps, t)


def x0_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    r"""x0 = (x + sigma^2 score)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return x0_of_eps(process, x, eps_of_score(process, x, score, t), t)


def x0_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    r"""x0 = (alpha x - sigma v)/(alpha^2 + sigma^2).

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: t in [0, 1].  Claims: DEN-01, NUM-06.
    """
    return _convert(_x0, _v, process, x, v, t)


def x0_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    r"""x0 = (sigma' x - sigma velocity)/(alpha sigma' - sigma alpha').

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma'(t) finite.  Claims: DEN-01.
    """
    return _convert(_x0, _velocity, process, x, velocity, t)


# --- eps from the others -----------------------------------------------------------------------------------------


def eps_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    r"""eps = (x - alpha x0)/sigma.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01, NUM-06.
    """
    return _convert(_eps, _x0, process, x, x0, t)


def eps_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    r"""eps = -sigma score.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: t in [0, 1].  Claims: DEN-01.
    """
    x, score = _arguments.same_shape(x=x, score=score)
    return (-process.sigma(_arguments.time(t)) * score).astype(x.dtype)


def eps_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    r"""eps = (sigma x + alpha v)/(alpha^2 + sigma^2).

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: t in [0, 1].  Claims: DEN-01, NUM-06.
    """
    return _convert(_eps, _v, process, x, v, t)


def eps_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    r"""eps = (alpha velocity - alpha' x)/(alpha sigma' - sigma alpha').

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma'(t) finite.  Claims: DEN-01, LIT-03.
    """
    return _convert(_eps, _velocity, process, x, velocity, t)


# --- score from the others ---------------------------------------------------------------------------------------


def score_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    r"""score = (alpha x0 - x)/sigma^2.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01.
    """
    return score_of_eps(process, x, eps_of_x0(process, x, x0, t), t)


def score_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    r"""score = -eps/sigma.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01.
    """
    x, eps = _arguments.same_shape(x=x, eps=eps)
    return (-eps / _positive_sigma(process, t)).astype(x.dtype)


def score_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    r"""score = -(sigma x + alpha v)/(sigma (alpha^2 + sigma^2)).

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01.
    """
    return score_of_eps(process, x, eps_of_v(process, x, v, t), t)


def score_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    r"""score = -(alpha velocity - alpha' x)/(sigma (alpha sigma' - sigma alpha')).

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01.
    """
    return score_of_eps(process, x, eps_of_velocity(process, x, velocity, t), t)


# --- v from the others -------------------------------------------------------------------------------------------


def v_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    r"""v = (alpha x - (alpha^2 + sigma^2) x0)/sigma.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01, LIT-03.
    """
    return _convert(_v, _x0, process, x, x0, t)


def v_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    r"""v = ((alpha^2 + sigma^2) eps - sigma x)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return _convert(_v, _eps, process, x, eps, t)


def v_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    r"""v = -(sigma (alpha^2 + sigma^2) score + sigma x)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return v_of_eps(process, x, eps_of_score(process, x, score, t), t)


def v_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    r"""v = ((alpha^2 + sigma^2) velocity - (alpha alpha' + sigma sigma') x)/(alpha sigma' - sigma alpha').

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma'(t) finite.  Claims: DEN-01.
    """
    return _convert(_v, _velocity, process, x, velocity, t)


# --- velocity from the others ------------------------------------------------------------------------------------


def velocity_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    r"""velocity = (sigma' x - (alpha sigma' - sigma alpha') x0)/sigma.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma(t) > 0.  Claims: DEN-01.
    """
    return _convert(_velocity, _x0, process, x, x0, t)


def velocity_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    r"""velocity = (alpha' x + (alpha sigma' - sigma alpha') eps)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return _convert(_velocity, _eps, process, x, eps, t)


def velocity_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    r"""velocity = (alpha' x - sigma (alpha sigma' - sigma alpha') score)/alpha.

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: alpha(t) > 0.  Claims: DEN-01, FM-03.
    """
    return velocity_of_eps(process, x, eps_of_score(process, x, score, t), t)


def velocity_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    r"""velocity = ((alpha alpha' + sigma sigma') x + (alpha sigma' - sigma alpha') v)/(alpha^2 + sigma^2).

    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma'(t) finite.  Claims: DEN-01.
    """
    return _convert(_velocity, _v, process, x, v, t)


# --- any prediction as a denoiser ------------------------------------------------------------------------------------


def denoiser_of_eps(process: Process, eps: Callable[[Array, Array], Array]) -> Partial:
    r"""The denoiser D(x, t) = (x - sigma eps)/alpha of a network eps(x, t).

    Returns a pytree (x, t) -> x0.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return Partial(_x0_by_eps, process, as_pytree(eps))


def _x0_by_eps(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_eps(process, x, predict(x, t), t)


def denoiser_of_score(process: Process, score: Callable[[Array, Array], Array]) -> Partial:
    r"""The denoiser D(x, t) = (x + sigma^2 score)/alpha of a network score(x, t).

    Returns a pytree (x, t) -> x0.  Domain: alpha(t) > 0.  Claims: DEN-01.
    """
    return Partial(_x0_by_score, process, as_pytree(score))


def _x0_by_score(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_score(process, x, predict(x, t), t)


def denoiser_of_v(process: Process, v: Callable[[Array, Array], Array]) -> Partial:
    r"""The denoiser D(x, t) = (alpha x - sigma v)/(alpha^2 + sigma^2) of a network v(x, t).

    Returns a pytree (x, t) -> x0.  Domain: t in [0, 1].  Claims: DEN-01.
    """
    return Partial(_x0_by_v, process, as_pytree(v))


def _x0_by_v(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_v(process, x, predict(x, t), t)


def denoiser_of_velocity(process: Process, velocity: Callable[[Array, Array], Array]) -> Partial:
    r"""The denoiser D(x, t) = (sigma' x - sigma velocity)/(alpha sigma' - sigma alpha') of a network velocity(x, t).

    Returns a pytree (x, t) -> x0.  Domain: sigma'(t) finite.  Claims: DEN-01.
    """
    return Partial(_x0_by_velocity, process, as_pytree(velocity))


def _x0_by_velocity(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_velocity(process, x, predict(x, t), t)
