"""The written pages of the gallery: every claim and every function has an entry, and each leads to
the other.
"""

import inspect
import json
import re
from pathlib import Path

import pytest

from demos.site import api, claims
from spec_tests.instrument.grades import GRADES
from spec_tests.instrument.registry import CLAIMS, Claim, resolve
from spec_tests.support.rooms import AT_FIRST_USE, front_door, import_every_test, public

ROW = {
    "id": "FWD-01",
    "dtype": "float32",
    "statement": "s",
    "measured": 1.0,
    "bound": 8.0,
    "unit": "ulp",
    "verdict": "holds",
}


@pytest.fixture(scope="module")
def declared() -> dict[str, Claim]:
    """Every claim, also where this file runs alone."""
    import_every_test()
    return CLAIMS


@pytest.fixture(scope="module")
def entries() -> dict[str, api.Entry]:
    return {entry.name: entry for entry in api.entries()}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    pytest.importorskip("sphinx.application", reason="the gallery comes with the extra 'demos'")
    from demos.site.pages import written

    return written()


def shortest(name: str) -> str:
    return api.aliases().get(name, name)


def write_certificate(folder: Path, *rows: dict, device: str = "cpu") -> Path:
    versions = {"diffx": "0", "jax": "0", "python": "3"}
    content = {
        "device": {"kind": device, "platform": "x"},
        "versions": versions,
        "claims": [ROW | row for row in rows],
    }
    path = folder / f"{device}.json"
    path.write_text(json.dumps(content))
    return path


def test_claims_read_from_the_text_are_those_that_the_tests_declare(declared):
    read = {
        id: (claim.statement, claim.source, claim.grade, f"{claim.file}::{claim.test}")
        for id, claim in claims.claims().items()
    }
    assert read == {
        id: (claim.statement, claim.source, claim.grade, claim.test)
        for id, claim in declared.items()
    }


def test_the_code_of_a_claim_is_its_test():
    for id, claim in claims.claims().items():
        assert (
            claim.code.startswith("@claim(")
            and id in claim.code
            and f"def {claim.test}(" in claim.code
        )


def test_the_index_explains_every_grade_and_counts_its_claims():
    """The grade comes from the source: a kept certificate may be older than the grades."""
    known = {
        f"FWD-0{i}": claims.Claim(f"FWD-0{i}", "s", "source", grade, "file", "test", "code")
        for i, grade in enumerate(["order", "order", "sampled"], start=1)
    }
    written = claims.pages(known, [], {})
    cells = [cell.strip("* -") for cell in written["claims/index"].splitlines()]
    legend = {grade: cells[cells.index(says) + 1] for grade, says in GRADES.items()}
    counts = {grade: int(count) for grade, count in legend.items()}
    assert counts == dict.fromkeys(GRADES, 0) | {"order": 2, "sampled": 1}
    assert f"Grade: *sampled*. {GRADES['sampled']}" in written["claims/fwd"]


def test_every_public_name_has_an_entry(entries):
    offered = {
        entry.name for entry in entries.values() if entry.offered and entry.room not in AT_FIRST_USE
    }
    assert offered == {name for name, value in public().items() if callable(value)}


def test_every_function_that_a_claim_is_about_has_an_entry(entries, declared):
    missing = {
        name for claim in declared.values() for name in claim.of if shortest(name) not in entries
    }
    assert not missing


def test_entries_say_what_the_objects_say(entries, declared):
    for name in {name for claim in declared.values() for name in claim.of}:
        assert entries[shortest(name)].docstring.split() == (resolve(name).__doc__ or "").split()


def test_claims_and_functions_lead_to_each_other(entries, declared):
    held = api.held(list(entries.values()))
    for id, claim in declared.items():
        assert {re.sub(r".*<(.*)>`$", r"\1", link) for link in held[id]} == {
            entries[shortest(name)].label for name in claim.of
        }


def test_every_name_of_the_front_door_has_a_subject(entries):
    linked = {
        label
        for _, names in api.subjects(list(entries.values()))
        for label in re.findall(r"<(.*?)>`", names)
    }
    heart = {name for name, value in front_door().items() if not inspect.ismodule(value)}
    missing = heart - {entry.short for entry in entries.values() if entry.label in linked}
    assert not missing, "give these a place in demos/site/subjects.py"


def test_every_link_of_the_pages_has_its_target_once(pages):
    text = "\n".join(pages.values())
    targets = re.findall(r"^\.\. _(.*):$", text, re.MULTILINE)
    assert len({target.lower() for target in targets}) == len(targets)
    assert set(re.findall(r":ref:`[^`]*<(.*?)>`", text)) <= set(targets)
    assert {id.lower() for id in claims.cited([text])} <= set(targets)
    documents = {
        match for page in pages.values() for match in re.findall(r":doc:`[^`<]*<(.*?)>`", page)
    }
    assert documents <= {name.rpartition("/")[2] for name in pages}


