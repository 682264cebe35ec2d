"""Which noise goes with which data: transport costs, reflow, minibatch transport, interpolants,
bridges of Brownian motion.
"""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import diffx
from spec_tests.instrument.close import close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import flow
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW_PAIRS, cast
from spec_tests.support.flows import D, gaussian, ones, plane_covariances

LIU = "Liu et al. 2023, arXiv:2209.03003"
ALBERGO = "Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797"


def grid(dtype, n):
    return jnp.asarray(np.linspace(1, 0, n + 1), dtype)


transport_cost = jax.jit(diffx.flow_matching.transport_cost)

PART = (0.75, 0.5, 0.25)


@jax.jit
def flow_of_gaussian(law, points, x0, eps, ts):
    """Costs of independent and of flowing pairs, the least loss, and the straightness on ts and on
    a part of the path.
    """
    sampler = diffx.samplers.exact_flow(diffx.RectifiedFlow(), law)
    pairs = diffx.flow_matching.reflow_pairs(sampler, points, jnp.stack([ts[0], ts[-1]]))
    costs = diffx.flow_matching.transport_cost(x0, eps), diffx.flow_matching.transport_cost(*pairs)
    late = diffx.flow_matching.straightness(sampler, points, jnp.asarray(PART, ts.dtype))
    return (
        *costs,
        diffx.flow_matching.optimal_cfm_loss(law),
        diffx.flow_matching.straightness(sampler, points, ts),
        late,
    )


@claim(
    "FM-07",
    "The transport cost of the flow is below that of independent pairs by the loss that no model "
    "removes and the curvature of the paths",
    of=(
        "diffx.flow_matching.transport_cost",
        "diffx.flow_matching.straightness",
        "diffx.flow_matching.optimal_cfm_loss",
    ),
    source=f"{LIU}, for the identity; the closed forms: derived here",
    grade="order",
)
def test_transport_cost_falls_by_two_straightnesses(dtype):
    """Per direction 2 sqrt L = (pi/2) sqrt L + (2 - pi/2) sqrt L; all expectations exact by sigma
    points.
    """
    mean, L, n = np.array([0.5, -1.0]), np.array([0.25, 4.0]), 64
    pairs, points = flow.sigma_points(2 * D), flow.sigma_points(D)
    rows = points, mean + np.sqrt(L) * pairs[:, :D], pairs[:, D:], np.linspace(1, 0, n + 1)
    apart, after, loss, walked, late = flow_of_gaussian(
        gaussian(dtype, mean, L), *cast(dtype, *rows)
    )
    close(apart, mean @ mean + L.sum() + D, ulps=4, why="independent pairs: a mean of squares")
    wanted = mean @ mean + ((1 - np.sqrt(L)) ** 2).sum()
    close(after, wanted, ulps=16, scale=float(apart), why="(1 - sqrt L)^2 a direction")
    close(D * loss, np.pi / 2 * np.sqrt(L).sum(), ulps=4, why="(pi/2) sqrt L a direction")
    close(
        apart - after, 2 * np.sqrt(L).sum(), ulps=16, scale=float(apart), why="2 sqrt L a direction"
    )
    polygon = flow.polygon_straightness(rows[-1], L)
    close(
        walked,
        polygon.sum(),
        ulps=4,
        scale=n * 16,
        why="slopes are differences of nodes, n times their rounding",
    )
    first = PART[0]  # the points are (x - (1 - t) mean)/rho_t deviations from the mean there
    share = (1 + ((1 - first) * mean) ** 2) / ((1 - first) ** 2 * L + first**2)
    part = flow.polygon_straightness(np.array(PART), L) * share
    close(late, part.sum(), ulps=16, scale=16, why="two slopes on half of the path")
    errors = [
        (2 - np.pi / 2) * np.sqrt(L) - flow.polygon_straightness(np.linspace(1, 0, k + 1), L)
        for k in (32, 64, 128)
    ]
    slope(
        [32, 64, 128],
        [error.sum() for error in errors],
        order=2,
        why="the polygon's S rises to (2 - pi/2) sqrt L",
    )
    saved = D * float(loss) + float(walked) + errors[1].sum()
    close(
        apart - after,
        saved,
        ulps=64,
        scale=n * 16,
        why="what is saved is the loss and the curvature",
    )


