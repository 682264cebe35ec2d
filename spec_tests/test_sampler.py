"""The first samplers: what N steps do to Gaussian data, on which grids they agree, and where they
are exact.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from jax.tree_util import Partial

import diffx
from diffx.samplers.protocol import State
from spec_tests import solvers, strategies as st_
from spec_tests.close import close, holds, slope
from spec_tests.oracles import bayes, recursions
from spec_tests.paths import PROCESSES, edm, oracle as path_of, rectified_flow, trig, ve, vp
from spec_tests.registry import claim
from spec_tests.test_reverse import FEW, cast, single

MEAN = np.array([0.5, -1.0, 2.0])
VARIANCES = np.array([0.0625, 1.0, 4.0])


def grid(dtype, *ts):
    """A grid that float32 holds, in numpy and in dtype."""
    ts = np.array(ts, np.float32).astype(np.float64)
    return ts, jnp.asarray(ts, dtype)


def nodes(path, ts):
    return path.alpha(ts), path.variance(ts)


def law_of(dtype, mean, cov):
    return diffx.GaussianLaw(*cast(dtype, mean, cov))


def x_and_answer(state, info):
    """For `keep`: the trajectory and what the denoiser answered."""
    return state.x, info.x0


def steps_keep_the_dtype_of_x(sampler):
    """float32 data with float64 times stays float32: x decides."""
    x, t = jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((), jnp.float64)
    state, info = jax.eval_shape(sampler.step, State(x), t, t, None if sampler.noise is None else x)
    holds(
        state.x.dtype == jnp.float32 and info.x0.shape == (3,),
        "a step casts to the dtype of x once, at its end",
    )


def has_law(law, wanted, why, ulps=16, turned=None):
    """Mean and covariance of a sampler's output against a recursion, the axes turned where the
    data's are.
    """
    turned = np.eye(len(wanted.variance)) if turned is None else turned
    close(
        law.mean, turned @ wanted.mean, ulps=ulps, scale=np.abs(turned) @ wanted.mean_scale, why=why
    )
    scale = np.sqrt(np.outer(wanted.variance_scale, wanted.variance_scale))
    wanted_cov, scale = (
        turned @ np.diag(wanted.variance) @ turned.T,
        np.abs(turned) @ scale @ np.abs(turned).T,
    )
    close(law.cov, wanted_cov, ulps=ulps, scale=scale, why=why)


def answers_are_exact(dtype, path, ts, x, trajectory, answers, variances=VARIANCES):
    """Each step reports E[x_0 | x_t] of where it started, by Bayes' rule."""
    starts = np.concatenate([x[None], np.asarray(trajectory, np.float64)[:-1]])
    for t, start, answer in zip(ts[:-1], starts, answers, strict=True):
        root = np.diag(np.sqrt(variances))
        wanted = bayes.gaussian_posterior(MEAN, root, path.alpha(t), path.sigma(t), start).mean
        scale = np.abs(MEAN) + np.abs(wanted) + np.abs(start)
        close(
            answer.astype(dtype),
            wanted,
            ulps=16,
            scale=scale,
            why="the denoiser's answer at the start of the step",
        )


# --- DDPM ---------------------------------------------------------------------------------------


@claim(
    "REV-06",
    "DDPM ends with too little variance by beta-tilde; by beta with too much for data of variance "
    "below 1, too little above",
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
        has_law(got[kind], wanted, "ten steps of at most 16 ulps", ulps=32)
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
    "With the optimal variance the ancestral sampler of Gaussian data is exact, in one step as in "
    "seven",
    of=("diffx.samplers.ddpm_optimal", "diffx.samplers.ddpm_optimal_step", "diffx.exact_law"),
    source="Bao et al. 2022, arXiv:2201.06503, Theorem 1",
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
    "DDPM without noise goes from x_T to E[x_0 | x_T], whatever the number of steps: its variance "
    "collapses",
    of=("diffx.ddpm", "diffx.samplers.ddpm_step"),
    source="derived here: the product of sqrt(1 - beta) v_s/v_t telescopes",
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
            got, wanted, ulps=32, scale=np.abs(MEAN) + np.abs(wanted) + np.abs(x), why="three steps"
        )
        answers_are_exact(dtype, path, ts, x, trajectory, answers)


# --- DDIM ---------------------------------------------------------------------------------------


