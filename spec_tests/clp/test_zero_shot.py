"""Zero-shot classification is discriminant analysis."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume, given, settings
from scipy.special import softmax

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import concepts
from spec_tests.support import strategies as st_
from spec_tests.support.contrast import zero_shot

discriminant = jax.jit(
    lambda means, cov, priors: diffx.concepts.discriminant(means, cov, priors=priors)
)
discriminant_error = jax.jit(diffx.concepts.discriminant_error)


@claim(
    "CLP-13",
    "For Gaussian classes with one covariance the linear scores C^-1 m x - m'C^-1 m/2 + log prior "
    "are Bayes' rule, the nearest Mahalanobis mean; two classes are confused with probability "
    "Phi(-Delta/2)",
    of=(
        "diffx.concepts.discriminant",
        "diffx.concepts.discriminant_error",
        "diffx.concepts.zero_shot",
    ),
    source="Fisher 1936; Hastie, Tibshirani and Friedman 2009",
    grade="computed law",
)
def test_zero_shot_is_discriminant_analysis(dtype):
    textbook_error(dtype)
    drawn_classes(dtype)


@given(means=st_.points(3, 2), cov=st_.covariances(2), priors=st_.weights(3), x=st_.points(5, 2))
@settings(max_examples=8)
def drawn_classes(dtype, means, cov, priors, x):
    condition = np.linalg.cond(cov)
    assume(condition < 1e3)
    m, c, p, at = (jnp.asarray(value, dtype) for value in (means, cov, priors, x))
    weights, biases = (np.asarray(value, np.float64) for value in discriminant(m, c, p))
    got = x @ weights.T + biases
    wanted = concepts.log_posterior(x, means, cov, priors)
    size = (1 + np.abs(np.concatenate([means, x])).max()) ** 2 * condition / np.linalg.eigvalsh(
        cov
    )[0] + 5
    gaps, why = (got[:, 1:] - got[:, :1]).astype(dtype), "terms m'C^-1 x of this size"
    close(gaps, wanted[:, 1:] - wanted[:, :1], ulps=64, scale=size, why=why)
    close(
        softmax(got, axis=1).astype(dtype),
        np.exp(wanted),
        ulps=64,
        scale=size,
        why="a softmax is p(c|x)",
    )
    plain = discriminant(m, c, None)
    distances = concepts.mahalanobis(x, means, cov)
    clear = np.diff(np.sort(distances**2, 1))[:, 0] > 512 * jnp.finfo(dtype).eps * size
    chosen = np.asarray(zero_shot(at, plain.weights, plain.biases))
    holds(chosen[clear] == distances.argmin(1)[clear], "equal priors: the nearest mean")
    delta = float(concepts.mahalanobis(means[:1], means[1:2], cov)[0, 0])
    wanted = np.asarray(concepts.norm.cdf(-delta / 2))
    close(
        discriminant_error(m[:2], c),
        wanted,
        ulps=64,
        scale=(1 + delta) * condition,
        why="Delta to its conditioning",
    )


def textbook_error(dtype):
    """Delta^2 = 590/61: .0599727, also in the scalar and diagonal forms of a covariance."""
    means, cov = np.array([[0.5, 1.0], [1.5, -1.0]]), np.array([[1.0, 0.3], [0.3, 0.7]])
    m = jnp.asarray(means, dtype)
    got = discriminant_error(m, jnp.asarray(cov, dtype))
    holds(
        abs(float(got) - 0.0599727) < 2e-7,
        "the number in the catalogue of claims",
        float(got),
        0.0599727,
    )
    weights, biases = (
        np.asarray(value, np.float64) for value in discriminant(m, jnp.asarray(cov, dtype), None)
    )
    for here, there in ((0, 1), (1, 0)):
        crossed = concepts.half_plane(
            means[here], cov, weights[there] - weights[here], biases[there] - biases[here]
        )
        close(
            got,
            np.asarray(crossed),
            ulps=64,
            scale=1,
            why="the mass beyond the line between the classes",
        )
    for form, same in ((0.5, 0.5 * np.eye(2)), ([0.5, 2.0], np.diag([0.5, 2.0]))):
        close(
            discriminant_error(m, jnp.asarray(form, dtype)),
            np.asarray(discriminant_error(m, jnp.asarray(same, dtype)), np.float64),
            ulps=32,
            why="one covariance",
        )
