r"""Log-partitions of the rows and columns of a table of scores, block by block.

Each block is recomputed for the derivative, so the whole costs four matrix products: S, S again,
G y and x' G.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx.contrast._blocks import scan_blocks
from diffx.contrast.scores import scores

# scores up to 60 need no shift in float32: exp(60) of a billion rows is 1e35, below the largest,
# 3e38
SMALL = 60.0


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def log_partitions(
    tile: int, x: Array, y: Array, rows: Array, columns: Array, log_scale: Array
) -> tuple[Array, Array]:
    """log sum_j exp S_ij of each of n rows, and log sum_i exp S_ij of each of N columns.

    rows: (n,), columns: (N,) booleans, which of them count; an empty sum is -inf. The derivative is
    written out, because it needs these sums and no second maximum: dr_i = sum_j
    exp(S_ij - r_i) dS_ij.
    """
    near, far = (partial(_partitions, tile, peak) for peak in (_no_peak, jnp.max))
    return jax.lax.cond(jnp.exp(log_scale) > SMALL, far, near, x, y, rows, columns, log_scale)


def _no_peak(s: Array, axis: int) -> Array:
    """0 for the maximum of small scores: finding it costs two more readings, 8 of 85 ms on an
    H200.
    """
    return jnp.zeros_like(s.sum(axis))  # the sum is never computed


def _partitions(
    tile: int, peak: Callable, x: Array, y: Array, rows: Array, columns: Array, log_scale: Array
) -> tuple[Array, Array]:
    def grow(state: tuple[Array, Array], s: Array, axis: int) -> tuple[Array, Array]:
        shift, total = state
        top = jnp.maximum(shift, _raise_to_lowest(peak(s, axis=axis)))
        return top, total * jnp.exp(shift - top) + jnp.exp(s - jnp.expand_dims(top, axis)).sum(axis)

    def block(by_row: tuple, by_column: tuple, row: tuple, column: tuple) -> tuple[tuple, tuple]:
        s = scores(row[0], column[0], log_scale)
        by_row = grow(by_row, s + _absence(column[1], s), 1)
        return by_row, grow(by_column, s + _absence(row[1], s)[:, None], 0)

    lowest = jnp.finfo(x.dtype).min if peak is jnp.max else 0.0
    states = [(jnp.full_like(z[:, 0], lowest), jnp.zeros_like(z[:, 0])) for z in (x, y)]
    sums = scan_blocks(block, (x, rows), (y, columns), *states, tile=tile)
    by_row, by_column = (jnp.log(total) + shift for shift, total in sums)
    return by_row, by_column


def _absence(counted: Array, s: Array) -> Array:
    """0 for what counts and -inf for what does not, to be added to scores."""
    return jnp.where(counted, 0, -jnp.inf).astype(s.dtype)


def _raise_to_lowest(x: Array) -> Array:
    return jnp.where(x == -jnp.inf, jnp.finfo(x.dtype).min, x)


@log_partitions.defjvp
def _log_partitions_jvp(tile: int, primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    (x, y, rows, columns, log_scale), (dx, dy, _, _, dlog_scale) = primals, tangents
    by_row, by_column = log_partitions(tile, x, y, rows, columns, log_scale)

    @jax.checkpoint
    def block(dr: Array, dc: Array, row: tuple, column: tuple) -> tuple[Array, Array]:
        (x, dx, r, rows), (y, dy, c, columns) = row, column
        s, ds = jax.jvp(scores, (x, y, log_scale), (dx, dy, dlog_scale))
        in_row = jnp.exp(s + _absence(columns, s) - _raise_to_lowest(r)[:, None])
        in_column = jnp.exp(s + _absence(rows, s)[:, None] - _raise_to_lowest(c))
        return dr + (in_row * ds).sum(1), dc + (in_column * ds).sum(0)

    zeros = jnp.zeros_like(by_row), jnp.zeros_like(by_column)
    sides = (x, dx, by_row, rows), (y, dy, by_column, columns)
    return (by_row, by_column), scan_blocks(block, *sides, *zeros, tile=tile)
