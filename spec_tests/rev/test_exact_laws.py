"""The exact law of the real code: against recursions, the whole Jacobian, and its own budget."""

from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, gauge, recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast, single
from spec_tests.support.compiled import sqrtm
from spec_tests.support.paths import edm, oracle as path_of, rectified_flow, vp
from spec_tests.support.samplers import (
    MEAN,
    VARIANCES,
    answers_are_exact,
    grid,
    has_law,
    law_of,
    mixture,
    nodes,
    steps_keep_the_dtype_of_x,
    x_and_answer,
)

PRINTED = {  # W2 of N-step samplers on SYN-256, N = 10, 50, 250 and 1000
    "euler_maruyama": (11.3052, 1.80783, 0.302487, 0.123261),
    "euler": (0.541561, 0.164413, 0.108838, 0.0898695),
    "heun": (6.38601, 0.227674, 0.0517876, 0.0803622),
    "ddim": (0.371212, 0.129788, 0.0751763, 0.0786368),
    "ddpm": (0.464227, 0.194116, 0.085758, 0.0751577),
    "ddpm_optimal": (0.0824781, 0.0824781, 0.0824781, 0.0824781),
}
MULTISTEP = ("diffx.samplers.lms", "diffx.samplers.lms_step", "diffx.samplers.adams_weights")
STOCHASTIC_SAMPLERS = (
    "diffx.samplers.euler_ancestral",
    "diffx.samplers.dpm2_ancestral",
    "diffx.samplers.dpm2_ancestral_step",
    "diffx.samplers.edm_stochastic",
    "diffx.samplers.edm_stochastic_step",
    "diffx.samplers.sde_dpm_solver",
    "diffx.samplers.sde_dpm_solver_step",
    "diffx.samplers.exponential_sde",
    "diffx.samplers.exponential_sde_step",
)


@claim(
    "REV-22",
    "The output of N steps of Euler-Maruyama, Euler, Heun and others has the mean, covariance and "
    "W2 that plain recursions give",
    of=(
        "diffx.exact_law",
        "diffx.error_budget",
        "diffx.w2",
        "diffx.euler_maruyama",
        "diffx.samplers.euler_maruyama_step",
        "diffx.euler",
        "diffx.samplers.euler_step",
        "diffx.heun",
        "diffx.samplers.heun_step",
        *STOCHASTIC_SAMPLERS,
        *MULTISTEP,
    ),
    source=(
        "Pierret and Galerne 2024, arXiv:2405.14250, for the schemes; the spectrum 1/k^2 and "
        "its numbers: here"
    ),
    grade="computed law",
)
def test_output_laws_are_those_of_the_recursions(dtype):
    """Four steps of each scheme in rotated axes; in float64 the spectrum SYN-256, Jacobians of
    `fold`, W2 and the budget.
    """
    for name in ("euler_maruyama", "euler", "heun"):
        four_steps_follow_the_recursion(dtype, name)
    noisy_schemes_follow_their_recursions(dtype)
    multistep_follows_adams(dtype)
    w2_is_the_wasserstein_distance(dtype)
    if dtype == np.float64:
        for name in PRINTED:
            spectrum_has_the_printed_distances(name, (10, 50, 250))
        law_is_that_of_the_whole_jacobian()
        history_and_tuples_of_noise_are_carried()
        budget_splits_the_error()


# --- recursions ---------------------------------------------------------------------------------


def scheme(name, path, ts, L):
    alpha, variance = nodes(path, ts)
    if name == "euler_maruyama":
        return recursions.euler_maruyama(ts, alpha, variance, path.f(ts), path.g2(ts), L)
    inner = ts[ts > 0]  # at t = 0 the rates are not used, and sigma' is infinite
    rates = np.zeros((2, len(ts)))
    rates[:, : len(inner)] = path.alpha_rate(inner), 2 * path.sigma(inner) * path.sigma_rate(inner)
    return getattr(recursions, name)(ts, alpha, variance, *rates, L)


