r"""Laws of data and what a process makes of them: Gaussians, Gaussian mixtures, weighted point sets; W2 and KL.

A law lives on the last axis of its arrays, every axis before it is a batch. A covariance takes four forms: (d, d), a
diagonal (d,), one variance () for all directions, or `LowRank`.
"""

from collections.abc import Callable
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diffx import _check
from diffx._linalg import NARROW, contract, excess, polar, rows_times, sqrtm
from diffx._record import record, with_fields
from diffx._types import Number
from diffx.process import Process, Scalar

LOG_2PI = float(np.log(2 * np.pi))


@record
class LowRank:
    r"""Covariance U diag(variances) U' + rest (I - U U'), U orthonormal: variances on a subspace, one for the remainder.

    basis: (d, k), orthonormal columns.  variances: (k,), squared data units.  rest: scalar, squared data units.
    For `MixtureLaw` basis and variances have a leading axis, one entry for each component; rest may have it too.
    Raises ValueError for columns that are not orthonormal or negative variances.  Claims: DEN-04, DEN-07.
    """

    basis: Array
    variances: Array
    rest: Scalar = 0.0

    def __post_init__(self) -> None:
        basis = _check.finite("basis", self.basis)
        variances = _check.finite("variances", self.variances)
        _check.require(
            basis.ndim in (2, 3)
            and variances.shape == basis.shape[:-2] + basis.shape[-1:]
            and basis.shape[-1] <= basis.shape[-2],
            f"LowRank wants a basis (d, k) with k <= d and variances (k,), got {basis.shape} and {variances.shape}",
        )
        if _check.is_concrete(basis, variances, self.rest):
            _check_orthonormal(np.asarray(basis))
            _check_not_negative("variances", np.asarray(variances))
        if basis.ndim == 3 and jnp.shape(self.rest) == basis.shape[:1]:  # one for each component of a mixture
            if _check.is_concrete(self.rest):
                _check_not_negative("rest", np.asarray(self.rest))
        else:
            _check.not_negative(rest=self.rest)
        with_fields(self, basis=basis, variances=variances)


Covariance = Array | LowRank


def _check_orthonormal(basis: np.ndarray) -> None:
    off = np.abs(basis.swapaxes(-1, -2) @ basis - np.eye(basis.shape[-1])).max(initial=0)
    allowed = 100 * basis.shape[-2] * np.finfo(basis.dtype).eps
    _check.require(
        off <= allowed,
        f"the columns of basis must be orthonormal, off by {off:.2g}; numpy.linalg.qr(basis)[0] makes them so",
    )


def _check_not_negative(name: str, values: np.ndarray) -> None:
    _check.require(np.all(values >= 0), f"{name} must not be negative, the least is {values.min()}")


def _check_covariance(cov: Any, d: int) -> Covariance:
    if isinstance(cov, LowRank):
        _check.require(
            cov.basis.ndim == 2 and cov.basis.shape[0] == d,
            f"the basis must be (d, k) with d = {d} rows like the mean, got {cov.basis.shape}",
        )
        return cov
    cov = _check.finite("cov", cov)
    _check.require(
        cov.shape in ((), (d,), (d, d)),
        f"cov must be a scalar, (d,), (d, d) or LowRank for a mean of length d = {d}, got shape {cov.shape}",
    )
    if _check.is_concrete(cov):
        _check_psd(np.asarray(cov, np.float64), float(jnp.finfo(cov.dtype).eps))
    return cov


def _check_psd(cov: np.ndarray, eps: float) -> None:
    if cov.ndim < 2:
        return _check_not_negative("variances", cov)
    scale = np.abs(cov).max(initial=0)
    _check.require(
        np.abs(cov - cov.T).max(initial=0) <= 100 * eps * scale, "cov must be symmetric; (cov + cov.T) / 2 makes it so"
    )
    least = np.linalg.eigvalsh(cov).min(initial=0)
    _check.require(
        least >= -100 * len(cov) * eps * scale,
        f"a covariance must be positive semi-definite, but its least eigenvalue is {least:.6g}; "
        "a (d,) array is taken as a diagonal of variances",
    )


