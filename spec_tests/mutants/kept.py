"""What tests did in earlier runs, on disk: valid as long as all that it depends on is what it was.

A test depends on the modules of which it executed functions, on what the rest of the package does
when it is imported, on the files of tests that it imports, and on the versions of what is
installed.
"""

import ast
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from spec_tests.mutants.mentions import FUNCTIONS, code
from spec_tests.mutants.sources import Sources, conftests, find, imported, module_of, write

INSTALLED = ("jax", "jaxlib", "numpy", "scipy", "hypothesis", "pytest", "flax", "optax", "diffrax")


class Trace(NamedTuple):
    """What running one test did, or tracing one example."""

    failure: str  # "" where it passed
    seconds: float
    functions: list[str]  # "module:function"
    fingerprint: str = ""  # of an example's program


class Kept:
    """Traces by the file of tests that made them; probed: the modules whose functions they name."""

    def __init__(self, folder: Path, sources: Sources, probed: Iterable[str], profile: str) -> None:
        self.folder, self.sources, self.probed = folder, sources, {*probed}
        self.packages = {module.partition(".")[0] for module in self.probed}
        self.setting = repr((sys.version, profile, *map(_version, INSTALLED)))
        self.at_import = _called_at_import(
            path for module, path in sources.files.items() if self._is_mutated(module)
        )
        self.files: dict[Path, dict[str, Trace]] = {}

    def of(self, file: Path) -> dict[str, Trace]:
        """All valid traces of tests in a file that have passed: failures are not believed twice."""
        if file not in self.files:
            read = _read(self._path(file))
            rows = read["traces"] if read.get("key") == self._key(file) else {}
            self.files[file] = {
                name: Trace(*trace)
                for name, (trace, used) in rows.items()
                if not trace[0] and used == self._used(trace[2])
            }
        return self.files[file]

    def put(self, file: Path, traces: dict[str, Trace]) -> None:
        """Add traces to those of a file, and write them."""
        self.of(file).update(traces)
        rows = {name: (trace, self._used(trace.functions)) for name, trace in self.of(file).items()}
        write(self._path(file), {"key": self._key(file), "traces": rows})

    def discard(self) -> None:
        """Remove what was kept of files that are gone."""
        for path in self.folder.glob("*.json"):
            if find(path.stem) is None:
                path.unlink()

    def _path(self, file: Path) -> Path:
        return self.folder / f"{module_of(file)}.json"

    def _key(self, file: Path) -> str:
        own = [module_of(path) for path in (file, *conftests(file))]
        modules = sorted(imported(self.sources, own))
        return _digest(self.setting, *(self._background(module) for module in modules))

    def _background(self, module: str) -> str:
        """A digest of what a module is to a test that executes none of its functions."""
        file = self.sources.files[module]
        if not self._is_mutated(module):
            return _digest(module, _content(file))
        return _digest(module, _outline(file, self.at_import if module in self.probed else None))

    def _is_mutated(self, module: str) -> bool:
        return module.partition(".")[0] in self.packages

    def _used(self, functions: Iterable[str]) -> dict[str, str]:
        """A digest of the code of every module of which functions were executed."""
        modules = sorted({name.partition(":")[0] for name in functions})
        return {m: _outline(self.sources.files[m], None) for m in modules if find(m)}


def _read(path: Path) -> dict[str, Any]:
    """{} where there is nothing, or something that we did not write."""
    try:
        content = json.loads(path.read_text())
        {name: (Trace(*trace), used) for name, (trace, used) in content["traces"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return content


@cache
def _content(file: Path) -> str:
    """A digest of a file, and of the data beside it."""
    beside = (path for path in sorted(file.parent.iterdir()) if path.is_file())
    data = (path for path in beside if path.suffix not in (".py", ".pyc"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in (file, *data))).hexdigest()


@cache
def _outline(file: Path, but: frozenset[str] | None) -> str:
    """A digest of the code of a file, without the bodies of functions unless `but` names them; of
    all code where it is None.
    """
    tree = ast.parse(ast.unparse(code(file)))
    return _digest(ast.dump(tree if but is None else _Outline(but).visit(tree)))


class _Outline(ast.NodeTransformer):
    def __init__(self, but: frozenset[str]) -> None:
        self.but = but

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if node.name not in self.but:
            node.body = [ast.Pass()]
        return node


def _called_at_import(files: Iterable[Path]) -> frozenset[str]:
    """Names of functions that are called when modules are imported: decorators and tables."""
    called: set[str] = set()
    for file in files:
        tree = _Outline(frozenset()).visit(ast.parse(ast.unparse(code(file))))
        for node in ast.walk(tree):
            found = [node.func] if isinstance(node, ast.Call) else []
            found += node.decorator_list if isinstance(node, (*FUNCTIONS, ast.ClassDef)) else []
            called |= {getattr(part, "attr", getattr(part, "id", "")) for part in found}
    return frozenset(called)


@cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
