"""Integrals along a guided path: the mean of the flow, by Gauss's nodes."""

from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.guidance._commuting import Way


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """64 Gauss-Legendre nodes and weights on [0, 1]."""
    x, weights = np.polynomial.legendre.leggauss(64)
    return (1 + x) / 2, weights / 2


def flow_pull(way: Way) -> Array:
    """(w/tanh y_s) int (cosh y/cosh y_s)^w dy from y_t to y_s.

    Here sinh^2 y = alpha^2 (L_wide - L_narrow)/v_narrow. With tanh y = q tanh y_s it is w int
    (u_s/u)^(w/2)/u dq up to q = 1, u = 1 - q^2 tanh^2 y_s. That form is taken where the variances
    are close: it needs no tanh y_s, which vanishes with their difference, and its integrand is flat
    there.
    """
    nodes, weights = (jnp.asarray(part, way.narrow.dtype) for part in _nodes())
    close = way.gap < way.wide / 2
    by_q = _pull_of_close(way, nodes, weights)
    # the root of 0 has no derivative
    angle = lambda alpha, tilt: jnp.arcsinh(alpha * jnp.sqrt(jnp.where(close, 1, tilt)))
    y_s, y_t = angle(way.alpha_s, way.tilt_s), angle(way.alpha_t, way.tilt_t)
    y = y_s[:, None] - (y_s - y_t)[:, None] * nodes
    powers = (jnp.cosh(y) / jnp.cosh(y_s)[:, None]) ** way.w[:, None]
    by_y = way.w * (y_s - y_t) / jnp.tanh(y_s) * (powers * weights).sum(-1)
    return jnp.where(close, by_q, by_y)


def _pull_of_close(way: Way, nodes: Array, weights: Array) -> Array:
    reach = way.fresh / (1 + way.kept)  # 1 - q at t
    below = reach[:, None] * nodes  # 1 - q
    ratio = 1 + (way.gap / way.narrow)[:, None] * below * (2 - below)  # u/u_s, u_s = narrow/wide
    powers = ratio ** (-way.w[:, None] / 2 - 1)
    return way.w * reach * way.wide / way.narrow * (powers * weights).sum(-1)


# --- quotients that are 1 at 0 ------------------------------------------------------------------


def expm1_over(x: Array) -> Array:
    """(exp(x) - 1)/x, three terms of its series near 0."""
    near = jnp.abs(x) < jnp.finfo(x.dtype).eps ** (1 / 3)
    safe = jnp.where(near, 1, x)
    return jnp.where(near, 1 + x / 2 + x**2 / 6, jnp.expm1(safe) / safe)


def log1p_over(x: Array) -> Array:
    """log(1 + x)/x, three terms of its series near 0."""
    near = jnp.abs(x) < jnp.finfo(x.dtype).eps ** (1 / 3)
    safe = jnp.where(near, 1, x)
    return jnp.where(near, 1 - x / 2 + x**2 / 3, jnp.log1p(safe) / safe)
