r"""The training loop: a loss, an optax optimizer, many steps in one compiled call."""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree

# steps in one compiled call: the host's part of a call, 0.2 ms, is then lost in 500 steps of 0.2 ms
CHUNK = 500


class Trained(NamedTuple):
    """Parameters and losses of a training run.

    params: after the last step. ema: their moving average (the params themselves if none was
    requested). losses: (steps,).
    """

    params: Any
    ema: Any
    losses: np.ndarray


def train(
    loss: Callable[[Any, Array], Array],
    params: Any,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    key: Array,
    ema: float | None = None,
    project: Callable[[Any], Any] | None = None,
    progress: bool | None = None,
) -> Trained:
    r"""params_i = params_{i-1} + update(grad loss(params_{i-1}, key_i)), key_i = fold_in(key, i).

    The loss draws its own batch, times and noises from the key. Pass data as
    `jax.tree_util.Partial(loss, data)`: then new data of the same shape do not compile again. ema
    is the decay d of the average ema_i = d ema_{i-1} + (1 - d) params_i, ema_0 = the given params;
    None keeps no average. project is applied to the params after every step and before the average:
    params_i = project(params_{i-1} + update). A bound belongs there and not in the loss:
    `min(scale, cap)` inside a loss has the derivative 0 above the cap, so that a scale which starts
    there never moves. Like the loss, project may be a pytree. progress prints a line on stderr;
    None prints it where stderr is a terminal.

    Units: loss (params, key) -> scalar; params any pytree of floats, such as the state of
        `nnx.split(network)`; project params -> params of the same shapes and dtypes.
    Domain: steps >= 1; ema in [0, 1).
    Raises: TypeError or ValueError for steps < 1, a decay outside [0, 1), params with integers or
        NaN, a loss that is not a scalar or a projection that changes a shape or dtype;
        FloatingPointError, naming the step, where the loss is not finite.
    Also called: training loop, exponential moving average of weights, EMA, projected gradient,
        smalldiffusion training_loop.
    """
    steps = _arguments.count("steps", steps)
    _arguments.require(
        ema is None or 0 <= ema < 1,
        f"ema must be None or a decay in [0, 1), such as 0.999, got {ema}",
    )
    loss, params = as_pytree(loss, "a loss (params, key) -> number"), _floats(params)
    _check_scalar(loss, params, key)
    if project is not None:
        project = as_pytree(project, "project (params) -> params")
        _check_same_tree(project, params)
    report = _Progress(steps, sys.stderr.isatty() if progress is None else progress)
    carry, done, losses = (params, params, optimizer.init(params)), 0, []
    while done < steps:
        n = min(CHUNK, steps - done)
        carry, new = _run(loss, optimizer.update, project, carry, key, done, ema, n=n)
        losses.append(np.asarray(new))
        _check_finite(losses[-1], done)
        done += n
        report(done, losses[-1])
    return Trained(carry[0], carry[1] if ema is not None else carry[0], np.concatenate(losses))


@partial(jax.jit, static_argnames=("update", "n"))
def _run(
    loss: Callable,
    update: Callable,
    project: Any,
    carry: Any,
    key: Array,
    first: Any,
    decay: Any,
    n: int,
) -> tuple[Any, Array]:
    """n steps from step number `first`, and the loss of each before its update."""

    def step(carry: Any, i: Array) -> tuple[Any, Array]:
        params, average, state = carry
        value, gradient = jax.value_and_grad(loss)(params, jax.random.fold_in(key, i))
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        params = params if project is None else project(params)
        if decay is not None:
            average = jax.tree_util.tree_map(
                lambda a, p: decay * a + (1 - decay) * p, average, params
            )
        return (params, average, state), value

    return jax.lax.scan(step, carry, first + jnp.arange(n))


def _floats(params: Any) -> Any:
    """Parameters as strongly typed finite floats: a weak type would compile the loop twice."""
    _arguments.require(
        jax.tree_util.tree_leaves(params), "params must hold at least one array, got an empty tree"
    )

    def convert(path: Any, leaf: Any) -> Array:
        leaf = _arguments.finite(f"params{jax.tree_util.keystr(path)}", leaf)
        return jax.lax.convert_element_type(leaf, leaf.dtype)

    return jax.tree_util.tree_map_with_path(convert, params)


def _check_scalar(loss: Callable, params: Any, key: Array) -> None:
    value = jax.eval_shape(loss, params, key)
    shape = getattr(value, "shape", None)
    _arguments.require(
        shape == (), f"loss(params, key) must return one number, got shape {shape}; take its mean"
    )


def _check_same_tree(project: Callable, params: Any) -> None:
    before, after = _describe(params), _describe(jax.eval_shape(project, params))
    _arguments.require(
        before == after,
        "project(params) must return params of the same structure, shapes and dtypes",
    )


def _describe(tree: Any) -> tuple[Any, list[Any]]:
    leaves, structure = jax.tree_util.tree_flatten(tree)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _check_finite(losses: np.ndarray, first: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise FloatingPointError(
            f"the loss became {losses[bad[0]]} at step {first + bad[0]}: lower the learning rate, "
            "clip the gradient "
            "(optax.clip_by_global_norm), or keep times away from where the loss is infinite"
        )


class _Progress:
    """One line on stderr that rewrites itself; silent unless progress is on."""

    def __init__(self, steps: int, on: bool):
        self.steps, self.on, self.begun = steps, on, time.perf_counter()

    def __call__(self, done: int, losses: np.ndarray) -> None:
        if not self.on:
            return
        rate = done / max(time.perf_counter() - self.begun, 1e-9)
        line = f"\r{done:,}/{self.steps:,} steps, loss {losses.mean():.4f}, {rate:,.0f} steps/s"
        print(f"{line:<70}", end="\n" if done == self.steps else "", file=sys.stderr, flush=True)
