"""The comparisons a claim may use.  Each one states its bound and why, and records what was
measured.

A claim never compares with a bare relative tolerance: rounding is counted in ulps of a stated scale
(`close`), truncation by its order and leading constant (`slope`); what is exact or an inequality
says so (`holds`, `below`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np


@dataclass
class Record:
    """What a test measured: the comparison that came closest to its bound, and which kinds of
    comparison there were.
    """

    count: int = 0
    ratio: float = -1.0
    measured: float | None = None
    bound: float | None = None
    unit: str = ""
    kinds: set[str] = field(default_factory=set)  # of "close", "slope", "holds", "below"
    false_alarm: float = 0.0  # the stated rates of all its draws: at most this often by chance

    def add(
        self,
        kind: str,
        ratio: float,
        measured: float | None,
        bound: float | None,
        unit: str,
        false_alarm: float = 0.0,
    ) -> None:
        self.count += 1
        self.kinds.add(kind)
        self.false_alarm += false_alarm
        if ratio > self.ratio or ratio != ratio:
            self.ratio, self.measured, self.bound, self.unit = ratio, measured, bound, unit


_records: list[Record] = []


@contextmanager
def recording() -> Iterator[Record]:
    """Collect what the comparisons inside measure.  The plugin opens one for each test."""
    record = Record()
    _records.append(record)
    try:
        yield record
    finally:
        _records.remove(record)


def close(a, b, *, ulps: float, scale=None, why: str) -> None:
    """|a - b| <= ulps * eps * scale in every element, eps being that of a's dtype.

    a: what the code gave.  b: the oracle, float64; same shape, nothing is broadcast.  scale: the
    size of the numbers whose rounding is met, a number or an array that fits b; None means |b|.
    NaN anywhere fails, infinities must agree.
    """
    _need(why)
    a, b = np.asarray(a), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise AssertionError(f"shapes differ: got {a.shape}, the oracle has {b.shape}; {why}")
    error = _in_ulps(a, b, _scale(scale, b))
    worst = float(np.max(error, initial=0.0))
    _add("close", worst, float(ulps), "ulp")
    if not worst <= ulps:
        raise AssertionError(
            f"{worst:.3g} ulps, allowed {ulps:g} ({a.dtype}); {why}\n{_where(a, b, error)}"
        )


def slope(
    ns,
    errors,
    *,
    order: float,
    within: float = 0.15,
    constant: float | None = None,
    constant_rtol: float | None = None,
    why: str,
) -> None:
    """errors ~ constant * n^-order: both ratios among the three finest n, and the leading constant
    where it is known.

    ns: increasing numbers of steps, at least 3.  errors: positive, one for each n.  constant: the
    wanted errors[-1] * ns[-1]^order, within constant_rtol.
    """
    _need(why)
    ns, errors = _levels(ns, errors, why)
    slopes = np.diff(np.log(errors)) / -np.diff(np.log(ns))
    off = float(np.max(np.abs(slopes[-2:] - order)))
    _add("slope", off, within, "order")
    if not off <= within:
        raise AssertionError(
            f"orders {np.round(slopes, 3)}, wanted {order:g} within {within:g}; {why}"
        )
    if constant is not None:
        _leading(errors[-1] * ns[-1] ** order, constant, constant_rtol, why)


def holds(
    condition,
    why: str,
    measured: float | None = None,
    bound: float | None = None,
    *,
    false_alarm: float = 0.0,
) -> None:
    """The condition is true (everywhere, if an array): exact statements, inequalities, refusals.

    false_alarm: how often random draws violate it though the code is right; 0 without draws.
    """
    _need(why)
    _rate(false_alarm)
    true = np.asarray(condition)
    if true.dtype != np.bool_:
        raise TypeError(f"holds wants a truth value, got {true.dtype}; {why}")
    verdict = bool(true.all())
    _record("holds", 0.0 if verdict else np.inf, measured, bound, "", false_alarm)
    if not verdict:
        raise AssertionError(f"does not hold (measured {measured}, bound {bound}): {why}")


def below(value, bound: float, why: str, *, false_alarm: float = 0.0) -> None:
    """value <= bound in every element; NaN fails.  false_alarm: as for `holds`."""
    _need(why)
    _rate(false_alarm)
    value = np.asarray(value, np.float64)
    worst = float(np.max(value, initial=-np.inf))
    _add("below", worst, float(bound), "", false_alarm)
    if not worst <= bound:
        raise AssertionError(f"{worst:.6g} is not below {bound:.6g}; {why}")


def _need(why: str) -> None:
    if not isinstance(why, str) or not why.strip():
        raise TypeError("say why this bound is the right one: why='...'")


def _rate(false_alarm: float) -> None:
    if not 0 <= false_alarm < 1:
        raise ValueError(
            f"false_alarm is how often right code fails by chance, in [0, 1); got {false_alarm}"
        )


def _scale(scale, b: np.ndarray) -> np.ndarray:
    if scale is None:
        return np.abs(b)
    scale = np.broadcast_to(np.asarray(scale, np.float64), b.shape)
    if not np.all(scale >= 0):
        raise ValueError("scale must be neither negative nor NaN")
    return scale


def _in_ulps(a: np.ndarray, b: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if not jnp.issubdtype(a.dtype, np.floating):
        raise TypeError(
            f"close counts in ulps of a's dtype and wants floating point, got {a.dtype}"
        )
    eps = float(jnp.finfo(a.dtype).eps)  # jnp's finfo knows bfloat16 too
    a = a.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ulps = np.abs(a - b) / (eps * scale)
    # a == b: also equal infinities and 0/0
    return np.where(a == b, 0.0, np.where(np.isnan(ulps), np.inf, ulps))


def _levels(ns, errors, why: str) -> tuple[np.ndarray, np.ndarray]:
    ns, errors = np.asarray(ns, np.float64), np.asarray(errors, np.float64)
    if ns.ndim != 1 or ns.shape != errors.shape or len(ns) < 3 or not np.all(np.diff(ns) > 0):
        raise ValueError(
            f"slope wants at least 3 increasing ns and as many errors, got {ns} and shape "
            f"{errors.shape}"
        )
    if not np.all(np.isfinite(errors) & (errors > 0)):
        raise AssertionError(f"errors must be positive and finite, got {errors}; {why}")
    return ns, errors


def _leading(measured: float, constant: float, rtol: float | None, why: str) -> None:
    if rtol is None:
        raise TypeError("a constant needs its constant_rtol")
    off = abs(measured / constant - 1)
    _add("slope", off, rtol, "constant")
    if not off <= rtol:
        raise AssertionError(
            f"leading constant {measured:.6g}, wanted {constant:.6g} within {rtol:g}; {why}"
        )


def _where(a: np.ndarray, b: np.ndarray, error: np.ndarray) -> str:
    worst = np.unravel_index(np.argmax(error), error.shape)
    index = tuple(int(i) for i in worst)
    return f"worst at {index}: got {a[worst]!s}, wanted {b[worst]!s}"


def _add(kind: str, measured: float, bound: float, unit: str, false_alarm: float = 0.0) -> None:
    within = measured <= bound
    ratio = measured / bound if bound > 0 and not np.isnan(measured) else 0.0 if within else np.inf
    _record(kind, ratio, measured, bound, unit, false_alarm)


def _record(kind: str, *measured) -> None:
    if _records:
        _records[-1].add(kind, *measured)