def four_steps_follow_the_recursion(dtype, name):
    """Down to t = 0 in rotated axes, from a law that is not the prior; and with each answer of the
    denoiser.
    """
    basis, path = st_.rotation(5, 3), path_of(vp)
    ts, ts_ = grid(dtype, 0.9375, 0.7, 0.4, 0.125, 0.0)
    law = diffx.GaussianLaw(
        jnp.asarray(basis @ MEAN, dtype), diffx.LowRank(*cast(dtype, basis, VARIANCES))
    )
    begin, spread = np.array([0.25, 1.0, -0.5]), np.array([2.0, 0.5, 1.0])
    sampler = getattr(diffx.samplers, name)(vp(), diffx.denoiser(vp(), law))
    got = diffx.exact_law(
        sampler, law_of(dtype, basis @ begin, symmetric(basis * spread @ basis.T)), ts_
    )
    steps, alpha = scheme(name, path, ts, VARIANCES), path.alpha(ts)
    has_law(
        got, recursions.run(steps, alpha, begin, spread, MEAN), "four steps", ulps=16, turned=basis
    )
    straight = law_of(dtype, MEAN, VARIANCES)
    sampler = getattr(diffx.samplers, name)(vp(), diffx.denoiser(vp(), straight))
    end, (trajectory, answers) = diffx.fold(sampler, *cast(dtype, begin, ts), keep=x_and_answer)
    wanted = recursions.run(steps, alpha, begin, 0 * begin, MEAN)
    close(
        end,
        wanted.mean,
        ulps=16,
        scale=wanted.mean_scale,
        why="four steps; without noises a stochastic method takes none",
    )
    answers_are_exact(dtype, path, ts, begin, trajectory, answers)
    steps_keep_the_dtype_of_x(
        getattr(diffx.samplers, name)(
            vp(), diffx.denoiser(vp(), law_of(jnp.float32, MEAN, VARIANCES))
        )
    )


def symmetric(a):
    return (a + a.T) / 2


@jax.jit
def ten_steps(sampler_of: Any, L, mean, variance, ts):
    """exact_law of one-dimensional laws, all directions of the spectrum at once."""

    def one(L, mean, variance):
        law = diffx.GaussianLaw(jnp.zeros(1), L[None])
        end = diffx.exact_law(sampler_of(law), diffx.GaussianLaw(mean, variance), ts)
        return end.mean, end.cov

    return jax.vmap(one)(L, mean, variance)


def sampler_on_vp(method, law):
    process = diffx.VP(0.1, 20.0)
    denoise = diffx.denoiser(process, law)
    return (
        method(process, denoise, law=law)
        if method.func is diffx.samplers.ddpm_optimal
        else method(process, denoise)
    )


def spectrum_has_the_printed_distances(name, ns):
    """W2 to SYN-256, L_k = 1/k^2, from N(0, I) down to t = 1e-3, ten steps at a time."""
    L = 1 / np.arange(1.0, 257) ** 2
    target = diffx.GaussianLaw(jnp.zeros(256), jnp.asarray(L))
    for n, printed in zip((10, 50, 250, 1000), PRINTED[name], strict=True):
        if n not in ns:
            continue
        ts, law = diffx.uniform(n, t_min=1e-3), (jnp.zeros((256, 1)), jnp.ones((256, 1, 1)))
        for i in range(0, n, 10):
            law = ten_steps(
                Partial(sampler_on_vp, Partial(getattr(diffx.samplers, name))),
                jnp.asarray(L),
                *law,
                ts[i : i + 11],
            )
        got = diffx.GaussianLaw(law[0][:, 0], law[1][:, 0, 0])
        off = abs(float(diffx.w2(got, target)) / printed - 1)
        holds(off < 1e-5, f"W2 of {name} after {n} steps is {printed}", measured=off, bound=1e-5)


@pytest.mark.slow
def test_spectrum_has_its_distances_at_a_thousand_steps():
    for name in PRINTED:
        spectrum_has_the_printed_distances(name, (1000,))


# --- the instrument -----------------------------------------------------------------------------


