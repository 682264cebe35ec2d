"""Stochastic interpolants x_t = (1 - t) x0 + t x1 + gamma(t) z: any two laws joined.

z is a latent standard normal.
"""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx._pytrees import record
from diffx._types import Floats, Points, Scalar
from diffx.laws.covariance import dense
from diffx.laws.gaussian import GaussianLaw, require_gaussian


@record
class Interpolant:
    """x_t = (1 - t) x0 + t x1 + gamma(t) z with gamma = scale sqrt(t (1 - t)).

    gamma is the spread of a Brownian bridge. x0 is data, at t = 0; x1 is noise or other data, at t
    = 1. scale = 0 is the rectified flow of a coupling.

    Units: scale in data units, not negative.
    Raises: ValueError for a negative scale.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797.
    Also called: stochastic interpolant, Brownian bridge interpolant, two-sided interpolant.
    Claims: FM-14.

    >>> round(float(diffx.flow_matching.Interpolant(scale=1.0).gamma(0.5)), 6)
    0.5
    """

    scale: Scalar = 1.0

    def __post_init__(self) -> None:
        _arguments.not_negative(scale=self.scale)

    def gamma(self, t: Any) -> Floats:
        t = _arguments.times(t)
        return self.scale * jnp.sqrt(t * (1 - t))

    def gamma_rate(self, t: Any) -> Floats:
        """gamma'(t), infinite at both ends.

        Domain: t in (0, 1).
        """
        t = _arguments.times(t)
        return self.scale * (1 - 2 * t) / (2 * jnp.sqrt(t * (1 - t)))


def interpolate(interpolant: Interpolant, x0: Points, x1: Points, z: Points, t: Scalar) -> Points:
    """x_t = (1 - t) x0 + t x1 + gamma(t) z.

    Units: x0, x1 and z of one shape.
    Raises: ValueError for unequal shapes.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797.
    Also called: stochastic interpolant, linear interpolation with a latent.
    Claims: FM-14.
    """
    x0, x1, z = _arguments.same_shape(x0=x0, x1=x1, z=z)
    t = _arguments.time(t)
    return ((1 - t) * x0 + t * x1 + interpolant.gamma(t) * z).astype(x0.dtype)


def interpolant_target(
    interpolant: Interpolant, x0: Points, x1: Points, z: Points, t: Scalar
) -> Points:
    """dx_t/dt = x1 - x0 + gamma'(t) z: the target of a velocity network.

    Its mean given x_t is the velocity b.

    Units: x0, x1 and z of one shape; the result in data units/time.
    Domain: t in (0, 1).
    Raises: ValueError for unequal shapes.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797.
    Also called: stochastic interpolant regression target.
    Claims: FM-14.
    """
    x0, x1, z = _arguments.same_shape(x0=x0, x1=x1, z=z)
    return (x1 - x0 + interpolant.gamma_rate(_arguments.time(t)) * z).astype(x0.dtype)


def score_of_latent(interpolant: Interpolant, z: Points, t: Scalar) -> Points:
    """grad log p_t(x) = -E[z | x_t = x]/gamma(t).

    Units: z that mean, or a network's estimate of it.
    Raises: ValueError where gamma(t) = 0: at t = 0, at t = 1 and for scale = 0.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797.
    Also called: score of a stochastic interpolant, score from the denoiser eta_z.
    Claims: FM-14.
    """
    z, t = _arguments.floats("z", z), _arguments.time(t)
    message = lambda s, t: (
        f"the score needs gamma(t) > 0, got t = {t} and a scale of {s}: take 0 < t < 1 and a scale "
        "> 0"
    )
    _arguments.require_that(lambda s, t: (s > 0) & (t > 0) & (t < 1), message, interpolant.scale, t)
    return (-z / interpolant.gamma(t)).astype(z.dtype)


# --- Gaussian couplings: everything is linear in x_t --------------------------------------------


