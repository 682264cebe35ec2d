"""KL divergences of whole paths, by Girsanov: an upper bound on the loss of a sampler, in nats."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import excess
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Floats, Number, Points, Scalar
from diffx.laws.covariance import noised_variance
from diffx.laws.gaussian import GaussianLaw, gaussian_variances
from diffx.likelihood._squared_errors import average, draws, half_integral, square_gap
from diffx.processes.protocol import Process


def path_kl(
    process: Process,
    denoise: Denoiser,
    other: Denoiser,
    x0: Points,
    eps: Points,
    ts: Floats,
    *,
    eta: Scalar = 1.0,
    weights: Floats | None = None,
) -> Number:
    """(1/2) int (b - b')^2/(eta g)^2 dt: KL of the paths of two reverse SDEs that start alike.

    With drifts f x - (1 + eta^2)/2 g^2 score this is (1 + eta^2)^2/(4 eta^2) times (1/2) int E|D -
    D'|^2 dSNR, the trapezoidal rule in log-SNR over ts; the expectation is over the paths of the
    first, which must be exact for the data x0. By data processing it is no less than the KL of the
    laws at ts[-1]; for eta = 1 and exact denoisers of two laws it is the difference of their KL at
    ts[-1] and at ts[0]. With D' = x/alpha, which has no score, it is the price of running the
    forward drift backwards. Jitted.

    Units: x0 and eps n draws, (n, *event); ts (N + 1,), decreasing; the result in nats.
    Domain: eta > 0.
    Raises: ValueError for unequal shapes, eta <= 0, or an infinite log-SNR.
    Source: Girsanov's theorem; Song et al. 2021, arXiv:2101.09258, for eta = 1.
    Also called: Girsanov's theorem, path-space KL, score matching bound on KL.
    Claims: LIK-15, BRN-05, BRN-07.
    """
    ts, (x0, eps) = _arguments.grid(ts), draws(x0, eps)
    _arguments.positive(eta=eta)
    if weights is not None:
        average(jnp.zeros(x0.shape[0], x0.dtype), weights)  # its checks, outside jit
    apart = _mean_square_gaps(process, as_pytree(denoise), as_pytree(other), x0, eps, ts, weights)
    return (1 + eta**2) ** 2 / (4 * eta**2) * half_integral(process, apart, ts)


@jax.jit
def _mean_square_gaps(
    process: Process,
    denoise: Denoiser,
    other: Denoiser,
    x0: Array,
    eps: Array,
    ts: Array,
    weights: Any,
) -> Array:
    """E|D - D'|^2 at every time of the grid."""
    return jax.lax.map(
        lambda t: average(square_gap(process, denoise, other, x0, eps, t), weights), ts
    )


def frozen_score_kl(process: Process, law: GaussianLaw, ts: Floats) -> Number:
    """(1/2) sum over steps and directions of -log(1 - r) - r: the path KL of a frozen score.

    The score of the reverse SDE is frozen during each step, on Gaussian data, in the coordinates
    x/alpha. There the SDE is Brownian motion with tau = 1/SNR as time and freezing is
    Euler-Maruyama: r = (tau_t - tau_s)/(L + tau_t), L the variances of the data. By data processing
    it is no less than the KL of the law at ts[-1] to what the steps give. For a frozen denoiser see
    `elbo_gap`.

    Units: ts (N + 1,), decreasing; the result in nats.
    Domain: alpha(ts[0]) > 0; L > 0 where sigma(ts[-1]) = 0.
    Raises: TypeError unless law is a GaussianLaw.
    Source: Girsanov's theorem; the closed form is derived here.
    Also called: discretisation error in KL, Euler-Maruyama path KL.
    Claims: LIK-15, BRN-05.
    """
    ts, variances = _arguments.grid(ts), gaussian_variances(law, "frozen_score_kl")
    t, s = ts[:-1, None], ts[1:, None]
    left = process.sigma(t) ** 2 / noised_variance(variances, process.alpha(t), process.sigma(t))
    return excess(jnp.expm1(process.log_snr_step(t, s)) * left).sum() / 2
