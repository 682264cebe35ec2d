"""The judge of the specification is judged: its edits, its forks, and a whole run over a small
package of its own.
"""

import ast
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from spec_tests.mutants import equivalent, forks, kept, mentions, patch, sources
from spec_tests.mutants.choice import changed_functions
from spec_tests.mutants.edits import Mutant, generate, mutate, sample
from spec_tests.mutants.kept import Kept, Trace
from spec_tests.support.rooms import ROOT


def edits(body: str, operator: str, head: str = "def f(x, t, s)") -> set[str]:
    """What an operator makes of the body of a function, as "before -> after"."""
    found = [
        mutant for mutant in generate(f"{head}:\n    {body}\n", "m") if mutant.operator == operator
    ]
    return {f"{mutant.before} -> {mutant.after}" for mutant in found}


@pytest.mark.parametrize(
    ("body", "operator", "expected"),
    [
        ("return x + t", "binary", {"x + t -> x - t"}),
        ("return x ** t", "binary", {"x ** t -> x * t"}),
        ("return x - t", "operands", {"x - t -> t - x"}),
        ("return abs(x - t)", "operands", set()),
        ("return (x - t) ** 2", "operands", {"(x - t) ** 2 -> 2 ** (x - t)"}),
        ("return (x - t) ** 3", "operands", {"x - t -> t - x", "(x - t) ** 3 -> 3 ** (x - t)"}),
        ("return max(x, t)", "arguments", set()),
        ("return x @ t", "operands", {"x @ t -> t @ x"}),
        ("return x * t", "drop", {"x * t -> x", "x * t -> t"}),
        ("return x - t", "drop", {"x - t -> x"}),
        ("return g(-x)", "sign", {"g(-x) -> g(x)"}),
        ("return x * t", "sign", {"x * t -> -(x * t)"}),
        ("return g(x, 0.5)", "constant", {"g(x, 0.5) -> g(x, 1.0)"}),
        ("return g(x, 3)", "constant", {"g(x, 3) -> g(x, 6)"}),
        ("return x.sum(axis=-1)", "constant", {"x.sum(axis=-1) -> x.sum(axis=0)"}),
        ("return x(x.a, -t)", "sign", {"x(x.a, -t) -> x(x.a, t)"}),
        ("s = -(x + t)", "sign", {"-(x + t) -> x + t"}),
        ("return jnp.sqrt(x)", "call", {"jnp.sqrt(x) -> x"}),
        ("return x.astype(t)", "call", {"x.astype(t) -> x"}),
        ("return jnp.expm1(x)", "call", {"jnp.expm1(x) -> x", "jnp.expm1(x) -> jnp.exp(x)"}),
        ("return jnp.expm1(x)", "digits", {"jnp.expm1(x) -> jnp.exp(x) - 1"}),
        ("return jnp.log1p(x)", "digits", {"jnp.log1p(x) -> jnp.log(1 + x)"}),
        ("return jnp.minimum(x, t)", "call", {"jnp.minimum(x, t) -> jnp.maximum(x, t)"}),
        ("return x < t", "compare", {"x < t -> x <= t", "x < t -> x > t"}),
        ("return x is t", "compare", {"x is t -> x is not t"}),
        ("return jnp.where(x, t, s)", "branch", {"jnp.where(x, t, s) -> jnp.where(x, s, t)"}),
        ("return x if t else s", "branch", {"x if t else s -> s if t else x"}),
        ("if x:\n        return t", "branch", {"x -> not x"}),
        ("return x.f(0)", "name", set()),
        ("return p.alpha(s)", "name", {"p.alpha(s) -> p.alpha(t)"}),
        (
            "return p.alpha / p.sigma",
            "name",
            {f"p.alpha / p.sigma -> p.{a} / p.{a}" for a in ("alpha", "sigma")},
        ),
        ("return g(x, t)", "arguments", {"g(x, t) -> g(t, x)"}),
        ("return x, t", "elements", {"(x, t) -> (t, x)"}),
        ("return g(x.T)", "axis", {"g(x.T) -> g(x)"}),
        ("return x.sum(axis=0)", "axis", {"x.sum(axis=0) -> x.sum(axis=-1)"}),
        ("return x[1:]", "subscript", {"x[1:] -> x[:-1]"}),
        ("return x[0]", "subscript", {"x[0] -> x[-1]"}),
    ],
)
def test_operator_makes_the_expected_edits(body, operator, expected):
    assert edits(body, operator) == expected


