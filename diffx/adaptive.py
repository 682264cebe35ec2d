"""Adaptive integration of the reverse family by diffrax, an extra.

Install it by python -m pip install 'diffx-reference[adaptive]'. No stepper is written here, only
the coordinates in which the fields are smooth: u = x/sqrt(alpha^2 + sigma^2) for every process,
with a = alpha/sqrt(alpha^2 + sigma^2) = cos(phi) and b = sin(phi) of the same noise level (FWD-06).
In its own time VP's sigma' is infinite at 0, and a rectified flow's f and g are at 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Scalar
from diffx.processes.protocol import Process
from diffx.processes.trig import Trig
from diffx.reverse import probability_flow

try:
    import diffrax
    import lineax  # comes with diffrax
except ImportError as error:
    raise ImportError(
        "diffx.adaptive integrates by diffrax, which is an extra: python -m pip install "
        "'diffx-reference[adaptive]'; "
        "the samplers of diffx do without it"
    ) from error

# a = cos(pi t/2), b = sin(pi t/2): the probability flow in its time is smooth on all of (0, 1]
CIRCLE = Trig()
# share of the range below which the Brownian path is not refined: 1/16 of the mean of 4096 steps
FINEST = 2.0**-16


class Solution(NamedTuple):
    """x at t_min, and the numbers of steps tried and, among these, refused."""

    x: Array
    steps: Array
    rejected: Array


def solve_flow(
    process: Process,
    denoise: Callable,
    x: Any,
    *,
    t_max: Scalar = 1.0,
    t_min: Scalar,
    rtol: Scalar,
    atol: Scalar,
    solver: Any = None,
    max_steps: int = 4096,
) -> Solution:
    """dx/dt = f x - (g^2/2) score from x at t_max to t_min, adaptively.

    The probability flow as one system, whose error is its root mean square (`jax.vmap` gives each
    point its own steps).

    Units: x any shape, data units; rtol and atol the error of a step, relative and in units of
        sqrt(alpha^2 + sigma^2); solver of diffrax, Tsit5() if None (six calls of the denoiser per
        step); max_steps: more are an error of diffrax.
    Domain: 0 < t_min < t_max <= 1 (at t = 0 eps is 0/0).
    Raises: ValueError for times out of order or tolerances that are not positive; ImportError
        without diffrax.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (13).
    Also called: adaptive ODE sampler, RK45 sampler, dopri5, probability flow by an ODE solver,
        flow_matching ODESolver (method dopri5).
    """
    denoise, x, t, s = _door(denoise, x, t_max, t_min, rtol, atol)
    return _solve_flow(
        process,
        denoise,
        x,
        t,
        s,
        rtol,
        atol,
        solver or diffrax.Tsit5(),
        _arguments.count("max_steps", max_steps),
    )


def solve_sde(
    process: Process,
    denoise: Callable,
    key: Array,
    x: Any,
    *,
    t_max: Scalar,
    t_min: Scalar,
    rtol: Scalar,
    atol: Scalar,
    eta: Scalar = 1.0,
    solver: Any = None,
    max_steps: int = 4096,
) -> Solution:
    """dx = [f x - (1 + eta^2)/2 g^2 score] dt + eta g dw from x at t_max back to t_min, adaptively.

    In k = log(alpha/sigma), which grows on the way: du = [b^2 u - (1 + eta^2)(u - a D)] dk +
    sqrt(2) eta b dw, where no coefficient exceeds 1 + eta^2 (derived here). eta = 1 is the reverse
    SDE; for eta = 0 use `solve_flow`. The Brownian path is a function of the key, the shape of x
    and the two times alone, so that tighter tolerances converge to one solution.

    Units: key of jax.random; solver of diffrax for additive noise, ShARK() if None (strong order
        1.5, two calls of the denoiser per step); the others as for `solve_flow`.
    Domain: 0 < t_min < t_max, alpha(t_max) > 0 (elsewhere g is infinite), eta > 0.
    Raises: ValueError outside that domain where values are concrete; ImportError without diffrax.
    Source: Karras et al. 2022, arXiv:2206.00364, eq. (6); adaptive steps: Foster and Jelincic 2023,
        arXiv:2311.14201.
    Also called: adaptive SDE sampler, adaptive step size SDE.
    """
    _arguments.key(key)
    _arguments.positive(eta=eta)
    denoise, x, t, s = _door(denoise, x, t_max, t_min, rtol, atol)
    message = lambda _: f"alpha(t_max) is 0 at t_max={t}, where g is infinite: start a little below"
    _arguments.require_that(lambda alpha: alpha > 0, message, process.alpha(t))
    count, solver = _arguments.count("max_steps", max_steps), solver or diffrax.ShARK()
    return _solve_sde(process, denoise, key, x, t, s, rtol, atol, eta, solver, count)


def _door(
    denoise: Any, x: Any, t: Any, s: Any, rtol: Any, atol: Any
) -> tuple[Callable, Array, Array, Array]:
    t, s = _arguments.time(t, "t_max"), _arguments.time(s, "t_min")
    message = lambda t, s: (
        f"wanted 0 < t_min < t_max (0 is data, 1 is noise), got t_min={s} and t_max={t}"
    )
    _arguments.require_that(lambda t, s: 0 < s < t, message, t, s)
    _arguments.positive(rtol=rtol, atol=atol)
    return as_pytree(denoise), _arguments.floats("x", x), t, s


@partial(jax.jit, static_argnums=(7, 8))
def _solve_flow(process, denoise, x, t, s, rtol, atol, solver, max_steps) -> Solution:
    span = CIRCLE.time_of_log_snr(process.log_snr(t)), CIRCLE.time_of_log_snr(process.log_snr(s))
    controller = diffrax.PIDController(rtol=rtol, atol=atol)
    terms = diffrax.ODETerm(_flow)  # pyright: ignore[reportArgumentType]
    return _solve(terms, solver, (process, denoise), x, (t, s), span, None, controller, max_steps)


@partial(jax.jit, static_argnums=(9, 10))
def _solve_sde(process, denoise, key, x, t, s, rtol, atol, eta, solver, max_steps) -> Solution:
    span = process.log_snr(t) / 2, process.log_snr(s) / 2
    path = _brownian(key, span, jax.ShapeDtypeStruct(x.shape, jnp.result_type(x, t)))
    noise = diffrax.ControlTerm(_spread, path)  # pyright: ignore[reportArgumentType]
    terms = diffrax.MultiTerm(diffrax.ODETerm(_drift), noise)  # pyright: ignore[reportArgumentType]
    # gentler: rough errors jump
    controller = diffrax.PIDController(rtol=rtol, atol=atol, pcoeff=0.1, icoeff=0.3)
    first = (span[1] - span[0]) / 100  # diffrax guesses the first step of ODEs alone
    return _solve(
        terms, solver, (process, denoise, eta), x, (t, s), span, first, controller, max_steps
    )


def _brownian(key: Array, span: tuple[Array, Array], shape: jax.ShapeDtypeStruct) -> Any:
    finest = FINEST * (span[1] - span[0])
    return diffrax.VirtualBrownianTree(*span, finest, shape, key, diffrax.SpaceTimeLevyArea)


def _solve(terms, solver, args, x, times, span, first, controller, max_steps) -> Solution:
    begin, end = (_radius(args[0], r) for r in times)
    u = (x / begin).astype(jnp.result_type(x, begin))
    done = diffrax.diffeqsolve(
        *(terms, solver, span[0], span[1], first, u, args),
        stepsize_controller=controller,
        max_steps=max_steps,
    )
    x = (done.ys[-1] * end).astype(x.dtype)  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
    return Solution(x, done.stats["num_steps"], done.stats["num_rejected_steps"])


def _radius(process: Process, t: Array) -> Array:
    return jnp.hypot(process.alpha(t), process.sigma(t))


def _answer(process: Process, denoise: Callable, u: Array, log_snr: Array) -> Array:
    """D at the point u of the noise level."""
    t = process.time_of_log_snr(log_snr)
    return _arguments.answer(denoise, (u * _radius(process, t)).astype(u.dtype), t)


def _flow(t: Array, u: Array, args: tuple) -> Array:
    process, denoise = args
    return probability_flow(
        CIRCLE, lambda u, t: _answer(process, denoise, u, CIRCLE.log_snr(t)), u, t
    )


def _drift(k: Array, u: Array, args: tuple) -> Array:
    process, denoise, eta = args
    a, b2 = jnp.sqrt(jax.nn.sigmoid(2 * k)), jax.nn.sigmoid(-2 * k)
    return b2 * u - (1 + eta**2) * (u - a * _answer(process, denoise, u, 2 * k))


def _spread(k: Array, u: Array, args: tuple) -> Any:
    """sqrt(2) eta b, the same for every entry of u."""
    b = jnp.sqrt(jax.nn.sigmoid(-2 * k))
    return lineax.DiagonalLinearOperator(
        jnp.broadcast_to(jnp.sqrt(2) * args[2] * b, u.shape).astype(u.dtype)
    )
