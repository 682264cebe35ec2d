"""A sphinx extension: the pages that are written, not run; ids of claims as links; mathematics as
MathML, without a network.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from demos.site import api, claims, conformance, conventions, where
from spec_tests.families import WORD

HERE = Path(__file__).parent
CHAPTERS = HERE.parent / "chapters"
PLAIN = (HERE / "pictures_and_words.rst",)  # pages that are written by hand
NO_LINKS = (
    nodes.literal,
    nodes.reference,
    nodes.literal_block,
    nodes.title,
    nodes.raw,
    nodes.comment,
    nodes.math,
)


def demo_texts() -> dict[str, str]:
    """What the demos say, by file name."""
    paths = sorted(CHAPTERS.glob("plot_*.py"))
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def written() -> dict[str, str]:
    """The text of every page that is not a demo, by its name. Raises ExtensionError where one cites
    a claim that does not exist.
    """
    known, entries = claims.claims(), api.entries()
    texts = (
        {entry.name: entry.docstring for entry in entries}
        | demo_texts()
        | {"conventions": conventions.cited()}
    )
    _refuse_unknown(known, texts)
    pages = {path.stem: path.read_text(encoding="utf-8") for path in PLAIN}
    pages |= claims.pages(known, claims.certificates(), api.held(entries)) | api.pages(entries)
    pages |= {"conventions": conventions.page(), "where": where.page(entries)}
    return pages | conformance.pages()


def _refuse_unknown(known: Iterable[str], texts: dict[str, str]) -> None:
    """Refuse before anything runs, with all that is wrong."""
    found = [
        f"{where}: {id}"
        for where, text in texts.items()
        for id in sorted(claims.cited([text]) - set(known))
    ]
    if found:
        raise ExtensionError(
            "no test of this checkout declares these claims:\n  " + "\n  ".join(found)
        )


def _write(app: Sphinx) -> None:
    for name, text in written().items():
        path = Path(app.srcdir) / f"{name}.rst"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


# --- ids as links -------------------------------------------------------------------------------


def _link_claims(app: Sphinx, doctree: nodes.document) -> None:
    for block in doctree.findall(nodes.literal_block):
        if "docstring" in block["classes"]:
            # a block whose source is its text would be coloured as Python, and lose its links
            block.rawsource = ""
    for text in list(doctree.findall(nodes.Text)):
        if WORD.search(text) and not _inside(text):
            assert text.parent is not None
            text.parent.replace(text, list(_linked(text.astext())))


def _inside(text: nodes.Node) -> bool:
    """Whether a text stands where it must stay as it is; a docstring is the one literal block with
    links.
    """
    parent = text.parent
    while parent is not None:
        if isinstance(parent, NO_LINKS):
            return "docstring" not in parent.get("classes", ())
        parent = parent.parent
    return False


def _linked(text: str) -> Iterator[nodes.Node]:
    end = 0
    for match in WORD.finditer(text):
        yield nodes.Text(text[end : match.start()])
        link = addnodes.pending_xref(
            "",
            reftype="ref",
            refdomain="std",
            reftarget=match.group().lower(),
            refexplicit=True,
            refwarn=True,
        )
        link += nodes.inline("", match.group())
        yield link
        end = match.end()
    yield nodes.Text(text[end:])


# --- mathematics --------------------------------------------------------------------------------


def _mathml(formula: str, *, as_block: bool) -> str:
    try:
        return latex2mathml.tex2mathml(formula, as_block=as_block)
    except (SyntaxError, ValueError) as error:
        raise ExtensionError(f"the formula {formula!r} cannot be drawn: {error}") from error


def _inline_math(self: Any, node: nodes.math) -> None:
    self.body.append(_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _display_math(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (_inline_math, None), (_display_math, None))
    app.connect("builder-inited", _write, priority=400)  # before the demos run, which is at 500
    app.connect("doctree-read", _link_claims)
    return {"version": "1", "parallel_read_safe": True}
