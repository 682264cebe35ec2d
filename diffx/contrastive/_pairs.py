"""Which images and texts belong together, and which of them count."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from diffx import _check

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
    if _check.is_concrete(counted):
        _check.require(bool(counted.any()), "mask must count at least one row, or there is nothing to take the mean of")
    if positives is None:
        return Pairs(names, counted, None)
    positives = jnp.asarray(positives)
    if jnp.issubdtype(positives.dtype, jnp.integer) and positives.ndim == 1:
        _check.require(positives.shape == (n,), f"positives must name {n} captions, got shape {positives.shape}")
        return Pairs(positives, counted, None)
    return Pairs(names, counted, _flags("positives", positives, (n, n if texts is None else texts)))


def _flags(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    value = jnp.asarray(value)
    if value.dtype != bool:
        raise TypeError(f"{name} must be an array of booleans, got {value.dtype}; compare it: {name} > 0")
    _check.require(value.shape == shape, f"{name} must have shape {shape}, got {value.shape}")
    return value


def partners(names: Array, others: Array, counted: Array, others_counted: Array, table: Array | None) -> Array:
    """(n, N) booleans: who belongs together, among those who count."""
    same = names[:, None] == others if table is None else table
    return same & counted[:, None] & others_counted


def check_partners(pairs: Array, counted: Array) -> None:
    """Every counted image and text has a partner (checked where it is concrete)."""
    if _check.is_concrete(pairs, counted):
        empty = jnp.flatnonzero(counted & ~(pairs.any(0) & pairs.any(1)))
        way_out = "add their pairs to positives, or leave them out by mask"
        _check.require(empty.size == 0, f"every counted image and text needs a partner, rows {empty} have none; {way_out}")
