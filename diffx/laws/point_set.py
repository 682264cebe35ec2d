r"""Finitely many weighted points."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import with_axes
from diffx._pytrees import record, with_fields
from diffx.laws._weights import require_weights


@record
class PointSet:
    """sum_i weights_i delta(x - points_i): finitely many points with weights.

    Units: points (n, *event), data units; weights (n,), not negative, summing to 1, None for equal
        ones.
    Raises: ValueError for NaN, no points, or weights that are negative or do not sum to 1.
    Source: the definition.
    Also called: empirical distribution, training set, data set as a law, Dirac mixture.
    Claims: DEN-06, PTS-03.

    >>> diffx.PointSet(jnp.zeros((3, 2))).points.shape
    (3, 2)
    """

    points: Array
    weights: Array | None = None

    def __post_init__(self) -> None:
        points = _arguments.finite("points", self.points)
        _arguments.require(
            points.ndim >= 2 and points.shape[0] >= 1,
            "points must have shape (n, *event) with n >= 1 points and at least one event axis, "
            f"got {points.shape}",
        )
        weights = None if self.weights is None else require_weights(self.weights, points.shape[0])
        with_fields(self, points=points, weights=weights)

    def log_weights(self) -> Array:
        n = self.points.shape[0]
        return (
            jnp.full(n, -np.log(n), self.points.dtype)
            if self.weights is None
            else jnp.log(self.weights)
        )

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, *event)."""
        shape = _arguments.draws(key, shape)
        return self.points[jax.random.categorical(key, self.log_weights(), shape=shape)]

    def log_prob(self, x: Array) -> Array:
        """The log-probability (not a density) of the value x; -inf off the points.

        Units: x (..., *event); the result (...,), nats.
        """
        x = _arguments.events("x", x, self.points.shape[1:])
        axes = tuple(range(-self.points.ndim + 1, 0))
        hits = jax.vmap(lambda point: (x == point).all(axes))(self.points)
        return jax.nn.logsumexp(
            jnp.where(hits, with_axes(self.log_weights(), hits.ndim - 1), -jnp.inf), axis=0
        )
