"""Tests as witnesses of edits: which may execute a function, and which do."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from spec_tests.instrument.registry import claim_of, resolve
from spec_tests.mutants.kept import Kept, Trace
from spec_tests.mutants.sources import Reach, Sources

FAR = 9  # distance of a test that claims nothing about the room
START = 0.5  # seconds that any test costs, so that fifty cheap ones do not go before a claim


class Witnesses:
    """All tests; those of which a trace is kept are known from the beginning."""

    def __init__(self, items: Iterable[pytest.Item], sources: Sources, kept: Kept) -> None:
        self.groups: dict[str, list[pytest.Item]] = defaultdict(list)  # instances of one test
        for item in items:
            self.groups[item.nodeid.partition("[")[0]].append(item)
        self.sources, self.kept = sources, kept
        self.traces: dict[str, Trace] = {}
        self.executing: dict[str, list[pytest.Item]] = defaultdict(list)  # a function
        self.traced: set[str] = set()  # groups
        self.missed: list[str] = []  # what was executed though nobody mentions it
        self._may_reach = cache(lambda group: self._read_reach(group))
        self._nearest = cache(lambda where: self._sorted(where))
        for name, group in self.groups.items():
            known = kept.of(group[0].path)
            if all(item.nodeid in known for item in group):
                self._know(name, [known[item.nodeid] for item in group])

    def record(self, name: str, traces: list[Trace]) -> None:
        """The traces of the instances of a test, measured."""
        group = self.groups[name]
        self._know(name, traces)
        found = {item.nodeid: trace for item, trace in zip(group, traces, strict=True)}
        self.kept.put(group[0].path, found)

    def untraced(self, where: str) -> list[str]:
        """Tests that may execute a function, the nearest first.  All, once the sources have proved
        to say too little.
        """
        names = [*self.groups] if self.missed else self._nearest(where)
        return [name for name in names if name not in self.traced]

    def chosen(self, where: str, kills: Counter[str], patience: float) -> list[pytest.Item]:
        """The traced tests that execute a function, as far as patience goes: those that noticed
        edits of it before, then near and cheap ones.
        """
        order = lambda item: (
            -kills[item.nodeid],
            distance(item, where) * (START + self.traces[item.nodeid].seconds),
            item.nodeid,
        )
        chosen, planned = [], 0.0
        for item in sorted(self.executing.get(where, ()), key=order):
            if planned < patience:
                chosen.append(item)
                planned += self.traces[item.nodeid].seconds
        return chosen

    def seconds(self, items: Iterable[pytest.Item]) -> float:
        return sum(self.traces[item.nodeid].seconds for item in items)

    def may_execute(self, name: str, where: str) -> bool:
        """Whether a test mentions, directly or not, the function or its class."""
        return _definition(where) in self._may_reach(name)

    def _know(self, name: str, traces: list[Trace]) -> None:
        self.traced.add(name)
        for item, trace in zip(self.groups[name], traces, strict=True):
            self.traces[item.nodeid] = trace
            for where in trace.functions if not trace.failure else ():
                self.executing[where].append(item)
        functions = {where for trace in traces for where in trace.functions}
        self.missed += [
            f"{name} executes {where}, which the sources do not say: every test is traced"
            for where in sorted(functions)
            if not self.may_execute(name, where)
        ]

    def _sorted(self, where: str) -> list[str]:
        names = [name for name in self.groups if self.may_execute(name, where)]
        key = lambda name: (distance(self.groups[name][0], where), len(self._may_reach(name)), name)
        return sorted(names, key=key)

    def _read_reach(self, group: str) -> set[str]:
        item = self.groups[group][0]
        owner = getattr(item, "cls", None)
        name = owner.__name__ if owner else getattr(item, "originalname", None) or item.name
        return _reach(self.sources, item.path).of(name)


_reaches: dict[Path, Reach] = {}


def _reach(sources: Sources, file: Path) -> Reach:
    if file not in _reaches:
        _reaches[file] = Reach(sources, file)
    return _reaches[file]


@cache
def distance(item: pytest.Item, where: str) -> int:
    """How many times cheaper another test has to be to go first: claims of the function are the
    nearest, then those of its module, of its room.
    """
    claim = claim_of(getattr(item, "function", None))
    again = 2 if "float32" in item.name else 1  # sees what the float64 instance has seen, mostly
    found = [_apart(_place(name), where) for name in claim.of] if claim else []
    return again * min([*found, FAR])


def _apart(target: str, where: str) -> int:
    module = where.partition(":")[0]
    room = ".".join(module.split(".")[:2])
    if where == target or where.startswith(target + "."):
        return 1
    if target.startswith(module + ":"):
        return 2
    return 3 if target.startswith((room + ":", room + ".")) else FAR


def _place(name: str) -> str:
    """ "module:function" of a dotted name."""
    target = resolve(name)
    return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"


def _definition(where: str) -> str:
    """ "module:Class" of "module:Class.method"."""
    module, _, function = where.partition(":")
    return f"{module}:{function.partition('.')[0]}"
