"""law.py and the linear algebra under it, in values: densities, samples, marginals, distances,
roots and their derivatives.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy import stats

from diffx.denoisers import denoiser, score
from diffx.laws.covariance import (
    LowRank,
    apply_to_eigenvalues,
    dense,
    diagonalise,
    eigenvalues,
    noised_covariance,
)
from diffx.laws.distances import kl, w2
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import gaussian_of, marginal, prior
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.vp import VP
from spec_tests.instrument.close import close
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.laws import (
    GAUSSIAN_FORMS,
    MIXTURE_FORMS,
    REPEATED,
    SQUARE,
    gaussian_cov,
    mixture_covs,
    over_dtypes,
)
from spec_tests.support.level import level

# the claims on denoisers hold float32 too
in_float64 = pytest.mark.parametrize("dtype", [np.dtype("float64")], ids=str)


V = np.array([[0.5, 2.0, 0.125], [1.5, 0.25, 0.75]])
QS = np.stack([st_.rotation(1, 3), st_.rotation(2, 3)])
MEANS = np.array([[1.0, -0.5, 0.25], [-1.5, 0.75, 2.0]])
WEIGHTS = np.array([0.25, 0.75])
X = np.array([[0.5, 0.25, -1.0], [2.0, -1.5, 0.75], [-0.125, 0.0, 1.0], [3.0, 1.0, -2.0]])
FULL_RANK = tuple(form for form in GAUSSIAN_FORMS if form != "flat")
TAIL = 1e-9  # of each statistical test, both sides together


def gaussian(form: str, dtype: Any, k: int = 0) -> tuple[GaussianLaw, np.ndarray]:
    """(the law, its matrix)."""
    cov, matrix = gaussian_cov(form, V[k], QS[k], dtype)
    return GaussianLaw(jnp.asarray(MEANS[k], dtype), cov), matrix


def mixture(form: str, dtype: Any) -> tuple[MixtureLaw, np.ndarray]:
    covs, matrices = mixture_covs(form, V, QS, dtype)
    return MixtureLaw(jnp.asarray(WEIGHTS, dtype), jnp.asarray(MEANS, dtype), covs), matrices


# --- functions of a covariance ------------------------------------------------------------------


@in_float64
@pytest.mark.parametrize("form", GAUSSIAN_FORMS)
def test_every_form_of_covariance_stands_for_its_matrix(form, dtype):
    law, matrix = gaussian(form, dtype)
    size = np.abs(matrix).max()
    close(dense(law.cov, 3), matrix, ulps=8, scale=size, why="entries")
    close(
        jnp.sort(eigenvalues(law.cov, 3)),
        np.linalg.eigvalsh(matrix),
        ulps=8,
        scale=size,
        why="eigenvalues",
    )
    close(dense(diagonalise(law.cov), 3), matrix, ulps=16, scale=size, why="from eigenvectors")
    process, t = level(0.75, 0.5, dtype)
    wanted = 0.5625 * matrix + 0.25 * np.eye(3)
    close(
        dense(noised_covariance(law.cov, process.alpha(t), process.sigma(t)), 3),
        wanted,
        ulps=8,
        scale=size,
        why="a^2 C + s^2 I",
    )
    values, vectors = np.linalg.eigh(matrix)
    exact = X @ (vectors * np.exp(-values)) @ vectors.T
    found = apply_to_eigenvalues(diagonalise(law.cov), jnp.asarray(X, dtype), lambda v: jnp.exp(-v))
    close(found, exact, ulps=16, scale=np.abs(X).max(), why="exp(-C) x")


# --- densities ----------------------------------------------------------------------------------


@over_dtypes
@pytest.mark.parametrize("form", FULL_RANK)
def test_gaussian_log_prob_is_that_of_scipy(form, dtype):
    law, matrix = gaussian(form, dtype)
    exact = bayes.gmm_log_prob(np.ones(1), MEANS[:1], matrix[None], X)
    values = np.linalg.eigvalsh(matrix)
    scale = (
        (np.abs(X) + np.abs(MEANS[0])).sum(-1) ** 2 / values.min() * (values.max() / values.min())
    )
    close(
        jax.jit(GaussianLaw.log_prob)(law, jnp.asarray(X, dtype)),
        exact,
        ulps=4,
        scale=scale,
        why="the quadratic form",
    )


@in_float64
@pytest.mark.parametrize("form", MIXTURE_FORMS)
def test_mixture_log_prob_is_that_of_scipy(form, dtype):
    law, matrices = mixture(form, dtype)
    exact = bayes.gmm_log_prob(WEIGHTS, MEANS, matrices, X)
    close(
        jax.jit(MixtureLaw.log_prob)(law, jnp.asarray(X, dtype)),
        exact,
        ulps=64,
        scale=1 + np.abs(exact),
        why="as above",
    )


@in_float64
def test_log_prob_of_points_is_the_log_of_their_weights(dtype):
    """Equal points add up; elsewhere it is -inf; events of two axes agree in all entries or not at
    all.
    """
    points = jnp.asarray([[[0.0, 1.0]], [[2.0, 3.0]], [[0.0, 1.0]], [[2.0, 1.0]]], dtype)
    asked = jnp.asarray([[[0.0, 1.0]], [[2.0, 1.0]], [[0.0, 3.0]]], dtype)
    weighted = PointSet(points, jnp.asarray([0.125, 0.25, 0.5, 0.125], dtype)).log_prob(asked)
    close(weighted, np.array([np.log(0.625), np.log(0.125), -np.inf]), ulps=4, why="weights add up")
    close(
        PointSet(points).log_prob(asked),
        np.array([np.log(0.5), np.log(0.25), -np.inf]),
        ulps=4,
        why="equal weights",
    )
    close(PointSet(points).log_weights(), np.full(4, -np.log(4)), ulps=1, why="equal weights")


# --- samples ------------------------------------------------------------------------------------


@in_float64
@pytest.mark.parametrize("form", GAUSSIAN_FORMS)
def test_gaussian_samples_are_the_affine_image_of_standard_normals(form, dtype):
    """mean + C^(1/2) z, z = jax.random.normal(key): by scipy's root."""
    law, matrix = gaussian(form, dtype)
    key = jax.random.key(3)
    z = np.asarray(jax.random.normal(key, (5, 2, 3), dtype), np.float64)
    values, vectors = np.linalg.eigh(matrix)
    # sqrt(1e-17) is no rounding of 0
    roots = np.sqrt(np.where(values < 1e-14 * values.max(), 0, values))
    exact = MEANS[0] + z @ (vectors * roots) @ vectors.T
    close(law.sample(key, (5, 2)), exact, ulps=16, scale=8.0, why="rounding of the root")
    assert law.sample(key).shape == (3,)