NOISE, DATA = np.diag([4.0, 0.3]), np.array([[1.0, 0.9], [0.9, 1.0]])  # they do not commute


@jax.jit
def first_flow(law, points, ts):
    sampler = diffx.samplers.exact_flow(diffx.RectifiedFlow(), law)
    pairs = diffx.flow_matching.reflow_pairs(sampler, points, jnp.stack([ts[0], ts[-1]]))
    return pairs, diffx.flow_matching.straightness(sampler, points, ts)


@jax.jit
def second_flow(joint, eps, ts):
    sampler = diffx.flow_euler(
        diffx.flow_matching.interpolant_velocity(
            diffx.flow_matching.Interpolant(jnp.zeros_like(ts[0])), joint
        )
    )
    return diffx.flow_matching.reflow_pairs(
        sampler, eps, jnp.stack([ts[0], ts[-1]])
    ), diffx.flow_matching.straightness(sampler, eps, ts)


w2 = jax.jit(diffx.w2)


def joint_of_pairs(dtype, x0, eps):
    """The Gaussian law of (x0, eps) with the moments of equally weighted rows."""
    both = np.concatenate([np.asarray(x0, np.float64), np.asarray(eps, np.float64)], 1)
    cov = np.cov(both.T, bias=True)
    return gaussian(dtype, both.mean(0), cov)


@claim(
    "FM-08",
    "After one reflow the paths of Gaussian data are straight and one Euler step is exact, yet "
    "they are not the optimal transport",
    of=(
        "diffx.flow_matching.reflow_pairs",
        "diffx.flow_matching.straightness",
        "diffx.flow_matching.transport_cost",
        "diffx.flow_matching.interpolant_velocity",
    ),
    source=f"{LIU}, for reflow; the closed forms: derived here",
    grade="computed law",
)
def test_one_reflow_straightens_but_does_not_optimise(dtype):
    """Noise N(0, diag(4, .3)), data ((1, .9), (.9, 1)): cost 2.753272, W2^2 1.715248, independent
    6.3.
    """
    root = flow.sqrtm(NOISE)
    white = np.linalg.inv(root) @ DATA @ np.linalg.inv(root)  # the flow commutes with linear maps
    law = gaussian(dtype, np.zeros(D), (white + white.T) / 2)
    (answers, points), bent = first_flow(
        law, *cast(dtype, flow.sigma_points(D), np.linspace(1, 0, 5))
    )
    x0, eps = np.asarray(answers, np.float64) @ root, np.asarray(points, np.float64) @ root
    values, vectors = np.linalg.eig(DATA @ np.linalg.inv(NOISE))
    matrix = ((vectors * np.sqrt(values)) @ np.linalg.inv(vectors)).real  # (Sigma A^-1)^(1/2)
    close(
        x0.astype(dtype),
        eps @ matrix.T,
        ulps=16,
        scale=8,
        why="the map of the first flow, positive eigenvalues",
    )
    cost = float(transport_cost(*cast(dtype, np.tile(x0, (2, 1)), np.tile(eps, (2, 1)))))
    best = float(w2(gaussian(dtype, np.zeros(D), DATA), gaussian(dtype, np.zeros(D), NOISE))) ** 2
    pairs = flow.sigma_points(2 * D)
    apart = transport_cost(*cast(dtype, pairs[:, :D] @ flow.sqrtm(DATA), pairs[:, D:] @ root))
    for got, printed in ((cost, 2.753272), (best, 1.715248), (float(apart), 6.3)):
        off = abs(got - printed)
        holds(off < 2e-6, f"the printed {printed}", measured=off, bound=2e-6)
    again, flat = second_flow(
        joint_of_pairs(dtype, x0, eps), *cast(dtype, eps, np.linspace(1, 0, 5))
    )
    close(
        again.x0,
        x0,
        ulps=16,
        scale=64,
        why="one Euler step; the covariance of noise has condition 13",
    )
    holds(np.asarray(again.eps) == eps.astype(dtype), "the noise that was given, in its order")
    close(flat, 0.0, ulps=64, scale=64, why="four equal slopes")
    polygon = flow.polygon_straightness(np.linspace(1, 0, 5), np.linalg.eigvalsh(white)).sum()
    close(bent, polygon, ulps=64, scale=4, why="the paths before were bent")


