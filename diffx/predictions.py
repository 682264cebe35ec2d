"""The five predictions of a network, x0, eps, score, v and velocity, and the way between them.

Given x = alpha x0 + sigma eps, every prediction is a combination of x0 and eps:

    eps = (x - alpha x0)/sigma      v        = alpha eps - sigma x0
    score = -eps/sigma              velocity = alpha' x0 + sigma' eps

so that x and any one of them determine every other. `a_of_b(process, x, b, t)` gives a from b; x, b
and the result have one shape, t is a scalar time. x0 and x are in data units, eps is dimensionless,
score in 1/data units, velocity in data units/time; v in data units (for data of unit scale).

Source: Song et al. 2021, arXiv:2011.13456, for the score; Salimans and Ho 2022, arXiv:2202.00512,
    Appendix D, for v; Lipman et al. 2023, arXiv:2210.02747, for the velocity.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Number, Points, Scalar
from diffx.processes.protocol import Process, rates

_Conversion = Callable[[Process, Array, Array, Scalar], Array]
_Domain = Callable[[Process, Array], None]


class _Path(NamedTuple):
    """alpha, sigma, their rates and the Wronskian alpha sigma' - sigma alpha' = -alpha sigma l'/2.

    l is the log-SNR.
    """

    alpha: Number
    sigma: Number
    alpha_rate: Number
    sigma_rate: Number
    wronskian: Number


def _path(process: Process, t: Scalar) -> _Path:
    alpha, sigma, rate = process.alpha(t), process.sigma(t), rates(process, t)
    return _Path(alpha, sigma, rate.alpha, rate.sigma, alpha * rate.sigma - sigma * rate.alpha)


# --- the doors of all of them: shapes, one time, the domain, the dtype --------------------------


def _conversion(*domain: _Domain) -> Callable[[_Conversion], _Conversion]:
    """A formula a_of_b(process, x, b, t) for whoever calls it.

    domain: asked where the process and t are concrete.
    """

    def with_doors(formula: _Conversion) -> _Conversion:
        signature = inspect.signature(formula)

        @wraps(formula)
        def entry(*given: Any, **named: Any) -> Array:
            process, x, prediction, t = signature.bind(*given, **named).args
            x, prediction = _arguments.same_shape(x=x, prediction=prediction)
            t = _arguments.time(t)
            if _arguments.is_concrete(process, t):  # when traced, alpha(t) is not computed twice
                for require in domain:
                    require(process, t)
            return formula(process, x, prediction, t).astype(x.dtype)

        return entry

    return with_doors


def _require_signal(process: Process, t: Array) -> None:
    message = lambda alpha, t: (
        f"alpha = {alpha} at t = {t}, where x is noise alone: neither eps nor score determines x0, "
        "v or velocity there; "
        "v and velocity work at both ends"
    )
    _arguments.require_that(lambda alpha, t: alpha != 0, message, process.alpha(t), t)


def _require_noise(process: Process, t: Array) -> None:
    message = lambda sigma, t: (
        f"sigma = {sigma} at t = {t}, where x is x0: there is no score, and x0 does not determine "
        "eps, v or velocity; "
        "predict x0 or v there"
    )
    _arguments.require_that(lambda sigma, t: sigma > 0, message, process.sigma(t), t)


def _require_finite_rates(process: Process, t: Array) -> None:
    message = lambda _, t: (
        f"the velocity has no finite coefficients for this process at t = {t}: a process says by "
        "finite_rates_at_0 and finite_rates_at_1 at which end its rates are infinite; give a t "
        "inside"
    )
    _arguments.require_finite(message, _path(process, t).wronskian, t)


def _require_slope(process: Process, t: Array) -> None:
    message = lambda _, t: (
        f"the log-SNR has derivative 0 at t = {t}, where the velocity determines nothing else"
    )
    _require_finite_rates(process, t)
    _arguments.require_that(
        lambda wronskian, t: wronskian != 0, message, _path(process, t).wronskian, t
    )


# --- x0 from the others -------------------------------------------------------------------------


@_conversion(_require_signal)
def x0_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    """x0 = (x - sigma eps)/alpha.

    Units: x in data units, eps dimensionless; x0 in data units.
    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: predicted x0, pred_original_sample, epsilon prediction to sample, flow_matching
        epsilon_to_target.
    Claims: DEN-01, NUM-06.
    """
    return (x - process.sigma(t) * eps) / process.alpha(t)


@_conversion(_require_signal)
def x0_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    """x0 = (x + sigma^2 score)/alpha.

    Units: x in data units, score in 1/data units; x0 in data units.
    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: Tweedie's formula, posterior mean from the score.
    Claims: DEN-01.
    """
    return (x + process.sigma(t) ** 2 * score) / process.alpha(t)


@_conversion()
def x0_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    """x0 = (alpha x - sigma v)/(alpha^2 + sigma^2).

    Units: x in data units, v in data units; x0 in data units.
    Domain: t in [0, 1].
    Source: the definitions at the head of this file.
    Also called: v-prediction to sample, x0 from v.
    Claims: DEN-01, NUM-06.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return (alpha * x - sigma * v) / (alpha**2 + sigma**2)


