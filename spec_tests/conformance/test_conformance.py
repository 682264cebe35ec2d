"""The runner of the conformance kit, on adapters made here: what is right, wrong, lacking, raising,
declared or stale.
"""

import importlib
import json
import sys
from types import SimpleNamespace

import pytest

from diffx.check.finding import DEVIATION, FAILS, HOLDS, NOT_PROVIDED
from spec_tests.conformance.__main__ import main, notes_of
from spec_tests.conformance.libraries import FOLDER, INSTALL, kept_records, libraries
from spec_tests.conformance.notes import read_notes
from spec_tests.conformance.run import records_of
from spec_tests.conformance.target import KINDS, Target
from spec_tests.specimens import toys

FIELDS = ["library", "version", "target", "claim", "verdict", "measured", "expected", "detail"]
SNIPPET = "import toys\nprint(toys.early)"
ADAPTER = f"""
from spec_tests.specimens import toys
from spec_tests.conformance.target import Target

LIBRARY = "toy box"


def version():
    return "1.2"


def samplers():
    yield Target("right()", {{"run": toys.ddim, "nodes": toys.nodes, "eta": 0.0}}, "never printed")
    yield Target("early(spacing='a long name of an option', another='one')",
                 {{"run": toys.early, "nodes": toys.nodes, "eta": 0.0}}, {SNIPPET!r})
    yield Target("raising()", {{"run": toys.raising, "nodes": toys.nodes}})
    yield Target("misread()", {{"nonsense": 1}})
    raise RuntimeError("no more of them")
"""
DEVIATES = """
[[deviation]]
target = "early*"
claim = "{claim}"
reason = "it leaves sigma = .3 in, as its documentation says"
"""


@pytest.fixture
def box(tmp_path, monkeypatch):
    """The folder of an adapter of its own name."""
    (tmp_path / "toy_box.py").write_text(ADAPTER)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("toy_box", None)


def run(*options: str) -> int:
    return main(["--adapter", "toy_box", *options])


def records(box, *options: str) -> list[dict]:
    run("--json", str(box / "out.json"), *options)
    return json.loads((box / "out.json").read_text())


def test_records_have_the_stated_fields_and_json_equals_them(box):
    found = records(box)
    assert all(list(record) == FIELDS for record in found)
    assert found == [record._asdict() for record in records_of(importlib.import_module("toy_box"))]
    assert {(record["library"], record["version"]) for record in found} == {("toy box", "1.2")}
    assert {record["verdict"] for record in found if record["target"] == "right()"} == {HOLDS}


def test_functions_that_an_adapter_lacks_are_not_provided_claim_by_claim(box):
    found = [
        (r["claim"], r["detail"])
        for r in records(box)
        if r["target"] == "-" and r["verdict"] == NOT_PROVIDED
    ]
    wanted = [
        (claim, f"the adapter has no {kind}")
        for kind in KINDS
        if kind != "samplers"
        for claim in KINDS[kind].claims
    ]
    assert found == wanted


def test_whatever_raises_is_reported_and_the_run_goes_on(box):
    found = {
        target: [r for r in records(box) if r["target"] == target]
        for target in ("raising()", "misread()", "samplers")
    }
    assert all(r["verdict"] == FAILS and "4-D tensor" in r["detail"] for r in found["raising()"])
    assert [r["measured"] for r in found["misread()"]] == ["TypeError"]
    assert "samplers() raised RuntimeError: no more of them" in found["samplers"][0]["detail"]


def test_a_version_that_raises_is_unknown_and_stops_nothing():
    def version():
        raise OSError("no such file")

    targets = lambda: [Target("here", {"nonsense": 1})]
    adapter = SimpleNamespace(__name__="mine", version=version, processes=targets)
    found = records_of(adapter)  # type: ignore[arg-type]
    assert {(one.library, one.version) for one in found} == {("mine", "unknown (OSError)")}
    assert [one.verdict for one in found if one.target == "here"] == [FAILS]


def test_targets_that_are_none_and_snippets_that_raise_stop_nothing():
    def snippet(claim):
        raise KeyError("of no claim")

    adapter = SimpleNamespace(
        __name__="mine",
        samplers=lambda: [Target("raising()", {"run": toys.raising, "nodes": toys.nodes}, snippet)],
        processes=lambda: iter([("not", "a target")]),
    )
    found = records_of(adapter)  # type: ignore[arg-type]
    assert "4-D tensor" in found[0].detail and "snippet raised KeyError" in found[0].detail
    assert [one.detail for one in found if one.target == "processes"] == [
        "the adapter's processes() gave ('not', 'a target'), which is no Target"
    ]


