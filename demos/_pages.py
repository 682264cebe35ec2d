"""A sphinx extension: mathematics as MathML, which browsers draw without a network; claim ids as links to their tests."""

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from spec_tests.families import WORD

HERE = Path(__file__).parent
NO_LINKS = (nodes.literal, nodes.reference, nodes.literal_block, nodes.title, nodes.raw, nodes.comment, nodes.math)


class Claim(NamedTuple):
    statement: str
    source: str
    file: str
    test: str
    code: str


def claims(folder: Path = HERE.parent / "spec_tests") -> dict[str, Claim]:
    """Every claim that a test declares, read from the text of the tests."""
    found = {}
    for path in sorted(folder.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        module = ast.parse(text)
        for test in module.body:
            if isinstance(test, ast.FunctionDef):
                found |= {id: claim for id, claim in _declared(test, module, path, text)}
    return found


def _words(node: ast.expr, module: ast.Module) -> str:
    """The text of a decorator's argument: a literal, or the name of one in the same file."""
    if isinstance(node, ast.Name):
        for line in module.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == node.id:
                return _words(line.value, module)
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _declared(test: ast.FunctionDef, module: ast.Module, path: Path, text: str):
    for call in test.decorator_list:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "claim":
            id, statement = (_words(argument, module) for argument in call.args[:2])
            source = next(_words(k.value, module) for k in call.keywords if k.arg == "source")
            lines = text.splitlines()[test.decorator_list[0].lineno - 1 : test.end_lineno]
            yield id, Claim(statement, source, f"spec_tests/{path.name}", test.name, "\n".join(lines))


def cited() -> set[str]:
    """The ids that the demos mention."""
    return {id for path in HERE.glob("plot_*.py") for id in WORD.findall(path.read_text(encoding="utf-8"))}


def _write_claims(app: Sphinx) -> None:
    known = claims()
    parts = [
        "Claims of these pages",
        "=" * 21,
        "",
        "Each claim is one test of the specification, run in float64 and float32 by ``pytest``; ``pytest --claims`` prints",
        "the measured error of each. The code below is what runs.",
        "",
    ]
    for id in sorted(cited()):
        parts += [f".. _{id.lower()}:", "", id, "-" * len(id), ""]
        claim = known.get(id)
        if claim is None:
            parts += ["No test in this checkout declares this claim yet.", ""]
            continue
        parts += [f"**{_plain(claim.statement)}** {_plain(claim.source)}", ""]
        parts += [f"``{claim.file}``: ``pytest {claim.file} -k {claim.test}``", "", ".. code-block:: python", ""]
        parts += [f"   {line}" for line in claim.code.splitlines()] + [""]
    (Path(app.srcdir) / "claims.rst").write_text("\n".join(parts), encoding="utf-8")


def _plain(text: str) -> str:
    """Text whose stars, bars and backslashes are not markup."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def _link_claims(app: Sphinx, doctree: nodes.document) -> None:
    if app.env.docname == "claims":
        return
    for text in list(doctree.findall(nodes.Text)):
        if WORD.search(text) and not _inside(text):
            assert text.parent is not None
            text.parent.replace(text, list(_linked(text.astext())))


def _inside(text: nodes.Node) -> bool:
    parent = text.parent
    while parent is not None:
        if isinstance(parent, NO_LINKS):
            return True
        parent = parent.parent
    return False


def _linked(text: str):
    end = 0
    for match in WORD.finditer(text):
        yield nodes.Text(text[end : match.start()])
        link = addnodes.pending_xref(
            "", reftype="ref", refdomain="std", reftarget=match.group().lower(), refexplicit=True, refwarn=True
        )
        link += nodes.inline("", match.group(), classes=["claim"])
        yield link
        end = match.end()
    yield nodes.Text(text[end:])


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
    app.connect("builder-inited", _write_claims)
    app.connect("doctree-read", _link_claims)
    return {"version": "1", "parallel_read_safe": True}
