"""Who claims what: `@claim` on a test declares one sentence about one or more public functions."""

import importlib
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple, TypeVar

import numpy as np
import pytest

from spec_tests.families import ID
from spec_tests.instrument.grades import GRADES, names_a_proof

Test = TypeVar("Test", bound=Callable)

DEFAULT_DTYPES = ("float64", "float32")
NO_DTYPE = "any"  # what tables print for a claim that has no dtype


class Claim(NamedTuple):
    id: str
    statement: str
    of: tuple[str, ...]  # dotted names of what the claim is about
    source: str
    grade: str  # one of GRADES: the weakest of the comparisons that the claim rests on
    dtypes: tuple[str, ...]  # () for a claim that is not about numbers of one dtype
    why_dtypes: str
    test: str  # "spec_tests/fwd/test_paths.py::test_name"


CLAIMS: dict[str, Claim] = {}


def claim(
    id: str,
    statement: str,
    *,
    of: str | tuple[str, ...],
    source: str,
    grade: str,
    dtypes: tuple[str, ...] = DEFAULT_DTYPES,
    why_dtypes: str = "",
) -> Callable[[Test], Test]:
    """Declare that the decorated test holds claim `id`, and run it once for each dtype.

    The test takes an argument `dtype` (a numpy dtype); dtypes=() declares a claim without one.
    Write it above hypothesis' `@given` and name the drawn arguments there (`@given(x=...)`).
    Raises ValueError where the declaration is incomplete, and where another test has the id
    already.
    """
    of = (of,) if isinstance(of, str) else tuple(of)
    dtypes = tuple(dtypes)
    _check(id, statement, of, source, grade, dtypes, why_dtypes)

    def declare(test: Test) -> Test:
        entry = Claim(id, statement, of, source, grade, dtypes, why_dtypes, _node(test))
        if id in CLAIMS:
            raise ValueError(
                f"claim {id} is declared twice: by {CLAIMS[id].test} and by {entry.test}"
            )
        CLAIMS[id] = entry
        test.spec_claim = entry  # pyright: ignore[reportFunctionMemberAccess]
        return _over_dtypes(test, dtypes)

    return declare


def claim_of(test: Callable | None) -> Claim | None:
    """The claim that a test function declares, if it declares one."""
    return getattr(test, "spec_claim", None)


def resolve(name: str) -> object:
    """What Python finds under a dotted name after `import diffx`.  Raises AttributeError where it
    finds nothing.
    """
    package, *attributes = name.split(".")
    return reduce(getattr, attributes, importlib.import_module(package))


def _over_dtypes(test, dtypes: tuple[str, ...]):
    if not dtypes:
        return test
    return pytest.mark.parametrize("dtype", [np.dtype(name) for name in dtypes], ids=dtypes)(test)


def _node(test: Callable) -> str:
    return test.__module__.replace(".", "/") + ".py::" + test.__name__


def _check(id, statement, of, source, grade, dtypes, why_dtypes) -> None:
    if not ID.fullmatch(id):
        raise ValueError(f"claim id {id!r}: wanted a family and two digits, such as 'FWD-04'")
    for name, value in (("statement", statement), ("of", all(of) and of), ("source", source)):
        if not value:
            raise ValueError(f"claim {id}: {name} is empty")
    if grade not in GRADES:
        raise ValueError(f"claim {id}: grade {grade!r}; wanted one of {', '.join(GRADES)}")
    if grade == "bounded" and not names_a_proof(source):
        raise ValueError(
            f"claim {id} is bounded, and its source {source!r} names no proof: cite one, or write "
            "the argument in a few words, such as 'derived here: log cos is concave'"
        )
    if dtypes != DEFAULT_DTYPES and not why_dtypes:
        raise ValueError(
            f"claim {id}: dtypes={dtypes} is not the default pair {DEFAULT_DTYPES}; say why in "
            "why_dtypes"
        )
