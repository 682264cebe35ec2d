"""Gaussian laws. A law lives on the last axis of its arrays; every axis before it is a batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._pytrees import record, with_fields
from diffx.laws.covariance import (
    Covariance,
    LowRank,
    apply_to_eigenvalues,
    diagonalise,
    eigenvalues,
    require_covariance,
)

LOG_2PI = float(np.log(2 * np.pi))


@record
class GaussianLaw:
    """N(mean, cov).

    A derivative in a (d, d) covariance with repeated eigenvalues is NaN wherever eigh is used (all
    but log_prob and w2).

    Units: mean (d,), data units; cov (d, d), (d,), () or LowRank, squared data units, positive
        semi-definite.
    Raises: ValueError for other shapes, NaN, or a covariance that is not symmetric and positive
        semi-definite.
    Source: the definition.
    Also called: Gaussian data, normal distribution, multivariate normal.
    Claims: DEN-04, DEN-19.

    >>> diffx.GaussianLaw(mean=jnp.zeros(2), cov=jnp.array([1.0, 4.0])).cov.tolist()
    [1.0, 4.0]
    """

    mean: Array
    cov: Covariance

    def __post_init__(self) -> None:
        mean = _arguments.finite("mean", self.mean)
        _arguments.require(
            mean.ndim == 1,
            f"mean must have shape (d,), got {mean.shape}; for a batch of laws use jax.vmap",
        )
        with_fields(self, mean=mean, cov=require_covariance(self.cov, mean.shape[0]))

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, d)."""
        shape = _arguments.draws(key, shape)
        z = jax.random.normal(key, (*shape, *self.mean.shape), self.mean.dtype)
        return self.mean + apply_to_eigenvalues(diagonalise(self.cov), z, jnp.sqrt)

    def log_prob(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """The log-density at x.

        Units: x (..., d); the result (...,), nats.
        Domain: a covariance of full rank.
        """
        x = _arguments.events("x", x, self.mean.shape)
        if isinstance(self.cov, LowRank) or self.cov.ndim < 2:
            return gaussian_log_prob(self.mean, self.cov, x)
        # unlike eigh's, its derivative is finite for repeated eigenvalues
        root = jnp.linalg.cholesky(self.cov)
        white = jax.scipy.linalg.solve_triangular(
            root, (x - self.mean).reshape(-1, len(root)).T, lower=True
        )
        return _log_density(white.T.reshape(x.shape), 2 * jnp.log(jnp.diag(root)))


def require_gaussian(law: Any, what: str) -> GaussianLaw:
    """The law itself; what begins the sentence of the error, such as "exact_flow"."""
    if not isinstance(law, GaussianLaw):
        raise TypeError(
            f"{what} needs a GaussianLaw, got {type(law).__name__}; diffx.laws.gaussian_of has its "
            "moments"
        )
    return law


def gaussian_variances(law: Any, what: str) -> Array:
    """The variances of a GaussianLaw along its eigenvectors, (d,).

    what: as for `require_gaussian`.
    """
    return eigenvalues(require_gaussian(law, what).cov, law.mean.shape[0])


def gaussian_log_prob(mean: Array, cov: Covariance, x: Array) -> Array:
    """The log-density with cov diagonalised."""
    white = apply_to_eigenvalues(cov, x - mean, lambda v: 1 / jnp.sqrt(v))
    return _log_density(white, jnp.log(eigenvalues(cov, mean.shape[0])))


def _log_density(white: Array, log_variances: Array) -> Array:
    return -((white**2).sum(-1) + log_variances.sum() + white.shape[-1] * LOG_2PI) / 2
