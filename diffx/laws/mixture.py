r"""Gaussian mixtures."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._linalg import with_axes
from diffx._pytrees import record, with_fields
from diffx.laws._weights import require_weights
from diffx.laws.covariance import (
    Covariance,
    LowRank,
    apply_to_eigenvalues,
    diagonalise,
    require_psd,
)
from diffx.laws.gaussian import GaussianLaw


@record
class MixtureLaw:
    """sum_k weights_k N(means_k, covs_k).

    Units: weights (k,), not negative, summing to 1; means (k, d), data units; covs (k, d, d), (k,
        d), (k,), () or a LowRank whose fields have a leading axis k, squared data units.
    Raises: ValueError for weights that are negative or do not sum to 1, other shapes, NaN, or
        covariances that are not positive semi-definite.
    Source: the definition.
    Also called: Gaussian mixture, GMM, mixture of Gaussians.
    Claims: FWD-08, DEN-02, DEN-05, DEN-19.

    >>> means = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
    >>> mixture = diffx.MixtureLaw(weights=jnp.array([0.5, 0.5]), means=means, covs=jnp.array(0.1))
    """

    weights: Array
    means: Array
    covs: Covariance

    def __post_init__(self) -> None:
        means = _arguments.finite("means", self.means)
        _arguments.require(means.ndim == 2, f"means must have shape (k, d), got {means.shape}")
        weights = require_weights(self.weights, means.shape[0])
        with_fields(
            self, weights=weights, means=means, covs=_require_covariances(self.covs, *means.shape)
        )

    def components(self) -> GaussianLaw:
        """The components as one GaussianLaw whose leaves have a leading axis k, for jax.vmap."""
        return _stacked_gaussians(self.means, self.covs)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, d)."""
        shape = _arguments.draws(key, shape)
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, jnp.log(self.weights), shape=shape)
        z = jax.random.normal(noise, (*shape, self.means.shape[1]), self.means.dtype)
        draws = jax.vmap(
            lambda law: law.mean + apply_to_eigenvalues(diagonalise(law.cov), z, jnp.sqrt)
        )(self.components())
        return jnp.take_along_axis(draws, k[None, ..., None], axis=0)[0]

    def log_prob(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """The log-density at x.

        Units: x (..., d); the result (...,), nats.
        Domain: covariances of full rank.
        """
        x = _arguments.events("x", x, self.means.shape[1:])
        logs = jax.vmap(lambda law: law.log_prob(x))(self.components())
        return jax.nn.logsumexp(with_axes(jnp.log(self.weights), logs.ndim - 1) + logs, axis=0)


def _stacked_gaussians(means: Array, covs: Covariance) -> GaussianLaw:
    if not isinstance(covs, LowRank) and covs.ndim == 0:
        covs = jnp.broadcast_to(covs, means.shape[:1])
    if isinstance(covs, LowRank):
        covs = jax.vmap(
            lambda basis, v, rest: LowRank(basis, v, rest),
            (0, 0, 0 if jnp.ndim(covs.rest) else None),
        )(covs.basis, covs.variances, covs.rest)
    return jax.vmap(GaussianLaw)(means, covs)


def _require_covariances(covs: Any, k: int, d: int) -> Covariance:
    if isinstance(covs, LowRank):
        _arguments.require(
            covs.basis.ndim == 3 and covs.basis.shape[:2] == (k, d),
            f"the fields of LowRank covs need a leading axis k = {k}: basis ({k}, {d}, r), got "
            f"{covs.basis.shape}",
        )
        return covs
    covs = _arguments.finite("covs", covs)
    _arguments.require(
        covs.shape in ((), (k,), (k, d), (k, d, d)),
        f"covs must be (), (k,), (k, d), (k, d, d) or LowRank for k = {k} and d = {d}, got shape "
        f"{covs.shape}",
    )
    if covs.ndim < 3:
        _arguments.none_negative("variances", covs)
    else:
        require_psd(covs)
    return covs
