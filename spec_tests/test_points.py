"""denoise.py on finitely many points: the ideal denoiser, its bounds, and what samplers make of it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from diffx.chain import DDPMChain
from diffx.denoise import CHUNK, denoiser, points_denoise, score
from diffx.grid import karras, uniform
from diffx.law import MixtureLaw, PointSet
from diffx.process import EDM, VP, RectifiedFlow
from diffx.sampler.core import fold
from diffx.sampler.ddim import ddim
from diffx.sampler.ddpm import ddpm
from diffx.sampler.euler import euler
from diffx.sampler.heun import heun
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


def sizes(points: np.ndarray, weights: np.ndarray, a: float, s: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(posterior mean, scale of its rounding): the points', and logits wrong by ulps of Q move p_i Q_i |x_i - D|."""
    mean = bayes.points_posterior(points, weights, a, s, x).mean
    away = x[..., None, :] - a * points
    reach = np.abs(x)[..., None, :] + a * np.abs(points)
    unsure = 2 + (np.abs(away) * (np.abs(away) + reach)).sum(-1) / s**2
    shares = np.exp(-(away**2 - (away**2).sum(-1).min(-1)[..., None, None] / points.shape[1]).sum(-1) / (2 * s**2)) * weights
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
    "The denoiser of points is their average under one softmax, however many chunks they are streamed in.",
    of=("diffx.denoise.points_denoise", "diffx.denoise.points_score", "diffx.law.PointSet"),
    source=KARRAS,
)
@given(seed=st_.seeds(), a=LEVELS, s=LEVELS, z=st_.normals(4, 2))
def test_denoiser_of_points_is_one_softmax_average(dtype, seed, a, s, z):
    """5 to 200 points, weights given or not, some 0; in the hull; the limit of a mixture; events of two axes."""
    process, t = level(a, s, dtype)
    for n in (5, CHUNK, 200):
        points, weights = seeded(n, seed, zeros=n > 5)
        x = (a * points[:1] + s * z).astype(np.float32).astype(np.float64)
        given_weights = None if n == CHUNK else jnp.asarray(weights, dtype)
        law = PointSet(jnp.asarray(points, dtype), given_weights)
        weights = np.full(n, 1 / n) if given_weights is None else weights
        exact, scale = sizes(points, weights, a, s, x)
        denoised, sharp = fields(process, law, jnp.asarray(x, dtype), t)
        close(denoised, exact, ulps=8, scale=scale, why=f"{n} points: rounding of distances and of the average")
        tweedie = (a * exact - x) / s**2
        scale = (np.abs(x) + a * scale) / s**2
        close(sharp, tweedie, ulps=8, scale=scale, why=f"{n} points: rounding of x - alpha D")
        eps = float(jnp.finfo(dtype).eps)
        for side in (1, -1):
            over = (side * np.asarray(denoised, np.float64)).max(0) - (side * points[weights > 0]).max(0)
            below(over, 4 * eps * np.abs(points).max(), "no coordinate leaves the range of the points")
    as_mixture(process, t, dtype, seed, a, s, z)


def as_mixture(process, t, dtype, seed, a, s, z):
    """The same points as a mixture without variance, and as events of two axes."""
    points, weights = seeded(6, seed, zeros=False)
    x = (a * points[0] + s * z).astype(np.float32).astype(np.float64)
    exact, scale = sizes(points, weights, a, s, x)
    arrays = jnp.asarray(weights, dtype), jnp.asarray(points, dtype)
    mixture = MixtureLaw(*arrays, jnp.zeros((), dtype))
    close(fields(process, mixture, jnp.asarray(x, dtype), t)[0], exact, ulps=8, scale=scale, why="no variance: the points")
    paired, beside = points.reshape(3, 2, 2), x.reshape(2, 2, 2)
    law = PointSet(jnp.asarray(paired, dtype))
    exact, scale = sizes(paired.reshape(3, 4), np.full(3, 1 / 3), a, s, beside.reshape(2, 4))
    found = fields(process, law, jnp.asarray(beside, dtype), t)[0]
    close(found, exact.reshape(2, 2, 2), ulps=8, scale=scale.reshape(2, 2, 2), why="events (2, 2) are vectors of length 4")


