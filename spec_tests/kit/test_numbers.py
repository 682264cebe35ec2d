"""The numbers beneath the checks, each by another route: quadrature, matrix functions and quantiles
of scipy, differences.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import logm, sqrtm
from scipy.special import betainc, gammainccinv, gammaincinv, ndtri
from scipy.stats import multivariate_normal, norm

from diffx.check import check_log_prob, check_sampler, check_samples
from diffx.check._ask import (
    fit,
    fraction,
    number,
    ratio,
    recognise,
    relative_error,
    rounding,
    rows,
    sum_text,
)
from diffx.check.likelihoods.networks import LineNetwork, PlaneNetwork
from diffx.check.problems import PLANE, POINT, TWO, Gaussian, Mixture, follow_gated, gate, level, w2
from diffx.check.processes.slope import slope
from diffx.check.samplers.chi_square import power
from diffx.check.samplers.first_order import deviations, first_order
from diffx.check.samplers.order import Order, observed_order
from diffx.check.samplers.probe import Affine, affine_probe
from spec_tests.specimens import toys

LEVELS = [(0.2, 1.9), (0.7, 0.6), (1.1, 0.3)]
LINE = Mixture(np.array([0.3, 0.5, 0.2]), np.array([-1.2, 0.9, 0.1]), 0.4)


# --- how foreign code is asked -------------------------------------------------------------------


def test_rounding_is_1024_ulps_and_errors_are_relative_to_the_largest_number():
    assert (rounding("float32"), rounding("float64")) == (2.0**-13, 2.0**-42)
    assert relative_error([1.0, -3.0], [2.0, -4.0]) == 0.25
    assert relative_error([0.0], [0.0]) == 0.0
    assert number("n", [[2]]) == 2.0 and isinstance(number("n", np.float32(2)), float)


@pytest.mark.parametrize(
    ("constant", "text"),
    [
        *[
            (2.0, "2"),
            (0.5, "1/2"),
            (-1.0, "-1"),
            (1 / 64, "1/64"),
            (1 / 65, "0.01538"),
            (-1 / 7, "-1/7"),
            (0.75, "3/4"),
        ],
        *[
            (2.5, "5/2"),
            (0.6, "0.6"),
            (-0.6, "-0.6"),
            (2.0015, "2"),
            (2.004, "2.004"),
            (-2.0015, "-2"),
            (0.0, "0"),
            (1 / 3, "1/3"),
        ],
        *[
            (1.00051, "1.00051"),
            (1.0, "1"),
            (1e-4, "0.0001"),
            (5 / 3, "5/3"),
            (2 / 7, "0.2857"),
            (3 / 8, "0.375"),
        ],
    ],
)
def test_constants_near_small_fractions_are_written_so(constant, text):
    assert fraction(constant) == text


def test_ratios_are_constants_to_a_thousandth():
    wanted = np.array([1.0, -2.0])
    assert ratio(-3 * wanted, wanted) == -3
    assert_allclose(ratio([1.0, -2.0016], wanted), (1 + 4.0032) / 5, rtol=1e-12)
    assert np.isnan(ratio([1.0, -2.006], wanted)) and np.isnan(ratio([1.0], [0.0]))
    assert np.isnan(ratio([0.004, -0.004], wanted)) and ratio(
        [1e-6, 1e-6], wanted
    ) == pytest.approx(-2e-7)
    assert np.isnan(ratio([3e-6, 0.0], 0.5 * wanted))


def test_candidates_are_recognised_to_the_tolerance_of_the_largest_number():
    forms = {"first": [1.0, -4.0], "second": [2.0, -4.0]}
    name = lambda off, wanted=None: recognise([2.0 + off, -4.0], forms, wanted, tolerance=0.01)
    assert name(0.039) == name(-0.039) == "second" and name(0.045) == name(-0.045) == ""
    assert name(0.0, [2.0, -4.07]) == "" and name(0.0, [2.0, -4.09]) == "second"
    assert name(0.079, [2.0, -8.0]) == "second" and name(0.085, [2.0, -8.0]) == ""
    assert recognise([[3.0, 3.0]], {"one number": 3.0}, tolerance=1e-6) == "one number"
    assert recognise([0.0], {"nothing": 0.0}, tolerance=1e-6) == "nothing"


def test_sums_of_multiples_are_fitted_and_written():
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [0.0, 0.0]])
    found, left = fit(2 * a - 3 * b, a, b)
    assert_allclose(found, [2, -3], atol=1e-14)
    assert left < 1e-14
    assert_allclose(fit(2 * a + [[0.0, 0.0], [1.0, 0.0]], a, b)[1], 0.5)
    assert fit(0 * a, a, b)[1] == 0.0
    assert sum_text([-1e-12, 2.5, -1.0], "abc") == "0 a + 2.5 b + -1 c"


def test_what_writes_into_an_array_is_told_which():
    def second(x: Any, y: Any, z: float) -> Any:
        y[0] = 5.0
        return x

    with pytest.raises(ValueError, match="f writes into argument 2, an array"):
        rows("f", second, np.ones(2), np.ones(2), 1.0)
    assert (
        rows("f", lambda x, z: np.float32(x), np.ones(2), 1.0, precision="float32").dtype
        == np.float64
    )
    with pytest.raises(TypeError, match="gave float32, wanted float64"):
        rows("f", lambda x: np.float32(x), np.ones(2))


# --- problems -----------------------------------------------------------------------------------


def posterior_mean(law: Mixture, x: float, alpha: float, sigma: float) -> float:
    """E[x0 | x] by quadrature."""
    y = np.linspace(-9, 9, 3001)  # the trapezium rule: what it leaves falls exponentially
    density = (
        norm(law.means, law.variance**0.5).pdf(y[:, None])
        @ law.weights
        * norm(alpha * y, sigma).pdf(x)
    )
    return (y * density).sum() / density.sum()


@pytest.mark.parametrize("at", LEVELS)
def test_denoisers_are_posterior_means_and_pull_is_their_derivative(at):
    alpha, sigma = at
    x = np.array([-1.7, 0.1, 2.2])
    oracle = [posterior_mean(LINE, one, alpha, sigma) for one in x]
    line, plane, h = LineNetwork(LINE), PlaneNetwork(PLANE), 1e-5
    assert_allclose(line(x, alpha, sigma), oracle, atol=1e-9)
    central = (line(x + h, alpha, sigma) - line(x - h, alpha, sigma)) / (2 * h)
    assert_allclose(line.pull(x, alpha, sigma, 2 * x), 2 * x * central, atol=1e-8)
    precision = np.linalg.inv(PLANE.cov) + alpha**2 / sigma**2 * np.eye(2)
    y = np.array([[0.4, -1.3], [2.0, 0.7]])
    bayes = np.linalg.solve(
        precision, (np.linalg.solve(PLANE.cov, PLANE.mean) + alpha / sigma**2 * y).T
    ).T
    assert_allclose(plane(y, alpha, sigma), bayes, atol=1e-13)
    assert_allclose(
        plane.pull(y, alpha, sigma, y), y @ np.linalg.inv(precision) * alpha / sigma**2, atol=1e-13
    )


@pytest.mark.parametrize(("start", "end"), [*pairwise(LEVELS), (LEVELS[2], LEVELS[0])])
def test_flows_of_a_gaussian_are_quotients_of_matrix_roots(start, end):
    before, after = (a**2 * PLANE.cov + s**2 * np.eye(2) for a, s in (start, end))
    wanted = np.real(sqrtm(after) @ np.linalg.inv(sqrtm(before)))
    matrix, offset = PLANE.flow(start, end)
    assert_allclose(matrix, wanted, atol=1e-13)
    assert_allclose(offset, end[0] * PLANE.mean - start[0] * PLANE.mean @ wanted, atol=1e-13)
    assert_allclose(PlaneNetwork(PLANE).log_map(end, start), np.real(logm(wanted)), atol=1e-12)
    assert_allclose(PLANE.marginal(*start).cov, before)


def test_distances_of_gaussians_are_those_of_the_roots():
    p, q = (
        Gaussian(np.array([1.0, 2.0]), PLANE.cov),
        Gaussian(np.array([0.0, 2.5]), np.array([[2.0, -0.9], [-0.9, 0.7]])),
    )
    cross = np.trace(np.real(sqrtm(np.real(sqrtm(p.cov)) @ q.cov @ np.real(sqrtm(p.cov)))))
    wanted = (1.25 + np.trace(p.cov) + np.trace(q.cov) - 2 * cross) ** 0.5
    assert_allclose([w2(p, q), w2(q, p)], wanted, rtol=1e-12)
    assert w2(p, p) < 1e-14
    assert_allclose(w2(Gaussian(p.mean, 0 * p.cov), p), np.trace(p.cov) ** 0.5, rtol=1e-12)


@pytest.mark.parametrize(
    ("tau", "share"),
    [(9.0, 0.0), (8.0, 0.0), (0.5, 1.0), (0.4, 1.0), (0.0, 1.0), (2.0, 0.5), (4.0, None)],
)
def test_gates_open_as_an_incomplete_beta_function(tau, share):
    gated = gate(lambda x, alpha, sigma: 3.0 * x, 8.0, 0.5)
    wanted = betainc(5, 5, min(max(np.log(8 / tau) / np.log(16), 0), 1)) if tau else 1.0
    assert_allclose(gated(np.ones(2), 0.5, 0.5 * tau), 3 * wanted, atol=1e-14)
    assert share is None or abs(wanted - share) < 1e-14
    assert_allclose(gate(lambda x, alpha, sigma: x, 8.0, 0.5)(np.ones(2), 0.0, 2.0), 0.0)


def test_gated_flows_are_followed_to_where_a_fine_midpoint_rule_comes():
    gated, us = gate(TWO.denoise, 6.0, 0.8), np.linspace(np.log(6), np.log(0.5), 4001)
    x = np.array([-3.0, 1.0, 4.0])
    y = 6.0 * x / 7.0
    for u, v in pairwise(us):
        middle = y + (v - u) / 2 * (y - gated(y, 1.0, np.exp(u)))
        y = y + (v - u) * (middle - gated(middle, 1.0, np.exp((u + v) / 2)))
    assert_allclose(follow_gated(TWO.denoise, x, 7.0, (0.8, 0.4), 6.0, 0.8), 0.8 * y, atol=1e-6)


def test_levels_are_two_numbers():
    assert level([0.5], np.float32(2)) == (0.5, 2.0)
    for bad in (([1, 2], 1.0), (1.0, [1, 2])):
        with pytest.raises(TypeError, match="one alpha and one sigma"):
            level(*bad)


# --- densities along the flow -------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end"), [((0.2, 1.9), (0.7, 0.6)), ((1.0, 3.0), (1.1, 0.3))])
def test_densities_are_those_of_the_prior_and_of_the_flow(start, end):
    x = np.array([[0.4, -1.3], [2.0, 0.7], [-1.0, 0.2]])
    a, s = end
    found = PlaneNetwork(PLANE).parts(x, start, end, 1.7)
    matrix = PLANE.flow(end, start)[0]
    y = start[0] * PLANE.mean + (x - a * PLANE.mean) @ matrix
    assert_allclose(found.at_end, norm(0, 1.7).logpdf(y).sum(1), atol=1e-12)
    assert_allclose(found.stretch, np.log(np.linalg.det(matrix)), atol=1e-12)
    wanted = multivariate_normal(a * PLANE.mean, a**2 * PLANE.cov + s**2 * np.eye(2)).logpdf(x)
    assert_allclose(found.density, wanted, atol=1e-12)


@pytest.mark.parametrize(("start", "end"), [((0.2, 1.9), (0.7, 0.6)), ((1.0, 3.0), (1.1, 0.3))])
def test_densities_on_the_line_move_with_their_quantiles(start, end):
    network = LineNetwork(LINE)
    (before, after), x = (
        (norm(a * LINE.means, (a * a * LINE.variance + s * s) ** 0.5) for a, s in (end, start)),
        network.grid(end),
    )
    found = network.parts(x, start, end, 1.7)
    inner = np.abs(before.cdf(x) @ LINE.weights - 0.5) < 0.499
    y = np.interp(before.cdf(x) @ LINE.weights, after.cdf(GRID[:, None]) @ LINE.weights, GRID)
    assert_allclose(found.at_end[inner], norm(0, 1.7).logpdf(y)[inner], atol=1e-5)
    assert_allclose(found.density, np.log(before.pdf(x) @ LINE.weights), atol=1e-12)
    assert_allclose(
        (found.density - found.stretch)[inner],
        np.log(after.pdf(y[:, None]) @ LINE.weights)[inner],
        atol=1e-5,
    )
    spread = (end[0] ** 2 * LINE.variance + end[1] ** 2) ** 0.5
    assert_allclose(np.exp(found.density).sum() * np.diff(x[:, 0])[0], 1, atol=1e-10)
    assert_allclose(x[0, 0], -1.2 * end[0] - 7 * spread)
    assert 0.9 * end[0] + 6.5 * spread - 1e-9 <= x[-1, 0] <= 0.9 * end[0] + 7 * spread
    assert_allclose(np.diff(x[:, 0]), spread / 2)


GRID = np.linspace(-20, 20, 80_001)


# --- slopes and orders ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (lambda t: t**3, lambda t: 3 * t * t),
        (lambda t: 5.0, lambda t: 0.0),
    ],
)
@pytest.mark.parametrize("t", [0.3, 1.1])
def test_slopes_are_found_and_their_errors_are_bounds(function, derivative, t):
    for reach in (0.5, 0.05):
        found, error = slope(lambda u: float(function(u)), t, reach, 2.0**-52)
        assert abs(found - derivative(t)) <= error < 1e-9
        assert error >= 16 * 2.0**-52 / reach
    rough = slope(lambda u: float(function(u)) + 1e-4 * np.sin(1e5 * u), t, 0.5, 1e-4)
    assert abs(rough[0] - derivative(t)) <= rough[1] and rough[1] > 1e-3


def test_slopes_of_what_is_not_finite_have_no_error():
    assert np.isnan(slope(lambda t: np.nan, 0.3, 0.1, 0.0)[1]) or np.isinf(
        slope(lambda t: np.nan, 0.3, 0.1, 0.0)[1]
    )


SETTLED = [  # slopes, the order that is asked about, whether it can be judged
    ((1.0,), 2.0, False),
    ((1.0, 1.0), 2.0, True),
    ((1.0, 0.9), 2.0, True),
    ((1.4, 0.9), 2.0, True),  # both below, and falling
    ((2.4, 1.4), 2.0, False),
    ((1.8, 1.4), 2.0, False),
    ((1.7, 1.4), 2.0, True),
    ((1.3, 1.5), 2.0, True),
    ((1.3, 1.54), 2.0, False),  # as much again brings it there
    ((1.0, 1.3), 2.0, False),
    ((1.1, 1.3), 2.0, True),
    ((1.9, 1.9), 2.0, False),
    ((0.3, 1.0, 1.0), 2.0, True),
    ((1.0, 1.0, 0.3), 2.0, True),
    ((0.5, 1.0), 2.0, False),
]


@pytest.mark.parametrize(("slopes", "order", "settled"), SETTLED)
def test_orders_are_judged_where_slopes_have_settled(slopes, order, settled):
    assert Order((), slopes).has_settled(order) is settled


def test_errors_near_rounding_have_no_slope():
    error = lambda n: {2: 80.0, 4: 20.0, 8: 10.0, 16: 7.9}[n]
    seen = observed_order(error, (2, 4, 8, 16), floor=1.0)
    assert (
        seen.errors == (80.0, 20.0, 10.0, 7.9) and seen.slopes == (2.0, 1.0) and str(seen) == "1.00"
    )
    none = observed_order(error, (2, 4, 8, 16), floor=9.0)
    assert none.slopes == () and str(none) == "no slope" and np.isnan(none.slope)


# --- laws ---------------------------------------------------------------------------------------

TOY = {0.0: toys.ddim, 0.5: toys.half, 1.0: toys.ancestral}


@pytest.mark.parametrize("eta", TOY)
@pytest.mark.parametrize("data", [PLANE, POINT])
def test_the_first_order_family_is_what_its_steps_do(eta, data):
    levels = [(float(a), float(s)) for a, s in zip(*toys.nodes(6), strict=True)]
    probed = affine_probe(
        lambda x, normal: TOY[eta](data.denoise, x, 6, 6, normal), 2, noise=eta > 0
    )
    found = first_order(data, levels, eta)
    assert_allclose(found.matrix, probed.matrix, atol=1e-13)
    assert_allclose(found.offset, probed.offset, atol=1e-12)
    if eta:
        assert_allclose(found.noises, probed.noises, atol=1e-13)
        alone = affine_probe(
            lambda x, normal: TOY[eta](POINT.denoise, x, 6, 2, normal), 2, noise=True
        ).noises
        assert_allclose(deviations(levels, eta)[1], alone[1, 0, 0], atol=1e-13)


def test_laws_of_affine_maps_add_what_each_source_carries():
    rng = np.random.default_rng(3)
    matrix, offset, noises = (
        rng.standard_normal((2, 2)),
        rng.standard_normal(2),
        rng.standard_normal((3, 2, 2)),
    )
    law = Affine(matrix, offset, noises, 0.0).law(PLANE)
    assert_allclose(law.mean, offset + PLANE.mean @ matrix)
    assert_allclose(law.cov, matrix.T @ PLANE.cov @ matrix + sum(z.T @ z for z in noises))


def test_probes_find_matrix_offset_and_noises_of_an_affine_map():
    rng = np.random.default_rng(4)
    matrix, offset, noises = (
        rng.standard_normal((3, 3)),
        rng.standard_normal(3),
        rng.standard_normal((2, 3, 3)),
    )
    run = lambda x, normal: offset + x @ matrix + sum(normal(x.shape) @ z for z in noises)
    found = affine_probe(run, 3, noise=True)
    for got, wanted in zip(found[:3], (matrix, offset, noises), strict=True):
        assert_allclose(got, wanted, atol=1e-13)
    assert found.bend < 1e-14
    bent = affine_probe(
        lambda x, normal: run(x, normal) + 1e-3 * (np.arange(len(x)) == len(x) - 1)[:, None],
        3,
        noise=True,
    )
    assert 1e-5 < bent.bend < 1e-3


# --- samples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 5, 60, 4000])
def test_bounds_of_samples_are_quantiles_of_incomplete_gammas(n):
    found, half = power(n), (n - 1) / 2
    low, high = 2 * gammaincinv(half, 5e-10), 2 * gammainccinv(half, 5e-10)
    z = -ndtri(5e-10)
    assert_allclose(found[:3], (low, high, z), rtol=1e-7)
    variance = max(
        high / (2 * gammaincinv(half, 0.01)) - 1, 1 - low / (2 * gammainccinv(half, 0.01))
    )
    assert_allclose(found[3:], (variance, (z - ndtri(0.01)) / n**0.5), rtol=1e-7)


def with_moments(mean: Any, cov: Any, n: int = 400) -> np.ndarray:
    """Rows that have exactly this mean and this covariance."""
    z = np.random.default_rng(8).standard_normal((n, len(cov)))
    z = (z - z.mean(0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(z, rowvar=False).reshape(2 * z.shape[1:]))
    ).T
    return np.asarray(mean) + z @ np.linalg.cholesky(cov).T


BOUNDS, N = power(400), 400
VERDICTS = [  # mean and covariance of the rows, in the axes of a diagonal law; what is said
    ([0, 0], [[1, 0], [0, 4]], ""),
    ([0, 0], [[0.999 * BOUNDS.high / 399, 0], [0, 4]], ""),
    ([0, 0], [[1.001 * BOUNDS.high / 399, 0], [0, 4]], "a variance is 1.49"),
    ([0, 0], [[1, 0], [0, 4.004 * BOUNDS.high / 399]], "a variance is 1.49"),
    ([0, 0], [[1.001 * BOUNDS.low / 399, 0], [0, 4]], ""),
    ([0, 0], [[0.999 * BOUNDS.low / 399, 0], [0, 4]], "a variance is 0.62"),
    ([0, 0], [[1, 1.5], [1.5, 4]], "a variance is 0.25 times the expected. "),
    ([0, 0], [[1, -1.5], [-1.5, 4]], "a variance is 0.25 times the expected. "),
    ([0.999 * BOUNDS.z / 20, 0], [[1, 0], [0, 4]], ""),
    ([1.001 * BOUNDS.z / 20, 0], [[1, 0], [0, 4]], "chance, the mean is 0.31 deviations off. "),
    ([0, -2.002 * BOUNDS.z / 20], [[1, 0], [0, 4]], "chance, the mean is 0.31 deviations off. "),
    (
        [0, 2],
        [[3, 0], [0, 4]],
        "chance, a variance is 3 times the expected and the mean is 1 deviations off. ",
    ),
]


@pytest.mark.parametrize(("mean", "cov", "words"), VERDICTS)
def test_samples_are_judged_at_their_bounds(mean, cov, words):
    centre, turn = np.array([3.0, -5.0]), np.array([[0.6, -0.8], [0.8, 0.6]])
    rows_of = (centre + with_moments(mean, cov)) @ turn.T
    found = check_samples(rows_of, turn @ centre, turn @ np.diag([1.0, 4.0]) @ turn.T)
    assert (
        found.verdict == ("fails" if words else "holds")
        and (words or "within what chance allows") in found.detail
    )
    assert found.detail.endswith(
        "With n = 400 a variance 77% wrong, or a mean 0.42 deviations off, is found with "
        "probability 0.99; each comparison fails right code once in 1e+09 calls."
    )
    assert found.expected == "0.6262 to 1.495, within 0.31" and found.claim == "REV-01"


def test_samples_say_what_was_measured():
    found = check_samples(with_moments([0.02, 0], np.diag([1.0, 1.2])), np.zeros(2), np.eye(2))
    assert found.measured == "worst variance 1.2 times the expected, mean 0.02 deviations off"
    line = check_samples(with_moments([0], [[0.9]]), np.zeros(1), np.eye(1))
    assert line.measured.startswith("worst variance 0.9 times the expected")


@pytest.mark.parametrize(("offset", "good"), [(0.9e-6, True), (1.2e-6, False)])
def test_flat_axes_are_met_to_a_millionth(offset, good):
    rows_of = np.concatenate(
        [with_moments([0, 0], np.diag([4.0, 1.0])), np.full((400, 1), 2 * offset)], 1
    )
    found = check_samples(rows_of, np.zeros(3), np.diag([4.0, 1.0, 0.0]))
    assert (found.verdict == "holds") is good
    assert good or (found.measured, found.expected) == ("2.4e-06 off", "0 off")
    none = check_samples(np.zeros((5, 2)), np.zeros(2), np.zeros((2, 2)))
    assert none.verdict == "holds" and none.measured.startswith(
        "worst variance 1 times the expected, mean 0 dev"
    )


@pytest.mark.parametrize(
    ("mean", "cov", "words"),
    [
        ([], np.zeros((0, 0)), "mean must be"),
        (np.ones((1, 1)), np.eye(1), "mean must be"),
        ([0, 0], np.eye(3), "mean must be"),
        ([np.inf, 0], np.eye(2), "must be finite"),
        ([0, 0], [[np.nan, 0], [0, 1]], "must be finite"),
        ([0, 0], [[1, 1.5e-9], [0, 1]], "symmetric"),
        ([0, 0], np.diag([1, -1.5e-9]), "eigenvalues"),
    ],
)
def test_laws_that_are_not_laws_are_refused(mean, cov, words):
    with pytest.raises(ValueError, match=words):
        check_samples(np.ones((5, 2)), np.array(mean), np.array(cov))


def test_covariances_are_symmetric_and_positive_but_for_rounding():
    for cov in ([[1, 0.9e-9], [0, 1]], np.diag([1, -0.9e-9])):
        assert check_samples(np.zeros((5, 2)), np.zeros(2), np.array(cov)).verdict in (
            "holds",
            "fails",
        )


# --- defaults -----------------------------------------------------------------------------------


def test_log_likelihoods_are_asked_at_the_data_and_samplers_at_doubled_steps():
    density = lambda denoise, x: (
        multivariate_normal(PLANE.mean, PLANE.cov).logpdf(x) if x.shape[1] == 2 else on_the_line(x)
    )
    on_the_line = lambda x: np.log(norm(TWO.means, TWO.variance**0.5).pdf(x) @ TWO.weights)
    assert check_log_prob(density, start=(0.001, 5.0))[0].verdict == "holds"
    assert "N = 16, 32, 64, 128" in check_sampler(toys.ddim, toys.nodes, order=1)[-1].measured