@jax.jit
def one_step_of_optimal_pairs(p, q, x0, ts):
    x1 = diffx.flow_matching.gaussian_ot_map(p, q, x0)
    joint = diffx.flow_matching.gaussian_ot_coupling(p, q)
    field = diffx.flow_matching.interpolant_velocity(
        diffx.flow_matching.Interpolant(jnp.zeros_like(ts[0])), joint
    )
    one = diffx.fold(
        diffx.flow_euler(field), x1, jnp.stack([jnp.ones_like(ts[0]), jnp.zeros_like(ts[0])])
    )[0]
    return (
        x1,
        joint.cov,
        one,
        diffx.flow_matching.cfm_loss(diffx.RectifiedFlow(), field, x0, x1, ts),
    )


@claim(
    "FM-09",
    "With data and noise paired by the optimal map the velocity is known from x_t: the least loss "
    "is 0 and one Euler step is exact",
    of=(
        "diffx.flow_matching.gaussian_ot_coupling",
        "diffx.flow_matching.gaussian_ot_map",
        "diffx.flow_matching.interpolant_velocity",
        "diffx.flow_matching.cfm_loss",
    ),
    source="Tong et al. 2024, arXiv:2302.00482; for Gaussians derived here",
    grade="computed law",
)
@FEW_PAIRS
@given(mean=st_.points(D), cov=plane_covariances(), other=plane_covariances(), x0=st_.points(3, D))
def test_optimal_pairs_need_one_step(dtype, mean, cov, other, x0):
    """Any two Gaussians: from x1 = T x0 one step returns x0, and every pair has the velocity of the
    field.
    """
    p, q = gaussian(dtype, mean, cov), gaussian(dtype, mean[::-1] / 2, other)
    x1, joint, one, loss = one_step_of_optimal_pairs(p, q, *cast(dtype, x0, [0.25, 0.5, 0.75]))
    cond = np.linalg.cond(cov) * np.linalg.cond(other)
    size = np.abs(x0).max() + np.abs(mean).max() + np.abs(np.asarray(x1)).max()
    close(
        one,
        x0,
        ulps=8,
        scale=size * cond,
        why="roots and solves of covariances of condition up to 100",
    )
    bound = float(jnp.finfo(dtype).eps) * 8 * size * cond
    holds(
        float(loss) <= bound**2,
        "the loss is the square of rounding",
        measured=float(loss) ** 0.5,
        bound=bound,
    )
    close(joint[:D, :D], cov, ulps=1, why="the first law")
    close(joint[D:, D:], other, ulps=1, why="the second law")
    pushed = np.asarray(joint[D:, :D], np.float64) @ np.linalg.solve(
        cov, np.asarray(joint[:D, D:], np.float64)
    )
    close(
        pushed.astype(dtype),
        other,
        ulps=8,
        scale=cond * np.linalg.norm(other, 2),
        why="T C_p T = C_q: nothing is left over",
    )