@claim(
    "PTS-01",
    "High noise: |D - mean| <= 2 R tanh(osc/4), and D leaves the mean by C (y - mean)/sigma^2 and a known second order.",
    of="diffx.denoise.points_denoise",
    source="derived here: total variation of a softmax is at most tanh(osc/4)",
)
@given(seed=st_.seeds(), s=st_.log_uniform(0.25, 100.0), z=st_.normals(4, 2))
def test_high_noise_draws_the_answer_to_the_mean(dtype, seed, s, z):
    """With the osc of the logits and with its bound by R and |y - c|; sharp for two points; order and constant in float64."""
    points, _ = seeded(5, seed, zeros=False)
    mean = points.mean(0)
    process, t = level(1.0, s, dtype)
    x = (mean + s * z).astype(np.float32).astype(np.float64)
    weights = np.full(5, 0.2)
    denoised = np.asarray(fields(process, PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)[0], np.float64)
    radius = np.linalg.norm(points - mean, axis=-1).max()
    osc = np.ptp(((x[:, None] - points) ** 2).sum(-1), axis=-1) / (2 * s**2)
    rounding = 8 * float(jnp.finfo(dtype).eps) * sizes(points, weights, 1.0, s, x)[1].max(-1)
    off = np.linalg.norm(denoised - mean, axis=-1)
    below(off - rounding, 0.0 + float(np.max(2 * radius * np.tanh(osc / 4))), "the largest is below the largest bound")
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
        errors.append(np.asarray(fields(process, PointSet(jnp.asarray(away)), jnp.asarray(n * z), t)[0]) - linear / n)
    why = "the second order is a third moment"
    constant, size = float(np.linalg.norm(second)), float(np.abs(away).max()) ** 3
    if constant > 0.2 * size:  # otherwise the third order hides it
        slope(ns, np.linalg.norm(errors, axis=-1), order=2, constant=constant, constant_rtol=0.1, why=why)


@claim(
    "PTS-02",
    "Low noise: |D - nearest point| <= (n - 1) diameter exp(-gap/(2 sigma^2)), gap the difference of squared distances.",
    of="diffx.denoise.points_denoise",
    source="derived here: the softmax of the others is at most (n - 1) exp(-gap/(2 sigma^2))",
)
@given(seed=st_.seeds(), s=st_.log_uniform(1e-3, 1.0), z=st_.normals(4, 2))
def test_low_noise_leads_to_the_nearest_point(dtype, seed, s, z):
    """Sharp for two points, whose answer is a logistic function of the gap."""
    points, _ = seeded(5, seed, zeros=False)
    process, t = level(1.0, s, dtype)
    x = (points[0] + np.minimum(s, 0.5) * z).astype(np.float32).astype(np.float64)
    square = ((x[:, None] - points) ** 2).sum(-1)
    nearest, gap = points[square.argmin(-1)], np.diff(np.sort(square, axis=-1)[:, :2], axis=-1)[:, 0]
    diameter = np.linalg.norm(points[:, None] - points, axis=-1).max()
    denoised = fields(process, PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)[0]
    off = np.linalg.norm(np.asarray(denoised, np.float64) - nearest, axis=-1)
    rounding = 8 * float(jnp.finfo(dtype).eps) * sizes(points, np.full(5, 0.2), 1.0, s, x)[1].max(-1)
    below(off - rounding - 4 * diameter * np.exp(-gap / (2 * s**2)), 0.0, "the others' share of the softmax, times how far")
    pair = points[:2]
    close_to, far = np.sort(square[:, :2], axis=-1).T
    first = pair[square[:, :2].argmin(-1)]
    share = expit((close_to - far) / (2 * s**2))
    exact = first + share[:, None] * (pair.sum(0) - 2 * first)
    denoised = fields(process, PointSet(jnp.asarray(pair, dtype)), jnp.asarray(x, dtype), t)[0]
    close(denoised, exact, ulps=8, scale=sizes(pair, np.full(2, 0.5), 1.0, s, x)[1], why="two points: a logistic function")


jacobian = jax.jit(lambda process, law, x, t: jax.vmap(jax.jacfwd(lambda y: denoiser(process, law)(y, t)))(x))


@claim(
    "PTS-03",
    "dD/dx = alpha/sigma^2 times the posterior covariance: symmetric, PSD, of trace <= alpha R^2/sigma^2; D is in the hull.",
    of=("diffx.denoise.points_denoise", "diffx.law.PointSet"),
    source="the derivative of a softmax average",
)
@given(seed=st_.seeds(), a=LEVELS, s=LEVELS, z=st_.normals(4, 2), u=st_.normals(8, 2))
def test_jacobian_of_points_is_their_posterior_covariance(dtype, seed, a, s, z, u):
    """Against the weighted covariance of one softmax; the hull by its supporting lines in drawn directions u."""
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
    close(found, a / s**2 * exact.cov, ulps=16, scale=spread, why="rounding of shares, times |x_i||x_i - D|")
    eps = float(jnp.finfo(dtype).eps)
    slack = 16 * eps * spread[:, 0, 0]
    below(-np.linalg.eigvalsh((found + found.swapaxes(-1, -2)).astype(np.float64) / 2).min(-1) / slack, 1.0, "PSD")
    circle = np.linalg.norm(points - points.mean(0), axis=-1).max()
    below(np.trace(found, axis1=-2, axis2=-1) - a * circle**2 / s**2 - slack, 0.0, "the trace is a variance")
    denoised = np.asarray(fields(process, law, jnp.asarray(x, dtype), t)[0], np.float64)
    over = (denoised @ u.T).max(0) - (points @ u.T).max(0)
    below(over / np.linalg.norm(u, axis=-1), 8 * eps * radius, "no direction leads out of the hull")
    below(np.abs(denoised - mean) / scale, 8 * eps, "and it is the softmax average")


