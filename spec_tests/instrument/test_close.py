"""The comparisons themselves: what must pass passes, what must fail fails, and both are
recorded.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from spec_tests.instrument.close import below, close, holds, recording, slope

EPS64 = 2.0**-52
EPS32 = 2.0**-23
NS = np.array([8, 16, 32, 64])


def test_close_accepts_within_and_refuses_beyond_the_bound():
    close(1 + 4 * EPS64, 1.0, ulps=4, why="at the bound")
    with pytest.raises(AssertionError, match="5 ulps, allowed 4"):
        close(1 + 5 * EPS64, 1.0, ulps=4, why="beyond it")


def test_close_counts_in_the_ulps_of_the_first_argument():
    wrong = 1 + 4 * EPS32
    close(np.float32(wrong), 1.0, ulps=4, why="float32 ulps")
    with pytest.raises(AssertionError):
        close(np.float64(wrong), 1.0, ulps=4, why="float64 ulps")
    close(jnp.asarray(1.0, jnp.bfloat16), 1.0 + 2.0**-8, ulps=1, why="bfloat16 ulps")


def test_close_refuses_one_wrong_element_and_names_it():
    with pytest.raises(AssertionError, match=r"worst at \(1, 0\): got 4.0, wanted 3.0"):
        close(
            np.array([[1.0, 2.0], [4.0, 4.0]]),
            np.array([[1.0, 2.0], [3.0, 4.0]]),
            ulps=8,
            why="one element",
        )


def test_close_measures_against_the_scale_it_is_given():
    close(
        np.array([1e-16, 1.0]),
        np.array([0.0, 1.0]),
        ulps=1,
        scale=1.0,
        why="cancellation of numbers of size 1",
    )
    close(
        np.array([2 * EPS64, 1.0]),
        np.array([0.0, 1.0]),
        ulps=1,
        scale=np.array([2.0, 1.0]),
        why="by element",
    )
    with pytest.raises(AssertionError):
        close(
            np.array([1e-16, 1.0]),
            np.array([0.0, 1.0]),
            ulps=1,
            why="relative to 0 only 0 is close",
        )


@pytest.mark.parametrize("scale", [-1.0, np.nan])
def test_close_refuses_a_senseless_scale(scale):
    with pytest.raises(ValueError, match="scale"):
        close(1.0, 1.0, ulps=1, scale=scale, why="scale")


NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    "pair", [(NAN, 1.0), (1.0, NAN), (NAN, NAN), (INF, 1.0), (1.0, INF), (INF, -INF)]
)
@pytest.mark.parametrize("scale", [None, 1.0])
def test_close_refuses_nan_and_unequal_infinities(pair, scale):
    with pytest.raises(AssertionError):
        close(*pair, ulps=1e300, scale=scale, why="not finite")


def test_close_accepts_equal_infinities():
    close(np.array([np.inf, -np.inf]), np.array([np.inf, -np.inf]), ulps=0, why="both infinite")


def test_close_never_broadcasts():
    with pytest.raises(AssertionError, match="shapes differ"):
        close(np.ones((3, 1)), np.ones(3), ulps=1, why="shape")
    with pytest.raises(AssertionError, match="shapes differ"):
        close(np.ones(3), 1.0, ulps=1, why="a number is not an array")


def test_close_refuses_integers():
    with pytest.raises(TypeError, match="floating"):
        close(np.ones(2, int), np.ones(2), ulps=1, why="no ulps")


def test_close_accepts_empty_arrays():
    close(np.ones((0, 2)), np.ones((0, 2)), ulps=0, why="nothing to compare")


@pytest.mark.parametrize("why", ["", "  ", None])
def test_every_comparison_needs_a_reason(why):
    for call in (
        lambda: close(1.0, 1.0, ulps=1, why=why),
        lambda: slope(NS, 1.0 / NS, order=1, why=why),
        lambda: holds(True, why),
        lambda: below(1.0, 2.0, why),
    ):
        with pytest.raises(TypeError, match="why"):
            call()
    with pytest.raises(TypeError):
        close(1.0, 1.0, ulps=1)  # pyright: ignore[reportCallIssue]


def test_slope_accepts_its_order_and_refuses_the_neighbours():
    errors = 3.0 / NS**2 * (1 + 1 / NS)
    slope(NS, errors, order=2, why="second order")
    for order in (1, 3):
        with pytest.raises(AssertionError, match="orders"):
            slope(NS, errors, order=order, why="another order")


def test_slope_looks_at_both_of_the_finest_ratios():
    errors = np.array([1.0, 1.0, 1 / 3, 1 / 6])  # the last ratio alone is of order 1
    with pytest.raises(AssertionError, match="orders"):
        slope(NS, errors, order=1, why="by luck")


def test_slope_holds_the_leading_constant():
    errors = 3.0 / NS**2
    slope(NS, errors, order=2, constant=3.0, constant_rtol=1e-9, why="the constant")
    with pytest.raises(AssertionError, match="leading constant 3"):
        slope(NS, errors, order=2, constant=1.5, constant_rtol=0.1, why="half of it")
    with pytest.raises(TypeError, match="constant_rtol"):
        slope(NS, errors, order=2, constant=3.0, why="without a tolerance")


def test_slope_understands_levels_that_are_not_dyadic():
    ns = np.array([10, 30, 70, 200])
    slope(ns, 2.0 / ns**2, order=2, why="any increasing levels")


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_slope_refuses_errors_that_have_no_logarithm(bad):
    with pytest.raises(AssertionError, match="positive and finite"):
        slope(NS, [1.0, 0.5, bad, 0.125], order=1, why="bad error")


@pytest.mark.parametrize("ns", [[8, 16], [16, 8, 4], [[1, 2, 3]]])
def test_slope_refuses_levels_that_do_not_increase(ns):
    with pytest.raises(ValueError, match="increasing"):
        slope(ns, np.ones(np.shape(ns)), order=1, why="levels")


def test_holds_wants_truth_everywhere():
    holds(True, "a condition")
    holds(np.array([True, True]), "everywhere")
    holds(jnp.array([True]), "of jax")
    with pytest.raises(AssertionError, match="does not hold"):
        holds(np.array([True, False]), "not everywhere")
    with pytest.raises(TypeError, match="truth value"):
        holds(1.0, "a number is not a condition")


def test_below_refuses_more_than_the_bound_and_nan():
    below(np.array([1.0, -3.0]), 1.0, "at the bound")
    for bad in (1.1, np.nan, np.inf):
        with pytest.raises(AssertionError, match="not below"):
            below(np.array([0.0, bad]), 1.0, "beyond")


def test_record_keeps_the_comparison_nearest_to_its_bound():
    with recording() as record:
        close(1 + EPS64, 1.0, ulps=2, why="half")
        below(0.9, 1.0, "nine tenths")
        close(1.0, 1.0, ulps=8, why="exact")
    assert (record.count, record.measured, record.bound) == (3, 0.9, 1.0)


def test_record_remembers_which_comparisons_ran_and_how_often_chance_fails_them():
    with recording() as record:
        close(1.0, 1.0, ulps=8, why="exact")
        slope(NS, NS**-2.0, order=2, why="a power law")
        below(0.5, 6.2, "a normal", false_alarm=1e-9)
        holds(True, "a binomial", false_alarm=2e-9)
    assert record.kinds == {"close", "slope", "below", "holds"}
    assert record.false_alarm == pytest.approx(3e-9)
    for bad in (-1e-9, 1.0, np.nan):
        with pytest.raises(ValueError, match="false_alarm"):
            below(0.5, 6.2, "a normal", false_alarm=bad)


def test_record_keeps_what_failed():
    with recording() as record, pytest.raises(AssertionError):
        close(1.0, 1.0, ulps=8, why="exact")
        close(1 + 9 * EPS64, 1.0, ulps=8, why="too far")
    assert (record.measured, record.bound, record.unit) == (9.0, 8.0, "ulp")


def test_record_of_a_condition_has_no_numbers():
    with recording() as record:
        holds(True, "a condition")
    assert (record.count, record.measured, record.bound) == (1, None, None)
