"""Flow matching: velocities, their loss and its least value, times, the rectified flow of
Gaussians, WAN's settings.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.tree_util import Partial

import diffx
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, flow, recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, cast, precision
from spec_tests.support.flows import euler_law, field, gaussian, ones, shifted
from spec_tests.support.paths import PROCESSES, oracle as path_of, rectified_flow, trig

LIPMAN = "Lipman et al. 2023, arXiv:2210.02747"
MEAN, BASIS = np.array([0.5, -1.0]), (7, 2)  # a rotation's seed and dimension


@jax.jit
def velocities(processes, weights, means, variances, x0, eps, xs, ts):
    law = diffx.MixtureLaw(weights, means[:, None], variances)
    marginal = [
        diffx.flow_matching.marginal_velocity(p, law)(x[:, None], t)[:, 0]
        for p, x, t in zip(processes, xs, ts, strict=True)
    ]
    return marginal, [
        diffx.flow_matching.conditional_velocity(p, x0, eps, t)
        for p, t in zip(processes, ts, strict=True)
    ]


@claim(
    "FM-01",
    "The marginal velocity is the mean of the conditional one given x_t; on straight paths it is "
    "eps - x0, towards noise",
    of=("diffx.flow_matching.marginal_velocity", "diffx.flow_matching.conditional_velocity"),
    source=f"{LIPMAN}, Theorem 1; Liu et al. 2023, arXiv:2209.03003",
    grade="identity",
)
@FEW
@given(
    weights=st_.weights(3),
    means=st_.points(3),
    variances=st_.arrays(3, st_.log_uniform(0.05, 5.0)),
    z=st_.normals(4),
    t=st_.times(0.125, 0.9375),
)
def test_marginal_velocity_is_the_mean_of_the_conditional(dtype, weights, means, variances, z, t):
    """A mixture under all processes by quadrature over x0; the path's derivative; a Gaussian in
    closed form.
    """
    weights, paths = weights / weights.sum(), [path_of(make) for make in PROCESSES]
    xs = [
        np.float32(p.alpha(t) * means[0] + np.sqrt(p.alpha(t) ** 2 * 2 + p.variance(t)) * z).astype(
            float
        )
        for p in paths
    ]
    x0, eps = means, variances
    drawn = cast(dtype, weights, means, variances, x0, eps)
    marginal, conditional = velocities(
        [make() for make in PROCESSES], *drawn, cast(dtype, *xs), cast(dtype, *[t] * len(paths))
    )
    for path, x, u, one in zip(paths, xs, marginal, conditional, strict=True):
        a, s, rates = path.alpha(t), path.sigma(t), (path.alpha_rate(t), path.sigma_rate(t))
        size = np.abs(rates[0] * x0) + np.abs(rates[1] * eps)
        close(
            one,
            rates[0] * x0 + rates[1] * eps,
            ulps=16,
            scale=size,
            why="two products, each with a derivative",
        )
        wanted = flow.mean_velocity(weights, means, variances, rates, a, s, x)
        turn = np.abs(rates[0]) + np.abs(rates[1]) * a / s
        logs = ((x[:, None] - a * means) ** 2 / (a**2 * variances + s**2)).max(-1) / 2
        size = np.abs(rates[1] * x) / s + turn * (np.abs(means).max() + np.abs(x) / a) * (1 + logs)
        close(
            u,
            wanted,
            ulps=16,
            scale=size,
            why="alpha' D + sigma' (x - alpha D)/sigma, D with a softmax of log-densities",
        )
    points_from_data_to_noise(dtype, means, variances, z[:3], t)


def points_from_data_to_noise(dtype, mean, variances, x, t):
    """Rectified flow: u = -mu + ((t - (1-t) L)/v) (x - (1-t) mu), and eps - x0."""
    v = (1 - t) ** 2 * variances + t**2
    wanted = -mean + (t - (1 - t) * variances) / v * (x - (1 - t) * mean)
    got = diffx.flow_matching.marginal_velocity(
        diffx.RectifiedFlow(), gaussian(dtype, mean, variances)
    )(*cast(dtype, x, t))
    size = np.abs(mean) / t + np.abs(x) * (1 / t + (1 - t) * variances / v / t)
    close(
        got,
        wanted,
        ulps=8,
        scale=size,
        why="(x - D)/t, D of a mean and an x each weighted by its precision",
    )
    got = diffx.flow_matching.conditional_velocity(diffx.RectifiedFlow(), *cast(dtype, mean, x, t))
    close(got, x - mean, ulps=1, scale=np.abs(x) + np.abs(mean), why="one difference")


# --- the loss -----------------------------------------------------------------------------------

UNIT, MASSES = bayes.hermite(3, 4)  # exact: the loss is of degree 2 in x0 and eps
SIGMA = flow.sigma_points(4)


def affine(theta, x, t):
    return jnp.matmul(theta[0], x, precision="highest") + theta[1]


@jax.jit
@jax.value_and_grad
def affine_loss(theta, x0, eps, ts, weights):
    return diffx.flow_matching.cfm_loss(
        diffx.RectifiedFlow(), Partial(affine, theta), x0, eps, ts, weights=weights
    )


@claim(
    "FM-02",
    "The conditional loss is the marginal one plus E Var(u | x_t), which no model changes: their "
    "gradients are equal",
    of="diffx.flow_matching.cfm_loss",
    source=f"{LIPMAN}, Theorem 2",
    grade="computed law",
)
@given(
    mean=st_.points(2),
    L=st_.arrays(2, st_.log_uniform(0.1, 10.0)),
    matrix=st_.arrays((2, 2), st_.floats(-2.0, 2.0)),
    shift=st_.arrays(2, st_.floats(-2.0, 2.0)),
    ts=st_.arrays(2, st_.times(0.0625, 0.9375)),
)
def test_conditional_loss_is_the_marginal_one_and_a_constant(dtype, mean, L, matrix, shift, ts):
    """An affine model at two times: the coded loss of all pairs by quadrature, E|A x + b - u(x)|^2
    in closed form.
    """
    x0, eps = np.tile(mean + np.sqrt(L) * UNIT[:, :2], (2, 1)), np.tile(UNIT[:, 2:], (2, 1))
    weights = np.tile(MASSES * len(MASSES), 2)
    rows = cast(dtype, x0, eps, np.repeat(ts, len(MASSES)), weights)
    value, gradients = affine_loss(tuple(cast(dtype, matrix, shift)), *rows)
    parts = [marginal_loss(mean, L, matrix, shift, t) for t in ts]
    loss, by_matrix, by_shift, sizes, reach = (
        np.mean(part, axis=0) for part in zip(*parts, strict=True)
    )
    why = "rounding of the squares that are averaged"
    close(value, loss, ulps=16, scale=(sizes**2).mean(), why=why)
    close(gradients[0], by_matrix, ulps=16, scale=np.outer(sizes, reach), why=why)
    close(gradients[1], by_shift, ulps=16, scale=sizes, why=why)


def marginal_loss(mean, L, matrix, shift, t):
    """E|A x + b - u|^2/2 + mean L/v, its derivatives in A and b, and the sizes of residual and
    x.
    """
    v, middle = (1 - t) ** 2 * L + t**2, (1 - t) * mean
    slope = (t - (1 - t) * L) / v
    excess, offset = (
        matrix - np.diag(slope),
        matrix @ middle + shift + mean,
    )  # u at the middle is -mean
    loss = (np.einsum("ij,j,ij->", excess, v, excess) + offset @ offset) / 2 + (L / v).mean()
    reach = np.abs(middle) + 3 * np.sqrt(v)
    sizes = np.abs(matrix) @ reach + np.abs(shift) + np.abs(mean) + 3 * np.sqrt(L) + 3
    return loss, excess * v + np.outer(offset, middle), offset, sizes, reach


@jax.jit
def density_scores(weights, means, covs, x, t):
    law = diffx.MixtureLaw(weights, means, covs)
    rf = diffx.RectifiedFlow()
    return diffx.flow_matching.marginal_velocity(rf, law)(
        x, t
    ), diffx.predictions.velocity_of_score(rf, x, diffx.score(rf, law)(x, t), t)


@claim(
    "FM-03",
    "The rectified flow's velocity is -(x + t score)/(1 - t), the probability flow f x - g^2 "
    "score/2 of its own SDE",
    of=("diffx.flow_matching.marginal_velocity", "diffx.predictions.velocity_of_score"),
    source="Song et al. 2021, arXiv:2011.13456, eq. (13); Liu et al. 2023, arXiv:2209.03003",
    grade="identity",
)
@given(seed=st_.seeds(), t=st_.times(0.0625, 0.9375))
def test_velocity_is_the_probability_flow_of_its_sde(dtype, seed, t):
    """A mixture with full covariances: the score by complex steps of scipy's density."""
    random, path = np.random.default_rng(seed), path_of(rectified_flow)
    means = np.float32(2 * random.standard_normal((3, 2))).astype(float)
    covs = np.stack(
        [st_.rotated(np.array([0.25, 1.0 + k]), st_.rotation(seed + k, 2)) for k in range(3)]
    )
    weights = np.array([0.25, 0.25, 0.5])
    x = np.float32(random.standard_normal((4, 2)) + (1 - t) * means[0]).astype(float)
    score = bayes.gmm_score(weights, means, covs, 1 - t, t, x)
    holds(np.abs(path.f(t) + 1 / (1 - t)) < 1e-12, "f = -1/(1 - t)")
    wanted = path.f(t) * x - path.g2(t) / 2 * score
    for got in density_scores(*cast(dtype, weights, means, covs, x, t)):
        size = np.abs(x).max() + np.abs(means).max()
        scale = (1 + size**2 / (0.0625 + t**2)) * (size / t + size) / (1 - t)
        close(
            got,
            wanted,
            ulps=1,
            scale=scale,
            why="a softmax of log-densities, then a quotient by t or 1 - t",
        )


