r"""Guidance: uncond + w (cond - uncond). w = 1 is conditional, w = 0 unconditional; a negative prompt is `uncond`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _check
from diffx._callables import as_pytree
from diffx._types import Points
from diffx.process import Scalar
from diffx.reverse import Denoiser


def cfg(cond: Points, uncond: Points, *, w: Scalar) -> Points:
    r"""uncond + w (cond - uncond); in the 1 + w convention, (1 + w') cond - w' uncond, w = 1 + w'.

    cond, uncond: two predictions of one kind (x0, eps, score, v or velocity: all give the same), one shape.
    w: scalar, 1.  For scores: the gradient of log p(x|c)^w p(x)^(1 - w) at this noise level.
    Source: Ho and Salimans 2022, arXiv:2207.12598, eq. (6).  Raises ValueError for unequal shapes.
    Claims: CFG-01, CFG-06, CFG-07, CFG-08, CFG-09.
    """
    cond, uncond = _check.same_shape(cond=cond, uncond=uncond)
    return (uncond + _weight(w) * (cond - uncond)).astype(cond.dtype)


def _weight(w: Any) -> Any:
    return _check.number("w", w)


def guide(cond: Denoiser, uncond: Denoiser, *, w: Scalar) -> Partial:
    r"""The denoiser uncond + w (cond - uncond); in the 1 + w convention w = 1 + w'.

    cond, uncond: denoisers (x, t) -> x0.  A negative prompt replaces the unconditional branch: `uncond=negative`.
    Returns a pytree, so that w can be swept by vmap and differentiated.  Claims: CFG-06, CFG-07, CFG-09.
    """
    return Partial(_guided, as_pytree(cond), as_pytree(uncond), _weight(w))


def _guided(cond: Denoiser, uncond: Denoiser, w: Scalar, x: Array, t: Scalar) -> Array:
    return cfg(cond(x, t), uncond(x, t), w=w)


def guide_net(net: Callable[[Array, Scalar, Any], Array], cond: Any, uncond: Any, *, w: Scalar) -> Partial:
    r"""The denoiser uncond + w (cond - uncond) of one network net(x, t, condition), at one batched call.

    cond, uncond: two conditions, pytrees of equal shapes (embeddings, labels).  A negative prompt is `uncond`.
    Raises ValueError if their shapes differ.  Claims: CFG-07, CFG-09.
    """
    shapes = [jax.tree_util.tree_map(jnp.shape, c) for c in (cond, uncond)]
    _check.require(shapes[0] == shapes[1], f"cond and uncond must have the same shapes, got {shapes[0]} and {shapes[1]}")
    both = jax.tree_util.tree_map(lambda c, u: jnp.stack([c, u]), cond, uncond)
    return Partial(_guided_net, as_pytree(net), both, _weight(w))


def _guided_net(net: Callable, both: Any, w: Scalar, x: Array, t: Scalar) -> Array:
    cond, uncond = jax.vmap(net, (None, None, 0))(x, t, both)
    return cfg(cond, uncond, w=w)
