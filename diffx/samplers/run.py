r"""Running a sampler: `fold` over given noise, `sample` over a key."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx.samplers._loop import scan_steps
from diffx.samplers.protocol import Sampler


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
    sampler, x, ts, keep = ready(sampler, x, ts, keep)
    _check_noise(sampler, zs, ts.shape[0] - 1)
    return fold_compiled(sampler, keep, x, ts, zs)


def sample(sampler: Sampler, key: Array | None, x: Array, ts: Array, *, keep: Callable | None = None) -> tuple[Array, Any]:
    r"""Run a sampler from x over the grid ts, step i with the noise of fold_in(key, i): `fold` without holding all noise.

    key: a jax random key; a deterministic method draws nothing and takes None too.  x: any shape, data units, drawn
    by the caller from `prior`.  ts: (N + 1,), decreasing in [0, 1].  keep: as for `fold`.  Jitted.
    Raises ValueError for a grid that does not decrease, TypeError for a stochastic method without a key.
    Claims: API-01, API-02, API-03, API-04, API-05.
    """
    sampler, x, ts, keep = ready(sampler, x, ts, keep)
    if sampler.noise is None:
        return fold_compiled(sampler, keep, x, ts, None)
    _arguments.key(key)
    return _sample(sampler, keep, key, x, ts)


def ready(sampler: Any, x: Any, ts: Any, keep: Any) -> tuple[Sampler, Array, Array, Callable | None]:
    if not isinstance(sampler, Sampler):
        raise TypeError(f"sampler must be a Sampler, such as diffx.ddim(process, denoise), got {type(sampler).__name__}")
    functions = (None if function is None else as_pytree(function) for function in sampler)
    ts = _arguments.grid(ts)
    _check_memory(sampler, ts.shape[0] - 1)
    return Sampler(*functions), _arguments.floats("x", x), ts, None if keep is None else as_pytree(keep, "keep")  # type: ignore[arg-type]


def _check_memory(sampler: Sampler, n: int) -> None:
    """A method that begins without memory of k steps needs k steps to fill it, and one that uses it."""
    times = getattr(sampler.init, "keywords", {}).get("times")
    k = 0 if times is None else times.shape[-1]
    _arguments.require(
        n > k,
        f"a multi-step method of order {k + 1} starts with {k} steps of lower order and needs at least {k + 1} steps, but the "
        f"grid has {n}: take more steps, a lower order, or an exact start (with_past)",
    )


def _check_noise(sampler: Sampler, zs: Any, n: int) -> None:
    if zs is None:
        return
    _arguments.require(sampler.noise is not None, "this sampler is deterministic and takes no noise: leave zs out")
    for z in jax.tree_util.tree_leaves(zs):
        _arguments.require(
            jnp.ndim(z) >= 1 and z.shape[0] == n,
            f"zs must be stacked over the {n} steps on its first axis, got {jnp.shape(z)}",
        )


@jax.jit
def fold_compiled(sampler: Sampler, keep: Callable | None, x: Array, ts: Array, zs: Any) -> tuple[Array, Any]:
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
