r"""Mutual information, which a contrastive loss measures: a bound, Gaussians, directions."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Floats, Number, Scalar
from diffx.laws.covariance import dense
from diffx.laws.gaussian import GaussianLaw, require_gaussian

# of the series and the continued fraction: exact to float64's rounding up to LARGEST, in every
# dimension
TERMS = 256
LARGEST = 256.0


def info_nce_bound(loss: Floats, *, n: int) -> Floats:
    r"""log n - loss: a lower bound on mutual information from the expected loss of InfoNCE.

    Its expectation over independent batches is at most I(x; y), with any scores, and closest to it
    where the scores are the pointwise mutual information plus a constant. It never exceeds log n,
    whatever I is. One batch alone may exceed I.

    Units: loss any shape, of info_nce or clip_loss on batches of n pairs, in nats; n a Python
        integer.
    Domain: n >= 1.
    Raises: TypeError or ValueError for an n that is not an integer >= 1.
    Source: van den Oord et al. 2018, arXiv:1807.03748; Poole et al. 2019, arXiv:1905.06922, for the
        proof.
    Also called: InfoNCE bound, mutual information lower bound, mutual information estimator, CPC
        bound, log N bound.
    Claims: CLP-08, CLP-10.
    """
    loss = _arguments.floats("loss", loss)
    return jnp.log(jnp.asarray(_arguments.count("n", n), loss.dtype)) - loss


# --- Gaussian pairs -----------------------------------------------------------------------------


def gaussian_information(joint: GaussianLaw, *, split: int) -> Number:
    r"""I(x; y) = -(1/2) sum_i log(1 - r_i^2) of the two blocks of a Gaussian vector (x, y).

    The r_i are the canonical correlations: the singular values of A^-1/2 C B^-1/2 with cov =
    [[A, C], [C', B]].

    Units: joint a law of d dimensions; split a Python integer, how many of them are x; the result
        in nats.
    Domain: split from 1 to d - 1; a covariance of full rank, since the information is infinite or
        undefined otherwise.
    Raises: ValueError for a split outside 1 to d - 1 or a covariance without full rank.
    Source: Gelfand and Yaglom 1957; Huffmann and Mittelbach 2022, Entropy 24(7) 924.
    Also called: mutual information of Gaussians, canonical correlations, CCA.
    Claims: CLP-10.
    """
    return _information(_correlations(require_gaussian(joint, "gaussian_information"), split)[2])


def gaussian_pmi(
    joint: GaussianLaw, x: Float[Array, "n dx"], y: Float[Array, "N dy"]
) -> Float[Array, "n N"]:
    r"""log p(x_i, y_j) - log p(x_i) - log p(y_j), (n, N), of a Gaussian vector (x, y).

    These are the optimal scores of info_nce; minus log(N - 1) they are those of sigmoid_nce. With
    u, v = x, y whitened and R = E[u v'] it is the quadratic form I + u'R G v
    - (u'R G R'u + v'G R'R v)/2, G = (I - R'R)^-1.

    Units: joint a law of dx + dy dimensions, those of x first; x (n, dx) and y (N, dy) in data
        units; the result in nats.
    Domain: a covariance of full rank.
    Raises: ValueError for other shapes, NaN, or a covariance without full rank.
    Source: van den Oord et al. 2018, arXiv:1807.03748: the density ratio; the quadratic form is
        derived here.
    Also called: pointwise mutual information of Gaussians, density ratio, optimal critic,
        information density.
    Claims: CLP-10.
    """
    x, y = _arguments.finite("x", x), _arguments.finite("y", y)
    split, d = x.shape[-1], require_gaussian(joint, "gaussian_pmi").mean.shape[0]
    _arguments.require(
        x.ndim == y.ndim == 2 and split + y.shape[-1] == d,
        f"x and y must have shapes (n, dx) and (N, dy) with dx + dy = {d}, the joint law's, got "
        f"{x.shape} and {y.shape}",
    )
    root_x, root_y, r = _correlations(joint, split)
    u, v = _solve(root_x, x - joint.mean[:split]), _solve(root_y, y - joint.mean[split:])
    root = jnp.linalg.cholesky(jnp.eye(d - split, dtype=r.dtype) - contract("ki,kj->ij", r, r))
    ahead, behind = _solve(root, contract("ni,ij->nj", u, r)), _solve(root, v)
    of_y = contract("nj,nj->n", behind, _solve(root, contract("nj,kj,ki->ni", v, r, r)))
    return (
        _information(r)
        + contract("ni,mi->nm", ahead, behind)
        - ((ahead**2).sum(1)[:, None] + of_y) / 2
    )


def _information(r: Array) -> Array:
    return -jnp.log1p(-(jnp.linalg.svd(r, compute_uv=False) ** 2)).sum() / 2


def _correlations(joint: GaussianLaw, split: int) -> tuple[Array, Array, Array]:
    """Cholesky roots of the two blocks, and E[u v'] of u, v whitened by them."""
    d = joint.mean.shape[0]
    _arguments.require(
        _arguments.count("split", split) < d,
        f"split must be at most {d - 1}, to leave one of {d} dimensions to y, got {split}",
    )
    cov = dense(joint.cov, d)
    infinite = lambda _: (
        "the covariance of (x, y) must have full rank: information is infinite where y fixes x"
    )
    _arguments.require_that(_has_full_rank, infinite, cov)
    root_x, root_y = (
        jnp.linalg.cholesky(cov[:split, :split]),
        jnp.linalg.cholesky(cov[split:, split:]),
    )
    return root_x, root_y, _solve(root_y, _solve(root_x, cov[split:, :split]).T)


def _has_full_rank(cov: np.ndarray) -> bool:
    try:
        np.linalg.cholesky((cov + cov.T) / 2)
    except np.linalg.LinAlgError:
        return False
    return True


def _solve(root: Array, rows: Array) -> Array:
    """root^-1 applied to the last axis of rows."""
    return jax.scipy.linalg.solve_triangular(root, rows.T, lower=True).T


# --- directions ---------------------------------------------------------------------------------


def log_sphere_mean(scale: Scalar, *, dim: int) -> Number:
    r"""log E exp(scale u.v) = log[Gamma(d/2) (2/scale)^(d/2-1) I_(d/2-1)(scale)].

    v is uniform on the unit sphere in d dimensions and u a unit vector. log N plus this is the
    clip_loss of random embeddings for large N (about scale^2/(2d)), and log N - scale plus this
    that of aligned uniform ones. In the plane it is log I_0(scale). Derivatives are exact at 0 too.

    Units: scale a scalar; dim the d of the formula, a Python integer; the result in nats.
    Domain: scale from 0 to 256; dim >= 1.
    Raises: ValueError for a scale outside 0 to 256; TypeError for a dim that is not an integer.
    Source: Wang and Isola 2020, arXiv:2005.10242, for the two parts of the limit; the value is
        derived here: the series of 0F1(; d/2; scale^2/4).
    Also called: von Mises-Fisher normaliser, log partition function on the sphere, modified Bessel
        function.
    Claims: CLP-06, CLP-07.
    """
    return _log_mean(_arguments.count("dim", dim), _scale_up_to_largest("scale", scale))


def von_mises_information(kappa: Scalar, *, dim: int = 2) -> Number:
    r"""kappa A(kappa) - log_sphere_mean(kappa), A = I_(d/2)/I_(d/2-1).

    Mutual information of two directions: x is uniform, and y given x is von Mises-Fisher, of
    density exp(kappa x.y) over its mean. A is the mean cosine. The clip_loss of such pairs is least
    at scale = kappa. On a circle (dim = 2) it is kappa I_1/I_0 - log I_0.

    Units: kappa a scalar, the concentration; dim the d of the formula, a Python integer; the result
        in nats.
    Domain: kappa from 0 to 256; dim >= 1.
    Raises: ValueError for a kappa outside 0 to 256; TypeError for a dim that is not an integer.
    Source: derived here, from E[log p(y|x)/p(y)].
    Also called: mutual information of von Mises-Fisher pairs, vMF distribution.
    Claims: CLP-09.
    """
    dim, kappa = _arguments.count("dim", dim), _scale_up_to_largest("kappa", kappa)
    return kappa * _mean_cosine(dim, kappa) - _log_mean(dim, kappa)


def _scale_up_to_largest(name: str, value: Any) -> Array:
    message = lambda v: f"{name} must lie in [0, {LARGEST:g}], got {v}"
    _arguments.require_that(
        lambda v: (v >= 0) & (v <= LARGEST), message, _arguments.number(name, value)
    )
    return jnp.asarray(value, jnp.result_type(value, float))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_mean(dim: int, scale: Array) -> Array:
    """log of 1 + sum_k prod_(j <= k) z/(j (d/2 + j - 1)), z = scale^2/4.

    The products are sums of logarithms, which cannot overflow.
    """
    k = 1 + jnp.arange(TERMS, dtype=scale.dtype)
    factors = 2 * jnp.log(scale / 2) - jnp.log(k * (dim / 2 + k - 1))
    return jnp.logaddexp(0, jax.nn.logsumexp(jnp.cumsum(factors)))


@_log_mean.defjvp
def _log_mean_jvp(dim: int, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """The mean cosine: the series' own derivative contains a logarithm and is NaN at 0."""
    (scale,), (dscale,) = primals, tangents
    return _log_mean(dim, scale), _mean_cosine(dim, scale) * dscale


def _mean_cosine(dim: int, scale: Array) -> Array:
    """E[u.v exp(scale u.v)]/E exp(scale u.v) = s/(d + s^2/(d + 2 + s^2/(d + 4 + ...))).

    Gauss's continued fraction.
    """
    step = lambda below, d: (d + scale**2 / below, None)
    ds = dim + 2 * jnp.arange(TERMS, dtype=scale.dtype)
    return scale / jax.lax.scan(step, jnp.full_like(scale, jnp.inf), ds, reverse=True)[0]
