"""denoise.py on Gaussians and mixtures: D(x, t) = E[x_0 | x_t = x] and grad log p_t against Bayes,
quadrature and autodiff.

Claims about a noise level use `level`: alpha and sigma are given exactly, so that bounds count the
rounding of D alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st

from diffx.denoisers import denoiser, mixture_denoise, mixture_score, score
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import marginal
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.predictions import eps_of_x0
from diffx.processes.edm import EDM
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.vp import VP
from diffx.samplers.ddim import ddim, ddim_step
from diffx.samplers.euler import euler_step
from diffx.samplers.protocol import State
from diffx.samplers.run import fold, keep_x
from spec_tests import strategies as st_
from spec_tests.close import below, close, holds, slope
from spec_tests.level import level
from spec_tests.oracles import bayes
from spec_tests.paths import PROCESSES
from spec_tests.registry import claim

TWEEDIE = "Efron 2011, JASA 106(496); Robbins 1956"
LEVELS = st.floats(-2.0, 2.0).map(
    lambda u: float(np.float32(np.exp(u)))
)  # alpha and sigma: log-SNR in [-8, 8]
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
        kept = np.linalg.norm(mean) * (
            1 + a**2 * s**2 * v.max() / low**2
        )  # sigma^2/(a^2 L + sigma^2) turns with V
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
        size = np.linalg.norm(
            d, axis=-1
        )  # the derivative of a quotient subtracts D times the mean score: not |D_k - D|
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


# --- the claims ---------------------------------------------------------------------------------


@claim(
    "DEN-02",
    "Tweedie: (x + sigma^2 score)/alpha is the posterior mean that Bayes' rule gives, and so is "
    "the denoiser.",
    of=("diffx.denoiser", "diffx.score", "diffx.denoisers.mixture_denoise", "diffx.MixtureLaw"),
    source=TWEEDIE,
)
def test_denoiser_and_score_give_the_posterior_mean(dtype):
    """In three dimensions for drawn mixtures; in six, where the code goes another way, for one."""
    drawn_mixtures_have_their_posterior_mean(dtype)
    rng = np.random.default_rng(4)
    means, x = (single_precision(rng.standard_normal(shape)) for shape in ((2, 6), (4, 6)))
    variances = np.array([[0.25, 1.0, 2.0, 0.5, 1.0, 4.0], [1.0, 0.5, 0.5, 2.0, 0.25, 1.0]])
    law = MixtureLaw(
        *(jnp.asarray(part, dtype) for part in (np.array([0.25, 0.75]), means, variances))
    )
    process, t = level(0.75, 0.5, dtype)
    told = np.array([0.25, 0.75]), means, np.array([np.diag(v) for v in variances]), 0.75, 0.5
    got = denoiser(process, law)(jnp.asarray(x, dtype), t)
    close(
        got,
        bayes.gmm_posterior(*told, x).mean,
        ulps=32,
        scale=np.abs(x).max(),
        why="a logit of size 20 in the shares",
    )


def single_precision(x):
    return np.asarray(x, np.float32).astype(np.float64)


@given(case=drawn())
def drawn_mixtures_have_their_posterior_mean(dtype, case):
    """A mixture with unequal covariances: responsibilities, then the components by precisions."""
    law, told, sizes = mixture_of(case, "full", dtype)
    process, t = level(case.a, case.s, dtype)
    x = jnp.asarray(case.x, dtype)
    denoised, sharp = fields(process, law, x, t)
    exact = bayes.gmm_posterior(*told, case.x).mean
    close(
        denoised,
        exact,
        ulps=4,
        scale=sizes.denoised,
        why="rounding of the components and of their responsibilities",
    )
    tweedie = (case.x + case.s**2 * np.asarray(sharp, np.float64)) / case.a
    scale = (np.abs(case.x) + case.s**2 * sizes.score) / case.a
    close(
        tweedie.astype(dtype),
        exact,
        ulps=16,
        scale=scale,
        why="the score's rounding, times sigma^2/alpha",
    )


@jax.jit
def jacobians(process, law, x, t):
    return tuple(
        jax.vmap(jax.jacfwd(lambda y, field=field: field(process, law)(y, t)))(x)
        for field in (denoiser, score)
    )


@claim(
    "DEN-03",
    "The posterior covariance is sigma^2/alpha dD/dx = sigma^2/alpha^2 (I + sigma^2 Hess log p_t).",
    of=(
        "diffx.denoiser",
        "diffx.score",
        "diffx.denoisers.mixture_denoise",
        "diffx.denoisers.mixture_score",
    ),
    source="Meng et al. 2021, arXiv:2111.04726, Theorem 1",
)
@given(case=drawn())
def test_jacobian_of_the_denoiser_is_the_posterior_covariance(dtype, case):
    """Against Bayes: the covariance within the components and between them; the Jacobian is
    symmetric and PSD.
    """
    law, told, sizes = mixture_of(case, "full", dtype)
    process, t = level(case.a, case.s, dtype)
    first, second = (np.asarray(j) for j in jacobians(process, law, jnp.asarray(case.x, dtype), t))
    exact = bayes.gmm_posterior(*told, case.x).cov
    a, s = case.a, case.s
    close(
        (s**2 / a * first).astype(dtype),
        exact,
        ulps=16,
        scale=s**2 / a * sizes.gain,
        why="rounding of dD/dx",
    )
    from_score = s**2 / a**2 * (np.eye(3) + s**2 * second.astype(np.float64))
    scale = s**2 / a**2 * (1 + s**2 * sizes.curvature)
    close(
        from_score.astype(dtype),
        exact,
        ulps=16,
        scale=scale,
        why="I + sigma^2 Hess log p cancels where noise is high",
    )
    eps = float(jnp.finfo(dtype).eps)
    least = np.linalg.eigvalsh((first + first.swapaxes(-1, -2)).astype(np.float64) / 2).min(-1)
    below(
        -least / (16 * eps * sizes.gain[:, 0, 0]),
        1.0,
        "no direction has negative variance, to rounding",
    )


@claim(
    "DEN-04",
    "Gaussian data: score -(alpha^2 C + sigma^2)^-1 (x - alpha m) and the mean of x0 given x, for "
    "each form of covariance.",
    of=(
        *("diffx.denoisers.gaussian_denoise", "diffx.denoisers.gaussian_score", "diffx.score"),
        *("diffx.GaussianLaw", "diffx.LowRank"),
    ),
    source="Gaussian conditioning",
)
@given(case=drawn())
def test_gaussian_fields_are_those_of_gaussian_conditioning(dtype, case):
    """The score by complex steps of the log-density, the denoiser by precisions; singular
    covariances too.
    """
    process, t = level(case.a, case.s, dtype)
    mean, x = case.means[0], jnp.asarray(case.x, dtype)
    for form in GAUSSIAN_FORMS:
        cov, dense = gaussian_cov(form, case.v[0], case.qs[0], dtype)
        denoised, sharp = fields(process, GaussianLaw(jnp.asarray(mean, dtype), cov), x, t)
        sizes = gaussian_sizes(mean, dense, case.a, case.s, case.x, form in ("scalar", "diagonal"))
        exact = bayes.gaussian_posterior(mean, bayes.root_of(dense), case.a, case.s, case.x).mean
        close(
            denoised,
            exact,
            ulps=12,
            scale=sizes.denoised,
            why=f"{form}: rounding of the eigenvalues and of V f(L) V'",
        )
        exact = bayes.gaussian_score(mean, dense, case.a, case.s, case.x)
        close(
            sharp,
            exact,
            ulps=12,
            scale=sizes.score,
            why=f"{form}: rounding of x - alpha m, of the eigenvalues and of V f(L) V'",
        )
    in_the_dtype_of_x(dtype)


def in_the_dtype_of_x(dtype):
    """x decides, not the law: float32 under a float64 law, bfloat16 under a float32 one."""
    process, t = level(1.0, 2.0, dtype)
    narrow = jax.ShapeDtypeStruct((3,), jnp.float32 if dtype == np.float64 else jnp.bfloat16)
    zeros = jnp.zeros((2, 3), dtype)
    laws = (
        GaussianLaw(zeros[0], jnp.ones((), dtype)),
        MixtureLaw(jnp.full(2, 0.5, dtype), zeros, jnp.ones((), dtype)),
        PointSet(zeros),
    )
    for law in laws:
        for result in jax.eval_shape(fields, process, law, narrow, t):
            holds(
                result.dtype == narrow.dtype, f"{type(law).__name__}: the answer has the dtype of x"
            )


@jax.jit
def raw_fields(process, triple, x, t):
    return mixture_denoise(process, triple, x, t), mixture_score(process, triple, x, t)


@claim(
    "DEN-05",
    "A mixture's score and denoiser weight those of its components by responsibilities, log det "
    "included.",
    of=(
        "diffx.denoisers.mixture_denoise",
        "diffx.denoisers.mixture_score",
        "diffx.score",
        "diffx.MixtureLaw",
    ),
    source="the gradient of a log-sum-exp",
)
@given(case=drawn())
def test_mixture_score_is_the_gradient_of_the_log_density(dtype, case):
    """By complex steps of log p_t, for each form of covariances; log-weights count up to a
    constant, order does not.
    """
    process, t = level(case.a, case.s, dtype)
    x = jnp.asarray(case.x, dtype)
    for form in MIXTURE_FORMS:
        law, told, sizes = mixture_of(case, form, dtype)
        denoised, sharp = fields(process, law, x, t)
        why = f"{form}: rounding of the components and of their responsibilities"
        close(sharp, bayes.gmm_score(*told, case.x), ulps=16, scale=sizes.score, why=why)
        close(
            denoised, bayes.gmm_posterior(*told, case.x).mean, ulps=4, scale=sizes.denoised, why=why
        )
    law, told, sizes = mixture_of(case, "scalar", dtype)
    covs: Any = law.covs
    shifted = raw_fields(process, (jnp.log(law.weights) + 3, law.means, covs), x, t)
    turned = raw_fields(process, (jnp.log(law.weights)[::-1], law.means[::-1], covs[::-1]), x, t)
    exact = bayes.gmm_posterior(*told, case.x).mean, bayes.gmm_score(*told, case.x)
    for value, wanted, scale in zip(
        (*shifted, *turned), exact * 2, (sizes.denoised, sizes.score) * 2, strict=True
    ):
        close(
            value,
            wanted,
            ulps=16,
            scale=scale,
            why="a constant in the log-weights and the order change nothing",
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


def atoms(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights with the same moments up to the third, by Gauss and Hermite."""
    if name == "points":
        return POINTS, SHARES_OF_POINTS
    nodes, masses = bayes.hermite(3, 2)
    weights, means, covs = (
        (WEIGHTS, MEANS, COVS) if name == "mixture" else (np.ones(1), MEANS[:1], COVS[:1])
    )
    parts = [mean + nodes @ bayes.root_of(cov).T for mean, cov in zip(means, covs, strict=True)]
    return np.concatenate(parts), np.concatenate([w * masses for w in weights])


