r"""check_guidance: which combination of two predictions is this, and which branch does a negative
prompt replace?
"""

from collections.abc import Callable
from functools import partial

from diffx.check._ask import check_precision, no_measure
from diffx.check.finding import Finding, finding
from diffx.check.guided import combinations as ask


def check_guidance(
    combine: Callable,
    *,
    convention: str | None = None,
    negative: Callable | None = None,
    rescale: Callable | None = None,
    precision: str = "float64",
) -> tuple[Finding, ...]:
    r"""Findings on classifier-free guidance from its outputs alone.

    combine(cond, uncond, w) -> guided, arrays (4, 3, 2, 2), a batch of images, w a float.
    convention: "w" for u + w (c - u), "1 + w" for (1 + w) c - w u, as its documentation has it;
    None: either holds, and the finding says which.  negative(cond, uncond, neg, w): the same with a
    negative prompt, which takes the place of the unconditional branch.  rescale(cond, uncond, w,
    phi): combine, then Lin et al. 2024, arXiv:2305.08891, eqs. (15) and (16).

    Claims of the findings: CFG-01 (which combination), CFG-07 (w = 0 and w = 1), CFG-08 (weights
    sum to 1), CFG-09 (negative), CFG-15 (rescale).  precision: what the code computes in.  Arrays
    are numpy float64 in and out.  What raises or returns another shape is reported so.  Raises
    ValueError for an unknown convention or precision.  Claims: KIT-06.
    """
    if convention is not None and convention not in ask.CONVENTIONS:
        raise ValueError(
            f"convention must be one of {', '.join(map(repr, ask.CONVENTIONS))}, got {convention!r}"
        )
    given = (combine, convention, check_precision(precision))
    replaced = (
        partial(ask.replaces, negative, convention, precision)
        if negative
        else no_measure("negative")
    )
    rescaled = (
        partial(ask.rescales, rescale, combine, precision) if rescale else no_measure("rescale")
    )
    asked = {"CFG-01": partial(ask.combines, *given), "CFG-07": partial(ask.has_limits, *given)}
    asked |= {
        "CFG-08": partial(ask.weights_sum_to_one, combine, precision),
        "CFG-09": replaced,
        "CFG-15": rescaled,
    }
    return tuple(finding(claim, measure) for claim, measure in asked.items())
