"""denoise.py on finitely many points: the ideal denoiser, its bounds, and what samplers make
of it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, ive
from scipy.stats import norm

from diffx.denoisers import CHUNK, denoiser, points_denoise, score
from diffx.exact import exact_law
from diffx.grids import karras, linspace, trailing, uniform
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.processes.ddpm_chain import DDPMChain
from diffx.processes.edm import EDM
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.vp import VP
from diffx.reverse import probability_flow
from diffx.samplers.ddim import ddim
from diffx.samplers.ddpm import ddpm
from diffx.samplers.euler import euler
from diffx.samplers.heun import heun
from diffx.samplers.run import fold, keep_x
from spec_tests import strategies as st_
from spec_tests.close import below, close, slope
from spec_tests.level import level
from spec_tests.oracles import bayes
from spec_tests.registry import claim

KARRAS = "Karras et al. 2022, arXiv:2206.00364, eq. (57)"
LEVELS = st.floats(-1.0, 2.0).map(lambda u: float(np.float32(np.exp(u))))


@jax.jit
def fields(process, law, x, t):
    return denoiser(process, law)(x, t), score(process, law)(x, t)


def sizes(
    points: np.ndarray, weights: np.ndarray, a: float, s: float, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(posterior mean, scale of its rounding): the points', and logits wrong by ulps of Q move p_i
    Q_i |x_i - D|.
    """
    mean = bayes.points_posterior(points, weights, a, s, x).mean
    away = x[..., None, :] - a * points
    reach = np.abs(x)[..., None, :] + a * np.abs(points)
    unsure = 2 + (np.abs(away) * (np.abs(away) + reach)).sum(-1) / s**2
    shares = (
        np.exp(
            -(away**2 - (away**2).sum(-1).min(-1)[..., None, None] / points.shape[1]).sum(-1)
            / (2 * s**2)
        )
        * weights
    )
    shares = shares / shares.sum(-1, keepdims=True)
    moved = shares * unsure * np.linalg.norm(points - mean[..., None, :], axis=-1)
    return mean, (np.abs(mean) + moved.sum(-1)[..., None] + (shares @ np.abs(points)))