@_conversion(_require_slope)
def x0_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    """x0 = (sigma' x - sigma velocity)/(alpha sigma' - sigma alpha').

    Units: x in data units, velocity in data units/time; x0 in data units.
    Domain: alpha'(t) and sigma'(t) finite, alpha sigma' != sigma alpha'.
    Source: the definitions at the head of this file.
    Also called: x0 from a flow, endpoint of a velocity, flow_matching velocity_to_target.
    Claims: DEN-01.
    """
    _, sigma, _, sigma_rate, wronskian = _path(process, t)
    return (sigma_rate * x - sigma * velocity) / wronskian


# --- eps from the others ------------------------------------------------------------------------


@_conversion(_require_noise)
def eps_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    """eps = (x - alpha x0)/sigma.

    Units: x in data units, x0 in data units; eps dimensionless.
    Domain: sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: predicted noise, epsilon from x0, predict_eps_from_xstart, k-diffusion to_d,
        flow_matching target_to_epsilon.
    Claims: DEN-01, NUM-06.
    """
    return (x - process.alpha(t) * x0) / process.sigma(t)


@_conversion()
def eps_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    """eps = -sigma score.

    Units: x in data units, score in 1/data units; eps dimensionless.
    Domain: t in [0, 1].
    Source: the definitions at the head of this file.
    Also called: epsilon prediction from the score.
    Claims: DEN-01.
    """
    return -process.sigma(t) * score


