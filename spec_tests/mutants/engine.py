"""The run, as a pytest plugin: tests are collected once, and all that is executed is executed in a
forked child.
"""

import importlib
import time
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jax
import pytest
from jax._src import xla_bridge

from spec_tests.mutants import patch, sources
from spec_tests.mutants.edits import Mutant
from spec_tests.mutants.kept import Kept
from spec_tests.mutants.programs import Programs
from spec_tests.mutants.trials import Limits, Trials, Verdict, one_line
from spec_tests.mutants.witnesses import Witnesses

NOT_ABOUT_FORMULAS = {
    "test_close",
    "test_conventions",
    "test_meta",
    "test_mutants",
    "test_pages",
    "test_plugin",
    "test_readme",
    "test_rooms",
    "test_rows",
    "test_specification",
}
PROFILE = "dev"  # of the specification


class Plan(NamedTuple):
    """What to run and how long."""

    mutants: list[Mutant]
    modules: list[str]  # all whose functions are traced
    package: list[str]  # all modules
    listed: dict[str, str]  # key -> reason why the edit changes nothing
    examples: str  # a module with EXAMPLES, or ""
    cache: Path  # a directory
    limits: Limits


class Engine:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.start = time.monotonic()
        self.complete = False
        self.verdicts: list[Verdict] = []
        self.warnings: list[str] = []
        self.failure = ""  # of the test that runs
        self.executed: set[str] = set()  # functions, by some test

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        phases = (
            hypothesis.Phase.explicit,
            hypothesis.Phase.generate,
        )  # nobody reads the smallest counterexample
        dev = hypothesis.settings.get_profile(PROFILE)
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
                else one_line(crash.message if crash else report.longreprtext)
            )

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [item for item in session.items if item.path.stem not in NOT_ABOUT_FORMULAS]
        self._prepare()
        kept = self._read_kept(items)
        witnesses = Witnesses(items, kept.sources, kept)
        programs = self._read_programs(kept)
        plan = self.plan
        chosen = [mutant for mutant in plan.mutants if mutant.key not in plan.listed]
        trials = Trials(chosen, plan.modules, witnesses, programs, self.run, plan.limits)
        self.verdicts = [
            Verdict(mutant, "listed", note=plan.listed[mutant.key])
            for mutant in plan.mutants
            if mutant.key in plan.listed
        ] + trials.judge()
        failing = {name: trace.failure for name, trace in witnesses.traces.items() if trace.failure}
        self.warnings += [f"{name} judges nothing: {failure}" for name, failure in failing.items()]
        self.warnings += programs.broken + witnesses.missed
        self.executed = {*witnesses.executing}
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

    def _read_kept(self, items: list[pytest.Item]) -> Kept:
        files = {item.path for item in items}
        files |= {path for file in files for path in sources.conftests(file)}
        modules = {*self.plan.package, *map(sources.module_of, files), *_given(self.plan.examples)}
        read = sources.read(modules, self.plan.cache / "sources.json")
        kept = Kept(self.plan.cache / "traces", read, self.plan.modules, PROFILE)
        kept.discard()
        return kept

    def _read_programs(self, kept: Kept) -> Programs:
        if not self.plan.examples:
            return Programs({}, Path(), kept)
        file = kept.sources.files[self.plan.examples]
        return Programs(importlib.import_module(self.plan.examples).EXAMPLES, file, kept)


def _given(name: str) -> list[str]:
    return [name] if name else []
