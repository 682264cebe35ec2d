"""DDIM: its gain, its error, its grid, and the family with noise."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from jax.tree_util import Partial
from scipy.optimize import minimize

import diffx
from spec_tests.instrument.close import close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, recursions
from spec_tests.support import exact_starts, strategies as st_
from spec_tests.support.arrays import FEW, cast, single
from spec_tests.support.paths import PROCESSES, edm, oracle as path_of, rectified_flow, trig, ve, vp
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
    steps_keep_the_dtype_of_x,
    x_and_answer,
)

# --- DDIM ---------------------------------------------------------------------------------------


@claim(
    "REV-11",
    "DDIM on Gaussian data is the exact flow times a product of cosines, on any grid of any "
    "process",
    of=("diffx.ddim", "diffx.samplers.ddim_step", "diffx.grids.equal_angle", "diffx.exact_law"),
    source="derived here; compare Sun, Poor and Zhang, arXiv:2601.13602",
    grade="computed law",
)
def test_ddim_gain_is_a_product_of_cosines(dtype):
    """x_0 - m = (rho_0/rho_T) prod cos(phi_t - phi_s) (x_T - alpha_T m); equal angles over pi/2
    give cos(pi/2N)^N.
    """
    product_of_cosines_is_the_gain(dtype)
    unit = law_of(dtype, np.zeros(1), np.ones(1))
    for n, printed in ((2, 0.5), (4, 0.728553), (50, 0.975624)):
        ts = diffx.grids.equal_angle(trig(), n).astype(dtype)
        gain, _ = diffx.fold(
            diffx.ddim(trig(), diffx.denoiser(trig(), unit)), jnp.ones(1, dtype), ts
        )
        close(gain[0], np.cos(np.pi / 2 / n) ** n, ulps=8 * n, scale=1.0, why="8 ulps a step")
        holds(abs(float(gain[0]) - printed) < 3e-6, "the printed gain")
    equal_angles_are_equal(dtype)
    law, (ts, ts_) = law_of(dtype, MEAN, VARIANCES), grid(dtype, 0.9, 0.5, 0.1)
    got = diffx.exact_law(
        diffx.ddim(ve(), diffx.denoiser(ve(), law)), diffx.marginal(ve(), law, ts_[0]), ts_
    )
    alpha, variance = nodes(path_of(ve), ts)
    gain = recursions.product_of_cosines(alpha, variance, VARIANCES)
    close(
        got.cov,
        np.diag(gain**2 * (VARIANCES + variance[0])),
        ulps=64,
        scale=VARIANCES.max() + variance[-1],
        why="two steps",
    )
    close(
        got.mean,
        MEAN,
        ulps=64,
        scale=np.abs(MEAN).max(),
        why="the mean of the marginal stays on its path",
    )


@FEW
@given(x=st_.points(3), ts=st_.grids(4, 0.0, 0.96875, gap=0.03125))
def product_of_cosines_is_the_gain(dtype, x, ts):
    for make, last in ((vp, 0.0), (ve, ts[-1]), (rectified_flow, 0.0)):
        path, times = path_of(make), np.append(ts[:-1], last)
        sampler = diffx.ddim(make(), diffx.denoiser(make(), law_of(dtype, MEAN, VARIANCES)))
        got, (trajectory, answers) = diffx.fold(sampler, *cast(dtype, x, times), keep=x_and_answer)
        alpha, variance = nodes(path, times)
        gain = recursions.product_of_cosines(alpha, variance, VARIANCES)
        run = recursions.run(recursions.ddim(alpha, variance, VARIANCES), alpha, x, 0 * x, MEAN)
        wanted = alpha[-1] * MEAN + gain * (x - alpha[0] * MEAN)
        close(
            got,
            wanted,
            ulps=16,
            scale=run.mean_scale,
            why=f"{make.__name__}: four steps, their roundings carried along",
        )
        answers_are_exact(dtype, path, times, x, trajectory, answers)
    steps_keep_the_dtype_of_x(
        diffx.ddim(vp(), diffx.denoiser(vp(), law_of(jnp.float32, MEAN, VARIANCES)))
    )


def equal_angles_are_equal(dtype):
    path, (_, ends) = path_of(vp), grid(dtype, 0.875, 0.125)
    ts = diffx.grids.equal_angle(vp(), 5, std=jnp.asarray(0.5, dtype), t_max=ends[0], t_min=ends[1])
    times = np.asarray(ts, np.float64)
    alpha, variance = nodes(path, times)
    phi = np.arctan2(np.sqrt(variance), 0.5 * alpha)
    first, last = (np.arctan2(path.sigma(t), 0.5 * path.alpha(t)) for t in (0.875, 0.125))
    wanted = np.linspace(first, last, 6)
    close(
        phi.astype(dtype),
        wanted,
        ulps=64,
        scale=1.0,
        why="a time of 4 ulps through a schedule of slope 6",
    )


@claim(
    "REV-12",
    "The error of DDIM on a rectified flow is (1/2)[1 + (pi/4)(1 + L)/sqrt L] sqrt L/N to leading "
    "order",
    of="diffx.ddim",
    source="derived here: N (1 - prod cos) -> (1/2) int (dphi/du)^2 du",
    grade="order",
    dtypes=("float64",),
    why_dtypes="a leading constant is the limit of many steps: rounding in float32 hides it",
)
def test_error_of_ddim_has_its_first_order_constant(dtype):
    """W2 of the N-step output to N(0, L), N = 64 to 512, on uniform times."""
    L, ns = np.array([0.25, 1.0, 4.0]), [64, 128, 256, 512]
    sampler = diffx.ddim(
        rectified_flow(), diffx.denoiser(rectified_flow(), law_of(dtype, np.zeros(3), L))
    )
    errors = np.array(
        [
            np.sqrt(L) - diffx.fold(sampler, jnp.ones(3, dtype), diffx.uniform(n).astype(dtype))[0]
            for n in ns
        ]
    )
    constants = (1 + np.pi / 4 * (1 + L) / np.sqrt(L)) / 2
    holds(np.abs(constants - [1.481748, 1.285398, 1.481748]) < 5e-7, "the printed constants")
    for i, constant in enumerate(constants * np.sqrt(L)):
        # the next order is about constant^2/2N: 0.2% at N = 512
        slope(
            ns,
            errors[:, i],
            order=1,
            constant=constant,
            constant_rtol=4e-3,
            why="first-order method",
        )


def mixture_answer(a, s, x):
    """E[x_0 | a x_0 + s eps = x] of the one-dimensional mixture, x (n,)."""
    return bayes.gmm_posterior(WEIGHTS, CENTRES, SPREADS[:, None, None], a, s, x[:, None]).mean[
        :, 0
    ]


@claim(
    "REV-14",
    "Trajectories x/alpha of DDIM and of every exponential solver on one grid of log-SNRs are the "
    "same for all processes",
    of=("diffx.ddim", "diffx.samplers.ddim_step", *exact_starts.OF),
    source="Karras et al. 2022, arXiv:2206.00364, section 4; derived here",
    grade="identity",
)
def test_ddim_does_not_see_the_schedule(dtype):
    """In y = x/alpha and r = sigma/alpha DDIM is y + (r_s - r_t) (y - D)/r: a mixture in plain
    numpy.
    """
    levels, start = np.linspace(-3.0, 5.0, 5), np.array([-4.0, -0.5, 1.0, 6.0])
    for make in PROCESSES:
        path = path_of(make)
        # each process meets its own float32 times; the oracle follows at their log-SNRs
        ts = (
            np.array([path.time_of_log_snr(l) for l in levels])
            .astype(np.float32)
            .astype(np.float64)
        )
        alpha, r = path.alpha(ts), path.sigma(ts) / path.alpha(ts)
        x = single(alpha[0] * start)
        y, wanted = x / alpha[0], []
        for now, then in pairwise(r):
            y = y + (then - now) * (y - mixture_answer(1.0, now, y)) / now
            wanted.append(y)
        sampler = diffx.ddim(make(), diffx.denoiser(make(), mixture(dtype)))
        got = diffx.fold(sampler, *cast(dtype, x[:, None], ts), keep=diffx.keep_x)[1][..., 0]
        # a logit of size 100 makes 100 ulps of a weight, and its 16 ulps of a step stretch further
        # in the next
        scale = 10 * np.abs(start).max()
        close(
            (got / alpha[1:, None]).astype(dtype),
            np.array(wanted),
            ulps=16,
            scale=scale,
            why=f"{make.__name__}: four steps of a mixture",
        )
    y64 = (
        [trajectory_at_levels(make, levels, start) for make in PROCESSES]
        if dtype == np.float64
        else []
    )
    for other in y64[1:]:
        close(
            other,
            np.asarray(y64[0]),
            ulps=2048,
            scale=np.abs(start).max(),
            why="times of a log-SNR are known to 100 ulps",
        )
    exact_starts.do_not_see_the_schedule(dtype)


def trajectory_at_levels(make, levels, start):
    """x/alpha at the nodes of one grid of log-SNRs, as the process finds them."""
    process = make()
    ts = process.time_of_log_snr(jnp.asarray(levels))
    sampler = diffx.ddim(process, diffx.denoiser(process, mixture(jnp.float64)))
    _, kept = diffx.fold(sampler, process.alpha(ts[0]) * start[:, None], ts, keep=diffx.keep_x)
    return kept[..., 0] / process.alpha(ts[1:])[:, None]


@claim(
    "REV-15",
    "DDIM, DPM-Solver-1, DEIS-1, Euler on straight paths and in EDM's time are one map; Euler in "
    "the time of VP is another",
    of=(
        "diffx.ddim",
        "diffx.samplers.ddim_step",
        "diffx.euler",
        "diffx.samplers.euler_step",
        "diffx.flow_euler",
        "diffx.samplers.flow_euler_step",
        *exact_starts.FIRST_ORDER_OF,
    ),
    source="Lu et al. 2022, arXiv:2206.00927, section 4; Karras et al. 2022, arXiv:2206.00364",
    grade="identity",
)
def test_ddim_is_euler_on_straight_paths_only(dtype):
    """A mixture: x + (s - t) (x - D)/t in numpy, where the noise level is the time."""
    ts, ts_ = grid(dtype, 0.9, 0.6, 0.3, 0.1)
    start = np.array([-2.0, -0.5, 0.25, 1.0])
    rf, law = rectified_flow(), mixture(dtype)
    denoise = diffx.denoiser(rf, law)
    straight = [diffx.ddim(rf, denoise), diffx.euler(rf, denoise)]
    straight.append(diffx.flow_euler(Partial(diffx.reverse.probability_flow, rf, denoise)))
    for make, samplers in (
        (rectified_flow, straight),
        (edm, [m(edm(), diffx.denoiser(edm(), law)) for m in STRAIGHT]),
    ):
        path, x = path_of(make), start * (40 if make is edm else 1)
        wanted, answers = straight_steps(path, ts, x)
        for sampler in samplers:
            _, (trajectory, answered) = diffx.fold(
                sampler, *cast(dtype, x[:, None], ts_), keep=x_and_answer
            )
            # x - D is 40 times the data with EDM; a step of the mixture stretches errors up to
            # 5-fold
            scale = 10 * np.abs(x).max()
            close(
                trajectory[..., 0],
                wanted,
                ulps=16,
                scale=scale,
                why=f"{make.__name__}: three steps of a mixture",
            )
            close(
                answered[..., 0],
                answers,
                ulps=16,
                scale=scale,
                why=f"{make.__name__}: the answer that every step reports",
            )
    for method in STRAIGHT:
        steps_keep_the_dtype_of_x(
            method(vp(), diffx.denoiser(vp(), law_of(jnp.float32, MEAN, VARIANCES)))
        )
    steps_keep_the_dtype_of_x(diffx.flow_euler(halved))
    apart = [
        diffx.fold(m(vp(), diffx.denoiser(vp(), law)), *cast(dtype, start[:, None], ts_))[0]
        for m in STRAIGHT
    ]
    gap = np.abs(np.asarray(apart[0] - apart[1])).max()
    holds(gap > 0.02, "Euler in the time of VP is not DDIM", measured=float(gap), bound=0.02)
    exact_starts.of_order_one_are_ddim(dtype)


def halved(x, t):
    return (x / 2).astype(x.dtype)


STRAIGHT = (diffx.ddim, diffx.euler)


def straight_steps(path, ts, x):
    """Euler on dx/dt = (x - D)/t for EDM, eps - x0 for the rectified flow: the trajectory and the
    answers.
    """
    trajectory, answers = [], []
    for t, s in pairwise(ts):
        answer = mixture_answer(path.alpha(t), path.sigma(t), x)
        eps = (x - path.alpha(t) * answer) / path.sigma(t)
        x = x + (s - t) * (path.alpha_rate(t) * answer + path.sigma_rate(t) * eps)
        trajectory.append(x)
        answers.append(answer)
    return np.array(trajectory), np.array(answers)


@claim(
    "REV-16",
    "DDIM with noise eta has the variance eta^2 beta-tilde: eta = 1 is DDPM and "
    "SDE-DPM-Solver++1, eta = 0 is DDIM; all tend to the law of the data",
    of=(
        "diffx.ddim",
        "diffx.samplers.ddim_eta_step",
        "diffx.ddpm",
        "diffx.samplers.ddpm_step",
        "diffx.samplers.sde_dpm_solver_pp",
        "diffx.samplers.sde_dpm_solver_pp_1_step",
    ),
    source=(
        "Song, Meng and Ermon 2021, arXiv:2010.02502, eqs. (12), (16); Lu et al. 2022, "
        "arXiv:2211.01095"
    ),
    grade="order",
)
def test_eta_family_runs_from_ddim_to_ddpm(dtype):
    """Exact output laws against the recursion of eq. (12); the error of eta = 1/2 falls as 1/N."""
    law, start = law_of(dtype, MEAN, VARIANCES), law_of(dtype, 0 * MEAN, 1 + 0 * MEAN)
    ts, ts_ = grid(dtype, 0.96875, 0.6, 0.3, 0.125, 0.0)
    denoise = diffx.denoiser(vp(), law)
    alpha, variance = nodes(path_of(vp), ts)
    eta_laws = {}
    for eta in (0.0, 0.25, 1.0):
        sampler = diffx.ddim(vp(), denoise, eta=jnp.asarray(eta, dtype))
        wanted = recursions.run(
            recursions.ddim(alpha, variance, VARIANCES, eta), alpha, 0 * MEAN, 1 + 0 * MEAN, MEAN
        )
        eta_laws[eta] = diffx.exact_law(sampler, start, ts_)
        has_law(eta_laws[eta], wanted, "four steps")
        deterministic_without_noise(dtype, sampler, ts, ts_, eta)
    for eta, name, method in (
        (0.0, "DDIM", diffx.ddim),
        (1.0, "DDPM", diffx.ddpm),
        (1.0, "SDE-DPM-Solver++", Partial(diffx.samplers.sde_dpm_solver_pp, order=1)),
    ):
        same = diffx.exact_law(method(vp(), denoise), start, ts_)
        end = recursions.run(
            recursions.ddim(alpha, variance, VARIANCES, eta), alpha, 0 * MEAN, 1 + 0 * MEAN, MEAN
        )
        scale = np.sqrt(np.outer(end.variance_scale, end.variance_scale))
        close(
            eta_laws[eta].cov,
            np.asarray(same.cov, np.float64),
            ulps=32,
            scale=scale,
            why=f"the covariance of {name}",
        )
        close(
            eta_laws[eta].mean,
            np.asarray(same.mean, np.float64),
            ulps=32,
            scale=end.mean_scale,
            why=f"the mean of {name}",
        )
    steps_keep_the_dtype_of_x(
        diffx.ddim(vp(), diffx.denoiser(vp(), law_of(jnp.float32, MEAN, VARIANCES)), eta=0.5)
    )
    if dtype == np.float64:
        error_falls_as_one_over_n()


def deterministic_without_noise(dtype, sampler, ts, ts_, eta):
    x = np.array([1.0, -2.0, 3.0])
    got, (trajectory, answers) = diffx.fold(sampler, jnp.asarray(x, dtype), ts_, keep=x_and_answer)
    alpha, variance = nodes(path_of(vp), ts)
    wanted = recursions.run(recursions.ddim(alpha, variance, VARIANCES, eta), alpha, x, 0 * x, MEAN)
    close(got, wanted.mean, ulps=16, scale=wanted.mean_scale, why="four steps without noise")
    answers_are_exact(dtype, path_of(vp), ts, x, trajectory, answers)


def error_falls_as_one_over_n():
    law = law_of(jnp.float64, np.zeros(3), VARIANCES)
    sampler = diffx.ddim(vp(), diffx.denoiser(vp(), law), eta=jnp.asarray(0.5))
    errors, ns = [], [64, 128, 256, 512]
    for n in ns:
        now, ts = diffx.marginal(vp(), law, 1.0), diffx.uniform(n)
        for i in range(0, n, 4):  # four steps at a time: one program for all n
            now = diffx.exact_law(sampler, now, ts[i : i + 5])
        errors.append(float(diffx.w2(now, law)))
    slope(ns, errors, order=1, why="DDIM and DDPM are first-order methods")


# --- the best grid ------------------------------------------------------------------------------


@claim(
    "REV-13",
    "Of all grids of N steps equal angles lose the least: DDIM's gain on N(0, .25) in ten steps "
    "from 80 to .002 is .884916",
    of=("diffx.grids.equal_angle", "diffx.ddim"),
    source=(
        "derived here: log cos is concave; the same grid in Sabour et al. 2024, "
        "arXiv:2404.14507, Theorem 3.1"
    ),
    grade="bounded",
)
def test_equal_angles_are_the_best_grid(dtype):
    """An optimiser over all grids finds no better one, and finds this one; Karras' grid reaches
    .752777, log-linear .767349.
    """
    low, high, std = 0.002, 80.0, 0.5
    process, law = (
        diffx.EDM(jnp.asarray(high, dtype)),
        law_of(dtype, np.zeros(1), np.array([std**2])),
    )
    last = jnp.asarray(low / high, dtype)
    sampler = diffx.ddim(process, diffx.denoiser(process, law))
    grids = {
        "equal": diffx.grids.equal_angle(
            process, 10, std=jnp.asarray(std, dtype), t_max=jnp.asarray(1, dtype), t_min=last
        ),
        "karras": diffx.karras(process, 11, sigma_min=low).astype(dtype)[:-1],
        "log": diffx.grids.uniform_log_snr(process, 10, t_max=jnp.asarray(1, dtype), t_min=last),
    }
    rho = np.sqrt((std**2 + low**2) / (std**2 + high**2))
    gain = {
        name: float(diffx.fold(sampler, jnp.ones(1, dtype), ts)[0][0]) / rho
        for name, ts in grids.items()
    }
    for name, printed in (("equal", 0.884916), ("karras", 0.752777), ("log", 0.767349)):
        holds(
            abs(gain[name] - printed) < 5e-6,
            f"{name}: {printed}; float32 keeps 6 digits",
            gain[name],
            printed,
        )
    first, final = np.arctan(high / std), np.arctan(low / std)
    best = best_angles(first, final)
    holds(gain["equal"] >= np.cos(np.diff(best)).prod() - 1e-5, "nothing better is found")
    angles = np.arctan(np.asarray(grids["equal"], np.float64) * high / std)
    holds(np.abs(angles - best).max() < 1e-5, "and what is found is this grid")


def best_angles(first, final):
    """The angles of the best grid of ten steps by BFGS, started from sigmas in geometric
    progression.
    """
    whole = lambda inner: np.concatenate([[first], inner, [final]])
    start = np.arctan(np.geomspace(np.tan(first), np.tan(final), 11))
    lost = lambda inner: -np.log(np.cos(np.diff(whole(inner)))).sum()
    return whole(minimize(lost, start[1:-1], method="BFGS", options={"gtol": 1e-9}).x)
