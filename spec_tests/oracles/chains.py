"""The discrete chain and its schedules in 60 decimal digits, and Lin's Algorithm 1 in plain
numpy.
"""

from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise

import numpy as np

from spec_tests.oracles.paths import DIGITS, PI, cos


@cache
def totals(betas: tuple[float, ...]) -> tuple[Decimal, ...]:
    """B_i = -sum_{j <= i} log(1 - beta_j) for i = 0..T; infinite behind a beta of 1."""
    with localcontext(prec=DIGITS):
        sums = [Decimal(0)]
        for beta in betas:
            sums.append(sums[-1] - (1 - Decimal(beta)).ln() if beta < 1 else Decimal("Infinity"))
        return tuple(sums)


class Node:
    """The path at B, exactly: alpha^2 = exp(-B), sigma^2 = 1 - exp(-B)."""

    def __init__(self, total: Decimal) -> None:
        with localcontext(prec=DIGITS):
            kept = (-total).exp()
            self.alpha = float(kept.sqrt())
            self.sigma = float((1 - kept).sqrt())
            self.exact_log_snr = (
                (kept / (1 - kept)).ln()
                if 0 < kept < 1
                else Decimal("Infinity") * (1 if kept else -1)
            )
            self.log_snr = float(self.exact_log_snr)


def cosine_betas(n: int, offset: float, largest: float) -> np.ndarray:
    """min(1 - alphabar(i/n)/alphabar((i-1)/n), largest), the textbook quotient."""
    with localcontext(prec=DIGITS):
        o = Decimal(offset)
        squares = [cos((Decimal(i) / n + o) / (1 + o) * PI / 2) ** 2 for i in range(n + 1)]
        return np.array([min(float(1 - b / a), largest) for a, b in pairwise(squares)])


def zero_terminal_snr(betas: np.ndarray) -> np.ndarray:
    """Lin et al. 2024, Algorithm 1, as printed: shift sqrt(alphabar), scale it back, differ."""
    root = np.sqrt(np.cumprod(1 - np.asarray(betas, np.longdouble)))
    first, last = root[0], root[-1]
    root = (root - last) * first / (first - last)
    bars = root**2
    alphas = np.concatenate([bars[:1], bars[1:] / bars[:-1]])
    return np.asarray(1 - alphas, np.float64)