def law_is_that_of_the_whole_jacobian():
    """fold as one affine map of (x, all noises): C = J_x C_0 J_x' + J_z J_z', for every form of the
    initial covariance.
    """
    data = law_of(np.float64, np.array([0.5, -1.0]), np.array([[1.0, 0.5], [0.5, 2.0]]))
    ts, basis = jnp.array([0.9, 0.4, 0.1]), st_.rotation(2, 2)
    begin = np.array([1.0, 3.0])
    starts = [np.asarray(0.5), np.array([0.5, 2.0]), np.array([[2.0, -0.5], [-0.5, 1.0]])]
    sampler = diffx.ddpm(edm(), diffx.denoiser(edm(), data))
    end, (of_x, of_z) = jacobians(sampler, jnp.asarray(begin), ts, jnp.zeros((2, 2)))
    of_z = np.asarray(of_z).reshape(2, -1)
    for cov in [*starts, diffx.LowRank(jnp.asarray(basis[:, :1]), jnp.ones(1), 0.25)]:
        got = diffx.exact_law(sampler, diffx.GaussianLaw(jnp.asarray(begin), cov), ts)  # pyright: ignore[reportArgumentType]
        wanted = of_x @ dense(cov, basis) @ of_x.T + of_z @ of_z.T
        close(
            got.mean,
            np.asarray(end),
            ulps=64,
            scale=np.abs(begin).max(),
            why="the same steps in another order",
        )
        close(
            got.cov,
            np.asarray(wanted),
            ulps=64,
            scale=np.abs(wanted).max(),
            why="the same products in another order",
        )


@jax.jit
def jacobians(sampler, x, ts, zs):
    def run(x, zs):
        return diffx.fold(sampler, x, ts, zs)[0]

    return run(x, zs), jax.jacfwd(run, argnums=(0, 1))(x, zs)


def dense(cov, basis):
    """The matrices of the initial covariances above."""
    if isinstance(cov, diffx.LowRank):
        along = np.outer(basis[:, 0], basis[:, 0])
        return along + 0.25 * (np.eye(2) - along)
    return cov if cov.ndim == 2 else cov * np.eye(2)


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


def history_and_tuples_of_noise_are_carried():
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
        law_of(np.float64, mean, cov),
        jnp.asarray(ts),
    )
    close(got.mean, m[2:], ulps=16, scale=4.0, why="two steps of numbers up to 4")
    close(got.cov, c[2:, 2:], ulps=16, scale=8.0, why="two steps of numbers up to 8")
    curved_steps_are_refused()


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


def curved_steps_are_refused():
    """x^2 at N(1, 1/4), 3 deviations away: 6.25 against 4, relative to 6.25 + 4 + 1; z^2 at 3: 9
    against 0; a fall by 1000.
    """
    law, still = (
        law_of(np.float64, np.ones(1), np.array([0.25])),
        law_of(np.float64, np.zeros(1), np.zeros(1)),
    )
    ts = jnp.array([1.0, 0.5, 0.25])
    fall = law_of(np.float64, -4 * np.ones(1), np.array([0.25]))  # every value below 0
    refused = [
        (fallen_by_a_square, None, fall, "0.98"),
        (squared_second, None, law_of(np.float64, np.ones(2), np.full(2, 0.25)), "0.2"),
        (squared_before_half, None, law, "0.2"),
        (squared_after_half, None, law, "0.2"),
        (squared_noise, one_noise, still, "1"),
    ]
    for step, noise, start, deviation in refused:
        with pytest.raises(ValueError, match=rf"not affine .*relative deviation {deviation}\)"):
            diffx.exact_law(diffx.Sampler(keep_state, step, noise), start, ts)
    mixture = diffx.MixtureLaw(jnp.array([0.5, 0.5]), jnp.array([[-1.0], [1.0]]), jnp.asarray(0.25))
    with pytest.raises(ValueError, match="not affine"):
        diffx.exact_law(diffx.ddim(vp(), diffx.denoiser(vp(), mixture)), law, ts)


# --- W2 -----------------------------------------------------------------------------------------


def w2_is_the_wasserstein_distance(dtype):
    """Against tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)); of commuting covariances against sums of
    squares; near 0 too.
    """
    a, b = (
        st_.rotated(VARIANCES, st_.rotation(1, 3)),
        st_.rotated(np.array([2.0, 0.5, 0.125]), st_.rotation(2, 3)),
    )
    m, n = np.array([0.5, -1.0, 2.0]), np.array([0.0, 1.0, 0.25])
    root = sqrtm(a)
    squared = ((m - n) ** 2).sum() + np.trace(a + b - 2 * sqrtm(root @ b @ root))
    close(
        diffx.w2(law_of(dtype, m, a), law_of(dtype, n, b)),
        np.sqrt(squared),
        ulps=64,
        scale=16.0,
        why="eigenvalues down to 1/16",
    )
    values = np.array([2.0, 0.5, 0.125])
    flat = np.sqrt(((m - n) ** 2).sum() + ((np.sqrt(VARIANCES) - np.sqrt(values)) ** 2).sum())
    close(
        diffx.w2(law_of(dtype, m, VARIANCES), law_of(dtype, n, values)),
        flat,
        ulps=8,
        why="a sum of squares",
    )
    near = np.sqrt(((np.sqrt(VARIANCES) - 0.5) ** 2).sum())
    close(
        diffx.w2(law_of(dtype, m, np.diag(VARIANCES)), law_of(dtype, m, np.asarray(0.25))),
        near,
        ulps=64,
        why="a scalar variance",
    )
    same = diffx.w2(law_of(dtype, m, a), law_of(dtype, m, a))
    close(
        same, np.asarray(0.0), ulps=64, scale=2.0, why="linear in the rounding, not its square root"
    )


