"""Which images and texts belong together, and which of them count."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from diffx import _arguments
from diffx.contrast.scores import wide

Positives = Bool[Array, "n N"] | Int[Array, "n"] | None
Mask = Bool[Array, "n"] | None


class Pairs(NamedTuple):
    """names: (n,) integers, equal where an image and a text belong together, unless there is a table.
    counted: (n,) booleans.  table: (n, N) booleans or None."""

    names: Array
    counted: Array
    table: Array | None


def pairs_of(positives: Any, mask: Any, n: int, texts: int | None = None) -> Pairs:
    """What the caller said of n images and as many texts: the diagonal by default, and every row counts.

    texts: how many there are on all devices together, where the n images are one device's.
    """
    counted = jnp.ones(n, bool) if mask is None else _flags("mask", mask, (n,))
    names = jnp.arange(n)
    if _arguments.is_concrete(counted):
        _arguments.require(bool(counted.any()), "mask must count at least one row, or there is nothing to take the mean of")
    if positives is None:
        return Pairs(names, counted, None)
    positives = jnp.asarray(positives)
    if jnp.issubdtype(positives.dtype, jnp.integer) and positives.ndim == 1:
        _arguments.require(positives.shape == (n,), f"positives must name {n} captions, got shape {positives.shape}")
        return Pairs(positives, counted, None)
    return Pairs(names, counted, _flags("positives", positives, (n, n if texts is None else texts)))


def _flags(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    value = jnp.asarray(value)
    if value.dtype != bool:
        raise TypeError(f"{name} must be an array of booleans, got {value.dtype}; compare it: {name} > 0")
    _arguments.require(value.shape == shape, f"{name} must have shape {shape}, got {value.shape}")
    return value


def partners(names: Array, others: Array, counted: Array, others_counted: Array, table: Array | None) -> Array:
    """(n, N) booleans: who belongs together, among those who count."""
    same = names[:, None] == others if table is None else table
    return same & counted[:, None] & others_counted


def check_partners(pairs: Array, counted: Array) -> None:
    """Every counted image and text has a partner (checked where it is concrete)."""
    if _arguments.is_concrete(pairs, counted):
        empty = jnp.flatnonzero(counted & ~(pairs.any(0) & pairs.any(1)))
        way_out = "add their pairs to positives, or leave them out by mask"
        _arguments.require(empty.size == 0, f"every counted image and text needs a partner, rows {empty} have none; {way_out}")


def embeddings(images: Any, texts: Any, log_scale: Any) -> tuple[Array, Array, Array]:
    """Images and texts of one shape (N, d) in one dtype of 32 bits or more, and log_scale in it."""
    x, y = _arguments.same_shape(images=_arguments.finite("images", images), texts=_arguments.finite("texts", texts))
    _arguments.require(x.ndim == 2 and x.shape[0] >= 1, f"images and texts must have shape (N, d) with N >= 1, got {x.shape}")
    dtype = jnp.promote_types(wide("images", x).dtype, wide("texts", y).dtype)
    return x.astype(dtype), y.astype(dtype), jnp.asarray(_arguments.number("log_scale", log_scale)).astype(dtype)


def offset(bias: Any, like: Array) -> Array:
    return jnp.asarray(_arguments.number("bias", bias)).astype(like.dtype)
