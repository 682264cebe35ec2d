"""Distances of Gaussians: W2, the distances to the spectrum SYN-256, the budget of the error."""

from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import recursions
from spec_tests.support import strategies as st_
from spec_tests.support.compiled import sqrtm
from spec_tests.support.paths import oracle as path_of, rectified_flow
from spec_tests.support.samplers import MEAN, VARIANCES, law_of, nodes
from spec_tests.support.schemes import recursion

PIERRET = "Pierret and Galerne 2024, arXiv:2405.14250"
SPECTRUM = 1 / np.arange(1.0, 257) ** 2

# --- W2 -----------------------------------------------------------------------------------------

A, M = st_.rotated(VARIANCES, st_.rotation(1, 3)), np.array([0.5, -1.0, 2.0])
VALUES, N = np.array([2.0, 0.5, 0.125]), np.array([0.0, 1.0, 0.25])
B, ROOT = st_.rotated(VALUES, st_.rotation(2, 3)), sqrtm(A)
OF_ROOTS = ((np.sqrt(VARIANCES) - np.sqrt(VALUES)) ** 2).sum()
PAIRS = {  # (mean and covariance of both, W2 squared, ulps, scale or None, why)
    "two matrices": (
        ((M, A), (N, B)),
        ((M - N) ** 2).sum() + np.trace(A + B - 2 * sqrtm(ROOT @ B @ ROOT)),
        (64, 16.0, "eigenvalues down to 1/16"),
    ),
    "two diagonals": (
        ((M, VARIANCES), (N, VALUES)),
        ((M - N) ** 2).sum() + OF_ROOTS,
        (8, None, "a sum of squares"),
    ),
    "a matrix and a number": (
        ((M, np.diag(VARIANCES)), (M, np.asarray(0.25))),
        ((np.sqrt(VARIANCES) - 0.5) ** 2).sum(),
        (64, None, "a scalar variance"),
    ),
    "a law and itself": (
        ((M, A), (M, A)),
        0.0,
        (64, 2.0, "linear in the rounding, not its square root"),
    ),
}


@claim(
    "REV-40",
    "W2 of two Gaussians is that of the trace formula, and of sums of squares where covariances "
    "commute",
    of="diffx.w2",
    source="Dowson and Landau 1982",
    grade="computed law",
)
@pytest.mark.parametrize("name", PAIRS)
def test_w2_is_the_wasserstein_distance(dtype, name):
    """tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)) in numpy."""
    (p, q), squared, (ulps, scale, why) = PAIRS[name]
    got = diffx.w2(law_of(dtype, *p), law_of(dtype, *q))
    close(got, np.sqrt(squared), ulps=ulps, scale=scale, why=why)


# --- the spectrum -------------------------------------------------------------------------------

PRINTED = {  # W2 of N-step samplers on SYN-256, N = 10, 50, 250, 1000
    "euler_maruyama": (11.3052, 1.80783, 0.302487, 0.123261),
    "euler": (0.541561, 0.164413, 0.108838, 0.0898695),
    "heun": (6.38601, 0.227674, 0.0517876, 0.0803622),
    "ddim": (0.371212, 0.129788, 0.0751763, 0.0786368),
    "ddpm": (0.464227, 0.194116, 0.085758, 0.0751577),
    "ddpm_optimal": (0.0824781, 0.0824781, 0.0824781, 0.0824781),
}
STEPS = (10, 50, 250, 1000)


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


