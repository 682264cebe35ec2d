"""Two Gaussians with commuting covariances, and a guided path along their common eigenvectors.

w cond + (1 - w) uncond is the same with the names exchanged and 1 - w for w. So the integrals are
taken with `narrow` for the smaller variance and `wide` for the larger, whichever is cond: then
nothing in them cancels.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx.laws.covariance import dense, eigenvalues, is_diagonal, noised_variance
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.laws.marginals import marginal
from diffx.processes.protocol import Process


class Along(NamedTuple):
    """Means and variances along the common eigenvectors, all (d,).

    The eigenvectors are the columns of basis; None stands for the axes.
    """

    basis: Array | None
    m_c: Array
    v_c: Array
    m_u: Array
    v_u: Array


def commuting_pair(cond: Any, uncond: Any, w: Any) -> tuple[Along, Array]:
    """The two laws along their common eigenvectors, and w in their dtype."""
    d = _dimension(cond, uncond)
    w = jnp.asarray(_arguments.number("w", w), jnp.promote_types(cond.mean.dtype, jnp.float32))
    if is_diagonal(cond.cov) and is_diagonal(uncond.cov):
        return Along(
            None, cond.mean, eigenvalues(cond.cov, d), uncond.mean, eigenvalues(uncond.cov, d)
        ), w
    a, b = dense(cond.cov, d), dense(uncond.cov, d)
    # eigenvectors of a generic sum are those of both: two eigenvalues of the sum agree only where
    # those of a and b do
    _, basis = jnp.linalg.eigh(a / jnp.trace(a) + 0.6180339887 * b / jnp.trace(b))
    a, b = (contract("ki,kl,lj->ij", basis, cov, basis) for cov in (a, b))
    off = jnp.maximum(_off_diagonal(a), _off_diagonal(b))
    allowed = float(jnp.finfo(off.dtype).eps) ** 0.5
    _arguments.require_that(
        lambda off: off <= allowed,
        lambda off: (
            "the covariances of cond and uncond must commute, but in their best common basis they "
            "are off diagonal by "
            f"{off:.2g} of their size; exact_law of a sampler needs no such thing"
        ),
        off,
    )
    basis = jnp.where(off <= allowed, basis, jnp.nan)
    means = (contract("ki,k->i", basis, law.mean) for law in (cond, uncond))
    return Along(basis, next(means), jnp.diag(a), next(means), jnp.diag(b)), w


def _dimension(*laws: Any) -> int:
    shapes = {require_gaussian(law, "a guided law").mean.shape for law in laws}
    _arguments.require(
        len(shapes) == 1,
        f"cond, uncond and start must have one dimension, got means of shapes {sorted(shapes)}",
    )
    return laws[0].mean.shape[0]


def _off_diagonal(m: Array) -> Array:
    return jnp.abs(m - jnp.diag(jnp.diag(m))).max() / jnp.abs(m).max()


def turn_back(pair: Along, mean: Array, cov: Array, dtype: Any) -> GaussianLaw:
    """The law with this mean and covariance, (d,) if diagonal, along the pair's eigenvectors."""
    if pair.basis is not None:
        mean = contract("ik,k->i", pair.basis, mean)
        middle = jnp.diag(cov) if cov.ndim == 1 else cov
        cov = contract("ik,kl,jl->ij", pair.basis, middle, pair.basis)
        cov = (cov + cov.T) / 2
    return GaussianLaw(mean.astype(dtype), cov.astype(dtype))


class Way(NamedTuple):
    """A path from t down to s along every eigenvector, arrays (d,); v = alpha^2 L + sigma^2."""

    alpha_t: Array
    alpha_s: Array
    ratio_c: Array  # v_c(s)/v_c(t)
    ratio_u: Array  # v_u(s)/v_u(t)
    w: Array  # the weight of the narrow law
    narrow: Array  # its v at s
    wide: Array  # v of the wide law at s
    gap: Array  # wide - narrow
    tilt_t: Array  # (L_wide - L_narrow)/v_narrow at t
    tilt_s: Array  # and at s
    fresh: Array  # 1 - kept^2
    kept: Array  # (alpha_t/alpha_s) sqrt(v_wide(s)/v_wide(t))
    centre: Array  # mean of the wide law
    apart: Array  # mean of the narrow law less that


def ways(process: Process, pair: Along, w: Array, t: Array, s: Array) -> Way:
    alpha_t, alpha_s, sigma_t = process.alpha(t), process.alpha(s), process.sigma(t)
    at = lambda v, r: noised_variance(v, process.alpha(r), process.sigma(r))
    first = pair.v_c <= pair.v_u  # cond is the narrow one
    pick = lambda c, u: (jnp.where(first, c, u), jnp.where(first, u, c))
    (low, high), (m_n, m_w) = pick(pair.v_c, pair.v_u), pick(pair.m_c, pair.m_u)
    return Way(
        alpha_t=alpha_t,
        alpha_s=alpha_s,
        ratio_c=at(pair.v_c, s) / at(pair.v_c, t),
        ratio_u=at(pair.v_u, s) / at(pair.v_u, t),
        w=jnp.where(first, w, 1 - w),
        narrow=at(low, s),
        wide=at(high, s),
        gap=alpha_s**2 * (high - low),
        tilt_t=(high - low) / at(low, t),
        tilt_s=(high - low) / at(low, s),
        fresh=-jnp.expm1(process.log_snr_step(t, s)) * sigma_t**2 / at(high, t),
        kept=alpha_t / alpha_s * jnp.sqrt(at(high, s) / at(high, t)),
        centre=m_w,
        apart=m_n - m_w,
    )


def door(
    process: Process, cond: Any, uncond: Any, w: Any, start: GaussianLaw | None, t: Any, s: Any
) -> tuple[Along, Way, Array, GaussianLaw]:
    """The pair, its way from t to s, w, and the law at t."""
    pair, w = commuting_pair(cond, uncond, w)
    t, s = (jnp.asarray(r, w.dtype) if isinstance(r, (int, float)) else r for r in (t, s))
    t, s = _arguments.step_times(t, s)
    start = marginal(process, cond, t) if start is None else start
    _dimension(cond, start)
    return pair, ways(process, pair, w, t, s), w, start


def push_forward(
    pair: Along, way: Way, start: GaussianLaw, gain: Array, pull: Array, noise: Array
) -> GaussianLaw:
    """The law of alpha_s (centre + pull apart) + gain (x - alpha_t centre) + sqrt(noise) z.

    x is drawn from start.
    """
    d, dtype = start.mean.shape[0], pair.m_c.dtype
    mean, simple = start.mean, pair.basis is None and is_diagonal(start.cov)
    cov = eigenvalues(start.cov, d) if simple else dense(start.cov, d)
    if pair.basis is not None:
        mean = contract("ki,k->i", pair.basis, mean)
        cov = contract("ki,kl,lj->ij", pair.basis, cov, pair.basis)
    mean = way.alpha_s * (way.centre + pull * way.apart) + gain * (mean - way.alpha_t * way.centre)
    cov = gain**2 * cov + noise if simple else gain[:, None] * cov * gain + jnp.diag(noise)
    return turn_back(pair, mean, cov, dtype)