def interpolant_law(interpolant: Interpolant, joint: GaussianLaw, t: Scalar) -> GaussianLaw:
    """The law of x_t: N((1-t) m0 + t m1, (1-t)^2 C00 + t (1-t) (C01 + C10) + t^2 C11 + gamma^2 I).

    With the `entropic_coupling` of std = scale these are the marginals of the Schroedinger bridge.

    Units: joint the GaussianLaw of (x0, x1), dimension 2d, such as `independent_coupling` or
        `entropic_coupling`.
    Source: the covariance of a sum of Gaussians.
    Also called: marginal of a stochastic interpolant.
    Claims: FM-14.
    """
    t = _arguments.time(t)
    (m0, m1), (to_x0, to_x1) = _parts(joint, t)
    cov = (
        (1 - t) * to_x0
        + t * to_x1
        + interpolant.gamma(t) ** 2 * jnp.eye(len(m0), dtype=to_x0.dtype)
    )
    return GaussianLaw((1 - t) * m0 + t * m1, (cov + cov.T) / 2)


def _parts(joint: GaussianLaw, t: Array) -> tuple[Array, Array]:
    """The means of x0 and x1, (2, d), and Cov(x0, (1-t) x0 + t x1), Cov(x1, ...), (2, d, d)."""
    size = require_gaussian(joint, "the coupling of x0 and x1").mean.shape[0]
    _arguments.require(
        size % 2 == 0, f"joint must be the law of (x0, x1) with an even dimension 2d, got {size}"
    )
    cov = dense(joint.cov, size).reshape(2, size // 2, 2, size // 2)
    return joint.mean.reshape(2, -1), (1 - t) * cov[:, :, 0] + t * cov[:, :, 1]


def interpolant_velocity(interpolant: Interpolant, joint: GaussianLaw) -> Partial:
    """The field (x, t) -> b = E[x1 - x0 | x_t = x] + gamma' E[z | x_t = x] of a Gaussian coupling.

    It carries the laws of x_t, and it is a pytree, ready for `flow_euler`. gamma gamma' = scale^2
    (1 - 2t)/2 is taken as a product, finite at both ends.

    Units: joint the GaussianLaw of (x0, x1); x (..., d); the result in data units/time.
    Domain: t in [0, 1], x_t of full rank.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797; the closed form is Gaussian
        conditioning.
    Also called: drift of a stochastic interpolant, velocity field b.
    Claims: FM-08, FM-09, FM-14.

    >>> joint = diffx.flow_matching.independent_coupling(law, law)
    >>> path = diffx.flow_matching.Interpolant(1.0)
    >>> diffx.flow_matching.interpolant_velocity(path, joint)(x, 0.5).shape
    (2,)
    """
    return Partial(_velocity, interpolant, joint)


def _velocity(interpolant: Interpolant, joint: GaussianLaw, x: Array, t: Scalar) -> Array:
    t = _arguments.time(t)
    (m0, m1), (to_x0, to_x1) = _parts(joint, t)
    slope = (
        to_x1 - to_x0 + interpolant.scale**2 * (1 - 2 * t) / 2 * jnp.eye(len(m0), dtype=to_x0.dtype)
    )
    return (m1 - m0 + contract("ij,...j->...i", slope, _whiten(interpolant, joint, x, t))).astype(
        x.dtype
    )


def interpolant_latent(interpolant: Interpolant, joint: GaussianLaw) -> Partial:
    """The function (x, t) -> E[z | x_t = x] = gamma Cov(x_t)^-1 (x - E x_t) of a Gaussian coupling.

    It is a pytree; `score_of_latent` makes it the score.

    Units: joint the GaussianLaw of (x0, x1); x (..., d).
    Domain: x_t of full rank.
    Source: Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797; the closed form is Gaussian
        conditioning.
    Also called: denoiser of a stochastic interpolant, eta_z.
    Claims: FM-14.

    >>> joint = diffx.flow_matching.independent_coupling(law, law)
    >>> path = diffx.flow_matching.Interpolant(1.0)
    >>> diffx.flow_matching.interpolant_latent(path, joint)(x, 0.5).shape
    (2,)
    """
    return Partial(_latent, interpolant, joint)


def _latent(interpolant: Interpolant, joint: GaussianLaw, x: Array, t: Scalar) -> Array:
    return (interpolant.gamma(_arguments.time(t)) * _whiten(interpolant, joint, x, t)).astype(
        x.dtype
    )


def _whiten(interpolant: Interpolant, joint: GaussianLaw, x: Array, t: Scalar) -> Array:
    """Cov(x_t)^-1 (x - E x_t) on the last axis of x."""
    law = interpolant_law(interpolant, joint, t)
    away = _arguments.events("x", x, law.mean.shape) - law.mean
    return jnp.linalg.solve(law.cov, away.reshape(-1, len(law.mean)).T).T.reshape(away.shape)