@jax.jit
def least_losses(law, x0, eps, ts, weights):
    field = diffx.flow_matching.marginal_velocity(diffx.RectifiedFlow(), law)
    weighted = jax.vmap(
        lambda w: diffx.flow_matching.cfm_loss(diffx.RectifiedFlow(), field, x0, eps, ts, weights=w)
    )(weights)
    return (
        *weighted,
        diffx.flow_matching.cfm_loss(diffx.RectifiedFlow(), field, x0, eps, ts),
        diffx.flow_matching.optimal_cfm_loss(law),
    )


@claim(
    "FM-04",
    "The least flow-matching loss on Gaussian data is L/v_t at one time and, summed over entries, "
    "(pi/2) tr Sigma^(1/2) over uniform times",
    of=("diffx.flow_matching.cfm_loss", "diffx.flow_matching.optimal_cfm_loss"),
    source="derived here",
    grade="computed law",
)
def test_least_loss_is_half_pi_times_the_trace_of_the_root(dtype):
    """The exact velocity on all pairs by sigma points, over times by Gauss-Legendre; logit-normal
    times by their density.
    """
    n = 48
    ts, masses = flow.legendre(n)
    pi = flow.complex_step(lambda t: flow.logit_normal_cdf(t, 0.5, 0.75), ts)
    coded = np.asarray(
        diffx.flow_matching.logit_normal_density(jnp.asarray(ts, dtype), mean=0.5, std=0.75),
        np.float64,
    )
    rows = [np.repeat(a, len(SIGMA)) for a in (ts, n * masses, n * masses * coded)]
    full = st_.rotated(np.array([0.25, 2.25]), st_.rotation(*BASIS))
    for cov in (np.diag([0.25, 2.25]), full):
        L, turn = np.linalg.eigh(cov)
        v = (1 - ts[:, None]) ** 2 * L + ts[:, None] ** 2
        x0, eps = (
            np.tile(MEAN + (np.sqrt(L) * SIGMA[:, :2]) @ turn.T, (n, 1)),
            np.tile(SIGMA[:, 2:], (n, 1)),
        )
        law = gaussian(dtype, MEAN, cov)
        uniform, weighted, plain, optimal = least_losses(
            law, *cast(dtype, x0, eps, rows[0], np.stack(rows[1:]))
        )
        why, size = (
            "squares of differences of numbers of size 6, averaged",
            36 * (1 + (cov is full)),
        )
        close(
            optimal,
            np.pi / 2 * np.sqrt(L).mean(),
            ulps=8,
            why="a mean of square roots of eigenvalues",
        )
        close(uniform, np.pi / 2 * np.sqrt(L).mean(), ulps=8, scale=size, why=why)
        close(plain, (L / v).mean(), ulps=8, scale=size, why=why)
        close(weighted, (masses * pi * (L / v).mean(-1)).sum(), ulps=8, scale=size, why=why)
    exact = flow.integral(lambda t: logit_normal_share(t) * (L / ((1 - t) ** 2 * L + t**2)).mean())
    holds(
        abs((masses * pi * (L / v).mean(-1)).sum() - exact) < 1e-10,
        "the nodes suffice for the integral of pi(t) L/v_t",
    )
    total = 2 * float(optimal)
    holds(
        abs(total - np.pi / 2 * np.trace(flow.sqrtm(full))) < 1e-5,
        "(pi/2) tr Sigma^(1/2), summed over entries",
    )
    for form in (
        jnp.asarray(4.0, dtype),
        diffx.LowRank(*cast(dtype, np.eye(2)[:, :1], [9.0]), jnp.asarray(1.0, dtype)),
    ):
        close(
            diffx.flow_matching.optimal_cfm_loss(diffx.GaussianLaw(jnp.zeros(2, dtype), form)),
            np.pi,
            ulps=2,
            why="roots 2, 2 and 3, 1",
        )


