"""The run, as a pytest plugin: tests are collected once, and then every edit meets its tests in a
forked child.
"""

import importlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jax
import pytest
from jax._src import xla_bridge

from spec_tests.instrument.registry import claim_of, resolve
from spec_tests.mutants import equivalent, forks, patch
from spec_tests.mutants.edits import Mutant, in_defaults
from spec_tests.mutants.reach import Program, Trace, progress, trace_examples, trace_tests

NOT_ABOUT_FORMULAS = {
    "test_close",
    "test_conventions",
    "test_house",
    "test_meta",
    "test_mutants",
    "test_pages",
    "test_plugin",
    "test_readme",
}
EARLY = 10.0  # seconds of tests before the slower look at jaxprs


class Plan(NamedTuple):
    """What to run and how long."""

    mutants: list[Mutant]
    modules: list[str]  # all that may be mutated
    listed: dict[str, str]  # key -> reason why the edit changes nothing
    examples: str  # a module with EXAMPLES, or ""
    cache: Path  # a directory
    jobs: int
    minutes: float
    patience: float  # seconds of tests that a survivor has to meet
    grace: float  # seconds beyond five times its tests after which an edit counts as a hang


class Verdict(NamedTuple):
    mutant: Mutant
    verdict: str  # killed, timeout, crash, survived, equivalent, listed, error, not run
    by: str = ""  # the test that noticed
    note: str = ""
    seconds: float = 0.0


