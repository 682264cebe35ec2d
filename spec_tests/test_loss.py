"""loss.py: what the training losses are, and how small they can become."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.tree_util import Partial

from diffx import losses, predictions
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from spec_tests import strategies as st_
from spec_tests.close import close, holds
from spec_tests.level import level
from spec_tests.oracles import bayes
from spec_tests.paths import oracle, rectified_flow, vp
from spec_tests.registry import claim
from spec_tests.test_denoise import LEVELS

KINDS = ("x0", "eps", "v", "velocity", "score")
VINCENT = "Vincent 2011, Neural Computation 23(7), eq. (11)"
UNIT, MASSES = bayes.hermite(3, 4)  # exact: a loss is of degree 4 at most in x0 and eps, 2 in each


def affine(theta: tuple, x: Any, t: Any) -> Any:
    """A prediction A x + b that is the wanted one at the time of `level` alone."""
    matrix, shift = theta
    return jnp.matmul(x, matrix.T, precision="highest") + 4 * t * shift


def expected(name: str, process: Any, theta: tuple, draws: tuple, t: Any) -> Any:
    """The coded loss of an affine prediction at each pair (x0, eps), averaged."""
    one = lambda x0, eps: getattr(losses, f"{name}_loss")(
        process, Partial(affine, theta), x0, eps, t
    )
    return (
        jnp.asarray(MASSES, t.dtype) * jax.vmap(one)(*draws)
    ).sum()  # a product would be rounded to TF32


compiled = {name: jax.jit(jax.value_and_grad(partial(expected, name), argnums=1)) for name in KINDS}
optimal = jax.jit(
    lambda process, law, t: {
        name: getattr(losses, f"optimal_{name}_loss")(process, law, t) for name in KINDS
    }
)


def draws_of(mean: np.ndarray, v: np.ndarray, dtype: Any) -> tuple:
    """x0 and eps at the quadrature's nodes."""
    return jnp.asarray(mean + np.sqrt(v) * UNIT[:, :2], dtype), jnp.asarray(UNIT[:, 2:], dtype)


def targets(a: float, s: float, da: float, ds: float) -> dict[str, tuple[float, float]]:
    """Each target as a combination (of x0, of eps)."""
    return {
        "x0": (1.0, 0.0),
        "eps": (0.0, 1.0),
        "v": (-s, a),
        "velocity": (da, ds),
        "score": (0.0, -1 / s),
    }


def regression(
    mean: np.ndarray, v: np.ndarray, a: float, s: float, of: tuple[float, float]
) -> tuple:
    """Least squares of of_x0 x0 + of_eps eps on x: (slope, intercept, residual variance), each
    direction for itself.
    """
    cov, var = of[0] * a * v + of[1] * s, a**2 * v + s**2
    gain = cov / var
    return gain, of[0] * mean - gain * a * mean, of[0] ** 2 * v + of[1] ** 2 - cov**2 / var


@claim(
    "DEN-08",
    "Denoising score matching is explicit score matching plus 1/sigma^2 - mean 1/v, and has the "
    "same gradient.",
    of=("diffx.losses.score_loss", "diffx.losses.optimal_score_loss"),
    source=VINCENT,
)
@given(
    mean=st_.points(2),
    v=st_.arrays(2, st_.log_uniform(0.1, 10.0)),
    matrix=st_.arrays((2, 2), st_.floats(-2.0, 2.0)),
    shift=st_.arrays(2, st_.floats(-2.0, 2.0)),
    a=LEVELS,
    s=LEVELS,
)
def test_denoising_score_matching_is_explicit_score_matching(dtype, mean, v, matrix, shift, a, s):
    """An affine model A x + b on Gaussian data: the coded loss by exact quadrature, the explicit
    one in closed form.
    """
    process, t = level(a, s, dtype)
    theta = jnp.asarray(matrix, dtype), jnp.asarray(shift, dtype)
    value, (by_matrix, by_shift) = compiled["score"](process, theta, draws_of(mean, v, dtype), t)
    noisy, middle = a**2 * v + s**2, a * mean
    excess = matrix + np.diag(1 / noisy)  # A x + b - score(x) = excess (x - middle) + offset
    offset = matrix @ middle + shift
    explicit = (np.einsum("ij,j,ij->", excess, noisy, excess) + offset @ offset) / 2
    constant = 1 / s**2 - (1 / noisy).mean()
    sizes = (
        np.abs(matrix) @ (np.abs(middle) + 3 * np.sqrt(noisy)) + np.abs(shift) + 2 / s
    )  # of the residual
    why = "rounding of the squares that are averaged"
    close(value, explicit + constant, ulps=16, scale=(sizes**2).mean(), why=why)
    of_model = (excess * noisy + np.outer(offset, middle)), offset
    scale = np.outer(sizes, np.abs(middle) + 3 * np.sqrt(noisy))
    close(by_matrix, of_model[0], ulps=16, scale=scale, why=why)
    close(by_shift, of_model[1], ulps=16, scale=sizes, why=why)
    law = GaussianLaw(jnp.asarray(mean, dtype), jnp.asarray(v, dtype))
    close(
        optimal(process, law, t)["score"],
        constant,
        ulps=16,
        scale=1 / s**2,
        why="the oracle subtracts",
    )


