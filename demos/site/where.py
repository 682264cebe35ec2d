"""Where is it? The words that people search for and the spellings of other libraries, each with the
name here, its file and its claims; all of it from the lines `Also called:` of the docstrings.
"""

import importlib
import re
from collections.abc import Iterable
from functools import reduce
from itertools import groupby
from typing import NamedTuple

from demos.site import _rst
from demos.site.api import Entry
from spec_tests.support import docstrings

# Against these versions every spelling was looked up, in their sources, in December 2026.
LIBRARIES = {
    "diffusers": "0.42.1",
    "k-diffusion": "0.0.16",
    "smalldiffusion": "0.5.0",
    "azula": "0.11.1",
    "flow_matching": "1.0.10",
    "open_clip": "at commit 00aa464",
}
_SPELLING = re.compile(rf"({'|'.join(LIBRARIES)}) (\S+)(?: \((.+)\))?")
WIDTHS = (30, 26, 26, 18)


class Term(NamedTuple):
    words: str
    entry: Entry


class Spelling(NamedTuple):
    library: str
    name: str
    where: str  # what must hold there for the two to be the same; "" for nothing
    entry: Entry


def terms(found: Iterable[Entry]) -> list[Term]:
    """The words that are not another library's, in the order of the alphabet."""
    told = [Term(words, entry) for entry in found for words in docstrings.terms(entry.docstring)]
    ours = [term for term in told if not _SPELLING.fullmatch(term.words)]
    return sorted(ours, key=lambda term: (term.words.casefold(), term.entry.name))


def spellings(found: Iterable[Entry]) -> list[Spelling]:
    """What is called otherwise in the libraries, library by library."""
    told = [
        Spelling(*match.groups(default=""), entry)
        for entry in found
        for words in docstrings.terms(entry.docstring)
        if (match := _SPELLING.fullmatch(words))
    ]
    rank = list(LIBRARIES).index
    return sorted(told, key=lambda one: (rank(one.library), one.name.casefold(), one.where))


def evaluate(name: str) -> object:
    """What Python finds under a dotted name. Raises AttributeError where it finds nothing."""
    package, *attributes = name.split(".")
    return reduce(getattr, attributes, importlib.import_module(package))


def page(found: list[Entry]) -> str:
    searched, spelt = terms(found), spellings(found)
    for entry in {one.entry for one in (*searched, *spelt)}:
        evaluate(entry.name)  # the page is not made if a name does not exist
    lines = _rst.heading("Where is it?")
    lines += _rst.paragraph(
        f"{len(searched)} terms that people search for, and {len(spelt)} spellings of"
        f" {len(LIBRARIES)} libraries. Every row comes from a line ``Also called:`` of a docstring,"
        " so that a search through the sources finds it too; every name was evaluated while this"
        " page was made. What differs beyond the name (the direction of time, the scale of sigma)"
        " stands in :doc:`conventions`.",
    )
    lines += _rst.heading("Other libraries", "-")
    for library, rows in groupby(spelt, lambda one: one.library):
        lines += _rst.heading(f"{library}, {LIBRARIES[library]}", "~")
        lines += _table("there", [(_spelt(one), one.entry) for one in rows])
    lines += _rst.heading("Terms", "-")
    for letter, rows in groupby(searched, lambda term: _initial(term.words)):
        lines += _rst.heading(letter, "~")
        lines += _table("term", [(_rst.plain(term.words), term.entry) for term in rows])
    return "\n".join(lines)


def _table(first: str, rows: list[tuple[str, Entry]]) -> list[str]:
    cells = [
        (
            words,
            _rst.link(_rst.plain(entry.name), entry.label),
            _rst.plain(entry.file),
            " ".join(entry.claims),
        )
        for words, entry in rows
    ]
    return _rst.table((first, "here", "file", "claims"), cells, WIDTHS, "names")


def _spelt(one: Spelling) -> str:
    return f"``{one.name}``" + (f" ({_rst.plain(one.where)})" if one.where else "")


def _initial(words: str) -> str:
    return words[0].upper() if words[0].isalpha() else "0 to 9"
