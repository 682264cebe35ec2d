"""The claims of this checkout, read from the text of its tests, with what the certificates
measured: a page each family.
"""

import ast
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from demos.site import _rst
from spec_tests.families import FAMILIES, WORD
from spec_tests.instrument.grades import GRADES

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "spec_tests"
CERTIFICATES = TESTS / "certificates"


class Claim(NamedTuple):
    id: str
    statement: str
    source: str
    grade: str
    file: str
    test: str
    code: str

    @property
    def family(self) -> str:
        return self.id.split("-")[0]

    @property
    def label(self) -> str:
        return self.id.lower()


class Certificate(NamedTuple):
    """A file that `pytest --claims-json` wrote."""

    device: str
    versions: dict[str, str]
    rows: dict[str, list[dict[str, Any]]]  # by id, one for each dtype that the run covered

    def verdict(self, id: str) -> str:
        """fails if any dtype failed, holds if all that ran hold, not run otherwise."""
        found = {row["verdict"] for row in self.rows.get(id, [])}
        return next((verdict for verdict in ("fails", "holds") if verdict in found), "not run")


# --- reading ------------------------------------------------------------------------------------


def claims(folder: Path = TESTS) -> dict[str, Claim]:
    """Every claim that a test declares, by id, in the order of the families."""
    found = {}
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        module = ast.parse(text)
        for test in module.body:
            if isinstance(test, ast.FunctionDef):
                found |= {claim.id: claim for claim in _declared(test, module, path, text)}
    order = list(FAMILIES)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[1].family), item[0])))


def _declared(test: ast.FunctionDef, module: ast.Module, path: Path, text: str) -> Iterator[Claim]:
    for call in test.decorator_list:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "claim"
        ):
            id, statement = (_words(argument, module) for argument in call.args[:2])
            named = {k.arg: k.value for k in call.keywords}
            source, grade = (_words(named[name], module) for name in ("source", "grade"))
            lines = text.splitlines()[test.decorator_list[0].lineno - 1 : test.end_lineno]
            yield Claim(
                id,
                statement,
                source,
                grade,
                path.relative_to(ROOT).as_posix(),
                test.name,
                "\n".join(lines),
            )


def _words(node: ast.expr, module: ast.Module) -> str:
    """The text of a decorator's argument: a literal, the name of one in this file or in one that it
    imports from, or an f-string of these.
    """
    if isinstance(node, ast.Name):
        for line in module.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == node.id:
                return _words(line.value, module)
            if isinstance(line, ast.ImportFrom) and node.id in [name.name for name in line.names]:
                path = ROOT.joinpath(*str(line.module).split(".")).with_suffix(".py")
                return _words(node, ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part, module) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _words(node.value, module)
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def certificates(folder: Path = CERTIFICATES) -> list[Certificate]:
    """Every certificate in the folder, by file name; rows that were not run are left out."""
    return [_certificate(path) for path in sorted(folder.glob("*.json"))]


def _certificate(path: Path) -> Certificate:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in content["claims"]:
        if row["verdict"] != "not run":
            rows.setdefault(row["id"], []).append(row)
    kind = content["device"]["kind"]
    return Certificate("CPU" if kind == "cpu" else kind, content["versions"], rows)


def cited(texts: Iterable[str]) -> set[str]:
    """The ids that occur in texts."""
    return {id for text in texts for id in WORD.findall(text)}


# --- writing ------------------------------------------------------------------------------------


def pages(
    known: dict[str, Claim], found: list[Certificate], held: dict[str, list[str]]
) -> dict[str, str]:
    """Page by name. held: for each id, links to what it is about."""
    written = [
        family for family in FAMILIES if any(claim.family == family for claim in known.values())
    ]
    texts = {f"claims/{family.lower()}": _family(family, known, found, held) for family in written}
    return {"claims/index": _index(written, known, found), **texts}


def _index(written: list[str], known: dict[str, Claim], found: list[Certificate]) -> str:
    lines = _rst.heading("The claims")
    lines += _rst.paragraph(
        f"The specification: {len(known)} claims, each one sentence and one test, run in float64 "
        "and float32 by ``pytest``.",
        "An id leads to the test's code, to the functions that it holds, and to what was measured.",
    )
    lines += _grades(known)
    lines += _rst.table(
        ("family", "about", "claims"),
        [_family_row(family, known) for family in written],
        (8, 70, 12),
    )
    lines += _rst.paragraph(
        "The oracle of a claim is never the formula again, and its bound is a number of ulps with "
        "its reason.",
        "``pytest --claims`` prints what was measured. That the claims bite is measured too: "
        "``python -m spec_tests.mutants``",
        "makes small wrong edits to the formulas, mechanically, and counts how many no test "
        "notices. At the last draw",
        "300 of 15,286 such edits were made: 280 fell, 17 trace to the same program, 3 are listed "
        "as changing nothing, and none survived; 6.5 minutes on 16 cores.",
    )
    lines += _rst.paragraph(
        "A certificate is what ``pytest --claims-json=FILE`` wrote on one device: on this device, "
        "with these versions, the",
        "mathematics held to these errors. Those of the releases stand in "
        "``spec_tests/certificates``.",
    )
    lines += _rst.table(
        ("device", "with", "claims that hold", "that fail", "not run"),
        [_certificate_row(certificate, known) for certificate in found],
        (18, 40, 16, 12, 12),
    )
    for family in written:
        lines += _rst.heading(f"{family}: {FAMILIES[family]}", "-")
        lines += _rst.table(
            ("claim", "sentence", "grade", "verdict"),
            _sentences(family, known, found),
            (9, 63, 12, 16),
            "claims",
        )
    return "\n".join(lines + _rst.contents([family.lower() for family in written]))