def test_ids_in_docstrings_and_prose_become_links():
    pytest.importorskip("sphinx.application", reason="the gallery comes with the extra 'demos'")
    from docutils import nodes
    from docutils.core import publish_doctree
    from sphinx.addnodes import pending_xref

    from demos.site import _rst, pages

    text = "\n".join(
        [*_rst.docstring("x_t = a*b|c\n\nClaims: FWD-01, REV-02."), "See FWD-03, not ``FWD-04``."]
    )
    tree = publish_doctree(text)
    pages._link_claims(None, tree)
    assert [link["reftarget"] for link in tree.findall(pending_xref)] == [
        "fwd-01",
        "rev-02",
        "fwd-03",
    ]
    assert "x_t = a*b|c\n\nClaims: FWD-01, REV-02." in tree.astext()
    assert [block.rawsource for block in tree.findall(nodes.literal_block)] == [""], (
        "sphinx would colour it as Python"
    )


def test_a_claim_that_no_test_declares_stops_the_pages():
    pytest.importorskip("sphinx.application", reason="the gallery comes with the extra 'demos'")
    from sphinx.errors import ExtensionError

    from demos.site.pages import _refuse_unknown

    _refuse_unknown(["FWD-01"], {"here": "FWD-01"})
    with pytest.raises(
        ExtensionError, match=r"no test of this checkout declares these claims:\n  here: FWD-99"
    ):
        _refuse_unknown(["FWD-01"], {"here": "FWD-01 FWD-99"})


def test_signatures_are_written_as_in_the_source():
    source = (
        "def f(x: int, y=2, *rest, a, b: float = .5, **more) -> int:\n    '''Doc.'''\nclass "
        "C:\n    '''Doc.'''\n    x: int\n"
    )
    found = list(
        api._members(api.ast.parse(source), "house.m.n", "m.py", source, {"house.m.n.f": "house.f"})
    )
    assert found[0].signature == "f(x: int, y=2, *rest, a, b: float = 0.5, **more) -> int"
    assert [(entry.name, entry.offered) for entry in found] == [
        ("house.f", True),
        ("house.m.n.C", False),
    ]
    assert found[1].signature == "C(x: int)"


def test_the_signature_of_a_formula_is_that_of_its_step():
    source = (
        "@step\ndef f_step(x: Array, t: Array, s: Array, *, process: Process):\n    '''Doc.'''\n"
    )
    (entry,) = api._members(api.ast.parse(source), "toy.m.n", "m.py", source, {})
    wanted = (
        "f_step(state: State, t: Array, s: Array, z: Any = None, *, process: Process) -> "
        "tuple[State, Info]"
    )
    assert entry.signature == wanted


def test_long_signatures_break_between_arguments():
    words = [f"argument_{i}: Callable[[Array, Scalar], Array] = default" for i in range(4)]
    lines = api._wrapped("name", words, " -> Array").splitlines()
    assert (
        lines[0] == "name("
        and lines[-1] == ") -> Array"
        and all(len(line) <= api.LONGEST for line in lines)
    )
    assert ", ".join(line.strip().rstrip(",") for line in lines[1:-1]) == ", ".join(words)


def test_verdicts_of_a_certificate_are_the_worst_of_its_dtypes(tmp_path):
    fails = {"dtype": "float64", "verdict": "fails"}
    write_certificate(tmp_path, {}, fails, {"id": "FWD-02"}, {"id": "FWD-03", "verdict": "not run"})
    (found,) = claims.certificates(tmp_path)
    assert found.device == "CPU"
    assert [found.verdict(f"FWD-0{i}") for i in range(1, 5)] == [
        "fails",
        "holds",
        "not run",
        "not run",
    ]
    assert claims._verdict("FWD-01", [found]) == "**fails** on CPU"
    assert claims._verdict("FWD-03", [found]) == "not measured yet"


def test_devices_are_named_where_only_some_have_run_a_claim(tmp_path):
    write_certificate(tmp_path, {}, {"id": "FWD-02"})
    write_certificate(tmp_path, {}, device="GPU")
    found = claims.certificates(tmp_path)
    assert [claims._verdict(f"FWD-0{i}", found) for i in (1, 2)] == ["holds", "holds on CPU"]


def test_a_number_measured_for_an_earlier_sentence_says_so(tmp_path):
    write_certificate(tmp_path, {"measured": None, "bound": 3.0})
    (found,) = claims.certificates(tmp_path)
    claim = claims.Claim("FWD-01", "s", "source", "identity", "file", "test", "code")
    assert claims._measured(found, found.rows["FWD-01"][0], claim) == (
        "CPU",
        "float32",
        "",
        "3 ulp",
        "holds",
    )
    assert claims._measured(found, found.rows["FWD-01"][0], claim._replace(statement="new"))[
        -1
    ].endswith("earlier sentence)")


def test_shipped_certificates_name_no_failing_claim():
    found = claims.certificates()
    assert found
    assert not [(c.device, id) for c in found for id in c.rows if c.verdict(id) == "fails"]