@claim(
    "DEN-09",
    "The best prediction of x0, eps, v, velocity or score leaves the residual variance of least "
    "squares, and no less.",
    of=tuple(f"diffx.losses.{prefix}{name}_loss" for name in KINDS for prefix in ("", "optimal_")),
    source="Gaussian conditioning; Salimans and Ho 2022, arXiv:2202.00512, for v",
)
@given(
    mean=st_.points(2),
    v=st_.arrays(2, st_.log_uniform(0.1, 10.0)),
    a=LEVELS,
    s=LEVELS,
    da=LEVELS,
    ds=LEVELS,
)
def test_best_predictions_leave_the_residual_of_least_squares(dtype, mean, v, a, s, da, ds):
    """The coded loss of the regression on x, averaged by exact quadrature, and the coded optimum,
    for each target.
    """
    process, t = level(a, s, dtype, rates=(-da, ds))
    told = jnp.asarray(mean, dtype)
    law = GaussianLaw(told, jnp.asarray(v, dtype))
    best = optimal(process, law, t)
    for name, of in targets(a, s, -da, ds).items():
        gain, intercept, residual = regression(mean, v, a, s, of)
        theta = jnp.asarray(np.diag(gain), dtype), jnp.asarray(intercept, dtype)
        value, _ = compiled[name](process, theta, draws_of(mean, v, dtype), t)
        spread = of[0] ** 2 * (mean**2 + v) + of[1] ** 2
        cancelled = (
            np.abs(gain) * (a * (np.abs(mean) + 3 * np.sqrt(v)) + 3 * s)
            + np.abs(intercept)
            + 3 * np.sqrt(spread)
        )
        scale = (
            float(np.mean(np.sqrt(residual.clip(0)) * cancelled))
            + float(jnp.finfo(dtype).eps) * (cancelled**2).mean()
        )
        close(
            value, residual.mean(), ulps=16, scale=scale, why=f"{name}: rounding of what is squared"
        )
        scale = (spread + of[0] ** 2 * v).mean()
        close(
            best[name],
            residual.mean(),
            ulps=4 if dtype == np.float32 else 16,
            scale=scale,
            why="the oracle subtracts",
        )
        nearby = theta[0], theta[1] + 1
        worse, _ = compiled[name](process, nearby, draws_of(mean, v, dtype), t)
        holds(worse > value, f"{name}: any other prediction is worse")
    in_all_forms(process, t, v, best, dtype)


def in_all_forms(process, t, v, best, dtype):
    """The optimum is a function of the eigenvalues, however the covariance is written."""
    q = st_.rotation(7, 2)
    laws = {
        "full": jnp.asarray((q * v) @ q.T, dtype),
        "low rank": LowRank(
            jnp.asarray(q[:, :1], dtype), jnp.asarray(v[:1], dtype), jnp.asarray(v[1], dtype)
        ),
    }
    for form, cov in laws.items():
        cov = (cov + cov.T) / 2 if form == "full" else cov
        for name, value in optimal(process, GaussianLaw(jnp.zeros(2, dtype), cov), t).items():
            scale = np.asarray(best[name], np.float64) * (1 + v.max() / v.min() * (form == "full"))
            close(
                value,
                np.asarray(best[name], np.float64),
                ulps=16,
                scale=scale,
                why=f"{form}: rounding of eigenvalues",
            )


# --- exchange rates -----------------------------------------------------------------------------


def answer(value: Any, x: Any, t: Any) -> Any:
    """A prediction that does not look at x."""
    return value + 0 * x


@jax.jit
def exchanged(process, x0, eps, guess, t, gamma):
    """The five coded losses of one guess of x0, each told in the loss's own language; the
    weights.
    """
    x = process.alpha(t) * x0 + process.sigma(t) * eps
    told = {
        name: getattr(predictions, f"{name}_of_x0")(process, x, guess, t) for name in KINDS[1:]
    } | {"x0": guess}
    coded = {
        name: getattr(losses, f"{name}_loss")(process, Partial(answer, told[name]), x0, eps, t)
        for name in KINDS
    }
    return coded, losses.loss_weights(process, t), losses.min_snr_weight(process, t, gamma=gamma)


