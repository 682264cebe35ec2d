"""Which test executes which functions, and how long it takes: measured in a fresh process."""

import time
from collections.abc import Callable
from typing import Any

import jax
import pytest

from spec_tests.mutants import equivalent, forks, patch
from spec_tests.mutants.kept import Trace

RunItem = Callable[
    [pytest.Item, pytest.Item | None], str
]  # a test and the one after it -> why it failed, or ""


def trace_job(
    record: Callable[[forks.Answer], None], trace: Callable[[list[str]], Any], modules: list[str]
) -> forks.Job:
    """Work with every function of some modules announcing itself."""
    for module in modules:
        patch.probed(module)  # compiled here, once for all children
    return forks.Job(record, lambda: trace(modules), 1200.0)


def trace_group(group: list[pytest.Item], modules: list[str], run: RunItem) -> list[Trace]:
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


def trace_programs(examples: dict[str, equivalent.Example], modules: list[str]) -> dict[str, Trace]:
    """The program of each example as the formulas stand, in a child."""
    reached = _probe_all(modules)
    programs = {}
    for name, example in examples.items():
        reached.clear()
        start = time.monotonic()
        try:
            failure, fingerprint = "", equivalent.fingerprint(example)
        except Exception as error:
            failure, fingerprint = f"{type(error).__name__}: {error}", ""
        seconds = time.monotonic() - start
        programs[name] = Trace(failure, seconds, sorted(reached), fingerprint)
    return programs


def share(answer: forks.Answer, instances: int) -> list[Trace]:
    """What one instance executes counts for all: what it leaves in a cache, the next does not
    execute again.
    """
    if answer.problem:
        failure = answer.problem.strip().splitlines()[-1]
        return [Trace(failure, answer.seconds, [])] * instances
    traces = [Trace(*trace) for trace in answer.result]
    everything = sorted({name for trace in traces for name in trace.functions})
    return [trace._replace(functions=everything) for trace in traces]


def _probe_all(modules: list[str]) -> set[str]:
    reached: set[str] = set()
    patch.probe(modules, reached.add)
    return reached
