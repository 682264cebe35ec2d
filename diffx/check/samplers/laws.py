"""The questions of check_sampler, one function for each claim, each giving an Answer."""

from typing import Any

import numpy as np

from diffx.check.finding import Answer
from diffx.check.problems import PLANE, POINT, w2
from diffx.check.samplers.case import FEW, ROWS, Case
from diffx.check.samplers.diagnosis import relatives, what_came, where_it_went, which_law
from diffx.check.samplers.first_order import first_order
from diffx.check.samplers.points import off_in_law, off_in_map
from diffx.check.samplers.probe import Affine


def is_a_function(case: Case) -> Answer:
    """API-01: the same result for the same input, row by row, with the input left unchanged."""
    given = ROWS.copy()
    once, again = (
        case.rows(PLANE.denoise, given, FEW, case.last(FEW), case.zeros) for _ in range(2)
    )
    if not np.array_equal(given, ROWS):
        return (
            False,
            "the input was changed",
            "the input as it was",
            "The sampler writes into the array that it is given.",
        )
    if not np.array_equal(once, again, equal_nan=True):
        apart = f"{np.abs(once - again).max():.3g} apart"
        return (
            False,
            apart,
            "equal results",
            "Two calls with the same input differ: it draws its own noise.",
        )
    mixed = np.abs(
        once[:1] - case.rows(PLANE.denoise, ROWS[:1].copy(), FEW, case.last(FEW), case.zeros)
    ).max()
    good = not mixed > case.rounding * _size(once)  # NaN is for API-04 to tell
    says = (
        "A row alone gives the same result as in a batch."
        if good
        else "A row's result depends on the other rows of the batch."
    )
    return good, f"rows {mixed:.1e} apart", "rows independent", says


def keeps_the_type(case: Case) -> Answer:
    """API-04: floats of the shape of the input, all finite."""
    out = np.asarray(case.run(PLANE.denoise, ROWS.copy(), FEW, case.last(FEW), case.zeros))
    finite = out.dtype.kind not in "fiu" or bool(np.all(np.isfinite(out)))
    got = f"{out.dtype}{list(out.shape)}" + ("" if finite else " with NaN or infinite numbers")
    wrong = [] if out.shape == ROWS.shape else [f"shape {ROWS.shape} became {out.shape}"]
    wrong += [] if out.dtype == ROWS.dtype else [f"{ROWS.dtype} became {out.dtype}"]
    wrong += [] if finite else ["some numbers are NaN or infinite"]
    says = (
        f"The output differs from the input: {', '.join(wrong)}."
        if wrong
        else "Shape and type are kept."
    )
    return not wrong, got, "float64[3, 2], finite", says


def converges(case: Case) -> Answer:
    """REV-01, REV-02: with the exact denoiser, the law of the output comes to the marginal at the
    last node.
    """
    errors, last = [], None
    for n in case.steps:
        levels, last = case.levels(n), case.affine(PLANE, n)
        if not np.isfinite(last.bend):
            return (
                False,
                "not finite",
                "falls to 0",
                f"At N = {n} some outputs are not finite.",
            )
        if last.bend > max(1e-6, case.rounding):
            says = (
                f"At N = {n} the output is not affine in its input: it clips, thresholds or "
                "takes a step that is not Gaussian."
            )
            return False, f"nonlinear by {last.bend:.1e}", "affine on Gaussian data", says
        errors.append(w2(last.law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[-1])))
    assert last is not None
    good = _fall(errors, 1e-2 * case.rounding**0.5, levels[-2], levels[-1])
    measured = (
        "W2 " + ", ".join(f"{e:.2g}" for e in errors) + f" at N = {', '.join(map(str, case.steps))}"
    )
    law, wanted = last.law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[-1])
    detail = which_law(law, wanted, case.steps[-1]) + (
        "" if good else what_came(last, levels, noise=bool(case.noise))
    )
    return good, measured, "falls to 0", detail


