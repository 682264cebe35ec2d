"""What people add to records: deviations declared with a reason, and findings checked by hand
against the source.

They are in notes.toml beside an adapter of libraries/, and in my_module.toml beside my_module.py:

    [[deviation]]                 # turns "fails" into "documented deviation"
    target = "DDPMScheduler*"     # a pattern of names
    claim = "REV-16"              # or several: ["REV-11", "REV-16"]
    reason = "variance_type='fixed_large' is documented as the upper variance"

    [[finding]]                   # leaves "fails", and says what stands where
    target = "DPMSolverMultistepScheduler(*order=3*)"
    claim = "REV-19"
    file = "schedulers/scheduling_dpmsolver_multistep.py"
    line = 123
    there = "the formula there"
    paper = "the formula of the source paper, with its equation"
    says = "one kind sentence"
"""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from diffx.check.finding import DEVIATION, FAILS
from spec_tests.conformance.run import Record

FIELDS = {
    "deviation": {"target", "claim", "reason"},
    "finding": {"target", "claim", "file", "line", "there", "paper", "says"},
}


def read_notes(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The notes in a file, none where there is no file.  Raises ValueError where an entry is
    incomplete.
    """
    if not path.exists():
        return {kind: [] for kind in FIELDS}
    notes = tomllib.loads(path.read_text())
    for kind, entries in notes.items():
        for entry in entries:
            if kind not in FIELDS or FIELDS[kind] - set(entry):
                raise ValueError(
                    f"{path.name}: a [[{kind}]] needs {sorted(FIELDS.get(kind, FIELDS))}, got "
                    f"{sorted(entry)}"
                )
    return {kind: notes.get(kind, []) for kind in FIELDS}


def annotated(
    records: list[Record], notes: dict[str, list[dict[str, Any]]]
) -> tuple[list[Record], list[str]]:
    """Records with what was declared and found of them; and a line for each note that no longer
    applies.
    """
    used: set[int] = set()
    after = [_annotate(record, notes, used) for record in records]
    stale = [entry for entries in notes.values() for entry in entries if id(entry) not in used]
    return after, [
        f"{', '.join(_claims(e))} of {e['target']}: declared, but no such claim fails any more"
        for e in stale
    ]


def _claims(entry: dict[str, Any]) -> list[str]:
    return [entry["claim"]] if isinstance(entry["claim"], str) else entry["claim"]


def _annotate(record: Record, notes: dict[str, list[dict[str, Any]]], used: set[int]) -> Record:
    if record.verdict != FAILS:
        return record
    for kind, entries in notes.items():
        for entry in entries:
            if record.claim in _claims(entry) and fnmatchcase(record.target, entry["target"]):
                used.add(id(entry))
                if kind == "deviation":
                    return record._replace(
                        verdict=DEVIATION, detail=f"{entry['reason']}\n{record.detail}"
                    )
                return record._replace(detail=f"{_checked_by_hand(entry)}\n{record.detail}")
    return record


def _checked_by_hand(entry: dict[str, Any]) -> str:
    where = (
        f"{entry['file']}, line {entry['line']}, has {entry['there']}; the source has "
        f"{entry['paper']}."
    )
    return f"Checked by hand: {entry['says']}\n{where}"