def within_quantiles(statistic: float, law: Any, what: str) -> None:
    low, high = law.ppf(TAIL / 2), law.isf(TAIL / 2)
    assert low <= statistic <= high, (
        f"{what}: {statistic} is outside [{low}, {high}], which has probability {TAIL}"
    )


def follows(draws: np.ndarray, mean: np.ndarray, cov: np.ndarray, what: str) -> None:
    """In several directions u: the sum of squares is chi^2, the sum normal."""
    n = len(draws)
    for u in np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, -1], [0, 1, 1]], np.float64
    ):
        scaled = (draws - mean) @ u / np.sqrt(u @ cov @ u)
        within_quantiles((scaled**2).sum(), stats.chi2(n), f"{what}: variance along {u}")
        within_quantiles(scaled.sum() / np.sqrt(n), stats.norm(), f"{what}: mean along {u}")


@pytest.mark.parametrize("form", FULL_RANK)
def test_gaussian_samples_have_their_mean_and_covariance(form):
    law, matrix = gaussian(form, np.float64)
    draws = np.asarray(jax.jit(lambda law, key: law.sample(key, (20_000,)))(law, jax.random.key(0)))
    follows(draws, MEANS[0], matrix, form)


@pytest.mark.parametrize("form", ("scalar", "low rank"))
def test_mixture_samples_have_their_shares_means_and_covariances(form):
    """Components 1000 apart, so that each draw shows where it came from."""
    covs, matrices = mixture_covs(form, V, QS, np.float64)
    means = MEANS + 1000 * np.array([[0.0], [1.0]])
    law = MixtureLaw(jnp.asarray(WEIGHTS), jnp.asarray(means), covs)
    draws = np.asarray(
        jax.jit(lambda law, key: law.sample(key, (100, 200)))(law, jax.random.key(1))
    ).reshape(-1, 3)
    second = draws[:, 0] > 500
    within_quantiles(
        int(second.sum()), stats.binom(len(draws), WEIGHTS[1]), "share of the second component"
    )
    for k, chosen in enumerate((~second, second)):
        follows(draws[chosen], means[k], matrices[k], f"component {k}")
    order = second.reshape(100, 200)[:, 1:] ^ second.reshape(100, 200)[:, :-1]
    within_quantiles(
        int(order.sum()),
        stats.binom(order.size, 2 * WEIGHTS[0] * WEIGHTS[1]),
        "neighbours are independent",
    )


