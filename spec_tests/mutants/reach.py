"""Which test executes which functions, and how long it takes in a fresh process: found once, kept
in a cache.
"""

import hashlib
import importlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

from spec_tests.mutants import equivalent, forks, patch

RunItem = Callable[
    [pytest.Item, pytest.Item | None], str
]  # a test and the one after it -> why it failed, or ""
SPEC_TESTS = Path(__file__).parent.parent
NOT_READ = {"certificate.py", "examples.py", "registry.py"}  # by what a test executes


class Trace(NamedTuple):
    """What running one test did."""

    failure: str  # "" where it passed
    seconds: float
    functions: list[str]  # "module:function"


class Program(NamedTuple):
    """What tracing one example gave."""

    failure: str
    fingerprint: str
    functions: list[str]


class Cache:
    """Traces by the name of the test; one is valid as long as the files it depends on are what they
    were.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict] = _read(path)

    def get(self, name: str, own: Iterable[Path]) -> Trace | None:
        """The trace of a test in the files `own`, unless these or what it executed have changed
        since.
        """
        entry = self.entries.get(name)
        if entry is None or entry["files"] != digests([*own, *map(Path, entry["files"])]):
            return None
        return Trace(*entry["trace"])

    def put(self, name: str, trace: Trace, files: Iterable[Path]) -> None:
        self.entries[name] = {"trace": trace, "files": digests(files)}

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.entries))


def trace_tests(
    items: list[pytest.Item], modules: list[str], run: RunItem, path: Path, jobs: int
) -> dict[str, Trace]:
    """The trace of every test: from the cache, or by running it once in a child.  Failures are not
    believed twice.
    """
    kept = Cache(path)
    cached = {item.nodeid: kept.get(item.nodeid, _own_files(item)) for item in items}
    traces = {name: trace for name, trace in cached.items() if trace and not trace.failure}
    missing: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.nodeid not in traces:
            missing[item.nodeid.partition("[")[0]].append(item)
    work = (
        forks.Job(group, lambda g=group: _trace_group(g, modules, run), 1200.0)
        for group in missing.values()
    )
    for done, answer in enumerate(forks.run(work, jobs), 1):
        for item, trace in zip(answer.task, _share_reach(answer), strict=True):
            traces[item.nodeid] = trace
            kept.put(item.nodeid, trace, [*_own_files(item), *_files(trace.functions)])
        progress("tests traced", done, len(missing))
    kept.save()
    return traces


def trace_examples(
    examples: dict[str, equivalent.Example], modules: list[str]
) -> dict[str, Program]:
    """The program of every example as the formulas stand, and what is executed on the way."""
    (answer,) = forks.run(
        iter([forks.Job("", lambda: _trace_programs(examples, modules), 1200.0)]), 1
    )
    if answer.problem:
        raise pytest.UsageError(f"tracing the examples failed: {answer.problem}")
    return {name: Program(*program) for name, program in answer.result.items()}


def progress(what: str, done: int, of: int) -> None:
    """A line now and then."""
    if done % 25 == 0 or done == of:
        print(f"{done} of {of} {what}", flush=True)


def digests(files: Iterable[Path]) -> dict[str, str]:
    """A short digest of each file's content."""
    return {str(file): _digest(file) for file in files}


@cache
def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.exists() else ""


def _read(path: Path) -> dict[str, dict]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _trace_group(group: list[pytest.Item], modules: list[str], run: RunItem) -> list[Trace]:
    """Run the instances of one test, in a child."""
    reached = _probe_all(modules)
    traces = []
    for item, following in zip(group, [*group[1:], None], strict=True):
        jax.clear_caches()  # a function that is traced already would not be executed again
        reached.clear()
        start = time.monotonic()
        failure = run(item, following)
        traces.append(Trace(failure, time.monotonic() - start, sorted(reached)))
    return traces


def _trace_programs(
    examples: dict[str, equivalent.Example], modules: list[str]
) -> dict[str, Program]:
    reached = _probe_all(modules)
    programs = {}
    for name, example in examples.items():
        reached.clear()
        try:
            programs[name] = Program("", equivalent.fingerprint(example), sorted(reached))
        except Exception as error:
            programs[name] = Program(f"{type(error).__name__}: {error}", "", [])
    return programs


def _probe_all(modules: list[str]) -> set[str]:
    reached: set[str] = set()
    for module in modules:
        patch.probe(module, reached.add)
    return reached


def _share_reach(answer: forks.Answer) -> list[Trace]:
    """What one instance executes counts for all: what it leaves in a cache, the next does not
    execute again.
    """
    if answer.problem:
        return [
            Trace(answer.problem.strip().splitlines()[-1], answer.seconds, []) for _ in answer.task
        ]
    traces = [Trace(*trace) for trace in answer.result]
    everything = sorted({name for trace in traces for name in trace.functions})
    return [trace._replace(functions=everything) for trace in traces]


def _own_files(item: pytest.Item) -> list[Path]:
    """A test's file and all that tests share."""
    folders = (".", "instrument", "oracles", "specimens", "support")
    shared = [path for folder in folders for path in (SPEC_TESTS / folder).glob("*.py")]
    return [
        item.path,
        *(path for path in shared if path.name not in NOT_READ and not path.match("test_*.py")),
    ]


def _files(functions: Iterable[str]) -> list[Path]:
    modules = {name.partition(":")[0] for name in functions}
    return [Path(str(importlib.import_module(module).__file__)) for module in sorted(modules)]