@claim(
    "FM-10",
    "Minibatch transport pairs a batch at the least of all n! costs, as sorting does on the line; "
    "its mean cost is above W2^2",
    of=("diffx.flow_matching.ot_coupling", "diffx.flow_matching.transport_cost"),
    source="Pooladian et al. 2023, arXiv:2304.14772; Tong et al. 2024, arXiv:2302.00482",
    grade="bounded",
)
@given(x0=st_.normals(6, D), eps=st_.normals(6, D), seed=st_.seeds())
def test_minibatch_pairs_are_the_best_of_the_batch(dtype, x0, eps, seed):
    """All 720 permutations; both batches shuffled; a line; every batch of two points of {0, 1}."""
    x0_, eps_ = cast(dtype, x0, eps)
    order = np.asarray(diffx.flow_matching.ot_coupling(x0_, eps_))
    costs = ((x0[:, None] - eps) ** 2).sum(-1)
    holds(
        order == flow.best_assignment(costs), "the best of all permutations, x0_i with eps_order(i)"
    )
    best = transport_cost(x0_, jnp.asarray(eps[order], dtype))
    close(best, costs[range(6), order].mean(), ulps=8, scale=costs.max(), why="a mean of squares")
    holds(best <= transport_cost(x0_, eps_) * (1 + 1e-6), "no worse than as they came")
    one, two = (np.random.default_rng(seed + k).permutation(6) for k in range(2))
    again = np.asarray(diffx.flow_matching.ot_coupling(*cast(dtype, x0[one], eps[two])))
    holds(two[again] == order[one], "the pairs do not depend on the order in the batch")
    line = np.asarray(diffx.flow_matching.ot_coupling(*cast(dtype, x0[:, :1], eps[:, 1:])))
    ranks = np.argsort(np.argsort(x0[:, 0]))
    holds(line == np.argsort(eps[:, 1])[ranks], "on the line the smallest goes with the smallest")
    flat = diffx.flow_matching.ot_coupling(*cast(dtype, x0.reshape(3, 2, 2), eps.reshape(3, 2, 2)))
    holds(
        np.asarray(flat)
        == flow.best_assignment(((x0.reshape(3, 1, 4) - eps.reshape(3, 4)) ** 2).sum(-1)),
        "events of any rank",
    )
    if dtype not in enumerated:
        batches_cost_more_than_their_laws(dtype)


enumerated: set = set()  # it is the same for every example


def batches_cost_more_than_their_laws(dtype):
    """x0 and eps both uniform on {0, 1}: W2 = 0, yet batches of 1 cost 1/2 on average and batches
    of 2 cost 3/8.
    """
    enumerated.add(dtype)
    for n, wanted in ((1, 0.5), (2, 0.375)):
        total = 0.0
        for bits in product((0.0, 1.0), repeat=2 * n):
            x0, eps = cast(dtype, np.array(bits[:n])[:, None], np.array(bits[n:])[:, None])
            total += float(
                transport_cost(
                    x0,
                    jnp.asarray(
                        np.asarray(eps)[np.asarray(diffx.flow_matching.ot_coupling(x0, eps))]
                    ),
                )
            )
        holds(
            total / 4**n == wanted,
            "the mean cost over all batches, above W2^2 = 0 and falling with n",
        )


@jax.jit
def interpolated(interpolant, joint, x0, x1, z, x, t):
    noise = diffx.flow_matching.interpolant_latent(interpolant, joint)(x, t)
    return (
        diffx.flow_matching.interpolate(interpolant, x0, x1, z, t),
        diffx.flow_matching.interpolant_target(interpolant, x0, x1, z, t),
        diffx.flow_matching.interpolant_velocity(interpolant, joint)(x, t),
        noise,
        diffx.flow_matching.score_of_latent(interpolant, noise, t),
        diffx.flow_matching.interpolant_law(interpolant, joint, t),
    )


JOINTS = st.builds(
    lambda q, v: st_.rotated(v, q),
    st_.rotations(2 * D),
    st_.arrays(2 * D, st_.log_uniform(0.0625, 4.0)),
)  # (4, 4): any coupling of two Gaussians in the plane


