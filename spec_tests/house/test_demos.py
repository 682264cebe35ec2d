"""The demos as a set: the command line, and what every page must have.  The gallery itself is built
by `.ci/run`.
"""

import ast
import os
import re
import subprocess
import sys

import pytest

from demos.__main__ import NAMES, main
from spec_tests.families import WORD
from spec_tests.support.rooms import ROOT

PAGES = {
    path.stem.removeprefix("plot_"): path.read_text(encoding="utf-8")
    for path in (ROOT / "demos" / "chapters").glob("plot_*.py")
}


def test_every_demo_is_listed_once():
    assert sorted(PAGES) == sorted(NAMES)


def test_an_unknown_demo_is_answered_with_the_names(capsys):
    assert main(["spirall"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "no demo called 'spirall'" in err and all(name in err for name in NAMES)


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_gallery_that_cannot_be_written_is_answered_with_the_way_out(where, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["spiral", "--gallery", str(tmp_path / where)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "cannot be written" in err and "--gallery DIR" in err
    assert len(err.splitlines()) == 1, "one sentence, no traceback"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_answered_with_the_way_out(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["spiral", "--gallery", str(tmp_path / "gallery")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_missing_packages_are_named_with_the_extra(tmp_path):
    script = (
        "import sys; sys.modules['sphinx_gallery'] = None; import demos.__main__ as m; "
        "sys.exit(m.main(['spiral']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert run.returncode == 2, run.stderr
    assert "sphinx_gallery" in run.stderr and "'.[demos]'" in run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_demo_asserts_its_point_and_cites_its_claims(name):
    page = PAGES[name]
    tree = ast.parse(page)
    assert ast.get_docstring(tree), "the docstring is the head of the page"
    asserted = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert asserted and asserted[-1].lineno > 0.8 * len(page.splitlines()), (
        "it ends with an assertion"
    )
    assert WORD.search(page), "it names the claims that it shows"
    assert "What this page asserts" in page


def test_quick_mode_is_read_in_one_place():
    readers = [
        path.name
        for path in (ROOT / "demos").rglob("*.py")
        if "DIFFX_DEMOS_QUICK" in path.read_text(encoding="utf-8")
    ]
    assert readers == ["_settings.py"]


def test_every_claim_that_a_demo_cites_is_held_by_a_test():
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "spec_tests").rglob("test_*.py")
    )
    declared = set(re.findall(r"@claim\(\s*\"([A-Z]+-\d\d)\"", tests))
    cited = {id for page in PAGES.values() for id in WORD.findall(page)}
    assert not cited - declared, f"no test declares {sorted(cited - declared)}"