def spectrum_has_the_printed_distance(name, n):
    """W2 to SYN-256, L_k = 1/k^2, from N(0, I) down to t = 1e-3, ten steps at a time."""
    printed = PRINTED[name][STEPS.index(n)]
    ts, law = diffx.uniform(n, t_min=1e-3), (jnp.zeros((256, 1)), jnp.ones((256, 1, 1)))
    sampler_of = Partial(sampler_on_vp, Partial(getattr(diffx.samplers, name)))
    for i in range(0, n, 10):
        law = ten_steps(sampler_of, jnp.asarray(SPECTRUM), *law, ts[i : i + 11])
    got = diffx.GaussianLaw(law[0][:, 0], law[1][:, 0, 0])
    target = diffx.GaussianLaw(jnp.zeros(256), jnp.asarray(SPECTRUM))
    off = abs(float(diffx.w2(got, target)) / printed - 1)
    holds(off < 1e-5, f"W2 of {name} after {n} steps is {printed}", measured=off, bound=1e-5)


@claim(
    "REV-41",
    "From N(0, I), N steps of a method miss the spectrum 1/k^2 by the printed W2",
    of=(
        "diffx.exact_law",
        "diffx.w2",
        "diffx.euler_maruyama",
        "diffx.euler",
        "diffx.heun",
        "diffx.ddim",
        "diffx.ddpm",
        "diffx.samplers.ddpm_optimal",
    ),
    source=f"{PIERRET}, for the schemes; the spectrum and its numbers: here",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes="the printed numbers have six digits",
)
@pytest.mark.parametrize("n", STEPS[:3])
@pytest.mark.parametrize("name", PRINTED)
def test_spectrum_has_the_printed_distances(dtype, name, n):
    spectrum_has_the_printed_distance(name, n)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_spectrum_has_its_distances_at_a_thousand_steps(name):
    spectrum_has_the_printed_distance(name, 1000)


EXPONENTIAL = {  # the method, W2 after 50 steps
    "exponential_sde": (diffx.samplers.exponential_sde, 1.085757),
    "sde_dpm_solver": (diffx.samplers.sde_dpm_solver, 1.647975),
}


@jax.jit
def spectrum_steps(sampler_of, process, variances, t, s):
    """What steps from t to s multiply x and z by, (2, n, d)."""
    denoise = diffx.denoiser(process, diffx.GaussianLaw(0 * variances, variances))
    one, sampler = jnp.ones_like(variances), sampler_of(process, denoise)
    step = lambda x, z: jax.vmap(lambda t, s: sampler.step(State(x), t, s, z)[0].x)(t, s)
    return jnp.stack([step(one, 0 * one), step(0 * one, one)])


@claim(
    "REV-42",
    "Fifty steps from N(0, I) miss the spectrum 1/k^2 by a W2 of 1.085757 with the score held, and "
    "of 1.647975 with eps held",
    of=(
        "diffx.samplers.exponential_sde",
        "diffx.samplers.exponential_sde_step",
        "diffx.samplers.sde_dpm_solver",
        "diffx.samplers.sde_dpm_solver_step",
    ),
    source=f"{PIERRET}, for the first scheme; the spectrum and its numbers: here",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes="the printed numbers have seven digits",
)
@pytest.mark.parametrize("name", EXPONENTIAL)
def test_spectrum_has_the_distances_of_exponential_integrators(dtype, name):
    """From N(0, I) to t = 1e-3."""
    method, printed = EXPONENTIAL[name]
    ts, spread = diffx.uniform(50, t_min=1e-3), np.ones(256)
    steps = spectrum_steps(
        Partial(method), diffx.VP(0.1, 20.0), jnp.asarray(SPECTRUM), ts[:-1], ts[1:]
    )
    for gain, noise in zip(*np.asarray(steps), strict=True):
        spread = gain**2 * spread + noise**2
    off = abs(np.sqrt(((np.sqrt(spread) - np.sqrt(SPECTRUM)) ** 2).sum()) / printed - 1)
    holds(off < 1e-6, f"W2 is {printed}", measured=off, bound=1e-6)


# --- the budget ---------------------------------------------------------------------------------

