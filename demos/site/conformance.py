"""What the claims say of other libraries, as pages: libraries down, claims across, and every cell
leads to its records.
"""

import html
import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from demos.site import _rst
from spec_tests.conformance.libraries import kept_records
from spec_tests.families import FAMILIES

CONFORMANCE = Path(__file__).parent.parent.parent / "spec_tests" / "conformance"
EXAMPLE = CONFORMANCE / "example.py"
CHECKED = "Checked by hand:"  # how the detail of a failure begins whose source somebody has read
# the most telling first
FAILS, DEVIATION, HOLDS, ABSENT = (
    "fails",
    "documented deviation",
    "holds",
    "not provided",
)


TABLES = {
    "Samplers": ("REV", "API"),
    "Processes, likelihoods, guidance, losses": ("FWD", "DEN", "FM", "LIK", "CFG", "CLP"),
}


class Library(NamedTuple):
    name: str  # of the file: a page's name
    date: str
    records: list[dict[str, str]]

    @property
    def title(self) -> str:
        return f"{self.records[0]['library']} {self.records[0]['version']}"

    def of(self, claim: str) -> list[dict[str, str]]:
        """The records of a claim, failures first."""
        order = (FAILS, DEVIATION, HOLDS, ABSENT).index
        return sorted(
            (one for one in self.records if one["claim"] == claim),
            key=lambda one: order(one["verdict"]),
        )


def libraries() -> list[Library]:
    """What `python -m spec_tests.conformance --library NAME --keep` wrote, by name."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8")) for name, path in kept_records().items()
    }
    return [Library(name, kept["date"], kept["records"]) for name, kept in found.items()]


def claims_of(found: list[Library]) -> list[str]:
    """Every claim that was asked of one of them, in the order of the theory."""
    order = list(FAMILIES)
    ids = {one["claim"] for library in found for one in library.records if one["claim"] != "-"}
    return sorted(ids, key=lambda id: (order.index(id.split("-")[0]), id))


def pages(found: list[Library] | None = None) -> dict[str, str]:
    """Page by name."""
    found = libraries() if found is None else found
    texts = {f"conformance/{library.name}": _page(library) for library in found}
    return {"conformance/index": _index(found), **texts}


def _index(found: list[Library]) -> str:
    lines = _rst.heading("Other libraries")
    lines += _rst.paragraph(
        "The claims of diffx, asked of other people's code as it is released, from outside: a "
        "Gaussian goes in, and what comes",
        "out is compared with the exact answer. A cell counts targets (a class or function in one "
        "configuration): *12* all of",
        "12 hold, *3/12* three of 12 fail, *(2)* two differ as documented, a dash: not provided. "
        "It leads to the records.",
    )
    lines += _rst.paragraph(
        "A failure is a question before it is a defect. Where a record begins with *Checked by "
        "hand* somebody has derived the",
        "formula, read the source and names the line; where it does not, our adapter may be at "
        "fault. Conventions are not",
        "defects: they are declared, with the reason. Corrections are welcome.",
    )
    for title, families in TABLES.items():
        lines += _rst.heading(title, "-") + _rst.raw(_grid(found, families))
    lines += _rst.heading("Ask your own", "-") + _your_own()
    lines += _rst.heading("What was found", "-")
    lines += _rst.paragraph(
        "Every failure whose formula was derived and whose source was read, with the number of "
        "targets; a link leads to the",
        "records, with a few lines of that library alone that show it.",
    )
    told = (_finding(library, *note) for library in found for note in _findings(library).items())
    lines += _rst.raw("".join(told) or "<p>Nothing yet.</p>")
    lines += _rst.heading("The claims", "-")
    lines += _meanings(claims_of(found))
    return "\n".join(lines + _rst.contents([library.name for library in found]))


def _your_own() -> list[str]:
    lines = _rst.paragraph(
        "The same claims are asked of any implementation, from outside and in any language that "
        "Python can call. The law is",
        "exact, from unit vectors fed through the sampler; orders are measured after an exact "
        "start that needs no access to",
        "its history.",
    )
    lines += _rst.code(
        "python -m spec_tests.conformance --library diffusers  # every scheduler, where diffusers "
        "is installed\n"
        "python -m spec_tests.conformance --adapter my_module  # yours; a line for each claim, a "
        "snippet for each failure\n"
        "python -m spec_tests.vectors --out vectors            # exact answers as JSON, with a "
        "checker in plain Python"
    )
    lines += _rst.paragraph(
        "An adapter is a module that says how your code is called; this is a whole one:"
    )
    lines += _rst.code(EXAMPLE.read_text(encoding="utf-8").partition('"""\n\n')[2])
    lines += _rst.paragraph("In the tests of a library the same is one line:")
    return lines + _rst.code(
        "diffx.check.require_holds(diffx.check.check_sampler(run, nodes, eta=0.0, order=1))"
    )


