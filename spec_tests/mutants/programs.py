"""The programs that examples trace to, to see that an edit changes none of them."""

from pathlib import Path

from spec_tests.mutants import equivalent, forks
from spec_tests.mutants.kept import Kept, Trace
from spec_tests.mutants.reach import trace_job, trace_programs


class Programs:
    """Those of all examples as the formulas stand: kept, or traced once when somebody asks."""

    def __init__(self, examples: dict[str, equivalent.Example], file: Path, kept: Kept) -> None:
        self.examples, self.file, self.kept = examples, file, kept
        known = kept.of(file) if examples else {}
        self.traces: dict[str, Trace] = {name: known[name] for name in examples if name in known}
        self.ready = len(self.traces) == len(examples)
        self.asked = False

    def job(self, modules: list[str]) -> forks.Job:
        """Trace those that are missing."""
        self.asked = True
        missing = {n: example for n, example in self.examples.items() if n not in self.traces}
        return trace_job(self._record, lambda names: trace_programs(missing, names), modules)

    @property
    def broken(self) -> list[str]:
        return [
            f"example {name} proves nothing: {trace.failure}"
            for name, trace in self.traces.items()
            if trace.failure
        ]

    def are_the_same(self, where: str) -> bool:
        """In a child with an edit of a function: no example that executes it has changed."""
        names = [
            name
            for name, trace in self.traces.items()
            if where in trace.functions and not trace.failure
        ]
        return bool(names) and all(map(self._is_the_same, names))

    def _is_the_same(self, name: str) -> bool:
        try:
            return equivalent.fingerprint(self.examples[name]) == self.traces[name].fingerprint
        except Exception:
            return False  # the original did not raise

    def _record(self, answer: forks.Answer) -> None:
        if answer.problem:
            raise RuntimeError(f"tracing the examples failed: {answer.problem}")
        found = {name: Trace(*trace) for name, trace in answer.result.items()}
        self.traces |= found
        self.ready = True
        self.kept.put(self.file, found)
