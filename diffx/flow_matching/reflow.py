r"""Reflow: pair each noise with the data that a flow makes of it, and flow again; how straight the
paths are.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Number
from diffx.samplers.protocol import Sampler
from diffx.samplers.run import fold, keep_x


class Pairs(NamedTuple):
    """x0_i, eps_i: row i of one belongs to row i of the other."""

    x0: Array
    eps: Array


def reflow_pairs(sampler: Sampler, eps: Array, ts: Array) -> Pairs:
    r"""The pairs (x0 = the sampler's answer to eps over the grid ts, eps), to train the next flow
    on with `cfm_loss`.

    The paths of the next flow are straighter; for Gaussian data they are straight, though not the
    optimal transport where covariances do not commute.  eps: (n, *event).  ts: (N + 1,),
    decreasing.
    Source: Liu et al. 2023, arXiv:2209.03003.  Raises ValueError for a stochastic sampler.  Claims:
    FM-08.
    """
    _check_deterministic(sampler)
    return Pairs(fold(sampler, eps, ts)[0], _arguments.floats("eps", eps))


def straightness(sampler: Sampler, x: Array, ts: Array) -> Number:
    r"""S = mean over rows of int |chord - dx/dt|^2 dt, chord = (x_N - x_0)/(t_N - t_0), along the
    polygon that is walked.

    0 where every path is a straight line at constant speed.  With exact steps the polygon's S rises
    to that of the flow. For the rectified flow of N(m, L): (2 - pi/2) sqrt(L) a direction.  |.|^2
    sums over the last axis. x: (..., d), where the sampler starts; ts: (N + 1,), decreasing.
    Returns squared data units/time.
    Source: Liu et al. 2023, arXiv:2209.03003.  Raises ValueError for a stochastic sampler.  Claims:
    FM-07, FM-08.
    """
    _check_deterministic(sampler)
    end, nodes = fold(sampler, x, ts, keep=keep_x)
    x, ts = _arguments.floats("x", x), _arguments.grid(ts)
    _arguments.require(x.ndim > 0, "x must have an axis of entries, shape (..., d), got one number")
    steps = jnp.diff(ts).reshape(-1, *(1,) * x.ndim)
    slopes = jnp.diff(nodes, axis=0, prepend=x[None]) / steps
    off = slopes - (end - x) / (ts[-1] - ts[0])
    return (jnp.abs(steps) * off**2).sum((0, -1)).mean()


def _check_deterministic(sampler: Sampler) -> None:
    if not isinstance(sampler, Sampler):
        raise TypeError(
            "sampler must be a Sampler, such as diffx.flow_euler(velocity), got "
            f"{type(sampler).__name__}"
        )
    _arguments.require(
        sampler.noise is None,
        "a stochastic sampler gives a noise many answers: take a deterministic one, such as "
        "flow_euler or ddim without eta",
    )