def seeded(n: int, seed: int, zeros: bool) -> tuple[np.ndarray, np.ndarray]:
    """n points in the plane and weights of sum 1 in float32 too, a third of them 0 if wanted."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (n, 2)).astype(np.float32).astype(np.float64)
    counts = rng.multinomial(2**12, np.full(n, 1 / n))
    if zeros:
        counts[-1] += counts[: n // 3].sum()
        counts[: n // 3] = 0  # the first chunk of 64 too, where n > 192
    return points, counts / 2**12


@claim(
    "DEN-06",
    "The denoiser of points is their average under one softmax, however many chunks they are "
    "streamed in.",
    of=("diffx.denoisers.points_denoise", "diffx.denoisers.points_score", "diffx.PointSet"),
    source=KARRAS,
)
@given(seed=st_.seeds(), a=LEVELS, s=LEVELS, z=st_.normals(4, 2))
def test_denoiser_of_points_is_one_softmax_average(dtype, seed, a, s, z):
    """5 to 200 points, weights given or not, some 0; in the hull; the limit of a mixture; events of
    two axes.
    """
    process, t = level(a, s, dtype)
    for n in (5, CHUNK, 200):
        points, weights = seeded(n, seed, zeros=n > 5)
        x = (a * points[:1] + s * z).astype(np.float32).astype(np.float64)
        given_weights = None if n == CHUNK else jnp.asarray(weights, dtype)
        law = PointSet(jnp.asarray(points, dtype), given_weights)
        weights = np.full(n, 1 / n) if given_weights is None else weights
        exact, scale = sizes(points, weights, a, s, x)
        denoised, sharp = fields(process, law, jnp.asarray(x, dtype), t)
        close(
            denoised,
            exact,
            ulps=8,
            scale=scale,
            why=f"{n} points: rounding of distances and of the average",
        )
        tweedie = (a * exact - x) / s**2
        scale = (np.abs(x) + a * scale) / s**2
        close(sharp, tweedie, ulps=8, scale=scale, why=f"{n} points: rounding of x - alpha D")
        eps = float(jnp.finfo(dtype).eps)
        for side in (1, -1):
            over = (side * np.asarray(denoised, np.float64)).max(0) - (
                side * points[weights > 0]
            ).max(0)
            below(
                over, 4 * eps * np.abs(points).max(), "no coordinate leaves the range of the points"
            )
    as_mixture(process, t, dtype, seed, a, s, z)


def as_mixture(process, t, dtype, seed, a, s, z):
    """The same points as a mixture without variance, and as events of two axes."""
    points, weights = seeded(6, seed, zeros=False)
    x = (a * points[0] + s * z).astype(np.float32).astype(np.float64)
    exact, scale = sizes(points, weights, a, s, x)
    arrays = jnp.asarray(weights, dtype), jnp.asarray(points, dtype)
    mixture = MixtureLaw(*arrays, jnp.zeros((), dtype))
    close(
        fields(process, mixture, jnp.asarray(x, dtype), t)[0],
        exact,
        ulps=8,
        scale=scale,
        why="no variance: the points",
    )
    paired, beside = points.reshape(3, 2, 2), x.reshape(2, 2, 2)
    law = PointSet(jnp.asarray(paired, dtype))
    exact, scale = sizes(paired.reshape(3, 4), np.full(3, 1 / 3), a, s, beside.reshape(2, 4))
    found = fields(process, law, jnp.asarray(beside, dtype), t)[0]
    close(
        found,
        exact.reshape(2, 2, 2),
        ulps=8,
        scale=scale.reshape(2, 2, 2),
        why="events (2, 2) are vectors of length 4",
    )


@claim(
    "PTS-01",
    "High noise: |D - mean| <= 2 R tanh(osc/4), and D leaves the mean by C (y - mean)/sigma^2 and "
    "a known second order.",
    of="diffx.denoisers.points_denoise",
    source="derived here: total variation of a softmax is at most tanh(osc/4)",
)
@given(seed=st_.seeds(), s=st_.log_uniform(0.25, 100.0), z=st_.normals(4, 2))
def test_high_noise_draws_the_answer_to_the_mean(dtype, seed, s, z):
    """With the osc of the logits and with its bound by R and |y - c|; sharp for two points; order
    and constant in float64.
    """
    points, _ = seeded(5, seed, zeros=False)
    mean = points.mean(0)
    process, t = level(1.0, s, dtype)
    x = (mean + s * z).astype(np.float32).astype(np.float64)
    weights = np.full(5, 0.2)
    denoised = np.asarray(
        fields(process, PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)[0],
        np.float64,
    )
    radius = np.linalg.norm(points - mean, axis=-1).max()
    osc = np.ptp(((x[:, None] - points) ** 2).sum(-1), axis=-1) / (2 * s**2)
    rounding = 8 * float(jnp.finfo(dtype).eps) * sizes(points, weights, 1.0, s, x)[1].max(-1)
    off = np.linalg.norm(denoised - mean, axis=-1)
    below(
        off - rounding,
        0.0 + float(np.max(2 * radius * np.tanh(osc / 4))),
        "the largest is below the largest bound",
    )
    below((off - rounding) / (2 * radius * np.tanh(osc / 4)), 1.0, "each is below its bound")
    roomy = (2 * radius * np.linalg.norm(x - mean, axis=-1) + radius**2) / s**2
    below(osc / roomy, 1.0, "and osc below its own")
    two_points(dtype, process, t, s, x)
    if dtype == np.float64:
        second_order(points - mean)


def two_points(dtype, process, t, s, x):
    """+-c: D = c tanh(c x/s^2)."""
    c = np.array([0.75, -0.5])
    found = fields(process, PointSet(jnp.asarray([c, -c], dtype)), jnp.asarray(x, dtype), t)[0]
    exact = np.tanh(x @ c / s**2)[:, None] * c
    scale = sizes(np.array([c, -c]), np.full(2, 0.5), 1.0, s, x)[1]
    close(found, exact, ulps=8, scale=scale, why="two points: a hyperbolic tangent")


def second_order(away):
    """sigma^2 (D - C z/sigma) -> E[u ((u z)^2 - |u|^2)]/2, u = x_i - mean."""
    z, ns = np.array([1.25, -0.75]), np.array([80, 160, 320, 640])
    linear = (away * (away @ z)[:, None]).mean(0)
    second = (away * ((away @ z) ** 2 - (away**2).sum(-1))[:, None]).mean(0) / 2
    errors = []
    for n in ns:
        process, t = level(1.0, float(n), "float64")
        errors.append(
            np.asarray(fields(process, PointSet(jnp.asarray(away)), jnp.asarray(n * z), t)[0])
            - linear / n
        )
    why = "the second order is a third moment"
    constant, size = float(np.linalg.norm(second)), float(np.abs(away).max()) ** 3
    if constant > 0.2 * size:  # otherwise the third order hides it
        slope(
            ns,
            np.linalg.norm(errors, axis=-1),
            order=2,
            constant=constant,
            constant_rtol=0.1,
            why=why,
        )


@claim(
    "PTS-02",
    "Low noise: |D - nearest point| <= (n - 1) diameter exp(-gap/(2 sigma^2)), gap the difference "
    "of squared distances.",
    of="diffx.denoisers.points_denoise",
    source="derived here: the softmax of the others is at most (n - 1) exp(-gap/(2 sigma^2))",
)
@given(seed=st_.seeds(), s=st_.log_uniform(1e-3, 1.0), z=st_.normals(4, 2))
def test_low_noise_leads_to_the_nearest_point(dtype, seed, s, z):
    """Sharp for two points, whose answer is a logistic function of the gap."""
    points, _ = seeded(5, seed, zeros=False)
    process, t = level(1.0, s, dtype)
    x = (points[0] + np.minimum(s, 0.5) * z).astype(np.float32).astype(np.float64)
    square = ((x[:, None] - points) ** 2).sum(-1)
    nearest, gap = (
        points[square.argmin(-1)],
        np.diff(np.sort(square, axis=-1)[:, :2], axis=-1)[:, 0],
    )
    diameter = np.linalg.norm(points[:, None] - points, axis=-1).max()
    denoised = fields(process, PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)[0]
    off = np.linalg.norm(np.asarray(denoised, np.float64) - nearest, axis=-1)
    rounding = (
        8 * float(jnp.finfo(dtype).eps) * sizes(points, np.full(5, 0.2), 1.0, s, x)[1].max(-1)
    )
    below(
        off - rounding - 4 * diameter * np.exp(-gap / (2 * s**2)),
        0.0,
        "the others' share of the softmax, times how far",
    )
    pair = points[:2]
    close_to, far = np.sort(square[:, :2], axis=-1).T
    first = pair[square[:, :2].argmin(-1)]
    share = expit((close_to - far) / (2 * s**2))
    exact = first + share[:, None] * (pair.sum(0) - 2 * first)
    denoised = fields(process, PointSet(jnp.asarray(pair, dtype)), jnp.asarray(x, dtype), t)[0]
    close(
        denoised,
        exact,
        ulps=8,
        scale=sizes(pair, np.full(2, 0.5), 1.0, s, x)[1],
        why="two points: a logistic function",
    )


jacobian = jax.jit(
    lambda process, law, x, t: jax.vmap(jax.jacfwd(lambda y: denoiser(process, law)(y, t)))(x)
)


@claim(
    "PTS-03",
    "dD/dx = alpha/sigma^2 times the posterior covariance: symmetric, PSD, of trace <= alpha "
    "R^2/sigma^2; D is in the hull.",
    of=("diffx.denoisers.points_denoise", "diffx.PointSet"),
    source="the derivative of a softmax average",
)
@given(seed=st_.seeds(), a=LEVELS, s=LEVELS, z=st_.normals(4, 2), u=st_.normals(8, 2))
def test_jacobian_of_points_is_their_posterior_covariance(dtype, seed, a, s, z, u):
    """Against the weighted covariance of one softmax; the hull by its supporting lines in drawn
    directions u.
    """
    points, weights = seeded(7, seed, zeros=False)
    process, t = level(a, s, dtype)
    x = (a * points[0] + s * z).astype(np.float32).astype(np.float64)
    law = PointSet(jnp.asarray(points, dtype), jnp.asarray(weights, dtype))
    mean, scale = sizes(points, weights, a, s, x)
    found, exact = (
        np.asarray(jacobian(process, law, jnp.asarray(x, dtype), t)),
        bayes.points_posterior(points, weights, a, s, x),
    )
    radius = np.linalg.norm(points, axis=-1).max()
    spread = a / s**2 * (radius * (scale.max(-1) + radius))[:, None, None]
    close(
        found,
        a / s**2 * exact.cov,
        ulps=16,
        scale=spread,
        why="rounding of shares, times |x_i||x_i - D|",
    )
    eps = float(jnp.finfo(dtype).eps)
    slack = 16 * eps * spread[:, 0, 0]
    below(
        -np.linalg.eigvalsh((found + found.swapaxes(-1, -2)).astype(np.float64) / 2).min(-1)
        / slack,
        1.0,
        "PSD",
    )
    circle = np.linalg.norm(points - points.mean(0), axis=-1).max()
    below(
        np.trace(found, axis1=-2, axis2=-1) - a * circle**2 / s**2 - slack,
        0.0,
        "the trace is a variance",
    )
    denoised = np.asarray(fields(process, law, jnp.asarray(x, dtype), t)[0], np.float64)
    over = (denoised @ u.T).max(0) - (points @ u.T).max(0)
    below(over / np.linalg.norm(u, axis=-1), 8 * eps * radius, "no direction leads out of the hull")
    below(np.abs(denoised - mean) / scale, 8 * eps, "and it is the softmax average")


def test_far_outside_the_range_of_numbers_the_answer_is_nan():
    """All squared distances are infinite there: no point is nearer than another, and nothing
    pretends otherwise.
    """
    process, t = level(1.0, 1.0, np.float32)
    x = jnp.full((1, 2), 1e30, jnp.float32)
    assert np.isnan(points_denoise(process, PointSet(jnp.ones((3, 2), jnp.float32)), x, t)).all()


def arrays_in(jaxpr: Any) -> list[Any]:
    """Every array that a program computes, those of its loops and branches too."""
    found = [variable.aval for eqn in jaxpr.eqns for variable in eqn.outvars]
    for eqn in jaxpr.eqns:
        for inner in jax.tree_util.tree_leaves(
            list(eqn.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            found += arrays_in(inner) if hasattr(inner, "eqns") else []
    return found


def test_many_points_never_build_batch_times_points_times_dimensions():
    """50,000 x 3,072 against a batch of 16, without data: the program's largest array is the
    points, padded to chunks.
    """
    shaped = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    arguments = shaped(50_000, 3072), shaped(16, 3072), shaped()
    traced = jax.jit(lambda points, x, t: points_denoise(VP(), PointSet(points), x, t)).trace(
        *arguments
    )
    padded = -(-50_000 // CHUNK) * CHUNK * 3072
    assert max(array.size for array in arrays_in(traced.jaxpr.jaxpr)) == padded
    used = traced.lower().compile().memory_analysis()
    if used is not None:  # not every backend tells
        assert used.temp_size_in_bytes < 4 * padded + 3 * 4 * 16 * CHUNK * 3072, (
            "a copy of the points and one chunk's work"
        )


# --- samplers on points -------------------------------------------------------------------------


def beyond_the_hull(x: Any, points: np.ndarray, directions: np.ndarray) -> float:
    """How far the furthest x lies outside, in the worst direction."""
    reach = (points @ directions.T).max(0)
    return float((np.asarray(x, np.float64) @ directions.T - reach).max())


@claim(
    "PTS-04",
    "A sampler whose last step returns D ends in the convex hull and, with little noise before it, "
    "on the points themselves.",
    of=("diffx.ddim", "diffx.euler", "diffx.heun"),
    source="D is an average of the points",
)
def test_samplers_that_end_with_the_denoiser_end_on_the_points(dtype):
    """DDIM, Euler in rectified-flow and EDM time, Heun; but Euler in VP time leaves the hull of
    {-1, 1}: 1.054.
    """
    points, _ = seeded(7, 3, zeros=False)
    law = PointSet(jnp.asarray(points, dtype))
    rng = np.random.default_rng(4)
    z, turns = rng.standard_normal((64, 2)), np.linspace(0, 2 * np.pi, 64)
    directions, eps = np.stack([np.cos(turns), np.sin(turns)], -1), float(jnp.finfo(dtype).eps)
    flow, edm = RectifiedFlow(), EDM(40.0)
    fine = karras(edm, 20, sigma_min=0.01, sigma_max=40.0).astype(dtype)
    runs = {
        "DDIM, 3 steps": (ddim(flow, denoiser(flow, law)), z, uniform(3).astype(dtype)),
        "Euler, 3 steps": (euler(flow, denoiser(flow, law)), z, uniform(3).astype(dtype)),
        "Euler, fine": (euler(edm, denoiser(edm, law)), 40 * z, fine),
        "Heun, fine": (heun(edm, denoiser(edm, law)), 40 * z, fine),
    }
    for name, (sampler, start, ts) in runs.items():
        end = np.asarray(fold(sampler, jnp.asarray(start, dtype), ts)[0], np.float64)
        # Euler ends with x - t u(x): the point is what two numbers of the size of x leave
        below(
            beyond_the_hull(end, points, directions),
            64 * eps,
            f"{name}: nothing ends outside the hull",
        )
        if "fine" in name:
            nearest = np.linalg.norm(end[:, None] - points, axis=-1).min(-1)
            below(
                np.sort(nearest)[:-4],
                1e-3,
                f"{name}: all but a few of 64, on the way between two, end on a point",
            )
    outside_with_euler_in_vp_time(dtype)


def outside_with_euler_in_vp_time(dtype):
    """Its last step does not return D."""
    pair = PointSet(jnp.asarray([[-1.0], [1.0]], dtype))
    x = jnp.asarray(np.linspace(-3, 3, 65)[:, None], dtype)
    vp = VP()
    end = np.asarray(
        fold(euler(vp, denoiser(vp, pair)), x, uniform(20).astype(dtype))[0], np.float64
    )
    below(
        abs(np.abs(end).max() - 1.054), 0.02, "20 steps of Euler in VP time on {-1, 1} reach 1.054"
    )


def lectured(dtype):
    """A spiral of 100 points of standard deviation 1, and Ho's chain of 1000 steps."""
    angle = np.linspace(np.pi / 2, 7 * np.pi / 2, 100)
    spiral = (angle * np.stack([np.cos(angle), np.sin(angle)])).T
    return spiral / spiral.std(), DDPMChain(jnp.asarray(np.linspace(1e-4, 0.02, 1000), dtype))