def test_samples_of_points_have_their_shares():
    points = jnp.asarray([[[0.0, 1.0]], [[2.0, 3.0]], [[4.0, 5.0]]])
    for weights in (None, np.array([0.5, 0.125, 0.375])):
        law = PointSet(points, None if weights is None else jnp.asarray(weights))
        draws = np.asarray(law.sample(jax.random.key(2), (100, 200)))
        assert draws.shape == (100, 200, 1, 2)
        for k, share in enumerate(np.full(3, 1 / 3) if weights is None else weights):
            hits = (draws == np.asarray(points[k])).all((-1, -2))
            within_quantiles(int(hits.sum()), stats.binom(hits.size, share), f"share of point {k}")


# --- marginals, moments, priors -----------------------------------------------------------------


marginal_log_prob = jax.jit(lambda process, law, t, x: marginal(process, law, t).log_prob(x))


@in_float64
def test_marginals_noise_each_component(dtype):
    process, t = level(0.75, 0.5, dtype)
    for form in GAUSSIAN_FORMS:
        law, matrix = gaussian(form, dtype)
        found = marginal(process, law, t)
        assert isinstance(found, GaussianLaw)
        close(found.mean, 0.75 * MEANS[0], ulps=2, why="alpha m")
        close(
            dense(found.cov, 3),
            0.5625 * matrix + 0.25 * np.eye(3),
            ulps=8,
            scale=2.0,
            why="alpha^2 C + sigma^2 I",
        )
    for form in ("scalar", "diagonal", "low rank"):
        law, matrices = mixture(form, dtype)
        exact = bayes.gmm_log_prob(WEIGHTS, 0.75 * MEANS, 0.5625 * matrices + 0.25 * np.eye(3), X)
        close(
            marginal_log_prob(process, law, t, jnp.asarray(X, dtype)),
            exact,
            ulps=64,
            scale=20.0,
            why="density of x_t",
        )
    for weights in (None, jnp.asarray(WEIGHTS, dtype)):
        law = PointSet(jnp.asarray(MEANS, dtype), weights)
        told = np.full(2, 0.5) if weights is None else WEIGHTS
        exact = bayes.gmm_log_prob(told, 0.75 * MEANS, np.stack([0.25 * np.eye(3)] * 2), X)
        found = marginal_log_prob(process, law, t, jnp.asarray(X, dtype))
        close(found, exact, ulps=16, scale=1 + np.abs(exact), why="points become Gaussians")