def logit_normal_share(t):
    return flow.complex_step(lambda t: flow.logit_normal_cdf(t, 0.5, 0.75), t) if 0 < t < 1 else 0.0


# --- the rectified flow of Gaussians ------------------------------------------------------------


@jax.jit
def maps(p, q, x):
    return diffx.flow_matching.gaussian_ot_map(p, q, x)


@jax.jit
def flow_from_noise(law, z, t):
    rf = diffx.RectifiedFlow()
    step = diffx.samplers.exact_flow(rf, law).step
    one, zero = jnp.ones_like(t), jnp.zeros_like(t)
    state = diffx.State(z)
    return step(state, one, t, None)[0].x, step(state, one, zero, None)[0].x


def covariances(d):
    return st.builds(
        lambda q, v: st_.rotated(v, q), st_.rotations(d), st_.arrays(d, st_.log_uniform(0.05, 5.0))
    )


@claim(
    "FM-05",
    "From N(0, I) the rectified flow of Gaussian data goes (1 - t) mu + rho_t z and ends as the "
    "optimal map mu + Sigma^(1/2) z",
    of=("diffx.flow_matching.gaussian_ot_map", "diffx.samplers.exact_flow"),
    source="derived here; Dowson and Landau 1982 for the map",
    grade="identity",
)
@given(
    mean=st_.points(3),
    cov=covariances(3),
    other=covariances(3),
    x=st_.points(2, 3),
    t=st_.times(0.0625, 0.9375),
)
def test_rectified_flow_of_gaussians_is_optimal_transport(dtype, mean, cov, other, x, t):
    """Brenier: the map is symmetric, positive and pushes one law to the other; no root of a matrix
    in the oracle of T.
    """
    law, unit = gaussian(dtype, mean, cov), gaussian(dtype, np.zeros(3), np.eye(3))
    middle, end = flow_from_noise(law, *cast(dtype, x, t))
    cond = np.sqrt(np.linalg.cond(cov))
    size = np.abs(mean).max() + (np.abs(x).max() + np.abs(mean).max()) * cond * (
        1 + np.sqrt(np.linalg.norm(cov, 2))
    )
    close(end, mean + x @ flow.sqrtm(cov), ulps=8, scale=size, why="a gain along every eigenvector")
    rho = flow.sqrtm((1 - t) ** 2 * cov + t**2 * np.eye(3))
    close(
        middle, (1 - t) * mean + x @ rho, ulps=8, scale=size, why="a gain along every eigenvector"
    )
    close(
        maps(unit, law, jnp.asarray(x, dtype)),
        mean + x @ flow.sqrtm(cov),
        ulps=16,
        scale=size,
        why="the same map",
    )
    is_brenier(dtype, mean, cov, other)