class Engine:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.start = time.monotonic()
        self.complete = False
        self.verdicts: list[Verdict] = []
        self.warnings: list[str] = []
        self.failure = ""  # of the test that runs
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)
        self.traces: dict[str, Trace] = {}
        self.examples: dict[str, equivalent.Example] = {}
        self.programs: dict[str, Program] = {}

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        phases = (
            hypothesis.Phase.explicit,
            hypothesis.Phase.generate,
        )  # nobody reads the smallest counterexample
        dev = hypothesis.settings.get_profile("dev")
        hypothesis.settings.register_profile(
            "mutants", dev, phases=phases, report_multiple_bugs=False
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            raise pytest.UsageError(f"{report.nodeid} cannot be collected:\n{report.longreprtext}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed and not self.failure:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failure = (
                "skipped"
                if report.skipped
                else _one_line(crash.message if crash else report.longreprtext)
            )

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [item for item in session.items if item.path.stem not in NOT_ABOUT_FORMULAS]
        self._prepare()
        self.traces = trace_tests(
            items, self.plan.modules, self.run, self.plan.cache / "traces.json", self.plan.jobs
        )
        failing = {name: trace.failure for name, trace in self.traces.items() if trace.failure}
        self.warnings += [f"{name} judges nothing: {failure}" for name, failure in failing.items()]
        self._read_examples()
        self._judge_all([item for item in items if item.nodeid not in failing])
        self.complete = True
        return True

    def run(self, item: pytest.Item, following: pytest.Item | None) -> str:
        """Run one test; why it failed, or ""."""
        self.failure = ""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return self.failure

    def _prepare(self) -> None:
        if xla_bridge.backends_are_initialized():
            raise pytest.UsageError(
                "something computes with jax when it is imported: children cannot start a device"
            )
        for module in self.plan.modules:
            patch.source_of(module)
        # Most programs of a test are those of the run before: from a cache a test costs a third.
        jax.config.update("jax_compilation_cache_dir", str(self.plan.cache / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def _read_examples(self) -> None:
        if self.plan.examples:
            examples = importlib.import_module(self.plan.examples).EXAMPLES
            self.programs = trace_examples(examples, self.plan.modules)
            broken = {
                name: program.failure for name, program in self.programs.items() if program.failure
            }
            self.warnings += [
                f"example {name} proves nothing: {failure}" for name, failure in broken.items()
            ]
            self.examples = {
                name: example for name, example in examples.items() if name not in broken
            }

    def _judge_all(self, items: list[pytest.Item]) -> None:
        listed = self.plan.listed
        waiting = [mutant for mutant in self.plan.mutants if mutant.key not in listed]
        self.verdicts = [
            Verdict(m, "listed", note=listed[m.key]) for m in self.plan.mutants if m.key in listed
        ]
        for done, answer in enumerate(forks.run(self._jobs(waiting, items), self.plan.jobs), 1):
            verdict = _verdict(answer)
            self.verdicts.append(verdict)
            if verdict.by:
                self.killers[verdict.mutant.where][verdict.by] += 1
            if verdict.verdict in ("survived", "error"):
                print(f"{verdict.verdict}: {verdict.mutant.key}  ({verdict.note})", flush=True)
            progress(f"edits judged, {self.minutes:.1f} min", done, len(waiting))
        judged = {verdict.mutant.key for verdict in self.verdicts}
        self.verdicts += [
            Verdict(mutant, "not run") for mutant in waiting if mutant.key not in judged
        ]

    def _jobs(self, waiting: list[Mutant], items: list[pytest.Item]) -> Iterator[forks.Job]:
        for mutant in waiting:
            if self.minutes > self.plan.minutes:
                return
            tests = self._tests(mutant, items)
            planned = sum(self.traces[item.nodeid].seconds for item in tests)
            yield forks.Job(
                mutant, lambda m=mutant, t=tests: self._judge(m, t), self.plan.grace + 5 * planned
            )

    def _tests(self, mutant: Mutant, items: list[pytest.Item]) -> list[pytest.Item]:
        """The tests that execute the function: those that noticed edits of it before, then near and
        cheap ones.
        """
        traces, kills = self.traces, self.killers[mutant.where]
        matching = [item for item in items if mutant.where in traces[item.nodeid].functions]
        matching.sort(
            key=lambda i: (
                -kills[i.nodeid],
                distance(i, mutant) * traces[i.nodeid].seconds,
                i.nodeid,
            )
        )
        chosen, planned = [], 0.0
        for item in matching:
            if planned < self.plan.patience:
                chosen.append(item)
                planned += traces[item.nodeid].seconds
        return chosen

    def _judge(self, mutant: Mutant, tests: list[pytest.Item]) -> tuple[str, str, str]:
        """In a child: make the edit, and run tests until one fails.  Returns verdict, by, note."""
        jax.config.update(
            "jax_persistent_cache_min_compile_time_secs", 1e9
        )  # wrong programs are not worth keeping
        hits: set[bool] = {True} if in_defaults(mutant) else set()
        patch.install(mutant, lambda: hits.add(True))
        late = self._first_late(tests)
        for i, (item, following) in enumerate(zip(tests, [*tests[1:], None], strict=False)):
            if i == late and self._is_equivalent(mutant, hits):
                return "equivalent", "", ""
            if failure := self.run(item, following):
                return "killed", item.nodeid, failure
        executed = bool(hits)
        if late == len(tests) and self._is_equivalent(mutant, hits):
            return "equivalent", "", ""
        return (
            "survived",
            "",
            f"{len(tests)} tests" if executed else f"not executed by any of {len(tests)} tests",
        )

    def _first_late(self, tests: list[pytest.Item]) -> int:
        planned = 0.0
        for i, item in enumerate(tests):
            if planned > EARLY:
                return i
            planned += self.traces[item.nodeid].seconds
        return len(tests)

    def _is_equivalent(self, mutant: Mutant, hits: set[bool]) -> bool:
        """All examples trace to the programs they had, and the edited expression was executed on
        the way.
        """
        reaching = [name for name in self.examples if mutant.where in self.programs[name].functions]
        if not in_defaults(mutant):
            hits.clear()
        same = all(self._same_program(name) for name in reaching)
        return bool(reaching) and same and bool(hits)

    def _same_program(self, name: str) -> bool:
        try:
            return equivalent.fingerprint(self.examples[name]) == self.programs[name].fingerprint
        except Exception:
            return False  # the original did not raise


def distance(item: pytest.Item, mutant: Mutant) -> int:
    """How many times cheaper another test has to be to go first: claims of the function are the
    nearest.
    """
    claim = claim_of(getattr(item, "function", None))
    again = 2 if "float32" in item.name else 1  # sees what the float64 instance has seen, mostly
    targets = [_place(name) for name in claim.of] if claim else []
    if any(mutant.where == target or mutant.where.startswith(target + ".") for target in targets):
        return again
    return again * (3 if any(target.startswith(mutant.module + ":") for target in targets) else 9)


def _place(name: str) -> str:
    """ "module:function" of a dotted name."""
    target = resolve(name)
    return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"


def _verdict(answer: forks.Answer) -> Verdict:
    if answer.problem in ("timeout", "crash"):
        return Verdict(answer.task, answer.problem, answer.problem, "", answer.seconds)
    if answer.problem:
        return Verdict(
            answer.task,
            "error",
            "",
            _one_line(answer.problem.strip().rpartition("\n")[2]),
            answer.seconds,
        )
    return Verdict(answer.task, *answer.result, seconds=answer.seconds)


def _one_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]