@in_float64
def test_gaussian_of_a_law_has_its_first_two_moments(dtype):
    """Against sums over atoms with the same moments, by Gauss and Hermite."""
    nodes, masses = bayes.hermite(2, 3)
    for form in ("one variance", "full", "shared rest"):
        law, matrices = mixture(form, dtype)
        parts = [
            mean + nodes @ bayes.root_of(cov).T for mean, cov in zip(MEANS, matrices, strict=True)
        ]
        atoms, shares = np.concatenate(parts), np.concatenate([w * masses for w in WEIGHTS])
        has_moments(gaussian_of(law), atoms, shares)
    has_moments(gaussian_of(PointSet(jnp.asarray(X, dtype))), X, np.full(4, 0.25))
    shares = np.array([0.5, 0.125, 0.125, 0.25])
    has_moments(gaussian_of(PointSet(jnp.asarray(X, dtype), jnp.asarray(shares, dtype))), X, shares)
    law, _ = gaussian("low rank", dtype)
    assert gaussian_of(law) is law


def has_moments(law: GaussianLaw, atoms: np.ndarray, shares: np.ndarray) -> None:
    mean = shares @ atoms
    close(law.mean, mean, ulps=16, scale=4.0, why="the mean")
    cov = np.einsum("n,ni,nj->ij", shares, atoms - mean, atoms - mean)
    assert not isinstance(law.cov, LowRank)
    close(law.cov, cov, ulps=16, scale=16.0, why="the covariance")


@over_dtypes
def test_prior_has_the_moments_of_the_marginal_at_time_one(dtype):
    law, matrices = mixture("full", dtype)
    at_one = prior(VP(0.3125, 2.0), law)
    mean = WEIGHTS @ MEANS
    cov = np.einsum("k,kij->ij", WEIGHTS, matrices) + np.einsum(
        "k,ki,kj->ij", WEIGHTS, MEANS - mean, MEANS - mean
    )
    kept = np.exp(-(0.3125 + 2.0) / 2)  # alpha^2 at t = 1
    close(at_one.mean.astype(dtype), np.sqrt(kept) * mean, ulps=8, scale=2.0, why="alpha m")
    assert not isinstance(at_one.cov, LowRank)
    close(
        at_one.cov.astype(dtype),
        kept * cov + (1 - kept) * np.eye(3),
        ulps=8,
        scale=4.0,
        why="alpha^2 C + sigma^2 I",
    )
    pure = prior(RectifiedFlow(), gaussian("diagonal", dtype)[0])
    assert (np.asarray(pure.mean) == 0).all() and (np.asarray(pure.cov) == 1).all()


# --- distances ----------------------------------------------------------------------------------

PAIRS = [
    ("scalar", "diagonal"),
    ("diagonal", "full"),
    ("full", "scalar"),
    ("low rank", "full"),
    ("diagonal", "low rank"),
]
compiled_w2, compiled_kl = jax.jit(w2), jax.jit(kl)


def w2_by_scipy(p: tuple, q: tuple) -> float:
    """The trace form with scipy's Schur root."""
    root = scipy.linalg.sqrtm(p[1])
    cross = np.real(scipy.linalg.sqrtm(root @ q[1] @ root))
    return float(np.sqrt(((p[0] - q[0]) ** 2).sum() + np.trace(p[1] + q[1] - 2 * cross)))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_w2_and_kl_agree_with_scipy_and_quadrature(pair):
    """KL as the mean of log p - log q over Gauss-Hermite nodes, exact for quadratics."""
    (p, matrix_p), (q, matrix_q) = gaussian(pair[0], np.float64), gaussian(pair[1], np.float64, k=1)
    close(
        compiled_w2(p, q),
        np.asarray(w2_by_scipy((MEANS[0], matrix_p), (MEANS[1], matrix_q))),
        ulps=64,
        why="matrix roots",
    )
    nodes, masses = bayes.hermite(2, 3)
    draws = MEANS[0] + nodes @ bayes.root_of(matrix_p).T
    told = (MEANS[:1], matrix_p[None]), (MEANS[1:], matrix_q[None])
    log_p, log_q = (bayes.gmm_log_prob(np.ones(1), *law, draws) for law in told)
    close(
        compiled_kl(p, q),
        np.asarray(masses @ (log_p - log_q)),
        ulps=64,
        scale=masses @ np.abs(log_q),
        why="sums of logs",
    )


