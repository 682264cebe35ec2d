r"""Distances of Gaussians: Wasserstein-2 and Kullback-Leibler."""

import jax.numpy as jnp

from diffx import _arguments
from diffx._linalg import contract, excess, polar, sqrtm
from diffx._types import Number
from diffx.laws.covariance import apply_to_eigenvalues, dense, diagonalise, eigenvalues, is_diagonal
from diffx.laws.gaussian import GaussianLaw, require_gaussian


def two_gaussians(p: GaussianLaw, q: GaussianLaw) -> int:
    """The dimension of both."""
    for law in (p, q):
        require_gaussian(law, "a formula of two laws")
    _arguments.require(
        p.mean.shape == q.mean.shape,
        f"the two laws must have one dimension, got {p.mean.shape} and {q.mean.shape}",
    )
    return p.mean.shape[0]


def w2(p: GaussianLaw, q: GaussianLaw) -> Number:
    """W2^2 = |m_p - m_q|^2 + |A - B U|_F^2, A = C_p^(1/2), B = C_q^(1/2), U = polar(B A).

    This form of tr(C_p + C_q - 2 (A C_q A)^(1/2)) subtracts before it squares: it is right near 0,
    where the trace form stops at 1e-8.

    Units: the result W2 in data units.
    Raises: TypeError unless both are GaussianLaw.
    Source: Dowson and Landau 1982; Bhatia, Jain and Lim 2019, arXiv:1712.01504, eq. (1).
    Also called: Wasserstein-2 distance, Fréchet distance, FID formula, Bures distance, Gelbrich
        distance.
    Claims: FWD-07, REV-40, REV-41, LIT-16.
    """
    d = two_gaussians(p, q)
    if is_diagonal(p.cov) and is_diagonal(q.cov):
        spread = jnp.sqrt(eigenvalues(p.cov, d)) - jnp.sqrt(eigenvalues(q.cov, d))
    else:
        a, b = sqrtm(dense(p.cov, d)), sqrtm(dense(q.cov, d))
        spread = a - contract("ij,jk->ik", b, polar(contract("ij,jk->ik", b, a)))
    return jnp.sqrt(((p.mean - q.mean) ** 2).sum() + (spread**2).sum())


def kl(p: GaussianLaw, q: GaussianLaw) -> Number:
    """(1/2) [tr(C_q^-1 C_p) - d + (m_q - m_p)' C_q^-1 (m_q - m_p) + log(det C_q/det C_p)].

    KL(p || q), computed as the sum of r - log(1 + r) over the eigenvalues 1 + r of C_q^(-1/2) C_p
    C_q^(-1/2).

    Units: the result in nats.
    Domain: q of full rank.
    Raises: TypeError unless both are GaussianLaw.
    Source: the Gaussian density.
    Also called: Kullback-Leibler divergence, KL divergence, relative entropy of Gaussians.
    Claims: FWD-07.
    """
    d = two_gaussians(p, q)
    whiten = lambda x: apply_to_eigenvalues(diagonalise(q.cov), x, lambda v: 1 / jnp.sqrt(v))
    shift = (whiten(p.mean - q.mean) ** 2).sum()
    if is_diagonal(p.cov) and is_diagonal(q.cov):
        beyond = (eigenvalues(p.cov, d) - eigenvalues(q.cov, d)) / eigenvalues(q.cov, d)
    else:
        beyond = jnp.linalg.eigvalsh(whiten(whiten(dense(p.cov, d) - dense(q.cov, d)).T))
    return (excess(beyond).sum() + shift) / 2
