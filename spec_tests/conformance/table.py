"""The table for people: one line a target and claim, failures with their sentence and their snippet."""

import textwrap
from collections import Counter

from diffx.check.finding import DEVIATION, FAILS
from spec_tests.conformance.run import Record

WIDTHS = {"target": 44, "claim": 7, "verdict": 20, "measured": 40, "expected": 24}


def table(records: list[Record], *, everything: bool = False) -> str:
    """What does not hold line by line, and a count of the rest; everything: all of them."""
    head = records[0]
    shown = [record for record in records if everything or record.verdict in (FAILS, DEVIATION)]
    counts = Counter(record.verdict for record in records)
    lines = [f"{head.library} {head.version}", _line({field: field for field in WIDTHS})] if shown else []
    for record in shown:
        lines.append(_line({field: getattr(record, field) for field in WIDTHS}))
        if record.verdict in (FAILS, DEVIATION):
            lines.append(textwrap.indent(record.detail, "    "))
    tally = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    return "\n".join([*lines, f"{head.library} {head.version}: {tally}"])


def _line(fields: dict[str, str]) -> str:
    return "  ".join(_fit(text, WIDTHS[name]) for name, text in fields.items()).rstrip()


def _fit(text: str, width: int) -> str:
    return (text if len(text) <= width else text[: width - 3] + "...").ljust(width)