@claim(
    "PTS-05",
    "Without its noise DDPM collapses a spiral of 100 points to the three that are nearest to its "
    "mean.",
    of=("diffx.ddpm", "diffx.samplers.ddpm_step"),
    source="derived here; for Gaussian data it is exact, REV-09",
    dtypes=("float64",),
    why_dtypes=(
        "1000 steps through unstable points: which of the three a path ends on depends on "
        "the last digits"
    ),
)
def test_ddpm_without_noise_collapses_the_spiral(dtype):
    """64 paths of 1000 steps; their total variance is a thousandth of the data's, 1.975."""
    spiral, chain = lectured(dtype)
    sampler = ddpm(chain, denoiser(chain, PointSet(jnp.asarray(spiral, dtype))))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)), dtype)
    end = np.asarray(fold(sampler, x, uniform(1000).astype(dtype))[0])
    below(end.var(0).sum() / spiral.var(0).sum(), 1e-3, "the spread is gone")
    mean = spiral.mean(0)
    three = spiral[np.argsort(np.linalg.norm(spiral - mean, axis=-1))[:3]]
    below(
        np.linalg.norm(end[:, None] - three, axis=-1).min(-1),
        0.05,
        "each path ends near one of three points",
    )


def transport_cost(x, points):
    """W2 of equally many samples and copies of the points, by the best assignment."""
    copies = np.repeat(points, len(x) // len(points), axis=0)
    square = ((x[:, None] - copies) ** 2).sum(-1)
    return np.sqrt(square[linear_sum_assignment(square)].mean())


def costs(n, batches):
    """(batches,) costs of DDIM and of DDPM in n steps on the spiral, 300 samples each, from the
    same starts.
    """
    spiral, chain = lectured(np.float64)
    ts, field = trailing(n), denoiser(chain, PointSet(jnp.asarray(spiral)))
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((n + 1, batches, 300, 2)))
    start, zs = noise[0], noise[1:]
    ends = fold(ddim(chain, field), start, ts)[0], fold(ddpm(chain, field), start, ts, zs)[0]
    return [np.array([transport_cost(x, spiral) for x in np.asarray(end)]) for end in ends]