# --- the budget ---------------------------------------------------------------------------------


def budget_splits_the_error():
    """Every term is W2 of two Gaussians in closed form, eta by default 1 with noise and 0
    without.
    """
    start = (np.array([0.25, 0.5, -1.0]), np.array([1.5, 0.75, 1.0]))
    wrong = (MEAN + 0.25, 1.5 * VARIANCES)
    for method, name, eta, used in (
        (diffx.euler_maruyama, "euler_maruyama", None, 1.0),
        (diffx.euler, "euler", None, 0.0),
    ):
        budget_is_closed_form(method, name, eta, used, start, wrong)
    budget_is_closed_form(diffx.euler, "euler", 0.5, 0.5, start, wrong)
    law, ts = law_of(np.float64, MEAN, VARIANCES), jnp.array([0.9375, 0.7, 0.4, 0.125])
    plain = diffx.error_budget(diffx.euler, rectified_flow(), law, ts)
    close(
        plain.initialisation,
        np.asarray(0.0),
        ulps=256,
        scale=3.0,
        why="the default start is the marginal: no error",
    )
    close(plain.score, np.asarray(0.0), ulps=256, scale=3.0, why="the default denoiser is exact")


def budget_is_closed_form(method, name, eta, used, start, wrong):
    path, ts = path_of(rectified_flow), np.array([0.9375, 0.7, 0.4, 0.125])
    alpha, variance = nodes(path, ts)
    gain, noise = recursions.reverse_family(path, ts[0], ts[-1], VARIANCES, used)
    limit = alpha[-1] * MEAN + gain * (start[0] - alpha[0] * MEAN), gain**2 * start[1] + noise
    discrete = recursions.run(scheme(name, path, ts, VARIANCES), alpha, *start, MEAN)
    real = recursions.run(scheme(name, path, ts, wrong[1]), alpha, *start, wrong[0])
    at_end = alpha[-1] * MEAN, alpha[-1] ** 2 * VARIANCES + variance[-1]
    stages = [(MEAN, VARIANCES), at_end, limit, discrete[:2], real[:2]]
    wanted = [distance(p, q) for p, q in pairwise(stages)]
    got = diffx.error_budget(
        method,
        rectified_flow(),
        law_of(np.float64, MEAN, VARIANCES),
        jnp.asarray(ts),
        start=law_of(np.float64, *start),
        denoise=diffx.denoiser(rectified_flow(), law_of(np.float64, *wrong)),
        eta=eta,
    )
    names = ("truncation", "initialisation", "discretisation", "score")
    for term, number in zip(names, wanted, strict=True):
        close(
            getattr(got, term),
            np.asarray(number),
            ulps=512,
            scale=3.0,
            why=f"{term}: roots of a matrix of condition 64",
        )
    close(
        got.total,
        np.asarray(distance(stages[0], stages[-1])),
        ulps=512,
        scale=3.0,
        why="the whole distance",
    )
    holds(got.total <= sum(wanted) * (1 + 1e-12), "the triangle inequality")


def distance(p, q):
    return np.sqrt(((p[0] - q[0]) ** 2).sum() + ((np.sqrt(p[1]) - np.sqrt(q[1])) ** 2).sum())


@jax.jit
def lms_runs(process, mean, cov, x, ts):
    """Where the methods of order 1 and 4 end."""
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))
    return [
        diffx.fold(sampler, x, ts)[0]
        for sampler in (
            diffx.samplers.lms(process, denoise, order=1),
            diffx.samplers.lms(process, denoise),
        )
    ]


