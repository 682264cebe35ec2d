"""The variational bound -log p(x0) <= prior + sum of terms + reconstruction, term by term, in nats.

It is exact for Gaussians. x0: n draws of data, (n, *event); eps: their noises, of one shape. Every
function returns one number for each draw, (n,); an expectation is their mean, or the sum with the
weights of a quadrature.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import excess
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Floats, Number, Points, Scalar
from diffx.laws.covariance import noised_variance
from diffx.laws.distances import kl
from diffx.laws.gaussian import LOG_2PI, GaussianLaw, gaussian_variances
from diffx.likelihood._squared_errors import draws, square_error
from diffx.likelihood.information import snr_rate
from diffx.processes.protocol import Process


def vlb_term(
    process: Process, denoise: Denoiser, x0: Points, eps: Points, t: Scalar, s: Scalar
) -> Floats:
    """KL(q(x_s | x_t, x0) || p(x_s | x_t)) = (1/2) (SNR_s - SNR_t) |x0 - D(x_t, t)|^2, s < t.

    p is the step of `ddpm`: the posterior with D for x0. The difference of SNRs is -SNR_s expm1(l_t
    - l_s).

    Units: x0 and eps n draws, (n, *event); the result (n,), nats.
    Domain: sigma(s) > 0.
    Raises: ValueError for unequal shapes or s > t.
    Source: Kingma et al. 2021, arXiv:2107.00630.
    Also called: L_{t-1}, variational lower bound term, diffusion loss, denoising matching term.
    Claims: LIK-09, LIK-16.
    """
    t, s = _arguments.step_times(t, s)
    grown = -jnp.expm1(process.log_snr_step(t, s)) * jnp.exp(process.log_snr(s))
    return grown * square_error(process, denoise, x0, eps, t) / 2


def vdm_loss(process: Process, denoise: Denoiser, x0: Points, eps: Points, t: Scalar) -> Floats:
    """-(1/2) SNR'(t) |x0 - D(x_t, t)|^2: the terms of infinitely many steps.

    Its integral over t from s to r is (1/2) int |x0 - D|^2 dSNR: it depends on the process by
    SNR(s) and SNR(r) alone.

    Units: x0 and eps n draws, (n, *event); the result (n,), nats/time.
    Domain: t > 0.
    Raises: ValueError for unequal shapes or a t that is not a scalar.
    Source: Kingma et al. 2021, arXiv:2107.00630.
    Also called: variational diffusion model loss, VDM loss, continuous-time ELBO, likelihood
        weighting.
    Claims: LIK-08.
    """
    return -snr_rate(process, t) * square_error(process, denoise, x0, eps, t) / 2


def prior_kl(process: Process, x0: Points, *, prior: GaussianLaw | None = None) -> Floats:
    """KL(N(alpha x0, sigma^2 I) || prior) at t = 1.

    For N(0, I) it is the sum of [alpha^2 x0^2 + sigma^2 - 1 - log sigma^2]/2.

    Units: x0 (n, *event); prior a law of the flattened event, for EDM N(0, sigma_max^2 I), None for
        N(0, I); the result (n,), nats.
    Raises: TypeError unless prior is a GaussianLaw.
    Source: Ho et al. 2020, arXiv:2006.11239, section 4 (1e-5 bits per dimension for their chain).
    Also called: L_T, prior loss, prior matching term.
    Claims: FWD-13, LIK-10, LIT-09.
    """
    x0, _ = draws(x0, x0)
    flat = x0.reshape(x0.shape[0], -1)
    one = jnp.ones((), jnp.promote_types(x0.dtype, jnp.float32))
    alpha, variance = process.alpha(one), process.sigma(one) ** 2
    if prior is None:
        prior = GaussianLaw(jnp.zeros_like(flat[0]), jnp.ones((), flat.dtype))
    return jax.vmap(lambda x: kl(GaussianLaw(alpha * x, variance), prior))(flat)


def reconstruction(
    process: Process, denoise: Denoiser, x0: Points, eps: Points, t: Scalar, *, variance: Scalar
) -> Floats:
    """-log N(x0; D(x_t, t), variance I) = |x0 - D|^2/(2 variance) + (d/2) log(2 pi variance).

    The last term of the bound, t the last time of the grid. The best variance is mmse(t)/d; near
    data it is 1/SNR(t).

    Units: x0 and eps n draws, (n, *event); variance in squared data units; the result (n,), nats.
    Raises: ValueError for unequal shapes or a variance that is not positive.
    Source: the Gaussian density.
    Also called: L_0, reconstruction term, decoder likelihood.
    Claims: LIK-10.
    """
    _arguments.positive(variance=variance)
    errors, d = square_error(process, denoise, x0, eps, t), x0[0].size
    return errors / (2 * variance) + d * (LOG_2PI + jnp.log(variance)) / 2


def nelbo(
    process: Process,
    denoise: Denoiser,
    x0: Points,
    eps: Points,
    ts: Floats,
    *,
    variance: Scalar,
    prior: GaussianLaw | None = None,
) -> Floats:
    """-ELBO = prior_kl + sum over steps of vlb_term + reconstruction >= -log p(x0).

    The price of N steps. The same noise serves every time: each term is right in expectation.
    Jitted.

    Units: x0 and eps n draws, (n, *event); ts (N + 1,), decreasing from 1; variance of the
        reconstruction at ts[-1]; prior as for `prior_kl`; the result (n,), nats.
    Raises: ValueError for a grid that does not begin at 1, and the errors of the three terms.
    Source: Kingma et al. 2021, arXiv:2107.00630; Ho et al. 2020, arXiv:2006.11239, eq. (5).
    Also called: evidence lower bound, ELBO, negative ELBO, variational lower bound, VLB, NLL bound.
    Claims: LIK-10.
    """
    ts, (x0, eps) = _arguments.grid(ts), draws(x0, eps)
    message = lambda ts: f"the bound starts at the prior, at t = 1, but ts[0] = {ts[0]}"
    _arguments.require_that(lambda ts: ts[0] == 1, message, ts)
    denoise = as_pytree(denoise)
    last = reconstruction(process, denoise, x0, eps, ts[-1], variance=variance)
    return prior_kl(process, x0, prior=prior) + _vlb_terms(process, denoise, x0, eps, ts) + last


@jax.jit
def _vlb_terms(process: Process, denoise: Denoiser, x0: Array, eps: Array, ts: Array) -> Array:
    steps = jnp.stack([ts[:-1], ts[1:]], 1)
    return jax.lax.map(
        lambda step: vlb_term(process, denoise, x0, eps, step[0], step[1]), steps
    ).sum(0)


def elbo_gap(process: Process, law: GaussianLaw, ts: Floats) -> Number:
    """(1/2) sum over steps and directions of r - log(1 + r): what N steps of `ddpm` lose, in nats.

    On Gaussian data, r = (SNR_s - SNR_t) L/(1 + SNR_t L), L the variances of the data. It is the
    path KL of a denoiser that is frozen during each step, falls under refinement, and is 0 with the
    optimal variance of `ddpm_optimal`.

    Units: ts (N + 1,), decreasing; the result in nats.
    Domain: sigma(ts[-1]) > 0.
    Raises: TypeError unless law is a GaussianLaw.
    Source: derived here, from the terms of Kingma et al. 2021, arXiv:2107.00630.
    Also called: discretisation gap of the ELBO.
    Claims: LIK-09.
    """
    ts, variances = _arguments.grid(ts), gaussian_variances(law, "elbo_gap")
    t, s = ts[:-1, None], ts[1:, None]
    spread = noised_variance(variances, process.alpha(t), process.sigma(t)) / process.sigma(t) ** 2
    grown = -jnp.expm1(process.log_snr_step(t, s)) * jnp.exp(process.log_snr(s))
    return excess(grown * variances / spread).sum() / 2