def _fall(
    errors: list[float], rounding: float, before: tuple[float, float], end: tuple[float, float]
) -> bool:
    """Whether errors go to 0: by 1.5 over the last doubling, where order 1 has 2, and by 2 in all.

    A last step from tau to 0 costs 2 tau^2 for this data, whatever the steps before it, so a grid
    with a fixed least tau stops there.
    """
    last_step = 4 * (before[1] / max(before[0], 1e-9)) ** 2 if end[1] == 0 else 0.0
    falls = errors[-1] <= min(errors[0] / 2, errors[-2] / 1.5)
    return falls or errors[-1] <= rounding or (errors[-1] <= last_step and errors[-1] <= errors[0])


def is_first_order(case: Case, *, eta: float) -> Answer:
    """REV-11, REV-16: the law of the first-order family at a few steps, to rounding."""
    levels, got = case.levels(FEW), case.affine(PLANE, FEW)
    right, allowed = member(levels, eta), 16 * case.rounding
    off = _map_distance(got, right, levels[0])
    start = PLANE.marginal(*levels[0])
    detail = which_law(got.law(start), right.law(start), FEW)
    if not off <= allowed:
        fits = [
            said
            for said, other in relatives(got, levels, eta).items()
            if _map_distance(got, other, levels[0]) <= allowed
        ]
        detail = " ".join([detail, *fits[:1]])
    return off <= allowed, f"off by {off:.1e}", f"the law of eta = {eta:g} at N = {FEW}", detail


def member(levels: list[tuple[float, float]], eta: float) -> Affine:
    """The map of the first-order family; NotImplementedError where a step has none (data to
    noise).
    """
    with np.errstate(invalid="ignore"):
        found = first_order(PLANE, levels, eta)
    if not (np.all(np.isfinite(found.matrix)) and np.all(np.isfinite(found.noises))):
        raise NotImplementedError(
            f"on these nodes the first-order family has no member eta = {eta:g}: do they go back "
            "to noise?"
        )
    return found


def _map_distance(a: Affine, b: Affine, start: tuple[float, float]) -> float:
    """Difference of two maps on the marginal of the data at their start, in deviations of the
    output.
    """
    laws = [one.law(PLANE.marginal(*start)) for one in (a, b)]
    parts = (
        (a.matrix - b.matrix) * _size(PLANE.marginal(*start).cov) ** 0.5,
        laws[0].mean - laws[1].mean,
        laws[0].cov - laws[1].cov,
    )
    return max(float(np.abs(part).max()) for part in parts)


def is_exact_on_points(case: Case) -> Answer:
    """REV-17: no error at any N where all data are one point.

    There the denoiser's answer is constant and so is the noise. It is asked at the last node with
    noise, and, for a sampler without noise of its own, at the end too: any step to sigma = 0 that
    returns the denoiser's answer is exact there, whatever came before.
    """
    levels = case.levels(FEW)
    inner = max(k for k, (_, sigma) in enumerate(levels) if sigma > 0)
    stops = {inner} if case.noise else {inner, len(levels) - 1}
    off_by = off_in_law if case.noise else off_in_map
    off = max(off_by(case.affine(POINT, FEW, stop), levels[0], levels[stop]) for stop in stops)
    good = bool(off <= 16 * case.rounding)
    said = "An exponential integrator is exact where prediction and noise are constant."
    return (
        good,
        f"off by {off:.1e}",
        f"exact at N = {FEW}",
        said + ("" if good else _first_wrong_step(case, levels)),
    )


def _first_wrong_step(case: Case, levels: list[tuple[float, float]]) -> str:
    """The first step that does not reach its node, and the level that it reaches."""
    for k in range(1, len(levels)) if not case.noise else ():
        got = case.affine(POINT, FEW, k)
        if not off_in_map(got, levels[0], levels[k]) <= 16 * case.rounding:
            went = where_it_went(got, levels[0], levels[k])
            return f" Step {k} {went}" if went else f" Step {k} is the first that is not."
    return " This one is not."


def _size(x: Any) -> float:
    return float(np.abs(np.asarray(x)).max()) + 1.0
