"""Rules for the training steps that a sampler visits: Lin et al. 2024, arXiv:2305.08891, Table
2.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from diffx.check.finding import Answer

# two that divide 1000, two that do not, one where arange by a float of 1000/61 is one too long
STEPS = (10, 20, 7, 30, 61)
RULES = ("leading", "trailing", "linspace")


def check_arguments(grid: Callable | None, spacing: str | None, training_steps: int | None) -> None:
    if spacing is not None and spacing not in RULES:
        raise ValueError(f"spacing must be one of {', '.join(RULES)}, got {spacing!r}")
    if spacing is not None and grid is not None and (training_steps is None or training_steps < 2):
        raise ValueError(f"spacing needs training_steps, 2 or more, got {training_steps}")


def rule(spacing: str, n: int, total: int) -> np.ndarray:
    """The rule before it is rounded to the nearest whole number, steps counted from 1."""
    if spacing == "leading":
        return 1.0 + np.arange(n - 1, -1, -1) * (total // n)
    return np.arange(n, 0, -1) * (total / n) if spacing == "trailing" else np.linspace(total, 1, n)


def visits(grid: Callable, spacing: str | None, total: int | None) -> Answer:
    """FWD-19: n distinct steps, each nearer to the data, by the documented rule."""
    counts = [n for n in STEPS if total is None or n <= total]
    for n in counts:
        got = np.asarray(grid(n), np.float64).ravel()
        said = _not_a_grid(got, n) or (spacing and total and _not_the_rule(got, spacing, n, total))
        if said:
            return (
                False,
                f"N = {n}: {_list(got)}",
                _rule_text(spacing, n, total),
                f"At N = {n} {said}.",
            )
    expected = f"{spacing} spacing" if spacing else "distinct steps"
    return True, f"as expected at N = {', '.join(map(str, counts))}", expected, _praise(spacing)


def _praise(spacing: str | None) -> str:
    if spacing == "leading":
        return (
            "The steps are those of the rule, which by design begins before the last training step."
        )
    return (
        "The steps are those of the rule, from the last training step on."
        if spacing
        else "The steps are distinct."
    )


def _not_a_grid(got: np.ndarray, n: int) -> str:
    if len(got) != n:
        return f"it visits {len(got)} steps"
    if not np.all(np.isfinite(got)):
        return "a step is not finite"
    falls = np.diff(got)
    if np.any(falls == 0):
        return f"step {got[1:][falls == 0][0]:g} is visited twice"
    return "" if np.all(falls < 0) or np.all(falls > 0) else "the steps are not monotone"


def _not_the_rule(got: np.ndarray, spacing: str, n: int, total: int) -> str:
    steps = got * total if 0 < np.abs(got).max() <= 1 else got
    if _is(steps, rule(spacing, n, total), spacing):
        return ""
    named = [
        f"the {name} rule"
        for name in RULES
        if name != spacing and _is(steps, rule(name, n, total), name)
    ]
    rounded = {
        "down": np.floor(rule(spacing, n, total) + 1e-9),
        "up": np.ceil(rule(spacing, n, total) - 1e-9),
    }
    named += [
        f"the rule rounded {way}" for way, other in rounded.items() if _is(steps, other, "leading")
    ]
    begins = (
        f"it begins at step {steps[0]:g}, wanted {rule(spacing, n, total)[0]:g} (or one less, "
        "counted from 0)"
    )
    differ = [
        k
        for k in range(n)
        if abs(steps[k] - steps[0] - (rule(spacing, n, total)[k] - rule(spacing, n, total)[0])) > 1
    ]
    place = f"{begins}; {len(differ)} of its distances from there are off by more than 1"
    return place + (f": it is {named[0]}" if named else "")


def _is(steps: np.ndarray, wanted: np.ndarray, spacing: str) -> bool:
    """Equal, counted from 1 or from 0; rounding may go either way at a tie, or be left out."""
    allowed = 1e-3 if spacing == "leading" else 0.5 + 1e-3
    return any(bool(np.all(np.abs(steps + first - wanted) <= allowed)) for first in (0, 1))


def _rule_text(spacing: str | None, n: int, total: Any) -> str:
    return _list(np.round(rule(spacing, n, total))) if spacing and total else f"{n} distinct steps"


def _list(steps: np.ndarray) -> str:
    shown = [f"{step:g}" for step in steps]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "...", *shown[-2:]])
