"""DDPM: its variances, its exact special case, and what it costs to leave its noise out."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from jax.tree_util import Partial

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, cast, single
from spec_tests.support.paths import oracle as path_of, rectified_flow, ve, vp
from spec_tests.support.samplers import (
    CENTRES,
    MEAN,
    SPREADS,
    VARIANCES,
    WEIGHTS,
    answers_are_exact,
    grid,
    has_law,
    law_of,
    mixture,
    nodes,
    output_moments,
    steps_keep_the_dtype_of_x,
    x_and_answer,
)

# --- DDPM ---------------------------------------------------------------------------------------


@claim(
    "REV-06",
    "DDPM with the variance beta-tilde ends with too little variance; with beta it ends with too "
    "much for data of variance below 1, too little above",
    of=(
        "diffx.ddpm",
        "diffx.samplers.ddpm_step",
        "diffx.samplers.ddpm_beta",
        "diffx.samplers.ddpm_beta_step",
    ),
    source=(
        "Ho et al. 2020, arXiv:2006.11239, section 3.2; Bao et al. 2022, arXiv:2201.06503; "
        "numbers derived here"
    ),
    grade="bounded",
)
def test_two_variances_of_ddpm_sandwich_the_data(dtype):
    """V0(beta-tilde) <= L <= V0(beta) for L <= 1; both below L for L > 1; ten steps of Ho's chain
    by a recursion.
    """
    betas = np.linspace(1e-4, 0.02, 1000).astype(dtype).astype(np.float64)
    total = np.append(0.0, np.cumsum(np.log1p(-betas)))
    L, m = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0]), np.array([0.5, -1.0, 2.0, 0.0, 1.0, -3.0])
    chain, law = diffx.DDPMChain(jnp.asarray(betas, dtype)), law_of(dtype, m, L)
    start = law_of(dtype, 0 * m, 1 + 0 * L)
    got = {}
    for kind, method in (("tilde", diffx.ddpm), ("beta", diffx.samplers.ddpm_beta)):
        ts = diffx.grids.linspace(10).astype(dtype)
        steps = np.round(np.asarray(ts, np.float64) * 1000).astype(int)
        alpha, variance = np.exp(total[steps] / 2), -np.expm1(total[steps])
        wanted = recursions.run(
            recursions.ancestral(alpha, variance, L, kind), alpha, 0 * m, 1 + 0 * L, m
        )
        sampler = method(chain, diffx.denoiser(chain, law))
        got[kind] = diffx.exact_law(sampler, start, ts)
        has_law(got[kind], wanted, f"{kind}: ten steps of at most 16 ulps", ulps=32)
        steps_keep_the_dtype_of_x(
            method(vp(), diffx.denoiser(vp(), law_of(jnp.float32, MEAN, VARIANCES)))
        )
    tilde, beta = (np.diag(np.asarray(got[kind].cov, np.float64)) for kind in ("tilde", "beta"))
    slack = 100 * float(jnp.finfo(dtype).eps)
    holds(
        (tilde <= L + slack) & ((beta >= L - slack) | (L > 1)),
        "tilde <= L, and L <= beta where L <= 1",
    )
    holds(beta[L > 1] < L[L > 1], "for L > 1 beta is too small too")
    printed = np.array([tilde[1], beta[1], tilde[5], beta[5]]) - [
        0.104222,
        0.358621,
        2.275685,
        3.116799,
    ]
    holds(np.abs(printed) < 3e-6, "the printed numbers; float32 keeps 6 digits")
    quiet_last_step_ends_below(chain, law, start)


def quiet_last_step_ends_below(chain, law, start):
    """With the trailing grid and no noise in the last step beta too ends below L = 1/4."""
    ts, denoise = diffx.trailing(10).astype(law.mean.dtype), diffx.denoiser(chain, law)
    near = diffx.exact_law(diffx.samplers.ddpm_beta(chain, denoise), start, ts[:-1])
    last = diffx.exact_law(diffx.ddpm(chain, denoise), near, ts[-2:])  # its variance is 0 at s = 0
    holds(abs(float(last.cov[1, 1]) - 0.2439) < 5e-5, "L = 1/4 ends with .2439")


@claim(
    "REV-07",
    "With the optimal variance the ancestral sampler is exact on Gaussian data, in one step as in "
    "seven",
    of=("diffx.samplers.ddpm_optimal", "diffx.samplers.ddpm_optimal_step", "diffx.exact_law"),
    source="Bao et al. 2022, arXiv:2201.06503, Theorem 1",
    grade="computed law",
)
def test_optimal_variance_makes_ddpm_exact(dtype):
    """From the marginal at the first time the output law is the data's own, whatever the grid and
    the axes.
    """
    basis = st_.rotation(3, 3)
    full, diagonal = st_.rotated(VARIANCES, basis), VARIANCES
    flat = diffx.LowRank(*cast(dtype, basis[:, :1], np.array([4.0])), 0.25)
    flat_matrix = np.asarray(0.25 * np.eye(3) + 3.75 * np.outer(basis[:, 0], basis[:, 0]))
    ends_as_data(
        dtype,
        rectified_flow,
        jnp.asarray(full, dtype),
        full,
        (0.96875, 0.9, 0.7, 0.3, 0.2, 0.05, 0.01, 0.0),
    )
    ends_as_data(dtype, ve, jnp.asarray(diagonal, dtype), np.diag(diagonal), (1.0, 0.0))
    ends_as_data(dtype, vp, flat, flat_matrix, (0.9, 0.4, 0.0))
    ts, ts_ = grid(dtype, 0.9, 0.4, 0.0)
    law, x = law_of(dtype, MEAN, VARIANCES), np.array([1.0, -2.0, 3.0])
    sampler = diffx.samplers.ddpm_optimal(vp(), diffx.denoiser(vp(), law), law=law)
    end, (trajectory, answers) = diffx.fold(sampler, jnp.asarray(x, dtype), ts_, keep=x_and_answer)
    answers_are_exact(dtype, path_of(vp), ts, x, trajectory, answers)
    close(
        end,
        np.asarray(answers[0], np.float64),
        ulps=16,
        scale=np.abs(MEAN) + np.abs(x),
        why="no noise: E[x_0 | x_T]",
    )
    steps_keep_the_dtype_of_x(
        diffx.samplers.ddpm_optimal(
            vp(), diffx.denoiser(vp(), law), law=law_of(jnp.float32, MEAN, VARIANCES)
        )
    )


def ends_as_data(dtype, make, cov, matrix, times):
    """exact_law of the optimal sampler from the marginal at the first time."""
    law, (_, ts) = diffx.GaussianLaw(jnp.asarray(MEAN, dtype), cov), grid(dtype, *times)
    sampler = diffx.samplers.ddpm_optimal(make(), diffx.denoiser(make(), law), law=law)
    got = diffx.exact_law(sampler, diffx.marginal(make(), law, ts[0]), ts)
    cond = np.linalg.cond(matrix)  # the eigenvalues are known to cond ulps
    close(got.mean, MEAN, ulps=4 * len(times), scale=cond + np.abs(MEAN).max(), why="4 ulps a step")
    close(
        got.cov, matrix, ulps=4 * len(times), scale=cond + np.abs(matrix).max(), why="4 ulps a step"
    )


@claim(
    "REV-09",
    "DDPM without noise takes x_T to E[x_0 | x_T], whatever the number of steps: its variance "
    "collapses",
    of=("diffx.ddpm", "diffx.samplers.ddpm_step"),
    source="derived here: the product of sqrt(1 - beta) v_s/v_t telescopes",
    grade="computed law",
)
def test_ddpm_without_noise_lands_on_the_posterior_mean(dtype):
    """`fold` without noises of Gaussian data is the denoiser at x_T; Ho's chain leaves a variance
    of 4.0358e-5.
    """
    lands_on_the_posterior_mean(dtype)
    betas = jnp.linspace(1e-4, 0.02, 1000, dtype=dtype)
    chain, law = diffx.DDPMChain(betas), law_of(dtype, np.zeros(1), np.ones(1))
    sampler = diffx.ddpm(chain, diffx.denoiser(chain, law))
    wanted = np.exp(np.log1p(-np.asarray(betas, np.float64)).sum() / 2)
    for n in (1, 50, 1000):
        gain, _ = diffx.fold(sampler, jnp.ones(1, dtype), diffx.uniform(n).astype(dtype))
        why = (
            "n steps of 3 factors round at random, quotients to 2 ulps on a GPU (334 at n = "
            "1000); log alphabar = -10"
        )
        close(gain[0], wanted, ulps=16 + 16 * n**0.5, why=why)
        slack = 2 * (16 + 16 * n**0.5) * float(jnp.finfo(dtype).eps)
        holds(abs(float(gain[0]) ** 2 / 4.0358e-5 - 1) < 1.3e-5 + slack, "the printed five digits")


@FEW
@given(x=st_.points(3), ts=st_.grids(3, 0.0, 0.96875, gap=0.03125))
def lands_on_the_posterior_mean(dtype, x, ts):
    ts[-1] = 0.0
    for make in (vp, rectified_flow):
        path = path_of(make)
        sampler = diffx.ddpm(make(), diffx.denoiser(make(), law_of(dtype, MEAN, VARIANCES)))
        got, (trajectory, answers) = diffx.fold(sampler, *cast(dtype, x, ts), keep=x_and_answer)
        wanted = bayes.gaussian_posterior(
            MEAN, np.diag(np.sqrt(VARIANCES)), path.alpha(ts[0]), path.sigma(ts[0]), x
        ).mean
        close(
            got,
            wanted,
            ulps=32,
            scale=np.abs(MEAN) + np.abs(wanted) + np.abs(x),
            why=f"{make.__name__}: three steps",
        )
        answers_are_exact(dtype, path, ts, x, trajectory, answers)


# --- Analytic-DPM -------------------------------------------------------------------------------


def table(ts, values, t):
    """The value at a node."""
    return jnp.interp(t, ts, values)


@jax.jit
def one_step_of(sampler, x, t, s, z):
    return sampler.step(State(x), t, s, z)[0].x


@jax.jit
def analytic_steps(process, mean, variance, nodes, mmse, t, s, x):
    """One step from x, from x + 1, and with noise 1."""
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, variance))
    sampler = diffx.samplers.analytic_ddpm(process, denoise, mmse=Partial(table, nodes, mmse))
    step = jax.vmap(lambda x, z, t, s: sampler.step(State(x), t, s, z)[0].x)
    return step(x, 0 * x, t, s), step(x + 1, 0 * x, t, s), step(x, 0 * x + 1, t, s)


@claim(
    "REV-08",
    "Analytic-DPM's variance from E|score|^2 is that of the law of total variance; for Gaussians "
    "it is beta v_s/v_t, which is exact",
    of=("diffx.samplers.analytic_ddpm", "diffx.samplers.analytic_ddpm_step"),
    source="Bao et al. 2022, arXiv:2201.06503, Theorem 1",
    grade="computed law",
)
def test_analytic_variance_is_optimal(dtype):
    """Each of three steps takes N(m, L I) at t to that at s; a mixture's step: Theorem 1 with
    E|score|^2 by quadrature.
    """
    ts, _ = grid(dtype, 0.9, 0.5, 0.2, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    a, v = alpha[:, None], alpha[:, None] ** 2 * 0.5 + variance[:, None]
    mmse = 0.5 * variance / (alpha**2 * 0.5 + variance)
    times = cast(dtype, ts[::-1], mmse[::-1], ts[:-1], ts[1:], a[:-1] * MEAN)
    middle, away, noise = (
        np.asarray(part, np.float64)
        for part in analytic_steps(vp(), *cast(dtype, MEAN, 0.5), *times)
    )
    size = np.abs(MEAN) + 1
    close(middle.astype(dtype), a[1:] * MEAN, ulps=16, scale=size, why="the mean stays on its path")
    spread = (away - middle) ** 2 * v[:-1] + (noise - middle) ** 2
    close(
        spread.astype(dtype),
        v[1:] + 0 * MEAN,
        ulps=32,
        scale=size,
        why="v_s = gain^2 v_t + noise^2, by differences",
    )
    mixture_has_the_variance_of_the_theorem(dtype)


def mixture_has_the_variance_of_the_theorem(dtype):
    (t, s), path = single([0.5, 0.125]), path_of(vp)
    a, v = path.alpha(t), path.variance(t)
    y = np.linspace(-8, 8, 2001)
    log_p = bayes.gmm_log_prob(
        *bayes.gmm_noised(WEIGHTS, CENTRES, SPREADS[:, None, None], a, np.sqrt(v)), y[:, None]
    )
    p = np.exp(log_p) * (y[1] - y[0])
    after = bayes.gmm_posterior(WEIGHTS, CENTRES, SPREADS[:, None, None], a, np.sqrt(v), y[:, None])
    mmse, score2 = (
        (p * after.cov[:, 0, 0]).sum(),
        (p * np.gradient(log_p, y, edge_order=2) ** 2).sum(),
    )
    gain, spread = path.transition(t, s)
    tilde = path.variance(s) * spread**2 / v
    wanted = tilde + (np.sqrt(v) / gain - np.sqrt(path.variance(s) - tilde)) ** 2 * (1 - v * score2)
    known = Partial(table, *cast(dtype, [0, 1], [mmse] * 2))
    sampler = diffx.samplers.analytic_ddpm(vp(), diffx.denoiser(vp(), mixture(dtype)), mmse=known)
    ends = one_step_of(sampler, *cast(dtype, [[0.25], [0.25]], t, s, [[0.0], [1.0]]))
    got = float(ends[1, 0]) - float(ends[0, 0])
    off = abs(got**2 / wanted - 1)
    below(off, 3e-5, "differences of log p on a grid of 1/125 are good to 1e-5")


# --- the final variance as one sum --------------------------------------------------------------


@claim(
    "REV-10",
    "The final variance of an ancestral sampler is a sum: (alpha_T L/v_T)^2 V_T + sum of (alpha_s "
    "L/v_s)^2 noise_s",
    of=(
        "diffx.ddpm",
        "diffx.samplers.ddpm_step",
        "diffx.samplers.ddpm_beta",
        "diffx.samplers.ddpm_beta_step",
    ),
    source="derived here: the posterior means from any time to 0 telescope to the denoiser",
    grade="computed law",
)
def test_final_variance_is_a_sum_over_the_steps(dtype):
    """No recursion: what a noise at s becomes at t = 0 is the denoiser's slope at s, for beta-tilde
    and for beta.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.7, 0.4, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    a, s2 = alpha[:, None], variance[:, None]
    slopes = a * VARIANCES / (a**2 * VARIANCES + s2)
    fresh = s2[:-1] - (a[:-1] / a[1:]) ** 2 * s2[1:]
    law, begin = law_of(dtype, MEAN, VARIANCES), law_of(dtype, MEAN, 2 + 0 * MEAN)
    for method, noise in (
        (diffx.ddpm, fresh * s2[1:] / s2[:-1]),
        (diffx.samplers.ddpm_beta, fresh),
    ):
        wanted = slopes[0] ** 2 * 2 + (slopes[1:] ** 2 * noise).sum(0)
        _, got = output_moments(
            method(vp(), diffx.denoiser(vp(), law)),
            ts_,
            begin.mean,
            begin.cov,
            lambda z: z[0],
            slots=1,
        )
        close(
            got,
            wanted,
            ulps=64,
            scale=2 * wanted + 1,
            why=f"{method.__name__}: four steps; differences of rows around the mean",
        )
