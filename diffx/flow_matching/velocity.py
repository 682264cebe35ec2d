r"""The velocity of one pair (x0, eps), its mean given x_t, and the loss whose minimiser that mean
is.

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
    r"""u(x_t | x0, eps) = alpha' x0 + sigma' eps: the velocity of the path x_t = alpha x0 + sigma
    eps of one pair.

    x0, eps: data units and 1, one shape; t: scalar time.  Returns data units/time.  Rectified flow:
    eps - x0.
    Source: Lipman et al. 2023, arXiv:2210.02747, with time reversed: there 0 is noise.
    Raises ValueError for unequal shapes or a t that is no scalar.  Domain: sigma'(t) finite.
    Claims: FM-01.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    rate = rates(process, t)
    return (rate.alpha * x0 + rate.sigma * eps).astype(x0.dtype)


def marginal_velocity(process: Process, law: Law) -> Partial:
    r"""The field (x, t) -> u = E[alpha' x0 + sigma' eps | x_t = x] of a law, exact: a pytree, ready
    for `flow_euler`.

    It carries the marginals, and it is the probability flow: with D the denoiser, u = alpha' D +
    sigma' (x - alpha D)/sigma.
    Rectified flow: u = (x - D)/t = -(x + t score)/(1 - t).
    x: (..., *event), data units; t: scalar time.  Source: Lipman et al. 2023, arXiv:2210.02747,
    Theorem 1. Raises TypeError if law is no law.  Domain: sigma(t) > 0.  Claims: FM-01, FM-03,
    FM-06.
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
    r"""Conditional flow matching: the mean over i of weights_i `velocity_loss`(x0_i, eps_i, t_i),
    weights 1 unless given.

    With times of density pi, or uniform times and weights pi(t_i), it differs from the marginal
    loss int pi(t) E|velocity - u|^2 dt (mean over entries) by a constant, and has the same
    gradient. velocity: (x, t) -> u of one event and its own time.  x0, eps: (n, *event), a pair in
    each row.  ts, weights: (n,).
    Source: Lipman et al. 2023, arXiv:2210.02747, Theorem 2.  Raises ValueError for unequal shapes
    or numbers of rows.
    Domain: sigma'(t_i) finite.  Claims: FM-02, FM-04, FM-09.
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
    r"""The least cfm_loss of a rectified flow on Gaussian data with uniform times: (pi/2) mean over
    directions of sqrt(L).

    int_0^1 L/((1 - t)^2 L + t^2) dt = (pi/2) sqrt(L): summed over the entries it is (pi/2) tr
    Sigma^(1/2).
    Source: derived here.  Raises TypeError unless law is a GaussianLaw.  Claims: FM-04, FM-07.
    """
    law = require_gaussian(law, "optimal_cfm_loss")
    return jnp.pi / 2 * jnp.sqrt(eigenvalues(law.cov, law.mean.shape[0])).mean()
