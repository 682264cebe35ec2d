"""Interleaved rounds: every competitor runs once, then all again; a busy moment then hurts all
alike.
"""

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from statistics import median
from typing import Any, NamedTuple

import numpy as np


class Entry(NamedTuple):
    """One competitor on one line: run() -> numpy array or anything; `wait` blocks until the result
    is there.
    """

    name: str
    run: Callable[[], Any]
    answer: Callable[[Any], Any]  # numpy, as `compare` wants it


class Row(NamedTuple):
    line: str
    name: str
    best_ms: float
    median_ms: float
    ratio: float  # its best time divided by diffx's
    difference: float  # from diffx's output
    rounds: int


def interleaved(
    line: str, entries: list[Entry], tolerance: float, compare: Callable, seconds: float
) -> list[Row]:
    """Outputs first: each must agree with diffx's, which is entries[0]. Then rounds until `seconds`
    are over.
    """
    outputs = [entry.answer(entry.run()) for entry in entries]  # compiles too
    differences = [compare(output, outputs[0]) for output in outputs]
    for entry, difference in zip(entries, differences, strict=True):
        if not difference <= tolerance:
            raise SystemExit(
                f"{line}: {entry.name} differs from diffx by {difference:.3g}, allowed "
                f"{tolerance:.3g}"
            )
    times: list[list[float]] = [[] for _ in entries]
    repeats = [_repeats(entry) for entry in entries]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for entry, taken, n in zip(entries, times, repeats, strict=True):
            taken.extend(_time(entry.run) for _ in range(n))
    base = min(times[0])
    return [
        Row(
            line,
            entry.name,
            1e3 * min(taken),
            1e3 * median(taken),
            min(taken) / base,
            difference,
            len(taken),
        )
        for entry, taken, difference in zip(entries, times, differences, strict=True)
    ]


def _time(run: Callable) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _repeats(entry: Entry) -> int:
    """So many runs in a row that a round takes 20 ms or one run: caches are warm and short runs get
    many chances.
    """
    return int(np.clip(0.02 / max(min(_time(entry.run) for _ in range(2)), 1e-6), 1, 50))


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())


def law_difference(a: np.ndarray, b: np.ndarray) -> float:
    """For methods with noise of their own: means and covariances in units of their sampling errors,
    both outputs random.
    """
    a, b = (np.asarray(v, np.float64) for v in (a, b))
    mean = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / len(a))
    products = [(v - v.mean(0))[:, [0, 0, 1]] * (v - v.mean(0))[:, [0, 1, 1]] for v in (a, b)]
    cov = (products[0].mean(0) - products[1].mean(0)) / np.sqrt(
        (products[0].var(0) + products[1].var(0)) / len(a)
    )
    return float(max(np.abs(mean).max(), np.abs(cov).max()))


def machine() -> dict[str, Any]:
    return {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf8") as info:
            return next(
                line.split(":", 1)[1].strip() for line in info if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.machine()


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Of each distribution; `not installed` where it is missing."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
