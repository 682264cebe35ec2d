"""Every prediction from every other by the 2 x 2 system of x and what is given, which is solved for
x0 and eps.
"""

import numpy as np

Rows = dict[str, tuple[float, float]]


def rows(alpha: float, sigma: float, alpha_rate: float, sigma_rate: float) -> Rows:
    """Each prediction as a combination (of x0, of eps), by its definition."""
    score = (0.0, -np.inf if sigma == 0 else -1 / sigma)
    definitions = {"v": (-sigma, alpha), "velocity": (alpha_rate, sigma_rate), "score": score}
    return {"x": (alpha, sigma), "x0": (1.0, 0.0), "eps": (0.0, 1.0)} | definitions


def coefficients(table: Rows, wanted: str, given: str) -> np.ndarray:
    """(p, q) of wanted = p x + q given."""
    system = np.array([table["x"], table[given]]).T
    return np.linalg.solve(system, np.array(table[wanted]))


def convert(table: Rows, wanted: str, given: str, x: np.ndarray, value: np.ndarray) -> np.ndarray:
    p, q = coefficients(table, wanted, given)
    return p * x + q * value


def amplified(table: Rows, wanted: str, given: str) -> np.ndarray:
    """How much of the rounding of x and of what is given reaches what is wanted = p x + q
    given: |p| and |q|, or more.

    Absolute values inside: the p of v from velocity, a a' + s s', is 0 where variance is preserved,
    but its terms are not.
    """
    system = np.array([table["x"], table[given]]).T
    return np.abs(np.linalg.inv(system)) @ np.abs(np.array(table[wanted]))