@claim(
    "FM-14",
    "The score of a stochastic interpolant is -E[z | x]/gamma, and its velocity E[x1 - x0 | x] + "
    "gamma' E[z | x] carries its laws",
    of=(
        "diffx.flow_matching.Interpolant",
        "diffx.flow_matching.interpolate",
        "diffx.flow_matching.interpolant_target",
        "diffx.flow_matching.score_of_latent",
        "diffx.flow_matching.interpolant_law",
        "diffx.flow_matching.interpolant_velocity",
        "diffx.flow_matching.interpolant_latent",
        "diffx.flow_matching.independent_coupling",
    ),
    source=ALBERGO,
    grade="identity",
)
@FEW_PAIRS
@given(
    mean=st_.points(2 * D),
    cov=JOINTS,
    x=st_.points(3, D),
    scale=st_.log_uniform(0.25, 2.0),
    t=st_.times(0.0625, 0.9375),
)
def test_interpolant_is_the_regression_on_its_latent(dtype, mean, cov, x, scale, t):
    """Least squares of x1 - x0 + gamma' z and of z on x_t over sigma points of (x0, x1, z), whose
    moments are exact.
    """
    points = flow.sigma_points(3 * D)
    both = mean + points[:, : 2 * D] @ flow.sqrtm(cov)
    x0, x1, z = both[:, :D], both[:, D:], points[:, 2 * D :]
    path = lambda t: (1 - t) * x0 + t * x1 + scale * np.sqrt(t * (1 - t)) * z
    joint, interpolant = (
        gaussian(dtype, mean, cov),
        diffx.flow_matching.Interpolant(jnp.asarray(scale, dtype)),
    )
    at, target, b, latent, score, law = interpolated(
        interpolant, joint, *cast(dtype, x0, x1, z, x, t)
    )
    reach = np.abs(both).max()
    rates = flow.complex_step(path, t)
    close(at, path(t), ulps=4, scale=reach + scale * 3, why="three products")
    close(
        target,
        rates,
        ulps=8,
        scale=2 * reach + 3 * np.abs(rates - x1 + x0).max() + 3 * scale,
        why="a rounded gamma'",
    )
    exactly = flow.bridge(mean, cov, t, scale)  # from the sigma points it is off by up to 8 ulps
    means, spread = (moment.astype(np.float64) for moment in exactly)
    close(law.mean, means, ulps=4, scale=reach, why="two products")
    close(law.cov, spread, ulps=8, scale=np.abs(cov).max() + scale**2, why="a sum of four matrices")
    cond = np.linalg.cond(spread) * (np.abs(x - means).max() + reach)
    matrix, constant = flow.regress(rates, path(t))
    size = (np.linalg.norm(cov, 2) + scale**2) / np.linalg.eigvalsh(spread)[0] * cond + reach
    close(
        b,
        x @ matrix.T + constant,
        ulps=16,
        scale=size,
        why="a solve with the covariance of x_t, here and in the least squares",
    )
    wanted = flow.plane_score(*exactly, x).astype(np.float64)
    gamma = scale * np.sqrt(t * (1 - t))
    size = cond / np.linalg.eigvalsh(spread)[0]
    close(latent, -gamma * wanted, ulps=16, scale=gamma * size, why="a solve with that covariance")
    close(score, wanted, ulps=8, scale=size, why="the gradient of the log-density of x_t")
    matrix, constant = flow.regress(z, path(t))  # in floats, off by more where x1 is near -x0
    size *= gamma * (np.linalg.norm(cov, 2) + scale**2) / np.linalg.norm(spread, 2)
    close(x @ matrix.T + constant, -gamma * wanted, ulps=16, scale=size, why="least squares")
    velocity_is_finite_at_the_ends(dtype, scale)


ends = jax.jit(
    lambda interpolant, joint, x, ts: jax.vmap(
        diffx.flow_matching.interpolant_velocity(interpolant, joint), (None, 0)
    )(x, ts)
)


def velocity_is_finite_at_the_ends(dtype, scale):
    """On the line 2 b v = dv/dt about the mean, at t = 0 and t = 1 too, v' = -2 v0 + scale^2 and 2
    v1 - scale^2 there.
    """
    p, q = gaussian(dtype, [1.0], [[0.25]]), gaussian(dtype, [-2.0], [[2.0]])
    joint = diffx.flow_matching.independent_coupling(p, q)
    close(joint.cov, np.diag([0.25, 2.0]), ulps=0, why="no correlation")
    close(joint.mean, [1.0, -2.0], ulps=0, why="the two means")
    got = ends(
        diffx.flow_matching.Interpolant(jnp.asarray(scale, dtype)),
        joint,
        *cast(dtype, [0.5], [0.0, 1.0]),
    )
    wanted = [
        -3 + (0.5 - 1) * (-0.5 + scale**2) / 2 / 0.25,
        -3 + (0.5 + 2) * (4 - scale**2) / 2 / 2,
    ]
    close(
        got[:, 0], wanted, ulps=8, scale=3 + scale**2 + 4, why="a quotient by the variance of x_t"
    )


