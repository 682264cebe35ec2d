"""What became of each claim: the table of `pytest --claims` and the certificate of
`--claims-json`.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
from collections import Counter
from dataclasses import astuple
from functools import cache
from typing import Any

import hypothesis
import jax
import jaxlib
import numpy as np
import pytest

from spec_tests.instrument.close import Record
from spec_tests.instrument.registry import CLAIMS, NO_DTYPE, Claim

RECORD = pytest.StashKey[Record]()


class Results:
    """Outcomes and the worst record of every (claim id, dtype), gathered while the tests run."""

    def __init__(self) -> None:
        self.expected: Counter = Counter()
        self.passed: Counter = Counter()
        self.failed: Counter = Counter()
        self.records: dict[tuple[str, str], Record] = {}

    def expect(self, instances: list[tuple[str, str]]) -> None:
        self.expected.update(instances)

    def add(self, id: str, dtype: str, report, record: Record | None) -> None:
        """One report of pytest; only the call phase can pass, any phase can fail.  An expected
        failure is a failure.
        """
        if report.failed or hasattr(report, "wasxfail"):
            self.failed[id, dtype] += 1
        elif report.when == "call" and report.passed:
            self.passed[id, dtype] += 1
        if record is not None and report.when == "call":
            self._keep(id, dtype, record)

    def _keep(self, id: str, dtype: str, record: Record) -> None:
        kept = self.records.setdefault((id, dtype), record)
        if record.ratio > kept.ratio or record.ratio != record.ratio:
            self.records[id, dtype] = record

    def plain(self) -> dict[str, list]:
        """These results in lists, texts and numbers: what one process can send to another."""
        return {
            "claims": [list(claim) for claim in CLAIMS.values()],
            "expected": _counts(self.expected),
            "passed": _counts(self.passed),
            "failed": _counts(self.failed),
            "records": [[*key, _fields(record)] for key, record in self.records.items()],
        }

    def merge(self, plain: dict[str, list]) -> None:
        """Join the results of a process that ran some of the tests (each collects all of them)."""
        CLAIMS.update({row[0]: Claim._make(map(_hashable, row)) for row in plain["claims"]})
        self.expected |= _counter(plain["expected"])
        self.passed += _counter(plain["passed"])
        self.failed += _counter(plain["failed"])
        for id, dtype, record in plain["records"]:
            self._keep(id, dtype, Record(*record))

    def verdict(self, id: str, dtype: str) -> str:
        """A claim holds where all its instances ran and passed."""
        if self.failed[id, dtype]:
            return "fails"
        ran = self.passed[id, dtype]
        return "holds" if ran and ran == self.expected[id, dtype] else "not run"

    def rows(self) -> list[dict[str, Any]]:
        """One row for each registered claim and dtype, by id."""
        instances = [
            (id, dtype) for id in sorted(CLAIMS) for dtype in CLAIMS[id].dtypes or (NO_DTYPE,)
        ]
        return [self._row(id, dtype) for id, dtype in instances]

    def _row(self, id: str, dtype: str) -> dict[str, Any]:
        claim = CLAIMS[id]
        record = self.records.get((id, dtype), Record())
        return {
            "id": id,
            "dtype": dtype,
            "statement": claim.statement,
            "function": ", ".join(claim.of),
            "source": claim.source,
            "grade": claim.grade,
            "test": claim.test,
            "measured": _number(record.measured),
            "bound": _number(record.bound),
            "unit": record.unit,
            "verdict": self.verdict(id, dtype),
        }


def table(rows: list[dict[str, Any]], width: int = 60) -> list[str]:
    """The rows as lines of text."""
    line = f"{{:7}} {{:8}} {{:{width}}} {{:12}} {{:>9}} {{:>9}} {{:9}} {{}}"
    head = line.format("claim", "dtype", "statement", "grade", "measured", "bound", "", "verdict")
    return [head, *(_line(line, row, width) for row in rows), _score(rows)]


def write(path: str, rows: list[dict[str, Any]]) -> None:
    """The certificate, as JSON without NaN."""
    content = {"device": device(), "versions": versions(), "claims": rows}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, allow_nan=False, ensure_ascii=False)
        file.write("\n")


def probe(path: str) -> None:
    """Raise OSError now rather than after the run, if path cannot be written.  Leaves nothing
    behind.
    """
    existed = os.path.exists(path)
    with open(path, "a", encoding="utf-8"):
        pass
    if not existed:
        os.remove(path)


def device() -> dict[str, str]:
    """Kind and platform of the device that the claims ran on."""
    first = jax.devices()[0]
    return {"kind": first.device_kind, "platform": first.platform}


def versions() -> dict[str, str]:
    """Versions that the numbers depend on."""
    libraries = {"jax": jax, "jaxlib": jaxlib, "numpy": np, "hypothesis": hypothesis}
    found = {name: library.__version__ for name, library in libraries.items()}
    return {"python": platform.python_version(), **found, "diffx": _diffx()}


@cache
def has_float64() -> bool:
    """Whether the device computes in float64 (some accelerators do not)."""
    try:
        one = jax.jit(lambda x: x + 2.0**-40)(jax.numpy.ones((), "float64"))
        return one.dtype == np.float64 and float(one) != 1.0
    except (RuntimeError, NotImplementedError):
        return False


def _counts(counter: Counter) -> list[list]:
    return [[*key, count] for key, count in counter.items()]


def _counter(rows: list[list]) -> Counter:
    return Counter({(id, dtype): count for id, dtype, count in rows})


def _fields(record: Record) -> list:
    """A record's fields, without numpy's numbers, which a worker cannot send."""
    return [x.item() if isinstance(x, np.generic) else x for x in astuple(record)]


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value


def _diffx() -> str:
    try:
        import diffx

        return getattr(diffx, "__version__", None) or importlib.metadata.version("diffx-reference")
    except (ImportError, importlib.metadata.PackageNotFoundError):
        return "unknown"


def _line(line: str, row: dict[str, Any], width: int) -> str:
    statement = (
        row["statement"]
        if len(row["statement"]) <= width
        else row["statement"][: width - 3] + "..."
    )
    numbers = ("" if row[key] is None else f"{row[key]:.3g}" for key in ("measured", "bound"))
    return line.format(
        row["id"], row["dtype"], statement, row["grade"], *numbers, row["unit"], row["verdict"]
    )


def _score(rows: list[dict[str, Any]]) -> str:
    counts = Counter(row["verdict"] for row in rows)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("holds", "fails", "not run"))


def _number(x: float | None) -> float | None:
    return float(x) if x is not None and math.isfinite(x) else None
