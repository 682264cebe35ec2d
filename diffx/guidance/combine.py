r"""Guidance: uncond + w (cond - uncond). w = 1 is conditional, w = 0 unconditional; a negative
prompt is `uncond`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Points, Scalar


def cfg(cond: Points, uncond: Points, *, w: Scalar) -> Points:
    r"""uncond + w (cond - uncond); in the 1 + w convention, (1 + w') cond - w' uncond, w = 1 + w'.

    cond, uncond: two predictions of one kind (x0, eps, score, v or velocity: all give the same),
    one shape. w: scalar, 1.  For scores: the gradient of log p(x|c)^w p(x)^(1 - w) at this noise
    level.
    Source: Ho and Salimans 2022, arXiv:2207.12598, eq. (6).  Raises ValueError for unequal shapes.
    Claims: CFG-01, CFG-06, CFG-07, CFG-08, CFG-09, CFG-10, NUM-07.
    """
    cond, uncond = _arguments.same_shape(cond=cond, uncond=uncond)
    return (uncond + _weight(w) * (cond - uncond)).astype(cond.dtype)


def _weight(w: Any) -> Any:
    return _arguments.number("w", w)


def guide(cond: Denoiser, uncond: Denoiser, *, w: Scalar) -> Partial:
    r"""The denoiser uncond + w (cond - uncond); in the 1 + w convention w = 1 + w'.

    cond, uncond: denoisers (x, t) -> x0.  A negative prompt replaces the unconditional branch:
    `uncond=negative`. Returns a pytree, so that w can be swept by vmap and differentiated.  A worse
    model for uncond: autoguidance.
    Claims: CFG-03, CFG-04, CFG-06, CFG-07, CFG-09, CFG-10, CFG-12, CFG-13, CFG-17, CFG-18.
    """
    return Partial(_guidance, as_pytree(cond), as_pytree(uncond), _weight(w))


def _guidance(cond: Denoiser, uncond: Denoiser, w: Scalar, x: Array, t: Scalar) -> Array:
    return cfg(cond(x, t), uncond(x, t), w=w)


def guide_net(
    net: Callable[[Array, Scalar, Any], Array], cond: Any, uncond: Any, *, w: Scalar
) -> Partial:
    r"""The denoiser uncond + w (cond - uncond) of one network net(x, t, condition), at one batched
    call.

    cond, uncond: two conditions, pytrees of equal shapes (embeddings, labels).  A negative prompt
    is `uncond`. Raises ValueError if their shapes differ.  Claims: CFG-07, CFG-09.
    """
    return Partial(_net_guidance, as_pytree(net), _stack(cond, uncond), _weight(w))


def _stack(*conditions: Any) -> Any:
    """Conditions of equal shapes along a new leading axis."""
    shapes = [jax.tree_util.tree_map(jnp.shape, condition) for condition in conditions]
    same = all(shape == shapes[0] for shape in shapes)
    _arguments.require(
        same,
        "the conditions (cond, uncond) must have the same shapes, got "
        f"{' and '.join(map(str, shapes))}",
    )
    return jax.tree_util.tree_map(lambda *parts: jnp.stack(parts), *conditions)


def _net_guidance(net: Callable, both: Any, w: Scalar, x: Array, t: Scalar) -> Array:
    cond, uncond = jax.vmap(net, (None, None, 0))(x, t, both)
    return cfg(cond, uncond, w=w)


def compose(uncond: Denoiser, conds: Sequence[Denoiser], *, weights: Any) -> Partial:
    r"""The denoiser uncond + sum_i w_i (cond_i - uncond) of several conditions.

    conds: k denoisers.  weights: (k,), 1; a negative one steers away from its condition.  One
    condition: `guide`.
    For scores: the gradient of log p(x) prod_i (p(x|c_i)/p(x))^w_i at this noise level. With
    weights 1 that is p(x|c_1, ..., c_k) where the c_i are independent given x_t: at t = 0 if they
    are given x_0, at t > 0 in general not.
    Source: Liu et al. 2022, arXiv:2206.01714.  Returns a pytree.
    Raises ValueError unless there is one weight for each condition.  Claims: CON-05.
    """
    conds = tuple(as_pytree(cond) for cond in conds)
    return Partial(_composition, as_pytree(uncond), conds, _weights(weights, len(conds)))


def _weights(weights: Any, k: int) -> Array:
    weights = _arguments.finite(
        "weights", jnp.asarray(weights, float) if isinstance(weights, (list, tuple)) else weights
    )
    wanted = f"weights must have shape ({k},), one for each of the {k} conditions"
    _arguments.require(weights.shape == (k,), f"{wanted}, got shape {weights.shape}")
    return weights


def _composition(
    uncond: Denoiser, conds: tuple[Denoiser, ...], weights: Array, x: Array, t: Scalar
) -> Array:
    return _weighted_sum(uncond(x, t), [cond(x, t) for cond in conds], weights)


def _weighted_sum(uncond: Array, conds: Any, weights: Array) -> Array:
    """uncond + sum_i weights_i (conds_i - uncond), in the dtype of uncond."""
    guided = uncond
    for i, cond in enumerate(conds):
        cond, _ = _arguments.same_shape(cond=cond, uncond=uncond)
        guided = guided + weights[i] * (cond - uncond)
    return guided.astype(uncond.dtype)


def compose_net(
    net: Callable[[Array, Scalar, Any], Array], uncond: Any, conds: Sequence[Any], *, weights: Any
) -> Partial:
    r"""The denoiser uncond + sum_i w_i (cond_i - uncond) of one network net(x, t, condition), at
    one batched call.

    uncond, conds: k + 1 conditions, pytrees of equal shapes.  weights: (k,), 1.  See `compose`, its
    source too. Raises ValueError if the shapes differ, or unless there is one weight for each
    condition.  Claims: CON-05.
    """
    return Partial(
        _net_composition, as_pytree(net), _stack(uncond, *conds), _weights(weights, len(conds))
    )


def _net_composition(net: Callable, every: Any, weights: Array, x: Array, t: Scalar) -> Array:
    uncond, *conds = jax.vmap(net, (None, None, 0))(x, t, every)
    return _weighted_sum(uncond, conds, weights)