def test_w2_in_the_plane_has_a_closed_form():
    """tr (A B)^(1/2) of 2 x 2 matrices is sqrt(tr AB + 2 sqrt(det A det B))."""
    a, b = np.array([[2.0, 0.5], [0.5, 0.75]]), np.array([[0.25, -0.125], [-0.125, 3.0]])
    cross = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    exact = np.sqrt(1.25 + np.trace(a + b) - 2 * cross)
    found = compiled_w2(
        GaussianLaw(jnp.zeros(2), jnp.asarray(a)),
        GaussianLaw(jnp.asarray([1.0, -0.5]), jnp.asarray(b)),
    )
    close(found, np.asarray(exact), ulps=32, why="two roots of 2 x 2 matrices")


def test_w2_of_nearly_equal_laws_keeps_twelve_digits():
    """Roots R and (1 + h) R: W2 = h |R|; at h = 1e-9 the trace form subtracts numbers of size 1 to
    find 1e-18.
    """
    root = st_.rotated(np.array([1.0, 0.5, 0.75]), QS[0])
    for h in (2.0**-10, 2.0**-30, 2.0**-36, 0.0):
        laws = [GaussianLaw(jnp.zeros(3), jnp.asarray(r @ r)) for r in (root, (1 + h) * root)]
        exact = h * np.linalg.norm(root)
        close(
            compiled_w2(*laws),
            np.asarray(exact),
            ulps=16,
            scale=2.0,
            why="the laws' own rounding, of size 1",
        )


def test_diagonal_laws_are_compared_without_matrix_roots():
    """Each direction keeps its digits: 1e-4 between eigenvalues 1e-8 beside one of 1e8."""
    p, q = (GaussianLaw(jnp.zeros(2), jnp.asarray([1e8, small])) for small in (1e-8, 4e-8))
    close(compiled_w2(p, q), np.asarray(1e-4), ulps=4, why="by the square roots of the variances")
    for distance in (w2, kl):
        program = str(jax.make_jaxpr(distance)(p, q))
        assert "eigh" not in program and "svd" not in program


def test_kl_of_nearly_equal_laws_is_not_negative_noise():
    """KL of N(0, v) from N(0, v (1 + r)) = (log(1 + r) - r/(1 + r))/2 in each direction, about
    r^2/4.
    """
    p, q = (
        GaussianLaw(jnp.zeros(2), jnp.asarray(v))
        for v in ([2.0, 0.5], [2.0 * (1 + 2.0**-10), 0.5 * (1 - 2.0**-10)])
    )
    r = np.array([2.0**-10, -(2.0**-10)])
    exact = np.sum(np.log1p(r) - r / (1 + r)) / 2
    close(
        compiled_kl(p, q),
        np.asarray(exact),
        ulps=8,
        scale=2.0**-10,
        why="r - log(1 + r) cancels once, not twice",
    )


def test_gradient_of_w2_is_that_of_differences():
    """At repeated eigenvalues, where the derivative of eigh is not finite."""
    away = jnp.asarray([1.0, 0.0, 0.0, -0.5])

    def distance(cov: Any) -> Any:
        return w2(GaussianLaw(away, cov), GaussianLaw(jnp.zeros(4), jnp.eye(4)))

    change = SQUARE + SQUARE.T
    _, slope = jax.jvp(distance, (jnp.asarray(REPEATED),), (jnp.asarray(change),))
    values, h = np.eye(4), 2.0**-10
    ends = [
        w2_by_scipy((np.asarray(away), REPEATED + k * h * change), (np.zeros(4), values))
        for k in (-2, -1, 1, 2)
    ]
    wanted = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
    close(
        slope,
        np.asarray(wanted),
        ulps=1e-8 / 2.0**-52,
        scale=1.0,
        why="the difference quotient's own h^4 and rounding/h",
    )