@_conversion()
def eps_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    """eps = (sigma x + alpha v)/(alpha^2 + sigma^2).

    Units: x in data units, v in data units; eps dimensionless.
    Domain: t in [0, 1].
    Source: the definitions at the head of this file.
    Also called: epsilon from v-prediction.
    Claims: DEN-01, NUM-06.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return (sigma * x + alpha * v) / (alpha**2 + sigma**2)


@_conversion(_require_slope)
def eps_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    """eps = (alpha velocity - alpha' x)/(alpha sigma' - sigma alpha').

    Units: x in data units, velocity in data units/time; eps dimensionless.
    Domain: alpha'(t) and sigma'(t) finite, alpha sigma' != sigma alpha'.
    Source: the definitions at the head of this file.
    Also called: epsilon from a flow, predicted noise of a velocity, flow_matching
        velocity_to_epsilon.
    Claims: DEN-01, LIT-03.
    """
    alpha, _, alpha_rate, _, wronskian = _path(process, t)
    return (alpha * velocity - alpha_rate * x) / wronskian


# --- score from the others ----------------------------------------------------------------------


@_conversion(_require_noise)
def score_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    """score = (alpha x0 - x)/sigma^2.

    Units: x in data units, x0 in data units; score in 1/data units.
    Domain: sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: Tweedie's formula, score from a denoiser.
    Claims: DEN-01.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    # not / sigma**2, which is 0 in float32 from sigma = 1e-19 down
    return -((x - alpha * x0) / sigma) / sigma


@_conversion(_require_noise)
def score_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    """score = -eps/sigma.

    Units: x in data units, eps dimensionless; score in 1/data units.
    Domain: sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: score from epsilon prediction, score from noise prediction.
    Claims: DEN-01.
    """
    return -eps / process.sigma(t)


@_conversion(_require_noise)
def score_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    """score = -(sigma x + alpha v)/(sigma (alpha^2 + sigma^2)).

    Units: x in data units, v in data units; score in 1/data units.
    Domain: sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: score from v-prediction.
    Claims: DEN-01.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return -(sigma * x + alpha * v) / (sigma * (alpha**2 + sigma**2))


@_conversion(_require_noise, _require_slope)
def score_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    """score = -(alpha velocity - alpha' x)/(sigma (alpha sigma' - sigma alpha')).

    Units: x in data units, velocity in data units/time; score in 1/data units.
    Domain: sigma(t) > 0; alpha'(t) and sigma'(t) finite, alpha sigma' != sigma alpha'.
    Source: the definitions at the head of this file.
    Also called: score from a flow, score from velocity.
    Claims: DEN-01.
    """
    alpha, sigma, alpha_rate, _, wronskian = _path(process, t)
    return -(alpha * velocity - alpha_rate * x) / (sigma * wronskian)


# --- v from the others --------------------------------------------------------------------------


@_conversion(_require_noise)
def v_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    """v = (alpha x - (alpha^2 + sigma^2) x0)/sigma.

    Units: x in data units, x0 in data units; v in data units.
    Domain: sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: v-prediction, v from x0.
    Claims: DEN-01, LIT-03.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return (alpha * x - (alpha**2 + sigma**2) * x0) / sigma


@_conversion(_require_signal)
def v_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    """v = ((alpha^2 + sigma^2) eps - sigma x)/alpha.

    Units: x in data units, eps dimensionless; v in data units.
    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: v-prediction, v from epsilon.
    Claims: DEN-01.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return ((alpha**2 + sigma**2) * eps - sigma * x) / alpha


@_conversion(_require_signal)
def v_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    """v = -(sigma (alpha^2 + sigma^2) score + sigma x)/alpha.

    Units: x in data units, score in 1/data units; v in data units.
    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: v-prediction from the score.
    Claims: DEN-01.
    """
    alpha, sigma = process.alpha(t), process.sigma(t)
    return -(sigma * (alpha**2 + sigma**2) * score + sigma * x) / alpha


@_conversion(_require_slope)
def v_of_velocity(process: Process, x: Points, velocity: Points, t: Scalar) -> Points:
    """v = ((alpha^2 + sigma^2) velocity - (alpha alpha' + sigma sigma') x)/W.

    W = alpha sigma' - sigma alpha'.

    Units: x in data units, velocity in data units/time; v in data units.
    Domain: alpha'(t) and sigma'(t) finite, alpha sigma' != sigma alpha'.
    Source: the definitions at the head of this file.
    Also called: v from velocity.
    Claims: DEN-01.
    """
    alpha, sigma, alpha_rate, sigma_rate, wronskian = _path(process, t)
    return (
        (alpha**2 + sigma**2) * velocity - (alpha * alpha_rate + sigma * sigma_rate) * x
    ) / wronskian


# --- velocity from the others -------------------------------------------------------------------


@_conversion(_require_finite_rates, _require_noise)
def velocity_of_x0(process: Process, x: Points, x0: Points, t: Scalar) -> Points:
    """velocity = (sigma' x - (alpha sigma' - sigma alpha') x0)/sigma.

    Units: x in data units, x0 in data units; velocity in data units/time.
    Domain: alpha'(t) and sigma'(t) finite; sigma(t) > 0.
    Source: the definitions at the head of this file.
    Also called: velocity from x0, flow_matching target_to_velocity.
    Claims: DEN-01.
    """
    _, sigma, _, sigma_rate, wronskian = _path(process, t)
    return (sigma_rate * x - wronskian * x0) / sigma


@_conversion(_require_finite_rates, _require_signal)
def velocity_of_eps(process: Process, x: Points, eps: Points, t: Scalar) -> Points:
    """velocity = (alpha' x + (alpha sigma' - sigma alpha') eps)/alpha.

    Units: x in data units, eps dimensionless; velocity in data units/time.
    Domain: alpha'(t) and sigma'(t) finite; alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: velocity from epsilon, flow_matching epsilon_to_velocity.
    Claims: DEN-01.
    """
    alpha, _, alpha_rate, _, wronskian = _path(process, t)
    return (alpha_rate * x + wronskian * eps) / alpha


@_conversion(_require_finite_rates, _require_signal)
def velocity_of_score(process: Process, x: Points, score: Points, t: Scalar) -> Points:
    """velocity = (alpha' x - sigma (alpha sigma' - sigma alpha') score)/alpha.

    Units: x in data units, score in 1/data units; velocity in data units/time.
    Domain: alpha'(t) and sigma'(t) finite; alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: velocity from the score, probability flow velocity.
    Claims: DEN-01, FM-03.
    """
    alpha, sigma, alpha_rate, _, wronskian = _path(process, t)
    return (alpha_rate * x - sigma * wronskian * score) / alpha


@_conversion(_require_finite_rates)
def velocity_of_v(process: Process, x: Points, v: Points, t: Scalar) -> Points:
    """velocity = ((alpha alpha' + sigma sigma') x + W v)/(alpha^2 + sigma^2).

    W = alpha sigma' - sigma alpha'.

    Units: x in data units, v in data units; velocity in data units/time.
    Domain: alpha'(t) and sigma'(t) finite.
    Source: the definitions at the head of this file.
    Also called: velocity from v-prediction.
    Claims: DEN-01.
    """
    alpha, sigma, alpha_rate, sigma_rate, wronskian = _path(process, t)
    return ((alpha * alpha_rate + sigma * sigma_rate) * x + wronskian * v) / (alpha**2 + sigma**2)


# --- any prediction as a denoiser ---------------------------------------------------------------


def denoiser_of_eps(process: Process, eps: Callable[[Array, Array], Array]) -> Partial:
    """The denoiser D(x, t) = (x - sigma eps)/alpha of a network eps(x, t).

    The result is a pytree (x, t) -> x0.

    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: epsilon prediction, noise prediction network, prediction_type epsilon, k-diffusion
        DiscreteEpsDDPMDenoiser.
    Claims: DEN-01.

    >>> diffx.denoiser_of_eps(process, lambda x, t: 0 * x)(x, 0.5).shape
    (2,)
    """
    return Partial(_x0_by_eps, process, as_pytree(eps))


def _x0_by_eps(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_eps(process, x, predict(x, t), t)


def denoiser_of_score(process: Process, score: Callable[[Array, Array], Array]) -> Partial:
    """The denoiser D(x, t) = (x + sigma^2 score)/alpha of a network score(x, t).

    The result is a pytree (x, t) -> x0.

    Domain: alpha(t) > 0.
    Source: the definitions at the head of this file.
    Also called: score network, score-based model, Tweedie's formula.
    Claims: DEN-01.

    >>> diffx.denoiser_of_score(process, lambda x, t: -x)(x, 0.5).shape
    (2,)
    """
    return Partial(_x0_by_score, process, as_pytree(score))


def _x0_by_score(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_score(process, x, predict(x, t), t)


def denoiser_of_v(process: Process, v: Callable[[Array, Array], Array]) -> Partial:
    """The denoiser D(x, t) = (alpha x - sigma v)/(alpha^2 + sigma^2) of a network v(x, t).

    The result is a pytree (x, t) -> x0.

    Domain: t in [0, 1].
    Source: Salimans and Ho 2022, arXiv:2202.00512, Appendix D.
    Also called: v-prediction, v-parametrisation, prediction_type v_prediction, k-diffusion
        VDenoiser, k-diffusion DiscreteVDDPMDenoiser, smalldiffusion PredV.
    Claims: DEN-01.

    >>> diffx.denoiser_of_v(process, lambda x, t: 0 * x)(x, 0.5).shape
    (2,)
    """
    return Partial(_x0_by_v, process, as_pytree(v))


def _x0_by_v(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_v(process, x, predict(x, t), t)


def denoiser_of_velocity(process: Process, velocity: Callable[[Array, Array], Array]) -> Partial:
    """The denoiser (sigma' x - sigma velocity)/(alpha sigma' - sigma alpha') of velocity(x, t).

    The result is a pytree (x, t) -> x0.

    Domain: sigma'(t) finite.
    Source: the definitions at the head of this file.
    Also called: flow prediction, prediction_type flow_prediction, rectified flow network,
        smalldiffusion PredFlow.
    Claims: DEN-01.

    >>> diffx.denoiser_of_velocity(diffx.RectifiedFlow(), lambda x, t: 0 * x)(x, 0.5).shape
    (2,)
    """
    return Partial(_x0_by_velocity, process, as_pytree(velocity))


def _x0_by_velocity(process: Process, predict: Callable, x: Array, t: Scalar) -> Array:
    return x0_of_velocity(process, x, predict(x, t), t)
