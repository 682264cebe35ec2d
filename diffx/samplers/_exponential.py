"""Exponential integrators: the linear part of the reverse process solved exactly.

The model's answer is taken as a polynomial. In lambda = log(alpha/sigma), half the log-SNR, with h
= lambda_s - lambda_t > 0, the reverse family of diffusion eta is

    x_s = sigma_s/sigma_t exp(-eta^2 h) x_t + alpha_s q int_0^h exp(-q (h - tau)) D(tau) dtau
        + noise,   q = 1 + eta^2,

and the probability flow is also x_s = alpha_s/alpha_t x_t - sigma_s int_0^h exp(h - tau) eps(tau)
dtau: variation of constants, Lu et al. 2022, arXiv:2206.00927, Proposition 3.1, and
arXiv:2211.01095, Proposition 4.1 (eta = 0). A method is a polynomial for D or eps, through answers
of this step or of those before. Its Newton form is used: one more node is one more divided
difference, and the difference vanishes where the node is not there.
"""

from collections.abc import Sequence
from math import factorial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process
from diffx.samplers.multistep import memory_times

TERMS = 24  # of the series: 2^24/25! = 1e-18


def eps_at(process: Process, denoise: Denoiser, x: Array, t: Array) -> Array:
    """The noise that the denoiser's answer leaves in x."""
    return eps_of_x0(process, x, denoise(x, t), t)


def phis(n: int, z: Array) -> list[Array]:
    r"""phi_k(z) = int_0^1 exp((1 - u) z) u^(k-1)/(k-1)! du = sum_j z^j/(j + k)!, for k = 1, ..., n.

    phi_{k+1} = (phi_k - 1/k!)/z upwards loses all digits of phi_2 in float32 at z = 1e-3: where |z|
    < 2 the last is summed and the recurrence taken downwards.
    """
    small = jnp.abs(z) < 2
    near, far = jnp.where(small, z, 0), jnp.where(small, 2, z)
    powers = near[..., None] ** jnp.arange(TERMS)
    down = [
        (powers * jnp.asarray([1 / factorial(j + n) for j in range(TERMS)], near.dtype)).sum(-1)
    ]
    up = [jnp.expm1(far) / far]
    for k in range(1, n):
        down.append(near * down[-1] + 1 / factorial(n - k))
        up.append((up[-1] - 1 / factorial(k)) / far)
    return [jnp.where(small, a, b) for a, b in zip(reversed(down), up, strict=True)]


def span(process: Process, t: Array, s: Array) -> Array:
    """h = lambda_s - lambda_t, but 0 where it is infinite (alpha_t = 0 or sigma_s = 0).

    There a polynomial in lambda has no meaning: with h = 0 all of it but its constant vanishes, and
    the step is that of DDIM.
    """
    h = -process.log_snr_step(t, s) / 2
    return jnp.where(jnp.isfinite(h), h, 0)


def time_between(process: Process, t: Array, s: Array, part: float) -> Array:
    """The time at lambda_t + part h; t where h is infinite and nothing lies between."""
    step = process.log_snr_step(t, s)
    finite = jnp.isfinite(step)
    inside = jnp.where(finite, process.log_snr(t) - part * step, 0)
    return jnp.where(finite, process.time_of_log_snr(inside), t)


def moments(h: Array, n: int, *, rate: Any) -> list[Array]:
    """int_0^h exp(rate (h - tau)) tau^k dtau = k! h^(k+1) phi_{k+1}(rate h), k < n."""
    return [factorial(k) * h ** (k + 1) * value for k, value in enumerate(phis(n, rate * h))]


def slope_weight(h: Array, *, rate: int) -> Array:
    """h phi_2(rate h): the weight of a slope within one step, over h."""
    return h * phis(2, rate * h)[1]


def newton_weights(nodes: Sequence[Array], moments: Sequence[Array]) -> list[Array]:
    """The integrals of (tau - tau_0)...(tau - tau_{j-1}), j >= 1, from those of tau^k.

    They are the weights of the divided differences.
    """
    polynomial, weights = [jnp.ones_like(moments[0])], []
    for node in nodes[:-1]:
        shifted, scaled = [0.0, *polynomial], [*(node * c for c in polynomial), 0.0]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
        weights.append(sum(c * m for c, m in zip(polynomial, moments, strict=False)))
    return weights


def differences(values: Sequence[Array], nodes: Sequence[Any], known: Sequence[Any]) -> list[Array]:
    """The divided differences f[0, 1], f[0, 1, 2], ...; 0 where they need an unknown node."""
    leading, table = [], list(values)
    for width in range(1, len(values)):
        pairs = zip(
            table[:-1], table[1:], nodes[:-width], nodes[width:], known[width:], strict=True
        )
        table = [
            jnp.where(there, (f - g) / jnp.where(there, a - b, 1), 0) for f, g, a, b, there in pairs
        ]
        leading.append(table[0])
    return leading


class Memory(NamedTuple):
    """Answers of earlier steps, newest first.

    Their values, their tau = lambda - lambda_t < 0, and whether they are known.
    """

    values: list[Array]
    nodes: list[Array]
    known: list[Array]


def recall(process: Process, state: Any, t: Array) -> Memory:
    """The memory of a multi-step state as nodes in lambda.

    An answer taken where alpha = 0 lies at -infinity and does not count.
    """
    known, times = memory_times(state, t)
    nodes = process.log_snr_step(times, t) / 2
    known = known & jnp.isfinite(nodes)
    return Memory(list(state.past), list(jnp.where(known, nodes, 0)), list(known))


def slopes(value: Array, memory: Memory) -> list[Array]:
    """The divided differences of the polynomial through value, at tau = 0, and the memory."""
    return differences([value, *memory.values], [0.0, *memory.nodes], [True, *memory.known])


def weights(memory: Memory, h: Array, *, rate: int) -> list[Array]:
    """The weights of the divided differences in int_0^h exp(rate (h - tau)) p(tau) dtau."""
    nodes = [0 * h, *memory.nodes]
    return newton_weights(nodes, moments(h, len(nodes), rate=rate))


def bend(value: Array, memory: Memory, of_slopes: Sequence[Array]) -> Array:
    """The integral of the polynomial less its value at tau = 0, differences weighed by of_slopes.

    It is 0 without a memory.
    """
    return sum(
        (weight * slope for weight, slope in zip(of_slopes, slopes(value, memory), strict=True)),
        0 * value,
    )


def an_order(order: Any, most: int, method: str) -> int:
    """An order that the method has."""
    order = _arguments.count("order", order)
    _arguments.require(order <= most, f"{method} has the orders 1 to {most}, got order={order}")
    return order


def ddim_update(process: Process, x: Array, x0: Array, t: Array, s: Array) -> Array:
    """x at t moved to s with x0 and eps = (x - alpha_t x0)/sigma_t held."""
    return process.alpha(s) * x0 + process.sigma(s) / process.sigma(t) * (x - process.alpha(t) * x0)
