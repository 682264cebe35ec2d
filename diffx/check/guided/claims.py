r"""check_guidance: the convention of a combination, and the branch that a negative prompt
replaces.
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

    convention is "w" for u + w (c - u) or "1 + w" for (1 + w) c - w u, as the documentation of the
    code has it; with None either holds, and the finding says which. negative is the same
    combination with a negative prompt, which takes the place of the unconditional branch. rescale
    is combine followed by Lin et al. 2024, arXiv:2305.08891, eqs. (15) and (16). precision is that
    of the code's own arithmetic. An exception or a result of another shape is reported as a
    finding. The claims of the findings are CFG-01 (which combination), CFG-07 (w = 0 and w = 1),
    CFG-08 (weights sum to 1), CFG-09 (negative) and CFG-15 (rescale).

    Units: combine(cond, uncond, w) -> guided, arrays (4, 3, 2, 2), a batch of images, w a float;
        negative(cond, uncond, neg, w); rescale(cond, uncond, w, phi); arrays are numpy float64 in
        and out.
    Raises: ValueError for an unknown convention or precision.
    Also called: test of classifier-free guidance, CFG convention, guidance_scale convention.
    Claims: KIT-06.
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