def is_brenier(dtype, mean, cov, other):
    p, q = gaussian(dtype, mean, cov), gaussian(dtype, -2 * mean, other)
    zero = gaussian(dtype, np.zeros(3), cov), gaussian(dtype, np.zeros(3), other)
    matrix = np.asarray(maps(*zero, jnp.eye(3, dtype=dtype)), np.float64).astype(dtype)
    size = np.linalg.cond(cov) * np.linalg.norm(matrix, 2)
    why = "roots of two covariances, a polar factor and a solve"
    close(matrix, matrix.T.astype(np.float64), ulps=32, scale=size, why=why)
    exact = matrix.astype(np.float64)
    holds(np.linalg.eigvalsh((exact + exact.T) / 2) > 0, "the gradient of a convex function")
    pushed = exact @ cov @ exact.T
    scale = size * np.linalg.norm(cov, 2) * np.linalg.norm(exact, 2)
    close(pushed.astype(dtype), other, ulps=32, scale=scale, why=why)
    moved = maps(p, q, jnp.asarray(mean[None] + [[1.0, 0.0, 0.0]] * 2, dtype)[:, :3])
    off = size * (1 + np.abs(mean).max()) + np.abs(mean).max()
    close(moved, np.tile(-2 * mean + exact[0], (2, 1)), ulps=32, scale=off, why="m_q + T (x - m_p)")


