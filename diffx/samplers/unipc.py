"""UniPC: an exponential Adams predictor and corrector, one evaluation per step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser
from diffx.processes.protocol import Process
from diffx.samplers._exponential import Memory, an_order, bend, ddim_update, recall, span, weights
from diffx.samplers.multistep import push
from diffx.samplers.protocol import Info, Sampler, bound_parameters, checked_step


class Corrected(NamedTuple):
    """x as predicted, and x of the step before as corrected; the memory as in `History`."""

    x: Array
    corrected: Array
    past: Array
    times: Array
    missing: Array


@checked_step
def unipc_step(
    state: Corrected,
    t: Array,
    s: Array,
    z: Any = None,
    *,
    process: Process,
    denoise: Denoiser,
    first: Callable[[Array], Array],
) -> tuple[Corrected, Info]:
    """Correct x_t with x0 = D(x, t) at the prediction x, then predict x_s.

    Predictor: DDIM's step + alpha_s int_0^h e^(tau - h) (p(tau) - x0_t) dtau, p through x0_t and p
    - 1 answers before it. Corrector: the same with the answer at the end of the step among the
    points of p. A straight line that starts at x0_t is integrated as h/2 B(h) times its slope
    instead of exactly, B = `first`: where one answer before it is known (predictor), where none is
    (corrector). The last x is a prediction; without memory it is DDIM's, and so it is where
    sigma(s) = 0. One evaluation.

    Domain: sigma(t) > 0.
    Source: Zhao et al. 2023, arXiv:2302.04867, Algorithms 1, 2, in Newton's form (derived here):
        from order 3 on nothing depends on B but the first steps.
    Also called: UniP and UniC step, predictor-corrector.
    Claims: REV-14, REV-19, REV-20, REV-53, REV-55, REV-57.
    """
    x0 = denoise(state.x, t)
    x = _correct(process, state, x0, t, first)
    memory = recall(process, state, t)
    short = Memory(memory.values[:-1], memory.nodes[:-1], memory.known[:-1])
    ahead = _advance(process, x, x0, short, t, s, first)
    return push(state._replace(corrected=x.astype(state.x.dtype)), ahead, x0, t), Info(x0)


def _correct(process: Process, state: Corrected, x0: Array, t: Array, first: Callable) -> Array:
    """The step that led to t once more, from the corrected point, with the answer x0 at t known."""
    begun = state.times[0] > 0
    r = jnp.where(begun, state.times[0], t).astype(t.dtype)
    before = recall(process, state._replace(past=state.past[1:], times=state.times[1:]), r)
    h = span(process, r, t)
    new = Memory([x0, *before.values], [h, *before.nodes], [h > 0, *before.known])
    again = _advance(process, state.corrected, state.past[0], new, r, t, first)
    return jnp.where(begun & (h > 0), again, state.x)


def _advance(
    process: Process, x: Array, x0: Array, memory: Memory, t: Array, s: Array, first: Callable
) -> Array:
    """From t to s with x0 at t, and p through it and the memory."""
    h = span(process, t, s)
    of_slopes = weights(memory, h, rate=-1)
    if of_slopes:
        alone = jnp.asarray(True) if len(of_slopes) == 1 else ~memory.known[1]
        of_slopes[0] = jnp.where(alone, h / 2 * first(h), of_slopes[0])
    return ddim_update(process, x, x0, t, s) + process.alpha(s) * bend(x0, memory, of_slopes)


def _bh1(h: Array) -> Array:
    return h


def _bh2(h: Array) -> Array:
    return -jnp.expm1(-h)


def _begin(x: Array, *, times: Array) -> Corrected:
    """No memory yet, of one answer more than the predictor needs.

    The corrector looks back from the step before.
    """
    x = _arguments.floats("x", x)
    k = times.shape[0]
    return Corrected(
        x, x, jnp.zeros((k + 1, *x.shape), x.dtype), jnp.append(times, 0), jnp.zeros((k, 0))
    )


def _unipc(process: Process, denoise: Denoiser, order: Any, first: Callable) -> Sampler:
    init = Partial(_begin, times=jnp.zeros(an_order(order, 3, "UniPC") - 1))
    step = Partial(
        unipc_step, **bound_parameters({"process": process, "denoise": denoise, "first": first})
    )
    return Sampler(init, step)


def unipc(process: Process, denoise: Denoiser, *, order: int = 3) -> Sampler:
    """UniPC of order 1 to 3 with B(h) = 1 - e^-h (bh2) and the corrector of one order more.

    See `unipc_step`. A start without memory takes its first steps at lower order; for an exact
    start see `with_past`.

    Raises: ValueError for another order.
    Source: Zhao et al. 2023, arXiv:2302.04867, Algorithms 1, 2.
    Also called: UniPC, UniPC bh2, diffusers UniPCMultistepScheduler, WAN default solver.
    Claims: REV-14, REV-19, REV-20, REV-53, REV-55, REV-57.

    >>> sampler = diffx.unipc(process, denoise)
    """
    return _unipc(process, denoise, order, _bh2)


def unipc_bh1(process: Process, denoise: Denoiser, *, order: int = 3) -> Sampler:
    """UniPC of order 1 to 3 with B(h) = h (bh1).

    See `unipc_step`.

    Raises: ValueError for another order.
    Source: Zhao et al. 2023, arXiv:2302.04867, Algorithms 1, 2.
    Also called: UniPC bh1, diffusers UniPCMultistepScheduler (solver_type bh1).
    Claims: REV-14, REV-19, REV-20, REV-57.

    >>> sampler = diffx.samplers.unipc_bh1(process, denoise)
    """
    return _unipc(process, denoise, order, _bh1)
