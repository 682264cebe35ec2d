r"""The variational bound -log p(x0) <= prior + sum of terms + reconstruction, term by term, in
nats; exact for Gaussians.

x0: n draws of data, (n, *event); eps: their noises, of one shape. Every function answers one number
for each draw, (n,); an expectation is their mean, or the sum with the weights of a quadrature.
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
    r"""KL(q(x_s | x_t, x0) || p(x_s | x_t)) = (1/2) (SNR_s - SNR_t) |x0 - D(x_t, t)|^2, s < t, in
    nats.

    p is the step of `ddpm`: the posterior with D for x0. The difference of SNRs is -SNR_s
    expm1(l_t - l_s). x0, eps: n draws, (n, *event); t, s: scalar times.  Returns (n,).
    Source: Kingma et al. 2021, arXiv:2107.00630.  Raises ValueError for unequal shapes or s > t.
    Domain: sigma(s) > 0.  Claims: LIK-09, LIK-16.
    """
    t, s = _arguments.step_times(t, s)
    grown = -jnp.expm1(process.log_snr_step(t, s)) * jnp.exp(process.log_snr(s))
    return grown * square_error(process, denoise, x0, eps, t) / 2


def vdm_loss(process: Process, denoise: Denoiser, x0: Points, eps: Points, t: Scalar) -> Floats:
    r"""-(1/2) SNR'(t) |x0 - D(x_t, t)|^2, in nats/time: the terms of infinitely many steps.

    Its integral over t from s to r is (1/2) int |x0 - D|^2 dSNR: it depends on the process by
    SNR(s) and SNR(r) alone. x0, eps: n draws, (n, *event); t: scalar time.  Returns (n,).
    Source: Kingma et al. 2021, arXiv:2107.00630.  Raises ValueError for unequal shapes or a t that
    is not a scalar.
    Domain: t > 0.  Claims: LIK-08.
    """
    return -snr_rate(process, t) * square_error(process, denoise, x0, eps, t) / 2


def prior_kl(process: Process, x0: Points, *, prior: GaussianLaw | None = None) -> Floats:
    r"""KL(N(alpha x0, sigma^2 I) || prior) at t = 1; for N(0, I) the sum of [alpha^2 x0^2 +
    sigma^2 - 1 - log sigma^2]/2.

    x0: (n, *event).  prior: a law of the flattened event, for EDM N(0, sigma_max^2 I); None: N(0,
    I).  Returns (n,), nats.
    Source: Ho et al. 2020, arXiv:2006.11239, section 4 (1e-5 bits per dimension for their chain).
    Raises TypeError unless prior is a GaussianLaw.  Claims: FWD-13, LIK-10, LIT-09.
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
    r"""-log N(x0; D(x_t, t), variance I) = |x0 - D|^2/(2 variance) + (d/2) log(2 pi variance), in
    nats.

    The last term of the bound, t the last time of the grid. The best variance is mmse(t)/d; near
    data it is 1/SNR(t). x0, eps: n draws, (n, *event); t: scalar time; variance: squared data
    units, > 0.  Returns (n,).
    Source: the Gaussian density.  Raises ValueError for unequal shapes or a variance that is not
    positive.  Claims: LIK-10.
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
    r"""-ELBO = prior_kl + sum over steps of vlb_term + reconstruction >= -log p(x0), in nats: the
    price of N steps.

    x0, eps: n draws, (n, *event), the same noise at every time: each term is right in expectation.
    ts: (N + 1,), decreasing from 1; variance: of the reconstruction at ts[-1]; prior: as for
    `prior_kl`.  Returns (n,). Jitted.  Source: Kingma et al. 2021, arXiv:2107.00630; Ho et al.
    2020, arXiv:2006.11239, eq. (5). Raises ValueError for a grid that does not begin at 1 and what
    the three terms raise.  Claims: LIK-10.
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
    r"""What N steps of `ddpm` lose on Gaussian data: (1/2) sum over steps and directions of r -
    log(1 + r), in nats.

    r = (SNR_s - SNR_t) L/(1 + SNR_t L), L the variances of the data. It is the path KL of a
    denoiser that is frozen during each step, falls under refinement, and is 0 with the optimal
    variance of `ddpm_optimal`. ts: (N + 1,), decreasing.  Source: derived here, from the terms of
    Kingma et al. 2021, arXiv:2107.00630. Raises TypeError unless law is a GaussianLaw.  Domain:
    sigma(ts[-1]) > 0.  Claims: LIK-09.
    """
    ts, variances = _arguments.grid(ts), gaussian_variances(law, "elbo_gap")
    t, s = ts[:-1, None], ts[1:, None]
    spread = noised_variance(variances, process.alpha(t), process.sigma(t)) / process.sigma(t) ** 2
    grown = -jnp.expm1(process.log_snr_step(t, s)) * jnp.exp(process.log_snr(s))
    return excess(grown * variances / spread).sum() / 2
