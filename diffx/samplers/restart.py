"""Restart: after an interval, a deterministic sampler is noised up again and comes down anew."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx.noise import standard_normal
from diffx.processes.protocol import Process, transition
from diffx.samplers.protocol import Sampler, checked_step, noise_or_zero


@checked_step
def restart_step(
    state: Any,
    t: Array,
    s: Array,
    z: Any = None,
    *,
    process: Process,
    sampler: Sampler,
    intervals: Array,
) -> tuple[Any, Any]:
    """The sampler's step; where s <= t_min < t, n times alpha_{b|s} x + sigma_{b|s} z and down.

    The error of the variance of Gaussian data is multiplied by (alpha_b/alpha_s)^2 v_s/v_b where
    the way down is exact, v the marginal variance, and that of the mean by its root: derived here.
    info is that of the sampler's step.

    Units: intervals (n, m + 1), n grids from b = t_max to t_min, whose last time is replaced by s;
        z (n, *x.shape).
    Domain: alpha(s) > 0.
    Source: Xu et al. 2023, arXiv:2306.14878, Algorithm 1; here for every process.
    Also called: Restart step.
    Claims: REV-31.
    """
    state, info = sampler.step(state, t, s, None)
    there = (s <= intervals[0, -1]) & (intervals[0, -1] < t)
    # what is not taken is finite too, under vmap and grad
    end = jnp.where(there, s, intervals[0, -1])

    def again(state: Any, interval: tuple[Array, Any]) -> tuple[Any, None]:
        ts, noise = interval
        up = transition(process, ts[0], end)
        x = (up.alpha * state.x + up.sigma * noise_or_zero(noise, state.x)).astype(state.x.dtype)
        down = jnp.append(ts[:-1], end)
        step = lambda state, ends: (sampler.step(state, ends[0], ends[1], None)[0], None)
        return jax.lax.scan(step, sampler.init(x), (down[:-1], down[1:]))

    return jax.lax.cond(
        there,
        lambda state: jax.lax.scan(again, state, (intervals, z))[0],
        lambda state: state,
        state,
    ), info


def _normals(intervals: Array, key: Array, x: Array) -> Array:
    return jax.vmap(lambda key: standard_normal(key, x))(jax.random.split(key, intervals.shape[0]))


def restart(process: Process, sampler: Sampler, ts: Array, *, n: int = 1) -> Sampler:
    """A deterministic sampler with n restarts on an interval.

    See `restart_step`. Without a step that reaches or passes t_min nothing restarts. n is the K of
    the paper; there are n m more steps in all.

    Units: ts (m + 1,), decreasing: the grid of the interval from t_max to t_min, a time of the grid
        that is folded over, such as grid[3:6].
    Raises: TypeError unless sampler is a Sampler and n an integer; ValueError for a stochastic
        sampler, a grid that does not decrease, or n < 1.
    Source: Xu et al. 2023, arXiv:2306.14878, Algorithm 1.
    Also called: Restart sampling, time travel, resampling steps.
    Claims: REV-31.

    >>> ddim = diffx.ddim(process, denoise)
    >>> sampler = diffx.samplers.restart(process, ddim, diffx.uniform(4)[1:3])
    """
    if not isinstance(sampler, Sampler):
        raise TypeError(
            "sampler must be a Sampler, such as diffx.ddim(process, denoise), got "
            f"{type(sampler).__name__}"
        )
    _arguments.require(
        sampler.noise is None,
        "restart adds all the noise there is: give it a deterministic sampler",
    )
    # a bound integer would be traced
    intervals = jnp.tile(_arguments.grid(ts), (_arguments.count("n", n), 1))
    step = Partial(restart_step, process=process, sampler=sampler, intervals=intervals)
    return Sampler(sampler.init, step, Partial(_normals, intervals))
