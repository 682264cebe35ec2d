"""Which edits are run."""

import ast
import importlib
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

from spec_tests.mutants import patch
from spec_tests.mutants.edits import Mutant, functions, generate

NOT_FORMULAS = (
    "_arguments",
    "_pytrees",
    "nn",
    "training",
    "data",
)  # held by tests of errors, of training, of speed
# no formulas either, but what they say of others is held: drawn where a pattern names them
ON_REQUEST = ("check",)


def mutants(package: str, only: str = "*") -> list[Mutant]:
    """The edits of those formula modules of a package that have a function that matches a pattern,
    and of those that are edited on request.
    """
    return [
        mutant
        for module in formula_modules(package)
        if _has(module, only)
        for mutant in generate(patch.source_of(module), module)
    ]


def _has(module: str, only: str) -> bool:
    found = functions(ast.parse(patch.source_of(module))) if only != "*" else ()
    return only == "*" or any(fnmatch(f"{module}.{name}", only) for _, _, name in found)


def formula_modules(package: str) -> list[str]:
    """Those whose functions are edited; dotted names, sorted."""
    apart = {*NOT_FORMULAS, "__init__", "__main__"}
    return [".".join(parts) for parts in _parts(package) if not {*parts} & apart]


def modules(package: str) -> list[str]:
    """All, folders too."""
    return [".".join(parts).removesuffix(".__init__") for parts in _parts(package)]


def _parts(package: str) -> list[tuple[str, ...]]:
    root = Path(str(importlib.import_module(package).__file__)).parent
    files = [path.relative_to(root).with_suffix("") for path in sorted(root.rglob("*.py"))]
    return [(package, *file.parts) for file in files]


def choose(found: list[Mutant], only: str, since: str | None) -> list[Mutant]:
    """Those in functions that match a pattern and, if asked, have changed; a room of ON_REQUEST
    only if it is named.
    """
    unasked = {*ON_REQUEST} - {*only.split(".")}
    found = [mutant for mutant in found if fnmatch(mutant.where.replace(":", "."), only)]
    found = [mutant for mutant in found if not unasked & {*mutant.module.split(".")}]
    if since is None:
        return found
    changed = {
        module: changed_functions(module, since) for module in {mutant.module for mutant in found}
    }
    return [mutant for mutant in found if mutant.function in changed[mutant.module]]


def changed_functions(module: str, since: str) -> set[str]:
    """Functions of a module with a line that is not as it was in the revision."""
    spans = [
        (name, node.lineno, node.end_lineno or 0)
        for node, _, name in functions(ast.parse(patch.source_of(module)))
    ]
    lines = changed_lines(Path(str(importlib.import_module(module).__file__)), since)
    return {
        name for name, first, last in spans if lines is None or lines & set(range(first, last + 1))
    }


def changed_lines(path: Path, since: str) -> set[int] | None:
    """Line numbers of the file as it is; None where the revision has no such file."""
    git = ["git", "-C", str(path.parent)]
    known = subprocess.run([*git, "cat-file", "-e", f"{since}:./{path.name}"], capture_output=True)
    if known.returncode:
        return _no_such_file(git, since)
    diff = subprocess.run(
        [*git, "diff", "-U0", since, "--", path.name], capture_output=True, text=True, check=True
    )
    hunks = re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", diff.stdout, re.MULTILINE)
    return {
        line
        for first, count in hunks
        for line in range(int(first), int(first) + max(1, int(count or 1)))
    }


def _no_such_file(git: list[str], since: str) -> None:
    revision = subprocess.run(
        [*git, "rev-parse", "--verify", f"{since}^{{commit}}"], capture_output=True
    )
    if revision.returncode:
        raise SystemExit(f"--since {since}: git knows no such revision")
