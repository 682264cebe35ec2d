"""The divergence of a field: exact, or estimated by random probes; the variance of the estimate."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import NARROW
from diffx._types import Number, Scalar

LANES = 16  # directions at a time where there are many: memory is 16 times the batch


def divergence(field: Callable[[Array, Scalar], Array], x: Array, t: Scalar) -> Array:
    """div u(x, t) = sum_j d u_j/d x_j, exactly, by d forward-mode derivatives.

    Units: field (x, t) -> u of the shape of x, each point by itself (no normalisation over the
        batch); x (..., d), data units; the result (...,), 1/time.
    Raises: ValueError for a field of another shape.
    Source: the definition.
    Also called: trace of the Jacobian, exact divergence.
    Claims: DEN-17, LIK-01.
    """
    t = _arguments.time(t)
    return value_and_divergence(lambda x: field(x, t), vectors(x), None)[1]


def hutchinson(
    field: Callable[[Array, Scalar], Array], x: Array, t: Scalar, probes: Array
) -> Array:
    """(1/K) sum_k z_k' (du/dx) z_k: an estimate of div u(x, t) without bias where E[z z'] = I.

    One derivative per probe, whatever d is. Its variance is `sign_probe_variance(J)/K` or
    `normal_probe_variance(J)/K` with J = du/dx.

    Units: probes (K, *x.shape), K directions z for every point, drawn by the caller: signs
        `jax.random.rademacher(key, (K, *x.shape), x.dtype)` or normals; field, x and the result as
        for `divergence`.
    Raises: ValueError for probes of another shape.
    Source: Hutchinson 1989; Grathwohl et al. 2019, arXiv:1810.01367.
    Also called: Hutchinson trace estimator, Skilling-Hutchinson estimator, stochastic trace
        estimation, Rademacher probes.
    Claims: DEN-17, LIK-01.
    """
    x, t = vectors(x), _arguments.time(t)
    return value_and_divergence(lambda x: field(x, t), x, directions(probes, x))[1]


def sign_probe_variance(matrix: Array) -> Number:
    """Var z' A z = 2 sum_{i != j} S_ij^2 for independent signs z_i = +-1, S = (A + A')/2.

    The mean is tr A. The variance is zero for a diagonal matrix.

    Units: matrix A, (d, d).
    Raises: ValueError unless A is square.
    Source: Hutchinson 1989; in this form derived here: the products z_i z_j, i < j, are
        uncorrelated and have variance 1.
    Also called: variance of Hutchinson's estimator with Rademacher probes.
    Claims: DEN-17.
    """
    even = _symmetric_part(matrix)
    return 2 * ((even - jnp.diag(jnp.diag(even))) ** 2).sum()


def normal_probe_variance(matrix: Array) -> Number:
    """Var z' A z = 2 |S|_F^2 for z ~ N(0, I), S = (A + A')/2.

    The mean is tr A. The variance exceeds that of signs by 2 sum_i A_ii^2.

    Units: matrix A, (d, d).
    Raises: ValueError unless A is square.
    Source: Avron and Toledo 2011; derived here: in the eigenvectors of S it is a sum of independent
        chi-squares.
    Also called: variance of Hutchinson's estimator with Gaussian probes.
    Claims: DEN-17.
    """
    return 2 * (_symmetric_part(matrix) ** 2).sum()


def _symmetric_part(matrix: Any) -> Array:
    matrix = _arguments.floats("matrix", matrix)
    _arguments.require(
        matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1],
        f"matrix must be the square (d, d) Jacobian of a field, got shape {matrix.shape}; for a "
        "batch use jax.vmap",
    )
    return (matrix + matrix.T) / 2


def vectors(x: Any) -> Array:
    """Points (..., d)."""
    x = _arguments.floats("x", x)
    _arguments.require(
        x.ndim >= 1,
        "x must have shape (..., d), an event on its last axis, got one number; give x[None]",
    )
    return x


def directions(probes: Any, x: Array) -> Array:
    """Probes (K, *x.shape), as floats of x's dtype."""
    probes = _arguments.floats("probes", probes)
    wanted = ("K", *x.shape)
    _arguments.require(
        probes.shape[1:] == x.shape and probes.ndim == x.ndim + 1 and probes.shape[0] >= 1,
        f"probes must have shape (K, *x.shape) = ({', '.join(map(str, wanted))}) with K >= 1, a "
        "direction of its own for every "
        f"point, got {probes.shape}; for example jax.random.rademacher(key, (1, *x.shape), "
        "x.dtype)",
    )
    return probes.astype(x.dtype)


def value_and_divergence(
    function: Callable[[Array], Array], x: Array, probes: Array | None
) -> tuple[Array, Array]:
    """function(x) and the trace of its Jacobian at every point, exact or the mean over probes."""
    value, push = jax.linearize(function, x)
    _arguments.require(
        value.shape == x.shape,
        f"the field must answer in the shape of x, {x.shape}, but gave {value.shape}",
    )
    along = lambda z: (z * push(z)).sum(-1)
    if probes is not None:
        return value, jax.lax.map(along, probes, batch_size=LANES).mean(0)
    d = x.shape[-1]
    axes = jnp.eye(d, dtype=x.dtype)
    if (
        d <= NARROW
        # written out: 6 times as fast as a vmap over 2 directions, whose axis would come to lie
        # between
    ):
        return value, sum(
            (push(jnp.broadcast_to(axes[j], x.shape))[..., j] for j in range(d)),
            jnp.zeros(x.shape[:-1], x.dtype),
        )
    return value, jax.lax.map(
        lambda z: along(jnp.broadcast_to(z, x.shape)), axes, batch_size=LANES
    ).sum(0)
