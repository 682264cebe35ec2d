r"""Training losses of the five predictions, and their smallest possible values on Gaussian data.

A loss is the mean over all entries of the squared error at one time; a batch of times is a `vmap`
over (x0, eps, t).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Number, Points, Scalar
from diffx.laws.covariance import noised_variance
from diffx.laws.gaussian import GaussianLaw, gaussian_variances
from diffx.processes.protocol import Process, perturb, rates

Predictor = Callable[[Array, Scalar], Array]


def _mean_square(
    predict: Predictor, target: Array, process: Process, x0: Array, eps: Array, t: Scalar
) -> Array:
    prediction = predict(perturb(process, x0, eps, t), t)
    prediction, target = _arguments.same_shape(prediction=prediction, target=target)
    return ((prediction - target) ** 2).mean()


def x0_loss(process: Process, predict: Predictor, x0: Points, eps: Points, t: Scalar) -> Number:
    """mean |predict(x_t, t) - x0|^2.

    Units: x0 in data units, eps dimensionless, one shape; the result in squared data units.
    Source: Ho et al. 2020, arXiv:2006.11239, section 3.2.
    Also called: denoising loss, sample prediction loss, prediction_type sample.
    Claims: DEN-09.
    """
    return _mean_square(predict, x0, process, x0, eps, t)


def eps_loss(process: Process, predict: Predictor, x0: Points, eps: Points, t: Scalar) -> Number:
    """mean |predict(x_t, t) - eps|^2.

    Units: x0 in data units, eps dimensionless, one shape; the result dimensionless.
    Source: Ho et al. 2020, arXiv:2006.11239, eq. (14).
    Also called: noise prediction loss, simple loss, L_simple, DDPM loss, prediction_type epsilon.
    Claims: DEN-09.
    """
    return _mean_square(predict, eps, process, x0, eps, t)


def v_loss(process: Process, predict: Predictor, x0: Points, eps: Points, t: Scalar) -> Number:
    """mean |predict(x_t, t) - (alpha eps - sigma x0)|^2.

    Units: x0 in data units, eps dimensionless, one shape.
    Source: Salimans and Ho 2022, arXiv:2202.00512, Appendix D.
    Also called: v-prediction, v-loss, v-parametrisation, prediction_type v_prediction,
        get_velocity.
    Claims: DEN-09.
    """
    (x0, eps), t = _arguments.same_shape(x0=x0, eps=eps), _arguments.time(t)
    return _mean_square(
        predict, process.alpha(t) * eps - process.sigma(t) * x0, process, x0, eps, t
    )


def velocity_loss(
    process: Process, predict: Predictor, x0: Points, eps: Points, t: Scalar
) -> Number:
    """mean |predict(x_t, t) - (alpha' x0 + sigma' eps)|^2: conditional flow matching.

    Units: x0 in data units, eps dimensionless, one shape; the result in (data units/time)^2.
    Domain: sigma'(t) finite.
    Source: Lipman et al. 2023, arXiv:2210.02747, eq. (9), with time reversed: there 0 is noise.
    Also called: flow matching loss, conditional flow matching loss, rectified flow loss.
    Claims: DEN-09.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    rate = rates(process, t)
    return _mean_square(predict, rate.alpha * x0 + rate.sigma * eps, process, x0, eps, t)


def score_loss(process: Process, predict: Predictor, x0: Points, eps: Points, t: Scalar) -> Number:
    """mean |predict(x_t, t) + eps/sigma|^2: denoising score matching.

    Units: x0 in data units, eps dimensionless, one shape; the result in 1/squared data units.
    Domain: sigma(t) > 0.
    Source: Vincent 2011.
    Also called: denoising score matching, score matching, DSM loss.
    Claims: DEN-08, DEN-09.
    """
    (x0, eps), t = _arguments.same_shape(x0=x0, eps=eps), _arguments.time(t)
    return _mean_square(predict, -eps / process.sigma(t), process, x0, eps, t)


# --- exchange rates -----------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """The factors that turn a squared error of x0 into that of another prediction."""

    eps: Number
    v: Number
    velocity: Number
    score: Number


