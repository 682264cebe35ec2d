"""precondition.py: the coefficients are those of least squares, and the network of Gaussian data
has nothing to do.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.tree_util import Partial

import diffx
from spec_tests import strategies as st_
from spec_tests.close import close, holds
from spec_tests.oracles import bayes
from spec_tests.paths import oracle, rectified_flow, sub_vp, ve
from spec_tests.registry import claim

PROCESSES = (sub_vp, ve, rectified_flow)  # alpha^2 + sigma^2 below 1, above 1, alpha = 1 and not
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
    "EDM's c_skip, c_out, c_in make input and target of unit variance, lambda c_out^2 = 1, and for "
    "N(0, std^2) the best F is 0",
    of=tuple(
        f"diffx.preconditioning.{name}"
        for name in ("preconditioning", "edm_weight", "denoiser_of_network")
    ),
    source="Karras et al. 2022, arXiv:2206.00364, Table 1 and Appendix B.6",
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
    for make in PROCESSES:
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
            why="the weighted least loss is 1 at every level",
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
