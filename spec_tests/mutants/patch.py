"""Getting an edit into a running process: the code object of the function is exchanged.

Partials, jitted wrappers and other modules hold the function itself, so all of them run the new
code; only what is traced already would not, and nothing is traced before the fork.
"""

import ast
import gc
import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from spec_tests.mutants.edits import Mutant, Steps, functions, in_defaults, mutate

HIT = "__mutant_hit__"  # each evaluation of an edited expression passes through this
REACHED = "__reached__"  # each call of a probed function announces itself here
Place = tuple[str, int]  # qualified name and first line of a function


def install(mutant: Mutant, on_hit: Callable[[], None]) -> None:
    """Make the edit in this process; on_hit is called whenever the edited expression is
    evaluated.
    """
    module = importlib.import_module(mutant.module)

    def hit(value):
        on_hit()
        return value

    vars(module)[HIT] = hit
    tree = mutate(source_of(mutant.module), mutant, HIT)
    if in_defaults(mutant):
        _exchange_default(
            find(mutant.module, mutant.function), _number_at(tree, mutant.path), mutant.path
        )
    else:
        codes = _compiled(mutant.module, tree)
        _exchange_closures(_exchange_code(mutant.module, codes, [mutant.function]))


def probe(modules: Iterable[str], announce: Callable[[str], None]) -> None:
    """Let every function of some modules announce "module:function" when it is called."""
    exchanged = {}
    for module in modules:
        vars(importlib.import_module(module))[REACHED] = announce
        exchanged |= _exchange_code(module, *probed(module))
    _exchange_closures(exchanged)


@cache
def probed(module: str) -> tuple[dict[Place, CodeType], list[str]]:
    """The code of a module whose functions announce themselves, and their names."""
    tree = ast.parse(source_of(module))
    names = []
    for function, _, name in functions(tree):
        call = ast.Call(ast.Name(REACHED, ast.Load()), [ast.Constant(f"{module}:{name}")], [])
        for inner in [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef)]:
            inner.body.insert(1 if ast.get_docstring(inner) else 0, ast.Expr(call))
        names.append(name)
    return _compiled(module, ast.fix_missing_locations(tree)), names


@cache
def source_of(module: str) -> str:
    """Read once: what is written to the file during a run is no part of the run."""
    return inspect.getsource(importlib.import_module(module))


def find(module: str, qualname: str) -> FunctionType:
    """The function behind its name: without property, staticmethod, jit and other wrappers."""
    owner: Any = importlib.import_module(module)
    for part in qualname.split("."):
        owner = vars(owner)[part]
    owner = getattr(owner, "fget", None) or getattr(owner, "__func__", owner)
    found = inspect.unwrap(owner)
    if not isinstance(found, FunctionType) or found.__qualname__ != qualname:
        raise LookupError(f"{module}:{qualname} is hidden behind {type(owner).__name__}")
    return found


def _compiled(module: str, tree: ast.Module) -> dict[Place, CodeType]:
    file = str(importlib.import_module(module).__file__)
    compiled = compile(tree, file, "exec", dont_inherit=True)
    return {(code.co_qualname, code.co_firstlineno): code for code in _codes(compiled)}


def _exchange_code(
    module: str, codes: dict[Place, CodeType], names: list[str]
) -> dict[int, tuple[CodeType, CodeType]]:
    """Exchange the code of functions; (old, new) of nested ones by the id of the old, which lives
    on, so that nothing else gets its id.
    """
    made = {}
    for name in names:
        function = find(module, name)
        made |= {
            id(code): (code, codes[code.co_qualname, code.co_firstlineno])
            for code in _codes(function.__code__)
            if _is_named(code)
        }
        del made[id(function.__code__)]
        function.__code__ = codes[name, function.__code__.co_firstlineno]
    return made


def _is_named(code: CodeType) -> bool:
    return not code.co_name.startswith("<")  # a lambda, a comprehension


def _exchange_closures(codes: dict[int, tuple[CodeType, CodeType]]) -> None:
    """The functions that a decorator has made already, at import."""
    for found in gc.get_objects() if codes else ():
        if isinstance(found, FunctionType) and id(found.__code__) in codes:
            found.__code__ = codes[id(found.__code__)][1]


def _codes(code: CodeType):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _number_at(tree: ast.Module, path: Steps):
    node = tree
    for field, index in path:
        node = getattr(node, field) if index is None else getattr(node, field)[index]
    return ast.literal_eval(node)


def _exchange_default(function: FunctionType, value, path: Steps) -> None:
    field, index = path[-1]
    assert index is not None
    if field == "defaults":
        defaults = list(function.__defaults__ or ())
        defaults[index] = value
        function.__defaults__ = tuple(defaults)
    else:
        keywords = inspect.getfullargspec(function).kwonlyargs
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), keywords[index]: value}
