"""The table of other libraries: every cell leads to its records, and what a record says is shown as
it is.
"""

import re

import pytest

from demos.site import conformance
from demos.site.conformance import Library
from spec_tests.conformance.libraries import kept_records
from spec_tests.conformance.target import KINDS

RECORD = {
    "library": "lib", "version": "1", "target": "A(x='<b>')", "claim": "REV-19", "verdict": "holds",
    "measured": "order 2.00", "expected": "order 2", "detail": "As stated.",
}  # fmt: skip
NOTE = (
    "Checked by hand: half of a weight is missing.\nfile.py, line 3, has a & b; the source has 2 a."
)


def library(*changes: dict[str, str]) -> Library:
    return Library("lib", "2026-01-02", [RECORD | change for change in changes])


def index(*changes: dict[str, str]) -> str:
    return conformance.pages([library(*changes)])["conformance/index"]


def test_a_cell_counts_what_holds_and_what_fails():
    failed = {"verdict": "fails"}
    assert ">1/3</a>" in index({}, {}, failed)
    assert ">2</a>" in index({}, {})
    assert ">1 (1)</a>" in index({}, {"verdict": "documented deviation"})
    assert '<td class="absent">' in index({"verdict": "not provided"})


def test_every_cell_leads_to_records():
    pages = conformance.pages()
    links = re.findall(
        r'<td class="\w+"><a href="([\w-]+)\.html#([\w-]+)"', pages["conformance/index"]
    )
    assert links, "no library was asked"
    assert [
        link for link in links if f'<a id="{link[1]}"></a>' not in pages[f"conformance/{link[0]}"]
    ] == []


def test_every_claim_that_is_asked_is_said_in_a_sentence():
    asked = {claim for kind in KINDS.values() for claim in kind.claims}
    asked |= set(conformance.claims_of(conformance.libraries()))
    assert asked <= set(conformance.MEANING)


def test_what_was_checked_by_hand_is_listed_once_with_its_count():
    text = index(*[{"verdict": "fails", "detail": f"{NOTE}\nAt N = {n}."} for n in (16, 32)])
    assert (
        text.count("half of a weight") == 1 and "REV-19</a> 2" in text and text.count("line 3") == 1
    )


def test_words_of_foreign_code_are_no_markup():
    page = conformance.pages([library({"verdict": "fails", "detail": NOTE})])["conformance/lib"]
    assert "A(x=&#x27;&lt;b&gt;&#x27;)" in page and "a &amp; b" in page and "<b>'" not in page


def test_a_library_that_is_not_installed_says_how_to_get_it():
    absent = {
        "claim": "-",
        "target": "-",
        "verdict": "not provided",
        "detail": "not installed here; pip install lib",
    }
    pages = conformance.pages([library(absent)])
    assert "pip install lib" in pages["conformance/lib"]


@pytest.mark.parametrize("name", kept_records())
def test_every_failure_that_is_kept_has_been_looked_at(name):
    """A failure on a public page is an accusation: each must carry a finding, checked by hand."""
    (kept,) = (found for found in conformance.libraries() if found.name == name)
    unread = {
        (one["target"], one["claim"])
        for one in kept.records
        if one["verdict"] == "fails" and not said(one)
    }
    assert not unread


def said(one: dict[str, str]) -> bool:
    return one["detail"].startswith(conformance.CHECKED)
