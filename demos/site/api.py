"""Every public name of diffx, read from its source without importing it: a page each room, the
formula first.
"""

import ast
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import NamedTuple

from demos.site import _rst
from demos.site.subjects import SUBJECTS
from spec_tests.support import docstrings
from spec_tests.support.rooms import ROOMS, is_public

ROOT = Path(__file__).parent.parent.parent
LONGEST = 110  # letters in a line of a signature
# what joins these rooms is found without a line in the table of subjects
GROWING = (
    "processes",
    "samplers",
)
HARD = "\xa0"  # a space at which no line ends


class Entry(NamedTuple):
    name: str  # as Python evaluates it, diffx.GaussianLaw.sample
    room: str
    signature: str
    docstring: str
    file: str
    line: int
    code: str
    offered: (
        bool  # handed on by its room or by `import diffx`, or defined in a room that is one file
    )

    @property
    def short(self) -> str:
        """The name below its module: GaussianLaw.sample."""
        parts = self.name.split(".")
        return ".".join(parts[-2:]) if self.inner else parts[-1]

    @property
    def inner(self) -> bool:
        return self.name.split(".")[-2][0].isupper()

    @property
    def label(self) -> str:
        """Labels have no capitals: the class Rates and the function rates must differ by more."""
        return f"api-{'class-' * self.name.split('.')[-1][0].isupper()}{self.name}"

    @property
    def first(self) -> str:
        """The docstring's first line, which is the formula."""
        return self.docstring.splitlines()[0]

    @property
    def claims(self) -> list[str]:
        """The ids in its docstring after "Claims:"."""
        return docstrings.claims(self.docstring)


# --- reading ------------------------------------------------------------------------------------


def entries(folder: Path = ROOT / "diffx") -> list[Entry]:
    """Public functions and classes, and their documented methods, room by room, in the order of the
    source.
    """
    shortest = aliases(folder)
    found: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.as_posix()):
        module = ".".join(
            (folder.name, *path.relative_to(folder).with_suffix("").parts)
        ).removesuffix(".__init__")
        if is_public(module):
            text = path.read_text(encoding="utf-8")
            for entry in _members(
                ast.parse(text), module, path.relative_to(folder.parent).as_posix(), text, shortest
            ):
                found[entry.name] = entry  # of overloads the last is the function itself
    rank = {name: i for i, name in enumerate(ROOMS)}
    return sorted(found.values(), key=lambda entry: rank.get(entry.room, len(ROOMS)))


