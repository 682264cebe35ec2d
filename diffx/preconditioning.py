r"""Preconditioning: a network whose input and target have unit variance at every noise level.

D(y; s) = c_skip y + c_out F(c_in y, c_noise) for data of standard deviation `std` in the
variance-exploding coordinates y = x/alpha, s = sigma/alpha, in which every process is one (FWD-06).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Floats, Scalar
from diffx.processes.protocol import Process


class Preconditioning(NamedTuple):
    """The coefficients c_skip, c_out, c_in and c_noise of a preconditioned network.

    Units: c_skip and c_noise (the network's input for sigma) 1; c_out in data units; c_in in 1/data
        units.
    """

    c_skip: Floats
    c_out: Floats
    c_in: Floats
    c_noise: Floats


def preconditioning(sigma: Any, *, std: Scalar = 1.0) -> Preconditioning:
    """c_skip = d^2/(s^2 + d^2), c_out = s d/sqrt(s^2 + d^2), c_in = 1/sqrt(s^2 + d^2).

    c_noise = log(s)/4 and d = std. c_in y and the target (x0 - c_skip y)/c_out have variance 1 at
    every s, and c_out is as small as it can be.

    Units: sigma the ratio s = sigma(t)/alpha(t), data units, any shape; std that of the data
        (Karras et al. take 0.5).
    Domain: c_noise at sigma > 0.
    Raises: ValueError unless std > 0 and sigma >= 0.
    Source: Karras et al. 2022, arXiv:2206.00364, Table 1.
    Also called: EDM preconditioning, c_skip, c_out, c_in, c_noise, k-diffusion Denoiser, azula
        KarrasDenoiser.
    Claims: DEN-11.
    """
    sigma = _levels(sigma, std)
    return Preconditioning(*_coefficients(jnp.ones_like(sigma), sigma, std), jnp.log(sigma) / 4)


def _coefficients(alpha: Array, sigma: Array, std: Scalar) -> tuple[Array, Array, Array]:
    """c_skip/alpha, c_out and c_in/alpha at sigma/alpha, as functions of x = alpha y.

    alpha may be 0.
    """
    length = jnp.hypot(sigma, alpha * std)
    return alpha * (std / length) ** 2, sigma * std / length, 1 / length


def edm_weight(sigma: Any, *, std: Scalar = 1.0) -> Floats:
    """lambda(s) = (s^2 + d^2)/(s d)^2 = 1/c_out^2, d = std.

    The weight of x0_loss that makes it a mean square of F. The least weighted loss on N(0, d^2) is
    1 at every s.

    Units: sigma the ratio s = sigma(t)/alpha(t), data units, any shape.
    Domain: sigma > 0.
    Raises: ValueError unless std > 0 and sigma >= 0.
    Source: Karras et al. 2022, arXiv:2206.00364, Table 1.
    Also called: EDM loss weight, lambda(sigma), Karras weighting.
    Claims: DEN-11.
    """
    sigma = _levels(sigma, std)
    return 1 / sigma**2 + 1 / std**2


def _levels(sigma: Any, std: Scalar) -> Array:
    _arguments.positive(std=std)
    sigma = _arguments.log_snrs(sigma, "sigma")
    _arguments.none_negative("sigma, which is sigma(t)/alpha(t),", sigma)
    return sigma


def denoiser_of_network(
    process: Process, net: Callable[[Array, Array], Array], *, std: Scalar = 1.0
) -> Partial:
    """D(x, t) = c_skip x/alpha + c_out F(c_in x/alpha, c_noise), c at s = sigma(t)/alpha(t).

    Written c_in x/alpha = x/sqrt(sigma^2 + alpha^2 d^2), and so on, it divides by nothing that is
    0: at alpha(t) = 0 the network sees x/sigma and answers for x0/d. There c_noise is infinite, and
    at sigma = 0 too. The result is a pytree (x, t) -> x0.

    Units: net F(u, c_noise), a network of an input of unit variance; std that of the data.
    Domain: alpha(t) > 0, sigma(t) > 0.
    Raises: ValueError unless std > 0.
    Source: Karras et al. 2022, arXiv:2206.00364, eq. (7), in the coordinates of any process: here.
    Also called: EDM preconditioning, preconditioned denoiser, EDMPrecond.
    Claims: DEN-11.

    >>> denoise = diffx.preconditioning.denoiser_of_network(process, lambda u, c: 0 * u, std=0.5)
    >>> denoise(x, 0.5).shape
    (2,)
    """
    _arguments.positive(std=std)
    return Partial(_x0_by_network, process, as_pytree(net, "a network (u, c_noise) -> F"), std)


def _x0_by_network(process: Process, net: Callable, std: Scalar, x: Array, t: Scalar) -> Array:
    x, t = _arguments.floats("x", x), _arguments.time(t)
    skip, out, into = _coefficients(process.alpha(t), process.sigma(t), std)
    answer = net((into * x).astype(x.dtype), -process.log_snr(t) / 8)  # log(sigma/alpha)/4
    x, answer = _arguments.same_shape(x=x, answer=answer)
    return (skip * x + out * answer).astype(x.dtype)
