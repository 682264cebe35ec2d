"""denoise.py on finitely many points: the ideal denoiser, its bounds, and what samplers make
of it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from scipy.integrate import solve_ivp
from scipy.special import expit, ive
from scipy.stats import norm

import diffx
from diffx.denoisers import CHUNK, denoiser, points_denoise
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.processes.vp import VP
from diffx.reverse import probability_flow
from diffx.samplers.ddim import ddim
from diffx.samplers.run import fold, keep_x
from spec_tests.instrument.close import below, close, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.information import GSV, KONG, QUADRATURE, curve, grid, plane
from spec_tests.support.laws import fields
from spec_tests.support.level import level
from spec_tests.support.points import LEVELS, seeded, sizes


@claim(
    "PTS-01",
    "High noise: |D - mean| <= 2 R tanh(osc/4), and D leaves the mean by C (y - mean)/sigma^2 and "
    "a known second order",
    of="diffx.denoisers.points_denoise",
    source="derived here: total variation of a softmax is at most tanh(osc/4)",
    grade="bounded",
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
    "of squared distances",
    of="diffx.denoisers.points_denoise",
    source="derived here: the softmax of the others is at most (n - 1) exp(-gap/(2 sigma^2))",
    grade="bounded",
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
    "R^2/sigma^2; D is in the hull",
    of=("diffx.denoisers.points_denoise", "diffx.PointSet"),
    source="the derivative of a softmax average",
    grade="bounded",
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
    grade="computed law",
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
    "On a line no two paths of the probability flow cross, because each keeps its quantile; nor "
    "do those of DDIM, whatever its steps",
    of=("diffx.reverse.probability_flow", "diffx.ddim"),
    source="derived here: dF/dt = -u p; dD/dx >= 0",
    grade="bounded",
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


@claim(
    "PTS-06",
    "The entropy of n points in the plane, from half the integrated error of their denoiser, is "
    "log n",
    of=("diffx.likelihood.mutual_information", "diffx.likelihood.mmse_curve"),
    source=f"{GSV}; {KONG}",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_entropy_of_points_in_the_plane_is_log_n(dtype):
    points = np.array([[0.5, 1.25], [-1.0, 0.25], [1.5, -0.5], [-0.25, -1.5], [0.25, -0.125]])
    process = diffx.RectifiedFlow()
    ts = grid(process, -16.0, 6.0, 44)
    draws = plane(points, 57, 7.0)
    errors = curve(process, diffx.PointSet(jnp.asarray(points)), draws, ts)
    got = float(diffx.likelihood.mutual_information(process, errors, ts, dim=2))
    below(abs(got - np.log(5)), 1e-5, "noises 1/4 apart; 57^2 x 5 of them at 45 levels")