def test_numbers_that_are_defaults_are_edited():
    assert edits("return x", "constant", head="def f(x, t=1)") == {"t=1 -> t=0", "t=1 -> t=2"}
    assert edits("return x", "constant", head="def f(x, *, t=3, s=None)") == {"t=3 -> t=6"}


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError(f'{x - 1}')",
        "_arguments.times(x - 1)",
        "_check_grid(x - 1)",
        "if x - 1:\n        raise ValueError(x)",
        "if _arguments.is_concrete(x):\n        y = x - 1",
        "y: int[x - 1] = t",
    ],
)
def test_checks_and_messages_are_left_alone(body):
    assert not edits(body, "binary")


def test_decorators_docstrings_and_signatures_are_left_alone():
    source = "@d(1 - 2)\ndef f(x: g(1 - 2)) -> g(1 - 2):\n    '''1 - 2'''\n    return h(x)\n"
    assert [mutant.operator for mutant in generate(source, "m")] == []


def test_edits_are_found_in_methods_and_nested_functions():
    source = "class A:\n    def f(self, x):\n        g = lambda y: y + 2\n        return g(x)\n"
    assert {mutant.function for mutant in generate(source, "m")} == {"A.f"}
    assert "y + 2 -> y - 2" in {f"{m.before} -> {m.after}" for m in generate(source, "m")}


def test_edits_of_equal_expressions_have_different_keys():
    source = "def f(x):\n    x = x + 1\n    x = x + 1\n    return (x + 1) * (x + 1)\n"
    keys = [mutant.key for mutant in generate(source, "m")]
    assert len(set(keys)) == len(keys)


DECORATED = """
from functools import wraps

def twice(function):
    @wraps(function)
    def entered(x):
        return 2 * function(x)
    return entered

@twice
def f(x):
    return x + 1
"""


def test_edits_reach_what_a_decorator_has_made_at_import(tmp_path, monkeypatch):
    (tmp_path / "decorated_toy.py").write_text(DECORATED)
    monkeypatch.syspath_prepend(tmp_path)
    toy, reached = importlib.import_module("decorated_toy"), []
    patch.probe(["decorated_toy"], reached.append)
    assert toy.f(1) == 4 and reached == ["decorated_toy:twice", "decorated_toy:f"]
    edits = [
        edit for edit in generate(DECORATED, "decorated_toy") if edit.before == "2 * function(x)"
    ]
    patch.install(edits[0], lambda: None)
    assert toy.f(1) != 4


def test_keys_do_not_depend_on_lines():
    source = "def f(x):\n    return x * 2 + 1\n"
    assert [m.key for m in generate(source, "m")] == [
        m.key for m in generate("\n\n# more\n" + source, "m")
    ]


def test_every_edit_compiles_and_changes_the_source():
    source = (ROOT / "diffx" / "reverse.py").read_text()
    found = generate(source, "diffx.reverse")
    original = ast.unparse(ast.parse(source))
    results = [ast.unparse(mutate(source, mutant)) for mutant in found[::25]]
    assert all(result != original for result in results)
    for mutant in found[::25]:
        compile(mutate(source, mutant, "wrap"), "m", "exec")


def test_generation_and_draw_are_the_same_every_time():
    source = (ROOT / "diffx" / "reverse.py").read_text()
    first, second = generate(source, "m"), generate(source, "m")
    assert [m.key for m in first] == [m.key for m in second]
    assert [m.key for m in sample(first, 20)] == [m.key for m in sample(second, 20)]
    assert [m.key for m in sample(first, 20)] != [m.key for m in sample(first, 20, seed=1)]


def test_draw_gives_every_function_its_share():
    found = [Mutant("m", f"f{i % 10}", i, "o", str(i), "b") for i in range(200)]
    drawn = sample(found, 40)
    assert len(drawn) == 40
    assert {sum(m.function == f"f{i}" for m in drawn) for i in range(10)} == {4}


def test_fork_returns_results_problems_timeouts_and_crashes():
    tasks = {
        "sum": lambda: 1 + 1,
        "raise": lambda: 1 / 0,
        "sleep": lambda: time.sleep(60),
        "exit": lambda: os._exit(3),
    }
    jobs = (forks.Job(name, work, 1.0) for name, work in tasks.items())
    answers = {answer.task: answer for answer in forks.run(jobs, 2)}
    assert answers["sum"].result == 2
    assert "ZeroDivisionError" in answers["raise"].problem
    assert (answers["sleep"].problem, answers["exit"].problem) == ("timeout", "crash")


