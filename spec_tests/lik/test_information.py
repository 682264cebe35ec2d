"""Information from denoisers: I-MMSE, entropies, KL and mutual information as half an mmse gap,
entropy production.

Expectations are quadratures: 3 Gauss-Hermite nodes in each variable for Gaussians, whose errors are
quadratic in the noise, tensor trapezoids for mixtures and points, exact to rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import diffx
from diffx.likelihood import snr_rate
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, information as exact
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast
from spec_tests.support.information import (
    GSV,
    HALF_LOG,
    KONG,
    NODES,
    QUADRATURE,
    TIMES,
    bell,
    curve,
    draws_of,
    gaussian_draws,
    grid,
    law_of,
    mixture,
    moving,
    plane,
)
from spec_tests.support.paths import PROCESSES, oracle

LONG = (-16.0, 16.0, 128)  # log-SNR from, to, steps: the integrand is flat at both ends


# --- I-MMSE -------------------------------------------------------------------------------------


@claim(
    "LIK-03",
    "dI/dSNR = mmse/2 in nats: half the integral of the denoising error is the information of x_t "
    "about x_0",
    of=("diffx.likelihood.mutual_information", "diffx.likelihood.mmse_curve"),
    source=GSV,
    grade="order",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_half_the_integrated_error_is_mutual_information(dtype):
    """Order 2 with its constant h^2/24 [f'] against log det(I + g C)/2 and the entropies of a
    mixture; f = g mmse.
    """
    steps, process = (16, 32, 64, 128), diffx.RectifiedFlow()
    cov = np.array([[2.0, 0.75], [0.75, 0.5]])
    mean, values, p = np.array([0.5, -1.0]), np.linalg.eigvalsh(cov), mixture()
    cases = (  # the isotropic Gaussian from SNR 1: below the grid its mmse is known in closed form
        (
            diffx.GaussianLaw(mean, cov),
            gaussian_draws(mean, cov),
            -16.0,
            lambda g: np.log1p(g * values).sum() / 2,
        ),
        (
            diffx.GaussianLaw(mean, 3.0),
            gaussian_draws(mean, 3 * np.eye(2)),
            0.0,
            lambda g: np.log1p(3 * g),
        ),
        (law_of(p), draws_of(p), -16.0, lambda g: exact.mutual_information(p, g)),
    )
    high = 1.5
    for law, draws, low, wanted in cases:
        dim, ts = draws[0].shape[1], grid(process, low, high, steps[-1])
        found = nested(
            lambda *at, dim=dim: diffx.likelihood.mutual_information(process, *at, dim=dim),
            curve(process, law, draws, ts),
            ts,
            steps,
        )
        errors = np.array(found) - wanted(np.exp(high))
        constant = (high - low) ** 2 / 24 * (bend(wanted, high) - bend(wanted, low)) * 2
        holds(
            np.sign(errors[-1]) == np.sign(constant),
            "the trapezoid errs to the side of its constant",
        )
        kept = slice(1 if low < 0 else 0, None)
        slope(
            steps[kept],
            np.abs(errors[kept]),
            order=2,
            constant=abs(constant),
            constant_rtol=0.05,
            why="the trapezoidal rule",
        )


def nested(integral, errors, ts, steps):
    """The integral over every k-th node of one fine curve: one compilation for all grids."""
    every = [(len(ts) - 1) // n for n in steps]
    return [float(integral(errors[::k], ts[::k])) for k in every]


def bend(information, l, h=0.02):
    """d/dl of g mmse/2 = dI/dl: the second derivative of I in l, by central differences of the
    oracle.
    """
    at = lambda k: information(np.exp(l + k * h))
    return (-at(2) + 16 * at(1) - 30 * at(0) + 16 * at(-1) - at(-2)) / (12 * h**2)


@claim(
    "LIK-04",
    "The entropy of a density is (d/2) log 2 pi e - (1/2) int [d/(1 + g) - mmse] dg: the denoiser "
    "alone determines it",
    of="diffx.likelihood.entropy",
    source=f"{GSV}; {KONG}",
    grade="order",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_entropy_comes_from_the_denoiser_alone(dtype):
    process, p = diffx.RectifiedFlow(), mixture()
    cov, mean = np.array([[2.0, 0.75], [0.75, 0.5]]), np.array([0.5, -1.0])
    for law, draws, wanted in (
        (law_of(p), draws_of(p), exact.entropy(p)),
        (
            diffx.GaussianLaw(mean, cov),
            gaussian_draws(mean, cov),
            2 * HALF_LOG + np.log(np.linalg.det(cov)) / 2,
        ),
    ):
        ts = grid(process, *LONG)
        got = diffx.likelihood.entropy(
            process, curve(process, law, draws, ts), ts, dim=draws[0].shape[1]
        )
        below(
            abs(float(got) - wanted),
            1e-8,
            "128 steps from l = -16 to 16: the ends bend by h^2/24 exp(-16) = 3e-10",
        )
    steps, ts, law = (64, 128, 256), grid(process, -1.0, 2.0, 256), diffx.GaussianLaw(mean, 3.0)
    # every tail is closed: a short grid will do
    errors = curve(process, law, gaussian_draws(mean, 3 * np.eye(2)), ts)
    found = nested(lambda *at: diffx.likelihood.entropy(process, *at, dim=2), errors, ts, steps)
    errors = np.abs(np.array(found) - 2 * HALF_LOG - np.log(3))
    slope(
        steps,
        errors,
        order=2,
        why="nothing but the trapezoidal rule is left, whatever the ends of the grid",
    )


@claim(
    "LIK-05",
    "-log p(x) is the same integral of the error at fixed x, for every x",
    of=("diffx.likelihood.surprisal", "diffx.likelihood.pointwise_information"),
    source=KONG,
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_surprisal_of_a_point_is_its_integrated_error(dtype):
    """For a Gaussian mmse(x, g) = sum (x^2 + L^2 g)/(1 + g L)^2; -log p by the density of a
    mixture; the mean is h.
    """
    process, p, (z, w) = diffx.RectifiedFlow(), mixture(), bell()
    ts = grid(process, *LONG)
    g = np.exp(np.linspace(*LONG[:2], LONG[2] + 1))
    for x in (-2.0, 0.25, 3.0):
        draws = np.full((NODES, 1), x), z[:, None], w
        got = diffx.likelihood.surprisal(process, curve(process, law_of(p), draws, ts), ts, dim=1)
        below(
            abs(float(got) + float(p.log_density(np.array(x)))),
            1e-7,
            "ends of exp(-16), squared deviations of 10",
        )
    x, variances = np.array([1.5, -0.5]), np.array([2.0, 0.25])
    nodes, weights = bayes.hermite(3, 2)
    draws = np.broadcast_to(x, nodes.shape), nodes, weights
    errors = curve(process, diffx.GaussianLaw(jnp.zeros(2), jnp.asarray(variances)), draws, ts)
    wanted = ((x**2 + variances**2 * g[:, None]) / (1 + g[:, None] * variances) ** 2).sum(1)
    size = wanted + np.sqrt(wanted) * np.abs(x).max()
    close(
        errors,
        wanted,
        ulps=64,
        scale=size * (1 + np.abs(np.log(g))),
        why="x - D of the size of x; the level's own rounding",
    )
    got = diffx.likelihood.surprisal(process, errors, ts, dim=2)
    below(
        abs(
            float(got) - 2 * HALF_LOG + 1 - ((x**2 / variances).sum() + np.log(variances).sum()) / 2
        ),
        1e-7,
        "as above",
    )


# --- finitely many points -----------------------------------------------------------------------


@claim(
    "LIK-06",
    "For finitely many points half the integrated error at an atom is -log of its weight; its "
    "average is their entropy, log n",
    of=(
        "diffx.likelihood.mmse_curve",
        "diffx.likelihood.mutual_information",
        "diffx.likelihood.pointwise_information",
    ),
    source=f"{GSV}; {KONG}",
    grade="computed law",
)
def test_half_the_integrated_error_of_points_counts_them(dtype):
    """From the ideal denoiser alone: -log(.2, .5, .3) = 1.609438, .693147, 1.203973; n equal points
    give log n.
    """
    atoms = np.array([-1.25, 0.375, 1.5])
    for weights in ((0.2, 0.5, 0.3), (0.0625, 0.1875, 0.75)):
        counts_atoms(dtype, atoms, np.array(weights))
    drawn_points_count(dtype)


@settings(max_examples=3)
@given(gaps=st_.arrays(3, st_.floats(0.75, 2.0)), start=st_.floats(-3.0, 0.0))
def drawn_points_count(dtype, gaps, start):
    atoms = np.float32(start) + np.cumsum(gaps).astype(np.float32).astype(np.float64)
    counts_atoms(dtype, atoms, np.full(3, 1 / 3))


def counts_atoms(dtype, atoms, weights):
    process, (z, w) = diffx.EDM(1e8), bell(161)
    ts = grid(process, -34.0, 6.5, 162, dtype)  # times are relative here: float32 reaches SNR 1e-15
    law = diffx.PointSet(*cast(dtype, atoms[:, None], weights / weights.sum()))
    noise = np.broadcast_to(z[:, None], (161, 1))
    found = [curve(process, law, (np.full((161, 1), x), noise, w), ts) for x in atoms]
    size = (1 + np.abs(atoms).max()) ** 2 * np.exp(6.5 / 2)
    why = (
        "logits of gaps over sigma amplify the rounding of x_t by up to |x|/sigma where the "
        "error still counts"
    )
    for errors, weight in zip(found, weights, strict=True):
        got = diffx.likelihood.pointwise_information(process, errors, ts)
        close(got, np.array(-np.log(weight)), ulps=64, scale=size, why=why)
    mean = sum(weight * errors for errors, weight in zip(found, weights, strict=True))
    whole = diffx.likelihood.mutual_information(process, mean.astype(dtype), ts, dim=1)
    close(whole, np.array(-(weights * np.log(weights)).sum()), ulps=64, scale=size, why=why)


@claim(
    "LIK-07",
    "The numbers of coding theory for +-1 in Gaussian noise follow from a denoiser: half a bit at "
    "sigma = .97869, one bit in all",
    of=("diffx.likelihood.mmse", "diffx.likelihood.mutual_information"),
    source=(
        "rate 1/2 on the binary-input Gaussian channel: sigma = .97869 or .187 dB (Richardson "
        "and Urbanke 2008)"
    ),
    grade="order",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_binary_input_reaches_the_shannon_limit(dtype):
    """I(1) = .485944 bit and mmse(1) = .449600, and both by quadrature of 1 - E log2(1 + exp(-2g -
    2 sqrt(g) z)).
    """
    process, (z, w) = diffx.RectifiedFlow(), bell(161)
    law, draws = diffx.PointSet(jnp.array([[-1.0], [1.0]])), (np.ones((161, 1)), z[:, None], w)
    steps, limit = (64, 128, 256), 0.97869**-2
    for g, printed in ((1.0, 0.485944), (limit, 0.5)):
        bits = information_in_bits(process, law, draws, np.log(g), steps)
        errors = [abs(found - exact.binary_bits(g)) for found in bits]
        slope(steps, errors, order=2, why="the trapezoidal rule in log-SNR")
        best = (4 * bits[-1] - bits[-2]) / 3
        below(
            abs(best - printed),
            3e-6 if g == limit else 5e-7,
            "the digits in print, extrapolated in the step",
        )
    below(abs(10 * np.log10(limit) - 0.187), 5e-4, "the limit in dB")
    one = process.time_of_log_snr(0.0)
    error = diffx.likelihood.mmse(
        process,
        diffx.denoiser(process, law),
        *cast(np.float64, *draws[:2]),
        one,
        weights=jnp.asarray(w),
    )
    below(abs(float(error) - 0.449600), 5e-7, "the digits in print")
    close(
        error,
        np.array(exact.binary_mmse(1.0)),
        ulps=64,
        scale=1,
        why="1 - E tanh(1 + z) by quadrature",
    )
    below(
        abs(information_in_bits(process, law, draws, 6.0, steps)[0] - 1), 1e-7, "a sign is one bit"
    )


def information_in_bits(process, law, draws, high, steps):
    ts = grid(process, -18.0, high, steps[-1])
    errors = curve(process, law, draws, ts)
    return [
        found / np.log(2)
        for found in nested(
            lambda *at: diffx.likelihood.mutual_information(process, *at, dim=1), errors, ts, steps
        )
    ]


@pytest.mark.slow
def test_surprisal_of_a_point_of_a_spiral_is_log_of_their_number():
    """Neighbours are .09 apart: l runs to 11, where SNR gap^2/4 = 120 has resolved them."""
    angle = np.linspace(np.pi / 2, 7 * np.pi / 2, 100)
    points = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = (points - points.mean(0)) / points.std()
    process = diffx.RectifiedFlow()
    ts, law = grid(process, -16.0, 12.0, 112), diffx.PointSet(jnp.asarray(points))
    for i in (0, 13, 50, 99):
        got = diffx.likelihood.pointwise_information(
            process, curve(process, law, plane(points[i : i + 1], 85, 7.0), ts), ts
        )
        below(
            abs(float(got) - np.log(100)),
            1e-4,
            "noises 1/6 apart; every atom of weight 1/n has the surprisal log n",
        )


# --- gaps ---------------------------------------------------------------------------------------


@claim(
    "LIK-11",
    "KL(P || Q) is half the integral of the error of Q's denoiser beyond that of P's, on draws of "
    "P",
    of="diffx.likelihood.mmse_gap",
    source="Verdu 2010, IEEE Trans. Inf. Theory 56(8)",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_kl_is_half_the_gap_of_two_denoisers(dtype):
    """Gaussians against scipy-free closed forms by solve and determinant, mixtures against int p
    log(p/q).
    """
    process, p, q = diffx.RectifiedFlow(), mixture(), mixture((0.5, 0.5), (-0.5, 0.75), (0.75, 1.0))
    cov, mean = np.array([[2.0, 0.75], [0.75, 0.5]]), np.array([0.5, -1.0])
    other, middle = np.array([[1.0, -0.25], [-0.25, 0.75]]), np.array([0.0, 0.5])
    away, ratio = middle - mean, np.linalg.solve(other, cov)
    wanted = (
        np.trace(ratio) - 2 + away @ np.linalg.solve(other, away) - np.log(np.linalg.det(ratio))
    ) / 2
    for laws, draws, divergence in (
        ((law_of(p), law_of(q)), draws_of(p), exact.divergence(p, q)),
        (
            (diffx.GaussianLaw(mean, cov), diffx.GaussianLaw(middle, other)),
            gaussian_draws(mean, cov),
            wanted,
        ),
    ):
        ts = grid(process, -16.0, 14.0, 120)
        smaller, larger = (curve(process, law, draws, ts) for law in laws)
        got = diffx.likelihood.mmse_gap(process, larger, smaller, ts)
        below(
            abs(float(got) - divergence),
            1e-7,
            "from l = -16 to 14: what is beyond the ends falls as SNR^2 and 1/SNR^2",
        )
    for n in (1, 2):  # what is beyond a short grid: a constant below, 1/g^2 above
        ts, (a, b) = grid(process, -1.0, 1.0, n), (np.arange(n + 1) + 2.0, np.ones(n + 1))
        g = np.exp(np.linspace(-1, 1, n + 1))
        inner = np.trapezoid(g * (a - b), np.linspace(-1, 1, n + 1))
        wanted = np.array((inner + g[0] * (a - b)[0] + g[-1] * (a - b)[-1]) / 2)
        close(
            diffx.likelihood.mmse_gap(process, *cast(np.float64, a, b), ts),
            wanted,
            ulps=32,
            why="the rule itself, by numpy",
        )


@claim(
    "LIK-12",
    "What a condition tells about the data is half the integrated gap between the errors of the "
    "unconditional and the conditional denoiser",
    of="diffx.likelihood.mmse_gap",
    source=f"{GSV}, the chain rule",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_information_of_a_condition_is_half_the_mmse_gap(dtype):
    """x_0 from component c of a mixture: I(x_0; c) = h(mixture) - sum of weight times
    h(component).
    """
    process, p = diffx.RectifiedFlow(), mixture()
    ts, draws = grid(process, -16.0, 14.0, 120), draws_of(p)
    knowing = 0.0
    for weight, mean, variance in zip(*p, strict=True):
        law = diffx.GaussianLaw(jnp.asarray([mean]), jnp.asarray(variance))
        knowing = knowing + weight * curve(
            process, law, gaussian_draws(np.array([mean]), np.array([[variance]])), ts
        )
    got = diffx.likelihood.mmse_gap(process, curve(process, law_of(p), draws, ts), knowing, ts)
    wanted = exact.entropy(p) - sum(
        w * (HALF_LOG + np.log(v) / 2) for w, v in zip(p.weights, p.variances, strict=True)
    )
    below(abs(float(got) - wanted), 1e-7, "from l = -16 to 14")


@jax.jit
def rates_of_kl(processes, law, other, x0, eps, ts, weights):
    """Those of KL, and SNR'."""
    both = lambda p: (diffx.denoiser(p, law), diffx.denoiser(p, other))
    one = lambda p, t: diffx.likelihood.kl_rate(p, *both(p), x0, eps, t, weights=weights)
    rates = jnp.stack([jnp.stack([one(p, t) for t in ts]) for p in processes])
    return rates, jnp.stack([jnp.stack([snr_rate(p, t) for t in ts]) for p in processes])


@claim(
    "LIK-13",
    "Under one forward SDE KL(p_t || q_t) falls at the rate (g^2/2) E_p|score_p - score_q|^2",
    of=("diffx.likelihood.kl_rate", "diffx.likelihood.snr_rate"),
    source="Song et al. 2021, arXiv:2101.09258",
    grade="computed law",
)
def test_kl_falls_by_the_squared_score_difference(dtype):
    """d/dt of the closed form in one direction; int p' log(p/q) - p q'/q for mixtures; SNR' from
    the path in 60 digits.
    """
    p, q = mixture(), mixture((0.5, 0.5), (-0.5, 0.75), (0.75, 1.0))
    mean, variances, middle, others = (
        np.array([0.5, -1.0]),
        np.array([2.0, 0.25]),
        np.array([0.0, 0.5]),
        np.array([1.0, 0.75]),
    )
    draws = gaussian_draws(mean, np.diag(variances))
    laws = (
        diffx.GaussianLaw(*cast(dtype, *told)) for told in ((mean, variances), (middle, others))
    )
    told = [make() for make in PROCESSES], *laws, *cast(dtype, *draws[:2], TIMES, draws[2])
    for make, *found in zip(PROCESSES, *rates_of_kl(*told), strict=True):
        for t, got, rate in zip(TIMES, *found, strict=True):
            path = oracle(make)
            snr = np.exp(path.log_snr(t)) * path.log_snr_rate(t)
            steep = (1 + np.abs(path.log_snr(t))) * np.abs(snr)
            close(
                rate,
                snr,
                ulps=16,
                scale=steep,
                why=f"{make.__name__}: the exponential of a log-SNR times its derivative",
            )
            wanted, apart = gaussian_kl_rate(path, t, mean - middle, variances, others)
            scale = steep * (apart + np.sqrt(apart) * 3)
            close(
                got,
                wanted,
                ulps=32,
                scale=scale,
                why=f"{make.__name__}: two denoisers of the size of the data subtracted",
            )
    x0, eps, weights = cast(dtype, *draws_of(p))
    some, ts = PROCESSES[:2], jnp.asarray([0.25], dtype)
    told = [make() for make in some], law_of(p, dtype), law_of(q, dtype), x0, eps, ts, weights
    for make, (got,), (rate,) in zip(some, *rates_of_kl(*told), strict=True):
        path = oracle(make)
        (now, rates), (then, others) = (moving(path, law, 0.25) for law in (p, q))
        wanted = np.array(exact.divergence_rate(now, rates, then, others))
        close(
            got,
            wanted,
            ulps=256,
            scale=3 * np.abs(float(rate)),
            why="97^2 differences of two mixtures' denoisers",
        )


def gaussian_kl_rate(path, t, away, p, q):
    """The derivative of sum [v/w - 1 + d^2/w - log(v/w)]/2, and E|D_p - D_q|^2 = -2 times it
    over |SNR'|.
    """
    a, s2 = path.alpha(t), path.variance(t)
    rate = lambda l: 2 * a * path.alpha_rate(t) * l + 2 * path.sigma(t) * path.sigma_rate(t)
    v, w, v1, w1 = a**2 * p + s2, a**2 * q + s2, rate(p), rate(q)
    d2, d21 = (a * away) ** 2, 2 * a * path.alpha_rate(t) * away**2
    total = ((v1 + d21) / w - (v + d2) * w1 / w**2 - v1 / v + w1 / w).sum() / 2
    return total, 2 * np.abs(total) / np.abs(np.exp(path.log_snr(t)) * path.log_snr_rate(t))


# --- bad input ----------------------------------------------------------------------------------


def test_data_without_an_axis_of_draws_are_refused():
    process, law = diffx.VP(), diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(ValueError, match=r"n draws of shape \(n, \*event\)"):
        diffx.likelihood.mmse(process, diffx.denoiser(process, law), jnp.ones(2), jnp.ones(2), 0.5)


def test_weights_of_another_length_or_sum_are_refused():
    process, x = diffx.VP(), jnp.ones((3, 2))
    denoise = diffx.denoiser(process, diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(ValueError, match=r"weights must have shape \(3,\)"):
        diffx.likelihood.mmse(process, denoise, x, x, 0.5, weights=jnp.ones(2) / 2)
    with pytest.raises(ValueError, match=r"weights must sum to 1, got 3"):
        diffx.likelihood.mmse_curve(
            process, denoise, x, x, diffx.uniform(2, t_min=0.5), weights=jnp.ones(3)
        )


def test_a_curve_of_another_length_than_its_grid_is_refused():
    ts = diffx.uniform(4, t_min=0.1)
    with pytest.raises(
        ValueError,
        match=r"errors must have one value for each time of ts, shape \(5,\), got \(4,\)",
    ):
        diffx.likelihood.entropy(diffx.VP(), jnp.ones(4), ts, dim=2)


def test_a_grid_with_infinite_log_snr_is_refused_with_a_hint():
    with pytest.raises(
        ValueError,
        match=(
            r"log-SNR must be finite along ts, got .* at ts.0. = 1.0 .* see "
            r"diffx.grids.uniform_log_snr"
        ),
    ):
        diffx.likelihood.mutual_information(
            diffx.RectifiedFlow(), jnp.ones(3), jnp.asarray([1.0, 0.5, 0.1]), dim=1
        )
    with pytest.raises(ValueError, match="the grid must end before t = 0"):
        diffx.likelihood.pointwise_information(
            diffx.VP(), jnp.ones(3), jnp.asarray([1.0, 0.5, 0.0])
        )


def test_the_dimension_must_be_a_positive_integer():
    for function in (
        diffx.likelihood.entropy,
        diffx.likelihood.surprisal,
        diffx.likelihood.mutual_information,
    ):
        with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
            function(diffx.VP(), jnp.ones(3), diffx.uniform(2, t_min=0.5), dim=0)