GAINS = {  # (L, N): shift 1, 3, 5
    (1.0, 10): (0.878984, 0.833024, 0.770877),
    (1.0, 50): (0.974616, 0.964453, 0.950387),
    (0.25, 50): (0.970793, 0.943175, 0.914300),
}


@claim(
    "FM-06",
    "One Euler step from noise returns the mean of the data; N steps have a product of cosines as "
    "their gain, also on shifted grids",
    of=(
        "diffx.flow_euler",
        "diffx.samplers.flow_euler_step",
        "diffx.flow_matching.marginal_velocity",
    ),
    source="derived here",
    grade="computed law",
)
def test_one_step_gives_the_mean_and_many_a_product_of_cosines(dtype):
    """phi = atan(t/((1 - t) sqrt L)); the printed ratios of gain to sqrt L at shifts 1, 3 and 5."""
    law = gaussian(dtype, MEAN, [1.0, 0.25])
    x = np.array([[1.5, -0.5], [-3.0, 2.0]])
    field = diffx.flow_matching.marginal_velocity(diffx.RectifiedFlow(), law)
    end, _ = diffx.fold(diffx.flow_euler(field), *cast(dtype, x, [1.0, 0.0]))
    close(end, np.tile(MEAN, (2, 1)), ulps=2, scale=np.abs(x) + np.abs(MEAN), why="x - (x - mean)")
    close(
        euler_law(law, shifted(dtype, 1, 1.0)).cov, np.zeros((2, 2)), ulps=1, scale=1, why="gain 0"
    )
    for n in (10, 50):
        for i, shift in enumerate((1.0, 3.0, 5.0)):
            got = euler_law(law, shifted(dtype, n, shift))
            ts = np.asarray(shifted(np.float64, n, shift))
            gains = recursions.product_of_cosines(1 - ts, ts**2, np.array([1.0, 0.25]))
            close(
                jnp.sqrt(jnp.diag(got.cov)),
                gains,
                ulps=16,
                why="n steps and the rounding of their times",
            )
            close(
                got.mean,
                MEAN * (1 - 0 * gains),
                ulps=2 * n,
                scale=np.abs(MEAN),
                why="the mean moves on a straight line",
            )
            for k, L in enumerate((1.0, 0.25)):
                if (L, n) in GAINS:
                    off = abs(float(jnp.sqrt(got.cov[k, k])) / np.sqrt(L) - GAINS[L, n][i])
                    below(off, 1e-6, f"the printed ratio {GAINS[L, n][i]}")


# --- one map, three names -----------------------------------------------------------------------