# --- functions of a covariance ---------------------------------------------------------------------------------------


def diagonalised(cov: Covariance) -> Covariance:
    """The same covariance with its eigenvectors at hand: (d, d) becomes a LowRank of full rank."""
    if isinstance(cov, LowRank) or cov.ndim < 2:
        return cov
    values, vectors = jnp.linalg.eigh(cov)
    return LowRank(vectors, jnp.maximum(values, 0))  # eigh of a singular matrix gives -1e-17 for 0


def transformed(cov: Covariance, x: Array, function: Callable[[Array], Array]) -> Array:
    """function(cov) x on the last axis of x, for a function of the eigenvalues; cov diagonalised."""
    if not isinstance(cov, LowRank):
        return function(cov) * x
    d, rank = cov.basis.shape
    if rank == d <= NARROW:
        return rows_times(x, contract("ik,k,jk->ij", cov.basis, function(cov.variances), cov.basis))
    inside = rows_times(x, cov.basis)
    mapped = rows_times(inside * function(cov.variances), cov.basis.T)
    if rank == d:
        return mapped
    return mapped + function(jnp.asarray(cov.rest)) * (x - rows_times(inside, cov.basis.T))


def eigenvalues(cov: Covariance, d: int) -> Array:
    """All d eigenvalues, shape (d,)."""
    cov = diagonalised(cov)
    if not isinstance(cov, LowRank):
        return jnp.broadcast_to(cov, (d,))
    return jnp.concatenate([cov.variances, jnp.full(d - cov.variances.shape[0], cov.rest, cov.variances.dtype)])


def dense(cov: Covariance, d: int) -> Array:
    """The (d, d) matrix."""
    if isinstance(cov, LowRank):
        return transformed(cov, jnp.eye(d, dtype=cov.basis.dtype), lambda v: v)
    return cov if cov.ndim == 2 else cov * jnp.eye(d, dtype=cov.dtype)


def noised_variance(v: Any, alpha: Array, sigma: Array) -> Array:
    """alpha^2 v + sigma^2: what a direction of the data with variance v, any shape, has at this noise level."""
    return alpha**2 * v + sigma**2


def noised(cov: Covariance, alpha: Array, sigma: Array) -> Covariance:
    """alpha^2 cov + sigma^2 I, in the form of cov."""
    if isinstance(cov, LowRank):
        return LowRank(cov.basis, *(noised_variance(v, alpha, sigma) for v in (cov.variances, cov.rest)))
    if cov.ndim == 2:
        return alpha**2 * cov + sigma**2 * jnp.eye(cov.shape[0], dtype=cov.dtype)
    return noised_variance(cov, alpha, sigma)


# --- laws ------------------------------------------------------------------------------------------------------------


