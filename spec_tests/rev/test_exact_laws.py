"""The exact law of a sampler's output, and the mean that a wrong start leaves in it."""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import single
from spec_tests.support.paths import edm, oracle as path_of, rectified_flow, vp
from spec_tests.support.samplers import MEAN, VARIANCES, grid, law_of
from spec_tests.support.schemes import recursion

HERE = "automatic differentiation of the steps; here"
FLOAT64 = "no formula of its own: which numbers are passed on does not depend on the dtype"
BASIS = st_.rotation(2, 2)
ALONG = np.outer(BASIS[:, 0], BASIS[:, 0])
COVARIANCES = {  # of the start, and their matrices
    "a number": (np.asarray(0.5), 0.5 * np.eye(2)),
    "a diagonal": (np.array([0.5, 2.0]), np.diag([0.5, 2.0])),
    "a matrix": (np.array([[2.0, -0.5], [-0.5, 1.0]]), np.array([[2.0, -0.5], [-0.5, 1.0]])),
    "low rank": ((BASIS[:, :1], np.ones(1), 0.25), ALONG + 0.25 * (np.eye(2) - ALONG)),
}


@claim(
    "REV-36",
    "The law of a sampler's output is that of its steps as one affine map of the start and of all "
    "noises",
    of="diffx.exact_law",
    source=HERE,
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=FLOAT64,
)
@pytest.mark.parametrize("form", COVARIANCES)
def test_law_is_that_of_the_whole_jacobian(dtype, form):
    """C = J_x C_0 J_x' + J_z J_z', for every form of the initial covariance."""
    given, matrix = COVARIANCES[form]
    data = law_of(dtype, np.array([0.5, -1.0]), np.array([[1.0, 0.5], [0.5, 2.0]]))
    ts, begin = jnp.array([0.9, 0.4, 0.1]), np.array([1.0, 3.0])
    sampler = diffx.ddpm(edm(), diffx.denoiser(edm(), data))
    end, (of_x, of_z) = jacobians(sampler, jnp.asarray(begin), ts, jnp.zeros((2, 2)))
    of_z = np.asarray(of_z).reshape(2, -1)
    cov = diffx.LowRank(*given) if isinstance(given, tuple) else given
    got = diffx.exact_law(sampler, diffx.GaussianLaw(jnp.asarray(begin), cov), ts)
    wanted = np.asarray(of_x @ matrix @ of_x.T + of_z @ of_z.T)
    most = np.abs(begin).max()
    close(got.mean, np.asarray(end), ulps=64, scale=most, why="the same steps in another order")
    most = np.abs(wanted).max()
    close(got.cov, wanted, ulps=64, scale=most, why="the same products in another order")


@jax.jit
def jacobians(sampler, x, ts, zs):
    def run(x, zs):
        return diffx.fold(sampler, x, ts, zs)[0]

    return run(x, zs), jax.jacfwd(run, argnums=(0, 1))(x, zs)


class Remembering(NamedTuple):
    """A state with history, and x not first."""

    old: jax.Array
    x: jax.Array


def remember(x):
    return Remembering(x / 2 + 1, x)


def step_with_history(state, t, s, z):
    first, (second,) = z
    x = t * state.x - 0.5 * state.old + 2 * first - s * second[:2] + 1
    return Remembering(state.x + 0.25 * first, x), None


def two_noises(key, x):
    return jax.random.normal(key, x.shape), (jnp.zeros(3),)