@jax.jit
def last_answers(process, law, x):
    """The denoiser at t = 1, and where one step of DDIM and of Euler from t = 1 to 0 leads."""
    one, zero = jnp.ones((), x.dtype), jnp.zeros((), x.dtype)
    field = denoiser(process, law)
    steps = [
        step(State(x), one, zero, process=process, denoise=field)[0].x
        for step in (ddim_step, euler_step)
    ]
    return field(x, one), *steps


@claim(
    "DEN-12",
    "As alpha -> 0 the denoiser goes to the mean, with error (alpha/sigma)^2 times a third moment "
    "beyond the linear term.",
    of=("diffx.denoiser", "diffx.denoisers.mixture_denoise", "diffx.denoisers.points_denoise"),
    source="Lin et al. 2024, arXiv:2305.08891, section 5.2; the constant is derived here",
)
def test_denoiser_goes_to_the_mean_of_any_data(dtype):
    """At alpha = 0 exactly, on the way there by its order (in float64), and in one step of DDIM or
    Euler from there.
    """
    x = np.array([[0.5, -2.0], [1.25, 0.75]])
    for name, law in plane_laws(dtype).items():
        points, masses = atoms(name)
        mean = masses @ points
        answers = last_answers(RectifiedFlow(), law, jnp.asarray(x, dtype))
        for answer in answers:
            scale = np.abs(points).max() + np.abs(x)
            close(
                answer,
                np.stack([mean, mean]),
                ulps=4,
                scale=scale,
                why=f"{name}: at alpha = 0 x says nothing",
            )
        if dtype == np.float64:
            towards_the_mean(name, law, points - mean, masses, mean)
    for process in [make() for make in PROCESSES if make().pure_noise_at_1]:
        answer = denoiser(process, plane_laws(dtype)["Gaussian"])(
            jnp.asarray(x, dtype), jnp.ones((), dtype)
        )
        close(
            answer,
            MEANS[[0, 0]],
            ulps=4,
            scale=2.0,
            why="alpha(1) = 0 in every such process, with no 0/0",
        )