def multistep_follows_adams(dtype):
    """Six uneven steps down to t = 0, order 4 by way of 1, 2 and 3; a start at alpha = 0; an exact
    start; the exact law.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.8, 0.6, 0.45, 0.25, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    x = single([1.0, -2.0, 3.0])
    for order, got in zip(
        (1, 4), lms_runs(vp(), *cast(dtype, MEAN, VARIANCES, x), ts_), strict=True
    ):
        wanted = MEAN + gauge.adams(alpha, variance, VARIANCES, order) * (x - alpha[0] * MEAN)
        scale = (np.abs(MEAN) + np.abs(x)) / alpha[0]  # y = x/alpha, and weights up to 10
        close(got, wanted, ulps=64, scale=scale, why="six steps")
    if dtype == np.float64:
        start_without_signal_leaves_no_memory()
        law_of_the_output_is_carried(ts_)


def start_without_signal_leaves_no_memory():
    """On the rectified flow from t = 1: DDIM's step, then a start of its own; with two points
    given, the same end.
    """
    _, ts = grid(np.float64, 1.0, 0.7, 0.4, 0.2, 0.1)
    denoise = diffx.denoiser(rectified_flow(), mixture(np.float64))
    x, sampler = jnp.array([[-1.0], [0.5]]), diffx.samplers.lms(rectified_flow(), denoise, order=3)
    whole, path = diffx.fold(sampler, x, ts, keep=diffx.keep_x)
    first = diffx.fold(diffx.ddim(rectified_flow(), denoise), x, ts[:2])[0]
    close(
        whole,
        np.asarray(diffx.fold(sampler, first, ts[1:])[0]),
        ulps=64,
        scale=2.0,
        why="the same steps",
    )
    known = diffx.samplers.with_past(sampler, path[:2], ts[1:4])
    close(
        whole,
        np.asarray(diffx.fold(known, path[2], ts[3:])[0]),
        ulps=64,
        scale=2.0,
        why="the memory of the same points",
    )


def law_of_the_output_is_carried(ts):
    """The history too: from N(b, V) the exact law is that of one gain."""
    law = law_of(np.float64, MEAN, VARIANCES)
    sampler = diffx.samplers.lms(vp(), diffx.denoiser(vp(), law), order=2)
    got = diffx.exact_law(sampler, law_of(np.float64, np.zeros(3), np.array([0.5, 1.0, 2.0])), ts)
    alpha, variance = nodes(path_of(vp), np.asarray(ts))
    gain = gauge.adams(alpha, variance, VARIANCES, 2)
    close(
        got.mean,
        MEAN - gain * alpha[0] * MEAN,
        ulps=1024,
        scale=np.abs(MEAN).max(),
        why="six steps",
    )
    close(
        got.cov,
        np.diag(gain**2 * np.array([0.5, 1.0, 2.0])),
        ulps=1024,
        scale=2.0 / alpha[0],
        why="six steps",
    )


@claim(
    "REV-30",
    "A deterministic sampler keeps a wrong mean in proportion: started at N(0, I) it is off by "
    "-gain alpha_T m",
    of=(
        "diffx.ddim",
        "diffx.euler",
        "diffx.heun",
        "diffx.prior",
    ),
    source="Lin et al. 2024, arXiv:2305.08891, section 3.1; derived here",
    grade="computed law",
)
def test_wrong_mean_at_the_start_survives(dtype):
    """With Stable Diffusion's schedule x_T = .068265 x_0 + .997667 eps; from the prior itself no
    bias is left.
    """
    law = law_of(dtype, MEAN, VARIANCES)
    ts, ts_ = grid(dtype, 0.9375, 0.7, 0.4, 0.2, 0.0)
    for make, method, scheme in (
        (vp, diffx.ddim, "ddim"),
        (rectified_flow, diffx.euler, "euler"),
        (rectified_flow, diffx.heun, "heun"),
    ):
        path, sampler = path_of(make), method(make(), diffx.denoiser(make(), law))
        steps = scheme_of(scheme, path, ts)
        alpha = path.alpha(ts)
        for begin in (0 * MEAN, alpha[0] * MEAN):
            begin = single(begin)
            got, _ = diffx.fold(sampler, jnp.asarray(begin, dtype), ts_)
            wanted = MEAN + steps.p.prod(0) * (begin - alpha[0] * MEAN)
            scale = recursions.run(steps, alpha, begin, 0 * MEAN, MEAN).mean_scale
            close(
                got,
                wanted,
                ulps=16,
                scale=scale,
                why="gain times the deviation, which the prior's mean does not have",
            )
    brightness_is_off(dtype, law)


def scheme_of(name, path, ts):
    alpha, variance = nodes(path, ts)
    if name == "ddim":
        return recursions.ddim(alpha, variance, VARIANCES)
    rates = (
        np.append(path.alpha_rate(ts[:-1]), 0.0),
        np.append(2 * path.sigma(ts[:-1]) * path.sigma_rate(ts[:-1]), 0.0),
    )
    return getattr(recursions, name)(ts, alpha, variance, *rates, VARIANCES)


def brightness_is_off(dtype, law):
    """Stable Diffusion's chain: DDIM from noise without a mean leaves -gain .068265 m; the prior
    has the mean.
    """
    betas = (np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).astype(dtype).astype(np.float64)
    kept = np.cumprod(1 - betas)
    chain = diffx.DDPMChain(jnp.asarray(betas, dtype))
    first = diffx.prior(chain, law)
    holds(
        abs(kept[-1] ** 0.5 - 0.068265) < 5e-7 and abs((1 - kept[-1]) ** 0.5 - 0.997667) < 5e-7,
        "the printed numbers",
    )
    close(first.mean.astype(dtype), kept[-1] ** 0.5 * MEAN, ulps=64, why="a product of 1000 links")
    close(
        first.cov.astype(dtype),
        kept[-1] * VARIANCES + 1 - kept[-1],
        ulps=64,
        why="a product of 1000 links",
    )
    _, ts = grid(dtype, 1.0, 0.5, 0.0)
    alpha = np.append(np.sqrt(kept[[999, 499]]), 1.0)
    gain = recursions.product_of_cosines(alpha, 1 - alpha**2, VARIANCES)
    got, _ = diffx.fold(diffx.ddim(chain, diffx.denoiser(chain, law)), jnp.zeros(3, dtype), ts)
    close(
        got,
        MEAN - gain * alpha[0] * MEAN,
        ulps=128,
        scale=2 * np.abs(MEAN),
        why="two steps, alpha a product of 1000 links",
    )


# --- the laws of one-step schemes, for REV-22 ----------------------------------------------------

GAMMA, LOW, HIGH = 0.3, 0.5, 8.0
SCHEMES = {
    "euler_ancestral": lambda p, d, n: diffx.samplers.euler_ancestral(p, d, eta=n[0]),
    "euler_ancestral, default": lambda p, d, n: diffx.samplers.euler_ancestral(p, d),
    "dpm2_ancestral": lambda p, d, n: diffx.samplers.dpm2_ancestral(p, d, eta=n[0]),
    "dpm2_ancestral, default": lambda p, d, n: diffx.samplers.dpm2_ancestral(p, d),
    "edm_stochastic": lambda p, d, n: diffx.samplers.edm_stochastic(
        p, d, gamma=n[1], noise_scale=n[2], sigma_low=n[3], sigma_high=n[4]
    ),
    "edm_stochastic, default": lambda p, d, n: diffx.samplers.edm_stochastic(p, d, gamma=n[1]),
    "sde_dpm_solver": lambda p, d, n: diffx.samplers.sde_dpm_solver(p, d),
    "exponential_sde": lambda p, d, n: diffx.samplers.exponential_sde(p, d),
}
NUMBERS = (0.75, GAMMA, 1.25, LOW, HIGH)


@jax.jit
def noisy_steps(process, mean, cov, x, t, s, z, numbers):
    """One step of each scheme from every row of x, with its own times and noise: where it leads,
    and the answer.
    """
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))

    def one(name):
        def step(x, t, s, z):
            state, info = SCHEMES[name](process, denoise, numbers).step(State(x), t, s, z)
            return state.x, info.x0

        return jax.vmap(step)(x, t, s, z)

    return {name: one(name) for name in SCHEMES}


def noisy_schemes_follow_their_recursions(dtype):
    """VP from t = 1, where churning is off by default, down to 0: the gain, mean and noise of every
    step.
    """
    ts, _ = grid(dtype, 1.0, 0.9, 0.7, 0.4, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    x, zs = single(np.random.default_rng(0).standard_normal((2, 5, 3)))
    numbers = single(NUMBERS)
    eta, gamma, scale, low, high = numbers
    most = np.sqrt(variance[0]) / alpha[0] / (1 + gamma)
    wanted = {
        "euler_ancestral": gauge.euler_ancestral(alpha, variance, VARIANCES, eta),
        "euler_ancestral, default": gauge.euler_ancestral(alpha, variance, VARIANCES, 1.0),
        "dpm2_ancestral": gauge.dpm2_ancestral(alpha, variance, VARIANCES, eta),
        "dpm2_ancestral, default": gauge.dpm2_ancestral(alpha, variance, VARIANCES, 1.0),
        "edm_stochastic": gauge.edm_stochastic(alpha, variance, VARIANCES, gamma, scale, low, high),
        "edm_stochastic, default": gauge.edm_stochastic(
            alpha, variance, VARIANCES, gamma, 1.0, 0.0, most
        ),
        "sde_dpm_solver": gauge.sde_dpm_solver(alpha, variance, VARIANCES),
        "exponential_sde": gauge.exponential_sde(alpha, variance, VARIANCES),
    }
    inputs = (
        vp(),
        *cast(dtype, MEAN, VARIANCES, x, ts[:-1], ts[1:], zs),
        tuple(cast(dtype, *numbers)),
    )
    got = noisy_steps(*inputs)
    for name, steps in wanted.items():
        moved, scale = gauge.each(steps, alpha, x, zs, MEAN)
        # a time of a log-SNR is known to some 10 ulps, and B(1) = 6 multiplies them
        close(got[name][0], moved, ulps=32, scale=scale, why=f"one step of {name}")
        if not name.startswith("edm"):  # that answers for where its noise has led it
            for i, t in enumerate(ts[:-1]):
                answers_at(dtype, got[name][1][i], t, x[i])
    if dtype == np.float64:
        spectrum_has_the_distances_of_exponential_integrators()
    narrow = jax.eval_shape(noisy_steps, *narrowed(inputs))
    holds(
        all(out.dtype == jnp.float32 for out in jax.tree.leaves(narrow)),
        "x decides the dtype, whatever the times are",
    )


@jax.jit
def spectrum_steps(process, variances, t, s):
    """What steps from t to s multiply x and z by, (methods, 2, n, d)."""
    denoise, one = (
        diffx.denoiser(process, diffx.GaussianLaw(0 * variances, variances)),
        jnp.ones_like(variances),
    )

    def parts(sampler):
        step = lambda x, z: jax.vmap(lambda t, s: sampler.step(State(x), t, s, z)[0].x)(t, s)
        return jnp.stack([step(one, 0 * one), step(0 * one, one)])

    return jnp.stack(
        [
            parts(diffx.samplers.exponential_sde(process, denoise)),
            parts(diffx.samplers.sde_dpm_solver(process, denoise)),
        ]
    )


def spectrum_has_the_distances_of_exponential_integrators():
    """W2 to SYN-256 after 50 steps from N(0, I) to t = 1e-3, with the score held and with eps
    held.
    """
    variances, ts = 1 / np.arange(1.0, 257) ** 2, diffx.uniform(50, t_min=1e-3)
    steps = spectrum_steps(diffx.VP(0.1, 20.0), jnp.asarray(variances), ts[:-1], ts[1:])
    for (gains, noises), printed in zip(np.asarray(steps), (1.085757, 1.647975), strict=True):
        spread = np.ones(256)
        for gain, noise in zip(gains, noises, strict=True):
            spread = gain**2 * spread + noise**2
        off = abs(np.sqrt(((np.sqrt(spread) - np.sqrt(variances)) ** 2).sum()) / printed - 1)
        holds(off < 1e-6, f"W2 is {printed}", measured=off, bound=1e-6)


def answers_at(dtype, answer, t, x):
    path = path_of(vp)
    wanted = bayes.gaussian_posterior(
        MEAN, np.diag(np.sqrt(VARIANCES)), path.alpha(t), path.sigma(t), x
    ).mean
    close(
        answer,
        wanted,
        ulps=16,
        scale=np.abs(MEAN) + np.abs(wanted) + np.abs(x),
        why="E[x_0 | x_t] at the start of the step",
    )


def narrowed(inputs):
    """The same with float32 data and float64 times."""
    process, mean, cov, x, t, s, z, numbers = inputs
    return (
        process,
        mean,
        cov,
        x.astype(jnp.float32),
        t.astype(jnp.float64),
        s.astype(jnp.float64),
        z,
        numbers,
    )