@claim(
    "REV-37",
    "The exact law carries the history of a method and every array of its noise",
    of="diffx.exact_law",
    source=HERE,
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=FLOAT64,
)
def test_history_and_tuples_of_noise_are_carried(dtype):
    """A two-step method by its block matrices, its noise a nested tuple, one of another length than
    x.
    """
    mean, cov, ts = (
        np.array([1.0, -2.0]),
        np.array([[2.0, 0.5], [0.5, 1.0]]),
        np.array([0.75, 0.5, 0.25]),
    )
    identity, zero = np.eye(2), np.zeros((2, 2))
    stack = np.vstack([identity / 2, identity])
    m, c = stack @ mean + [1, 1, 0, 0], stack @ cov @ stack.T
    for t, s in pairwise(ts):
        move = np.block([[zero, identity], [-identity / 2, t * identity]])
        noise = np.block([[identity / 4, zero], [2 * identity, -s * identity]])
        m, c = move @ m + [0, 0, 1, 1], move @ c @ move.T + noise @ noise.T
    got = diffx.exact_law(
        diffx.Sampler(remember, step_with_history, two_noises),
        law_of(dtype, mean, cov),
        jnp.asarray(ts),
    )
    close(got.mean, m[2:], ulps=16, scale=4.0, why="two steps of numbers up to 4")
    close(got.cov, c[2:, 2:], ulps=16, scale=8.0, why="two steps of numbers up to 8")


def keep_state(x):
    return diffx.State(x)


def squared_before_half(state, t, s, z):
    """x^2 in the first step alone."""
    return diffx.State(jnp.where(t > 0.5, state.x**2, state.x)), None


def squared_after_half(state, t, s, z):
    return diffx.State(jnp.where(t > 0.5, state.x, state.x**2)), None


def squared_second(state, t, s, z):
    return diffx.State(state.x.at[1].set(jnp.where(t > 0.75, state.x[1] ** 2, state.x[1]))), None


def fallen_by_a_square(state, t, s, z):
    return diffx.State(state.x - 1000 * (state.x > -4) - 3), None


def squared_noise(state, t, s, z):
    return diffx.State(state.x + z**2), None


def one_noise(key, x):
    return jax.random.normal(key, x.shape)


def of_mixture():
    law = diffx.MixtureLaw(jnp.array([0.5, 0.5]), jnp.array([[-1.0], [1.0]]), jnp.asarray(0.25))
    return diffx.ddim(vp(), diffx.denoiser(vp(), law))


def made_of(step, noise=None):
    return lambda: diffx.Sampler(keep_state, step, noise)


AT_1, BELOW_0, AT_0 = (np.ones(1), [0.25]), (-4 * np.ones(1), [0.25]), (np.zeros(1), [0.0])
CURVED = {  # (sampler, mean and variance of the start, relative deviation)
    "a fall below -4": (made_of(fallen_by_a_square), BELOW_0, "0.98"),
    "a square in one direction": (made_of(squared_second), (np.ones(2), [0.25, 0.25]), "0.2"),
    "a square in the first step": (made_of(squared_before_half), AT_1, "0.2"),
    "a square in the second step": (made_of(squared_after_half), AT_1, "0.2"),
    "a square of the noise": (made_of(squared_noise, one_noise), AT_0, "1"),
    "the denoiser of a mixture": (of_mixture, AT_1, r"\d\S*"),
}


@claim(
    "REV-38",
    "The exact law refuses a step that is not affine and says by how much it is not",
    of="diffx.exact_law",
    source="here",
    grade="identity",
    dtypes=("float64",),
    why_dtypes="a deviation of a fifth is seen in any dtype",
)
@pytest.mark.parametrize("name", CURVED)
def test_curved_steps_are_refused(dtype, name):
    """x^2 at N(1, 1/4), 3 deviations away: 6.25 against 4, relative to 6.25 + 4 + 1; z^2 at 3: 9
    against 0; a fall by 1000.
    """
    make, start, deviation = CURVED[name]
    with pytest.raises(ValueError, match=rf"not affine .*relative deviation {deviation}\)"):
        diffx.exact_law(make(), law_of(dtype, *start), jnp.array([1.0, 0.5, 0.25]))
    holds(True, "pytest.raises has seen the refusal")