def unit(d):
    return diffx.GaussianLaw(jnp.zeros(d), jnp.asarray(1.0))


def test_batches_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.ot_coupling(ones(3, 2), ones(4, 2))
    with pytest.raises(ValueError, match="rows to pair"):
        diffx.flow_matching.ot_coupling(ones(), ones())
    with pytest.raises(TypeError, match="runs on the host"):
        jax.jit(diffx.flow_matching.ot_coupling)(ones(3, 2), ones(3, 2))
    with pytest.raises(ValueError, match="eps must be finite"):
        diffx.flow_matching.ot_coupling(ones(3, 2), ones(3, 2) * jnp.nan)
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.transport_cost(ones(3, 2), ones(2))
    with pytest.raises(ValueError, match="an axis of entries"):
        diffx.flow_matching.transport_cost(ones(), ones())


def test_laws_that_are_not_two_gaussians_are_refused():
    points = diffx.PointSet(ones(2, 3))
    with pytest.raises(TypeError, match="two laws needs a GaussianLaw"):
        diffx.flow_matching.independent_coupling(points, unit(3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="two laws needs a GaussianLaw"):
        diffx.flow_matching.gaussian_ot_coupling(unit(3), points)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one dimension"):
        diffx.flow_matching.entropic_coupling(unit(2), unit(3), std=1.0)
    with pytest.raises(ValueError, match="std must be positive"):
        diffx.flow_matching.entropic_coupling(unit(2), unit(2), std=0.0)
    with pytest.raises(ValueError, match="the last axes of x"):
        diffx.flow_matching.gaussian_ot_map(unit(2), unit(2), ones(3))
    with pytest.raises(TypeError, match="law must be"):
        diffx.flow_matching.foellmer_drift(ones(2))  # pyright: ignore[reportArgumentType]


def test_interpolants_without_latent_or_coupling_are_refused():
    straight, joint = (
        diffx.flow_matching.Interpolant(0.0),
        diffx.flow_matching.independent_coupling(unit(2), unit(2)),
    )
    with pytest.raises(ValueError, match="scale must not be negative"):
        diffx.flow_matching.Interpolant(-1.0)
    with pytest.raises(ValueError, match=r"gamma\(t\) > 0"):
        diffx.flow_matching.score_of_latent(straight, ones(2), 0.5)
    with pytest.raises(ValueError, match=r"gamma\(t\) > 0"):
        diffx.flow_matching.score_of_latent(diffx.flow_matching.Interpolant(), ones(2), 1.0)
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.interpolate(straight, ones(2), ones(2), ones(3), 0.5)
    with pytest.raises(ValueError, match="one shape"):
        diffx.flow_matching.interpolant_target(straight, ones(2), ones(1, 2), ones(2), 0.5)
    with pytest.raises(ValueError, match="even dimension"):
        diffx.flow_matching.interpolant_law(straight, unit(3), 0.5)
    with pytest.raises(TypeError, match="coupling of x0 and x1 needs a GaussianLaw"):
        diffx.flow_matching.interpolant_velocity(straight, ones(4))(ones(2), 0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="the last axes of x"):
        diffx.flow_matching.interpolant_latent(straight, joint)(ones(4), 0.5)


def test_samplers_without_one_answer_are_refused():
    law, rf = unit(2), diffx.RectifiedFlow()
    noisy = diffx.ddim(rf, diffx.denoiser(rf, law), eta=1.0)
    ts = jnp.asarray([1.0, 0.5, 0.0])
    for function in (diffx.flow_matching.reflow_pairs, diffx.flow_matching.straightness):
        with pytest.raises(ValueError, match="a noise many answers"):
            function(noisy, ones(3, 2), ts)
        with pytest.raises(TypeError, match="sampler must be a Sampler"):
            function(diffx.flow_matching.marginal_velocity(rf, law), ones(3, 2), ts)
    still = diffx.flow_euler(lambda x, t: x)
    with pytest.raises(ValueError, match="an axis of entries"):
        diffx.flow_matching.straightness(still, ones(), ts)
