"""A claim is one test, and its failure says which row of a table of methods or processes fell."""

import ast
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from spec_tests.instrument.registry import CLAIMS
from spec_tests.support.rooms import ROOT, TESTS, dotted, import_every_test, none_of

COMPARISONS = {"close", "slope", "holds", "below", "raises", "has_law"}

# Claims whose loops call a helper that does not know its row, or compare many rows at once: what
# is parametrised, or names its row, leaves this list; nothing comes in.
UNNAMED = {"BRN-01", "DEN-01", "DEN-15", "FWD-03", "FWD-05", "REV-02", "REV-03"}

# Claims whose test only calls helpers, three or more of them: several sentences under one id. What
# is split leaves this list; nothing comes in.
BUNDLES = {
    *("CFG-02", "CFG-03", "CFG-04", "DEN-01", "FWD-05", "LIK-01", "REV-02", "REV-03", "REV-05"),
}
MOST = 2  # helpers that compare


def test_a_failure_in_a_loop_over_methods_names_its_row():
    import_every_test()
    found = loops()
    none_of(
        [f"{id}: {at}" for id, places in found.items() if id not in UNNAMED for at in places],
        "parametrise the test over this table, or say the row in why=f'{name}: ...'",
    )
    none_of(UNNAMED - found.keys(), "these name their rows: take them off the list")


def test_no_claim_is_a_bundle_of_helpers():
    found = {
        id: helpers
        for path in TESTS
        for functions in [functions_of(ast.parse(path.read_text(encoding="utf-8")))]
        for id, test in claimed_in(functions)
        for helpers in [bundled(functions[test], functions)]
        if len(helpers) > MOST
    }
    none_of(
        [f"{id}: {', '.join(sorted(found[id]))}" for id in found.keys() - BUNDLES],
        "give each of these helpers a claim of its own, in one sentence",
    )
    none_of(BUNDLES - found.keys(), "these are split: take them off the list")


def bundled(test: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The helpers that compare for a test."""
    calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
    return {
        last(call.func)
        for call in calls
        if last(call.func) in functions and compares(call, functions)
    }


def loops() -> dict[str, list[str]]:
    """The loops of every claim, and of the helpers in its file, whose comparisons name no row."""
    found: dict[str, list[str]] = {}
    for path in TESTS:
        module = sys.modules.get(dotted(path))
        functions = functions_of(ast.parse(path.read_text(encoding="utf-8")))
        for id, test in claimed_in(functions):
            for name in called_from(test, functions):
                for loop in nameless(functions[name], functions, module):
                    place = f"{path.relative_to(ROOT)}:{loop.lineno}"
                    found.setdefault(id, []).append(place)
    return found


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def claimed_in(functions: dict[str, ast.FunctionDef]) -> Iterator[tuple[str, str]]:
    """(id, name of the test) of the claims of a file."""
    for name, function in functions.items():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and last(decorator.func) == "claim":
                yield ast.literal_eval(decorator.args[0]), name


def called_from(name: str, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """A function and all of its file that it mentions, directly or not."""
    found, waiting = {name}, [name]
    while waiting:
        mentioned = {n.id for n in ast.walk(functions[waiting.pop()]) if isinstance(n, ast.Name)}
        new = mentioned & functions.keys() - found
        found |= new
        waiting += new
    return found


def nameless(
    function: ast.FunctionDef, functions: dict[str, ast.FunctionDef], module: Any
) -> Iterator[ast.For]:
    """The loops over a table of functions with a comparison that does not say which row it is."""
    for loop in ast.walk(function):
        if isinstance(loop, ast.For) and is_over_a_table(loop.iter, module):
            row = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
            calls = [n for line in loop.body for n in ast.walk(line) if isinstance(n, ast.Call)]
            if not all(says(call, row) for call in calls if compares(call, functions)):
                yield loop


def is_over_a_table(iterated: ast.expr, module: Any) -> bool:
    """A dictionary of the module, or something that contains functions, its own or of diffx."""
    one_row = isinstance(iterated, ast.Subscript) and not isinstance(iterated.slice, ast.Slice)
    for node in () if one_row else ast.walk(iterated):
        if isinstance(node, ast.Name):
            value = getattr(module, node.id, None)
            many = isinstance(value, (tuple, list)) and any(map(callable, value))
            if isinstance(value, dict) or many:
                return True
        if isinstance(node, (ast.Tuple, ast.List)) and any(is_code(n, module) for n in node.elts):
            return True
    return False


def is_code(node: ast.expr, module: Any) -> bool:
    if isinstance(node, ast.Attribute):
        return ast.unparse(node).startswith("diffx.")
    return isinstance(node, ast.Name) and callable(getattr(module, node.id, None))


def compares(call: ast.Call, functions: dict[str, ast.FunctionDef]) -> bool:
    """Whether a call compares, itself or in a helper of the file."""
    name = last(call.func)
    helpers = called_from(name, functions) if name in functions else ()
    inner = (node for helper in helpers for node in ast.walk(functions[helper]))
    called = {name, *(last(node.func) for node in inner if isinstance(node, ast.Call))}
    return bool(called & COMPARISONS)


def says(call: ast.Call, row: set[str]) -> bool:
    """Whether an f-string among the arguments, or why=, mentions the row."""
    texts = [node for node in ast.walk(call) if isinstance(node, ast.JoinedStr)]
    texts += [keyword.value for keyword in call.keywords if keyword.arg == "why"]
    return any(isinstance(n, ast.Name) and n.id in row for text in texts for n in ast.walk(text))


def last(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def test_loops_that_hide_their_row_are_seen():
    module = SimpleNamespace(TABLE={"a": 1}, euler=abs, heun=abs)
    hidden = """
def checked(x):
    close(x, x, ulps=1, why="so")
def test_one():
    for name, x in TABLE.items():
        close(x, x, ulps=1, why="so")
def test_two():
    for method in (euler, heun):
        checked(method(1))
"""
    said = """
def test_three():
    for name, x in TABLE.items():
        close(x, x, ulps=1, why=f"so is {name}")
    for t in (0.25, 0.5):
        close(t, t, ulps=1, why="so")
"""
    for text, count in ((hidden, 2), (said, 0)):
        functions = functions_of(ast.parse(text))
        found = [loop for f in functions.values() for loop in nameless(f, functions, module)]
        assert len(found) == count


def test_every_claim_is_one_test():
    """The registry refuses a second test of one id; and a test declares at most one claim."""
    import_every_test()
    tests = [claim.test for claim in CLAIMS.values()]
    none_of({test for test in tests if tests.count(test) > 1}, "tests of more than one claim")
