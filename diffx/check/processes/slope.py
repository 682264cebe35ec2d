"""Derivatives of unknown functions, with a reliable bound of their error."""

from collections.abc import Callable

import numpy as np

LEVELS = 8


def slope(
    function: Callable[[float], float], t: float, reach: float, grain: float
) -> tuple[float, float]:
    """f'(t) and a bound of its error, from central differences within t +- reach/2.

    The differences are extrapolated to distance 0, and the entry of the table that differs least
    from its two predecessors is taken. What the arguments lose to rounding, grain/h, is added to
    the error; grain is the absolute rounding of f near t.

    Source: Ridders 1982, doi:10.1016/S0141-1195(82)80057-0.
    """
    best, error, before = 0.0, float("inf"), []
    for level in range(LEVELS):
        h = reach / 2 ** (level + 1)
        above, below = t + h, t - h
        high, low = function(above), function(below)
        row = [(high - low) / (above - below)]
        noise = 8 * grain / h
        for k, coarse in enumerate(before):
            row.append(row[k] + (row[k] - coarse) / (4 ** (k + 1) - 1))
            apart = 4 * max(abs(row[k + 1] - row[k]), abs(row[k + 1] - coarse)) + noise
            if apart < error:
                best, error = row[k + 1], apart
        before = row
    return best, error if np.isfinite(best) else float("nan")