# --- more than 4 columns take another way -------------------------------------------------------


@over_dtypes
def test_wide_laws_have_the_fields_of_bayes(dtype):
    """Six columns, two components: the matrix products and the general mixture, which narrow laws
    never reach.
    """
    d, (a, s) = 6, (0.75, 0.5)
    process, t = level(a, s, dtype)
    rng = np.random.default_rng(5)
    means, x = (
        np.round(rng.normal(size=shape), 3).astype(np.float32).astype(np.float64)
        for shape in ((2, d), (4, d))
    )
    variances = np.array([[0.25, 2.0, 0.5, 1.0, 0.125, 1.5], [1.5, 0.25, 0.75, 0.5, 2.0, 1.0]])
    matrices = np.stack([st_.rotated(v, st_.rotation(seed, d)) for seed, v in enumerate(variances)])
    law = MixtureLaw(*(jnp.asarray(value, dtype) for value in (WEIGHTS, means, matrices)))
    alone = GaussianLaw(jnp.asarray(means[0], dtype), jnp.asarray(matrices[0], dtype))
    given, scale = jnp.asarray(x, dtype), np.abs(x).max() + np.abs(means).max()
    why = "condition number 16: two products with the eigenvectors"
    mixed = bayes.gmm_posterior(WEIGHTS, means, matrices, a, s, x).mean
    close(denoiser(process, law)(given, t), mixed, ulps=64, scale=scale, why=why)
    slopes = bayes.gmm_score(WEIGHTS, means, matrices, a, s, x)
    close(score(process, law)(given, t), slopes, ulps=64, scale=scale / s**2, why=why)
    single = bayes.gaussian_posterior(means[0], bayes.root_of(matrices[0]), a, s, x).mean
    close(denoiser(process, alone)(given, t), single, ulps=64, scale=scale, why=why)
    close(
        score(process, alone)(given, t),
        bayes.gaussian_score(means[0], matrices[0], a, s, x),
        ulps=64,
        scale=scale / s**2,
        why=why,
    )


def test_low_rank_mixtures_take_a_rest_for_each_component():
    """Three components of rank 2 in four columns: no two sizes agree, so that none is taken for
    another.
    """
    bases = np.stack([st_.rotation(seed, 4)[:, :2] for seed in range(3)])
    covs = LowRank(jnp.asarray(bases), jnp.ones((3, 2)) * 2.0, jnp.asarray([0.25, 0.5, 1.0]))
    law = MixtureLaw(jnp.asarray([0.25, 0.25, 0.5]), jnp.zeros((3, 4)), covs)
    matrices = [
        r * np.eye(4) + (2 - r) * b @ b.T for r, b in zip([0.25, 0.5, 1.0], bases, strict=True)
    ]
    close(
        gaussian_of(law).cov,
        np.einsum("k,kij", [0.25, 0.25, 0.5], matrices),
        ulps=16,
        scale=2.0,
        why="sums of products",
    )


def test_wide_mixtures_answer_in_the_dtype_of_x():
    law = MixtureLaw(jnp.asarray(WEIGHTS), jnp.zeros((2, 6)), jnp.ones(2))
    assert denoiser(VP(), law)(jnp.ones((3, 6), jnp.float32), 0.5).dtype == jnp.float32


def test_kl_of_nearly_equal_laws_keeps_its_digits():
    """x^2/4 - x^3/6 + x^4/8 for variances 3 + 2^-20 and 3, x = 2^-20/3: the logarithm of 1 + x
    loses 4 digits of it.
    """
    x = 2.0**-20 / 3
    found = kl(
        GaussianLaw(jnp.zeros(1), jnp.asarray([3 + 2.0**-20])),
        GaussianLaw(jnp.zeros(1), jnp.asarray([3.0])),
    )
    close(
        found,
        np.float64(x**2 / 4 - x**3 / 6 + x**4 / 8),
        ulps=4,
        scale=x,
        why="x - log1p(x): each is known to an ulp of x",
    )