def _findings(library: Library) -> dict[str, list[dict[str, str]]]:
    """What was found by hand -> its records; one sentence may speak of several claims and files."""
    found: dict[str, list[dict[str, str]]] = {}
    for one in library.records:
        if one["verdict"] == FAILS and one["detail"].startswith(CHECKED):
            found.setdefault(one["detail"].split("\n")[0].removeprefix(CHECKED).strip(), []).append(
                one
            )
    return found


def _finding(library: Library, says: str, records: list[dict[str, str]]) -> str:
    count = Counter(one["claim"] for one in records)
    links = (
        f'<a href="{library.name}.html#{anchor(claim)}">{claim}</a> {n}'
        for claim, n in sorted(count.items())
    )
    where = dict.fromkeys(one["detail"].split("\n")[1] for one in records)
    lines = "".join(f"<br>{html.escape(line)}" for line in where)
    return (
        f"<p><b>{html.escape(library.title)}</b> ({', '.join(links)}). "
        f"{html.escape(says)}<small>{lines}</small></p>"
    )


def _meanings(claims: list[str]) -> list[str]:
    """Ids become links where the page is read."""
    return [f"- {claim}: {MEANING[claim]}." for claim in claims if claim in MEANING] + [""]


MEANING = {
    "API-01": "one result for one input, each row on its own, and the input is left as it was",
    "API-04": "shape and type are kept, all numbers are finite",
    "REV-01": "the law of a stochastic sampler comes to the data's as steps are added",
    "REV-02": "so does that of a deterministic one",
    "REV-11": "a first-order deterministic step has its exact law at ten steps",
    "REV-16": "so has a first-order stochastic one",
    "REV-17": "an exponential integrator is exact where all data are one point",
    "REV-19": "the error falls at the order that is stated",
    "FWD-01": "noising is alpha x0 + sigma eps",
    "FWD-02": "drift and diffusion belong to alpha and sigma",
    "FWD-05": "the log-SNR falls, and is log(alpha^2/sigma^2)",
    "FWD-12": "the start has the deviation of the last marginal",
    "FWD-19": "the grid is the one of its name",
    "DEN-01": "predictions turn into each other and back",
    "DEN-17": "Hutchinson's probes are unbiased",
    "FM-01": "the regression target is the conditional velocity",
    "LIK-01": "log-likelihoods are those of the closed form",
    "CFG-01": "guidance is one of the two conventions, w or 1 + w",
    "CFG-07": "at its two limits one branch remains",
    "CFG-08": "its weights sum to one",
    "CFG-09": "a negative prompt replaces the unconditional branch",
    "CFG-15": "rescaling gives every sample the deviation of its conditional",
    "CLP-01": "the contrastive loss has its value, also at scale 100",
    "CLP-02": "and every gradient",
    "CLP-11": "split over devices it has the same gradients",
    "CLP-12": "SigLIP likewise",
}


def _grid(found: list[Library], families: tuple[str, ...]) -> str:
    claims = [claim for claim in claims_of(found) if claim.split("-")[0] in families]
    head = "".join(f'<th class="claim"><span>{claim}</span></th>' for claim in claims)
    rows = (_row(library, claims) for library in found)
    head = f"<tr><th>library</th><th>date</th>{head}</tr>"
    return f'<table class="conformance">{head}{"".join(rows)}</table>'


