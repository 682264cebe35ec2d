"""Guesses at what went wrong in a sampler, on maps that are made to go wrong in one way, over
coarse levels of any alpha.
"""

from typing import Any

import numpy as np
import pytest

from diffx.check.problems import PLANE, Gaussian
from diffx.check.samplers import convergence
from diffx.check.samplers.case import Case
from diffx.check.samplers.diagnosis import what_came, where_it_went, which_law
from diffx.check.samplers.laws import _fall
from diffx.check.samplers.probe import Affine
from spec_tests.specimens import toys

LEVELS = [(0.3, 2.0), (0.6, 1.1), (0.8, 0.5)]
NONE = np.zeros((0, 2, 2))
AXES = np.linalg.eigh(PLANE.cov)[1]


def to(end: tuple[float, float], moved: Any = 0.0) -> Affine:
    """The map that leads to the marginal at this level, its mean moved."""
    matrix, offset = PLANE.flow(LEVELS[0], end)
    return Affine(matrix, offset + moved, NONE, 0.0)


def raised(first: float, second: float) -> Affine:
    """The flow with its stretches in y = x/alpha to these powers, along the two axes."""
    share = LEVELS[-1][0] / LEVELS[0][0]
    stretch = np.diag(AXES.T @ PLANE.flow(LEVELS[0], LEVELS[-1])[0] @ AXES) / share
    return Affine((AXES * (stretch ** [first, second] * share)) @ AXES.T, np.zeros(2), NONE, 0.0)


def spread(share: float, mean: Any) -> Affine:
    """Variances of a share of the right ones, and this mean."""
    right = to(LEVELS[-1])
    matrix = right.matrix * share**0.5
    return Affine(matrix, np.asarray(mean) - LEVELS[0][0] * PLANE.mean @ matrix, NONE, 0.0)


WANTED = 0.8 * PLANE.mean
POWER = (
    " Deviations shrink as the power {} of what they should: the score is weighted that many "
    "times too much{}."
)
HINT = " (g^2 where the probability flow has g^2/2?)"
SMOOTHED = (
    " It is approximately the law of the data noised to alpha = {}, sigma = {}, where the "
    "last node has 0.8 and 0.5."
)
CAME = [
    (to(LEVELS[-1]), ""),
    (raised(2.0, 2.0), POWER.format("2.00", HINT)),
    (raised(2.28, 2.28), POWER.format("2.28", HINT)),
    (raised(1.72, 1.72), POWER.format("1.72", HINT)),
    (raised(2.35, 2.35), POWER.format("2.35", "")),
    (raised(1.47, 1.53), POWER.format("1.50", "")),
    (raised(0.88, 0.88), POWER.format("0.88", "")),
    (to((0.5, 0.9)), SMOOTHED.format("0.5", "0.9")),
    (to((0.5, 0.9), 0.025 * 0.5 * np.abs(PLANE.mean)), SMOOTHED.format("0.5", "0.9")),
    (to((0.5, 0.9), [0.04 * 0.5 * 0.6, 0]), ""),
    (to((0.812, 0.504)), ""),
    (to((0.814, 0.51)), SMOOTHED.format("0.81", "0.51")),
    (spread(0.95, 0 * WANTED), " Its mean is 0: the mean of the data is lost."),
    (spread(0.95, 0.09 * WANTED), " Its mean is 0: the mean of the data is lost."),
    (spread(0.95, 0.13 * WANTED), " Its variances are right, but its mean is not."),
    (spread(1.05, 1.13 * WANTED), " Its variances are right, but its mean is not."),
    (spread(1.02, 1.08 * WANTED), ""),
]


@pytest.mark.parametrize("case", range(len(CAME)))
def test_what_came_of_a_deterministic_map_is_guessed(case):
    got, words = CAME[case]
    assert what_came(got, LEVELS, noise=False) == words


@pytest.mark.parametrize(
    ("noises", "n", "words"),
    [
        (NONE, 8, " It draws no noise."),
        (np.zeros((8, 2, 2)), 8, " The noise that it draws has no effect."),
        (np.ones((1, 2, 2)), 8, " It draws 1 normal in 8 steps."),
        (np.ones((3, 2, 2)), 8, " It draws 3 normals in 8 steps."),
        (np.ones((4, 2, 2)), 8, ""),
        (np.ones((9, 2, 2)), 8, ""),
    ],
)
def test_what_came_of_a_noisy_map_is_told_from_its_normals(noises, n, words):
    levels = [LEVELS[0], *[LEVELS[1]] * (n - 1), LEVELS[-1]]
    assert what_came(to(LEVELS[-1])._replace(noises=noises), levels, noise=True) == words