def towards_the_mean(name, law, away, masses, mean):
    """D - m - r C z = r^2/2 E[u ((u z)^2 - |u|^2)] + O(r^3), with r = alpha/sigma, z whitened noise
    and u = x0 - m.
    """
    z, ns = np.array([1.25, -0.75]), np.array([64, 128, 256, 512])
    linear = masses @ (away * (away @ z)[:, None])
    third = masses @ (away * ((away @ z) ** 2 - (away**2).sum(-1))[:, None]) / 2
    errors = []
    for n in ns:
        process, t = level(2.0 / n, 2.0, "float64")
        x = jnp.asarray(mean * 2.0 / n + 2.0 * z)
        errors.append(np.asarray(fields(process, law, x, t)[0]) - mean - linear / n)
    if name == "Gaussian":  # odd moments are 0
        below(
            np.abs(errors[-1]) * ns[-1] ** 2, 4 / ns[-1], "a Gaussian has no term of second order"
        )
        return
    why = f"{name}: the remainder is a third moment times (alpha/sigma)^2"
    constant = float(np.linalg.norm(third))
    slope(
        ns, np.linalg.norm(errors, axis=-1), order=2, constant=constant, constant_rtol=0.05, why=why
    )
    below(
        np.linalg.norm(errors[-1] * ns[-1] ** 2 - third) / constant,
        0.05,
        f"{why}, in its direction",
    )


