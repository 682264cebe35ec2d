"""The questions to a stochastic sampler that draws its own noise: by samples, with stated power."""

import numpy as np

from diffx.check.finding import HOLDS, Answer
from diffx.check.problems import PLANE, Gaussian, w2
from diffx.check.samplers.case import FEW, ROWS, Case
from diffx.check.samplers.chi_square import check_samples, power
from diffx.check.samplers.laws import member

COUNT = 100_000  # rows: a variance 4% wrong is found with probability .99


def leaves_its_input(case: Case) -> Answer:
    """API-01, as far as it applies where two calls may differ."""
    given = ROWS.copy()
    case.rows(PLANE.denoise, given, FEW, case.last(FEW))
    if not np.array_equal(given, ROWS):
        return (
            False,
            "the input was changed",
            "the input as it was",
            "The sampler writes into the array that it is given.",
        )
    return (
        True,
        "the input as it was",
        "the input as it was",
        "It draws its own noise, so two calls are not compared.",
    )


def draws_first_order(case: Case, *, eta: float) -> Answer:
    """REV-11, REV-16: samples of a few steps against the exact law of the first-order family."""
    levels = case.levels(FEW)
    law = member(levels, eta).law(PLANE.marginal(*levels[0]))
    found = check_samples(_samples(case, FEW), law.mean, law.cov)
    return (
        found.verdict == HOLDS,
        found.measured,
        f"the law of eta = {eta:g} at N = {FEW}: {found.expected}",
        found.detail,
    )


def draws_marginal(case: Case) -> Answer:
    """REV-01, not exact: three times the error of ancestral sampling at these levels, plus
    chance.
    """
    n = case.steps[-1]
    levels, rows = case.levels(n), _samples(case, n)
    wanted = PLANE.marginal(*levels[-1])
    off = w2(Gaussian(rows.mean(0), np.cov(rows, rowvar=False)), wanted)
    ancestral = w2(member(levels, 1.0).law(PLANE.marginal(*levels[0])), wanted)
    chance = np.trace(wanted.cov) ** 0.5 * (power(COUNT).mean + power(COUNT).variance)
    allowed = 3 * ancestral + chance
    says = (
        f"Not exact, by {COUNT} samples at N = {n}: three times the error of ancestral sampling "
        "is allowed, plus chance."
    )
    return bool(off <= allowed), f"W2 {off:.2g}", f"at most {allowed:.2g}", says


def refuse(case: Case) -> Answer:
    """The answer to questions that samples cannot settle."""
    raise NotImplementedError(
        "it draws its own noise, and samples cannot resolve this: inject the noise"
    )


def _samples(case: Case, n: int) -> np.ndarray:
    start = PLANE.marginal(*case.levels(n)[0])
    x = (
        start.mean
        + np.random.default_rng(271828).standard_normal((COUNT, 2))
        @ np.linalg.cholesky(start.cov).T
    )
    return case.rows(PLANE.denoise, x, n, case.last(n))