def test_whatever_an_adapter_raises_on_import_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken_box.py").write_text("LIBRARY = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["--adapter", "broken_box"])
    assert (
        left.value.code == 2 and "cannot be imported: ZeroDivisionError" in capsys.readouterr().err
    )


def test_a_folder_that_is_not_there_is_said_before_the_run(box, capsys):
    with pytest.raises(SystemExit) as left:
        run("--json", str(box / "nowhere" / "out.json"))
    assert left.value.code == 2 and "no folder" in capsys.readouterr().err


def test_declared_deviations_are_no_failures_and_stale_ones_are_printed(box, capsys):
    (box / "toy_box.toml").write_text(
        DEVIATES.format(claim="REV-02") + DEVIATES.format(claim="API-01")
    )
    early = {r["claim"]: r for r in records(box) if r["target"].startswith("early")}
    assert early["REV-02"]["verdict"] == DEVIATION and early["REV-02"]["detail"].startswith(
        "it leaves sigma"
    )
    assert early["REV-11"]["verdict"] == FAILS
    assert "stale note: API-01 of early*" in capsys.readouterr().out


def test_failures_make_the_exit_code_and_declared_ones_do_not(box):
    (box / "toy_box.py").write_text(
        ADAPTER.replace('    raise RuntimeError("no more of them")\n', "")
    )
    assert run("--only", "right*") == 0
    assert run("--only", "early*") == 1
    (box / "toy_box.toml").write_text(
        DEVIATES.format(claim="REV-02") + DEVIATES.format(claim="REV-11")
    )
    assert run("--only", "early*") == 0


def test_incomplete_notes_are_refused_with_what_they_need(box, capsys):
    (box / "toy_box.toml").write_text('[[deviation]]\ntarget = "early*"\nclaim = "REV-02"\n')
    with pytest.raises(ValueError, match=r"needs .*reason"):
        read_notes(box / "toy_box.toml")
    with pytest.raises(SystemExit) as left:
        run()
    assert left.value.code == 2 and "reason" in capsys.readouterr().err


@pytest.mark.parametrize(
    "which", [("--library", "nobodys"), ("--adapter", "no_such_module_anywhere")]
)
def test_unknown_libraries_and_adapters_are_one_line_and_exit_two(which, capsys):
    with pytest.raises(SystemExit) as left:
        main([*which])
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.count("\n") == 1 and which[1] in err and "diffusers" in err


def test_a_pattern_that_nothing_matches_is_said_and_exits_two(tmp_path, monkeypatch, capsys):
    (tmp_path / "quiet_box.py").write_text("def samplers():\n    return []\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["--adapter", "quiet_box", "--only", "DDIM*"]) == 2
    assert "no target matches 'DDIM*'" in capsys.readouterr().err


def test_table_has_whole_names_and_snippets_of_what_fails_alone(box, capsys):
    run()
    out = capsys.readouterr().out
    assert "\nearly(spacing='a long name of an option', another='one')\n" in out
    assert "      Reproduce:\n      import toys\n      print(toys.early)" in out
    assert "right()" not in out and "never printed" not in out
    assert out.strip().splitlines()[-1].startswith("toy box 1.2: ")
    run("--all")
    assert "right()" in capsys.readouterr().out


def test_a_library_that_is_not_installed_prints_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    sys.modules.pop("spec_tests.conformance.libraries.diffusers.adapter", None)
    assert main(["--library", "diffusers"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "to install it: pip install torch diffusers" in out[0] and len(out) == 2


def test_every_adapter_says_how_to_install_its_library():
    assert set(libraries()) <= set(INSTALL), set(libraries()) - set(INSTALL)
    assert set(INSTALL) <= set(libraries()), "an entry without an adapter"


@pytest.mark.parametrize("library", libraries())
def test_everything_of_a_library_is_in_its_folder(library):
    adapter = SimpleNamespace(__file__=str(FOLDER / library / "adapter.py"))
    assert notes_of(adapter) == FOLDER / library / "notes.toml"
    assert set(read_notes(notes_of(adapter))) == {"deviation", "finding"}
    assert library in kept_records(), f"python -m spec_tests.conformance --library {library} --keep"


@pytest.mark.parametrize("library", libraries())
def test_snippets_are_at_most_ten_lines_of_the_library_alone(library):
    try:
        adapter = importlib.import_module(f"spec_tests.conformance.libraries.{library}.adapter")
    except ImportError:
        pytest.skip(f"{library} is not installed")
    for kind in KINDS:
        for target in getattr(adapter, kind, list)():
            claims = KINDS[kind].claims
            texts = {
                str(target.snippet(id) if callable(target.snippet) else target.snippet)
                for id in claims
            }
            for text in texts:
                assert len(text.strip().splitlines()) <= 10 and "diffx" not in text, (
                    f"{target.name}:\n{text}"
                )