def test_list_of_equivalent_edits_needs_reasons(tmp_path):
    file = tmp_path / "equivalent.toml"
    assert equivalent.read_list(file) == {}
    file.write_text("[[equivalent]]\nmutant = 'm:f:sign:-x -> x'\nreason = 'x is 0'\n")
    assert equivalent.read_list(file) == {"m:f:sign:-x -> x": "x is 0"}
    file.write_text("[[equivalent]]\nmutant = 'm:f:sign:-x -> x'\nreason = ' '\n")
    with pytest.raises(ValueError, match="reason"):
        equivalent.read_list(file)


# --- what tests may execute --------------------------------------------------------------------

READ = """
import functools
from reading import helpers
from reading.helpers import renamed as other, star

def test_that_calls(): helpers.plain()
def test_that_renames(): other()
def test_that_writes_a_name(): getattr(helpers, "written")()
def test_that_puts_a_name_together(): getattr(helpers, f"{1}_together")()
def test_that_reads_a_table(): [f() for f in TABLE]
def test_that_makes_an_object(): helpers.Thing().method()
def test_that_uses_a_fixture(given): pass
def test_that_asks_for_all(): [f() for f in vars(helpers).values()]
def test_that_calls_nothing(): functools.reduce
def test_that_shadows(plain): plain = 1
def test_that_has_a_rule(): star()

TABLE = [helpers.in_table]
"""

HELPERS = """
def plain(): return deeper()
def deeper(): pass
def renamed(): pass
def written(): pass
def put_together(): pass
def in_table(): pass
def of_fixture(): pass
def at_import(): pass
def star(): pass
at_import()

class Thing:
    def method(self): return in_method()

def in_method(): pass

@star.defjvp
def rule(): pass
"""

CONFTEST = """
import pytest
from reading.helpers import of_fixture

@pytest.fixture
def given(): return of_fixture()
"""


@pytest.fixture
def reading(tmp_path, monkeypatch):
    """What the tests above may execute of the helpers, as a function of the test."""
    monkeypatch.setattr(sources, "ROOTS", (tmp_path,))
    forget()
    (tmp_path / "reading").mkdir()
    texts = {"__init__": "", "helpers": HELPERS, "conftest": CONFTEST, "test_reading": READ}
    for name, text in texts.items():
        (tmp_path / "reading" / f"{name}.py").write_text(text)
    file = tmp_path / "reading" / "test_reading.py"
    reach = sources.Reach(sources.read(["reading.test_reading", "reading.conftest"]), file)
    yield (
        lambda test: (
            {
                name.partition(":")[2]
                for name in reach.of(test)
                if name.startswith("reading.helpers:")
            }
            - {""}
        )
    )
    for function in (sources.find, sources._packages, sources._matching):
        function.cache_clear()


ALWAYS = {"at_import", "of_fixture"}  # imports and fixtures are no choice of a test
EVERYTHING = {"plain", "deeper", "renamed", "written", "put_together", "in_table", "star", "rule"}
EVERYTHING |= {"Thing", "in_method"}


@pytest.mark.parametrize(
    ("test", "more"),
    [
        ("calls", {"plain", "deeper"}),
        ("renames", {"renamed"}),
        ("writes_a_name", {"written"}),
        ("puts_a_name_together", {"put_together"}),
        ("reads_a_table", {"in_table"}),
        ("makes_an_object", {"Thing", "in_method"}),
        ("uses_a_fixture", set()),
        ("asks_for_all", EVERYTHING),
        ("calls_nothing", set()),
        ("has_a_rule", {"star", "rule"}),
        ("shadows", set()),
    ],
)
def test_a_test_may_execute_what_it_mentions_directly_or_not(reading, test, more):
    assert reading(f"test_that_{test}") == ALWAYS | more


def test_a_test_that_stands_nowhere_may_execute_everything(reading):
    assert reading("test_of_another_name") == ALWAYS | EVERYTHING