DETERMINISTIC = {
    "ddim": (vp, diffx.ddim),
    "euler": (rectified_flow, diffx.euler),
    "heun": (rectified_flow, diffx.heun),
}
STARTS = {"N(0, I)": 0.0, "the prior": 1.0}  # which share of the mean they have


@claim(
    "REV-30",
    "A deterministic sampler keeps a wrong mean in proportion: started at N(0, I) it is off by "
    "-gain alpha_T m",
    of=(
        "diffx.ddim",
        "diffx.euler",
        "diffx.heun",
    ),
    source="Lin et al. 2024, arXiv:2305.08891, section 3.1; derived here",
    grade="computed law",
)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_wrong_mean_at_the_start_survives(dtype, name, start):
    """From the prior itself no bias is left."""
    make, method = DETERMINISTIC[name]
    ts, ts_ = grid(dtype, 0.9375, 0.7, 0.4, 0.2, 0.0)
    steps, alpha = recursion(name, path_of(make), ts, VARIANCES), path_of(make).alpha(ts)
    begin = single(STARTS[start] * alpha[0] * MEAN)
    sampler = method(make(), diffx.denoiser(make(), law_of(dtype, MEAN, VARIANCES)))
    got, _ = diffx.fold(sampler, jnp.asarray(begin, dtype), ts_)
    close(
        got,
        MEAN + steps.p.prod(0) * (begin - alpha[0] * MEAN),
        ulps=16,
        scale=recursions.run(steps, alpha, begin, 0 * MEAN, MEAN).mean_scale,
        why="gain times the deviation, which the prior's mean does not have",
    )


def stable_diffusion(dtype):
    """Its chain, and alpha^2 of its nodes: x_T = .068265 x_0 + .997667 eps."""
    betas = (np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).astype(dtype).astype(np.float64)
    kept = np.cumprod(1 - betas)
    holds(
        abs(kept[-1] ** 0.5 - 0.068265) < 5e-7 and abs((1 - kept[-1]) ** 0.5 - 0.997667) < 5e-7,
        "the printed numbers",
    )
    return diffx.DDPMChain(jnp.asarray(betas, dtype)), kept


@claim(
    "REV-39",
    "On Stable Diffusion's chain the prior keeps .068265 of the mean and as much of the deviation",
    of="diffx.prior",
    source="Lin et al. 2024, arXiv:2305.08891, section 3.1; derived here",
    grade="computed law",
)
def test_prior_of_stable_diffusion_keeps_the_mean(dtype):
    chain, kept = stable_diffusion(dtype)
    first = diffx.prior(chain, law_of(dtype, MEAN, VARIANCES))
    mean, cov = kept[-1] ** 0.5 * MEAN, kept[-1] * VARIANCES + 1 - kept[-1]
    close(first.mean.astype(dtype), mean, ulps=64, why="a product of 1000 links")
    close(first.cov.astype(dtype), cov, ulps=64, why="a product of 1000 links")


@claim(
    "REV-50",
    "On Stable Diffusion's chain DDIM from noise without a mean ends off by -gain .068265 m",
    of="diffx.ddim",
    source="Lin et al. 2024, arXiv:2305.08891, section 3.1; derived here",
    grade="computed law",
)
def test_brightness_of_stable_diffusion_is_off(dtype):
    chain, kept = stable_diffusion(dtype)
    _, ts = grid(dtype, 1.0, 0.5, 0.0)
    alpha = np.append(np.sqrt(kept[[999, 499]]), 1.0)
    gain = recursions.product_of_cosines(alpha, 1 - alpha**2, VARIANCES)
    denoise = diffx.denoiser(chain, law_of(dtype, MEAN, VARIANCES))
    got, _ = diffx.fold(diffx.ddim(chain, denoise), jnp.zeros(3, dtype), ts)
    close(
        got,
        MEAN - gain * alpha[0] * MEAN,
        ulps=128,
        scale=2 * np.abs(MEAN),
        why="two steps, alpha a product of 1000 links",
    )