def test_nothing_is_guessed_of_what_is_not_finite():
    got = to(LEVELS[-1])._replace(matrix=np.full((2, 2), np.nan))
    assert what_came(got, LEVELS, noise=False) == ""
    assert which_law(got.law(PLANE), PLANE, 7) == "At N = 7 some outputs are not finite."


def test_laws_are_compared_along_the_axes_of_the_wanted_one():
    law = Gaussian(
        PLANE.mean + np.array([0.1, -0.25]),
        (AXES * (np.linalg.eigh(PLANE.cov)[0] * [3.0, 0.5])) @ AXES.T,
    )
    words = (
        "At N = 9 the variances are 3 and 0.5 times the right ones along the two axes, and the "
        "mean is off by 0.25."
    )
    assert which_law(law, PLANE, 9) == words


def test_points_that_go_elsewhere_are_followed():
    alpha, sigma = 0.55, 0.75
    matrix = sigma / 2.0 * np.eye(2)
    got = Affine(matrix, (alpha - sigma / 2.0 * 0.3) * PLANE.mean, NONE, 0.0)
    words = "goes to alpha = 0.55, sigma = 0.75 instead of 0.8 and 0.5."
    assert where_it_went(got, LEVELS[0], LEVELS[-1]) == words
    assert (
        where_it_went(
            got._replace(matrix=matrix + np.array([[0, 1e-4], [0, 0]])), LEVELS[0], LEVELS[-1]
        )
        == ""
    )
    assert where_it_went(got._replace(matrix=np.full((2, 2), np.inf)), LEVELS[0], LEVELS[-1]) == ""


FALLS = [  # errors, what rounding may leave, the node before the last, the last; whether they fall
    ([4.0, 2.0, 1.0], 0.0, (1.0, 1.0), (1.0, 0.1), True),
    ([4.0, 1.4, 1.0], 0.0, (1.0, 1.0), (1.0, 0.1), False),
    ([4.0, 1.6, 1.0], 0.0, (1.0, 1.0), (1.0, 0.1), True),
    ([1.9, 1.6, 1.0], 0.0, (1.0, 1.0), (1.0, 0.1), False),
    ([2.1, 1.6, 1.0], 0.0, (1.0, 1.0), (1.0, 0.1), True),
    ([1.0, 1.0, 1.0], 1.1, (1.0, 1.0), (1.0, 0.1), True),
    ([1.0, 1.0, 1.0], 0.9, (1.0, 1.0), (1.0, 0.1), False),
    ([1.0, 1.0, 1.0], 0.0, (0.5, 0.26), (1.0, 0.0), True),
    ([1.0, 1.0, 1.0], 0.0, (0.5, 0.24), (1.0, 0.0), False),
    ([0.9, 1.0, 1.0], 0.0, (0.5, 0.26), (1.0, 0.0), False),
    ([1.0, 1.0, 1.0], 0.0, (0.5, 0.26), (1.0, 1e-3), False),
]


@pytest.mark.parametrize(("errors", "rounding", "before", "end", "falls"), FALLS)
def test_errors_fall_or_are_those_of_the_last_step(errors, rounding, before, end, falls):
    assert _fall(errors, rounding, before, end) is falls


YES, NO, LATE = (True, "coarse", "", ""), (False, "coarse", "", ""), (True, "fine", "", "")
UNTOLD, WORSE = NotImplementedError("untold"), (False, "fine", "", "")
ASKED = [  # the answer at the steps that were asked for, at finer ones, and the one that is given
    (YES, UNTOLD, YES),
    (NO, LATE, LATE),
    (NO, WORSE, NO),
    (NO, UNTOLD, NO),
    (NO, ValueError("no such grid"), NO),
    (UNTOLD, LATE, LATE),
    (UNTOLD, WORSE, WORSE),
    (UNTOLD, ValueError("no such grid"), UNTOLD),
]


@pytest.mark.parametrize(("first", "finer", "given"), ASKED)
def test_finer_steps_are_asked_where_the_first_do_not_tell(monkeypatch, first, finer, given):
    def at_steps(case: Case, order: int) -> Any:
        answer = {(16, 32): first, (64, 128): finer}[tuple(case.steps)]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(convergence, "_at_steps", at_steps)
    case = Case(toys.ddim, toys.nodes, False, 1e-12, (16, 32))
    if isinstance(given, Exception):
        with pytest.raises(NotImplementedError, match="untold"):
            convergence.has_order(case, order=1)
    else:
        assert convergence.has_order(case, order=1) == given
