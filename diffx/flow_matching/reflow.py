"""Reflow: each noise paired with the data that a flow makes of it; the straightness of paths."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Number
from diffx.samplers.protocol import Sampler
from diffx.samplers.run import fold, keep_x


class Pairs(NamedTuple):
    """Pairs (x0_i, eps_i): row i of one belongs to row i of the other.

    Units: x0 and eps (n, *event).
    """

    x0: Array
    eps: Array


def reflow_pairs(sampler: Sampler, eps: Array, ts: Array) -> Pairs:
    """The pairs (x0, eps), x0 what the sampler makes of eps over the grid ts.

    Train the next flow on them with `cfm_loss`. Its paths are straighter; for Gaussian data they
    are straight, though not the optimal transport where covariances do not commute.

    Units: eps (n, *event); ts (N + 1,), decreasing.
    Raises: ValueError for a stochastic sampler.
    Source: Liu et al. 2023, arXiv:2209.03003.
    Also called: reflow, rectification, 2-rectified flow, InstaFlow.
    Claims: FM-08.
    """
    _check_deterministic(sampler)
    return Pairs(fold(sampler, eps, ts)[0], _arguments.floats("eps", eps))


def straightness(sampler: Sampler, x: Array, ts: Array) -> Number:
    """S = mean over rows of int |chord - dx/dt|^2 dt, chord = (x_N - x_0)/(t_N - t_0).

    Taken along the polygon of the steps. It is 0 where every path is a straight line at constant
    speed; with exact steps the polygon's S rises to that of the flow. For the rectified flow of
    N(m, L) it is (2 - pi/2) sqrt(L) per direction. |.|^2 sums over the last axis.

    Units: x (..., d), where the sampler starts; ts (N + 1,), decreasing; the result in squared data
        units/time.
    Raises: ValueError for a stochastic sampler.
    Source: Liu et al. 2023, arXiv:2209.03003.
    Also called: straightness of a flow, path curvature.
    Claims: FM-07, FM-08.
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
