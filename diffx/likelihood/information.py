r"""Information from denoising errors: I-MMSE, entropy, surprisal, KL from two denoisers, entropy
production.

With g = SNR(t), mmse(g) = E|x0 - D(x_t, t)|^2 and every information below is half an integral of it
over g, in nats: the entropy of a data set from its denoiser alone is two calls,

    errors = mmse_curve(process, denoise, x0, eps, ts)          # along a grid from noise to data
    h = entropy(process, errors, ts, dim=2)                     # of a density; mutual_information
    for finitely many points

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
    r"""mmse(t) = E|x0 - D(x_t, t)|^2, summed over the event: the least mean squared error where D
    is exact.

    With another denoiser it is that one's error, and larger.  x0, eps: n draws, (n, *event); t:
    scalar time. weights: (n,), summing to 1, where the draws are the nodes of a quadrature; None:
    all alike.  Squared data units. Decreasing in the SNR g, and at most sum L/(1 + g L) with L the
    variances of the data, equal for Gaussians only.
    Source: Guo, Wu, Shamai and Verdu 2011, IEEE Trans. Inf. Theory 57(4), arXiv:1004.3332.
    Raises ValueError for unequal shapes, a t that is not a scalar, or weights of another length or
    sum.
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
    r"""`mmse` at every time of a grid, with the same draws at each: shape (N + 1,).

    For the curve of one point x, repeat it: x0 = jnp.broadcast_to(x, eps.shape).  Jitted; memory is
    that of one time. ts: (N + 1,), decreasing.  Raises what `mmse` raises.  Claims: LIK-03, LIK-06,
    PTS-06, LIT-07.
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
    r"""I(x_0; x_t) = (1/2) int_0^SNR(t) mmse dg at t = ts[-1], in nats: dI/dSNR = mmse/2.

    For finitely many points and a last SNR of many times 1/gap^2 this is the entropy of their
    weights, log n. Below the grid mmse is continued as that of an isotropic Gaussian, d L/(1 + g
    L), which adds -(d/2) log(1 - g mmse/d). errors: (N + 1,), from `mmse_curve` of the exact
    denoiser.  dim: d, numbers in one event.
    Source: Guo, Shamai and Verdu 2005, arXiv:cs/0412108.  Raises ValueError for unequal lengths or
    an infinite log-SNR.
    Domain: SNR(ts[0]) errors[0] < d.  Claims: LIK-03, LIK-06, LIK-07, PTS-06, LIT-07.
    """
    ts, errors = curve(ts, errors=errors)
    d = _arguments.count("dim", dim)
    first, _ = snr_at_ends(process, ts)
    return half_integral(process, errors, ts) - d * jnp.log1p(-first * errors[0] / d) / 2


def entropy(process: Process, errors: Floats, ts: Floats, *, dim: int) -> Number:
    r"""h(x_0) = (d/2) log(2 pi e) - (1/2) int_0^inf [d/(1 + g) - mmse(g)] dg, in nats: the entropy
    of a density.

    On the grid, as I(x_0; x_t) + (d/2) log(2 pi e mmse/d) at t = ts[-1]: above the grid, as below
    it, mmse is continued as that of an isotropic Gaussian. What is neglected falls as
    1/SNR(ts[-1])^2. errors: (N + 1,), from `mmse_curve` of the exact denoiser.  dim: d, numbers in
    one event.
    Source: Guo, Shamai and Verdu 2005, arXiv:cs/0412108; Kong, Brekelmans and Ver Steeg 2023,
    arXiv:2302.03792. Raises ValueError for unequal lengths or an infinite log-SNR.  Domain: x_0 has
    a density.  Claims: LIK-04.
    """
    return mutual_information(process, errors, ts, dim=dim) + _isotropic_entropy(errors, dim)


def _isotropic_entropy(errors: Array, dim: int) -> Array:
    """The entropy of an isotropic Gaussian with this sum of variances: what is unknown at the end
    of the grid.
    """
    return dim * (LOG_2PI + 1 + jnp.log(errors[-1] / dim)) / 2


def pointwise_information(process: Process, errors: Floats, ts: Floats) -> Number:
    r"""(1/2) int_0^SNR(t) mmse(x, g) dg at t = ts[-1] for one x_0 = x: for an atom of weight w it
    tends to -log w, in nats.

    Below the grid mmse(x, g) is continued as a constant.  errors: (N + 1,), from `mmse_curve` with
    x0 repeated and the exact denoiser.  Its average over the data is `mutual_information`.
    Source: Kong, Brekelmans and Ver Steeg 2023, arXiv:2302.03792.
    Raises ValueError for unequal lengths or an infinite log-SNR.  Claims: LIK-05, LIK-06.
    """
    ts, errors = curve(ts, errors=errors)
    first, _ = snr_at_ends(process, ts)
    return half_integral(process, errors, ts) + first * errors[0] / 2


def surprisal(process: Process, errors: Floats, ts: Floats, *, dim: int) -> Number:
    r"""-log p(x) = (d/2) log(2 pi e) - (1/2) int_0^inf [d/(1 + g) - mmse(x, g)] dg, in nats, for
    one x_0 = x.

    mmse(x, g) = E|x - D|^2 over the noise alone. Below the grid it is continued as a constant,
    above it as d/(g + c). errors: (N + 1,), from `mmse_curve` with x0 repeated and the exact
    denoiser.  dim: d, numbers in one event.
    Source: Kong, Brekelmans and Ver Steeg 2023, arXiv:2302.03792.
    Raises ValueError for unequal lengths or an infinite log-SNR.  Domain: x_0 has a density.
    Claims: LIK-05.
    """
    return pointwise_information(process, errors, ts) + _isotropic_entropy(
        errors, _arguments.count("dim", dim)
    )


def mmse_gap(process: Process, larger: Floats, smaller: Floats, ts: Floats) -> Number:
    r"""(1/2) int_0^inf [larger(g) - smaller(g)] dg, in nats: KL from two denoisers, or information
    from a condition.

    KL(P || Q): on draws of P, larger is the curve of Q's denoiser and smaller that of P's.
    I(x_0; c): larger is the curve of the unconditional denoiser, smaller that of the conditional
    one, each draw with its c. Outside the grid the gap is continued as a constant below and as
    1/g^2 above. Draws of a key put their noise into both curves: `path_kl` has no difference of
    errors.  larger, smaller: (N + 1,).
    Source: Verdu 2010, IEEE Trans. Inf. Theory 56(8); Guo, Shamai and Verdu 2005, arXiv:cs/0412108.
    Raises ValueError for unequal lengths or an infinite log-SNR.  Domain: densities.  Claims:
    LIK-11, LIK-12.
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
    r"""d/dt KL(p_t || q_t) = -(g^2/2) E_p|score_p - score_q|^2 <= 0, in nats/time: noise makes laws
    alike.

    denoise, other: the denoisers of p and of q.  x0: n draws of p, (n, *event).  t: scalar time.
    As (1/2) SNR' E|D_p - D_q|^2.
    Source: Song et al. 2021, arXiv:2101.09258 (in the proof of the KL bound).
    Raises what `mmse` raises.  Domain: sigma(t) > 0.  Claims: LIK-13.
    """
    x0, eps = draws(x0, eps)
    apart = average(square_gap(process, denoise, other, x0, eps, t), weights)
    return snr_rate(process, t) * apart / 2


def snr_rate(process: Process, t: Scalar) -> Number:
    r"""SNR'(t) = SNR(t) l'(t) <= 0, l the log-SNR, by automatic differentiation of l.

    t: scalar time.  Domain: 0 < t, sigma(t) > 0.  Claims: LIK-08, LIK-13.
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
    r"""dh(x_t)/dt = d f(t) + (g^2/2) E|score(x_t)|^2, in nats/time: de Bruijn's identity with a
    drift.

    denoise: the exact denoiser.  x0, eps: n draws, (n, *event); t: scalar time.  weights: as for
    `mmse`.
    Source: de Bruijn's identity, Stam 1959, with the drift of Song et al. 2021, arXiv:2011.13456,
    eq. (5): derived here. Raises what `mmse` raises.  Domain: sigma(t) > 0; f and g finite.
    Claims: FWD-16.
    """
    x0, eps = draws(x0, eps)
    x = perturb(process, x0, eps, t)
    fisher = average(square(score_of_x0(process, x, _arguments.answer(denoise, x, t), t)), weights)
    d = x0[0].size
    return d * process.f(t) + process.g(t) ** 2 * fisher / 2
