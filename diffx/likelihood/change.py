r"""The density of a point by change of variables: along the probability flow, and through a sampler's own steps."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx._linalg import NARROW
from diffx.likelihood.divergence import LANES, directions, value_and_divergence, vectors
from diffx.process import Process, Scalar
from diffx.reverse import Denoiser
from diffx.sampler._hoist import scan_steps
from diffx.sampler.core import Sampler, _fold, _ready


def log_prob_ode(process: Process, denoise: Denoiser, x: Array, *, prior: Any, ts: Array, probes: Array | None = None) -> Array:
    r"""log p(x) = log prior(x_T) + d log(r_T/r_0) + int div u dtheta along the probability flow from x up to x_T.

    The flow runs in the angle theta = atan2(sigma, alpha) and the coordinate y = x/r, r = sqrt(alpha^2 + sigma^2):
    dy/dtheta = u = cos(theta) eps - sin(theta) x0 = (cos(theta) y - D(r y, t))/sin(theta), regular where alpha = 0, and 0
    where sigma = 0 for a law with a density.  One classical Runge-Kutta step of order 4 between neighbours of ts,
    4 denoiser calls and their divergences. For a mixture with deviations .2 to .5 the largest error of 1,024 points on
    `equal_angle(process, n, std=0.35)` is 3e-5 nats at n = 32, 7e-6 at 48; with std=1 2e-3 and 3e-4.
    Source: Chen et al. 2018, arXiv:1806.07366, Theorem 1; Song et al. 2021, arXiv:2011.13456, eq. (39); in the angle: here.

    denoise: (x, t) -> x0, which answers each point by itself.  x: (..., d), data units, at time ts[-1] (0: data).
    prior: the law at ts[0], with log_prob; such as `marginal(process, law, ts[0])`.  ts: (N + 1,), decreasing.
    probes: None: the exact divergence, d derivatives a call; (K, *x.shape): Hutchinson's estimate, see `hutchinson`, the
    same along the whole path, which makes log p(x) unbiased up to the step error.  Returns (...,), nats, dtype of x.
    Raises TypeError for a Sampler or a prior without log_prob, ValueError for other shapes or a grid that does not decrease.
    Domain: at ts[-1] = 0 a law with a density.  Claims: LIK-01.
    """
    if isinstance(denoise, Sampler):
        raise TypeError(
            "log_prob_ode follows the probability flow of a denoiser (x, t) -> x0, got a Sampler: a stochastic sampler's "
            "density is no change of variables (give its denoiser here), a deterministic one's own is log_prob_discrete"
        )
    x, ts = vectors(x), _check.grid(ts)
    probes = None if probes is None else directions(probes, x)
    return _log_prob_ode(process, as_pytree(denoise), _density(prior), x, ts, probes)


def _density(prior: Any) -> Callable[[Array], Array]:
    """prior.log_prob as a pytree whose leaves are the prior's."""
    if not callable(getattr(prior, "log_prob", None)):
        raise TypeError(
            f"prior must be a law with log_prob, such as diffx.marginal(process, law, ts[0]), got {type(prior).__name__}"
        )
    return as_pytree(prior.log_prob) if jax.tree_util.all_leaves([prior]) else Partial(_log_prob_of, prior)


def _log_prob_of(prior: Any, x: Array) -> Array:
    return prior.log_prob(x)