def test_far_outside_the_range_of_numbers_the_answer_is_nan():
    """All squared distances are infinite there: no point is nearer than another, and nothing pretends otherwise."""
    process, t = level(1.0, 1.0, np.float32)
    x = jnp.full((1, 2), 1e30, jnp.float32)
    assert np.isnan(points_denoise(process, PointSet(jnp.ones((3, 2), jnp.float32)), x, t)).all()


def arrays_in(jaxpr: Any) -> list[Any]:
    """Every array that a program computes, those of its loops and branches too."""
    found = [variable.aval for eqn in jaxpr.eqns for variable in eqn.outvars]
    for eqn in jaxpr.eqns:
        for inner in jax.tree_util.tree_leaves(list(eqn.params.values()), is_leaf=lambda p: hasattr(p, "eqns")):
            inner = getattr(inner, "jaxpr", inner)
            found += arrays_in(inner) if hasattr(inner, "eqns") else []
    return found


def test_many_points_never_build_batch_times_points_times_dimensions():
    """50,000 x 3,072 against a batch of 16, without data: the program's largest array is the points, padded to chunks."""
    shaped = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    arguments = shaped(50_000, 3072), shaped(16, 3072), shaped()
    traced = jax.jit(lambda points, x, t: points_denoise(VP(), PointSet(points), x, t)).trace(*arguments)
    padded = -(-50_000 // CHUNK) * CHUNK * 3072
    assert max(array.size for array in arrays_in(traced.jaxpr.jaxpr)) == padded
    used = traced.lower().compile().memory_analysis()
    if used is not None:  # not every backend tells
        assert used.temp_size_in_bytes < 4 * padded + 3 * 4 * 16 * CHUNK * 3072, "a copy of the points and one chunk's work"


# --- samplers on points ----------------------------------------------------------------------------------------------


def beyond_the_hull(x: Any, points: np.ndarray, directions: np.ndarray) -> float:
    """How far the furthest x lies outside, in the worst direction."""
    reach = (points @ directions.T).max(0)
    return float((np.asarray(x, np.float64) @ directions.T - reach).max())


@claim(
    "PTS-04",
    "A sampler whose last step returns D ends in the convex hull and, with little noise before it, on the points themselves.",
    of=("diffx.sampler.ddim.ddim", "diffx.sampler.euler.euler", "diffx.sampler.heun.heun"),
    source="D is an average of the points",
)
def test_samplers_that_end_with_the_denoiser_end_on_the_points(dtype):
    """DDIM, Euler in rectified-flow and EDM time, Heun; but Euler in VP time leaves the hull of {-1, 1}: 1.054."""
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
        below(beyond_the_hull(end, points, directions), 64 * eps, f"{name}: nothing ends outside the hull")
        if "fine" in name:
            nearest = np.linalg.norm(end[:, None] - points, axis=-1).min(-1)
            below(np.sort(nearest)[:-4], 1e-3, f"{name}: all but a few of 64, on the way between two, end on a point")
    outside_with_euler_in_vp_time(dtype)


def outside_with_euler_in_vp_time(dtype):
    """Its last step does not return D."""
    pair = PointSet(jnp.asarray([[-1.0], [1.0]], dtype))
    x = jnp.asarray(np.linspace(-3, 3, 65)[:, None], dtype)
    vp = VP()
    end = np.asarray(fold(euler(vp, denoiser(vp, pair)), x, uniform(20).astype(dtype))[0], np.float64)
    below(abs(np.abs(end).max() - 1.054), 0.02, "20 steps of Euler in VP time on {-1, 1} reach 1.054")


@claim(
    "PTS-05",
    "Without its noise DDPM collapses a spiral of 100 points to the three that are nearest to its mean.",
    of=("diffx.sampler.ddpm.ddpm", "diffx.sampler.ddpm.ddpm_step"),
    source="derived here; for Gaussian data it is exact, REV-09",
    dtypes=("float64",),
    why_dtypes="1000 steps through unstable points: which of the three a path ends on depends on the last digits",
)
def test_ddpm_without_noise_collapses_the_spiral(dtype):
    """64 paths of 1000 steps; their total variance is a thousandth of the data's, 1.975."""
    angle = np.linspace(np.pi / 2, 7 * np.pi / 2, 100)
    spiral = (angle * np.stack([np.cos(angle), np.sin(angle)])).T
    spiral = spiral / spiral.std()
    chain = DDPMChain(jnp.asarray(np.linspace(1e-4, 0.02, 1000), dtype))
    sampler = ddpm(chain, denoiser(chain, PointSet(jnp.asarray(spiral, dtype))))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)), dtype)
    end = np.asarray(fold(sampler, x, uniform(1000).astype(dtype))[0])
    below(end.var(0).sum() / spiral.var(0).sum(), 1e-3, "the spread is gone")
    mean = spiral.mean(0)
    three = spiral[np.argsort(np.linalg.norm(spiral - mean, axis=-1))[:3]]
    below(np.linalg.norm(end[:, None] - three, axis=-1).min(-1), 0.05, "each path ends near one of three points")
