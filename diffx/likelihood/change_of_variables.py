"""The density of a point by change of variables: along the flow, and through a sampler's steps."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import NARROW, scan_points
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.likelihood.trace import LANES, directions, value_and_divergence, vectors
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Sampler
from diffx.samplers.run import checked_run, loop


def log_prob_ode(
    process: Process,
    denoise: Denoiser,
    x: Array,
    *,
    prior: Any,
    ts: Array,
    probes: Array | None = None,
) -> Array:
    """log p(x) = log prior(x_T) + d log(r_T/r_0) + int div u dtheta along the probability flow.

    The flow takes x up to x_T. It runs in the angle theta = atan2(sigma, alpha) and the coordinate
    y = x/r, r = sqrt(alpha^2 + sigma^2): dy/dtheta = u = cos(theta) eps - sin(theta) x0 =
    (cos(theta) y - D(r y, t))/sin(theta), regular where alpha = 0, and 0 where sigma = 0 for a law
    with a density. One classical Runge-Kutta step of order 4 is taken between neighbours of ts,
    with 4 calls of the denoiser and their divergences. For a mixture with deviations .2 to .5 the
    largest error of 1,024 points on `equal_angle(process, n, std=0.35)` is 4e-5 nats at n = 32 and
    1e-5 at 48 (float32); at std=1 it is 2e-3 at n = 32.

    probes=None takes the exact divergence, d derivatives per call; probes of shape (K, *x.shape)
    give Hutchinson's estimate, see `hutchinson`, the same along the whole path, which makes log
    p(x) unbiased up to the step error.

    Units: denoise (x, t) -> x0, each point by itself; x (..., d), data units, at time ts[-1] (0:
        data); prior the law at ts[0], with log_prob, such as `marginal(process, law, ts[0])`; ts (N
        + 1,), decreasing; the result (...,), nats, dtype of x.
    Domain: at ts[-1] = 0 a law with a density.
    Raises: TypeError for a Sampler or a prior without log_prob; ValueError for other shapes or a
        grid that does not decrease.
    Source: Chen et al. 2018, arXiv:1806.07366, Theorem 1; Song et al. 2021, arXiv:2011.13456; in
        the angle: derived here.
    Also called: log-likelihood, exact likelihood, probability flow likelihood, continuous
        normalizing flow, CNF, FFJORD, instantaneous change of variables, flow_matching
        compute_likelihood, k-diffusion log_likelihood.
    Claims: LIK-01.
    """
    if isinstance(denoise, Sampler):
        raise TypeError(
            "log_prob_ode follows the probability flow of a denoiser (x, t) -> x0, got a Sampler: "
            "a stochastic sampler's "
            "density is not a change of variables (give its denoiser here), a deterministic one's "
            "own is log_prob_discrete"
        )
    x, ts = vectors(x), _arguments.grid(ts)
    probes = None if probes is None else directions(probes, x)
    return _log_prob_ode(process, as_pytree(denoise), _density(prior), x, ts, probes)


def _density(prior: Any) -> Callable[[Array], Array]:
    """prior.log_prob as a pytree whose leaves are those of the prior."""
    if not callable(getattr(prior, "log_prob", None)):
        raise TypeError(
            "prior must be a law with log_prob, such as diffx.marginal(process, law, ts[0]), got "
            f"{type(prior).__name__}"
        )
    return (
        as_pytree(prior.log_prob)
        if jax.tree_util.all_leaves([prior])
        else Partial(_log_prob_of, prior)
    )


def _log_prob_of(prior: Any, x: Array) -> Array:
    return prior.log_prob(x)


@jax.jit
def _log_prob_ode(
    process: Process,
    denoise: Denoiser,
    density: Callable,
    x: Array,
    ts: Array,
    probes: Array | None,
) -> Array:
    up = ts[::-1]
    alpha, sigma = jax.vmap(lambda t: _levels(process, t, up[-1]))(up)
    radii = jnp.sqrt(alpha**2 + sigma**2)
    y = (x / radii[0]).astype(x.dtype)
    begin = Progress(y, y, jnp.zeros_like(y), jnp.zeros(y.shape[:-1], y.dtype))
    stages = _stages(process, up, jnp.arctan2(sigma, alpha))
    end, _ = scan_points(
        lambda state, stage, _: (_advance(process, denoise, probes, state, stage), None),
        begin,
        stages,
    )
    gained = end.gained + x.shape[-1] * jnp.log(radii[-1] / radii[0])
    return (density((radii[-1] * end.y).astype(x.dtype)) + gained).astype(x.dtype)


def _levels(process: Process, t: Array, spare: Array) -> tuple[Array, Array]:
    """(alpha, sigma) at t.

    Where sigma is 0, its derivatives, infinite for VP, are those of a constant.
    """
    at_data = process.sigma(t) == 0
    return process.alpha(t), jnp.where(at_data, 0, process.sigma(jnp.where(at_data, spare, t)))


class Stage(NamedTuple):
    """One of the four stages of a Runge-Kutta step: at time t and y + reach u.

    u is the field of the stage before.
    """

    t: Array
    # the time half-way in angle, where the denoiser is asked in place of a t with sigma = 0
    middle: Array
    reach: Array
    weight: Array
    last: Array


class Progress(NamedTuple):
    """Where a step began and will end, its last field, and the integral of the divergence."""

    y: Array
    end: Array
    u: Array
    gained: Array


def _stages(process: Process, up: Array, theta: Array) -> Stage:
    """All stages in a row, (4 N,).

    As one loop body a stage compiles in a quarter of the time of a step.
    """
    h = jnp.diff(theta)
    middle = process.time_of_log_snr(-2 * jnp.log(jnp.tan(theta[:-1] + h / 2)))
    in_steps = lambda *columns: jnp.stack(columns, 1).ravel()
    no = jnp.zeros_like(h)
    return Stage(
        in_steps(up[:-1], middle, middle, up[1:]),
        in_steps(*[middle] * 4),
        in_steps(no, h / 2, h / 2, h),
        in_steps(h / 6, h / 3, h / 3, h / 6),
        in_steps(no, no, no, no + 1) > 0,
    )


def _advance(
    process: Process, denoise: Denoiser, probes: Any, state: Progress, stage: Stage
) -> Progress:
    y, end, u, gained = state
    u, gain = _field(
        process, denoise, probes, (y + stage.reach * u).astype(y.dtype), stage.t, stage.middle
    )
    end = (end + stage.weight * u).astype(y.dtype)
    gained = (gained + stage.weight * gain).astype(y.dtype)
    return Progress(jnp.where(stage.last, end, y), end, u.astype(y.dtype), gained)


def _field(
    process: Process, denoise: Denoiser, probes: Any, y: Array, t: Array, spare: Array
) -> tuple[Array, Array]:
    """u = (cos y - D)/sin and its divergence.

    Both are 0 where sigma(t) = 0; there the denoiser is called at `spare` instead.
    """
    at_data = process.sigma(t) == 0
    t = jnp.where(at_data, spare, t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    r = jnp.sqrt(alpha**2 + sigma**2)
    per_sine = jnp.where(at_data, 0, r / sigma)
    x0, trace = value_and_divergence(lambda y: denoise((r * y).astype(y.dtype), t), y, probes)
    return per_sine * (alpha / r * y - x0), per_sine * (alpha / r * y.shape[-1] - trace)


def log_prob_discrete(sampler: Sampler, x: Array, *, prior: Any, ts: Array) -> tuple[Array, Array]:
    """(x_0, log p(x_0)), log p(x_0) = log prior(x) - log |det dx_0/dx|, x_0 from N real steps.

    The density of a deterministic sampler's own output, its error included, by the Jacobian of its
    own code: d tangents ride through all steps beside the state, history included; memory does not
    grow with N. It is inf where a step flattens space.

    Units: sampler deterministic, each point by itself; x (..., d), data units, at ts[0], drawn from
        prior (a law with log_prob); ts (N + 1,), decreasing; x_0 (..., d) and log p (...,), nats.
    Raises: ValueError for a stochastic sampler; TypeError for what is not a Sampler or not a law.
    Source: the change of variables of a density; Song et al. 2021, arXiv:2011.13456, is its limit.
    Also called: likelihood of a sampler, discrete normalizing flow, density of DDIM samples.
    Claims: LIK-02.
    """
    sampler, x, ts, _ = checked_run(sampler, x, ts, None)
    _arguments.require(
        sampler.noise is None,
        "a stochastic sampler is not a change of variables: the density of its output is an "
        "integral over all its noises; "
        "give a deterministic one, such as diffx.ddim(process, denoise), or take log_prob_ode of "
        "its denoiser",
    )
    return _log_prob_discrete(sampler, _density(prior), vectors(x), ts)


@jax.jit
def _log_prob_discrete(
    sampler: Sampler, density: Callable, x: Array, ts: Array
) -> tuple[Array, Array]:
    run = lambda x: loop(sampler, None, x, ts, None)[0]
    along = lambda axis: jax.jvp(run, (x,), (jnp.broadcast_to(axis, x.shape),))[1]
    d = x.shape[-1]
    columns = jax.lax.map(
        along, jnp.eye(d, dtype=x.dtype), batch_size=None if d <= NARROW else LANES
    )
    log_det = jnp.linalg.slogdet(jnp.moveaxis(columns, 0, -1))[1]
    return run(x), density(x) - log_det


def bits_per_dim(log_prob: Array, dims: int, *, scale: Scalar) -> Array:
    """-log p/(d log 2) + log2(scale).

    scale is the number of counted levels in one unit of x. For pixels 0..255: x/127.5 - 1 has scale
    127.5, +6.994353 bits; 256 bins of width 2/256 have 128, +7; [0, 1] cut into 256 bins has 256,
    +8. The three differ by what they call a level: compare like with like.

    Units: log_prob in nats, of whole points, any shape; dims the number d of entries in a point;
        the result in bits, shape of log_prob.
    Raises: ValueError unless dims >= 1 and scale > 0.
    Source: Theis, van den Oord and Bethge 2016, arXiv:1511.01844 (uniform dequantisation).
    Also called: bits per dimension, bpd, bits/dim, dequantization.
    Claims: LIK-14.
    """
    log_prob, dims = _arguments.floats("log_prob", log_prob), _arguments.count("dims", dims)
    _arguments.positive(scale=scale)
    return (jnp.log2(scale) - log_prob / (dims * math.log(2))).astype(log_prob.dtype)
