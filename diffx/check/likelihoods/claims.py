r"""check_log_prob: log-likelihoods, asked where the density is known."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from diffx.check.finding import Finding, finding
from diffx.check.likelihoods import density as ask
from diffx.check.likelihoods.density import Case


def check_log_prob(
    log_prob: Callable,
    *,
    start: tuple[float, float],
    end: tuple[float, float] = (1.0, 0.0),
    exact: bool = True,
    draws: int = 64,
    tolerance: float = 1e-4,
    prior: Any = "marginal",
) -> tuple[Finding, ...]:
    r"""Findings on log p(x) by the change of variables along the probability flow.

    denoise(x, alpha, sigma) -> E[x_0 | x] is the network, and denoise.pull(x, alpha, sigma, v) ->
    v dD/dx its derivative, for code that differentiates. start and end are (alpha, sigma) at the
    noise end and at the data end of the library's flow. prior is the deviation of the centred
    normal in which the flow ends; for it the flow of Gaussian data and of a mixture is known
    exactly. With prior="marginal" the density of the data is expected, up to the change that a
    normal of variance sigma^2 or alpha^2 + sigma^2 at `start` makes in it.

    With exact=True log_prob is deterministic, and it is asked on a Gaussian in the plane, near and
    far, and on a mixture of two on the line, where the density must integrate to 1 as well: LIK-01.
    tolerance is that of the solver, relative to 1 + |log p|. With exact=False it draws its own
    probes (Hutchinson); the mean of `draws` calls must lie within five deviations, by the closed
    form 2 |M|_F^2/draws, M the logarithm of the flow: DEN-17. An exception or a result of another
    shape is reported as a finding.

    Units: log_prob(denoise, x) -> (B,) in nats, for rows x (B, d) at the noise level `end`.
    Raises: ValueError for invalid levels, an invalid prior, or fewer than 2 draws.
    Also called: test of a likelihood, bits per dimension check, Hutchinson trace estimator check.
    Claims: KIT-05, KIT-09.
    """
    case = Case(log_prob, _level("start", start), _level("end", end), tolerance, _prior(prior))
    if exact:
        return (finding("LIK-01", partial(ask.is_the_density, case)),)
    if draws < 2:
        raise ValueError(f"draws must be 2 or more, got {draws}")
    return (finding("DEN-17", partial(ask.is_unbiased, case, draws)),)


def _level(name: str, level: Any) -> tuple[float, float]:
    if np.shape(level) != (2,):
        raise ValueError(f"{name} must be (alpha, sigma), got {level!r}")
    alpha, sigma = (float(x) for x in level)
    if not (np.isfinite([alpha, sigma]).all() and alpha >= 0 and sigma >= 0 and alpha + sigma > 0):
        raise ValueError(
            f"{name} must be (alpha, sigma), both 0 or more and finite, got {tuple(level)}"
        )
    return alpha, sigma


def _prior(prior: Any) -> float | None:
    if isinstance(prior, str):
        if prior != "marginal":
            raise ValueError(f'prior must be "marginal" or a deviation, got {prior!r}')
        return None
    if not (isinstance(prior, Real) and float(prior) > 0):
        raise ValueError(f'prior must be "marginal" or a positive deviation, got {prior!r}')
    return float(prior)
