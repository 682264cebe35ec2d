"""The order of a sampler, asked of its outputs alone (REV-19)."""

from functools import cache, partial

import numpy as np

from diffx.check.finding import Answer
from diffx.check.problems import PLANE, TWO, follow_gated, gate, w2
from diffx.check.samplers.case import Case
from diffx.check.samplers.order import SEEN, WINDOW, Order, observed_order

STARTUP = 3  # steps that a method of order 4 may need to fill its history
SMOOTH = 5  # the order that a denoiser with four derivatives shows, of a method of any higher one
FINER = 4
FLOOR = 1e-12  # what the reference solution leaves


def has_order(case: Case, *, order: int) -> Answer:
    """REV-19: errors fall as N^-order.

    They are errors of trajectories on a mixture, or of the law on a Gaussian where there is noise.
    A claim that does not hold is asked again at FINER times the steps, and fails only if it does
    not hold there either: at 16 to 128 steps a right UniPC-3 shows order 3.3, at 32 to 256 its 4.0.
    """
    try:
        answer = _at_steps(case, order)
    except NotImplementedError as untold:
        return _better_answer(untold, _refine(case), order)
    return answer if answer[0] else _better_answer(answer, _refine(case), order)


def _better_answer(first: Answer | NotImplementedError, case: Case, order: int) -> Answer:
    """The answer at finer steps where it says more than the first one did."""
    try:
        again = _at_steps(case, order)
    except Exception:  # a grid that cannot be so fine says nothing against the first answer
        again = None
    if again and (again[0] or isinstance(first, Exception)):
        return again
    if isinstance(first, Exception):
        raise first
    return first


def _refine(case: Case) -> Case:
    return case._replace(steps=tuple(FINER * n for n in case.steps))


def _at_steps(case: Case, order: int) -> Answer:
    error, floor = (_law_error, 0.0) if case.noise else (_flow_error, FLOOR)
    floor = max(case.rounding / 16, floor)
    seen = observed_order(partial(error, case), case.steps, floor=floor)
    stated, order = f"order {order}", order if case.noise else min(order, SMOOTH)
    stated += "" if stated == f"order {order}" else f", asked for {order}"
    measured = (
        f"order {seen}, errors {', '.join(f'{e:.2g}' for e in seen.errors)} at N = "
        f"{', '.join(map(str, case.steps))}"
    )
    exact = max(seen.errors) <= SEEN * floor
    if not (exact or seen.has_settled(order) or seen.slope >= order - WINDOW):
        raise NotImplementedError(
            "the order cannot be determined at these steps, the slopes have not settled: "
            f"{measured}"
        )
    return exact or seen.slope >= order - WINDOW, measured, stated, _order_in_words(seen, order)


def _order_in_words(seen: Order, order: int) -> str:
    if np.isnan(seen.slope):
        return "The error is only rounding at every N."
    verdict = "as stated" if seen.slope >= order - WINDOW else f"but {order} is stated"
    return (
        f"Halving the step size divides the error by {2**seen.slope:.2f}: order {seen.slope:.2f}, "
        f"{verdict}."
    )


def _law_error(case: Case, n: int) -> float:
    stop, levels = case.stop(n), case.levels(n)
    return w2(
        case.affine(PLANE, n, stop).law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[stop])
    )


def _flow_error(case: Case, n: int) -> float:
    """The largest error over five starts, with the denoiser gated over the coarsest grid's first
    steps.
    """
    coarse = case.levels(case.steps[0])
    if len(coarse) <= STARTUP + 1:
        raise NotImplementedError(
            f"the order needs more than {STARTUP} steps, the coarsest grid has {len(coarse) - 1}"
        )
    first = min(coarse[STARTUP][1] / max(coarse[STARTUP][0], 1e-9), 20.0)
    if first < 2:
        raise NotImplementedError(
            f"the order needs a grid that begins in the noise: node {STARTUP} is at sigma/alpha = "
            f"{first:.2g}"
        )
    stop, levels = case.stop(n), case.levels(n)
    x = levels[0][1] * np.linspace(-2, 2, 5)
    out = case.rows(gate(TWO.denoise, first, 0.8), x[:, None], n, stop)[:, 0]
    return float(np.abs(out - _reference(levels[0][1], levels[stop], first)).max())


@cache
def _reference(sigma: float, end: tuple[float, float], first: float) -> np.ndarray:
    return follow_gated(TWO.denoise, sigma * np.linspace(-2, 2, 5), sigma, end, first, 0.8)
