"""The laws of a noised law: its marginal at a time, and its prior, where a sampler starts."""

from typing import overload

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Scalar
from diffx.laws.covariance import dense, noised_covariance
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.processes.protocol import Process

Law = GaussianLaw | MixtureLaw | PointSet


@overload
def marginal(process: Process, law: GaussianLaw, t: Scalar) -> GaussianLaw: ...
@overload
def marginal(process: Process, law: MixtureLaw | PointSet, t: Scalar) -> MixtureLaw: ...
def marginal(process: Process, law: Law, t: Scalar) -> GaussianLaw | MixtureLaw:
    """The law of x_t = alpha x_0 + sigma eps: mean alpha m, covariance alpha^2 C + sigma^2 I.

    Component by component. A PointSet (events of one axis) becomes a mixture with covariances
    sigma^2.

    Source: Song et al. 2021, arXiv:2011.13456, eq. (29), integrated over the data.
    Also called: marginal distribution, p_t, noised distribution, smoothed density.
    Claims: FWD-03, FWD-06, FWD-07, FWD-08, FWD-15.
    """
    t = _arguments.time(t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    if isinstance(law, GaussianLaw):
        return GaussianLaw(alpha * law.mean, noised_covariance(law.cov, alpha, sigma))
    if isinstance(law, MixtureLaw):
        parts = law.components()
        return MixtureLaw(
            law.weights,
            alpha * law.means,
            jax.vmap(noised_covariance, (0, None, None))(parts.cov, alpha, sigma),
        )
    points = _flat_points(law)
    return MixtureLaw(jnp.exp(law.log_weights()), alpha * points, sigma**2)


def _flat_points(law: PointSet) -> Array:
    if not isinstance(law, PointSet):
        raise TypeError(
            f"law must be a GaussianLaw, a MixtureLaw or a PointSet, got {type(law).__name__}"
        )
    _arguments.require(
        law.points.ndim == 2,
        "a mixture or Gaussian lives on one axis, but these events have shape "
        f"{law.points.shape[1:]}; "
        "flatten them: PointSet(points.reshape(len(points), -1))",
    )
    return law.points


def gaussian_of(law: Law) -> GaussianLaw:
    """The Gaussian law with the mean and the covariance (d, d) of `law`.

    A Gaussian law is returned unchanged.
    """
    if isinstance(law, GaussianLaw):
        return law
    if isinstance(law, MixtureLaw):
        weights, points = law.weights, law.means
        inner = jax.vmap(lambda part: dense(part.cov, part.mean.shape[0]))(law.components())
        within = contract("k,kij->ij", weights, inner)
    else:
        points, within = _flat_points(law), 0
        weights = jnp.exp(law.log_weights())
    mean = contract("k,ki->i", weights, points)
    return GaussianLaw(
        mean, within + contract("k,ki,kj->ij", weights, points - mean, points - mean)
    )


def prior(process: Process, law: Law) -> GaussianLaw:
    """The law at t = 1, where a sampler starts: the marginal, or the Gaussian of its moments.

    The latter where the marginal is not Gaussian. For EDM this keeps the mean and the covariance of
    the data beside sigma_max^2, which N(0, sigma_max^2 I) drops.

    Source: `marginal` at t = 1.
    Also called: prior distribution, initial noise, init_noise_sigma, p_T.
    Claims: FWD-03, REV-39.
    """
    gaussian = gaussian_of(law)
    return marginal(
        process, gaussian, jnp.ones((), jnp.promote_types(gaussian.mean.dtype, jnp.float32))
    )