IN_FLOAT64 = "differences of exact laws, which REV-22 and REV-40 hold in both dtypes"
START = (np.array([0.25, 0.5, -1.0]), np.array([1.5, 0.75, 1.0]))
WRONG = (MEAN + 0.25, 1.5 * VARIANCES)
BUDGETS = {  # method, the eta that is given, the eta of the member that it stands for
    "euler_maruyama": (diffx.euler_maruyama, None, 1.0),
    "euler": (diffx.euler, None, 0.0),
    "euler for eta = 0.5": (diffx.euler, 0.5, 0.5),
}
TERMS = ("truncation", "initialisation", "discretisation", "score", "total")
TS = np.array([0.9375, 0.7, 0.4, 0.125])


@cache
def budget(name):
    method, eta, _ = BUDGETS[name]
    return diffx.error_budget(
        method,
        rectified_flow(),
        law_of(np.float64, MEAN, VARIANCES),
        jnp.asarray(TS),
        start=law_of(np.float64, *START),
        denoise=diffx.denoiser(rectified_flow(), law_of(np.float64, *WRONG)),
        eta=eta,
    )


@cache
def closed_budget(name):
    """The same terms, between the data and what comes out of a real run in five stages."""
    path, scheme = path_of(rectified_flow), name.partition(" ")[0]
    alpha, variance = nodes(path, TS)
    gain, noise = recursions.reverse_family(path, TS[0], TS[-1], VARIANCES, BUDGETS[name][2])
    limit = alpha[-1] * MEAN + gain * (START[0] - alpha[0] * MEAN), gain**2 * START[1] + noise
    discrete = recursions.run(recursion(scheme, path, TS, VARIANCES), alpha, *START, MEAN)
    real = recursions.run(recursion(scheme, path, TS, WRONG[1]), alpha, *START, WRONG[0])
    at_end = alpha[-1] * MEAN, alpha[-1] ** 2 * VARIANCES + variance[-1]
    stages = [(MEAN, VARIANCES), at_end, limit, discrete[:2], real[:2]]
    numbers = [distance(p, q) for p, q in [*pairwise(stages), (stages[0], stages[-1])]]
    return dict(zip(TERMS, numbers, strict=True))


def distance(p, q):
    return np.sqrt(((p[0] - q[0]) ** 2).sum() + ((np.sqrt(p[1]) - np.sqrt(q[1])) ** 2).sum())


@claim(
    "REV-43",
    "Every term of the error budget is the W2 of two Gaussians in closed form",
    of="diffx.error_budget",
    source=f"{PIERRET}, sections 4, 5; the closed forms: here",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=IN_FLOAT64,
)
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("name", BUDGETS)
def test_budget_splits_the_error(dtype, name, term):
    """eta is by default 1 for a method with noise and 0 without."""
    close(
        getattr(budget(name), term),
        np.asarray(closed_budget(name)[term]),
        ulps=512,
        scale=3.0,
        why=f"{term}: roots of a matrix of condition 64",
    )


@claim(
    "REV-44",
    "By default the error budget starts at the marginal and asks the exact denoiser, and both are "
    "without error",
    of="diffx.error_budget",
    source="here",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=IN_FLOAT64,
)
@pytest.mark.parametrize("term", ["initialisation", "score"])
def test_default_budget_has_neither_error(dtype, term):
    plain = default_budget()
    close(getattr(plain, term), np.asarray(0.0), ulps=256, scale=3.0, why="two equal laws")


@cache
def default_budget():
    law = law_of(np.float64, MEAN, VARIANCES)
    return diffx.error_budget(diffx.euler, rectified_flow(), law, jnp.asarray(TS))


@claim(
    "REV-45",
    "The whole error is at most the sum of the four terms of its budget",
    of="diffx.error_budget",
    source="the triangle inequality of W2",
    grade="bounded",
    dtypes=("float64",),
    why_dtypes=IN_FLOAT64,
)
@pytest.mark.parametrize("name", BUDGETS)
def test_error_is_at_most_the_sum_of_its_budget(dtype, name):
    most = sum(number for term, number in closed_budget(name).items() if term != "total")
    holds(budget(name).total <= most * (1 + 1e-12), "the triangle inequality")
