"""The runs of a sampler: `fold` over given noise, `sample` over a key."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._linalg import scan_points
from diffx._pytrees import as_pytree
from diffx.samplers.protocol import Sampler


def keep_x(state: Any, info: Any) -> Array:
    """The trajectory: the state's x after every step, for `keep`.

    Also called: trajectory, return_trajectories.
    Claims: API-01.
    """
    return state.x


def keep_x0(state: Any, info: Any) -> Array:
    """The denoiser's answer at the start of every step, for `keep`.

    Also called: pred_original_sample, denoised callback.
    Claims: API-01.
    """
    return info.x0


def fold(
    sampler: Sampler, x: Array, ts: Array, zs: Any = None, *, keep: Callable | None = None
) -> tuple[Array, Any]:
    """(x at the last time, what `keep` stacked): a sampler run from x over ts with given noise.

    zs=None stands for zero noise, which is never stacked; keep=None keeps nothing. Jitted.

    Units: x any shape, data units; ts (N + 1,), decreasing in [0, 1]; zs noises stacked over the N
        steps, leading axis N; keep (state, info) -> pytree, stacked over the steps.
    Raises: ValueError for a grid that does not decrease, noise of another length, or noise for a
        deterministic method.
    Source: the contract of `Sampler`.
    Also called: sampling loop, lax.scan over steps, denoising loop.
    Claims: REV-24, API-01, API-02, API-04, API-05, API-06, API-07.
    """
    sampler, x, ts, keep = checked_run(sampler, x, ts, keep)
    _check_noise(sampler, zs, ts.shape[0] - 1)
    return loop(sampler, keep, x, ts, zs)


def sample(
    sampler: Sampler, key: Array | None, x: Array, ts: Array, *, keep: Callable | None = None
) -> tuple[Array, Any]:
    """(x at the last time, what `keep` stacked): a sampler run over ts with noise from a key.

    Step i has the noise of fold_in(key, i): `fold` without holding all noise. Jitted.

    Units: key a jax random key, or None for a deterministic method; x any shape, data units, drawn
        by the caller from `prior`; ts (N + 1,), decreasing in [0, 1]; keep as for `fold`.
    Raises: ValueError for a grid that does not decrease; TypeError for a stochastic method without
        a key.
    Source: the contract of `Sampler`.
    Also called: sampling, generation, inference loop, smalldiffusion samples.
    Claims: API-01, API-02, API-03, API-04, API-05.
    """
    sampler, x, ts, keep = checked_run(sampler, x, ts, keep)
    if sampler.noise is None:
        return loop(sampler, keep, x, ts, None)
    _arguments.key(key)
    return loop(sampler, keep, x, ts, jnp.arange(ts.shape[0] - 1), key)


@jax.jit
def loop(
    sampler: Sampler, keep: Callable | None, x: Array, ts: Array, zs: Any, key: Array | None = None
) -> tuple[Array, Any]:
    """The steps over ts.

    zs: their noises, stacked, or with a key their numbers, from which the noises are drawn.
    """

    def step(state: Any, times: tuple[Array, Array], z: Any) -> tuple[Any, Any]:
        z = z if key is None else sampler.noise(jax.random.fold_in(key, z), x)  # type: ignore[misc]
        state, info = sampler.step(state, *times, z)
        return state, None if keep is None else keep(state, info)

    first = sampler.init(x)
    _check_memory(first, ts.shape[0] - 1)
    last, kept = scan_points(step, first, (ts[:-1], ts[1:]), zs)
    return last.x, kept


def checked_run(
    sampler: Any, x: Any, ts: Any, keep: Any
) -> tuple[Sampler, Array, Array, Callable | None]:
    """The arguments of a run, checked, as arguments of jit."""
    if not isinstance(sampler, Sampler):
        raise TypeError(
            "sampler must be a Sampler, such as diffx.ddim(process, denoise), got "
            f"{type(sampler).__name__}"
        )
    parts = (None if function is None else as_pytree(function) for function in sampler)
    functions = Sampler(*parts)  # type: ignore[arg-type]
    return (
        functions,
        _arguments.floats("x", x),
        _arguments.grid(ts),
        None if keep is None else as_pytree(keep, "keep"),
    )


def _check_memory(state: Any, n: int) -> None:
    """A method that begins without memory of k steps needs k steps to fill it and one to use it."""
    k = state.missing.shape[0] if hasattr(state, "missing") else 0
    _arguments.require(
        n > k,
        f"a multi-step method of order {k + 1} starts with {k} steps of lower order and needs at "
        f"least {k + 1} steps, but the "
        f"grid has {n}: take more steps, a lower order, or an exact start (with_past)",
    )


def _check_noise(sampler: Sampler, zs: Any, n: int) -> None:
    if zs is None:
        return
    _arguments.require(
        sampler.noise is not None, "this sampler is deterministic and takes no noise: leave zs out"
    )
    for z in jax.tree_util.tree_leaves(zs):
        _arguments.require(
            jnp.ndim(z) >= 1 and z.shape[0] == n,
            f"zs must be stacked over the {n} steps on its first axis, got {jnp.shape(z)}",
        )
