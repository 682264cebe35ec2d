"""The findings of a check: one for each claim, whatever the code under test does."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

HOLDS, FAILS, NOT_PROVIDED, DEVIATION = "holds", "fails", "not provided", "documented deviation"
Answer = tuple[bool, str, str, str]  # holds, measured, expected, one sentence on it
Measure = Callable[[], Answer]


class Finding(NamedTuple):
    """One claim about one implementation: verdict, measured value, expected value, a sentence."""

    claim: str
    verdict: str
    measured: str
    expected: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.claim} {self.verdict}: measured {self.measured}; expected {self.expected}. "
            f"{self.detail}"
        )


def finding(claim: str, measure: Measure) -> Finding:
    """The finding of measure() -> (holds, measured, expected, detail), exceptions included.

    NotImplementedError, which an adapter raises for what its library does not have, gives the
    verdict "not provided".
    """
    try:
        good, measured, expected, detail = measure()
    except NotImplementedError as absent:
        return Finding(
            claim, NOT_PROVIDED, "-", "-", str(absent) or "the implementation does not offer it"
        )
    except Exception as error:  # whatever foreign code raises is a fact about it
        return Finding(
            claim,
            FAILS,
            f"{type(error).__name__}",
            "a result",
            f"it raised {type(error).__name__}: {_line(error)}",
        )
    return Finding(claim, HOLDS if good else FAILS, measured, expected, detail)


def require_holds(findings: Iterable[Finding]) -> None:
    """AssertionError with every finding that fails, for use in the tests of a library.

    Raises: AssertionError where a finding fails.
    Also called: assert all checks pass, conformance test.
    Claims: KIT-01.
    """
    failed = [str(found) for found in findings if found.verdict == FAILS]
    if failed:
        raise AssertionError("\n".join([f"{len(failed)} claims fail:", *failed]))


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 300 else text[:297] + "..."
