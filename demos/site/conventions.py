"""The convention table as a page: every row of `demos.site.translations` is run, and must agree,
before it is printed.
"""

import inspect
from typing import NamedTuple

import jax
import numpy as np

from demos.site import _rst
from demos.site.translations import ROWS, Row

# relative, in float64: 450 ulps; the product of a thousand factors needs 3, a drift with 1/t^2
# needs 10
AGREE = 1e-13
DIFFER = 1e-3  # what a forgotten translation must at least change: else the row would prove nothing


class Checked(NamedTuple):
    """Relative differences from what the others compute."""

    translated: float
    forgotten: float


def check(row: Row) -> Checked:
    """Run one row in float64. Raises ValueError where the translation is wrong, or where leaving it
    out changes nothing.
    """
    with jax.enable_x64(True):
        theirs, here, forgotten = (np.asarray(value, np.float64) for value in row.run())
    found = Checked(_apart(theirs, here), _apart(theirs, forgotten))
    if not found.translated <= AGREE:
        raise ValueError(
            f"convention {row.about!r}: they compute {theirs}, the translation gives {here}"
        )
    if not found.forgotten >= DIFFER:
        raise ValueError(
            f"convention {row.about!r}: without translation one gets {forgotten}, which is as good"
        )
    return found


def _apart(theirs: np.ndarray, other: np.ndarray) -> float:
    """The largest difference in units of the largest entry of theirs; infinite for another
    shape.
    """
    if theirs.shape != other.shape:
        return np.inf
    return float(np.abs(theirs - other).max() / np.abs(theirs).max())


def cited() -> str:
    """All the words of the table, for whoever looks for ids of claims in them."""
    return "\n".join(" ".join(row[:4]) for row in ROWS)


def page() -> str:
    lines = _rst.heading("Conventions")
    lines += _rst.paragraph(
        "Here time 0 is data and time 1 is noise, for every process. Guidance is ``uncond + w "
        "(cond - uncond)``: w = 1 is",
        "conditional (in the ``1 + w'`` convention w = 1 + w'). Log-SNR is "
        "``log(alpha^2/sigma^2)``. Velocity is",
        "``alpha' x0 + sigma' eps`` and points to noise. A time is one scalar for any shape of x; "
        "a batch of times is a",
        "``vmap``. Laws live on the last axis.",
    )
    lines += _rst.paragraph(
        f"The same mathematics in other words: {len(ROWS)} places where papers and libraries "
        "disagree with each other, and",
        "how to get from there to here. Nothing below is only written: every row was computed "
        "while this page was made, once",
        "in the words of the others, in plain numpy, and once here, and the page would not exist "
        "if a translation were wrong.",
        "*Off by* is the relative difference that remains, *else* the one that you get if you "
        "forget to translate.",
    )
    head = ("what", "the others", "here", "translation", "off by", "else")
    lines += _rst.table(
        head, [_cells(row, check(row)) for row in ROWS], (14, 26, 23, 21, 8, 8), "conventions"
    )
    lines += _rst.heading("What was run", "-")
    lines += _rst.paragraph(
        "``Result(theirs, here, forgotten)``; ``DATA``, ``NOISE`` and ``X`` are three vectors, "
        "``law()`` is a Gaussian,",
        "``mean_of_data`` its posterior mean by Bayes.",
    )
    for row in ROWS:
        lines += _rst.collapsed(row.about, _rst.code(_source(row)))
    return "\n".join(lines)


def _cells(row: Row, checked: Checked) -> tuple[str, ...]:
    numbers = (
        f"{checked.translated:.0e}" if checked.translated else "0",
        _rough(checked.forgotten),
    )
    about, others, here = (_rst.plain(text) for text in row[:3])
    return f"**{about}**", others, here, f"``{row.translation}``", *numbers


def _rough(x: float) -> str:
    return "shape" if np.isinf(x) else f"{x:.2g}"


def _source(row: Row) -> str:
    """The function without its decorator."""
    lines = inspect.getsource(row.run).splitlines()
    return "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("def ")) :])
