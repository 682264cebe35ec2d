"""Denoisers and samplers as arguments of jit: any callable as a pytree."""

from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import Partial


def as_pytree(function: Callable[..., Any], wanted: str = "a denoiser (x, t) -> x0") -> Callable[..., Any]:
    """The function itself if it is a pytree, else wrapped in Partial, so that it can be an argument of jit.

    Wrap a module-level function once and reuse it: each new lambda is a new function and is traced anew.
    """
    if not callable(function):
        raise TypeError(f"{wanted} must be callable, got {type(function).__name__}")
    return Partial(function) if jax.tree_util.all_leaves([function]) else function
