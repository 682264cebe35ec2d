"""denoise.py on Gaussians and mixtures: D(x, t) = E[x_0 | x_t = x] and grad log p_t against Bayes,
quadrature and autodiff.

Claims about a noise level use `level`: alpha and sigma are given exactly, so that bounds count the
rounding of D alone.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from diffx.denoisers import CHUNK, denoiser
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
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
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.laws import (
    COVS,
    GAUSSIAN_FORMS,
    MEANS,
    POINTS,
    SHARES_OF_POINTS,
    WEIGHTS,
    drawn,
    fields,
    gaussian_cov,
    gaussian_sizes,
    jacobians,
    mixture_of,
    plane_laws,
)
from spec_tests.support.level import level
from spec_tests.support.paths import PROCESSES
from spec_tests.support.points import LEVELS, seeded, sizes

TWEEDIE = "Efron 2011, JASA 106(496); Robbins 1956"


# --- the claims ---------------------------------------------------------------------------------


@claim(
    "DEN-02",
    "Tweedie: (x + sigma^2 score)/alpha is the posterior mean that Bayes' rule gives, and so is "
    "the denoiser",
    of=("diffx.denoiser", "diffx.score", "diffx.denoisers.mixture_denoise", "diffx.MixtureLaw"),
    source=TWEEDIE,
    grade="identity",
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


@claim(
    "DEN-03",
    "The posterior covariance is sigma^2/alpha dD/dx = sigma^2/alpha^2 (I + sigma^2 Hess log p_t)",
    of=(
        "diffx.denoiser",
        "diffx.score",
        "diffx.denoisers.mixture_denoise",
        "diffx.denoisers.mixture_score",
    ),
    source="Meng et al. 2021, arXiv:2111.04726, Theorem 1",
    grade="computed law",
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
    "each form of covariance",
    of=(
        *("diffx.denoisers.gaussian_denoise", "diffx.denoisers.gaussian_score", "diffx.score"),
        *("diffx.GaussianLaw", "diffx.LowRank"),
    ),
    source="Gaussian conditioning",
    grade="identity",
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
    "As alpha -> 0 the denoiser tends to the mean, with an error of (alpha/sigma)^2 times a third "
    "moment beyond the linear term",
    of=("diffx.denoiser", "diffx.denoisers.mixture_denoise", "diffx.denoisers.points_denoise"),
    source="Lin et al. 2024, arXiv:2305.08891, section 5.2; the constant is derived here",
    grade="order",
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
            why=f"{type(process).__name__}: alpha(1) = 0 in every such process, with no 0/0",
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


@claim(
    "DEN-20",
    "For a point mass D is its point, eps is (x - alpha m)/sigma, and DDIM lands on the point on "
    "every grid: no numerical guard moves the answers",
    of=("diffx.denoisers.gaussian_denoise", "diffx.denoisers.points_denoise"),
    source="the limit of no variance",
    grade="identity",
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


KARRAS = "Karras et al. 2022, arXiv:2206.00364, eq. (57)"


@claim(
    "DEN-06",
    "The denoiser of points is their average under one softmax, however many chunks they are "
    "streamed in",
    of=("diffx.denoisers.points_denoise", "diffx.denoisers.points_score", "diffx.PointSet"),
    source=KARRAS,
    grade="computed law",
)
@given(seed=st_.seeds(), a=LEVELS, s=LEVELS, z=st_.normals(4, 2))
def test_denoiser_of_points_is_one_softmax_average(dtype, seed, a, s, z):
    """5 to 200 points, weights given or not, some 0; in the hull; the limit of a mixture; events of
    two axes.
    """
    process, t = level(a, s, dtype)
    for n in (5, CHUNK, 200):
        points, weights = seeded(n, seed, zeros=n > 5)
        x = (a * points[:1] + s * z).astype(np.float32).astype(np.float64)
        given_weights = None if n == CHUNK else jnp.asarray(weights, dtype)
        law = PointSet(jnp.asarray(points, dtype), given_weights)
        weights = np.full(n, 1 / n) if given_weights is None else weights
        exact, scale = sizes(points, weights, a, s, x)
        denoised, sharp = fields(process, law, jnp.asarray(x, dtype), t)
        close(
            denoised,
            exact,
            ulps=8,
            scale=scale,
            why=f"{n} points: rounding of distances and of the average",
        )
        tweedie = (a * exact - x) / s**2
        scale = (np.abs(x) + a * scale) / s**2
        close(sharp, tweedie, ulps=8, scale=scale, why=f"{n} points: rounding of x - alpha D")
        eps = float(jnp.finfo(dtype).eps)
        for side in (1, -1):
            over = (side * np.asarray(denoised, np.float64)).max(0) - (
                side * points[weights > 0]
            ).max(0)
            below(
                over, 4 * eps * np.abs(points).max(), "no coordinate leaves the range of the points"
            )
    as_mixture(process, t, dtype, seed, a, s, z)


def as_mixture(process, t, dtype, seed, a, s, z):
    """The same points as a mixture without variance, and as events of two axes."""
    points, weights = seeded(6, seed, zeros=False)
    x = (a * points[0] + s * z).astype(np.float32).astype(np.float64)
    exact, scale = sizes(points, weights, a, s, x)
    arrays = jnp.asarray(weights, dtype), jnp.asarray(points, dtype)
    mixture = MixtureLaw(*arrays, jnp.zeros((), dtype))
    close(
        fields(process, mixture, jnp.asarray(x, dtype), t)[0],
        exact,
        ulps=8,
        scale=scale,
        why="no variance: the points",
    )
    paired, beside = points.reshape(3, 2, 2), x.reshape(2, 2, 2)
    law = PointSet(jnp.asarray(paired, dtype))
    exact, scale = sizes(paired.reshape(3, 4), np.full(3, 1 / 3), a, s, beside.reshape(2, 4))
    found = fields(process, law, jnp.asarray(beside, dtype), t)[0]
    close(
        found,
        exact.reshape(2, 2, 2),
        ulps=8,
        scale=scale.reshape(2, 2, 2),
        why="events (2, 2) are vectors of length 4",
    )
