"""Exact denoisers D(x, t) = E[x_0 | x_t = x] and scores grad log p_t(x) of laws: the oracles."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import NARROW, contract, with_axes
from diffx._types import Scalar
from diffx.laws.covariance import (
    Covariance,
    apply_to_eigenvalues,
    diagonalise,
    eigenvalues,
    noised_covariance,
    noised_variance,
)
from diffx.laws.gaussian import GaussianLaw, gaussian_log_prob
from diffx.laws.marginals import Law
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.predictions import score_of_x0
from diffx.processes.protocol import Process


def denoiser(process: Process, law: Law) -> Partial:
    """The exact denoiser of a law: a function (x, t) -> E[x_0 | x_t = x], a pytree.

    A covariance (d, d) is diagonalised once, here. See `gaussian_denoise`, `mixture_denoise` and
    `points_denoise`.

    Units: x (..., *event), data units; the result has the shape and the dtype of x.
    Domain: t in (0, 1]; at t = 0 too for covariances of full rank.
    Raises: TypeError if law is not a law.
    Source: the definition of the conditional mean.
    Also called: posterior mean, optimal denoiser, conditional expectation, MMSE denoiser, ideal
        denoiser.
    Claims: FWD-06, FWD-20, DEN-02, DEN-03, DEN-07, DEN-12, DEN-15, DEN-16, DEN-19, NUM-10.

    >>> diffx.denoiser(process, law)(x, 0.5).shape
    (2,)
    """
    kind, ready = _kind_and_parameters(law)
    return Partial(
        {GaussianLaw: gaussian_denoise, MixtureLaw: mixture_denoise, PointSet: points_denoise}[
            kind
        ],
        process,
        ready,
    )


def score(process: Process, law: Law) -> Partial:
    """The exact score of a law: a function (x, t) -> grad log p_t(x), a pytree.

    Units: x (..., *event), data units; the result in 1/data units, with the shape and the dtype of
        x.
    Domain: t in (0, 1]; at t = 0 too for covariances of full rank.
    Raises: TypeError if law is not a law.
    Source: the definition of the score.
    Also called: score function, Stein score, gradient of the log-density.
    Claims: FWD-06, FWD-09, FWD-20, DEN-02, DEN-03, DEN-04, DEN-05, DEN-07, DEN-13, DEN-15, DEN-16,
        DEN-19.

    >>> diffx.score(process, law)(x, 0.5).shape
    (2,)
    """
    kind, ready = _kind_and_parameters(law)
    return Partial(
        {GaussianLaw: gaussian_score, MixtureLaw: mixture_score, PointSet: points_score}[kind],
        process,
        ready,
    )


def _kind_and_parameters(law: Any) -> tuple[type, Any]:
    """The kind of the law, and the law with its covariances diagonalised once."""
    if isinstance(law, GaussianLaw):
        return GaussianLaw, (law.mean, diagonalise(law.cov))
    if isinstance(law, MixtureLaw):
        parts = law.components()
        return MixtureLaw, (jnp.log(law.weights), parts.mean, jax.vmap(diagonalise)(parts.cov))
    if isinstance(law, PointSet):
        return PointSet, law
    raise TypeError(
        f"law must be a GaussianLaw, a MixtureLaw or a PointSet, got {type(law).__name__}"
    )


def _door(
    process: Process, x: Any, t: Scalar, event: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    x, t = _arguments.events("x", x, event), _arguments.time(t)
    return x, process.alpha(t), process.sigma(t)


# --- Gaussian -----------------------------------------------------------------------------------


def _shrink(mean: Array, cov: Covariance, x: Array, alpha: Array, sigma: Array) -> Array:
    """The mean of x / alpha and of m, each weighted by its precision.

    Nothing cancels where x is near alpha m.
    """
    of_x = apply_to_eigenvalues(cov, x, lambda v: alpha * v / noised_variance(v, alpha, sigma))
    return of_x + apply_to_eigenvalues(
        cov, mean, lambda v: sigma**2 / noised_variance(v, alpha, sigma)
    )


def gaussian_denoise(process: Process, law: tuple[Array, Covariance], x: Array, t: Scalar) -> Array:
    """D(x, t) = m + alpha C (alpha^2 C + sigma^2 I)^-1 (x - alpha m).

    Units: law the pair (m, C), C diagonalised; x (..., d).
    Source: Gaussian conditioning.
    Also called: Wiener filter, linear MMSE estimator, denoiser of a Gaussian, azula
        GaussianDenoiser.
    Claims: DEN-04, DEN-07, DEN-20.
    """
    mean, cov = law
    x, alpha, sigma = _door(process, x, t, mean.shape)
    return _shrink(mean, cov, x, alpha, sigma).astype(x.dtype)


def gaussian_score(process: Process, law: tuple[Array, Covariance], x: Array, t: Scalar) -> Array:
    """grad log p_t(x) = -(alpha^2 C + sigma^2 I)^-1 (x - alpha m).

    Units: law the pair (m, C), C diagonalised; x (..., d).
    Source: the Gaussian density.
    Also called: score of a Gaussian.
    Claims: DEN-04, DEN-07.
    """
    mean, cov = law
    x, alpha, sigma = _door(process, x, t, mean.shape)
    return -apply_to_eigenvalues(
        noised_covariance(cov, alpha, sigma), x - alpha * mean, lambda v: 1 / v
    ).astype(x.dtype)


# --- mixture ------------------------------------------------------------------------------------


def _responsibilities(process: Process, law: Any, x: Array, t: Scalar) -> Array:
    """p(component k | x_t = x), shape (k, ...), by a softmax of log-densities.

    They include log det/2.
    """
    log_weights, means, covs = law
    alpha, sigma = process.alpha(t), process.sigma(t)
    logs = jax.vmap(
        lambda m, c: gaussian_log_prob(alpha * m, noised_covariance(c, alpha, sigma), x)
    )(means, covs)
    return jax.nn.softmax(with_axes(log_weights, logs.ndim - 1) + logs, axis=0)


def mixture_denoise(process: Process, law: Any, x: Array, t: Scalar) -> Array:
    """D(x, t) = sum_k p(k | x_t = x) D_k(x, t), D_k the denoisers of the components.

    Units: law (log weights (k,), means (k, d), covariances, diagonalised); x (..., d).
    Source: Bayes' formula.
    Also called: denoiser of a Gaussian mixture, responsibilities.
    Claims: DEN-02, DEN-03, DEN-05, DEN-12.
    """
    _, means, covs = law
    x, alpha, sigma = _door(process, x, t, means.shape[1:])
    if means.shape[1] <= NARROW:
        return _narrow_mixture_denoise(law, x, alpha, sigma).astype(x.dtype)
    parts = jax.vmap(lambda m, c: _shrink(m, c, x, alpha, sigma))(means, covs)
    return (_responsibilities(process, law, x, t)[..., None] * parts).sum(0).astype(x.dtype)


def _narrow_mixture_denoise(law: Any, x: Array, alpha: Array, sigma: Array) -> Array:
    """The same for few columns: D_k = A_k x + b_k, in one matrix product.

    The responsibilities multiply all (1, b_k, A_k). The event axis comes first and every exp is
    taken once: 4,096 points and 8 components take 65 us on CPU, 1,200 us in the general form.
    """
    log_weights, means, covs = law
    k, d = means.shape
    over_points = lambda values: with_axes(values, x.ndim - 1)
    spread = lambda v: noised_variance(v, alpha, sigma)
    matrices = lambda function: jax.vmap(
        lambda cov: apply_to_eigenvalues(cov, jnp.eye(d, dtype=means.dtype), function)
    )(covs)
    whiten = over_points(matrices(lambda v: 1 / jnp.sqrt(spread(v))))
    log_det = jax.vmap(lambda cov: jnp.log(spread(eigenvalues(cov, d))).sum())(covs)
    columns = jnp.moveaxis(x, -1, 0)
    off = columns - over_points(alpha * means)
    white = jnp.asarray(sum(whiten[:, :, j] * off[:, j, None] for j in range(d)))
    logs = over_points(log_weights - log_det / 2) - (white**2).sum(1) / 2
    shares = jnp.exp(logs - jax.lax.stop_gradient(logs.max(0)))
    offsets = jax.vmap(lambda m, cov: apply_to_eigenvalues(cov, m, lambda v: sigma**2 / spread(v)))(
        means, covs
    )
    table = jnp.concatenate(
        [
            jnp.ones_like(offsets[:, :1]),
            offsets,
            matrices(lambda v: alpha * v / spread(v)).reshape(k, -1),
        ],
        1,
    )
    mass, *mixed = contract("kj,k...->j...", table, shares)
    matrix = jnp.stack(mixed[d:]).reshape(d, d, *x.shape[:-1])
    moved = jnp.stack(mixed[:d]) + sum(matrix[:, j] * columns[j] for j in range(d))
    return jnp.moveaxis(moved / mass, 0, -1)


def mixture_score(process: Process, law: Any, x: Array, t: Scalar) -> Array:
    """grad log p_t(x) = sum_k p(k | x_t = x) grad log p_{t,k}(x).

    Units: law (log weights (k,), means (k, d), covariances, diagonalised); x (..., d).
    Source: Bayes' formula.
    Also called: score of a Gaussian mixture.
    Claims: FWD-09, DEN-03, DEN-05, DEN-13.
    """
    _, means, covs = law
    x, *_ = _door(process, x, t, means.shape[1:])
    parts = jax.vmap(lambda m, c: gaussian_score(process, (m, c), x, t))(means, covs)
    return (_responsibilities(process, law, x, t)[..., None] * parts).sum(0).astype(x.dtype)


# --- points -------------------------------------------------------------------------------------

# points at a time: 256 pictures of 3,072 numbers then take 200 MB at the worst; 50,000 at once, 160
# GB
CHUNK = 64


def points_denoise(process: Process, law: PointSet, x: Array, t: Scalar) -> Array:
    """D(x, t) = sum_i p_i y_i, p = softmax(log weights_i - |x - alpha y_i|^2 / (2 sigma^2)).

    y_i are the points, streamed with a running maximum: the memory is batch x CHUNK x event at
    most. Squared differences are taken directly: |x|^2 + |y|^2 - 2xy loses all digits at
    sigma = 1e-3 in float32.

    Units: x (..., *event).
    Domain: sigma(t) > 0.
    Source: Karras et al. 2022, arXiv:2206.00364, eq. (57).
    Also called: ideal denoiser, empirical denoiser, optimal denoiser of a data set, softmax
        average, Nadaraya-Watson estimator, smalldiffusion IdealDenoiser.
    Claims: DEN-06, DEN-12, DEN-18, DEN-20, PTS-01, PTS-02, PTS-03, PTS-08, NUM-05.
    """
    event = law.points.shape[1:]
    x, alpha, sigma = _door(process, x, t, event)
    message = lambda _: (
        f"at t = {t} sigma is 0 and only the points themselves have a denoiser; give a t > 0"
    )
    _arguments.require_that(lambda sigma: sigma > 0, message, sigma)
    flat = x.reshape(*x.shape[: x.ndim - len(event)], -1)
    dtype = jnp.result_type(flat, law.points, sigma)
    empty = (
        jnp.full(flat.shape[:-1], jnp.finfo(dtype).min, dtype),
        jnp.zeros(flat.shape[:-1], dtype),
        jnp.zeros(flat.shape, dtype),
    )

    def absorb(carry: tuple[Array, Array, Array], chunk: tuple[Array, Array]):
        points, log_weights = chunk
        distances = ((flat[..., None, :] - alpha * points) ** 2).sum(-1)
        return _absorb(carry, log_weights - distances / (2 * sigma**2), points), None

    (_, mass, total), _ = jax.lax.scan(absorb, empty, _chunks(law))
    return (total / mass[..., None]).reshape(x.shape).astype(x.dtype)


def _absorb(
    carry: tuple[Array, Array, Array], logits: Array, points: Array
) -> tuple[Array, Array, Array]:
    """The running (largest logit, sum of exp, sum of exp times points), these points taken in."""
    top, mass, total = carry
    higher = jnp.maximum(top, logits.max(-1))
    shrink, shares = jnp.exp(top - higher), jnp.exp(logits - higher[..., None])
    return (
        higher,
        shrink * mass + shares.sum(-1),
        shrink[..., None] * total + contract("...i,ij->...j", shares, points),
    )


def _chunks(law: PointSet) -> tuple[Array, Array]:
    """Points (m, c, event flattened) and log-weights (m, c) in m chunks of c <= CHUNK.

    The padding of the last chunk has weight 0.
    """
    n = law.points.shape[0]
    c = min(CHUNK, n)
    spare = -n % c
    points = jnp.pad(law.points.reshape(n, -1), ((0, spare), (0, 0)))
    logs = jnp.pad(law.log_weights(), (0, spare), constant_values=-jnp.inf)
    return points.reshape(-1, c, points.shape[-1]), logs.reshape(-1, c)


def points_score(process: Process, law: PointSet, x: Array, t: Scalar) -> Array:
    """grad log p_t(x) = (alpha D(x, t) - x)/sigma^2 for the points noised to time t.

    Units: x (..., *event); the result in 1/data units.
    Domain: sigma(t) > 0.
    Source: Tweedie's formula.
    Also called: empirical score, score of a data set, kernel density score.
    Claims: DEN-06, DEN-18.
    """
    t = _arguments.time(t)
    return score_of_x0(process, x, points_denoise(process, law, x, t), t)
