"""From an adapter to records: every claim that it makes runnable, and what it lacks said as
such.
"""

import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from types import ModuleType
from typing import NamedTuple

from diffx.check.finding import FAILS, NOT_PROVIDED, Finding
from spec_tests.conformance.target import KINDS, Target


class Record(NamedTuple):
    """What --json writes, one a claim and target."""

    library: str
    version: str
    target: str
    claim: str
    verdict: str
    measured: str
    expected: str
    detail: str


def records_of(
    adapter: ModuleType, *, only: str = "*", say: Callable[[str], None] = lambda line: None
) -> list[Record]:
    """Records of every target whose name matches `only`; an adapter that raises is reported, and
    the run goes on.
    """
    library, version, found = getattr(adapter, "LIBRARY", adapter.__name__), _version(adapter), []
    for kind in KINDS:
        for target, findings in _of_kind(adapter, kind, only, say):
            found += [Record(library, version, target, *one) for one in findings]
    return found


def _version(adapter: ModuleType) -> str:
    try:
        return str(adapter.version())
    except Exception as error:  # a version is not worth the run
        return f"unknown ({type(error).__name__})"


def _of_kind(
    adapter: ModuleType, kind: str, only: str, say: Callable[[str], None]
) -> Iterator[tuple[str, list[Finding]]]:
    offer, claims = getattr(adapter, kind, None), KINDS[kind].claims
    targets = list(_targets(offer, kind)) if offer else []
    if not targets and only == "*":
        yield (
            "-",
            [
                Finding(claim, NOT_PROVIDED, "-", "-", f"the adapter has no {kind}")
                for claim in claims
            ],
        )
    for target in targets:
        if isinstance(target, Finding):
            yield kind, [target]
        elif not isinstance(target, Target):
            yield (
                kind,
                [
                    _failed(
                        kind,
                        "targets",
                        f"the adapter's {kind}() gave {target!r}, which is no Target",
                    )
                ],
            )
        elif fnmatch(target.name, only):
            begin = time.perf_counter()
            findings = _checked(kind, target)
            say(f"{target.name}: {_tally(findings)} ({time.perf_counter() - begin:.1f} s)")
            yield target.name, findings


def _targets(offer: Callable, kind: str) -> Iterator[Target | Finding]:
    """What the adapter yields; an exception in it ends this kind alone."""
    try:
        yield from offer()
    except Exception as error:
        yield _failed(
            kind, "targets", f"the adapter's {kind}() raised {type(error).__name__}: {error}", error
        )


def _checked(kind: str, target: Target) -> list[Finding]:
    try:
        findings = list(KINDS[kind].check(**target.arguments))
    except Exception as error:  # of the arguments: checks report what foreign code raises
        return [
            _failed(
                kind, "a check", f"the adapter's arguments: {type(error).__name__}: {error}", error
            )
        ]
    return [_with_snippet(one, target) for one in findings]


def _failed(kind: str, wanted: str, says: str, error: Exception | None = None) -> Finding:
    """A mistake of the adapter itself, under the first claim of its kind."""
    return Finding(
        KINDS[kind].claims[0],
        FAILS,
        type(error).__name__ if error else "something else",
        wanted,
        says,
    )


def _with_snippet(found: Finding, target: Target) -> Finding:
    try:
        text = target.snippet(found.claim) if callable(target.snippet) else target.snippet
    except Exception as error:  # what was found is worth more than how to show it
        text = f"# the adapter's snippet raised {type(error).__name__}: {error}"
    if found.verdict != FAILS or not text:
        return found
    return found._replace(detail=f"{found.detail}\nReproduce:\n{text.strip()}")


def _tally(findings: list[Finding]) -> str:
    verdicts = [one.verdict for one in findings]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts)))
