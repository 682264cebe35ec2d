"""What a test may execute, read from the sources of all that it may import: more than what it
executes, and never less.
"""

import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import filter as matching
from functools import cache
from pathlib import Path
from typing import NamedTuple

from spec_tests.mutants import mentions
from spec_tests.mutants.mentions import Definition, definitions

ROOTS = (Path.cwd(), Path(__file__).parents[2])  # whatever lies elsewhere is foreign
AT_REQUEST = "__getattr__"  # of a module: it imports what somebody names


class Sources(NamedTuple):
    """Modules by dotted name, and what they define."""

    files: dict[str, Path]
    definitions: dict[str, list[Definition]]  # by "module:name"
    homes: dict[str, set[str]]  # the modules that define a name
    imports: dict[str, set[str]]  # the modules that a module may import


class Reach:
    """What the tests of one file may execute."""

    def __init__(self, sources: Sources, file: Path) -> None:
        self.sources, self.module = sources, module_of(file)
        own = {self.module, *map(module_of, conftests(file))}
        self.modules = imported(sources, own)
        self.shared = self._mentioned({*self._loose(), *self._helpers(own)}, set())

    def of(self, test: str) -> set[str]:
        """ "module:name" of what may be executed by a test, a function or a class of the file."""
        place = f"{self.module}:{test}"
        known = place in self.sources.definitions
        return self._mentioned({place} if known else {"*"}, self.shared) & {
            *self.sources.definitions
        }

    def _loose(self) -> Iterator[str]:
        return (f"{module}:" for module in self.modules)

    def _helpers(self, own: set[str]) -> Iterator[str]:
        """Fixtures and hooks: pytest calls them, and nobody names them."""
        for place, items in self.sources.definitions.items():
            module, _, name = place.partition(":")
            if module in own and any(item.collected for item in items):
                yield from () if name.lower().startswith("test") else (place,)

    def _mentioned(self, mentions: set[str], before: set[str]) -> set[str]:
        waiting, seen = mentions - before, {*before}
        while waiting:
            mention = waiting.pop()
            seen.add(mention)
            waiting |= self._next(mention) - seen
        return seen

    def _next(self, mention: str) -> set[str]:
        sources = self.sources
        if ":" in mention:
            return {m for item in sources.definitions.get(mention, ()) for m in item.mentions}
        if "*" in mention:
            return {*matching(sources.homes, mention)}
        return {f"{home}:{mention}" for home in sources.homes.get(mention, set()) & self.modules}


def read(modules: Iterable[str], shelf: Path | None = None) -> Sources:
    """These modules and all that they may import; shelf: a file that keeps what was read before."""
    sources = Sources({}, defaultdict(list), defaultdict(set), {})
    before, after = _taken_from(shelf), {}
    waiting = {*modules}
    while waiting:
        module = waiting.pop()
        file = sources.files[module] = find(module) or Path()
        key = f"{module} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        items = after[key] = before.get(key) or definitions(module, file, _packages())
        for item in items:
            sources.definitions[f"{module}:{item.name}"].append(item)
            if not item.alias:
                sources.homes[item.name].add(module)
        found = {m for item in items if item.name != AT_REQUEST for m in item.mentions}
        sources.imports[module] = {*_imports(found)}
        waiting |= sources.imports[module] - {*sources.files}
    if shelf and after.keys() != before.keys():
        _put_on(shelf, after)
    return sources


def _taken_from(shelf: Path | None) -> dict[str, list[Definition]]:
    """{} where there is nothing, or something that this program did not write."""
    try:
        content = json.loads(shelf.read_text()) if shelf else {}
        rows = content["modules"] if content.get("reader") == _reader() else {}
        return {
            key: [Definition(name, frozenset(mentions), *flags) for name, mentions, *flags in items]
            for key, items in rows.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _put_on(shelf: Path, modules: dict[str, list[Definition]]) -> None:
    rows = {
        key: [(item.name, sorted(item.mentions), item.collected, item.alias) for item in items]
        for key, items in modules.items()
    }
    write(shelf, {"reader": _reader(), "modules": rows})


def _reader() -> str:
    """What the definitions depend on beside the file that they are read from."""
    own = Path(str(mentions.__file__)).read_text()
    return hashlib.sha256(repr((sys.version, own, sorted(_packages()))).encode()).hexdigest()


def write(path: Path, content: dict) -> None:
    """A JSON file, whole, whoever else writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(content))
    new.replace(path)


def imported(sources: Sources, modules: Iterable[str]) -> set[str]:
    """These modules and all that they may import."""
    waiting, seen = {*modules}, set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting |= sources.imports[module] - seen
    return seen


def conftests(file: Path) -> list[Path]:
    """The files of fixtures and hooks that pytest reads for a file of tests."""
    found = [folder / "conftest.py" for folder in file.parents]
    return [path for path in found if path.exists() and path.is_relative_to(_root(file))]


def module_of(file: Path) -> str:
    """The dotted name of a file."""
    parts = file.relative_to(_root(file)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def find(module: str) -> Path | None:
    """The file of a module, unless it is foreign."""
    for root in ROOTS:
        path = root.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _root(file: Path) -> Path:
    return next(root for root in ROOTS if file.is_relative_to(root))


@cache
def _packages() -> frozenset[str]:
    return frozenset(path.stem for root in ROOTS for path in root.iterdir())


def _imports(mentions: Iterable[str]) -> Iterator[str]:
    """The modules among mentions, and the packages around them."""
    for name in {mention.partition(":")[0] for mention in mentions if ":" in mention}:
        for module in _matching(name) if "*" in name else [name]:
            parts = module.split(".")
            names = (".".join(parts[: i + 1]) for i in range(len(parts)))
            yield from (name for name in names if all(parts) and find(name))


@cache
def _matching(pattern: str) -> list[str]:
    folder = pattern.partition("*")[0].rpartition(".")[0].split(".")
    files = (file for root in ROOTS for file in root.joinpath(*folder).rglob("*.py"))
    return matching({module_of(file) for file in files}, pattern) if all(folder) else []
