"""Couplings: which x0 goes with which x1, as pairs of a batch and as joint laws of Gaussians.

A Gaussian coupling of two laws of dimension d is the `GaussianLaw` of (x0, x1), of dimension 2d.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract, polar, sqrtm
from diffx._types import Number
from diffx.laws.covariance import dense
from diffx.laws.distances import two_gaussians
from diffx.laws.gaussian import GaussianLaw


def ot_coupling(x0: Array, eps: Array) -> Array:
    """The permutation with least sum_i |x0_i - eps_order(i)|^2: minibatch optimal transport.

    The pairs are (x0, eps[order]). Computed by scipy's assignment on the host, in float64, at
    O(n^3). On average over batches the cost is above W2^2, because a batch is not its law.

    Units: x0 and eps (n, *event); order (n,), integers.
    Raises: ValueError for unequal shapes or no axis of rows; TypeError under jit or vmap.
    Source: Pooladian et al. 2023, arXiv:2304.14772; Tong et al. 2024, arXiv:2302.00482.
    Also called: minibatch OT, OT-CFM, optimal transport coupling, multisample flow matching,
        Hungarian assignment.
    Claims: FM-10.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    _arguments.require(
        x0.ndim > 0, "x0 and eps must have rows to pair, shape (n, *event), got one number each"
    )
    if not _arguments.is_concrete(x0, eps):
        raise TypeError(
            "ot_coupling runs on the host and needs concrete arrays: pair the batch before it "
            "enters jit or vmap"
        )
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    rows = [
        np.asarray(_arguments.finite(name, x), np.float64).reshape(len(x), -1)
        for name, x in (("x0", x0), ("eps", eps))
    ]
    return jnp.asarray(linear_sum_assignment(cdist(rows[0], rows[1], "sqeuclidean"))[1])


def transport_cost(x0: Array, x1: Array) -> Number:
    """The mean over rows of |x0_i - x1_i|^2, summed over the last axis.

    Units: x0 and x1 (..., d), one shape; the result in squared data units.
    Raises: ValueError for unequal shapes or no axis.
    Source: the definition of the quadratic cost.
    Also called: quadratic transport cost, squared transport distance.
    Claims: FM-07, FM-08, FM-10.
    """
    x0, x1 = _arguments.same_shape(x0=x0, x1=x1)
    _arguments.require(
        x0.ndim > 0, "x0 and x1 must have an axis of entries, shape (..., d), got one number each"
    )
    return ((x0 - x1) ** 2).sum(-1).mean()


def gaussian_ot_map(p: GaussianLaw, q: GaussianLaw, x: Array) -> Array:
    """The optimal transport of p to q: x -> m_q + T (x - m_p), T = A^-1 (A C_q A)^(1/2) A^-1.

    Here A = C_p^(1/2). Computed as T = B U A^-1, B = C_q^(1/2), U = polar(B A), which squares no
    condition number. From N(0, I) it is m + C^(1/2) x, the map of the rectified flow itself.

    Units: x (..., d), data units; the result has its shape.
    Domain: p of full rank.
    Raises: TypeError unless both are GaussianLaw, ValueError for unequal dimensions.
    Source: Dowson and Landau 1982.
    Also called: Monge map, Brenier map, optimal transport map between Gaussians, Bures map.
    Claims: FM-05, FM-09.
    """
    matrix = _ot_matrix(p, q)
    x = _arguments.events("x", x, p.mean.shape)
    return (q.mean + contract("ij,...j->...i", matrix, x - p.mean)).astype(x.dtype)


def _ot_matrix(p: GaussianLaw, q: GaussianLaw) -> Array:
    d = two_gaussians(p, q)
    a, b = sqrtm(dense(p.cov, d)), sqrtm(dense(q.cov, d))
    turned = contract("ij,jk->ik", b, polar(contract("ij,jk->ik", b, a)))
    return jnp.linalg.solve(a, turned.T)  # the transpose of B U A^-1, which is symmetric


def independent_coupling(p: GaussianLaw, q: GaussianLaw) -> GaussianLaw:
    """The joint law of independent x0 ~ p and x1 ~ q: covariance ((C_p, 0), (0, C_q)).

    Raises: TypeError unless both are GaussianLaw, ValueError for unequal dimensions.
    Source: the definition of independence.
    Also called: product coupling.
    Claims: FM-14.

    >>> diffx.flow_matching.independent_coupling(law, law).mean.shape
    (4,)
    """
    d = two_gaussians(p, q)
    return joint_of(p, q, jnp.zeros((d, d), p.mean.dtype))


def gaussian_ot_coupling(p: GaussianLaw, q: GaussianLaw) -> GaussianLaw:
    """The joint law of x0 ~ p and x1 = `gaussian_ot_map`(p, q, x0): Cov(x0, x1) = C_p T.

    The rectified flow of this coupling is straight: one Euler step is exact and the least loss is
    0.

    Domain: p of full rank.
    Raises: TypeError unless both are GaussianLaw, ValueError for unequal dimensions.
    Source: Dowson and Landau 1982.
    Also called: optimal transport plan, OT plan, OT coupling of Gaussians.
    Claims: FM-09, BRN-08.

    >>> diffx.flow_matching.gaussian_ot_coupling(law, law).mean.shape
    (4,)
    """
    matrix = _ot_matrix(p, q)
    return joint_of(p, q, contract("ij,jk->ik", dense(p.cov, len(matrix)), matrix))


def joint_of(p: GaussianLaw, q: GaussianLaw, cross: Array) -> GaussianLaw:
    """The Gaussian law of (x0, x1) with Cov(x0, x1) = cross, (d, d)."""
    d = len(cross)
    blocks = [[dense(p.cov, d), cross], [cross.T, dense(q.cov, d)]]
    return GaussianLaw(jnp.concatenate([p.mean, q.mean]), jnp.block(blocks))
