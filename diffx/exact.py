"""The exact law of a sampler's real output on Gaussian data, and the parts of its error."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Denoiser, Number, Scalar
from diffx.denoisers import denoiser
from diffx.laws.covariance import dense
from diffx.laws.distances import w2
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.laws.marginals import marginal
from diffx.processes.protocol import Process
from diffx.samplers.exact_flow import exact_flow
from diffx.samplers.protocol import Sampler
from diffx.samplers.run import checked_run


def exact_law(sampler: Sampler, initial_law: GaussianLaw, ts: Array) -> GaussianLaw:
    """C' = J C J' + J_z J_z' through every step: the law of the output after the grid ts.

    Started from initial_law, the sampler ends at a Gaussian of mean (d,) and covariance (d, d).
    With a Gaussian's denoiser every step is affine in its state and its noise: the derivatives J,
    J_z of the step's own code carry the covariance, history included. There is no sampling; the
    cost is linear in the steps.

    Units: ts (N + 1,), decreasing.
    Raises: TypeError unless initial_law is Gaussian; ValueError where a step is not affine (a
        mixture, a clip, a network), because then the output is not Gaussian.
    Source: Pierret and Galerne 2024, arXiv:2405.14250, for six schemes; by automatic
        differentiation: here.
    Also called: output distribution of a sampler, exact sampling law, Gaussian propagation, moment
        propagation.
    Claims: REV-07, REV-11, REV-22, REV-36, REV-37, REV-38, REV-41, REV-49, API-07.

    >>> law_at_1 = diffx.prior(process, law)
    >>> diffx.exact_law(diffx.ddim(process, denoise), law_at_1, diffx.uniform(2)).mean.shape
    (2,)
    """
    require_gaussian(initial_law, "exact_law")
    sampler, _, ts, _ = checked_run(sampler, initial_law.mean, ts, None)
    law, bend = _propagate(sampler, initial_law, ts)
    message = lambda bend: (
        "a step of this sampler is not affine in its state and noise (relative deviation "
        f"{bend:.2g}), so that its "
        "output is not Gaussian: exact_law needs the denoiser of a GaussianLaw, without clipping"
    )
    allowed = float(jnp.finfo(initial_law.mean.dtype).eps) ** 0.5
    _arguments.require_that(lambda bend: not bend > allowed, message, bend)
    return law


@jax.jit
def _propagate(sampler: Sampler, initial_law: GaussianLaw, ts: Array) -> tuple[GaussianLaw, Array]:
    """The output law, and the largest relative deviation of a step from affine."""
    _, unravel = ravel_pytree(sampler.init(initial_law.mean))
    quiet = _quiet_noise(sampler, initial_law.mean)

    def body(carry: tuple[Array, Array, Array], times: tuple[Array, Array]) -> tuple[Any, None]:
        mean, cov, bend = carry
        joint, split = ravel_pytree((mean, quiet))
        step = lambda u: _flat_step(sampler, unravel, split(u), *times)
        whole = jnp.zeros((joint.size, joint.size), cov.dtype).at[: mean.size, : mean.size].set(cov)
        noise = jnp.arange(joint.size) >= mean.size
        mean, cov, bent = _push_forward(step, joint, whole + jnp.diag(noise.astype(cov.dtype)))
        return (mean, cov, jnp.maximum(bend, bent)), None

    begin = _push_forward(
        lambda x: ravel_pytree(sampler.init(x))[0],
        initial_law.mean,
        dense(initial_law.cov, initial_law.mean.size),
    )
    (mean, cov, bend), _ = jax.lax.scan(body, begin, (ts[:-1], ts[1:]))
    # a state of two dtypes is flattened to the wider one
    pick = lambda flat: unravel(flat.astype(mean.dtype)).x
    return GaussianLaw(pick(mean), jax.vmap(pick)(jax.vmap(pick)(cov).T)), bend


def _quiet_noise(sampler: Sampler, x: Array) -> Any:
    """The noise of one step, all of it zero; None for a deterministic method."""
    if sampler.noise is None:
        return None
    shapes = jax.eval_shape(lambda x: sampler.noise(jax.random.key(0), x), x)  # type: ignore[misc]
    return jax.tree_util.tree_map(lambda z: jnp.zeros(z.shape, z.dtype), shapes)


def _flat_step(
    sampler: Sampler, unravel: Callable, at: tuple[Array, Any], t: Array, s: Array
) -> Array:
    state, z = at
    return ravel_pytree(sampler.step(unravel(state), t, s, z)[0])[0]


def _push_forward(
    step: Callable[[Array], Array], mean: Array, cov: Array
) -> tuple[Array, Array, Array]:
    """Mean and covariance behind an affine map of a Gaussian, and the map's deviation from affine.

    The deviation is taken 3 standard deviations away.
    """
    value, push = jax.linearize(step, mean)
    # the Jacobian transposed: (inputs, outputs)
    rows = jax.vmap(push)(jnp.eye(mean.size, dtype=mean.dtype))
    after = contract("ia,ij,jb->ab", rows, cov, rows)
    away = 3 * jnp.sqrt(jnp.maximum(jnp.diag(cov), 0))
    there, expected = step(mean + away), value + contract("i,ij->j", away, rows)
    off, size = (
        jnp.abs(there - expected).max(),
        (jnp.abs(there) + jnp.abs(expected) + jnp.abs(value)).max(),
    )
    # a point at 0 stays at 0: 0/0 must not hide what later steps do
    bend = jnp.where(off == 0, 0, off / size)
    return value, (after + after.T) / 2, bend


class ErrorBudget(NamedTuple):
    """W2 distances: total <= truncation + initialisation + discretisation + score.

    By the triangle inequality.

    Units: data units.
    """

    truncation: Number
    initialisation: Number
    discretisation: Number
    score: Number
    total: Number


def error_budget(
    method: Callable[[Process, Denoiser], Sampler],
    process: Process,
    law: GaussianLaw,
    ts: Array,
    *,
    start: GaussianLaw | None = None,
    denoise: Denoiser | None = None,
    eta: Scalar | None = None,
) -> ErrorBudget:
    """W2 between laws that differ in one thing each: the parts of a sampler's error on Gaussians.

    truncation: the data against the marginal at ts[-1] (stopping early). initialisation: that
    marginal against the exact reverse process from `start` (default: the marginal at ts[0], no
    error). discretisation: that against the method with the exact denoiser. score: that against the
    method with `denoise` (affine; default: exact).

    Units: method (process, denoise) -> Sampler; eta the member of the reverse family that the
        method approximates (default: 0 for a deterministic method, 1 for a stochastic one); W2 in
        data units.
    Raises: the errors of `exact_law`.
    Source: the four sources of Pierret and Galerne 2024, arXiv:2405.14250.
    Also called: error decomposition, discretisation error, truncation error, initialisation error,
        score error.
    Claims: REV-43, REV-44, REV-45.
    """
    require_gaussian(law, "error_budget")
    exact = denoiser(process, law)
    sampler = method(process, exact)
    if eta is None and sampler.noise is not None:
        eta = 1.0
    start = marginal(process, law, ts[0]) if start is None else start
    limit = exact_law(exact_flow(process, law, eta=eta), start, jnp.stack([ts[0], ts[-1]]))
    discrete = exact_law(sampler, start, ts)
    real = discrete if denoise is None else exact_law(method(process, denoise), start, ts)
    stages = [law, marginal(process, law, ts[-1]), limit, discrete, real]
    truncation, initialisation, discretisation, score = (w2(p, q) for p, q in pairwise(stages))
    return ErrorBudget(truncation, initialisation, discretisation, score, total=w2(law, real))