def ahead(first, second):
    """By how many standard errors the first costs less, batch by batch."""
    less = second - first
    return less.mean() / (less.std(ddof=1) / np.sqrt(len(less)))


@claim(
    "PTS-07",
    "In few steps DDIM comes closer to the data than DDPM does: exactly for a Gaussian, by "
    "assignment on the spiral.",
    of=("diffx.ddim", "diffx.ddpm"),
    source="derived here; Song, Meng and Ermon 2021, arXiv:2010.02502, Table 1, on pictures",
    dtypes=("float64",),
    why_dtypes="printed digits, and a comparison of samples at six standard errors",
)
def test_few_steps_of_ddim_beat_as_many_of_ddpm(dtype):
    """L = .25 in 10 steps: variances .1308 and .1042 of .25.  The spiral in 5: 12 batches of
    300.
    """
    _, chain = lectured(dtype)
    law, start = (
        GaussianLaw(jnp.zeros(1, dtype), jnp.asarray(0.25, dtype)),
        GaussianLaw(jnp.zeros(1), jnp.eye(1)),
    )
    for method, printed in ((ddim, 0.1308), (ddpm, 0.1042)):
        found = exact_law(method(chain, denoiser(chain, law)), start, linspace(10))
        below(
            np.abs(np.asarray(found.cov) - printed),
            5e-5,
            "all printed digits of the final variance",
        )
    found = costs(5, 12)
    below(
        -ahead(*found),
        -6.0,
        "six standard errors between DDIM and DDPM, 9 expected of 20 batches of other seeds",
    )
    off = np.array([cost.mean() for cost in found]) - [0.520, 0.600]  # the means of those
    below(np.abs(off), 0.06, "6 standard errors of a mean of 12, .024 a batch, and of a mean of 20")


