r"""check_sampler: any sampler, judged by its outputs alone."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from numbers import Real
from typing import Literal

import numpy as np

from diffx.check._ask import check_precision
from diffx.check.finding import Finding, finding
from diffx.check.samplers import laws as ask, own_noise as own
from diffx.check.samplers.case import Case, Nodes, SampleRun
from diffx.check.samplers.convergence import has_order

STEPS = (16, 32, 64, 128)


def check_sampler(
    run: SampleRun,
    nodes: Nodes,
    *,
    order: int | None = None,
    noise: bool | Literal["own"] = False,
    eta: float | None = None,
    exact_on_points: bool = False,
    precision: str = "float64",
    steps: Sequence[int] = STEPS,
) -> tuple[Finding, ...]:
    r"""Findings on a sampler from its outputs alone: purity, law and order of convergence.

    run starts from rows x (B, d) at the first of the nodes of n steps, takes the first `stop` steps
    and returns the rows. denoise(x, alpha, sigma) -> E[x_0 | x] is the network, in whatever
    parametrisation the adapter turns it; normal(shape) is the source of every standard normal (None
    unless noise=True). nodes gives the library's own noise levels from noise to data, one more than
    steps.

    noise is False for a deterministic method. With "own" normal is None and the sampler draws its
    own noise; it is then judged by 100,000 samples with the chances that check_samples states:
    REV-16 exactly, REV-01 roughly, REV-17 and REV-19 not at all.

    order is the one that its authors state, of trajectories where there is no noise, else of the
    law; None: not asked. eta is the stated member of the first-order family, 0 for DDIM and every
    Euler step in disguise (REV-15), 1 for ancestral sampling (REV-16); None: none. exact_on_points
    says that it is an exponential integrator (REV-17). precision is that of the code's own
    arithmetic; arrays are float64 all the same. Each number of steps is twice the one before. The
    claims of the findings are API-01, API-04, REV-01 or REV-02, REV-11 or REV-16, REV-17 and
    REV-19. An exception or a result of another shape is reported as a finding.

    Units: run(denoise, x, n, stop, normal) -> x', numpy float64 in and out; nodes(n) -> (alphas,
        sigmas).
    Raises: ValueError for an invalid noise, order, eta, precision or steps.
    Also called: test of a sampler, order of convergence, convergence test, scheduler test.
    Claims: KIT-01.
    """
    _check_arguments(noise, order, eta, steps)
    check_precision(precision)
    case = Case(run, nodes, noise is True, float(np.finfo(precision).eps) * 2**10, tuple(steps))
    drawn = noise == "own"
    claims: list[tuple[str, Callable]] = [
        ("API-01", own.leaves_its_input if drawn else ask.is_a_function)
    ]
    claims += [("API-04", ask.keeps_the_type)]
    claims += [("REV-01" if noise else "REV-02", own.draws_marginal if drawn else ask.converges)]
    if eta is not None:
        claims += [
            (
                "REV-16" if eta else "REV-11",
                partial(own.draws_first_order if drawn else ask.is_first_order, eta=eta),
            )
        ]
    claims += (
        [("REV-17", own.refuse if drawn else ask.is_exact_on_points)] if exact_on_points else []
    )
    if order is not None:
        claims += [("REV-19", own.refuse if drawn else partial(has_order, order=order))]
    return tuple(finding(claim, partial(measure, case)) for claim, measure in claims)


def _check_arguments(noise: object, order: object, eta: object, steps: Sequence[int]) -> None:
    """Refuse invalid arguments: a mistake of the caller is not one of the sampler."""
    if not isinstance(noise, bool) and noise != "own":
        raise ValueError(f'noise must be False, True or "own", got {noise!r}')
    for name, value, least in (("order", order, 1), ("eta", eta, 0)):
        if value is not None and not (isinstance(value, Real) and float(value) >= least):
            raise ValueError(f"{name} must be None or a number, {least} or more, got {value!r}")
    if len(steps) < 2 or steps[0] < 1 or any(b != 2 * a for a, b in pairwise(steps)):
        raise ValueError(
            f"steps must double from one to the next, such as (16, 32, 64), got {tuple(steps)}"
        )
