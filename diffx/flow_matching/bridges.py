"""Brownian motion made to end in a law: from a point (Foellmer) and from a law (Schroedinger)."""

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Scalar
from diffx.denoisers import denoiser
from diffx.flow_matching.couplings import joint_of
from diffx.laws.covariance import dense
from diffx.laws.distances import two_gaussians
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import Law
from diffx.processes.rectified_flow import RectifiedFlow


def foellmer_drift(law: Law) -> Partial:
    """The drift (x, t) -> u = (E[x0 | x_t = x] - x)/t: Brownian motion from 0 at t = 1 to the law.

    dx = u ds + dw in the Brownian time s = 1 - t, which runs towards data: u points to data. x_t is
    the Brownian bridge between 0 and x0, and u = grad log E[f(x + sqrt(t) w)], f the law's density
    over that of N(0, I). Of all drifts with this end it has the least energy: (1/2) int E|u|^2 ds =
    KL(law || N(0, I)). Near t = 0 the difference loses 1/t digits.

    Units: x (..., *event), data units; u in data units/time.
    Domain: t in (0, 1].
    Raises: TypeError if law is not a law.
    Source: Lehec 2013, arXiv:1006.3028, after Foellmer 1985.
    Also called: Foellmer process, Föllmer drift, Schroedinger-Foellmer sampler, Doob h-transform.
    Claims: BRN-04.

    >>> diffx.flow_matching.foellmer_drift(law)(x, 0.5).shape
    (2,)
    """
    return Partial(_drift, denoiser(RectifiedFlow(), law))


def _drift(denoise: Partial, x: Array, t: Scalar) -> Array:
    """x/(root level) = (1 - tau) x0 + tau z, tau = sqrt(t)/level: the bridge scaled to a rectified
    flow at time tau.
    """
    x, t = _arguments.floats("x", x), _arguments.time(t)
    # at t = 1, where x = 0, the answer is the mean and no x enters it
    root = jnp.sqrt(jnp.where(t < 1, 1 - t, 1))
    level = jnp.sqrt(t) + jnp.sqrt(1 - t)
    x0 = denoise(x / (root * level), jnp.sqrt(t) / level)
    return ((x0 - x) / t).astype(x.dtype)


def entropic_coupling(p: GaussianLaw, q: GaussianLaw, *, std: Scalar) -> GaussianLaw:
    """The coupling of x0 ~ p and x1 ~ q with least E|x0 - x1|^2 + 2 std^2 KL.

    The KL is against independence; it is the coupling nearest to Brownian motion of variance std^2.
    Cov(x0, x1) = A K A^-1, A = C_p^(1/2), K = ((4 A C_q A + std^4)^(1/2) - std^2)/2. std -> 0 gives
    `gaussian_ot_coupling`, std -> infinity `independent_coupling`. With `Interpolant`(std) between
    its ends it is the Schroedinger bridge.

    Units: std in data units; the result is the GaussianLaw of (x0, x1).
    Domain: p of full rank.
    Raises: ValueError unless std > 0, or for unequal dimensions.
    Source: Bunne et al. 2023, arXiv:2202.05722; Mallasto, Gerolin and Minh 2022, arXiv:2006.03416.
    Also called: entropic optimal transport, Sinkhorn coupling, Schroedinger bridge, Schrödinger
        bridge.
    Claims: BRN-08.

    >>> diffx.flow_matching.entropic_coupling(law, law, std=0.5).mean.shape
    (4,)
    """
    d = two_gaussians(p, q)
    _arguments.positive(std=std)
    values, vectors = jnp.linalg.eigh(dense(p.cov, d))
    roots = jnp.sqrt(values)
    half = contract("ik,k,jk->ij", vectors, roots, vectors)
    inside, turn = jnp.linalg.eigh(contract("ij,jk,kl->il", half, dense(q.cov, d), half))
    # (sqrt(4h + std^4) - std^2)/2 without the difference
    shares = 2 * inside / (jnp.sqrt(4 * inside + std**4) + std**2)
    back = contract("ik,k,jk->ij", vectors, 1 / roots, vectors)
    return joint_of(p, q, contract("ij,jk,k,lk,lm->im", half, turn, shares, turn, back))
