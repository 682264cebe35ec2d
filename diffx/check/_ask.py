"""Calls to the code under test, and words for its results."""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

TINY = 1e-300  # keeps a quotient by 0 finite


def check_precision(precision: str) -> str:
    if precision not in ("float32", "float64"):  # in fewer bits rounding would hide what is asked
        raise ValueError(f'precision must be "float32" or "float64", got {precision!r}')
    return precision


def rounding(precision: str) -> float:
    """The error that rounding in the code itself may leave, relative to the size of its answers."""
    return float(np.finfo(precision).eps) * 2**10


def number(name: str, value: Any) -> float:
    """One real number of any kind; ValueError for anything else."""
    array = np.asarray(value, np.float64)
    if array.size != 1:
        raise ValueError(f"{name} gave an array of shape {array.shape}, wanted one number")
    return float(array.reshape(()))


def rows(name: str, call: Callable, *given: Any, precision: str = "float64") -> np.ndarray:
    """call(*given) in float64; it must leave the given arrays unchanged.

    The result must have the shape of the first array. It must be floats of 64 bits, or of the given
    precision.
    """
    copies = [np.array(one) if isinstance(one, np.ndarray) else one for one in given]
    out = np.asarray(call(*copies))
    for place, (before, after) in enumerate(zip(given, copies, strict=True), 1):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise ValueError(f"{name} writes into argument {place}, an array that it is given")
    wanted = next(one.shape for one in given if isinstance(one, np.ndarray))
    if out.shape != wanted:
        raise ValueError(f"{name} gave shape {out.shape}, wanted {wanted}")
    return _floats(name, out, precision)


def _floats(name: str, out: np.ndarray, precision: str) -> np.ndarray:
    if out.dtype not in (np.dtype("float64"), np.dtype(precision)):
        raise TypeError(f"{name} gave {out.dtype}, wanted float64")
    if not np.all(np.isfinite(out)):
        raise ValueError(f"{name} gave numbers that are not finite")
    return out.astype(np.float64)


def no_measure(name: str) -> Callable:
    """The measure of a claim whose function was not given."""

    def measure() -> Any:
        raise NotImplementedError(f"no {name} was given")

    return measure


def relative_error(got: Any, wanted: Any) -> float:
    """The largest difference, relative to the size of the wanted values."""
    wanted = np.asarray(wanted, np.float64)
    return float(np.abs(np.asarray(got) - wanted).max() / max(np.abs(wanted).max(), TINY))


def recognise(
    got: Any, candidates: Mapping[str, Any], wanted: Any = None, *, tolerance: float
) -> str:
    """The name of the first candidate equal to `got` and different from `wanted`, or nothing."""
    got = np.asarray(got, np.float64)
    for name, other in candidates.items():
        other = np.broadcast_to(np.asarray(other, np.float64), got.shape)
        size = max(
            np.abs(other).max(), TINY if wanted is None else np.abs(np.asarray(wanted)).max()
        )
        same = wanted is not None and np.abs(other - wanted).max() <= 2 * tolerance * size
        if np.abs(got - other).max() <= tolerance * size and not same:
            return name
    return ""


def ratio(got: Any, wanted: Any, *, tolerance: float = 1e-3) -> float:
    """The factor c where got = c wanted, NaN where there is none."""
    got, wanted = (np.asarray(values, np.float64).ravel() for values in (got, wanted))
    if not np.any(wanted):
        return float("nan")
    constant = float(got @ wanted / (wanted @ wanted))
    good = np.abs(got - constant * wanted).max() <= tolerance * max(
        np.abs(got).max(), tolerance * np.abs(wanted).max()
    )
    return constant if good else float("nan")


def fraction(constant: float) -> str:
    """2, 1/2, -1 for a number close to a small fraction, otherwise four digits."""
    near = Fraction(constant).limit_denominator(64)
    if (
        near
        and abs(float(near) - constant) <= 1e-3 * abs(constant)
        and (near.numerator in (1, -1) or near.denominator <= 4)
    ):
        return str(near) if near != 1 else f"{constant:.6g}"
    return f"{constant:.4g}"


def sum_text(coefficients: Iterable[float], names: Iterable[str]) -> str:
    """Text such as "2 c + -1 u", in which a coefficient that is 0 up to rounding reads 0."""
    return " + ".join(f"{a:.4g} {name}" for a, name in zip(whole(coefficients), names, strict=True))


def whole(values: Any) -> np.ndarray:
    """Values rounded to nine places, without -0."""
    return np.round(np.asarray(list(values), np.float64), 9) + 0.0


def fit(out: np.ndarray, *parts: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares coefficients of `out` as a linear combination of `parts`, and the relative
    residual.
    """
    columns = np.stack([np.ravel(part) for part in parts], 1)
    found = np.linalg.lstsq(columns, np.ravel(out), rcond=None)[0]
    return found, relative_error(columns @ found, np.ravel(out)) if np.any(out) else 0.0