EXECUTED = """
import json, os, sys
from pathlib import Path
import pytest
from spec_tests.mutants import choice, engine, forks, reach, trials, witnesses

class Measure(engine.Engine):
    def pytest_runtestloop(self, session):
        self._prepare()
        kept = self._read_kept(session.items)
        tests = witnesses.Witnesses(session.items, kept.sources, kept)
        court = trials.Trials([], self.plan.modules, tests, None, self.run, self.plan.limits)
        for answer in forks.run(iter([court._trace(name) for name in tests.groups]), 2):
            answer.task(answer)
        count = sum(len(trace.functions) for trace in tests.traces.values())
        print("measured", json.dumps([count, len(tests.traced), tests.missed]))
        self.complete = True
        return True

limits = trials.Limits(2, 60.0, 90.0, 30.0)
modules, package = choice.formula_modules("diffx"), choice.modules("diffx")
plan = engine.Plan([], modules, package, {}, "", Path(sys.argv[1]), limits)
options = ["-qq", "--capture=no", "-p", "no:cacheprovider", "-o", "addopts=", "--no-summary"]
few = ["--spec-profile", "dev", "--dtype", "float32"]
pytest.main([*sys.argv[2:], *options, *few], plugins=[Measure(plan)])
"""
MEASURED = (  # names in tables, put together, of fixtures, of helpers
    "spec_tests/den/test_predictions.py",
    "spec_tests/den/test_matrices.py",
    "spec_tests/lit/test_schedules.py",
    "spec_tests/clp/test_zero_shot.py",
)