@pytest.mark.slow
def test_the_lead_of_ddim_on_the_spiral_is_gone_in_fifty_steps():
    """A batch of 300 costs .360 and .461 in 10 steps, .29 and .34 in 20, .25 and .24 in 50; without
    noise 1.4 throughout.
    """
    assert ahead(*costs(10, 20)) > 6
    assert abs(ahead(*costs(50, 20))) < 6
    spiral, chain = lectured(np.float64)
    sampler = ddpm(chain, denoiser(chain, PointSet(jnp.asarray(spiral))))
    start = jnp.asarray(np.random.default_rng(0).standard_normal((300, 2)))
    for n, cost in ((5, 1.398), (10, 1.414), (20, 1.435), (50, 1.444)):
        assert (
            abs(transport_cost(np.asarray(fold(sampler, start, trailing(n))[0]), spiral) - cost)
            < 0.005
        )


def aliased(radius, k, n, angle):
    """D of n equal points of the circle: radius exp(i angle) sum_j I_{jn+1} exp(i j n angle) /
    sum_j I_{jn} exp(...).
    """
    j = np.arange(-8, 9)
    turn = np.exp(1j * j * n * angle)
    found = (
        radius
        * np.exp(1j * angle)
        * (ive(j * n + 1, k) * turn).sum()
        / (ive(j * n, k) * turn).sum()
    )
    return np.array([found.real, found.imag])


