"""The memory of a multi-step method: the model's answers at the last k steps, and their times.

There is no counter: a memory of time 0 stands for "none yet", for no step starts at 0. All of it is
floats of fixed shapes, so that `exact_law` can flatten and differentiate it and jit traces one step
for all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx.noise import standard_normal
from diffx.samplers.protocol import Sampler, bound_parameters


class History(NamedTuple):
    """x, and the memory, newest first: past (k, *x.shape) and the times (k,) at which it was taken.

    A time of 0 means that there is none. missing: (k, 0), no numbers: its shape says how many steps
    fill the memory, because `fold` counts them before it runs.
    """

    x: Array
    past: Array
    times: Array
    missing: Array


def begin(x: Array, *, times: Array) -> History:
    """No memory yet; the k zeros `times` give its length (a bound integer would be traced)."""
    x = _arguments.floats("x", x)
    k = times.shape[0]
    return History(x, jnp.zeros((k, *x.shape), x.dtype), times, jnp.zeros((k, 0)))


def multistep(step: Callable, k: int, *, stochastic: bool = False, **parameters: Any) -> Sampler:
    """The sampler of a method that remembers k steps: its step with the parameters bound."""
    # float64 wherever it is on: a time that is kept in x's dtype would lose digits of the caller's
    # grid
    init, noise = (
        Partial(begin, times=jnp.zeros(k)),
        Partial(standard_normal) if stochastic else None,
    )
    return Sampler(init, Partial(step, **bound_parameters(parameters)), noise)


def push(state: Any, x: Array, value: Array, t: Array) -> Any:
    """The state at x after a step from t, where the model answered value.

    The oldest memory falls out.
    """
    past = jnp.concatenate([value[None].astype(state.past.dtype), state.past])[
        : state.past.shape[0]
    ]
    times = jnp.append(t.astype(state.times.dtype), state.times)[: state.times.shape[0]]
    return state._replace(x=x.astype(state.x.dtype), past=past, times=times)


def memory_times(state: Any, t: Array) -> tuple[Array, Array]:
    """(known (k,), times (k,) in the dtype of t).

    Where there is no memory the time is t, inside the domain of every formula.
    """
    known = state.times > 0
    return known, jnp.where(known, state.times, t).astype(t.dtype)


def with_past(sampler: Sampler, xs: Array, ts: Array) -> Sampler:
    """The same multi-step method with the model's answers at xs[i] and ts[i] in its memory.

    An exact start for `fold`: a method of order p that starts without a memory takes its first
    steps at lower order, and these limit its error; given points of the true solution it shows
    order p. The memory costs k evaluations at `init`.

    Units: xs (k, *x.shape), at the times ts[:-1]; ts (k + 1,), decreasing, the last being the first
        time of the grid to fold over.
    Raises: ValueError for another number of times or points of another shape than x.
    Source: the definition of a multi-step method.
    Also called: warm start of a multistep solver, starting values.
    Claims: REV-48, REV-56.

    >>> sampler = diffx.samplers.deis(process, denoise, order=2)
    >>> sampler = diffx.samplers.with_past(sampler, x[None], jnp.array([1.0, 0.9]))
    """
    xs, ts = _arguments.floats("xs", xs), _arguments.grid(ts)
    _arguments.require(
        xs.ndim >= 1 and ts.shape[0] == xs.shape[0] + 1,
        f"ts must hold the times of the {xs.shape[:1]} points xs and then the first time of the "
        f"grid, got shape {ts.shape}",
    )
    return sampler._replace(
        init=Partial(_begin_after, as_pytree(sampler.init), as_pytree(sampler.step), xs, ts)
    )


def _begin_after(init: Callable, step: Callable, xs: Array, ts: Array, x: Array) -> Any:
    _arguments.require(
        xs.shape[1:] == x.shape,
        f"each of the points xs must have the shape of x, {x.shape}, got {xs.shape[1:]}",
    )
    state = init(x)
    for i in range(xs.shape[0]):
        point = xs[i].astype(x.dtype)
        state, _ = step(state._replace(x=point), ts[i], ts[i + 1], None)
        if hasattr(state, "corrected"):  # a corrector has no better point than the given one
            state = state._replace(corrected=point)
    return state._replace(
        x=x, **({"missing": jnp.zeros((0, 0))} if hasattr(state, "missing") else {})
    )