def loss_weights(process: Process, t: Scalar) -> LossWeights:
    """|eps - eps'|^2 = (alpha/sigma)^2 |x0 - x0'|^2, and the same for v, velocity and score.

    All at one x_t. v: ((alpha^2 + sigma^2)/sigma)^2, which is SNR + 1 where variance is preserved.
    velocity: (alpha' - alpha sigma'/sigma)^2, which is 1/t^2 for the rectified flow. score:
    (alpha/sigma^2)^2. So x0_loss times a weight is the other loss.

    Domain: sigma(t) > 0; sigma'(t) finite for the velocity.
    Source: Salimans and Ho 2022, arXiv:2202.00512, section 4, for eps and v; the others are derived
        here.
    Also called: loss weighting, SNR weighting, equivalence of predictions.
    Claims: DEN-10.
    """
    alpha, sigma, rate = process.alpha(t), process.sigma(t), rates(process, t)
    gain = alpha / sigma
    return LossWeights(
        eps=gain**2,
        v=(gain * alpha + sigma) ** 2,
        velocity=(rate.alpha - gain * rate.sigma) ** 2,
        score=(gain / sigma) ** 2,
    )


def min_snr_weight(process: Process, t: Scalar, *, gamma: Scalar = 5.0) -> Number:
    """min(SNR, gamma), SNR = alpha^2/sigma^2: the Min-SNR weight of x0_loss.

    Divided by `loss_weights` it is the weight of another loss: min(SNR, gamma)/SNR for eps,
    min(SNR, gamma)/(SNR + 1) for v.

    Raises: ValueError unless gamma > 0.
    Source: Hang et al. 2023, arXiv:2303.09556.
    Also called: Min-SNR weighting, min-SNR-gamma, snr_gamma, loss weighting.
    Claims: DEN-10.
    """
    _arguments.positive(gamma=gamma)
    t = _arguments.time(t)
    return jnp.minimum((process.alpha(t) / process.sigma(t)) ** 2, gamma)


# --- what no network can go below ---------------------------------------------------------------


def _irreducible(process: Process, law: GaussianLaw, t: Scalar) -> Array:
    """mean over directions of L/v_t = Var(x0 | x_t)/sigma^2, v_t = alpha^2 L + sigma^2."""
    t = _arguments.time(t)
    variances = gaussian_variances(law, "the least loss")
    return (variances / noised_variance(variances, process.alpha(t), process.sigma(t))).mean()


def optimal_x0_loss(process: Process, law: GaussianLaw, t: Scalar) -> Number:
    """mean over directions of L sigma^2/(alpha^2 L + sigma^2): the least x0_loss on Gaussian data.

    Raises: TypeError unless law is a GaussianLaw.
    Source: Gaussian conditioning.
    Also called: irreducible denoising loss, minimum of the loss.
    Claims: DEN-09.
    """
    return process.sigma(t) ** 2 * _irreducible(process, law, t)


def optimal_eps_loss(process: Process, law: GaussianLaw, t: Scalar) -> Number:
    """mean over directions of alpha^2 L/(alpha^2 L + sigma^2): the least eps_loss on Gaussian data.

    Raises: TypeError unless law is a GaussianLaw.
    Source: Gaussian conditioning.
    Also called: irreducible noise prediction loss.
    Claims: DEN-09.
    """
    return process.alpha(t) ** 2 * _irreducible(process, law, t)


def optimal_v_loss(process: Process, law: GaussianLaw, t: Scalar) -> Number:
    """(alpha^2 + sigma^2)^2 mean of L/(alpha^2 L + sigma^2): the least v_loss on Gaussian data.

    The mean is over directions.

    Raises: TypeError unless law is a GaussianLaw.
    Source: Gaussian conditioning.
    Also called: irreducible v-prediction loss.
    Claims: DEN-09.
    """
    return (process.alpha(t) ** 2 + process.sigma(t) ** 2) ** 2 * _irreducible(process, law, t)


def optimal_velocity_loss(process: Process, law: GaussianLaw, t: Scalar) -> Number:
    """(alpha sigma' - sigma alpha')^2 mean of L/(alpha^2 L + sigma^2): the least velocity_loss.

    On Gaussian data; the mean is over directions.

    Domain: sigma'(t) finite.
    Raises: TypeError unless law is a GaussianLaw.
    Source: Gaussian conditioning.
    Also called: irreducible flow matching loss at one time.
    Claims: DEN-09.
    """
    rate = rates(process, t)
    return (process.alpha(t) * rate.sigma - process.sigma(t) * rate.alpha) ** 2 * _irreducible(
        process, law, t
    )


def optimal_score_loss(process: Process, law: GaussianLaw, t: Scalar) -> Number:
    """mean over directions of alpha^2 L/(sigma^2 (alpha^2 L + sigma^2)): the least score_loss.

    On Gaussian data.

    Domain: sigma(t) > 0.
    Raises: TypeError unless law is a GaussianLaw.
    Source: Gaussian conditioning.
    Also called: irreducible score matching loss.
    Claims: DEN-08, DEN-09.
    """
    return (process.alpha(t) / process.sigma(t)) ** 2 * _irreducible(process, law, t)