@claim(
    "REV-11",
    "DDIM on Gaussian data is the exact flow times a product of cosines, on any grid of any "
    "process",
    of=("diffx.ddim", "diffx.samplers.ddim_step", "diffx.grids.equal_angle", "diffx.exact_law"),
    source="derived here; compare Sun, Poor and Zhang, arXiv:2601.13602",
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
            why="four steps, their roundings carried along",
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


WEIGHTS, CENTRES, SPREADS = (
    np.array([0.25, 0.75]),
    np.array([[-1.0], [1.5]]),
    np.array([0.25, 0.0625]),
)


def mixture_answer(a, s, x):
    """E[x_0 | a x_0 + s eps = x] of the one-dimensional mixture, x (n,)."""
    return bayes.gmm_posterior(WEIGHTS, CENTRES, SPREADS[:, None, None], a, s, x[:, None]).mean[
        :, 0
    ]


def mixture(dtype):
    return diffx.MixtureLaw(*cast(dtype, WEIGHTS, CENTRES, SPREADS))


@claim(
    "REV-14",
    "Trajectories x/alpha of DDIM and of every exponential solver on one grid of log-SNRs are the "
    "same for all processes",
    of=("diffx.ddim", "diffx.samplers.ddim_step", *solvers.OF),
    source="Karras et al. 2022, arXiv:2206.00364, section 4; derived here",
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
            why="four steps of a mixture",
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
    solvers.do_not_see_the_schedule(dtype)


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
        *solvers.FIRST_ORDER_OF,
    ),
    source="Lu et al. 2022, arXiv:2206.00927, section 4; Karras et al. 2022, arXiv:2206.00364",
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
            close(trajectory[..., 0], wanted, ulps=16, scale=scale, why="three steps of a mixture")
            close(
                answered[..., 0],
                answers,
                ulps=16,
                scale=scale,
                why="the answer that every step reports",
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
    solvers.of_order_one_are_ddim(dtype)


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
    "DDIM's noise eta has variance eta^2 beta-tilde: eta = 1 is DDPM and SDE-DPM-Solver++1, eta = "
    "0 DDIM; all tend to the data",
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
        "arXiv:2211.01095, section 6"
    ),
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
    for eta, method in (
        (0.0, diffx.ddim),
        (1.0, diffx.ddpm),
        (1.0, Partial(diffx.samplers.sde_dpm_solver_pp, order=1)),
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
            why="the same law by another method",
        )
        close(
            eta_laws[eta].mean,
            np.asarray(same.mean, np.float64),
            ulps=32,
            scale=end.mean_scale,
            why="the same mean",
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


# --- where they are exact -----------------------------------------------------------------------


def constant_answer(point, x, t):
    return jnp.broadcast_to(point, x.shape)


def constant_noise(process, eps, x, t):
    """The denoiser of a constant eps."""
    return (x - process.sigma(t) * eps) / process.alpha(t)


@claim(
    "REV-17",
    "DDIM and exponential solvers are exact on any grid where the predicted x_0 or the predicted "
    "noise is constant",
    of=("diffx.ddim", "diffx.samplers.ddim_step", *solvers.OF, *solvers.SDE_OF),
    source="Song, Meng and Ermon 2021, arXiv:2010.02502, section 4; derived here",
)
def test_solvers_are_exact_where_the_prediction_is_constant(dtype):
    """DDIM for drawn points and grids; every solver once."""
    ddim_keeps_a_constant_prediction(dtype)
    solvers.keep_a_constant_answer(dtype)


@FEW
@given(x=st_.points(3), point=st_.points(3), ts=st_.grids(3, 0.0625, 0.9375, gap=0.0625))
def ddim_keeps_a_constant_prediction(dtype, x, point, ts):
    """x_s = alpha_s p + (sigma_s/sigma_t)(x - alpha_t p), and x_s = (alpha_s/alpha_t)(x - sigma_t
    e) + sigma_s e.
    """
    for make in (vp, rectified_flow):
        process, path = make(), path_of(make)
        (a_t, a_s), (s_t, s_s) = path.alpha(ts[[0, -1]]), path.sigma(ts[[0, -1]])
        numbers = np.abs(x) + np.abs(point)
        wanted = a_s * point + s_s / s_t * (x - a_t * point)
        mass = diffx.GaussianLaw(jnp.asarray(point, dtype), jnp.zeros((), dtype))
        for denoise in (
            Partial(constant_answer, jnp.asarray(point, dtype)),
            diffx.denoiser(process, mass),
        ):
            got, _ = diffx.fold(diffx.ddim(process, denoise), *cast(dtype, x, ts))
            close(got, wanted, ulps=32, scale=numbers, why="three steps that scale and shift")
        wanted = a_s / a_t * (x - s_t * point) + s_s * point
        steady = Partial(constant_noise, process, jnp.asarray(point, dtype))
        got, _ = diffx.fold(diffx.ddim(process, steady), *cast(dtype, x, ts))
        close(
            got,
            wanted,
            ulps=32,
            scale=numbers * (1 + a_s / a_t),
            why="the signal grows by alpha_s/alpha_t",
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


def test_only_stochastic_methods_ask_for_noise():
    """A method that draws what it does not use costs 30 times the step; one that must draw and does
    not is not itself.
    """
    process, law = vp(), law_of(np.float64, MEAN, VARIANCES)
    denoise = diffx.denoiser(process, law)
    quiet = [method(process, denoise) for method in (diffx.ddim, diffx.euler, diffx.heun)]
    quiet += [diffx.flow_euler(denoise), diffx.samplers.exact_flow(process, law)]
    noisy = [
        method(process, denoise)
        for method in (diffx.ddpm, diffx.samplers.ddpm_beta, diffx.euler_maruyama)
    ]
    noisy += [
        diffx.samplers.ddpm_optimal(process, denoise, law=law),
        diffx.ddim(process, denoise, eta=0.0),
    ]
    noisy += [diffx.samplers.exact_flow(process, law, eta=1.0)]
    assert all(sampler.noise is None for sampler in quiet)
    assert all(sampler.noise is not None for sampler in noisy)


def test_gradient_of_heun_to_time_zero_is_finite():
    """The field is not defined at sigma = 0: where Euler's step is taken it must not be evaluated
    there.
    """
    law = law_of(np.float64, MEAN, VARIANCES)
    sampler, ts = diffx.heun(vp(), diffx.denoiser(vp(), law)), diffx.uniform(3)
    slope = jax.grad(lambda x: diffx.fold(sampler, x, ts)[0].sum())(jnp.ones(3))
    assert jnp.isfinite(slope).all()