WEIGHTS, MEANS, VARIANCES = np.array([0.25, 0.75]), np.array([-1.0, 1.5]), np.array([0.25, 0.5])


@claim(
    "FM-15",
    "On WAN's grid Euler steps of the rectified flow are DDIM steps on any path and Euler steps "
    "of EDM, level by level",
    of=(
        "diffx.flow_matching.flow_grid",
        "diffx.ddim",
        "diffx.euler",
        "diffx.flow_euler",
    ),
    source="Lu et al. 2022, arXiv:2206.00927, section 4; Karras et al. 2022, arXiv:2206.00364",
    grade="identity",
)
def test_steps_on_wans_grid_are_one_map(dtype):
    """A mixture on the default solver's grid of 50 steps: x + (s - t) (x - D)/t in numpy; x/alpha
    agrees elsewhere.
    """
    ts = 5 * (u := np.linspace(0.999, 0, 51)) / (1 + 4 * u)
    start = np.array([-2.0, -0.5, 0.25, 1.0])
    wanted = straight_steps(ts, start)
    law = diffx.MixtureLaw(*cast(dtype, WEIGHTS, MEANS[:, None], VARIANCES))
    rf, circle, wide = rectified_flow(), trig(), diffx.EDM(jnp.asarray(8192.0, dtype))
    with precision(dtype):
        times = diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"], t_max=0.999)
    angles = np.arctan(ts / (1 - ts)) * 2 / np.pi
    ratio = ts / (1 - ts)
    runs = [
        (diffx.flow_euler(diffx.flow_matching.marginal_velocity(rf, law)), times, 1.0),
        (diffx.ddim(rf, diffx.denoiser(rf, law)), times, 1.0),
        (diffx.ddim(circle, diffx.denoiser(circle, law)), angles, 1 / np.hypot(1 - ts[0], ts[0])),
        (diffx.ddim(wide, diffx.denoiser(wide, law)), ratio / 8192, 1 / (1 - ts[0])),
        (diffx.euler(wide, diffx.denoiser(wide, law)), ratio / 8192, 1 / (1 - ts[0])),
    ]
    for sampler, grid, factor in runs:
        end, _ = diffx.fold(sampler, *cast(dtype, start[:, None] * factor, grid))
        close(
            end[:, 0],
            wanted,
            ulps=32,
            scale=2,
            why="fifty steps, each stretching errors a little; a start of few ulps",
        )


def straight_steps(ts, x):
    for t, s in pairwise(ts):
        answer = bayes.gmm_posterior(
            WEIGHTS, MEANS[:, None], VARIANCES[:, None, None], 1 - t, t, x[:, None]
        ).mean[:, 0]
        x = x + (s - t) * (x - answer) / t
    return x


def test_velocities_of_unequal_shapes_are_refused():
    rf = diffx.RectifiedFlow()
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.conditional_velocity(rf, ones(2, 3), ones(3), 0.5)
    with pytest.raises(ValueError, match="scalar time"):
        diffx.flow_matching.conditional_velocity(rf, ones(2), ones(2), ones(2))
    with pytest.raises(TypeError, match="law must be"):
        diffx.flow_matching.marginal_velocity(rf, ones(2))  # pyright: ignore[reportArgumentType]


def test_rows_and_times_of_unequal_number_are_refused():
    rf = diffx.RectifiedFlow()
    with pytest.raises(ValueError, match="ts must hold one number for each row"):
        diffx.flow_matching.cfm_loss(rf, field, ones(2, 3), ones(2, 3), ones(3))
    with pytest.raises(ValueError, match="weights must hold one number for each row"):
        diffx.flow_matching.cfm_loss(rf, field, ones(2, 3), ones(2, 3), ones(2), weights=ones(2, 3))
    with pytest.raises(ValueError, match="ts must hold"):
        diffx.flow_matching.cfm_loss(rf, field, ones(), ones(), ones())
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.cfm_loss(rf, field, ones(2, 3), ones(3, 3), ones(2))
    with pytest.raises(TypeError, match="GaussianLaw"):
        diffx.flow_matching.optimal_cfm_loss(diffx.PointSet(ones(2, 3)))  # pyright: ignore[reportArgumentType]