def _members(
    owner: ast.Module | ast.ClassDef,
    prefix: str,
    file: str,
    text: str,
    shortest: dict[str, str],
    inside: str = "",
):
    """inside: what the names of a class's methods begin with."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            docstring, defined = ast.get_docstring(node), f"{prefix}.{node.name}"
            name = f"{inside}.{node.name}" if inside else shortest.get(defined, defined)
            room = prefix.split(".")[1]
            if docstring:
                code = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
                top = isinstance(owner, ast.Module) and (
                    defined in shortest or prefix == f"diffx.{room}"
                )
                yield Entry(name, room, _signature(node), docstring, file, node.lineno, code, top)
            if isinstance(node, ast.ClassDef):
                yield from _members(node, prefix, file, text, shortest, name)


@cache
def aliases(folder: Path = ROOT / "diffx") -> dict[str, str]:
    """The shortest name of what `__init__` files hand on, by every longer one."""
    named = {}
    for path in sorted(folder.rglob("__init__.py"), key=lambda path: -len(path.parts)):
        package = ".".join((folder.name, *path.parent.relative_to(folder).parts))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module != package:
                for alias in node.names:
                    if alias.name == alias.asname:
                        named[f"{node.module}.{alias.name}"] = f"{package}.{alias.name}"
    return {defined: _end(defined, named) for defined in named}


def _end(name: str, named: dict[str, str]) -> str:
    """Where a chain of handing on ends."""
    return _end(named[name], named) if name in named else name


def _signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        fields = [ast.unparse(line) for line in node.body if isinstance(line, ast.AnnAssign)]
        return _wrapped(node.name, fields, "") if fields else node.name
    arguments = _arguments(node.args)
    # what a formula is called with
    if any(ast.unparse(decorator) == "step" for decorator in node.decorator_list):
        named = arguments[arguments.index("*") :]
        return _wrapped(
            node.name,
            ["state: State", "t: Array", "s: Array", "z: Any = None", *named],
            " -> tuple[State, Info]",
        )
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return _wrapped(node.name, arguments, returns)


def _arguments(arguments: ast.arguments) -> list[str]:
    """The arguments one by one, as they are written."""
    plain, named = [*arguments.posonlyargs, *arguments.args], arguments.kwonlyargs
    first = len(plain) - len(arguments.defaults)
    words = [
        _argument(a, arguments.defaults[i - first] if i >= first else None)
        for i, a in enumerate(plain)
    ]
    if arguments.vararg:
        words.append(f"*{ast.unparse(arguments.vararg)}")
    elif named:
        words.append("*")
    words += [
        _argument(a, default) for a, default in zip(named, arguments.kw_defaults, strict=True)
    ]
    words += [f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else []
    return [word for word in words if word != "self"]


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument)
    return (
        text
        if default is None
        else f"{text}{' = ' if argument.annotation else '='}{ast.unparse(default)}"
    )


def _wrapped(name: str, words: list[str], returns: str) -> str:
    line = f"{name}({', '.join(words)}){returns}"
    if len(line) <= LONGEST:
        return line
    # no line ends inside an argument
    whole = ", ".join(word.replace(" ", HARD) for word in words) + ","
    inside = textwrap.fill(
        whole, LONGEST, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    return f"{name}(\n{inside.replace(HARD, ' ')}\n){returns}"


# --- writing ------------------------------------------------------------------------------------


def held(found: list[Entry]) -> dict[str, list[str]]:
    """For each claim, links to what its id stands in; the meta tests keep this equal to what the
    tests declare.
    """
    links: dict[str, list[str]] = {}
    for entry in found:
        for id in dict.fromkeys(entry.claims):
            links.setdefault(id, []).append(_rst.link(_rst.plain(entry.short), entry.label))
    return links


def pages(found: list[Entry]) -> dict[str, str]:
    """Page by name."""
    written = list(dict.fromkeys(entry.room for entry in found))
    texts = {
        f"api/{room}": _room(room, [entry for entry in found if entry.room == room])
        for room in written
    }
    return {"api/index": _index(written, found), **texts}


def _index(written: list[str], found: list[Entry]) -> str:
    lines = _rst.heading("The functions")
    count = sum(entry.offered for entry in found)
    lines += _rst.paragraph(
        f"The {count} public names, room by room; a room imports only from the rooms before it. "
        "What stands without a room,",
        "such as ``diffx.ddim``, is the heart, which ``import diffx`` hands on itself.",
        "Behind each name: its formula and source, shapes, units, errors, domain, the claims that "
        "hold it, and its code.",
    )
    lines += _rst.paragraph(
        "The names of ``diffx`` and of its rooms are stable: they change only with a deprecation "
        "for one minor release.",
        "Modules and names that start with an underscore, ``spec_tests``, ``demos`` and "
        "``benchmarks`` may change at any time.",
    )
    lines += _rst.heading("Where to find it", "-", "where-to-find-it")
    lines += _rst.table(("subject", "names"), subjects(found), (22, 78), "subjects")
    for room in written:
        names = [entry for entry in found if entry.room == room and entry.offered]
        lines += _rst.heading(f":doc:`{room}`", "-") + _rst.paragraph(_rst.plain(_about(room)))
        rows = [
            (_rst.link(_rst.plain(entry.name), entry.label), _rst.plain(entry.first))
            for entry in names
        ]
        inside = f"Loads at first use of ``diffx.{room}``."
        lines += (
            _rst.table(("name", "what it is"), rows, (34, 66), "names")
            if rows
            else _rst.paragraph(inside)
        )
    return "\n".join(lines + _rst.contents(written))


def subjects(found: list[Entry]) -> list[tuple[str, str]]:
    """The rows of "Where to find it", every name a link. Raises KeyError for one that no room
    offers.
    """
    links = {
        entry.short: _rst.link(_rst.plain(entry.short), entry.label)
        for entry in found
        if entry.offered
    }
    named = lambda text: re.sub(r"(?<!`)`(\w+)`(?!`)", lambda match: links[match.group(1)], text)
    told = set(re.findall(r"`(\w+)`", " ".join(SUBJECTS.values())))
    more = [
        entry.short
        for entry in found
        if entry.room in GROWING and entry.offered and not entry.inner
    ]
    more = [name for name in more if name not in told and not name.endswith("_step")]
    rest = (
        [("**more processes and samplers**", " ".join(links[name] for name in more))]
        if more
        else []
    )
    return [(f"**{subject}**", named(text)) for subject, text in SUBJECTS.items()] + rest


def _about(room: str, folder: Path = ROOT / "diffx") -> str:
    """The first sentence of a room's docstring."""
    path = next(
        path for path in (folder / room / "__init__.py", folder / f"{room}.py") if path.exists()
    )
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]


def _room(room: str, found: list[Entry]) -> str:
    lines = _rst.heading(room) + _rst.paragraph(_rst.plain(_about(room)))
    names = [entry for entry in found if entry.offered]
    lines += (
        _rst.paragraph(*(_rst.link(_rst.plain(entry.short), entry.label) for entry in names))
        if len(names) > 5
        else []
    )
    parents = {entry.name: entry for entry in found}
    for entry in sorted(
        found, key=lambda entry: _is_helper(parents.get(entry.name.rpartition(".")[0], entry))
    ):
        lines += _entry(entry)
    return "\n".join(lines)


def _is_helper(entry: Entry) -> bool:
    """Whether a name is of use to the rooms below alone; these come last."""
    return not (entry.offered or entry.claims)


def _entry(entry: Entry) -> list[str]:
    lines = _rst.heading(_rst.plain(entry.short), "~" if entry.inner else "-", entry.label)
    lines += _rst.code(entry.signature) + _rst.docstring(entry.docstring)
    return lines + _rst.collapsed(
        f"{entry.name}: {entry.file}, line {entry.line}", _rst.code(entry.code)
    )
