"""The way back: reverse SDE, probability-flow ODE, the family between them, a step's posterior.

Drifts are those of dx = drift dt (+ ... dw) in the process's own time, integrated from t = 1 down
to t = 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser, Number, Points, Scalar
from diffx.laws.covariance import noised_variance
from diffx.predictions import score_of_x0, velocity_of_x0
from diffx.processes.protocol import Process, transition

LogLikelihood = Callable[[Array, Array], Array]


class Posterior(NamedTuple):
    """The coefficients of x_s | x_t, x_0 ~ N(of_x x_t + of_x0 x_0, sigma^2 I)."""

    of_x: Number
    of_x0: Number
    sigma: Number


def posterior(process: Process, t: Scalar, s: Scalar) -> Posterior:
    """q(x_s | x_t, x_0), s < t: the Brownian bridge from x_0 to x_t in x/alpha and (sigma/alpha)^2.

    of_x = alpha_{t|s} sigma_s^2/sigma_t^2, of_x0 = alpha_s sigma_{t|s}^2/sigma_t^2, sigma = sigma_s
    sigma_{t|s}/sigma_t with sigma_{t|s}^2/sigma_t^2 = -expm1(l_t - l_s). For the chain sigma^2 is
    beta-tilde.

    Domain: sigma(t) > 0, alpha(s) > 0.
    Raises: ValueError if s > t.
    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7).
    Also called: forward posterior, posterior variance, ancestral variance, beta-tilde, q_posterior,
        Brownian bridge.
    Claims: DEN-15, REV-05, BRN-02, NUM-04, NUM-10.
    """
    t, s = _arguments.step_times(t, s)
    fresh = -jnp.expm1(process.log_snr_step(t, s))
    alpha_s, sigma_s = process.alpha(s), process.sigma(s)
    of_x = transition(process, t, s).alpha * (sigma_s / process.sigma(t)) ** 2
    return Posterior(of_x, alpha_s * fresh, sigma_s * jnp.sqrt(fresh))


def probability_flow(process: Process, denoise: Denoiser, x: Points, t: Scalar) -> Points:
    """dx/dt = f x - (g^2/2) score = alpha' x0 + sigma' eps, with x0 = D(x, t).

    The ODE with the marginals of the SDE. The second form divides by sigma alone: it is finite
    where alpha(t) = 0.

    Units: x any shape, data units; the result in data units/time.
    Domain: sigma(t) > 0.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).
    Also called: probability flow ODE, PF-ODE, deterministic sampling ODE, flow ODE.
    Claims: DEN-18, REV-02, REV-04, PTS-09.
    """
    return velocity_of_x0(process, x, denoise(x, t), t)


def reverse_drift(
    process: Process, denoise: Denoiser, x: Points, t: Scalar, *, eta: Scalar = 1.0
) -> Points:
    """f x - (1 + eta^2)/2 g^2 score: with diffusion eta g it keeps the marginals.

    For every eta >= 0; eta = 1 is the reverse SDE, eta = 0 the probability flow.

    Units: x any shape, data units; the result in data units/time.
    Domain: alpha(t) > 0, sigma(t) > 0.
    Source: Anderson 1982; Song et al. 2021, arXiv:2011.13456, eq. (6); Karras et al. 2022,
        arXiv:2206.00364, eq. (6).
    Also called: reverse SDE, reverse-time SDE, time reversal, Anderson's formula, backward SDE.
    Claims: DEN-18, REV-01, REV-03, REV-04, BRN-01, LIT-06.
    """
    return reverse_drift_of_x0(process, x, denoise(x, t), t, eta=eta)


def reverse_drift_of_x0(
    process: Process, x: Points, x0: Points, t: Scalar, *, eta: Scalar = 1.0
) -> Points:
    """`reverse_drift` where the denoiser's answer x0 is known already.

    Units: as for `reverse_drift`.
    """
    t = _arguments.time(t)
    pull = (1 + eta**2) / 2 * process.g(t) ** 2
    return (process.f(t) * x - pull * score_of_x0(process, x, x0, t)).astype(x.dtype)


def conditioned_drift(process: Process, log_h: LogLikelihood, x: Points, t: Scalar) -> Points:
    """f x + g^2 grad log h(x, t): the forward SDE given an event of its future.

    h(x, t) = P(event | x_t = x): Doob's h-transform; the diffusion stays g. The event may be a
    place at a later time T, h = N(y; alpha_{T|t} x, sigma_{T|t}^2 I), whose process is a bridge, or
    a noisy observation of it; any h > 0 that solves h' + f x.grad h + (g^2/2) Lap h = 0 will do,
    and a constant factor in it has no effect.

    Units: log_h (x, t) -> log h, one number for each event (the leading axes of x); x any shape,
        data units; t before the event; the result in data units/time.
    Domain: f(t) and g(t) finite.
    Raises: ValueError if log_h answers in another shape.
    Source: Doob; for a known place at a later time Zhou et al. 2023, arXiv:2309.16948; derived here
        for a noisy observation.
    Also called: Doob's h-transform, diffusion bridge, DDBM, conditioned diffusion.
    Claims: BRN-03.
    """
    x, t = _arguments.floats("x", x), _arguments.time(t)

    def total(x: Array) -> Array:
        found = log_h(x, t)
        leading = f"one number for each event of x, {x.shape}"
        _arguments.require(
            found.shape == x.shape[: found.ndim],
            f"log_h must answer {leading}, but gave shape {found.shape}",
        )
        return found.sum()

    return (process.f(t) * x + process.g(t) ** 2 * jax.grad(total)(x)).astype(x.dtype)


class GaussianStep(NamedTuple):
    """The pair of x_s - alpha_s m = gain (x_t - alpha_t m) + sigma z along an eigenvector."""

    gain: Array
    sigma: Array


def gaussian_step(
    process: Process, variance: Array, t: Scalar, s: Scalar, *, eta: Scalar = 0.0
) -> GaussianStep:
    """gain = (v_s/v_t)^((1 + eta^2)/2) (alpha_t/alpha_s)^(eta^2), sigma^2 = v_s - gain^2 v_t.

    The exact solution from t to s of the reverse family with constant eta, on Gaussian data of
    variance L: v = alpha^2 L + sigma^2. eta = 0: sqrt(v_s/v_t), the flow map; eta = 1: the
    posterior of x_s given x_t.

    Units: variance L, any shape, squared data units.
    Domain: alpha(s) > 0.
    Source: eta = 1 and 0: Pierret and Galerne 2024, arXiv:2405.14250 (ICML 2025, PMLR 267; for
        VP); every eta is derived here from d log(x - alpha m)/dt = f + (1 + eta^2)/2 g^2/v and
        g^2/v = v'/v - 2f.
    Also called: exact reverse step, closed-form flow map, Gaussian flow map.
    Claims: REV-02, REV-03, BRN-01.
    """
    t, s = _arguments.step_times(t, s)
    _arguments.not_negative(eta=eta)
    variance = _arguments.floats("variance", variance)
    _arguments.none_negative("variance", variance)
    v_t, v_s = (noised_variance(variance, process.alpha(r), process.sigma(r)) for r in (t, s))
    share = v_s / v_t * (process.alpha(t) / process.alpha(s)) ** 2  # what x_t explains of x_s
    # 1 - share, not subtracted: 1 - share would lose 3 digits of sigma at 1000 steps, and 1 - fresh
    # those of the gain where the share is 1e-3; XLA on CPU rounds log1p(-fresh) by 45 ulps in
    # float64 where fresh is 0.4
    fresh = -jnp.expm1(process.log_snr_step(t, s)) * process.sigma(t) ** 2 / v_t
    kept = jnp.where(fresh < 0.25, xlog1py(eta**2, -fresh), xlogy(eta**2, share))
    return GaussianStep(jnp.sqrt(v_s / v_t) * jnp.exp(kept / 2), jnp.sqrt(v_s * -jnp.expm1(kept)))
