"""Squared errors of a denoiser: of each draw, their average, half their integral over the SNR."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process, perturb


def draws(x0: Any, eps: Any) -> tuple[Array, Array]:
    """x0 and eps as n events each: one shape (n, *event)."""
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    _arguments.require(
        x0.ndim >= 2,
        f"x0 and eps must be n draws of shape (n, *event), got {x0.shape}; data in one dimension "
        "are (n, 1)",
    )
    return x0, eps


def square(x: Array) -> Array:
    """|x|^2 of each event: (n, *event) to (n,)."""
    return (x**2).reshape(x.shape[0], -1).sum(1)


def square_error(process: Process, denoise: Denoiser, x0: Array, eps: Array, t: Scalar) -> Array:
    """|x0 - D(x_t, t)|^2 of each draw, shape (n,)."""
    x0, eps = draws(x0, eps)
    return square(x0 - _arguments.answer(denoise, perturb(process, x0, eps, t), _arguments.time(t)))


def average(values: Array, weights: Any) -> Array:
    """The mean of values (n,), or their sum with the given weights (n,) of a quadrature."""
    if weights is None:
        return values.mean()
    weights = _arguments.floats("weights", weights)
    _arguments.require(
        weights.shape == values.shape,
        f"weights must have shape {values.shape}, one for each draw, got {weights.shape}; None "
        "weighs all alike",
    )
    _arguments.sum_to_one("weights", weights)
    return contract("n,n->", weights, values)


def curve(ts: Any, **values: Any) -> tuple[Array, ...]:
    """The grid, and values at each of its times."""
    ts = _arguments.grid(ts)
    arrays = tuple(_arguments.floats(name, value) for name, value in values.items())
    for name, value in zip(values, arrays, strict=True):
        _arguments.require(
            value.shape == ts.shape,
            f"{name} must have one value for each time of ts, shape {ts.shape}, got {value.shape}",
        )
    return ts, *arrays


def snr_at_ends(process: Process, ts: Array) -> tuple[Array, Array]:
    """The SNR at ts[0], the noisiest, and at ts[-1]."""
    first, last = process.log_snr(ts[0]), process.log_snr(ts[-1])
    message = lambda first, last, ts: (
        f"log-SNR must be finite along ts, got {first} at ts[0] = {ts[0]} and {last} at ts[-1] = "
        f"{ts[-1]}; "
        "the grid must end before t = 0, and begin below t = 1 where alpha(1) = 0: see "
        "diffx.grids.uniform_log_snr"
    )
    _arguments.require_finite(message, first, last, ts)
    return jnp.exp(first), jnp.exp(last)


def half_integral(process: Process, values: Array, ts: Array) -> Array:
    """(1/2) int values d SNR from SNR(ts[0]) to SNR(ts[-1]).

    Taken by the trapezoidal rule in log-SNR, d SNR = SNR dl. The integrand is flat at both ends of
    a long grid, so that the rule converges faster than any power of its step.
    """
    snr_at_ends(process, ts)  # finite, or refused
    heights = jnp.exp(process.log_snr(ts)) * values
    steps = -process.log_snr_step(ts[:-1], ts[1:])
    return (steps * (heights[:-1] + heights[1:])).sum() / 4


def square_gap(
    process: Process, denoise: Denoiser, other: Denoiser, x0: Array, eps: Array, t: Scalar
) -> Array:
    """|D(x_t, t) - D'(x_t, t)|^2 of each draw, shape (n,)."""
    x = perturb(process, x0, eps, t)
    return square(_arguments.answer(denoise, x, t) - _arguments.answer(other, x, t))