@record
class GaussianLaw:
    r"""N(mean, cov).

    mean: (d,), data units.  cov: (d, d), (d,), () or LowRank, squared data units; positive semi-definite.
    A derivative in a (d, d) covariance with repeated eigenvalues is NaN wherever eigh is used (all but log_prob and w2).
    Raises ValueError for other shapes, NaN, or a covariance that is not symmetric and positive semi-definite.
    Claims: DEN-04, DEN-19.
    """

    mean: Array
    cov: Covariance

    def __post_init__(self) -> None:
        mean = _check.finite("mean", self.mean)
        _check.require(mean.ndim == 1, f"mean must have shape (d,), got {mean.shape}; for a batch of laws use jax.vmap")
        with_fields(self, mean=mean, cov=_check_covariance(self.cov, mean.shape[0]))

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, d)."""
        shape = _check.draws(key, shape)
        z = jax.random.normal(key, (*shape, *self.mean.shape), self.mean.dtype)
        return self.mean + transformed(diagonalised(self.cov), z, jnp.sqrt)

    def log_prob(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """The log-density in nats at x (..., d), shape (...,). Domain: a covariance of full rank."""
        x = _check.events("x", x, self.mean.shape)
        if isinstance(self.cov, LowRank) or self.cov.ndim < 2:
            return _gaussian_log_prob(self.mean, self.cov, x)
        root = jnp.linalg.cholesky(self.cov)  # unlike eigh's, its derivative is finite for repeated eigenvalues
        white = jax.scipy.linalg.solve_triangular(root, (x - self.mean).reshape(-1, len(root)).T, lower=True)
        return _log_density(white.T.reshape(x.shape), 2 * jnp.log(jnp.diag(root)))


def _gaussian_log_prob(mean: Array, cov: Covariance, x: Array) -> Array:
    """The log-density with cov diagonalised."""
    white = transformed(cov, x - mean, lambda v: 1 / jnp.sqrt(v))
    return _log_density(white, jnp.log(eigenvalues(cov, mean.shape[0])))


def _log_density(white: Array, log_variances: Array) -> Array:
    return -((white**2).sum(-1) + log_variances.sum() + white.shape[-1] * LOG_2PI) / 2


@record
class MixtureLaw:
    r"""sum_k weights_k N(means_k, covs_k).

    weights: (k,), not negative, of sum 1.  means: (k, d), data units.  covs: (k, d, d), (k, d), (k,), () or a LowRank
    whose fields have a leading axis k; squared data units.  Raises ValueError for weights that are negative or do not
    sum to 1, other shapes, NaN, or covariances that are not positive semi-definite.
    Claims: FWD-08, DEN-02, DEN-05, DEN-19.
    """

    weights: Array
    means: Array
    covs: Covariance

    def __post_init__(self) -> None:
        means = _check.finite("means", self.means)
        _check.require(means.ndim == 2, f"means must have shape (k, d), got {means.shape}")
        weights = _check_weights(self.weights, means.shape[0])
        with_fields(self, weights=weights, means=means, covs=_check_covariances(self.covs, *means.shape))

    def components(self) -> GaussianLaw:
        """The components as one GaussianLaw whose leaves have a leading axis k, for jax.vmap."""
        return _stacked_gaussians(self.means, self.covs)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, d)."""
        shape = _check.draws(key, shape)
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, jnp.log(self.weights), shape=shape)
        z = jax.random.normal(noise, (*shape, self.means.shape[1]), self.means.dtype)
        draws = jax.vmap(lambda law: law.mean + transformed(diagonalised(law.cov), z, jnp.sqrt))(self.components())
        return jnp.take_along_axis(draws, k[None, ..., None], axis=0)[0]

    def log_prob(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """The log-density in nats at x (..., d), shape (...,). Domain: covariances of full rank."""
        x = _check.events("x", x, self.means.shape[1:])
        logs = jax.vmap(lambda law: law.log_prob(x))(self.components())
        return jax.nn.logsumexp(_along(jnp.log(self.weights), logs) + logs, axis=0)


def _along(weights: Array, values: Array) -> Array:
    return weights.reshape(weights.shape + (1,) * (values.ndim - 1))


def _stacked_gaussians(means: Array, covs: Covariance) -> GaussianLaw:
    if not isinstance(covs, LowRank) and covs.ndim == 0:
        covs = jnp.broadcast_to(covs, means.shape[:1])
    if isinstance(covs, LowRank):
        covs = jax.vmap(lambda basis, v, rest: LowRank(basis, v, rest), (0, 0, 0 if jnp.ndim(covs.rest) else None))(
            covs.basis, covs.variances, covs.rest
        )
    return jax.vmap(GaussianLaw)(means, covs)


def _check_weights(weights: Any, k: int) -> Array:
    weights = _check.finite("weights", weights)
    _check.require(weights.shape == (k,), f"weights must have shape ({k},), one for each component, got {weights.shape}")
    if _check.is_concrete(weights):
        values = np.asarray(weights, np.float64)
        _check_not_negative("weights", values)
        total = values.sum()
        allowed = 4 * k * float(jnp.finfo(weights.dtype).eps)
        _check.require(abs(total - 1) <= allowed, f"weights must sum to 1, got {total}; divide: weights / weights.sum()")
    return weights


def _check_covariances(covs: Any, k: int, d: int) -> Covariance:
    if isinstance(covs, LowRank):
        _check.require(
            covs.basis.ndim == 3 and covs.basis.shape[:2] == (k, d),
            f"the fields of LowRank covs need a leading axis k = {k}: basis ({k}, {d}, r), got {covs.basis.shape}",
        )
        return covs
    covs = _check.finite("covs", covs)
    _check.require(
        covs.shape in ((), (k,), (k, d), (k, d, d)),
        f"covs must be (), (k,), (k, d), (k, d, d) or LowRank for k = {k} and d = {d}, got shape {covs.shape}",
    )
    if _check.is_concrete(covs):
        for cov in np.asarray(covs, np.float64) if covs.ndim == 3 else [np.asarray(covs).ravel()]:
            _check_psd(cov, float(jnp.finfo(covs.dtype).eps))
    return covs


@record
class PointSet:
    r"""Finitely many points with weights: sum_i weights_i delta(x - points_i).

    points: (n, *event), data units.  weights: (n,), not negative, of sum 1; None: all equal.
    Raises ValueError for NaN, no points, or weights that are negative or do not sum to 1.  Claims: DEN-06, PTS-03.
    """

    points: Array
    weights: Array | None = None

    def __post_init__(self) -> None:
        points = _check.finite("points", self.points)
        _check.require(
            points.ndim >= 2 and points.shape[0] >= 1,
            f"points must have shape (n, *event) with n >= 1 points and at least one event axis, got {points.shape}",
        )
        weights = None if self.weights is None else _check_weights(self.weights, points.shape[0])
        with_fields(self, points=points, weights=weights)

    def log_weights(self) -> Array:
        n = self.points.shape[0]
        return jnp.full(n, -np.log(n), self.points.dtype) if self.weights is None else jnp.log(self.weights)

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws, shape (*shape, *event)."""
        shape = _check.draws(key, shape)
        return self.points[jax.random.categorical(key, self.log_weights(), shape=shape)]

    def log_prob(self, x: Array) -> Array:
        """The log-probability (not a density) of the value x (..., *event), shape (...,); -inf off the points."""
        x = _check.events("x", x, self.points.shape[1:])
        axes = tuple(range(-self.points.ndim + 1, 0))
        hits = jax.vmap(lambda point: (x == point).all(axes))(self.points)
        return jax.nn.logsumexp(jnp.where(hits, _along(self.log_weights(), hits), -jnp.inf), axis=0)


Law = GaussianLaw | MixtureLaw | PointSet


# --- what a process makes of a law -----------------------------------------------------------------------------------


@overload
def marginal(process: Process, law: GaussianLaw, t: Scalar) -> GaussianLaw: ...
@overload
def marginal(process: Process, law: MixtureLaw | PointSet, t: Scalar) -> MixtureLaw: ...
def marginal(process: Process, law: Law, t: Scalar) -> GaussianLaw | MixtureLaw:
    r"""The law of x_t = alpha x_0 + sigma eps: mean alpha m, covariance alpha^2 C + sigma^2 I, component by component.

    t: scalar time.  A PointSet (events of one axis) becomes a mixture with covariances sigma^2.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (29), integrated over the data.
    Claims: FWD-03, FWD-06, FWD-07, FWD-08, FWD-15.
    """
    t = _check.time(t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    if isinstance(law, GaussianLaw):
        return GaussianLaw(alpha * law.mean, noised(law.cov, alpha, sigma))
    if isinstance(law, MixtureLaw):
        parts = law.components()
        return MixtureLaw(law.weights, alpha * law.means, jax.vmap(noised, (0, None, None))(parts.cov, alpha, sigma))
    points = _flat_points(law)
    return MixtureLaw(jnp.exp(law.log_weights()), alpha * points, sigma**2)


def _flat_points(law: PointSet) -> Array:
    if not isinstance(law, PointSet):
        raise TypeError(f"law must be a GaussianLaw, a MixtureLaw or a PointSet, got {type(law).__name__}")
    _check.require(
        law.points.ndim == 2,
        f"a mixture or Gaussian lives on one axis, but these events have shape {law.points.shape[1:]}; "
        "flatten them: PointSet(points.reshape(len(points), -1))",
    )
    return law.points


def gaussian_of(law: Law) -> GaussianLaw:
    """The Gaussian law with the mean and the covariance (d, d) of `law`; a Gaussian law is returned as it is."""
    if isinstance(law, GaussianLaw):
        return law
    if isinstance(law, MixtureLaw):
        weights, points = law.weights, law.means
        inner = jax.vmap(lambda part: dense(part.cov, part.mean.shape[0]))(law.components())
        within = contract("k,kij->ij", weights, inner)
    else:
        points, within = _flat_points(law), 0
        weights = jnp.exp(law.log_weights())
    mean = contract("k,ki->i", weights, points)
    return GaussianLaw(mean, within + contract("k,ki,kj->ij", weights, points - mean, points - mean))


def prior(process: Process, law: Law) -> GaussianLaw:
    r"""The law at t = 1, where a sampler starts: the marginal, or the Gaussian of its moments where it is not Gaussian.

    For EDM this keeps the mean and the covariance of the data beside sigma_max^2, which N(0, sigma_max^2 I) drops.
    Claims: FWD-03, REV-30.
    """
    gaussian = gaussian_of(law)
    return marginal(process, gaussian, jnp.ones((), jnp.promote_types(gaussian.mean.dtype, jnp.float32)))


# --- distances of Gaussians ------------------------------------------------------------------------------------------


def two_gaussians(p: GaussianLaw, q: GaussianLaw) -> int:
    for law in (p, q):
        if not isinstance(law, GaussianLaw):
            raise TypeError(f"this is a closed form of two GaussianLaw, got {type(law).__name__}; see gaussian_of")
    _check.require(p.mean.shape == q.mean.shape, f"the two laws must have one dimension, got {p.mean.shape} and {q.mean.shape}")
    return p.mean.shape[0]


def w2(p: GaussianLaw, q: GaussianLaw) -> Number:
    r"""Wasserstein-2 distance: W2^2 = |m_p - m_q|^2 + |A - B U|_F^2, A = C_p^(1/2), B = C_q^(1/2), U = polar(B A).

    This form of tr(C_p + C_q - 2 (A C_q A)^(1/2)) subtracts before it squares: it is right near 0, where the trace
    form stops at 1e-8.  Source: Dowson and Landau 1982; Bhatia, Jain and Lim 2019, arXiv:1712.01504, eq. (1).
    Returns a scalar in data units.  Raises TypeError unless both are GaussianLaw.  Claims: FWD-07, REV-22, LIT-16.
    """
    d = two_gaussians(p, q)
    if is_diagonal(p.cov) and is_diagonal(q.cov):
        spread = jnp.sqrt(eigenvalues(p.cov, d)) - jnp.sqrt(eigenvalues(q.cov, d))
    else:
        a, b = sqrtm(dense(p.cov, d)), sqrtm(dense(q.cov, d))
        spread = a - contract("ij,jk->ik", b, polar(contract("ij,jk->ik", b, a)))
    return jnp.sqrt(((p.mean - q.mean) ** 2).sum() + (spread**2).sum())


def is_diagonal(cov: Covariance) -> bool:
    return not isinstance(cov, LowRank) and cov.ndim < 2


def kl(p: GaussianLaw, q: GaussianLaw) -> Number:
    r"""KL(p || q) = (1/2) [tr(C_q^-1 C_p) - d + (m_q - m_p)' C_q^-1 (m_q - m_p) + log det C_q - log det C_p], in nats.

    As sum r - log(1 + r) over the eigenvalues 1 + r of C_q^(-1/2) C_p C_q^(-1/2).  Returns a scalar.
    Raises TypeError unless both are GaussianLaw.  Domain: q of full rank.  Claims: FWD-07.
    """
    d = two_gaussians(p, q)
    whiten = lambda x: transformed(diagonalised(q.cov), x, lambda v: 1 / jnp.sqrt(v))
    shift = (whiten(p.mean - q.mean) ** 2).sum()
    if is_diagonal(p.cov) and is_diagonal(q.cov):
        beyond = (eigenvalues(p.cov, d) - eigenvalues(q.cov, d)) / eigenvalues(q.cov, d)
    else:
        beyond = jnp.linalg.eigvalsh(whiten(whiten(dense(p.cov, d) - dense(q.cov, d)).T))
    return (excess(beyond).sum() + shift) / 2
