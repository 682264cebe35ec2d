"""Laws to draw from, and the sizes of the fields whose rounding is met."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from diffx.denoisers import denoiser, score
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_

# alpha and sigma: log-SNR in [-8, 8]
LEVELS = st.floats(-2.0, 2.0).map(lambda u: float(np.float32(np.exp(u))))
SHARES = st.integers(8, 248).map(lambda n: np.array([n, 256 - n]) / 256)  # of sum 1 in both dtypes
SPREADS = st_.arrays((2, 3), st_.log_uniform(1e-2, 10.0))
Told = tuple[
    Any, Any, Any, Any, Any
]  # weights, means, covariances, alpha, sigma: what the oracles are given


@jax.jit
def fields(process, law, x, t):
    return denoiser(process, law)(x, t), score(process, law)(x, t)


# --- laws in all their forms, beside the dense matrices they stand for --------------------------

GAUSSIAN_FORMS = ("scalar", "diagonal", "full", "low rank", "full basis", "flat")
MIXTURE_FORMS = ("one variance", "scalar", "diagonal", "full", "low rank", "shared rest")


def gaussian_cov(form: str, v: np.ndarray, q: np.ndarray, dtype: Any) -> tuple[Any, np.ndarray]:
    """(the covariance in this form, the matrix).  v: (3,).  q: orthogonal (3, 3)."""
    as_array = lambda value: jnp.asarray(value, dtype)
    low = lambda k, rest: (
        LowRank(as_array(q[:, :k]), as_array(v[:k]), as_array(rest)),
        np.append(v[:k], [rest] * (3 - k)),
    )
    if form in ("low rank", "full basis", "flat"):
        cov, values = low(*{"low rank": (2, v[2]), "full basis": (3, 0.0), "flat": (2, 0.0)}[form])
        return cov, (q * values) @ q.T
    dense = {"scalar": v[0] * np.eye(3), "diagonal": np.diag(v), "full": st_.rotated(v, q)}[form]
    return as_array({"scalar": v[0], "diagonal": v, "full": dense}[form]), dense


def mixture_covs(form: str, v: np.ndarray, qs: np.ndarray, dtype: Any) -> tuple[Any, np.ndarray]:
    """(the covariances in this form, the matrices (2, 3, 3)).  v: (2, 3).  qs: (2, 3, 3)."""
    if form in ("one variance", "scalar"):
        values = v[:, 0] if form == "scalar" else v[0, 0]
        return jnp.asarray(values, dtype), np.multiply.outer(values * np.ones(2), np.eye(3))
    if form in ("diagonal", "full"):
        dense = np.stack(
            [gaussian_cov(form, values, q, dtype)[1] for values, q in zip(v, qs, strict=True)]
        )
        return jnp.asarray(v if form == "diagonal" else dense, dtype), dense
    rests = np.array([v[0, 2], v[0, 2] if form == "shared rest" else v[1, 2]])
    rest = rests if form == "low rank" else rests[0]
    values = np.concatenate([v[:, :2], rests[:, None]], axis=1)
    arrays = (jnp.asarray(value, dtype) for value in (qs[:, :, :2], v[:, :2], rest))
    return LowRank(*arrays), np.einsum("kij,kj,klj->kil", qs, values, qs)


class Sizes(NamedTuple):
    """Scales of rounding: one ulp of the inputs moves the answers by about an ulp of these."""

    denoised: np.ndarray
    score: np.ndarray
    log_prob: np.ndarray
    gain: Any  # of the matrix dD/dx
    curvature: Any  # of the matrix d score/dx


def gaussian_sizes(
    mean: np.ndarray, cov: np.ndarray, a: float, s: float, x: np.ndarray, axes: bool
) -> Sizes:
    """axes: the covariance is diagonal as it is given.  Otherwise eigenvalues are wrong by an ulp
    of the largest.
    """
    v = np.maximum(np.linalg.eigvalsh(cov), 0)
    low, lost = a**2 * v.min() + s**2, a**2 * v.max() / (a**2 * v.min() + s**2)
    reach = np.abs(x) + a * np.abs(mean)  # x - a m cancels
    gain, curvature = (
        (a * v / (a**2 * v + s**2)).max() + a * s**2 * v.max() / low**2,
        (1 + lost) / low,
    )
    if axes:
        noisy = a**2 * np.diag(cov) + s**2
        denoised, sharp, lost = np.abs(mean) + a * np.diag(cov) / noisy * reach, reach / noisy, 0.0
    else:
        length = np.linalg.norm(reach, axis=-1, keepdims=True)
        # sigma^2/(a^2 L + sigma^2) turns with V
        kept = np.linalg.norm(mean) * (1 + a**2 * s**2 * v.max() / low**2)
        denoised, sharp = (
            kept + gain * length * np.ones_like(reach),
            curvature * length * np.ones_like(reach),
        )
    quadratic = (reach * np.abs(x - a * mean)).sum(-1) / low * (1 + lost)
    return Sizes(
        denoised, sharp, quadratic + len(mean) * (2 + lost + abs(np.log(low))), gain, curvature
    )


def mixture_sizes(weights, means, covs, a: float, s: float, x: np.ndarray, axes: bool) -> Sizes:
    """The components' sizes, and what wrong responsibilities move: p_k (log-density wrong by
    Q_k) |D_k - D|.
    """
    parts = [
        gaussian_sizes(mean, cov, a, s, x, axes) for mean, cov in zip(means, covs, strict=True)
    ]
    noised = bayes.gmm_noised(weights, means, covs, a, s)
    shares = np.stack(
        [
            bayes.gmm_log_prob(noised[0][k : k + 1], noised[1][k : k + 1], noised[2][k : k + 1], x)
            for k in range(len(weights))
        ]
    )
    shares = np.exp(shares - bayes.gmm_log_prob(*noised, x))
    inner = [
        bayes.gaussian_posterior(m, bayes.root_of(c), a, s, x).mean
        for m, c in zip(means, covs, strict=True)
    ]
    denoised, sharp, log_prob, gain, curvature = (np.zeros(x.shape[:-1]) for _ in range(5))
    middle = sum(p[..., None] * d for p, d in zip(shares, inner, strict=True))
    for p, d, part in zip(shares, inner, parts, strict=True):
        away = np.linalg.norm(d - middle, axis=-1)
        unsure = 1 + part.log_prob
        pull = np.linalg.norm(part.score, axis=-1)
        denoised = denoised + p * (np.linalg.norm(part.denoised, axis=-1) + unsure * away)
        sharp = sharp + p * (pull + unsure * away * a / s**2)
        log_prob = log_prob + p * unsure
        # the derivative of a quotient subtracts D times the mean score: not |D_k - D|
        size = np.linalg.norm(d, axis=-1)
        gain = gain + p * (part.gain + (unsure * away + size) * pull)
        curvature = curvature + p * (part.curvature + (unsure * away * a / s**2 + pull) * pull)
    return Sizes(
        denoised[..., None],
        sharp[..., None],
        log_prob,
        gain[..., None, None],
        curvature[..., None, None],
    )


class Drawn(NamedTuple):
    """What a claim about mixtures of two Gaussians in three dimensions starts from."""

    weights: np.ndarray
    means: np.ndarray
    v: np.ndarray
    qs: np.ndarray
    a: float
    s: float
    x: np.ndarray


def drawn() -> st.SearchStrategy[Drawn]:
    """x is a point of x_t: typical, so that both components matter."""

    def make(weights, means, v, q0, q1, a, s, z):
        x = a * means[[0, 0, 1, 1]] + np.hypot(a * np.sqrt(v[[0, 0, 1, 1]]), s) * z
        return Drawn(
            weights, means, v, np.stack([q0, q1]), a, s, x.astype(np.float32).astype(np.float64)
        )

    near = st_.arrays((2, 3), st_.floats(-2.0, 2.0))
    return st.builds(
        make,
        SHARES,
        near,
        SPREADS,
        st_.rotations(3),
        st_.rotations(3),
        LEVELS,
        LEVELS,
        st_.normals(4, 3),
    )


def mixture_of(case: Drawn, form: str, dtype: Any) -> tuple[MixtureLaw, Told, Sizes]:
    """The law, the arguments of the oracles, and the sizes at case.x."""
    covs, dense = mixture_covs(form, case.v, case.qs, dtype)
    law = MixtureLaw(jnp.asarray(case.weights, dtype), jnp.asarray(case.means, dtype), covs)
    told: Told = (case.weights, case.means, dense, case.a, case.s)
    return law, told, mixture_sizes(*told, case.x, form in ("one variance", "scalar", "diagonal"))


@jax.jit
def jacobians(process, law, x, t):
    return tuple(
        jax.vmap(jax.jacfwd(lambda y, field=field: field(process, law)(y, t)))(x)
        for field in (denoiser, score)
    )


# --- fixed laws in the plane: skewed, correlated, with unequal covariances ----------------------

WEIGHTS = np.array([0.25, 0.75])
MEANS = np.array([[1.5, -0.5], [-1.0, 0.25]])
COVS = np.array([[[0.5, 0.25], [0.25, 0.375]], [[0.25, -0.125], [-0.125, 1.0]]])
POINTS = np.array([[2.0, 0.5], [-1.0, 1.0], [-0.5, -1.5]])
SHARES_OF_POINTS = np.array([0.5, 0.125, 0.375])


def plane_laws(dtype: Any) -> dict[str, Any]:
    weights, means, covs, points, shares = (
        jnp.asarray(v, dtype) for v in (WEIGHTS, MEANS, COVS, POINTS, SHARES_OF_POINTS)
    )
    return {
        "Gaussian": GaussianLaw(means[0], covs[0]),
        "mixture": MixtureLaw(weights, means, covs),
        "points": PointSet(points, shares),
    }


EXACT = ("diffx.denoiser", "diffx.score")


def mixture_of_case(case: Drawn, means: np.ndarray, covs: np.ndarray, dtype: Any) -> MixtureLaw:
    return MixtureLaw(*(jnp.asarray(v, dtype) for v in (case.weights, means, covs)))


def full_covs(case: Drawn) -> np.ndarray:
    return np.stack([st_.rotated(v, q) for v, q in zip(case.v, case.qs, strict=True)])


over_dtypes = pytest.mark.parametrize("dtype", [np.dtype("float64"), np.dtype("float32")], ids=str)


# --- matrix roots and their derivatives ---------------------------------------------------------

REPEATED = st_.rotation(5, 4) @ np.diag([2.0, 2.0, 0.5, 0.5]) @ st_.rotation(5, 4).T
SQUARE = np.random.default_rng(6).standard_normal((4, 4))
