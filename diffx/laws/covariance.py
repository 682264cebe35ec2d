"""Covariances in four forms, and functions of them.

The forms are (d, d), a diagonal (d,), one variance () for all directions, and `LowRank`.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import NARROW, contract, rows_times
from diffx._pytrees import record, with_fields
from diffx._types import Scalar


@record
class LowRank:
    """Covariance U diag(variances) U' + rest (I - U U'), U orthonormal.

    Variances on a subspace, and one for the remainder. For `MixtureLaw` basis and variances have a
    leading axis, one entry for each component; rest may have it too.

    Units: basis (d, k), orthonormal columns; variances (k,) and rest (), squared data units.
    Raises: ValueError for columns that are not orthonormal or negative variances.
    Source: the spectral theorem.
    Also called: low-rank covariance, spiked covariance, data on a subspace, PPCA covariance.
    Claims: DEN-04, DEN-07.

    >>> low = diffx.LowRank(basis=jnp.eye(3)[:, :1], variances=jnp.array([2.0]), rest=0.1)
    """

    basis: Array
    variances: Array
    rest: Scalar = 0.0

    def __post_init__(self) -> None:
        basis = _arguments.finite("basis", self.basis)
        variances = _arguments.finite("variances", self.variances)
        _arguments.require(
            basis.ndim in (2, 3)
            and variances.shape == basis.shape[:-2] + basis.shape[-1:]
            and basis.shape[-1] <= basis.shape[-2],
            f"LowRank wants a basis (d, k) with k <= d and variances (k,), got {basis.shape} and "
            f"{variances.shape}",
        )
        _require_orthonormal(basis)
        _arguments.none_negative("variances", variances)
        if (
            basis.ndim == 3 and jnp.shape(self.rest) == basis.shape[:1]
        ):  # one for each component of a mixture
            _arguments.none_negative("rest", jnp.asarray(self.rest))
        else:
            _arguments.not_negative(rest=self.rest)
        with_fields(self, basis=basis, variances=variances)


Covariance = Array | LowRank


def _require_orthonormal(basis: Array) -> None:
    off = lambda u: np.abs(u.swapaxes(-1, -2) @ u - np.eye(u.shape[-1])).max(initial=0)
    allowed = 100 * basis.shape[-2] * float(jnp.finfo(basis.dtype).eps)
    message = lambda u: (
        f"the columns of basis must be orthonormal, off by {off(u):.2g}; numpy.linalg.qr(basis)[0] "
        "makes them so"
    )
    _arguments.require_that(lambda u: off(u) <= allowed, message, basis)


def require_covariance(cov: Any, d: int) -> Covariance:
    if isinstance(cov, LowRank):
        _arguments.require(
            cov.basis.ndim == 2 and cov.basis.shape[0] == d,
            f"the basis must be (d, k) with d = {d} rows like the mean, got {cov.basis.shape}",
        )
        return cov
    cov = _arguments.finite("cov", cov)
    _arguments.require(
        cov.shape in ((), (d,), (d, d)),
        f"cov must be a scalar, (d,), (d, d) or LowRank for a mean of length d = {d}, got shape "
        f"{cov.shape}",
    )
    if cov.ndim < 2:
        _arguments.none_negative("variances", cov)
    else:
        require_psd(cov)
    return cov


def require_psd(covs: Array) -> None:
    """Every (d, d) matrix on the last two axes is symmetric and positive semi-definite.

    But for the rounding of its dtype.
    """
    rounding = 100 * float(jnp.finfo(covs.dtype).eps)
    greatest = lambda m: np.abs(m).max((-1, -2), initial=0)
    skew = lambda c: np.asarray(c, np.float64) - np.asarray(c, np.float64).swapaxes(-1, -2)
    least = lambda c: np.linalg.eigvalsh(np.asarray(c, np.float64)).min(-1, initial=0)
    symmetric = lambda c: greatest(skew(c)) <= rounding * greatest(c)
    _arguments.require_that(
        symmetric, lambda c: "cov must be symmetric; (cov + cov.T) / 2 makes it so", covs
    )
    message = lambda c: (
        "a covariance must be positive semi-definite, but its least eigenvalue is "
        f"{least(c).min():.6g}; "
        "a (d,) array is taken as a diagonal of variances"
    )
    _arguments.require_that(
        lambda c: least(c) >= -rounding * c.shape[-1] * greatest(c), message, covs
    )


def diagonalise(cov: Covariance) -> Covariance:
    """The same covariance with its eigenvectors at hand: (d, d) becomes a LowRank of full rank."""
    if isinstance(cov, LowRank) or cov.ndim < 2:
        return cov
    values, vectors = jnp.linalg.eigh(cov)
    return LowRank(vectors, jnp.maximum(values, 0))  # eigh of a singular matrix gives -1e-17 for 0


def apply_to_eigenvalues(cov: Covariance, x: Array, function: Callable[[Array], Array]) -> Array:
    """function(cov) x on the last axis of x, a function of the eigenvalues; cov diagonalised."""
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
    cov = diagonalise(cov)
    if not isinstance(cov, LowRank):
        return jnp.broadcast_to(cov, (d,))
    return jnp.concatenate(
        [cov.variances, jnp.full(d - cov.variances.shape[0], cov.rest, cov.variances.dtype)]
    )


def dense(cov: Covariance, d: int) -> Array:
    """The (d, d) matrix."""
    if isinstance(cov, LowRank):
        return apply_to_eigenvalues(cov, jnp.eye(d, dtype=cov.basis.dtype), lambda v: v)
    return cov if cov.ndim == 2 else cov * jnp.eye(d, dtype=cov.dtype)


def noised_variance(v: Any, alpha: Array, sigma: Array) -> Array:
    """alpha^2 v + sigma^2: a direction's variance v, any shape, at this noise level."""
    return alpha**2 * v + sigma**2


def noised_covariance(cov: Covariance, alpha: Array, sigma: Array) -> Covariance:
    """alpha^2 cov + sigma^2 I, in the form of cov."""
    if isinstance(cov, LowRank):
        return LowRank(
            cov.basis, *(noised_variance(v, alpha, sigma) for v in (cov.variances, cov.rest))
        )
    if cov.ndim == 2:
        return alpha**2 * cov + sigma**2 * jnp.eye(cov.shape[0], dtype=cov.dtype)
    return noised_variance(cov, alpha, sigma)


def is_diagonal(cov: Covariance) -> bool:
    return not isinstance(cov, LowRank) and cov.ndim < 2
