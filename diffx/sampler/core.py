r"""A sampler is three functions; `fold` runs it over given noise, `sample` over a key."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx.predict import eps_of_x0
from diffx.process import Process, Scalar
from diffx.sampler._hoist import scan_steps


class State(NamedTuple):
    """What a step hands to the next; a multi-step method adds its history.  Claims: API-01."""

    x: Array


class Info(NamedTuple):
    """What a step found out: the denoiser's answer at its start.  Claims: API-01."""

    x0: Array


class Sampler(NamedTuple):
    r"""A method of sampling, as a pytree: an argument of jit, so that changing a number in it does not retrace.

    init: x -> state, which has a field x.
    step: (state, t, s, z) -> (state, info), from time t down to s < t; z None stands for noise zero.
    noise: (key, x) -> z, a pytree of standard normals; None: the method is deterministic and its z is None.
    Claims: API-01, API-02.
    """

    init: Callable[[Array], Any]
    step: Callable[[Any, Array, Array, Any], tuple[Any, Any]]
    noise: Callable[[Array, Array], Any] | None = None


def start(x: Array) -> State:
    """The state of a one-step method."""
    return State(_check.floats("x", x))


def standard_normal(key: Array, x: Array) -> Array:
    """One standard normal for each entry of x."""
    return jax.random.normal(key, x.shape, x.dtype)


def one_step(step: Callable, *, stochastic: bool, **parameters: Any) -> Sampler:
    """The sampler of a one-step method: its step with the parameters bound."""
    return Sampler(Partial(start), Partial(step, **parameters), Partial(standard_normal) if stochastic else None)


def ask(denoise: Callable[[Array, Scalar], Array], x: Array, t: Array) -> Array:
    """The denoiser's answer, which must have the shape of x."""
    x0 = denoise(x, t)
    _check.require(x0.shape == x.shape, f"the denoiser must answer in the shape of x, {x.shape}, but gave {x0.shape}")
    return x0


def ask_eps(process: Process, denoise: Callable[[Array, Scalar], Array], x: Array, t: Array) -> Array:
    """The noise that the denoiser's answer leaves in x."""
    return eps_of_x0(process, x, ask(denoise, x, t), t)


def add_noise(mean: Array, sigma: Any, z: Array | None) -> Array:
    """mean + sigma z; z None stands for zero and is never built."""
    if z is None:
        return mean
    _check.require(z.shape == mean.shape, f"the noise must have the shape of x, {mean.shape}, got {z.shape}")
    return mean + sigma * z


def keep_x(state: Any, info: Any) -> Array:
    """For `keep`: the state's x after every step, the trajectory.  Claims: API-01."""
    return state.x


def keep_x0(state: Any, info: Any) -> Array:
    """For `keep`: the denoiser's answer at the start of every step.  Claims: API-01."""
    return info.x0


def fold(sampler: Sampler, x: Array, ts: Array, zs: Any = None, *, keep: Callable | None = None) -> tuple[Array, Any]:
    r"""Run a sampler from x over the grid ts with given noise: (x at the last time, what `keep` stacked).

    x: any shape, data units.  ts: (N + 1,), decreasing in [0, 1].  zs: noises stacked over the N steps, leading axis N;
    None: zeros, never built.  keep: (state, info) -> pytree, stacked over the steps; None keeps nothing.  Jitted.
    Raises ValueError for a grid that does not decrease, noise of another length, or noise for a deterministic method.
    Claims: REV-24, API-01, API-02, API-04, API-05, API-06, API-07.
    """
    sampler, x, ts, keep = _ready(sampler, x, ts, keep)
    _check_noise(sampler, zs, ts.shape[0] - 1)
    return _fold(sampler, keep, x, ts, zs)


def sample(sampler: Sampler, key: Array | None, x: Array, ts: Array, *, keep: Callable | None = None) -> tuple[Array, Any]:
    r"""Run a sampler from x over the grid ts, step i with the noise of fold_in(key, i): `fold` without holding all noise.

    key: a jax random key; a deterministic method draws nothing and takes None too.  x: any shape, data units, drawn
    by the caller from `prior`.  ts: (N + 1,), decreasing in [0, 1].  keep: as for `fold`.  Jitted.
    Raises ValueError for a grid that does not decrease, TypeError for a stochastic method without a key.
    Claims: API-01, API-02, API-03, API-04, API-05.
    """
    sampler, x, ts, keep = _ready(sampler, x, ts, keep)
    if sampler.noise is None:
        return _fold(sampler, keep, x, ts, None)
    _check.key(key)
    return _sample(sampler, keep, key, x, ts)


def _ready(sampler: Any, x: Any, ts: Any, keep: Any) -> tuple[Sampler, Array, Array, Callable | None]:
    if not isinstance(sampler, Sampler):
        raise TypeError(f"sampler must be a Sampler, such as diffx.ddim(process, denoise), got {type(sampler).__name__}")
    functions = (None if function is None else as_pytree(function) for function in sampler)
    ts = _check.grid(ts)
    _check_memory(sampler, ts.shape[0] - 1)
    return Sampler(*functions), _check.floats("x", x), ts, None if keep is None else as_pytree(keep, "keep")  # type: ignore[arg-type]


def _check_memory(sampler: Sampler, n: int) -> None:
    """A method that begins without memory of k steps needs k steps to fill it, and one that uses it."""
    times = getattr(sampler.init, "keywords", {}).get("times")
    k = 0 if times is None else times.shape[-1]
    _check.require(
        n > k,
        f"a multi-step method of order {k + 1} starts with {k} steps of lower order and needs at least {k + 1} steps, but the "
        f"grid has {n}: take more steps, a lower order, or an exact start (with_past)",
    )


def _check_noise(sampler: Sampler, zs: Any, n: int) -> None:
    if zs is None:
        return
    _check.require(sampler.noise is not None, "this sampler is deterministic and takes no noise: leave zs out")
    for z in jax.tree_util.tree_leaves(zs):
        _check.require(
            jnp.ndim(z) >= 1 and z.shape[0] == n,
            f"zs must be stacked over the {n} steps on its first axis, got {jnp.shape(z)}",
        )


@jax.jit
def _fold(sampler: Sampler, keep: Callable | None, x: Array, ts: Array, zs: Any) -> tuple[Array, Any]:
    return _loop(sampler, keep, x, ts, zs, lambda z: z)


@jax.jit
def _sample(sampler: Sampler, keep: Callable | None, key: Array, x: Array, ts: Array) -> tuple[Array, Any]:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(ts.shape[0] - 1))
    return _loop(sampler, keep, x, ts, keys, lambda key: sampler.noise(key, x))  # type: ignore[misc]


def _loop(sampler: Sampler, keep: Callable | None, x: Array, ts: Array, sources: Any, noise: Callable) -> tuple[Array, Any]:
    """The steps over ts, the i-th with noise(sources[i])."""

    def step(times: tuple[Array, Array], state: Any, source: Any) -> tuple[Any, Any]:
        state, info = sampler.step(state, *times, noise(source))
        return state, None if keep is None else keep(state, info)

    state, kept = scan_steps(step, sampler.init(x), (ts[:-1], ts[1:]), sources)
    return state.x, kept
