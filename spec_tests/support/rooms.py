"""The rooms of diffx in their order, and every public name by the shortest dotted name that Python
evaluates.
"""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
TESTS = sorted((ROOT / "spec_tests").rglob("test_*.py"))

# A room imports only from the rooms before it; modules with an underscore stand before all.
ROOMS: tuple[str, ...] = (
    *(
        "processes",
        "laws",
        "predictions",
        "denoisers",
        "losses",
        "preconditioning",
        "reverse",
        "distillation",
        "grids",
    ),
    *(
        "noise",
        "guidance",
        "samplers",
        "adaptive",
        "exact",
        "likelihood",
        "flow_matching",
        "contrast",
        "concepts",
        "check",
    ),
    *("data", "training", "nn"),
)
AT_FIRST_USE = (
    "adaptive",
    "data",
    "training",
    "nn",
)  # not the formula layer: more than jax may be imported here
OPTIONAL = {"diffx.adaptive": "diffrax"}  # rooms that need an extra which may not be installed


def modules() -> dict[str, Path]:
    """Every module of diffx, by dotted name."""
    base = ROOT / "diffx"
    return {
        ".".join(("diffx", *path.relative_to(base).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in sorted(base.rglob("*.py"))
    }


def dotted(path: Path) -> str:
    """The name by which a file of this repository is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def import_every_test() -> None:
    """So that one file alone sees every claim.  What needs a package that is not installed is left
    out.
    """
    for path in TESTS:
        with suppress(pytest.skip.Exception):
            importlib.import_module(dotted(path))


def is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def texts(*suffixes: str) -> dict[str, str]:
    """What this repository's own files say, by their path from its root."""
    folders = ("diffx", "spec_tests", "demos", "benchmarks")
    paths = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    files = [path for path in paths if path.suffix in suffixes and path.is_file()]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(files)
    }


def room_of(module: str) -> str:
    """The second part of a module's name; "" for `diffx` itself."""
    return [*module.split("."), ""][1]


def installed(module: str) -> bool:
    """Whether what a module needs can be imported here."""
    return module not in OPTIONAL or importlib.util.find_spec(OPTIONAL[module]) is not None


def imports(path: Path) -> set[str]:
    """Dotted names of what a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports absolute, `from diffx.laws import ...`"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def none_of(found: Iterable[str], message: str) -> None:
    """Fail with all that was found, not with the beginning of a list."""
    __tracebackhide__ = True
    found = sorted(set(found))
    assert not found, "\n  ".join([f"{message}:", *found])


def handed_on(path: Path) -> list[str]:
    """The names that a file hands on: `from diffx.samplers.ddim import ddim as ddim`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = [alias for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return [alias.name for alias in found if alias.name == alias.asname]


def offered(room: ModuleType) -> dict[str, object]:
    """What a room offers: a folder hands it on, a file defines it."""
    path = Path(inspect.getfile(room))
    if path.name == "__init__.py":
        return {name: getattr(room, name) for name in handed_on(path)}
    own = {
        name: value
        for name, value in vars(room).items()
        if getattr(value, "__module__", None) == room.__name__
    }
    kinds = lambda value: inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value))
    return {name: value for name, value in own.items() if not name.startswith("_") and kinds(value)}


@cache
def public() -> dict[str, object]:
    """Every public name of the formula layer: "diffx.VP", "diffx.samplers.unipc"; the front door's
    before the room's.
    """
    front = {name: value for name, value in front_door().items() if not inspect.ismodule(value)}
    found = {f"diffx.{name}": value for name, value in front.items()}
    for room in ROOMS:
        if room not in AT_FIRST_USE:
            inside = offered(importlib.import_module(f"diffx.{room}"))
            found |= {
                f"diffx.{room}.{name}": value for name, value in inside.items() if name not in front
            }
    return found


def front_door() -> dict[str, object]:
    """What `import diffx` hands on, rooms included."""
    diffx = importlib.import_module("diffx")
    return {name: getattr(diffx, name) for name in handed_on(ROOT / "diffx" / "__init__.py")}


def by_short_name() -> dict[str, object]:
    """The same by the last part of the name, which is the name of an example; no two rooms share
    one.
    """
    return {name.rpartition(".")[2]: value for name, value in public().items()}
