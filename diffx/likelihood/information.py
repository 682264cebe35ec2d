"""Information from denoising errors: I-MMSE, entropy, surprisal, KL, entropy production.

With g = SNR(t), mmse(g) = E|x0 - D(x_t, t)|^2 and every information below is half an integral of it
over g, in nats: the entropy of a data set from its denoiser alone is two calls,

    errors = mmse_curve(process, denoise, x0, eps, ts)  # along a grid from noise to data
    h = entropy(process, errors, ts, dim=2)             # of a density

and for finitely many points `mutual_information` takes the place of `entropy`.

x0: n draws of data, (n, *event); eps: their noises, of one shape. Averages are over the draws, or
with the weights of a quadrature. ts: decreasing times with finite log-SNR; what lies outside the
grid is added as each docstring says. Divide drawn noise by its root mean square: 4,096 draws of a
mixture in the plane, on 60 levels, then give its entropy to .04 nats (rms), and .28 without.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Floats, Number, Points, Scalar
from diffx.laws.gaussian import LOG_2PI
from diffx.likelihood._squared_errors import (
    average,
    curve,
    draws,
    half_integral,
    snr_at_ends,
    square,
    square_error,
    square_gap,
)
from diffx.predictions import score_of_x0
from diffx.processes.protocol import Process, perturb


def mmse(
    process: Process,
    denoise: Denoiser,
    x0: Points,
    eps: Points,
    t: Scalar,
    *,
    weights: Floats | None = None,
) -> Number:
    """mmse(t) = E|x0 - D(x_t, t)|^2, summed over the event.

    It is the least mean squared error where D is exact; with another denoiser it is the error of
    that one, and larger. Decreasing in the SNR g, and at most sum L/(1 + g L) with L the variances
    of the data, equal for Gaussians only.

    Units: x0 and eps n draws, (n, *event); weights (n,), summing to 1, where the draws are the
        nodes of a quadrature, None for equal ones; the result in squared data units.
    Raises: ValueError for unequal shapes, a t that is not a scalar, or weights of another length or
        sum.
    Source: Guo, Wu, Shamai and Verdu 2011, IEEE Trans. Inf. Theory 57(4), arXiv:1004.3332.
    Also called: minimum mean squared error, MMSE, denoising error.
    Claims: DEN-14, LIK-07.
    """
    return average(square_error(process, denoise, x0, eps, t), weights)


def mmse_curve(
    process: Process,
    denoise: Denoiser,
    x0: Points,
    eps: Points,
    ts: Floats,
    *,
    weights: Floats | None = None,
) -> Floats:
    """`mmse` at every time of a grid, with the same draws at each.

    For the curve of one point x, repeat it: x0 = jnp.broadcast_to(x, eps.shape). Jitted; the memory
    is that of one time.

    Units: ts (N + 1,), decreasing; the result (N + 1,), squared data units.
    Raises: the errors of `mmse`.
    Source: Guo, Wu, Shamai and Verdu 2011, IEEE Trans. Inf. Theory 57(4), arXiv:1004.3332.
    Also called: MMSE curve, denoising error against SNR.
    Claims: LIK-03, LIK-06, PTS-06, LIT-07.
    """
    ts, (x0, eps) = _arguments.grid(ts), draws(x0, eps)
    if weights is not None:
        average(jnp.zeros(x0.shape[0], x0.dtype), weights)  # its checks, outside jit
    return _mmse_curve(process, as_pytree(denoise), x0, eps, ts, weights)


@jax.jit
def _mmse_curve(
    process: Process, denoise: Denoiser, x0: Array, eps: Array, ts: Array, weights: Any
) -> Array:
    return jax.lax.map(lambda t: mmse(process, denoise, x0, eps, t, weights=weights), ts)


def mutual_information(process: Process, errors: Floats, ts: Floats, *, dim: int) -> Number:
    """I(x_0; x_t) = (1/2) int_0^SNR(t) mmse dg at t = ts[-1]: dI/dSNR = mmse/2.

    For finitely many points and a last SNR of many times 1/gap^2 this is the entropy of their
    weights, log n. Below the grid mmse is continued as that of an isotropic Gaussian, d L/(1 + g
    L), which adds -(d/2) log(1 - g mmse/d).

    Units: errors (N + 1,), from `mmse_curve` of the exact denoiser; dim the number d of entries in
        an event; the result in nats.
    Domain: SNR(ts[0]) errors[0] < d.
    Raises: ValueError for unequal lengths or an infinite log-SNR.
    Source: Guo, Shamai and Verdu 2005, arXiv:cs/0412108.
    Also called: I-MMSE, mutual information of data and noisy data.
    Claims: LIK-03, LIK-06, LIK-07, PTS-06, LIT-07.
    """
    ts, errors = curve(ts, errors=errors)
    d = _arguments.count("dim", dim)
    first, _ = snr_at_ends(process, ts)
    return half_integral(process, errors, ts) - d * jnp.log1p(-first * errors[0] / d) / 2


def entropy(process: Process, errors: Floats, ts: Floats, *, dim: int) -> Number:
    """h(x_0) = (d/2) log(2 pi e) - (1/2) int_0^inf [d/(1 + g) - mmse(g)] dg, of a density.

    On the grid it is I(x_0; x_t) + (d/2) log(2 pi e mmse/d) at t = ts[-1]: above the grid, as below
    it, mmse is continued as that of an isotropic Gaussian. What is neglected falls as
    1/SNR(ts[-1])^2.

    Units: errors (N + 1,), from `mmse_curve` of the exact denoiser; dim the number d of entries in
        an event; the result in nats.
    Domain: x_0 has a density.
    Raises: ValueError for unequal lengths or an infinite log-SNR.
    Source: Guo, Shamai and Verdu 2005, arXiv:cs/0412108; Kong, Brekelmans and Ver Steeg 2023,
        arXiv:2302.03792.
    Also called: differential entropy, information-theoretic diffusion.
    Claims: LIK-04.
    """
    return mutual_information(process, errors, ts, dim=dim) + _isotropic_entropy(errors, dim)


def _isotropic_entropy(errors: Array, dim: int) -> Array:
    """The entropy of an isotropic Gaussian with this sum of variances.

    It is what remains unknown at the end of the grid.
    """
    return dim * (LOG_2PI + 1 + jnp.log(errors[-1] / dim)) / 2


def pointwise_information(process: Process, errors: Floats, ts: Floats) -> Number:
    """(1/2) int_0^SNR(t) mmse(x, g) dg at t = ts[-1] for one x_0 = x.

    For an atom of weight w it tends to -log w. Below the grid mmse(x, g) is continued as a
    constant. Its average over the data is `mutual_information`.

    Units: errors (N + 1,), from `mmse_curve` with x0 repeated and the exact denoiser; the result in
        nats.
    Raises: ValueError for unequal lengths or an infinite log-SNR.
    Source: Kong, Brekelmans and Ver Steeg 2023, arXiv:2302.03792.
    Also called: pointwise mutual information, pointwise I-MMSE.
    Claims: LIK-05, LIK-06.
    """
    ts, errors = curve(ts, errors=errors)
    first, _ = snr_at_ends(process, ts)
    return half_integral(process, errors, ts) + first * errors[0] / 2


def surprisal(process: Process, errors: Floats, ts: Floats, *, dim: int) -> Number:
    """-log p(x) = (d/2) log(2 pi e) - (1/2) int_0^inf [d/(1 + g) - mmse(x, g)] dg, for one x_0 = x.

    mmse(x, g) = E|x - D|^2 over the noise alone. Below the grid it is continued as a constant,
    above it as d/(g + c).

    Units: errors (N + 1,), from `mmse_curve` with x0 repeated and the exact denoiser; dim the
        number d of entries in an event; the result in nats.
    Domain: x_0 has a density.
    Raises: ValueError for unequal lengths or an infinite log-SNR.
    Source: Kong, Brekelmans and Ver Steeg 2023, arXiv:2302.03792.
    Also called: negative log-likelihood, NLL, self-information.
    Claims: LIK-05.
    """
    return pointwise_information(process, errors, ts) + _isotropic_entropy(
        errors, _arguments.count("dim", dim)
    )


def mmse_gap(process: Process, larger: Floats, smaller: Floats, ts: Floats) -> Number:
    """(1/2) int_0^inf [larger(g) - smaller(g)] dg: a KL, or the information in a condition.

    KL(P || Q): on draws of P, larger is the curve of Q's denoiser and smaller that of P's. I(x_0;
    c): larger is the curve of the unconditional denoiser, smaller that of the conditional one, each
    draw with its c. Outside the grid the gap is continued as a constant below and as 1/g^2 above.
    Draws of a key put their noise into both curves: `path_kl` has no difference of errors.

    Units: larger and smaller (N + 1,); the result in nats.
    Domain: densities.
    Raises: ValueError for unequal lengths or an infinite log-SNR.
    Source: Verdu 2010, IEEE Trans. Inf. Theory 56(8); Guo, Shamai and Verdu 2005, arXiv:cs/0412108.
    Also called: mismatched estimation, relative entropy from denoisers, KL of two denoisers.
    Claims: LIK-11, LIK-12.
    """
    ts, larger, smaller = curve(ts, larger=larger, smaller=smaller)
    first, last = snr_at_ends(process, ts)
    gap = larger - smaller
    return half_integral(process, gap, ts) + (first * gap[0] + last * gap[-1]) / 2


def kl_rate(
    process: Process,
    denoise: Denoiser,
    other: Denoiser,
    x0: Points,
    eps: Points,
    t: Scalar,
    *,
    weights: Floats | None = None,
) -> Number:
    """d/dt KL(p_t || q_t) = -(g^2/2) E_p|score_p - score_q|^2 <= 0: noise makes laws alike.

    Computed as (1/2) SNR' E|D_p - D_q|^2.

    Units: denoise and other the denoisers of p and of q; x0 n draws of p, (n, *event); the result
        in nats/time.
    Domain: sigma(t) > 0.
    Raises: the errors of `mmse`.
    Source: Song et al. 2021, arXiv:2101.09258 (in the proof of the KL bound).
    Also called: relative Fisher information, Fisher divergence, de Bruijn identity for KL.
    Claims: LIK-13.
    """
    x0, eps = draws(x0, eps)
    apart = average(square_gap(process, denoise, other, x0, eps, t), weights)
    return snr_rate(process, t) * apart / 2


def snr_rate(process: Process, t: Scalar) -> Number:
    """SNR'(t) = SNR(t) l'(t) <= 0, l the log-SNR, by automatic differentiation of l.

    Units: the result in 1/time.
    Domain: t > 0, sigma(t) > 0.
    Source: the chain rule.
    Also called: derivative of the SNR.
    Claims: LIK-08, LIK-13.
    """
    t = _arguments.time(t)
    log_snr, rate = jax.jvp(process.log_snr, (t,), (jnp.ones_like(t),))
    return jnp.exp(log_snr) * rate


def entropy_rate(
    process: Process,
    denoise: Denoiser,
    x0: Points,
    eps: Points,
    t: Scalar,
    *,
    weights: Floats | None = None,
) -> Number:
    """dh(x_t)/dt = d f(t) + (g^2/2) E|score(x_t)|^2: de Bruijn's identity with a drift.

    Units: denoise the exact denoiser; x0 and eps n draws, (n, *event); weights as for `mmse`; the
        result in nats/time.
    Domain: sigma(t) > 0; f and g finite.
    Raises: the errors of `mmse`.
    Source: de Bruijn's identity, Stam 1959, with the drift of Song et al. 2021, arXiv:2011.13456,
        eq. (5): derived here.
    Also called: de Bruijn's identity, entropy production, Fisher information.
    Claims: FWD-16.
    """
    x0, eps = draws(x0, eps)
    x = perturb(process, x0, eps, t)
    fisher = average(square(score_of_x0(process, x, _arguments.answer(denoise, x, t), t)), weights)
    d = x0[0].size
    return d * process.f(t) + process.g(t) ** 2 * fisher / 2
