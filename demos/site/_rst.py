"""Pieces of reStructuredText, each a list of lines that ends with an empty one."""

import html
import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """One line of text in which nothing is markup."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """Text whose stars, bars, underscores, backticks, quotes, brackets and backslashes are not
    markup.
    """
    return re.sub(r"([\\*`|_\['\"])", r"\\\1", text)


def heading(text: str, line: str = "=", label: str = "") -> list[str]:
    """A title, with a label that other pages can refer to."""
    return [*([f".. _{label}:", ""] if label else []), text, line * max(len(text), 3), ""]


def link(text: str, label: str) -> str:
    """A link to a label."""
    return f":ref:`{text} <{label}>`"


def paragraph(*sentences: str) -> list[str]:
    return [" ".join(sentences), ""]


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], name: str = ""
) -> list[str]:
    """Rows of cells; a cell is one line of markup."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}"]
    lines += [f"   :class: {name}"] * bool(name) + [""]
    for row in [head, *rows]:
        lines += [
            f"   {'-' if i else '* -'} {cell}" if not i else f"     - {cell}"
            for i, cell in enumerate(row)
        ]
    return [*lines, ""]


def code(text: str) -> list[str]:
    return [".. code-block:: python", "", *indented(text), ""]


def docstring(text: str) -> list[str]:
    """Text as it stands in the source, line by line, in which the ids of claims become links."""
    return [".. parsed-literal::", "   :class: docstring", "", *indented(escaped(text)), ""]


def collapsed(summary: str, lines: list[str]) -> list[str]:
    """Lines behind one line that opens them."""
    return [*raw(f"<details><summary>{html.escape(summary)}</summary>"), *lines, *raw("</details>")]


def raw(text: str) -> list[str]:
    return [".. raw:: html", "", *indented(text), ""]


def contents(pages: Sequence[str]) -> list[str]:
    """The pages below this one."""
    return [
        ".. toctree::",
        "   :hidden:",
        "   :maxdepth: 1",
        "",
        *(f"   {page}" for page in pages),
        "",
    ]


def indented(text: str) -> list[str]:
    return [f"   {line}".rstrip() for line in text.splitlines()]