def _row(library: Library, claims: list[str]) -> str:
    cells = "".join(_cell(library, claim) for claim in claims)
    name = f'<a href="{library.name}.html">{html.escape(library.title)}</a>'
    return f"<tr><td>{name}</td><td>{library.date}</td>{cells}</tr>"


def _cell(library: Library, claim: str) -> str:
    count = Counter(one["verdict"] for one in library.of(claim))
    asked = count[HOLDS] + count[FAILS] + count[DEVIATION]
    if not asked:
        return '<td class="absent">&ndash;</td>'
    worst = next(verdict for verdict in (FAILS, DEVIATION, HOLDS) if count[verdict])
    text = f"{count[FAILS]}/{asked}" if count[FAILS] else str(count[HOLDS] or "")
    text += f" ({count[DEVIATION]})" if count[DEVIATION] else ""
    return (
        f'<td class="{worst.split()[-1]}"><a '
        f'href="{library.name}.html#{anchor(claim)}">{text.strip()}</a></td>'
    )


def anchor(claim: str) -> str:
    """Of a claim's records on a library's page; claims themselves have the label without the
    prefix.
    """
    return f"records-{claim.lower()}"


def _page(library: Library) -> str:
    lines = _rst.heading(library.title)
    count = Counter(one["verdict"] for one in library.records)
    tally = ", ".join(
        f"{count[verdict]} {verdict}"
        for verdict in (HOLDS, FAILS, DEVIATION, ABSENT)
        if count[verdict]
    )
    lines += _rst.paragraph(
        f"Asked on {library.date}: {tally}. What does not hold is in full, the rest a line each."
    )
    general = [one["detail"] for one in library.records if one["claim"] == "-"]
    lines += [line for detail in general for line in _rst.paragraph(_rst.plain(detail))]
    asked = [
        claim
        for claim in claims_of([library])
        if any(one["verdict"] != ABSENT for one in library.of(claim))
    ]
    for claim in asked:
        lines += _rst.heading(claim, "-", f"{library.name}-{anchor(claim)}")
        lines += (
            _rst.paragraph(f"{MEANING[claim][0].upper()}{MEANING[claim][1:]}.")
            if claim in MEANING
            else []
        )
        lines += _rst.raw(f'<a id="{anchor(claim)}"></a>{_records(library.of(claim))}')
    absent = [one for one in library.records if one["claim"] not in asked and one["claim"] != "-"]
    lines += (
        [*_rst.heading("Not provided", "-"), *_rst.raw(_list(absent, "not provided"))]
        if absent
        else []
    )
    return "\n".join(lines)


def _records(records: list[dict[str, str]]) -> str:
    told = "".join(
        _told(list(group))
        for story, group in groupby(sorted(records, key=_story), key=_story)
        if story
    )
    listed = [one for one in records if one["verdict"] == HOLDS]
    absent = [one for one in records if one["verdict"] == ABSENT]
    return told + _list(listed, "hold") + _list(absent, "not provided")


def _story(one: dict[str, str]) -> str:
    """What failures have in common is told once: the note that begins the detail."""
    return (
        "" if one["verdict"] in (HOLDS, ABSENT) else one["verdict"] + one["detail"].split("\n")[0]
    )


def _told(group: list[dict[str, str]]) -> str:
    first = group[0]
    note, _, rest = first["detail"].partition("\n")
    lines = "".join(_line(one) for one in group)
    said = f"<p><b>{first['verdict']}</b>: {html.escape(note)}</p>"
    shown = f'<pre class="record">{html.escape(rest)}</pre>' if rest else ""
    return f"{said}{shown}<table>{lines}</table>"


def _list(records: list[dict[str, str]], what: str) -> str:
    if not records:
        return ""
    rows = "".join(_line(one) for one in records)
    return f"<details><summary>{len(records)} {what}</summary><table>{rows}</table></details>"


def _line(one: dict[str, Any]) -> str:
    said = (
        one["detail"].split("\n")[0]
        if one["verdict"] == ABSENT
        else f"{one['measured']}; expected {one['expected']}"
    )
    name = one["target"] if one["target"] != "-" else one["claim"]
    return f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(said)}</td></tr>"