def test_tests_execute_nothing_that_the_sources_do_not_say(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", EXECUTED, str(tmp_path), *MEASURED],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    found = [line for line in run.stdout.splitlines() if line.startswith("measured")]
    assert found, run.stdout + run.stderr
    functions, tests, missed = json.loads(found[0].removeprefix("measured"))
    assert functions > 100 and tests > 10, "a measurement"
    assert missed == []


# --- what is kept -------------------------------------------------------------------------------


class Shelf(NamedTuple):
    """A package `pack` with two modules, a file of tests, and what is kept of it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "pack_tests" / "test_pack.py"

    def kept(self, profile: str = "dev") -> Kept:
        forget()
        names = ["pack", "pack.a", "pack.b"]
        read = sources.read([*names, "pack_tests.test_pack"], self.folder / "sources.json")
        return Kept(self.folder / "traces", read, names[1:], profile)

    def valid(self, **options: str) -> set[str]:
        return {*self.kept(**options).of(self.file)}

    def change(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))


def forget() -> None:
    """What one run reads once."""
    for module in (sources, kept, mentions):
        for function in vars(module).values():
            getattr(function, "cache_clear", lambda: None)()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROOTS", (tmp_path,))
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack_tests").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from pack import a, b\n")
    (tmp_path / "pack" / "a.py").write_text('"""a"""\n\ndef f(x):\n    return x + 1\n')
    table = "def g(x):\n    return x\n\ndef h(x):\n    return x\n\nTABLE = h(3)\n"
    (tmp_path / "pack" / "b.py").write_text(table)
    (tmp_path / "pack_tests" / "test_pack.py").write_text(
        "import pack\nfrom pack_tests.helpers import say\n\ndef test_f(): say(pack.a.f(1))\n"
    )
    (tmp_path / "pack_tests" / "helpers.py").write_text("def say(x): return x\n")
    found = Shelf(tmp_path)
    traces = {"f": Trace("", 1.0, ["pack.a:f"]), "g": Trace("", 1.0, ["pack.b:g"])}
    found.kept().put(found.file, {**traces, "failing": Trace("it failed", 1.0, ["pack.a:f"])})
    yield found
    forget()


def test_traces_are_kept_unless_the_test_failed(shelf):
    assert shelf.valid() == {"f", "g"}


def test_a_changed_function_discards_the_tests_that_executed_its_file(shelf):
    shelf.change("pack/a.py", "x + 1", "x + 2")
    assert shelf.valid() == {"g"}


def test_a_changed_docstring_discards_nothing(shelf):
    shelf.change("pack/a.py", '"a"', '"what a is"')
    assert shelf.valid() == {"f", "g"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pack/b.py", "h(3)", "h(4)"),
        ("pack/b.py", "def h(x):\n    return x", "def h(x):\n    return -x"),
        ("pack_tests/test_pack.py", "f(1)", "f(2)"),
        ("pack_tests/helpers.py", "return x", "return -x"),
    ],
)
def test_what_is_executed_on_import_and_the_tests_discard_all(shelf, file, old, new):
    shelf.change(file, old, new)
    assert shelf.valid() == set()


def test_data_beside_the_tests_discard_all(shelf):
    (shelf.folder / "pack_tests" / "data.json").write_text("[]")
    assert shelf.valid() == set()


def test_another_profile_discards_all(shelf):
    assert shelf.valid(profile="deep") == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": 1, "traces": {"f": [1]}}'])
def test_files_that_are_not_ours_are_ignored(shelf, text):
    file = next((shelf.folder / "traces").glob("*.json"))
    for path in (file, shelf.folder / "sources.json"):
        path.write_text(text)
    assert shelf.valid() == set()


def test_traces_of_files_that_are_gone_are_removed(shelf):
    shelf.file.unlink()
    forget()
    read = sources.read(["pack", "pack.a", "pack.b"])
    Kept(shelf.folder / "traces", read, ["pack.a"], "dev").discard()
    assert not [*(shelf.folder / "traces").iterdir()]


# --- a whole run --------------------------------------------------------------------------------

TOY = '''
from functools import partial
import jax
import jax.numpy as jnp

class Line:
    """A line.  Claims: FWD-01."""
    def at(self, t):
        return 3 * t + 1

@jax.jit
def area(x, t):
    return x * t if x.ndim < 3 else x

def unheld(x, t):
    return x - t

def loop(n):
    while n > 0:
        n = n - 1
    return n

def unused(x):
    return -x

def far(x):
    return x + 5

def listed(x):
    return jnp.abs(x * x)
'''

TOY_TESTS = """
import jax.numpy as jnp
import toy
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim

@claim("FWD-01", "a line is a line", of="toy.Line", source="Euclid", grade="identity")
def test_line_is_a_line(dtype):
    close(toy.Line().at(jnp.asarray(2.0, dtype)), 7.0, ulps=2, why="small integers")

@claim("FWD-02", "an area is a product", of="toy.area", source="Euclid", grade="identity")
def test_area_is_a_product(dtype):
    two, three = jnp.asarray(2.0, dtype), jnp.asarray(3.0, dtype)
    close(toy.area(two, three), 6.0, ulps=2, why="small integers")

@claim(
    "FWD-03", "a loop ends", of="toy.loop", source="Turing", grade="identity",
    dtypes=(), why_dtypes="an integer",
)
def test_loop_ends_at_zero():
    holds(toy.loop(3) == 0, "it counts down")

@claim("FWD-04", "an absolute square", of="toy.listed", source="Euclid", grade="identity")
def test_square_is_positive(dtype):
    close(toy.listed(jnp.asarray(-2.0, dtype)), 4.0, ulps=2, why="small integers")
    toy.unheld(1.0, 2.0)

def test_that_fails_as_things_are():
    assert toy.unheld(1, 2) == 3
"""

FAR_TESTS = """
import toy.core

def test_that_finds_a_function_by_a_name_that_nobody_wrote():
    assert vars(toy.core)["".join(["f", "a", "r"])](1) == 6
"""

TOY_EXAMPLES = """
import jax.numpy as jnp
import toy

EXAMPLES = {
    "toy.area": lambda: (toy.area, (jnp.ones(2), jnp.ones(2))),
    "toy.unheld": lambda: (toy.unheld, (jnp.ones(2), jnp.ones(2))),
}
"""

TOY_LISTED = """
[[equivalent]]
mutant = 'toy:listed:call:jnp.abs(x * x) -> x * x'
reason = 'a square is not negative'
[[equivalent]]
mutant = 'toy:gone:call:a -> b'
reason = 'there was such a function'
"""


def run_toy(folder: Path, *options: str):
    """The command on the package above, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "spec_tests.mutants",
        "--package",
        "toy",
        "--tests",
        "tests",
        "--examples",
        "examples",
    ]
    files = [
        "--equivalent",
        "equivalent.toml",
        "--cache",
        "cache",
        "--json",
        "out.json",
        "--grace",
        "2",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    done = subprocess.run(
        [*command, *files, *options], cwd=folder, env=environment, capture_output=True, text=True
    )
    return SimpleNamespace(code=done.returncode, text=done.stdout + done.stderr)


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    """One run over all edits of the toy."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy").mkdir()
    (folder / "tests").mkdir()
    (folder / "toy" / "__init__.py").write_text(
        "from toy.core import Line, area, listed, loop, unheld\n"
    )
    (folder / "toy" / "core.py").write_text(TOY)
    (folder / "tests" / "conftest.py").write_text("from spec_tests.instrument.plugin import *\n")
    (folder / "tests" / "test_toy.py").write_text(TOY_TESTS)
    (folder / "tests" / "test_far.py").write_text(FAR_TESTS)
    (folder / "examples.py").write_text(TOY_EXAMPLES)
    (folder / "equivalent.toml").write_text(TOY_LISTED.replace("toy:listed", "toy.core:listed"))
    run = run_toy(folder)
    rows = (
        json.loads((folder / "out.json").read_text())["mutants"]
        if (folder / "out.json").exists()
        else []
    )
    return SimpleNamespace(
        run=run, rows={row["key"].removeprefix("toy.core:"): row for row in rows}, folder=folder
    )


def test_edits_of_methods_and_jitted_functions_are_killed(toy_run):
    assert toy_run.rows, toy_run.run.text
    for key in ("Line.at:binary:3 * t + 1 -> 3 * t - 1", "area:binary:x * t -> x / t"):
        assert toy_run.rows[key]["verdict"] == "killed", toy_run.run.text
    assert toy_run.rows["area:binary:x * t -> x / t"]["by"].startswith(
        "tests/test_toy.py::test_area_is_a_product"
    )


def test_edit_meets_tests_that_do_not_name_its_function(toy_run):
    row = toy_run.rows["far:binary:x + 5 -> x - 5"]
    assert (row["verdict"], row["by"].partition("::")[0]) == ("killed", "tests/test_far.py")


def test_traces_of_the_run_before_are_known_from_the_beginning(toy_run):
    run = run_toy(toy_run.folder, "--only", "toy.core.area")
    first = run.text.partition("\n")[0]
    assert first.startswith("1 of ") and "5 of 6 tests traced" in first, "all but the failing one"


def test_survivor_is_reported_with_its_edit(toy_run):
    assert toy_run.rows["unheld:binary:x - t -> x + t"]["verdict"] == "survived"
    assert "  - x - t\n  + x + t" in toy_run.run.text
    assert toy_run.run.code == 1


def test_edit_with_the_same_jaxpr_is_equivalent(toy_run):
    assert toy_run.rows["loop:compare:n > 0 -> n >= 0"]["verdict"] == "killed"
    assert toy_run.rows["area:compare:x.ndim < 3 -> x.ndim <= 3"]["verdict"] == "equivalent"


def test_loop_that_does_not_end_is_stopped_and_killed(toy_run):
    assert toy_run.rows["loop:binary:n - 1 -> n + 1"]["verdict"] == "timeout"


def test_function_that_no_test_executes_is_named(toy_run):
    assert "no test executes toy.core:unused" in toy_run.run.text


def test_listed_edit_is_not_run_and_stale_entries_are_named(toy_run):
    assert toy_run.rows["listed:call:jnp.abs(x * x) -> x * x"]["verdict"] == "listed"
    assert "stale entry, there is no such edit: toy:gone:call:a -> b" in toy_run.run.text


def test_test_that_fails_without_an_edit_judges_nothing(toy_run):
    assert "test_that_fails_as_things_are judges nothing: " in toy_run.run.text
    assert not any("as_things_are" in row["by"] for row in toy_run.rows.values())


def test_budget_that_is_spent_leaves_edits_not_run(toy_run):
    run = run_toy(toy_run.folder, "--minutes", "0")
    assert "0 killed" not in run.text
    assert "not run" in run.text
    assert "score 0.00%" in run.text
    assert run.code == 1


def test_test_that_cannot_be_imported_stops_the_run(toy_run):
    broken = toy_run.folder / "tests" / "test_broken.py"
    broken.write_text("import nothing_of_this_name\n")
    run = run_toy(toy_run.folder)
    broken.unlink()
    assert "nothing_of_this_name" in run.text
    assert "no edit was judged" in run.text
    assert run.code == 1


def test_pattern_that_matches_nothing_is_an_error(toy_run):
    run = run_toy(toy_run.folder, "--only", "toy.nothing")
    assert "no function with an edit matches" in run.text
    assert run.code == 1


def test_only_changed_functions_are_mutated_since_a_revision(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@e"]
    file = tmp_path / "changing.py"
    file.write_text("def f(x):\n    return x + 1\n\n\ndef g(x):\n    return x + 2\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    file.write_text(file.read_text().replace("x + 2", "x + 3"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert changed_functions("changing", "HEAD") == {"g"}
    with pytest.raises(SystemExit, match="no such revision"):
        (tmp_path / "unknown.py").write_text("def h():\n    pass\n")
        changed_functions("unknown", "nowhere")
    assert changed_functions("unknown", "HEAD") == {"h"}