@jax.jit
def _log_prob_ode(process: Process, denoise: Denoiser, density: Callable, x: Array, ts: Array, probes: Array | None) -> Array:
    def step(times: tuple[Array, Array], state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        return _runge_kutta(process, denoise, probes, state, *times), None

    up = ts[::-1]
    first, last = (jnp.hypot(*_levels(process, t, up[-1])) for t in (up[0], up[-1]))
    begin = (x / first).astype(x.dtype), jnp.zeros(x.shape[:-1], x.dtype)
    (y, gained), _ = scan_steps(step, begin, (up[:-1], up[1:]), None)
    return (density((last * y).astype(x.dtype)) + gained + x.shape[-1] * jnp.log(last / first)).astype(x.dtype)


def _levels(process: Process, t: Array, spare: Array) -> tuple[Array, Array]:
    """(alpha, sigma) at t; where sigma is 0 its derivatives, infinite for VP, are those of a constant."""
    at_data = process.sigma(t) == 0
    there = jnp.where(at_data, spare, t)
    return process.alpha(t), jnp.where(at_data, 0, process.sigma(there))


def _runge_kutta(process: Process, denoise: Denoiser, probes: Any, state: Any, s: Array, t: Array) -> tuple[Array, Array]:
    """(y, int div u) from time s up to t, half-way at the middle angle."""
    theta_s, theta_t = (jnp.arctan2(*_levels(process, r, t)[::-1]) for r in (s, t))
    middle, h = process.time_of_log_snr(-2 * jnp.log(jnp.tan((theta_s + theta_t) / 2))), theta_t - theta_s
    y, gained = state
    field = lambda y, r: _field(process, denoise, probes, y, r, middle)
    u1, g1 = field(y, s)
    u2, g2 = field((y + h / 2 * u1).astype(y.dtype), middle)
    u3, g3 = field((y + h / 2 * u2).astype(y.dtype), middle)
    u4, g4 = field((y + h * u3).astype(y.dtype), t)
    weigh = lambda a, b, c, d: h / 6 * (a + 2 * (b + c) + d)
    return (y + weigh(u1, u2, u3, u4)).astype(y.dtype), (gained + weigh(g1, g2, g3, g4)).astype(y.dtype)


def _field(process: Process, denoise: Denoiser, probes: Any, y: Array, t: Array, spare: Array) -> tuple[Array, Array]:
    """u = (cos y - D)/sin and its divergence; both 0 where sigma(t) = 0, the denoiser being asked at `spare` instead."""
    at_data = process.sigma(t) == 0
    t = jnp.where(at_data, spare, t)
    alpha, sigma = process.alpha(t), process.sigma(t)
    r = jnp.hypot(alpha, sigma)
    per_sine = jnp.where(at_data, 0, r / sigma)
    x0, trace = value_and_divergence(lambda y: denoise((r * y).astype(y.dtype), t), y, probes)
    return per_sine * (alpha / r * y - x0), per_sine * (alpha / r * y.shape[-1] - trace)


def log_prob_discrete(sampler: Sampler, x: Array, *, prior: Any, ts: Array) -> tuple[Array, Array]:
    r"""(x_0, log p(x_0)), log p(x_0) = log prior(x) - log |det dx_0/dx|, for x_0 = what the N steps really make of x.

    The density of a deterministic sampler's own output, its error included, by the Jacobian of its own code: d tangents
    ride through all steps beside the state, history included; memory does not grow with N.
    sampler: deterministic; each point moves by itself.  x: (..., d), data units, at ts[0], drawn from prior (a law with
    log_prob).  ts: (N + 1,), decreasing.  Returns x_0 (..., d) and (...,), nats; inf where a step flattens space.
    Source: the change of variables of a density; Song et al. 2021, arXiv:2011.13456, section 4.3, is its limit.
    Raises ValueError for a stochastic sampler, TypeError for what is no Sampler or no law.  Claims: LIK-02.
    """
    sampler, x, ts, _ = _ready(sampler, x, ts, None)
    _check.require(
        sampler.noise is None,
        "a stochastic sampler is no change of variables: the density of its output is an integral over all its noises; "
        "give a deterministic one, such as diffx.ddim(process, denoise), or take log_prob_ode of its denoiser",
    )
    return _log_prob_discrete(sampler, _density(prior), vectors(x), ts)


@jax.jit
def _log_prob_discrete(sampler: Sampler, density: Callable, x: Array, ts: Array) -> tuple[Array, Array]:
    run = lambda x: _fold(sampler, None, x, ts, None)[0]
    along = lambda axis: jax.jvp(run, (x,), (jnp.broadcast_to(axis, x.shape),))[1]
    d = x.shape[-1]
    columns = jax.lax.map(along, jnp.eye(d, dtype=x.dtype), batch_size=None if d <= NARROW else LANES)
    log_det = jnp.linalg.slogdet(jnp.moveaxis(columns, 0, -1))[1]
    return run(x), density(x) - log_det


def bits_per_dim(log_prob: Array, dims: int, *, scale: Scalar) -> Array:
    r"""-log p/(d log 2) + log2(scale), scale = how many of the counted levels lie in one unit of x.

    For pixels 0..255: x/127.5 - 1 has scale 127.5, +6.994353 bits; 256 bins of width 2/256 have 128, +7; [0, 1] cut into
    256 bins has 256, +8.  The three differ by what they call a level: compare like with like.
    log_prob: nats, of whole points, any shape.  dims: d, the numbers in a point.  Returns bits, shape of log_prob.
    Source: Theis, van den Oord and Bethge 2016, arXiv:1511.01844, section 3.1 (uniform dequantisation).
    Raises ValueError unless dims >= 1 and scale > 0.  Claims: LIK-14.
    """
    log_prob, dims = _check.floats("log_prob", log_prob), _check.count("dims", dims)
    _check.positive(scale=scale)
    return (jnp.log2(scale) - log_prob / (dims * math.log(2))).astype(log_prob.dtype)
