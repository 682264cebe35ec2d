"""The velocity of one pair (x0, eps), its mean given x_t, and the loss minimised by that mean.

Velocities are those of the house: dx/dt in a time that runs from data (0) to noise (1); rectified
flow: eps - x0.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Number, Points, Scalar
from diffx.denoisers import denoiser
from diffx.laws.covariance import eigenvalues
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.laws.marginals import Law
from diffx.losses import velocity_loss
from diffx.processes.protocol import Process, rates
from diffx.reverse import probability_flow


def conditional_velocity(process: Process, x0: Points, eps: Points, t: Scalar) -> Points:
    """u(x_t | x0, eps) = alpha' x0 + sigma' eps: the velocity of the path of one pair.

    For the rectified flow it is eps - x0.

    Units: x0 in data units, eps dimensionless, one shape; the result in data units/time.
    Domain: sigma'(t) finite.
    Raises: ValueError for unequal shapes or a t that is not a scalar.
    Source: Lipman et al. 2023, arXiv:2210.02747, with time reversed: there 0 is noise.
    Also called: conditional vector field, flow matching target, velocity target, flow_matching
        AffineProbPath (dx_t).
    Claims: FM-01.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    rate = rates(process, t)
    return (rate.alpha * x0 + rate.sigma * eps).astype(x0.dtype)


def marginal_velocity(process: Process, law: Law) -> Partial:
    """The field (x, t) -> u = E[alpha' x0 + sigma' eps | x_t = x] of a law, exact.

    It is a pytree, ready for `flow_euler`. It carries the marginals, and it is the probability
    flow: with D the denoiser, u = alpha' D + sigma' (x - alpha D)/sigma. Rectified flow: u = (x -
    D)/t = -(x + t score)/(1 - t).

    Units: x (..., *event), data units; the result in data units/time.
    Domain: sigma(t) > 0.
    Raises: TypeError if law is not a law.
    Source: Lipman et al. 2023, arXiv:2210.02747, Theorem 1.
    Also called: marginal vector field, velocity field, probability flow velocity.
    Claims: FM-01, FM-03, FM-06.

    >>> diffx.flow_matching.marginal_velocity(diffx.RectifiedFlow(), law)(x, 0.5).shape
    (2,)
    """
    return Partial(probability_flow, process, denoiser(process, law))


def cfm_loss(
    process: Process,
    velocity: Callable[[Array, Scalar], Array],
    x0: Array,
    eps: Array,
    ts: Array,
    *,
    weights: Array | None = None,
) -> Number:
    """The mean over i of weights_i `velocity_loss`(x0_i, eps_i, t_i): conditional flow matching.

    The weights are 1 unless given. With times of density pi, or uniform times and weights pi(t_i),
    it differs from the marginal loss int pi(t) E|velocity - u|^2 dt (mean over entries) by a
    constant, and has the same gradient.

    Units: velocity (x, t) -> u of one event and its own time; x0 and eps (n, *event), a pair in
        each row; ts and weights (n,).
    Domain: sigma'(t_i) finite.
    Raises: ValueError for unequal shapes or numbers of rows.
    Source: Lipman et al. 2023, arXiv:2210.02747, Theorem 2.
    Also called: conditional flow matching, CFM loss, flow matching loss, rectified flow loss.
    Claims: FM-02, FM-04, FM-09.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    ts = _arguments.times(ts, "ts")
    _check_rows(x0, ts=ts)
    losses = jax.vmap(lambda a, b, t: velocity_loss(process, velocity, a, b, t))(x0, eps, ts)
    if weights is None:
        return losses.mean()
    weights = _arguments.floats("weights", weights)
    _check_rows(x0, weights=weights)
    return (weights * losses).mean()


def _check_rows(x0: Array, **values: Any) -> None:
    for name, value in values.items():
        _arguments.require(
            x0.ndim > 0 and value.shape == x0.shape[:1],
            f"{name} must hold one number for each row of x0: x0 has shape {x0.shape}, {name} has "
            f"{value.shape}",
        )


def optimal_cfm_loss(law: GaussianLaw) -> Number:
    """(pi/2) mean over directions of sqrt(L): the least cfm_loss of a rectified flow of a Gaussian.

    It holds for uniform times: int_0^1 L/((1 - t)^2 L + t^2) dt = (pi/2) sqrt(L). Summed over the
    entries it is (pi/2) tr Sigma^(1/2).

    Raises: TypeError unless law is a GaussianLaw.
    Source: derived here.
    Also called: irreducible flow matching loss, minimum of the CFM loss.
    Claims: FM-04, FM-07.
    """
    law = require_gaussian(law, "optimal_cfm_loss")
    return jnp.pi / 2 * jnp.sqrt(eigenvalues(law.cov, law.mean.shape[0])).mean()
