"""The table for people: a heading a target, a line a claim, failures with their sentence and their
snippet.
"""

import textwrap
from collections import Counter
from itertools import groupby

from diffx.check.finding import DEVIATION, FAILS, NOT_PROVIDED
from spec_tests.conformance.run import Record

# of the columns; the last one, measured and expected, takes what it needs
WIDTHS = {
    "claim": 6,
    "verdict": 20,
}


def table(records: list[Record], *, everything: bool = False) -> str:
    """What does not hold under its target, and a count of all; everything: what holds, too."""
    name = f"{records[0].library} {records[0].version}"
    counts = Counter(record.verdict for record in records)
    shown = [
        record
        for record in records
        if everything or record.verdict in (FAILS, DEVIATION) or _absent(record)
    ]
    lines = [
        line
        for target, group in groupby(shown, lambda record: record.target)
        for line in _of_target(target, list(group))
    ]
    tally = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    return "\n".join([*lines, f"{name}: {tally}"])


def _absent(record: Record) -> bool:
    """The one record of a library that is not installed."""
    return record.verdict == NOT_PROVIDED and record.claim == "-"


def _of_target(target: str, records: list[Record]) -> list[str]:
    lines = [] if target == "-" else ["", target]
    for record in records:
        lines += [record.detail] if _absent(record) else _of_claim(record)
    return lines


def _of_claim(record: Record) -> list[str]:
    head = "  ".join(getattr(record, field).ljust(width) for field, width in WIDTHS.items())
    numbers = "" if record.measured == "-" else f"{record.measured}; expected {record.expected}"
    said = record.verdict in (FAILS, DEVIATION, NOT_PROVIDED)
    return [
        f"  {head}  {numbers}".rstrip(),
        *([textwrap.indent(record.detail, "      ")] if said else []),
    ]
