"""Numbers as they are printed."""

from decimal import Decimal
from typing import Any

from spec_tests.instrument.close import below

ONLY_64 = {
    "dtypes": ("float64",),
    "why_dtypes": "printed digits, more than float32 keeps on the way to them",
}


def as_printed(value: Any, text: str, what: str):
    """The value rounds to the printed text: it is within half a unit of the last digit there."""
    unit = 10.0 ** int(Decimal(text).as_tuple().exponent)
    below(
        abs(float(value) - float(text)) / unit,
        0.5,
        f"{what}: {text} as printed, in units of its last digit",
    )
