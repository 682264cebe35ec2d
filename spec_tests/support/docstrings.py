"""The form of docstrings: the first line, prose, the labelled lines in their order, an example."""

from __future__ import annotations

import doctest
import inspect
import re

LABELS = ("Units", "Domain", "Raises", "Source", "Also called", "Claims")
_LABEL = re.compile(rf"^({'|'.join(LABELS)}):", re.MULTILINE)
FINDER = doctest.DocTestFinder(recurse=False)


def sections(doc: str | None) -> dict[str, str]:
    """The text behind each label of a docstring, on one line, in the order in which they stand."""
    text = _LABEL.split(inspect.cleandoc(doc or ""))[1:]
    return {label: _first_block(body) for label, body in zip(text[::2], text[1::2], strict=True)}


def labels(doc: str | None) -> list[str]:
    """The labels of a docstring as they stand, one for each line that begins with one."""
    return _LABEL.findall(inspect.cleandoc(doc or ""))


def terms(doc: str | None) -> list[str]:
    """The entries of `Also called:`."""
    said = sections(doc).get("Also called", "").removesuffix(".")
    return [term.strip() for term in said.split(", ") if term.strip()]


def claims(doc: str | None) -> list[str]:
    """The claims that a docstring names."""
    return re.findall(r"\b[A-Z]{2,3}-\d\d\b", sections(doc).get("Claims", ""))


def examples(name: str, value: object, names: dict[str, object]) -> list[doctest.DocTest]:
    """The `>>>` lines of an object's own docstring, to be run with these names at hand."""
    return [test for test in FINDER.find(value, name, globs=dict(names)) if test.examples]


def _first_block(body: str) -> str:
    return " ".join(body.split("\n\n")[0].split())