RATES = st_.log_uniform(0.25, 4.0)


@claim(
    "DEN-10",
    "Errors squared of eps, v, velocity, score are that of x0 times SNR, SNR + 1 (VP), 1/t^2 "
    "(rectified flow), SNR/sigma^2",
    of=("diffx.losses.loss_weights", "diffx.losses.min_snr_weight"),
    source="Salimans and Ho 2022, arXiv:2202.00512; Hang et al. 2023, arXiv:2303.09556",
)
@given(
    x0=st_.points(4),
    off=st_.points(4),
    eps=st_.points(4),
    a=LEVELS,
    s=LEVELS,
    da=RATES,
    ds=RATES,
    gamma=RATES,
)
def test_losses_exchange_at_the_stated_rates(dtype, x0, off, eps, a, s, da, ds, gamma):
    """By the definitions in numpy: the same x_t, two values of x0, so two of eps; then each
    target's difference.
    """
    process, t = level(a, s, dtype, rates=(-da, ds))
    off = off + np.array([1.0, -0.5, 0.25, 0.0])
    guess = (x0 + off).astype(np.float32).astype(np.float64)
    cast = [jnp.asarray(v, dtype) for v in (x0, eps, guess)]
    losses, weights, least = exchanged(process, *cast, t, jnp.asarray(gamma, dtype))
    error = ((guess - x0) ** 2).mean()
    noise = -a / s * (guess - x0)  # what a wrong x0 makes of eps
    for name, (of_x0, of_eps) in targets(a, s, -da, ds).items():
        square = ((of_x0 * (guess - x0) + of_eps * noise) ** 2).mean()
        if name != "x0":
            close(
                getattr(weights, name),
                square / error,
                ulps=16,
                why=f"{name}: a product of a few exact factors",
            )
        reach = np.abs(of_x0) * (np.abs(guess) + np.abs(x0)) + np.abs(of_eps) * (
            np.abs(eps) + a / s * np.abs(guess) + np.abs(x0) * a / s
        )
        size = np.sqrt(square) * reach.max() + float(jnp.finfo(dtype).eps) * reach.max() ** 2
        close(
            losses[name],
            square,
            ulps=32,
            scale=size,
            why=f"{name}: the coded loss of the same guess; differences cancel",
        )
    snr = (a / s) ** 2
    close(least, min(snr, gamma), ulps=8, why="min(SNR, gamma)")
    close(
        least / weights.eps,
        min(1.0, gamma / snr),
        ulps=16,
        why="the weight of eps_loss is min(SNR, gamma)/SNR",
    )
    on_known_paths(dtype)


def on_known_paths(dtype):
    """VP: v costs SNR + 1, and min-SNR for v is min(SNR, gamma)/(SNR + 1), not min(SNR,
    gamma)/SNR + 1. Flow: 1/t^2.
    """
    for t in (0.125, 0.75):
        now, path = jnp.asarray(t, dtype), oracle(vp)
        snr = float(path.alpha(t) ** 2 / path.variance(t))
        weights, least = known(vp(), now)
        close(weights.v, snr + 1, ulps=16, why="variance is preserved")
        close(
            weights.eps, snr, ulps=16, scale=snr * (1 + abs(np.log(snr))), why="exp(-B) rounds by B"
        )
        close(
            least / weights.v,
            min(snr, 5.0) / (snr + 1),
            ulps=32,
            scale=1 + abs(np.log(snr)),
            why="gamma = 5, as in the paper",
        )
        weights, least = known(rectified_flow(), now)
        close(
            weights.velocity,
            1 / t**2,
            ulps=8,
            why="u = eps - x0 at fixed x_t: the error of x0 over t",
        )
        close(least, min((1 - t) ** 2 / t**2, 5.0), ulps=8, why="5 unless said otherwise")


@jax.jit
def known(process, t):
    return losses.loss_weights(process, t), losses.min_snr_weight(process, t)


def test_min_snr_needs_a_positive_gamma_and_a_scalar_time():
    with pytest.raises(ValueError, match="gamma must be positive"):
        losses.min_snr_weight(vp(), 0.5, gamma=0.0)
    for function in (losses.min_snr_weight, losses.loss_weights):
        with pytest.raises(ValueError, match="scalar time"):
            function(vp(), jnp.asarray([0.25, 0.5]))
    assert losses.min_snr_weight(rectified_flow(), 0.0) == 5.0, (
        "no noise: SNR is infinite, the weight is not"
    )