@claim(
    "PTS-08",
    "On a circle D = R I_1(k)/I_0(k) x/|x| with k = alpha R |x|/sigma^2, and n equal points differ "
    "from it by I_n(k)",
    of="diffx.denoisers.points_denoise",
    source=(
        "derived here: the generating function of the Bessel functions, exp(k cos u) = sum_m "
        "I_m(k) exp(i m u)"
    ),
)
@given(
    radius=st_.log_uniform(0.5, 2.0),
    a=st_.log_uniform(0.25, 1.0),
    s=st_.log_uniform(0.5, 2.0),
    r=st_.log_uniform(0.25, 2.0),
    angle=st_.floats(-3.0, 3.0),
)
def test_a_circle_of_points_answers_by_bessel_functions(dtype, radius, a, s, r, angle):
    """8 points with all that n points alias, 64 points as the continuous circle; k up to 16."""
    x = (r * np.array([[np.cos(angle), np.sin(angle)]])).astype(np.float32).astype(np.float64)
    distance, angle = np.linalg.norm(x), np.arctan2(*x[0, ::-1])
    k = a * radius * distance / s**2
    for n in (8, 64):
        wanted = (
            aliased(radius, k, n, angle)
            if n == 8
            else radius * ive(1, k) / ive(0, k) * x[0] / distance
        )
        found, scale = on_the_circle(dtype, radius, n, a, s, x)
        close(
            found[0],
            wanted,
            ulps=8,
            scale=scale[0] + radius,
            why=f"{n} points: rounding of distances, of the points too",
        )
    the_printed_case(dtype)


