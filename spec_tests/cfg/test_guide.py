"""CFG: guidance is uncond + w (cond - uncond), on predictions, on denoisers and on one network."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from jax.tree_util import Partial

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.guidance import constant, lookup, size

D = 3
weights_of_guidance = st_.floats(-2.0, 15.0)
PROCESS = diffx.VP(0.3, 12.0)


@jax.jit
def answer(denoise, x, t):
    return denoise(x, t)


def gaussian(mean: np.ndarray, cov: np.ndarray, dtype) -> diffx.GaussianLaw:
    return diffx.GaussianLaw(jnp.asarray(mean, dtype), jnp.asarray(cov, dtype))


@claim(
    "CFG-01",
    "The guided score is the score of p(x|c)^w p(x)^(1-w) at that noise level, and w = 1 + w' "
    "translates the weight w' of Ho and Salimans",
    of="diffx.cfg",
    source="Ho and Salimans 2022, arXiv:2207.12598, eq. (6)",
    grade="identity",
)
@given(
    x=st_.points(D),
    means=st_.points(2, D),
    variances=st_.arrays((2, D), st_.log_uniform(0.1, 10.0)),
    w=weights_of_guidance,
)
def test_guided_score_is_that_of_the_tilted_law(dtype, x, means, variances, w):
    cond, uncond = (means - x) / variances
    guided = np.asarray(diffx.cfg(jnp.asarray(cond, dtype), jnp.asarray(uncond, dtype), w=w))
    # completing the square in w log p_c + (1 - w) log p_u
    precision = w / variances[0] + (1 - w) / variances[1]
    pull = w * means[0] / variances[0] + (1 - w) * means[1] / variances[1]
    total = size(
        w, np.abs(x) / variances[0], np.abs(x) / variances[1], *(np.abs(means) / variances)
    )
    close(
        guided,
        pull - precision * x,
        ulps=3,
        scale=total,
        why="two inputs and three operations round",
    )
    classic = (1 + (w - 1)) * cond - (w - 1) * uncond
    close(
        guided,
        classic,
        ulps=3,
        scale=size(w, cond, uncond),
        why="two inputs and three operations round",
    )


@claim(
    "CFG-06",
    "With equal covariances guidance only moves the mean: the guided denoiser is exact for N(mu_u "
    "+ w (mu_c - mu_u), C)",
    of=("diffx.cfg", "diffx.guide"),
    source="Gaussian conditioning: the denoiser is affine in the mean",
    grade="identity",
)
@given(
    x=st_.points(D),
    means=st_.points(2, D),
    cov=st_.covariances(D),
    w=weights_of_guidance,
    t=st_.times(0.05, 1.0),
)
def test_equal_covariances_make_guidance_a_shift_of_the_mean(dtype, x, means, cov, w, t):
    cond, uncond = (diffx.denoiser(PROCESS, gaussian(mean, cov, dtype)) for mean in means)
    guided = answer(diffx.guide(cond, uncond, w=w), jnp.asarray(x, dtype), t)
    shifted = means[1] + w * (means[0] - means[1])
    a, s = (float(value) for value in (PROCESS.alpha(t), PROCESS.sigma(t)))
    wanted = bayes.gaussian_posterior(shifted, bayes.root_of(cov), a, s, x).mean
    # the gain alpha L/(alpha^2 L + sigma^2) is at most min(1/alpha, alpha L/sigma^2), and roundings
    # of C reach it once
    reach = (
        (1 + abs(w) + abs(w - 1))
        * (np.abs(x).max() / a + np.abs(means).sum())
        * min(100.0, cond_of(cov))
    )
    close(
        guided,
        wanted,
        ulps=4,
        scale=reach,
        why="the eigenbasis of C in this dtype turns by eps cond(C)",
    )


def cond_of(cov: np.ndarray) -> float:
    return float(np.linalg.cond(cov))


@claim(
    "CFG-07",
    "Guidance is affine in w with slope cond - uncond: w = 0 gives the unconditional answer, and "
    "w = 1 the conditional one, independent of the other",
    of=("diffx.cfg", "diffx.guide", "diffx.guide_net"),
    source="Ho and Salimans 2022, arXiv:2207.12598, eq. (6)",
    grade="identity",
)
@given(cond=st_.points(D), uncond=st_.points(D), w=weights_of_guidance)
def test_guidance_is_affine_in_its_weight(dtype, cond, uncond, w):
    c, u = jnp.asarray(cond, dtype), jnp.asarray(uncond, dtype)
    w = jnp.asarray(w, dtype)
    holds(np.asarray(diffx.cfg(c, u, w=0.0) == u), "w = 0 is the unconditional branch, bit for bit")
    close(
        diffx.cfg(c, u, w=1.0),
        cond,
        ulps=1,
        scale=size(1, cond, uncond),
        why="u + (c - u) rounds twice",
    )
    of_c, of_u = jax.jacfwd(lambda c, u, w: diffx.cfg(c, u, w=w), (0, 1))(c, u, jnp.ones((), dtype))
    holds(
        np.asarray(of_u == 0),
        "at w = 1 the derivative with respect to the unconditional branch is exactly 0",
    )
    holds(
        np.asarray(of_c == np.eye(D)),
        "at w = 1 the derivative with respect to the conditional branch is exactly 1",
    )
    for guided in (cfg_of_weight, guide_of_weight, guide_net_of_weight):
        close(
            jax.jacfwd(guided)(w, c, u),
            cond - uncond,
            ulps=2,
            scale=size(1, cond, uncond),
            why=f"{guided.__name__}: one difference",
        )
        wanted = uncond + float(w) * (cond - uncond)
        close(
            guided(w, c, u),
            wanted,
            ulps=2,
            scale=size(float(w), cond, uncond),
            why=f"{guided.__name__}: three operations round",
        )


def cfg_of_weight(w, c, u):
    return diffx.cfg(c, u, w=w)


def guide_of_weight(w, c, u):
    return diffx.guide(Partial(constant, c), Partial(constant, u), w=w)(jnp.zeros_like(c), 0.5)


def guide_net_of_weight(w, c, u):
    return diffx.guide_net(lookup, c, u, w=w)(jnp.zeros_like(c), 0.5)


SPACES = ("x0", "eps", "v", "score", "velocity")


@claim(
    "CFG-08",
    "Guiding x0, eps, v, score or velocity at one x_t gives the same result, and a shift of both "
    "branches shifts the result",
    of="diffx.cfg",
    source="Ho and Salimans 2022, arXiv:2207.12598: the weights w and 1 - w sum to 1",
    grade="identity",
)
@given(
    x=st_.points(D),
    cond=st_.points(D),
    uncond=st_.points(D),
    shift=st_.points(D),
    w=weights_of_guidance,
)
def test_guidance_is_the_same_in_every_space(dtype, x, cond, uncond, shift, w):
    t = 0.4
    x_t, c, u = (jnp.asarray(value, dtype) for value in (x, cond, uncond))
    wanted = w * cond + (1 - w) * uncond
    a, s = float(PROCESS.alpha(t)), float(PROCESS.sigma(t))
    reach = size(w, cond, uncond) + size(w, x) / a / s  # conversions divide by alpha and by sigma
    for space in SPACES:
        there = (lambda value: value) if space == "x0" else convert(f"{space}_of_x0", x_t, t)
        back = (lambda value: value) if space == "x0" else convert(f"x0_of_{space}", x_t, t)
        guided = back(diffx.cfg(there(c), there(u), w=w))
        close(
            guided,
            wanted,
            ulps=30,
            scale=reach,
            why=f"to {space} and back: some ten operations each way",
        )
    moved = diffx.cfg(c + jnp.asarray(shift, dtype), u + jnp.asarray(shift, dtype), w=w)
    close(
        moved,
        wanted + shift,
        ulps=4,
        scale=size(w, cond, uncond, shift),
        why="five operations round",
    )


def convert(name: str, x, t):
    return lambda value: getattr(diffx.predictions, name)(PROCESS, x, value, t)


@claim(
    "CFG-09",
    "A negative prompt replaces the unconditional branch: the guided answer moves away from it, "
    "and one batched call evaluates both",
    of=("diffx.cfg", "diffx.guide", "diffx.guide_net"),
    source="derived here: three branches with w_n = w - 1 are two",
    grade="identity",
)
@given(cond=st_.points(D), negative=st_.points(D), empty=st_.points(D), w=weights_of_guidance)
def test_negative_prompt_replaces_the_unconditional_branch(dtype, cond, negative, empty, w):
    c, n = jnp.asarray(cond, dtype), jnp.asarray(negative, dtype)
    three = three_branches(cond, negative, empty, w)
    total = size(w, cond, negative)
    for guided in (guide_of_weight, guide_net_of_weight):
        close(
            guided(w, c, n),
            three,
            ulps=3,
            scale=total,
            why=f"{guided.__name__}: three operations round",
        )
        close(
            guided(w, c, c),
            cond,
            ulps=0,
            why=f"{guided.__name__}: negative = cond: no guidance, u + w 0",
        )
        ahead, start = np.asarray(guided(3.0, c, n), np.float64), np.asarray(n, np.float64)
        away = (ahead - cond) * (cond - start)
        holds(
            away >= -8 * jnp.finfo(dtype).eps * size(3, cond, negative) ** 2,
            f"{guided.__name__}: w > 1 moves on, away from the negative",
        )


@np.vectorize
def three_branches(cond, negative, empty, w):
    """In fractions: in float64 an empty prompt of size 1 leaves its rounding in answers of 1e-6."""
    c, n, e, w = map(Fraction, (cond, negative, empty, w))
    return float(e + w * (c - e) - (w - 1) * (n - e))


def test_guide_net_asks_the_network_once_with_both_conditions_in_one_batch():
    calls = []

    def net(x, t, c):
        calls.append(c.shape)
        return x + c.sum() * t

    x = jnp.ones((4, D))
    guided = diffx.guide_net(net, jnp.ones(5), jnp.zeros(5), w=2.0)
    np.testing.assert_array_equal(guided(x, 0.5), np.full((4, D), 1 + 2 * 5 * 0.5))
    assert calls == [(5,)], "one call, of one condition: vmap makes the batch"


def test_guide_net_takes_conditions_of_any_structure_and_batches_over_the_network():
    condition = {"text": jnp.arange(3.0), "label": jnp.asarray(2)}
    empty = {"text": jnp.zeros(3), "label": jnp.asarray(0)}
    net = lambda x, t, c: x * c["label"] + t * c["text"]
    x = jnp.arange(6.0).reshape(2, 3)
    wanted = diffx.cfg(net(x, 0.5, condition), net(x, 0.5, empty), w=1.5)
    np.testing.assert_array_equal(diffx.guide_net(net, condition, empty, w=1.5)(x, 0.5), wanted)


def test_guidance_keeps_the_dtype_of_the_predictions():
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64):
        c = jnp.ones(3, dtype)
        for other in (jnp.float32, jnp.float64):  # the conditional branch decides
            assert diffx.cfg(c, 2 * c.astype(other), w=jnp.asarray(3.0, jnp.float64)).dtype == dtype
