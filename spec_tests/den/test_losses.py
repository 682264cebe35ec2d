"""loss.py: what the training losses are, and how small they can become."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.tree_util import Partial

import diffx
from diffx import losses, predictions
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, information as exact
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast
from spec_tests.support.information import draws_of, gaussian_draws, law_of, mixture
from spec_tests.support.laws import LEVELS
from spec_tests.support.level import level
from spec_tests.support.paths import PROCESSES, oracle, rectified_flow, sub_vp, ve, vp

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


def quadrature_of(mean: np.ndarray, v: np.ndarray, dtype: Any) -> tuple:
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
    "same gradient",
    of=("diffx.losses.score_loss", "diffx.losses.optimal_score_loss"),
    source=VINCENT,
    grade="computed law",
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
    value, (by_matrix, by_shift) = compiled["score"](
        process, theta, quadrature_of(mean, v, dtype), t
    )
    noisy, middle = a**2 * v + s**2, a * mean
    excess = matrix + np.diag(1 / noisy)  # A x + b - score(x) = excess (x - middle) + offset
    offset = matrix @ middle + shift
    explicit = (np.einsum("ij,j,ij->", excess, noisy, excess) + offset @ offset) / 2
    constant = 1 / s**2 - (1 / noisy).mean()
    # of the residual
    sizes = np.abs(matrix) @ (np.abs(middle) + 3 * np.sqrt(noisy)) + np.abs(shift) + 2 / s
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
    "squares, and no less",
    of=tuple(f"diffx.losses.{prefix}{name}_loss" for name in KINDS for prefix in ("", "optimal_")),
    source="Gaussian conditioning; Salimans and Ho 2022, arXiv:2202.00512, for v",
    grade="bounded",
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
        value, _ = compiled[name](process, theta, quadrature_of(mean, v, dtype), t)
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
        worse, _ = compiled[name](process, nearby, quadrature_of(mean, v, dtype), t)
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
    "The squared errors of eps, v, velocity and score are that of x0 times SNR, SNR + 1 (VP), "
    "1/t^2 (rectified flow) and SNR/sigma^2",
    of=("diffx.losses.loss_weights", "diffx.losses.min_snr_weight"),
    source="Salimans and Ho 2022, arXiv:2202.00512; Hang et al. 2023, arXiv:2303.09556",
    grade="identity",
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


mmse = jax.jit(diffx.likelihood.mmse)


# --- mmse ---------------------------------------------------------------------------------------


@claim(
    "DEN-14",
    "The mmse falls with the SNR g and is at most L/(1 + g L), with equality for Gaussians alone",
    of="diffx.likelihood.mmse",
    source="Guo, Wu, Shamai and Verdu 2011, arXiv:1004.3332",
    grade="bounded",
)
def test_mmse_falls_and_gaussians_are_the_hardest(dtype):
    """Mixtures against the mean variance of their posteriors; Gaussians against sum L/(1 + g L), in
    three processes.
    """
    drawn_mixtures_are_easier(dtype)
    mean, cov = np.array([0.5, -1.0]), np.array([[2.0, 0.75], [0.75, 0.5]])
    x0, eps, weights = cast(dtype, *gaussian_draws(mean, cov))
    law = diffx.GaussianLaw(*cast(dtype, mean, cov))
    for make in PROCESSES[:3]:
        for t in (0.0625, 0.5):
            g = np.exp(oracle(make).log_snr(t))
            got = mmse(
                make(), diffx.denoiser(make(), law), x0, eps, jnp.asarray(t, dtype), weights=weights
            )
            wanted = (np.linalg.eigvalsh(cov) / (1 + g * np.linalg.eigvalsh(cov))).sum()
            scale = wanted + np.sqrt(wanted) * np.abs(x0).max()
            close(
                got,
                wanted,
                ulps=32,
                scale=scale,
                why=f"{make.__name__}: squares of x0 - D, whose terms are of the size of x0",
            )
    alike = mmse(make(), diffx.denoiser(make(), law), x0, eps, jnp.asarray(t, dtype))
    error = np.asarray(x0) - np.asarray(
        diffx.denoiser(make(), law)(diffx.perturb(make(), x0, eps, t), jnp.asarray(t, dtype))
    )
    close(
        alike,
        np.mean((error.astype(np.float64) ** 2).sum(1)),
        ulps=32,
        why="without weights, the mean over the draws",
    )


@settings(max_examples=4)
@given(
    share=st.integers(32, 224),
    means=st_.arrays(2, st_.floats(-2.0, 2.0)),
    variances=st_.arrays(2, st_.log_uniform(0.25, 2.0)),
)
def drawn_mixtures_are_easier(dtype, share, means, variances):
    p = mixture((share / 256, 1 - share / 256), means, variances)
    x0, eps, weights = cast(dtype, *draws_of(p))
    process, law = diffx.RectifiedFlow(), law_of(p, dtype)
    total = (p.weights * (p.variances + (p.means - p.weights @ p.means) ** 2)).sum()
    found = []
    for l in (-4.0, -1.0, 1.0, 4.0):
        t = float(np.float32(1 / (1 + np.exp(l / 2))))
        g = ((1 - t) / t) ** 2
        got = mmse(
            process, diffx.denoiser(process, law), x0, eps, jnp.asarray(t, dtype), weights=weights
        )
        size = np.abs(means).max() + np.sqrt(variances).max()
        wanted = exact.mmse(p, g)
        scale = wanted + np.sqrt(wanted) * size
        close(
            got,
            wanted,
            ulps=1024,
            scale=scale,
            why="exp of logs in both: the oracle moves by 1e-13 with its nodes",
        )
        below(float(got), total / (1 + g * total) * (1 + 1e-5), "Gaussians are the hardest")
        found.append(float(got))
    holds(np.diff(found) < 0, "more signal, less error")


THREE_PROCESSES = (
    sub_vp,
    ve,
    rectified_flow,
)  # alpha^2 + sigma^2 below 1, above 1, alpha = 1 and not
SCALES = st_.log_uniform(0.1, 10.0)


def network(u: Any, c_noise: Any) -> Any:
    """A network that tells its two inputs apart."""
    return u**2 + 3 * c_noise


def silent(u: Any, c_noise: Any) -> Any:
    return 0 * u


@jax.jit
def coefficients(sigma, std):
    return diffx.preconditioning.preconditioning(sigma, std=std), diffx.preconditioning.edm_weight(
        sigma, std=std
    )


@jax.jit
def denoised(process, x, x0, eps, t, std):
    """By the network that differs and by the one that is 0; and the coded loss of the first."""
    loud, quiet = (
        diffx.preconditioning.denoiser_of_network(process, Partial(net), std=std)
        for net in (network, silent)
    )
    return loud(x, t), quiet(x, t), diffx.losses.x0_loss(process, loud, x0, eps, t)


@jax.jit
def least_loss(process, law, t, std):
    return diffx.preconditioning.edm_weight(
        process.sigma(t) / process.alpha(t), std=std
    ) * diffx.losses.optimal_x0_loss(process, law, t)


@claim(
    "DEN-11",
    "EDM's c_skip, c_out and c_in give input and target unit variance, lambda c_out^2 = 1, and "
    "for N(0, std^2) the best F is 0",
    of=tuple(
        f"diffx.preconditioning.{name}"
        for name in ("preconditioning", "edm_weight", "denoiser_of_network")
    ),
    source="Karras et al. 2022, arXiv:2206.00364, Table 1 and Appendix B.6",
    grade="identity",
)
@given(
    sigma=st_.arrays(4, st_.log_uniform(1e-3, 1e3)), std=SCALES, x=st_.points(3), x0=st_.points(3)
)
@settings(max_examples=8)
def test_preconditioning_is_least_squares_of_gaussian_data(dtype, sigma, std, x, x0):
    """c_skip is the slope of x0 on y, c_out the residual's deviation, 1/c_in that of y; F and its
    loss by hand.
    """
    are_those_of_regression(dtype, sigma, std)
    t = 0.375
    for make in THREE_PROCESSES:
        path = oracle(make)
        a, s = float(path.alpha(t)), float(path.sigma(t))
        now, scale = jnp.asarray(t, dtype), jnp.asarray(std, dtype)
        eps = ((x - a * x0) / s).astype(np.float32).astype(np.float64)
        given_ = (jnp.asarray(v, dtype) for v in (x, x0, eps))
        loud, quiet, loss = denoised(make(), *given_, now, scale)
        exact, size = by_hand(x, s / a, a, std)
        power = 1 + np.log1p(s / 0.03)  # r^(2t) is rounded by its exponent
        close(
            loud,
            exact,
            ulps=24,
            scale=size * power,
            why=f"{make.__name__}: a few products, u^2 doubles the rounding of u",
        )
        wanted = bayes.gaussian_posterior(np.zeros(1), np.array([[std]]), a, s, x[:, None]).mean[
            :, 0
        ]
        close(
            quiet,
            wanted,
            ulps=16,
            scale=np.abs(wanted) * power,
            why=f"{make.__name__}: F = 0 is the exact denoiser",
        )
        answer, target, c_out = training_pair(a * x0 + s * eps, x0, s / a, a, std)
        squares = c_out**2 * ((answer - target) ** 2).mean()
        size = c_out * (np.abs(answer) + np.abs(target)) + np.abs(a * x0 + s * eps) / a + np.abs(x0)
        close(
            loss,
            squares,
            ulps=64,
            scale=(size**2).mean() * power,
            why=f"{make.__name__}: x0_loss/c_out^2 is a mean square of F",
        )
        law = diffx.GaussianLaw(jnp.zeros(3, dtype), scale**2)
        close(
            least_loss(make(), law, now, scale),
            1.0,
            ulps=16,
            scale=power,
            why=f"{make.__name__}: the weighted least loss is 1 at every level",
        )
    without_signal(dtype, std, x)


def are_those_of_regression(dtype, sigma, std):
    got, weight = coefficients(jnp.asarray(sigma, dtype), jnp.asarray(std, dtype))
    moments = [
        bayes.gaussian_posterior(np.zeros(1), np.array([[std]]), 1.0, s, np.ones(1)) for s in sigma
    ]
    skip, left = (np.array([part.item() for part in parts]) for parts in zip(*moments, strict=True))
    close(got.c_skip, skip, ulps=8, why="the slope of x0 on y, by precisions")
    close(got.c_out, np.sqrt(left), ulps=8, why="what y leaves of x0")
    close(weight * got.c_out**2, np.ones(4), ulps=16, why="lambda c_out^2 = 1")
    close(weight, 1 / left, ulps=8, why="lambda is the precision of x0 given y")
    close(
        got.c_in, 1 / np.sqrt(std**2 + sigma**2), ulps=8, why="y has the variance std^2 + sigma^2"
    )
    close(
        got.c_noise,
        np.log(sigma) / 4,
        ulps=4,
        scale=np.maximum(1, np.abs(np.log(sigma))) / 4,
        why="one logarithm",
    )
    skip, out = (np.asarray(c, np.float64) for c in (got.c_skip, got.c_out))
    target = ((1 - skip) ** 2 * std**2 + skip**2 * sigma**2) / out**2
    size = ((1 + skip) * skip * std**2 + skip**2 * sigma**2 + std**2 * (1 - skip)) / out**2 + 1
    close(
        np.asarray(target, dtype),
        np.ones(4),
        ulps=32,
        scale=size,
        why="the target has variance 1; 1 - c_skip cancels",
    )


def by_hand(x, s, a, std):
    """D and the size of what it adds up, in the coordinates y = x/alpha where alpha is 1 and sigma
    is s.
    """
    total = s**2 + std**2
    u, c_noise, c_out = x / a / np.sqrt(total), np.log(s) / 4, s * std / np.sqrt(total)
    skip = std**2 / total * x / a
    size = np.abs(skip) + c_out * (u**2 + 3 * (np.abs(c_noise) + 1 / 4))
    return skip + c_out * network(u, c_noise), size


def training_pair(x, x0, s, a, std):
    """What F answers, what it should, and c_out."""
    y, total = x / a, s**2 + std**2
    c_out = s * std / np.sqrt(total)
    return network(y / np.sqrt(total), np.log(s) / 4), (x0 - std**2 / total * y) / c_out, c_out


def doubled(u: Any, c_noise: Any) -> Any:
    return 2 * u


def without_signal(dtype, std, x):
    """At alpha = 0 the network sees x/sigma and answers for x0/std."""
    denoise = diffx.preconditioning.denoiser_of_network(
        diffx.RectifiedFlow(), doubled, std=jnp.asarray(std, dtype)
    )
    close(
        denoise(jnp.asarray(x, dtype), jnp.ones((), dtype)),
        2 * std * x,
        ulps=4,
        why="D = std F(x/sigma) with no 0/0",
    )


def test_defaults_are_data_of_unit_scale_and_half_precision_stays():
    narrow = jnp.ones(3, jnp.bfloat16)
    assert diffx.preconditioning.preconditioning(2.0) == diffx.preconditioning.preconditioning(
        2.0, std=1.0
    )
    assert (
        diffx.preconditioning.edm_weight(2.0)
        == diffx.preconditioning.edm_weight(2.0, std=1.0)
        == 1.25
    )
    answer = diffx.preconditioning.denoiser_of_network(diffx.EDM(), doubled)(narrow, 0.5)
    assert answer.dtype == narrow.dtype
    same = diffx.preconditioning.denoiser_of_network(diffx.EDM(), doubled, std=1.0)(narrow, 0.5)
    holds(np.asarray(answer == same), "std is 1 unless said otherwise")


# --- what is refused ----------------------------------------------------------------------------


def test_wrong_scales_and_levels_are_refused_with_a_way_out():
    for call in (
        lambda: diffx.preconditioning.preconditioning(1.0, std=0.0),
        lambda: diffx.preconditioning.edm_weight(1.0, std=-1.0),
        lambda: diffx.preconditioning.denoiser_of_network(diffx.EDM(), network, std=0.0),
    ):
        with pytest.raises(ValueError, match="std must be positive"):
            call()
    for function in (diffx.preconditioning.preconditioning, diffx.preconditioning.edm_weight):
        with pytest.raises(ValueError, match="must not be negative, the least is -1"):
            function(jnp.asarray([1.0, -1.0]))
    with pytest.raises(TypeError, match="a network"):
        diffx.preconditioning.denoiser_of_network(diffx.EDM(), 3.0)  # pyright: ignore[reportArgumentType]


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        diffx.preconditioning.denoiser_of_network(diffx.EDM(), lambda u, n: u[:1])(jnp.ones(3), 0.5)
    with pytest.raises(ValueError, match="scalar time"):
        diffx.preconditioning.denoiser_of_network(diffx.EDM(), network)(
            jnp.ones(3), jnp.asarray([0.5, 0.25, 0.125])
        )
