"""README, CONTRIBUTING and the pages that are written by hand: their code runs, and what they name
is there.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from diffx.check import check_sampler, require_holds
from spec_tests.conformance import example
from spec_tests.conformance.run import records_of
from spec_tests.instrument import registry
from spec_tests.support.rooms import ROOMS, ROOT

KIT = ROOT / "spec_tests" / "conformance"
FOLDERS = (
    ROOT,
    ROOT / "diffx",
    ROOT / "spec_tests",
    KIT,
    KIT / "libraries",
    KIT / "libraries/diffusers",
)
MADE = {"gallery/", "_x.py"}  # what a command makes, and what stands for any name
LONGEST_README = 90  # lines: one screen and a half


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """The Python code of a Markdown page."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def numbers(text: str) -> list[str]:
    """What the comments behind `print(...)` say that is printed: the number behind a colon."""
    return re.findall(r"^print\(.*#.*: ([-\d.e]+)$", text, re.MULTILINE)


def test_the_code_of_the_readme_runs_and_prints_what_it_says(capsys):
    names: dict = {}
    for block in blocks(read("README.md")):
        exec(block, names)
    said, printed = numbers(read("README.md")), capsys.readouterr().out.split()
    assert len(said) == len(printed) >= 1, (
        "every print of the README says behind a colon what comes"
    )
    for wanted, got in zip(said, printed, strict=True):
        last = 10.0 ** -len(wanted.partition(".")[2])
        assert abs(float(got) - float(wanted)) <= last / 2, (
            f"the README says {wanted}, the code prints {got}"
        )


def test_the_claim_of_the_contributing_page_holds(monkeypatch):
    monkeypatch.setattr(registry, "CLAIMS", {})  # it bears the ID of a claim that exists
    (block,) = blocks(read("CONTRIBUTING.md"))
    names: dict = {"__name__": "spec_tests.contributing"}
    exec(block, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    for dtype in registry.DEFAULT_DTYPES:
        test(dtype=np.dtype(dtype))


def test_the_code_of_pictures_and_words_runs(capsys):
    text = read("demos/site/pictures_and_words.rst")
    found = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    assert len(found) == text.count("code-block:: python") >= 1
    exec("\n".join(line[3:] for line in found[0].splitlines()), {})
    assert "hat" in capsys.readouterr().out, "a picture whose caption speaks of a hat"


def test_the_adapter_that_the_page_prints_holds():
    records = list(records_of(example))
    assert {record.claim for record in records if record.verdict == "holds"} >= {"REV-02", "REV-11"}
    assert not [record for record in records if record.verdict == "fails"]
    require_holds(check_sampler(example.run, example.nodes, eta=0.0, order=1))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page):
    named = set(re.findall(r"`([\w./]+(?:\.py|\.md|\.cff|/))`|\]\(([\w./]+)\)", read(page)))
    missing = [
        name
        for pair in named
        for name in pair
        if name and not is_there(name.replace("NAME", "ddim"))
    ]
    assert not missing, f"{page} names {missing}; where did they go?"


def is_there(name: str) -> bool:
    return name in MADE or any((folder / name).exists() for folder in FOLDERS)


def test_the_table_of_rooms_is_the_house():
    rows = re.findall(r"^\| (`.*?) \|", read("CONTRIBUTING.md"), re.MULTILINE)
    listed = [
        Path(name).stem
        for row in rows
        for name in re.findall(r"`([\w.]+/?)`", row)
        if name != "diffx/"
    ]
    assert sorted(listed) == sorted(ROOMS), "a row for each room"


def test_the_readme_stays_a_screen_and_a_half():
    assert len(read("README.md").splitlines()) <= LONGEST_README, "move it to a page of the gallery"


def test_code_and_numbers_of_a_page_are_found():
    assert numbers("print(x)  # so: 0.5\nx = 1  # no: 3\nprint(y)  # and: -1e-3") == [
        "0.5",
        "-1e-3",
    ]
    assert blocks("```\nno\n```\n```python\nx = 1\n```") == ["x = 1\n"]
