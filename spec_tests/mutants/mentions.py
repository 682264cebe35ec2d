"""What a module defines, and what each of its definitions mentions.

A mention is "module:name", where Python's rules of scope say what a name is; "module:" where one is
imported; "name" of an attribute or a string, which may be whatever bears it; a pattern of these
where a name is put together; and EVERYTHING where code asks for what nobody has named.
"""

import ast
import re
import symtable
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

EVERYTHING = "*"
UNNAMED = {"vars", "dir", "eval", "exec", "locals", "getmembers", "get_objects"}
UNNAMED |= {"__dict__", "__subclasses__"}  # they give what nobody has named
OWN = "globals"  # gives what its module has defined so far
NOT_EXECUTED = re.compile(r"TYPE_CHECKING|__name__ == .__main__.")  # tests of an if
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Definition(NamedTuple):
    """A function, class or variable of a module; its methods belong to a class."""

    name: str  # "" for what a module does when it is imported
    mentions: frozenset[str]
    collected: bool = False  # by pytest: a test, a fixture, a hook
    alias: bool = False  # the name under which another module defines it


@cache
def code(file: Path) -> ast.Module:
    """The tree of a file without what executes no formula: docstrings, annotations, claims."""
    return ast.fix_missing_locations(_Bare().visit(ast.parse(file.read_bytes())))


def definitions(module: str, file: Path, packages: frozenset[str]) -> list[Definition]:
    """All of a module; packages: the names that begin those modules that are not foreign."""
    statements = list(_statements(code(file).body))
    homes = {name: home for statement in statements for name, home in _imported(statement)}
    foreign = {name for name, home in homes.items() if re.split("[.:]", home)[0] not in packages}
    known = {name: home for name, home in homes.items() if name not in foreign}
    own = [name for statement in statements for name in _names(statement)]
    scope = _Scope(known | {name: f"{module}:{name}" for name in own}, foreign, packages)
    found = [Definition(name, frozenset({home}), alias=True) for name, home in known.items()]
    for statement in statements:
        mentions = scope.mentions(statement)
        if OWN in mentions:
            so_far = (
                own
                if isinstance(statement, FUNCTIONS)
                else [item.name for item in found if not item.alias]
            )
            mentions |= {f"{module}:{name}" for name in so_far}
        found += [
            Definition(name, mentions, _is_collected(statement))
            for name in _names(statement) or [""]
        ]
        found += [
            Definition(owner, frozenset({f"{module}:{name}"}))
            for name in _names(statement)
            for owner in _owners(statement)
            if owner not in foreign
        ]
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All that are executed when a module is imported, those inside of others too."""
    for statement in body:
        if isinstance(statement, ast.If) and NOT_EXECUTED.search(ast.unparse(statement.test)):
            continue
        yield statement
        if not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            for part in (statement, *getattr(statement, "handlers", ())):
                for field in ("body", "orelse", "finalbody"):
                    yield from _statements(getattr(part, field, []))


def _names(statement: ast.stmt) -> list[str]:
    """The names that a statement defines, imports apart."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            nodes = [node for target in targets for node in ast.walk(target)]
        case ast.AnnAssign(target=target):
            nodes = [*ast.walk(target)]
        case _:
            return []
    return [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _owners(statement: ast.stmt) -> Iterator[str]:
    """f of the decorator f.defjvp: who calls f calls what it decorates."""
    for decorator in getattr(statement, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            yield called.value.id


def _is_collected(statement: ast.stmt) -> bool:
    name = getattr(statement, "name", "")
    fixture = any("fixture" in ast.unparse(d) for d in getattr(statement, "decorator_list", ()))
    return fixture or name.startswith(("test", "Test", "pytest_"))


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, "module" or "module:name") of an import."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        case ast.ImportFrom(module=module, names=names):
            for alias in names:
                yield alias.asname or alias.name, f"{module}:{alias.name}"


class _Scope(NamedTuple):
    """What names mean in a module."""

    homes: dict[str, str]
    foreign: set[str]  # names of imported modules that are no part of this
    packages: frozenset[str]

    def mentions(self, node: ast.AST) -> frozenset[str]:
        """All in a piece of code."""
        table = symtable.symtable(ast.unparse(node), "", "exec")
        taken, made = set(_taken(table)), set(_made(table))
        names = taken & {*self.homes, *UNNAMED, OWN}
        found = {self.homes.get(name, name) for name in names}
        for inner in ast.walk(node):
            found |= {*self._named(inner, self.foreign - made)}
        return frozenset(found | ({EVERYTHING} if found & UNNAMED else set()))

    def _named(self, node: ast.AST, foreign: set[str]) -> Iterator[str]:
        match node:
            case ast.Attribute(value=ast.Name(id="self")):
                pass  # a method, which stands with its class, or what somebody has named before
            case ast.Attribute(attr=name, value=value) if _root(node) not in foreign:
                home = self.homes.get(value.id, ":") if isinstance(value, ast.Name) else ":"
                yield from [name] if ":" in home else [name, f"{home}.{name}:"]
            case ast.Import(names=names):
                yield from (f"{alias.name}:" for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield f"{module}:"
                yield from (f"{module}.{alias.name}:" for alias in names)
                if level or any(alias.name == "*" for alias in names):
                    yield EVERYTHING  # it does not say what
            case ast.Constant(value=str(text)):
                yield from self._written(text)
            case ast.JoinedStr(values=parts):
                texts = [p.value if isinstance(p, ast.Constant) else "*" for p in parts]
                yield from self._written("".join(map(str, texts)))

    def _written(self, text: str) -> Iterator[str]:
        """f"{a}.{b}_loss" gives "*_loss"; what is nothing but a hole is written elsewhere."""
        if re.fullmatch(r"[\w.*]+", text):
            parts = text.split(".")
            yield from (part for part in parts if re.search("[A-Za-z_]", part))
            yield from ([f"{text}:"] if parts[0] in self.packages else [])


def _taken(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that no scope of a function makes itself."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() if top else symbol.is_global():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _taken(inner)


def _made(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that some scope of a function makes."""
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_local())
        yield from _made(inner)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


class _Bare(ast.NodeTransformer):
    """See `code`."""

    def visit_Expr(self, node: ast.Expr):
        said = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if said else self.generic_visit(node)

    def visit_arg(self, node: ast.arg):
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef):
        node.returns = None
        node.decorator_list = [
            d for d in node.decorator_list if not ast.unparse(d).startswith("claim(")
        ]
        return self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue):
        node.format_spec = None
        return self.generic_visit(node)