def on_the_circle(dtype, radius, n, a, s, x):
    turns = 2 * np.pi * np.arange(n) / n
    points = radius * np.stack([np.cos(turns), np.sin(turns)], -1)
    process, t = level(a, s, dtype)
    found = fields(process, PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)[0]
    return found, sizes(points, np.full(n, 1 / n), a, s, x)[1]


def the_printed_case(dtype):
    """R = 1.3, s = .6, r = .9: 1.0749622359; 8 points are off by 1.3e-3, 16 by 2.4e-10."""
    if dtype == np.float64:
        for n, off, digits in ((8, 1.2647e-3, 1e-7), (16, 2.4e-10, 1e-11), (64, 0.0, 6e-11)):
            found = on_the_circle(dtype, 1.3, n, 1.0, 0.6, np.array([[0.9, 0.0]]))[0]
            below(
                abs(float(found[0, 0]) - 1.0749622358632165 - off),
                digits,
                f"{n} points: the error falls exponentially",
            )


@jax.jit
def line_flow(process, law, x, t):
    return probability_flow(process, denoiser(process, law), x, t)


@claim(
    "PTS-09",
    "On a line no two paths of the probability flow cross, for each keeps its quantile; nor do "
    "DDIM's, whatever its steps.",
    of=("diffx.reverse.probability_flow", "diffx.ddim"),
    source="derived here: dF/dt = -u p; dD/dx >= 0",
)
def test_paths_on_a_line_keep_their_order(dtype):
    """In y = x/alpha and r = sigma/alpha a step of DDIM shrinks no gap below r_s/r_t; the flow
    keeps F_t(x_t).
    """
    process = VP(0.3125, 12.0)
    weights, means, variances = (
        np.array([0.25, 0.5, 0.25]),
        np.array([[-2.0], [0.0], [1.0]]),
        np.array([0.25, 0.0625, 1.0]),
    )
    law = MixtureLaw(*(jnp.asarray(part, dtype) for part in (weights, means, variances)))
    if dtype == np.float64:
        the_flow_keeps_quantiles(process, law, weights, means[:, 0], variances)
    start, points = np.linspace(-4, 4, 129)[:, None], PointSet(jnp.asarray(means, dtype))
    for kind in (law, points):
        gaps_shrink_by_the_noise_alone(process, kind, start, dtype)


def the_flow_keeps_quantiles(process, law, weights, means, variances):
    """scipy's DOP853 on the field, from t = 1 to 1/32; the distribution function by scipy's normal
    law.
    """

    def quantile(x, t):
        b = 0.3125 * t + (12.0 - 0.3125) * t**2 / 2
        spread = np.sqrt(np.exp(-b) * variances - np.expm1(-b))
        return (weights * norm.cdf((x[:, None] - np.exp(-b / 2) * means) / spread)).sum(-1)

    slope = lambda t, x: np.asarray(line_flow(process, law, jnp.asarray(x[:, None]), t))[:, 0]
    start = np.linspace(-2.5, 2.5, 11)
    end = solve_ivp(slope, (1.0, 0.03125), start, "DOP853", rtol=1e-10, atol=1e-11).y[:, -1]
    below(
        np.abs(quantile(end, 0.03125) - quantile(start, 1.0)), 1e-8, "each path keeps its quantile"
    )
    below(-np.diff(end), -1e-3, "so that none meets its neighbour")


def gaps_shrink_by_the_noise_alone(process, law, start, dtype):
    ts = np.array([1.0, 0.875, 0.375, 0.0625])
    b = 0.3125 * ts + (12.0 - 0.3125) * ts**2 / 2
    alpha, ratio = np.exp(-b / 2), np.sqrt(np.expm1(b))
    sampler = ddim(process, denoiser(process, law))
    _, xs = fold(sampler, jnp.asarray(start, dtype), jnp.asarray(ts, dtype), keep=keep_x)
    ys = np.concatenate([start[None], np.asarray(xs, np.float64)])[..., 0] / alpha[:, None]
    gaps = np.diff(ys, axis=1)
    short = ratio[1:, None] / ratio[:-1, None] * gaps[:-1] - gaps[1:]
    rounding = 32 * float(jnp.finfo(dtype).eps) * np.abs(ys[:-1]).max(1, keepdims=True)
    below(short - rounding, 0.0, "y_s = D + (r_s/r_t)(y - D), and D grows with y")
    below(-gaps[-1], 0.0, "in the end the order is that of the start")
