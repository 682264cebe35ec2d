"""What is done next: an edit meets tests that are traced, or a test is traced for it.

An edit is judged by the first tests that are traced, and has survived only when all that may
execute it are traced and those chosen among them have been met.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import pytest

from spec_tests.mutants import forks, patch
from spec_tests.mutants.edits import Mutant, in_defaults
from spec_tests.mutants.programs import Programs
from spec_tests.mutants.reach import RunItem, share, trace_group, trace_job
from spec_tests.mutants.witnesses import Witnesses

EARLY = 10.0  # seconds of tests before the slower look at jaxprs


class Limits(NamedTuple):
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


@dataclass(eq=False)
class Trial:
    """An edit, and what it has been through."""

    mutant: Mutant
    met: set[str] = field(default_factory=set)  # tests
    planned: float = 0.0  # their seconds
    seconds: float = 0.0  # of all children
    executed: bool = False
    compared: bool = False  # with the programs of the examples
    idle: tuple[int, bool, bool] | None = None  # what was known when there was nothing to be done


class Trials:
    """All edits, until each has its verdict or time is up."""

    def __init__(
        self,
        mutants: list[Mutant],
        modules: list[str],
        witnesses: Witnesses,
        programs: Programs,
        run: RunItem,
        limits: Limits,
    ) -> None:
        self.waiting = deque(map(Trial, mutants))
        self.open = {*self.waiting}
        self.modules, self.witnesses, self.programs = modules, witnesses, programs
        self.run, self.limits, self.start = run, limits, time.monotonic()
        self.tracing: set[str] = set()
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)
        self.verdicts: list[Verdict] = []

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    def judge(self) -> list[Verdict]:
        for answer in forks.run(self._jobs(), self.limits.jobs):
            answer.task(answer)
        return self.verdicts + [Verdict(trial.mutant, "not run") for trial in self.open]

    def _jobs(self) -> Iterator[forks.Job | None]:
        while self.open and self.minutes <= self.limits.minutes:
            yield self._next_trial() or self._next_trace()

    def _next_trial(self) -> forks.Job | None:
        """Let an edit meet tests, or compare its programs, if there is something to be done."""
        for trial in [*self.waiting]:
            known = self._known(trial.mutant.where)
            if trial.idle != known:
                if job := self._trial_job(trial):
                    return job
                trial.idle = known
        return None

    def _trial_job(self, trial: Trial) -> forks.Job | None:
        unmet = self._unmet(trial)
        if not trial.compared and (trial.planned > EARLY or not (unmet or self._near(trial))):
            return self._compare(trial)
        return self._meet(trial, unmet) if unmet else self._survive(trial)

    def _known(self, where: str) -> tuple[int, bool, bool]:
        """All that what an edit can do next depends on."""
        executing = len(self.witnesses.executing.get(where, ()))
        return executing, self.programs.ready, bool(self.witnesses.untraced(where))

    def _unmet(self, trial: Trial) -> list[pytest.Item]:
        where = trial.mutant.where
        chosen = self.witnesses.chosen(where, self.killers[where], self.limits.patience)
        return [item for item in chosen if item.nodeid not in trial.met]

    def _near(self, trial: Trial) -> bool:
        """Whether the first test is still to come."""
        return not trial.met and bool(self.witnesses.untraced(trial.mutant.where))

    def _next_trace(self) -> forks.Job | None:
        """Trace the nearest test for the first edit that needs one."""
        for trial in self.waiting:
            for name in self.witnesses.untraced(trial.mutant.where):
                if name not in self.tracing:
                    return self._trace(name)
        return None

    # --- jobs -----------------------------------------------------------------------------------

    def _trace(self, name: str) -> forks.Job:
        self.tracing.add(name)
        group = self.witnesses.groups[name]
        record = lambda answer: self.witnesses.record(name, share(answer, len(group)))
        return trace_job(record, lambda names: trace_group(group, names, self.run), self.modules)

    def _meet(self, trial: Trial, unmet: list[pytest.Item]) -> forks.Job:
        self.waiting.remove(trial)
        tests = [
            item
            for i, item in enumerate(unmet)
            if trial.compared or self.witnesses.seconds(unmet[:i]) <= EARLY
        ]
        planned = self.witnesses.seconds(tests)
        trial.met |= {item.nodeid for item in tests}
        trial.planned += planned
        return self._in_child(trial, lambda: self._run(trial.mutant, tests), 5 * planned)

    def _compare(self, trial: Trial) -> forks.Job | None:
        if not self.programs.ready:
            return None if self.programs.asked else self.programs.job(self.modules)
        self.waiting.remove(trial)
        trial.compared = True
        return self._in_child(trial, lambda: self._look(trial.mutant), 60.0)

    def _survive(self, trial: Trial) -> None:
        if not self.witnesses.untraced(trial.mutant.where):
            self.waiting.remove(trial)
            tests = f"{len(trial.met)} tests"
            note = tests if trial.executed else f"not executed by any of {tests}"
            self._decide(trial, "survived", "", note)

    def _in_child(self, trial: Trial, work, seconds: float) -> forks.Job:
        return forks.Job(
            lambda answer: self._answer(trial, answer), work, self.limits.grace + seconds
        )

    # --- in a child: (verdict or "", by, note, whether what is edited was executed) ----------

    def _run(self, mutant: Mutant, tests: list[pytest.Item]) -> tuple[str, str, str, bool]:
        hits = _install(mutant)
        for item, following in zip(tests, [*tests[1:], None], strict=False):
            if failure := self.run(item, following):
                return "killed", item.nodeid, failure, True
        return "", "", "", bool(hits)

    def _look(self, mutant: Mutant) -> tuple[str, str, str, bool]:
        hits = _install(mutant)
        same = self.programs.are_the_same(mutant.where) and bool(hits)
        return "equivalent" if same else "", "", "", False

    # --- answers --------------------------------------------------------------------------------

    def _answer(self, trial: Trial, answer: forks.Answer) -> None:
        trial.seconds += answer.seconds
        if answer.problem in ("timeout", "crash"):
            return self._decide(trial, answer.problem, answer.problem, "")
        if answer.problem:
            last = answer.problem.strip().rpartition("\n")[2]
            return self._decide(trial, "error", "", one_line(last))
        verdict, by, note, executed = answer.result
        trial.executed |= executed
        if verdict:
            return self._decide(trial, verdict, by, note)
        trial.idle = None
        self.waiting.append(trial)
        return None

    def _decide(self, trial: Trial, verdict: str, by: str, note: str) -> None:
        self.open.remove(trial)
        self.verdicts.append(Verdict(trial.mutant, verdict, by, note, trial.seconds))
        if by:
            self.killers[trial.mutant.where][by] += 1
        done = len(self.verdicts)
        if done == 1 or done % 25 == 0 or not self.open:
            traced = f"{len(self.witnesses.traced)} of {len(self.witnesses.groups)} tests traced"
            print(
                f"{done} of {done + len(self.open)} edits judged, {traced}, "
                f"{self.minutes:.1f} minutes",
                flush=True,
            )


def one_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _install(mutant: Mutant) -> set[bool]:
    """Make the edit; the set is filled when what is edited is evaluated."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)  # not worth keeping
    hits: set[bool] = {True} if in_defaults(mutant) else set()
    patch.install(mutant, lambda: hits.add(True))
    return hits
