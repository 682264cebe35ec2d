"""Scores: gradients of log-densities, and the identities that they obey."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

import diffx
from diffx.denoisers import mixture_denoise, mixture_score, score
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import marginal
from diffx.laws.point_set import PointSet
from spec_tests.instrument.close import close
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, cast
from spec_tests.support.laws import (
    COVS,
    MEANS,
    MIXTURE_FORMS,
    WEIGHTS,
    Told,
    drawn,
    fields,
    gaussian_cov,
    gaussian_sizes,
    mixture_of,
    mixture_sizes,
    plane_laws,
)
from spec_tests.support.level import level


@jax.jit
def raw_fields(process, triple, x, t):
    return mixture_denoise(process, triple, x, t), mixture_score(process, triple, x, t)


@claim(
    "DEN-05",
    "A mixture's score and denoiser weight those of its components by responsibilities, log det "
    "included",
    of=(
        "diffx.denoisers.mixture_denoise",
        "diffx.denoisers.mixture_score",
        "diffx.score",
        "diffx.MixtureLaw",
    ),
    source="the gradient of a log-sum-exp",
    grade="identity",
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


@jax.jit
def score_and_divergence(process, law, x, t):
    field = score(process, law)
    return field(x, t), jnp.trace(
        jax.vmap(jax.jacfwd(lambda y: field(y, t)))(x), axis1=-2, axis2=-1
    )


@claim(
    "DEN-13",
    "Stein: E score = 0, E score (x - m)' = -I, and E |score|^2 = -E div score",
    of=("diffx.score", "diffx.denoisers.mixture_score"),
    source="Stein 1981; integration by parts",
    grade="computed law",
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
    "give the same",
    of=("diffx.score", "diffx.denoiser", "diffx.GaussianLaw", "diffx.MixtureLaw"),
    source="the definition of the score",
    grade="identity",
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


# --- traces -------------------------------------------------------------------------------------


@jax.jit
def traces(matrix, x, t, probes):
    """Divergence of the field t (A x + tanh x), exact and by probes, and the variances of the
    latter for A.
    """

    def field(x, t):
        return t * (jnp.einsum("...j,ij->...i", x, matrix, precision="highest") + jnp.tanh(x))

    exact, estimate = (
        diffx.likelihood.divergence(field, x, t),
        diffx.likelihood.hutchinson(field, x, t, probes),
    )
    return (
        exact,
        estimate,
        diffx.likelihood.sign_probe_variance(matrix),
        diffx.likelihood.normal_probe_variance(matrix),
    )


def signs_have_the_mean_and_variance(dtype, matrix, d, t):
    """All 2^d signs, one for each of 2^d equal points, then all for each of two points."""
    signs, x = (
        np.array(list(product((-1.0, 1.0), repeat=d))),
        np.linspace(-1.0, 1.5, d).astype(np.float32).astype(float),
    )
    diagonal = t * (np.diag(matrix) + np.cosh(x) ** -2)
    jacobian = t * matrix + np.diag(t * np.cosh(x) ** -2)
    exact, single, variance, _ = traces(*cast(dtype, matrix, np.tile(x, (2**d, 1)), t, signs[None]))
    scale, why = np.abs(jacobian).sum(), "d^2 products"
    close(exact, np.full(2**d, diagonal.sum()), ulps=4 * d, scale=scale, why=why)
    close(
        single, np.einsum("ni,ij,nj->n", signs, jacobian, signs), ulps=4 * d, scale=scale, why=why
    )
    wanted = np.var(np.einsum("ni,ij,nj->n", signs, matrix, signs))
    close(
        variance,
        wanted,
        ulps=16,
        scale=(matrix**2).sum(),
        why="the diagonal cancels: signs square to 1",
    )
    exact, mean, *_ = traces(
        *cast(dtype, matrix, np.stack([x, x]), t, np.repeat(signs[:, None], 2, axis=1))
    )
    close(
        mean,
        np.full(2, diagonal.sum()),
        ulps=4 * d,
        scale=scale,
        why="the mean over all signs is the trace",
    )


def normals_have_the_mean_and_variance(dtype, matrix, d):
    """Three Gauss-Hermite nodes a dimension integrate polynomials of degree 5, and z'Az squared has
    4.
    """
    nodes, shares = np.polynomial.hermite_e.hermegauss(3)
    z = np.array(list(product(nodes, repeat=d)))
    p = np.prod(list(product(shares / shares.sum(), repeat=d)), axis=1)
    form = np.einsum("ni,ij,nj->n", z, matrix, z)
    *_, variance = traces(*cast(dtype, matrix, np.zeros((2**d, d)), 1.0, np.ones((1, 2**d, d))))
    close(
        variance, p @ form**2 - (p @ form) ** 2, ulps=16, scale=(matrix**2).sum(), why="d^2 squares"
    )


@claim(
    "DEN-17",
    "Hutchinson's estimate has the trace as its mean; its variance with signs is 2 sum S_ij^2 off "
    "the diagonal, with normals 2 |S|^2",
    of=(
        "diffx.likelihood.divergence",
        "diffx.likelihood.hutchinson",
        "diffx.likelihood.sign_probe_variance",
        "diffx.likelihood.normal_probe_variance",
    ),
    source=(
        "Hutchinson 1989; Avron and Toledo 2011; all 2^d signs enumerated, normals by "
        "Gauss-Hermite quadrature"
    ),
    grade="computed law",
)
@FEW
@given(wide=st_.points(5, 5), narrow=st_.points(3, 3), t=st_.floats(0.25, 1.0))
def test_probes_have_the_trace_as_mean_and_the_stated_variance(dtype, wide, narrow, t):
    for d, matrix in ((5, wide), (3, narrow)):
        signs_have_the_mean_and_variance(dtype, matrix, d, t)
    normals_have_the_mean_and_variance(dtype, narrow, 3)
