"""Guidance: uncond + w (cond - uncond).

w = 1 is conditional and w = 0 unconditional; a negative prompt takes the place of `uncond`.
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
    """uncond + w (cond - uncond).

    cond and uncond are two predictions of one kind (x0, eps, score, v or velocity: all give the
    same). In the 1 + w convention, (1 + w') cond - w' uncond, w = 1 + w'. For scores it is the
    gradient of log p(x|c)^w p(x)^(1 - w) at this noise level.

    Units: cond and uncond of one shape; w a scalar, 1.
    Raises: ValueError for unequal shapes.
    Source: Ho and Salimans 2022, arXiv:2207.12598, eq. (6).
    Also called: classifier-free guidance, CFG, guidance scale, guidance weight, negative prompt.
    Claims: CFG-01, CFG-06, CFG-07, CFG-08, CFG-09, CFG-10, NUM-07.
    """
    cond, uncond = _arguments.same_shape(cond=cond, uncond=uncond)
    return (uncond + _weight(w) * (cond - uncond)).astype(cond.dtype)


def _weight(w: Any) -> Any:
    return _arguments.number("w", w)


def guide(cond: Denoiser, uncond: Denoiser, *, w: Scalar) -> Partial:
    """The denoiser uncond + w (cond - uncond); in the 1 + w convention w = 1 + w'.

    A negative prompt replaces the unconditional branch: `uncond=negative`. A worse model in the
    place of uncond is autoguidance. The result is a pytree, so that w can be swept by vmap and
    differentiated.

    Units: cond and uncond denoisers (x, t) -> x0; w a scalar, 1.
    Source: Ho and Salimans 2022, arXiv:2207.12598, eq. (6).
    Also called: classifier-free guidance, CFG, guided denoiser, negative prompt, autoguidance,
        azula CFGDenoiser, diffusers ClassifierFreeGuidance, diffusers AutoGuidance.
    Claims: CFG-03, CFG-04, CFG-06, CFG-07, CFG-09, CFG-10, CFG-12, CFG-13, CFG-17, CFG-18.

    >>> diffx.guide(denoise, denoise, w=3.0)(x, 0.5).shape
    (2,)
    """
    return Partial(_guidance, as_pytree(cond), as_pytree(uncond), _weight(w))


def _guidance(cond: Denoiser, uncond: Denoiser, w: Scalar, x: Array, t: Scalar) -> Array:
    return cfg(cond(x, t), uncond(x, t), w=w)


def guide_net(
    net: Callable[[Array, Scalar, Any], Array], cond: Any, uncond: Any, *, w: Scalar
) -> Partial:
    """The denoiser uncond + w (cond - uncond) of net(x, t, condition), in one batched call.

    A negative prompt takes the place of `uncond`.

    Units: cond and uncond two conditions, pytrees of equal shapes (embeddings, labels); w a scalar,
        1.
    Raises: ValueError if the shapes of the conditions differ.
    Source: Ho and Salimans 2022, arXiv:2207.12598, eq. (6).
    Also called: classifier-free guidance of a network, CFG, batched guidance, negative prompt
        embedding.
    Claims: CFG-07, CFG-09.

    >>> net = lambda x, t, c: c * x
    >>> diffx.guide_net(net, jnp.ones(()), jnp.zeros(()), w=3.0)(x, 0.5).tolist()
    [3.0, 3.0]
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
    """The denoiser uncond + sum_i w_i (cond_i - uncond) of several conditions.

    A negative weight steers away from its condition; for one condition see `guide`. For scores it
    is the gradient of log p(x) prod_i (p(x|c_i)/p(x))^w_i at this noise level. With weights 1 that
    is p(x|c_1, ..., c_k) where the c_i are independent given x_t: at t = 0 if they are given x_0,
    at t > 0 in general not. The result is a pytree.

    Units: conds k denoisers (x, t) -> x0; weights (k,), 1.
    Raises: ValueError unless there is one weight for each condition.
    Source: Liu et al. 2022, arXiv:2206.01714.
    Also called: composable diffusion, composed guidance, conjunction of concepts, multiple prompts,
        AND of prompts.
    Claims: CON-05.

    >>> diffx.guidance.compose(denoise, [denoise, denoise], weights=[1.0, -0.5])(x, 0.5).shape
    (2,)
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
    """The denoiser uncond + sum_i w_i (cond_i - uncond) of one network, in one batched call.

    See `compose` for the formula's meaning.

    Units: net (x, t, condition) -> x0; uncond and conds k + 1 conditions, pytrees of equal shapes;
        weights (k,), 1.
    Raises: ValueError if the shapes differ, or unless there is one weight for each condition.
    Source: Liu et al. 2022, arXiv:2206.01714.
    Also called: composable diffusion of a network, multiple prompts.
    Claims: CON-05.

    >>> net = lambda x, t, c: c * x
    >>> one, zero = jnp.ones(()), jnp.zeros(())
    >>> diffx.guidance.compose_net(net, zero, [one], weights=[3.0])(x, 0.5).tolist()
    [3.0, 3.0]
    """
    return Partial(
        _net_composition, as_pytree(net), _stack(uncond, *conds), _weights(weights, len(conds))
    )


def _net_composition(net: Callable, every: Any, weights: Array, x: Array, t: Scalar) -> Array:
    uncond, *conds = jax.vmap(net, (None, None, 0))(x, t, every)
    return _weighted_sum(uncond, conds, weights)