def _grades(known: dict[str, Claim]) -> list[str]:
    """The legend: each grade with its sentence and the number of its claims."""
    counts = Counter(claim.grade for claim in known.values())
    return [
        *_rst.paragraph(
            "Each claim has a grade, which says how it is known: that of the weakest comparison on "
            "which it rests. The strongest comes first.",
            "The tests refuse a grade that does not fit the comparisons that ran.",
        ),
        *_rst.table(
            ("grade", "what it means", "claims"),
            [(f"*{grade}*", says, str(counts[grade])) for grade, says in GRADES.items()],
            (16, 72, 12),
        ),
    ]


def _family_row(family: str, known: dict[str, Claim]) -> tuple[str, str, str]:
    count = sum(claim.family == family for claim in known.values())
    return f":doc:`{family} <{family.lower()}>`", FAMILIES[family], str(count)


def _certificate_row(certificate: Certificate, known: dict[str, Claim]) -> tuple[str, ...]:
    verdicts = [certificate.verdict(id) for id in known]
    versions = ", ".join(
        f"{name} {certificate.versions[name]}" for name in ("diffx", "jax", "python")
    )
    return (
        certificate.device,
        versions,
        *(str(verdicts.count(verdict)) for verdict in ("holds", "fails", "not run")),
    )


def _sentences(
    family: str, known: dict[str, Claim], found: list[Certificate]
) -> list[tuple[str, ...]]:
    return [
        (claim.id, _rst.plain(claim.statement), claim.grade, _verdict(claim.id, found))
        for claim in known.values()
        if claim.family == family
    ]


def _verdict(id: str, found: list[Certificate]) -> str:
    """One word for all certificates, with the devices where they do not say the same."""
    by_device = {certificate.device: certificate.verdict(id) for certificate in found}
    failing = [device for device, verdict in by_device.items() if verdict == "fails"]
    holding = [device for device, verdict in by_device.items() if verdict == "holds"]
    if failing:
        return f"**fails** on {', '.join(failing)}"
    if not holding:
        return "not measured yet"
    return "holds" if len(holding) == len(found) else f"holds on {', '.join(holding)}"


def _family(
    family: str, known: dict[str, Claim], found: list[Certificate], held: dict[str, list[str]]
) -> str:
    lines = _rst.heading(f"{family}: {FAMILIES[family]}")
    for claim in known.values():
        if claim.family == family:
            lines += _entry(claim, found, held.get(claim.id, []))
    return "\n".join(lines)


def _entry(claim: Claim, found: list[Certificate], functions: list[str]) -> list[str]:
    lines = _rst.heading(claim.id, "-", claim.label)
    lines += _rst.paragraph(f"**{_rst.plain(claim.statement)}**")
    lines += _rst.paragraph(f"About {', '.join(functions)}.") if functions else []
    lines += _rst.paragraph(f"Source: {_rst.plain(claim.source).removesuffix('.')}.")
    lines += _rst.paragraph(f"Grade: *{claim.grade}*. {GRADES[claim.grade]}")
    rows = [
        _measured(certificate, row, claim)
        for certificate in found
        for row in certificate.rows.get(claim.id, [])
    ]
    head = ("device", "dtype", "measured", "bound", "verdict")
    lines += (
        _rst.table(head, rows, (30, 14, 18, 18, 20), "measured")
        if rows
        else _rst.paragraph("Not measured yet.")
    )
    return lines + _rst.collapsed(f"pytest {claim.file}::{claim.test}", _rst.code(claim.code))


def _measured(certificate: Certificate, row: dict[str, Any], claim: Claim) -> tuple[str, ...]:
    numbers = (
        "" if row[key] is None else f"{row[key]:.3g} {row['unit']}".strip()
        for key in ("measured", "bound")
    )
    changed = " (of an earlier sentence)" if row["statement"] != claim.statement else ""
    return certificate.device, row["dtype"], *numbers, row["verdict"] + changed