@jax.jit
def score_and_divergence(process, law, x, t):
    field = score(process, law)
    return field(x, t), jnp.trace(
        jax.vmap(jax.jacfwd(lambda y: field(y, t)))(x), axis1=-2, axis2=-1
    )


@claim(
    "DEN-13",
    "Stein: E score = 0, E score (x - m)' = -I, and E |score|^2 = -E div score.",
    of=("diffx.score", "diffx.denoisers.mixture_score"),
    source="Stein 1981; integration by parts",
)
def test_scores_obey_the_identities_of_stein(dtype):
    """By the trapezoid rule on a grid of step 5/16, exact to rounding for densities this wide."""
    x, volume = bayes.trapezoid(63, 31 * 0.3125, 2)  # float32 holds the nodes
    for a, s in ((0.75, 0.625), (0.375, 0.875)):
        process, t = level(a, s, dtype)
        found = score_and_divergence(
            process, plane_laws(dtype)["mixture"], jnp.asarray(x, dtype), t
        )
        sharp, div = (np.asarray(value, np.float64) for value in found)
        told: Told = (WEIGHTS, MEANS, COVS, a, s)
        share = volume * np.exp(bayes.gmm_log_prob(*bayes.gmm_noised(*told), x))
        sizes = mixture_sizes(*told, x, axes=False)
        away = x - a * WEIGHTS @ MEANS
        wrong = share @ sizes.score[:, 0]
        close(
            (share @ sharp).astype(dtype),
            np.zeros(2),
            ulps=4,
            scale=wrong,
            why="the mean of the scores' rounding",
        )
        cross = np.einsum("n,ni,nj->ij", share, sharp, away).astype(dtype)
        scale = share @ (sizes.score[:, 0] * np.linalg.norm(away, axis=-1))
        close(
            cross,
            -np.eye(2),
            ulps=4,
            scale=scale,
            why="the mean of the scores' rounding times x - m",
        )
        squares = share @ (sharp**2).sum(-1)
        scale = share @ (
            2 * sizes.score[:, 0] * np.linalg.norm(sharp, axis=-1) + 2 * sizes.curvature[:, 0, 0]
        )
        close(
            np.asarray(squares, dtype),
            -share @ div,
            ulps=4,
            scale=scale,
            why="the means of both sides' rounding",
        )


@jax.jit
def score_in_three_ways(process, law, x, t):
    """In a batch, by vmap, and by jax.grad of the marginal's log-density."""
    field = score(process, law)
    return (
        field(x, t),
        jax.vmap(lambda y: field(y, t))(x),
        jax.vmap(jax.grad(marginal(process, law, t).log_prob))(x),
    )


one_score = jax.jit(lambda process, law, x, t: score(process, law)(x, t))


