"""The observed order of a method: how fast its error falls when the step size is halved."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

SEEN = 8  # times the floor: errors below are rounding, not the method's
WINDOW = 0.25  # slopes of the finest pairs lie this near to the order of a method that has it


class Order(NamedTuple):
    errors: tuple[float, ...]
    slopes: tuple[float, ...]  # of neighbouring errors above rounding, the finest pair last

    @property
    def slope(self) -> float:
        """The slope of the finest pair, NaN where rounding leaves none."""
        return self.slopes[-1] if self.slopes else float("nan")

    def has_settled(self, order: float) -> bool:
        """Whether `order` can be judged: the last two slopes agree, or both are below it and fall.

        Slopes that rise do not count as below where as much again would bring them there.
        """
        if len(self.slopes) < 2:
            return False
        before, last = self.slopes[-2:]
        below = last + max(last - before, 0.0) < order - WINDOW
        return (below and abs(last - before) <= WINDOW) or last < before < order - WINDOW

    def __str__(self) -> str:
        return f"{self.slope:.2f}" if np.isfinite(self.slope) else "no slope"


def observed_order(error: Callable[[int], float], steps: Sequence[int], *, floor: float) -> Order:
    r"""log2(error(N) / error(2 N)) at the finest pair of steps whose errors are above floor.

    floor is the error that rounding leaves: errors below 8 times it are not used, and an error of 0
    is exact.

    Units: error N -> a positive number; steps (N, 2 N, 4 N, ...).
    Raises: ValueError unless each number of steps is twice the one before.
    Also called: empirical order of convergence, convergence rate, EOC.
    Claims: KIT-03.
    """
    if any(b != 2 * a for a, b in itertools.pairwise(steps)):
        raise ValueError(
            f"steps must double from one to the next, such as (16, 32, 64), got {tuple(steps)}"
        )
    errors = [error(n) for n in steps]
    seen = [e for e in errors if e > SEEN * floor]
    slopes = np.log2(np.divide(seen[:-1], seen[1:])) if len(seen) > 1 else np.array([])
    return Order(tuple(errors), tuple(slopes.tolist()))