@claim(
    "DEN-19",
    "Every analytic score is jax.grad of the marginal's log-density; a batch, a vmap and a loop "
    "give the same.",
    of=("diffx.score", "diffx.denoiser", "diffx.GaussianLaw", "diffx.MixtureLaw"),
    source="the definition of the score",
)
@given(case=drawn(), points=st_.arrays((5, 3), st_.floats(-2.0, 2.0)))
def test_scores_are_gradients_of_log_densities(dtype, case, points):
    """Gaussians, mixtures and points; automatic differentiation goes another way through the
    formulas.
    """
    process, t = level(case.a, case.s, dtype)
    x = jnp.asarray(case.x, dtype)
    laws = {}
    for form in ("diagonal", "full", "low rank"):
        cov, dense = gaussian_cov(form, case.v[0], case.qs[0], dtype)
        sizes = gaussian_sizes(case.means[0], dense, case.a, case.s, case.x, form == "diagonal")
        laws[form] = GaussianLaw(jnp.asarray(case.means[0], dtype), cov), sizes
    law, _, sizes = mixture_of(case, "low rank", dtype)
    laws["mixture"] = law, sizes
    told: Told = (np.full(5, 0.2), points, np.zeros((5, 3, 3)), case.a, case.s)
    laws["points"] = PointSet(jnp.asarray(points, dtype)), mixture_sizes(*told, case.x, axes=True)
    for name, (law, sizes) in laws.items():
        batch, mapped, slopes = (
            np.asarray(value) for value in score_in_three_ways(process, law, x, t)
        )
        close(batch, slopes, ulps=16, scale=sizes.score, why=f"{name}: rounding on both ways")
        close(
            mapped, batch, ulps=4, scale=sizes.score, why=f"{name}: the same sums in another order"
        )
        if name in ("low rank", "points"):
            looped = np.stack([one_score(process, law, y, t) for y in x])
            close(
                looped,
                batch,
                ulps=4,
                scale=sizes.score,
                why=f"{name}: the same sums in another order",
            )


@claim(
    "DEN-20",
    "For a point mass D is its point, eps is (x - alpha m)/sigma, and every DDIM grid lands on the "
    "point: no guard moves them.",
    of=("diffx.denoisers.gaussian_denoise", "diffx.denoisers.points_denoise"),
    source="the limit of no variance",
)
def test_denoiser_of_a_point_mass_is_its_point(dtype):
    """No guard such as sigma + 1e-8 moves the answer: it is the point to 4 ulps at sigma = 1e-4."""
    point, x = np.array([0.7109375, -3.3125]), np.array([[0.5, -2.0], [1e3, 30.0], [-0.125, 1e-3]])
    mean, xs = jnp.asarray(point, dtype), jnp.asarray(x.astype(np.float32), dtype)
    zero = jnp.zeros((), dtype)
    covs = (
        zero,
        zero * mean,
        jnp.zeros((2, 2), dtype),
        LowRank(jnp.eye(2, dtype=dtype)[:, :1], zero[None], zero),
    )
    laws = [*(GaussianLaw(mean, cov) for cov in covs), PointSet(mean[None])]
    for law in laws:
        for a, s in ((0.9, 1e-4), (1.0, 0.3), (1e-3, 1.0), (1.0, 80.0)):
            a, s = float(np.float32(a)), float(np.float32(s))
            process, t = level(a, s, dtype)
            answer = fields(process, law, xs, t)[0]
            close(
                answer,
                point + 0 * x,
                ulps=4,
                why="sigma^2/sigma^2 is 1 to 2 ulps where division is not exact",
            )
            eps, exact = (
                eps_of_x0(process, xs, answer, t),
                (np.asarray(xs, np.float64) - a * point) / s,
            )
            close(
                eps,
                exact,
                ulps=4,
                scale=(np.abs(x) + a * np.abs(point)) / s,
                why="rounding of x - alpha m",
            )
    for process, law in ((VP(0.3125, 12.0), laws[0]), (EDM(40.0), laws[-1])):
        for ts in ([1.0, 0.0], [1.0, 0.875, 0.5, 0.25, 0.125, 1e-3, 0.0]):
            ts = jnp.asarray(ts, dtype)
            end, path = fold(ddim(process, denoiser(process, law)), xs, ts, keep=keep_x)
            close(end, point + 0 * x, ulps=4, why="the last step is the denoiser's answer")
            alphas, sigmas = (
                np.asarray(f(ts), np.float64)[:, None, None] for f in (process.alpha, process.sigma)
            )
            noise = (np.asarray(xs, np.float64) - alphas[0] * point) / sigmas[0]
            exact = alphas * point + sigmas * noise
            scale = np.abs(alphas * point) + np.abs(sigmas / sigmas[0]) * (
                np.abs(x) + alphas[0] * np.abs(point)
            )
            close(
                path,
                exact[1:],
                ulps=8,
                scale=8 * scale[1:],
                why="the line from the point along its noise, six steps",
            )
