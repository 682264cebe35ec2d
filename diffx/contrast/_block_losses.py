"""CLIP and SigLIP losses as sums over blocks, on one device or on one of several."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Number
from diffx.contrast._batch import pairs_of, partners
from diffx.contrast._blocks import scan_blocks
from diffx.contrast._partitions import log_partitions
from diffx.contrast.scores import scores, scores_of_pairs


class Rows(NamedTuple):
    """Images of one device.

    x: (n, d) embeddings. names: (n,), equal for partners, used unless there is a table. counted:
    (n,) booleans. table: (n, N) booleans or None.
    """

    x: Array
    names: Array
    counted: Array
    table: Array | None


class Columns(NamedTuple):
    """Texts of the whole batch.

    x: (N, d) embeddings. names: (N,). counted: (N,) booleans. place: (N,), 0 to N - 1.
    """

    x: Array
    names: Array
    counted: Array
    place: Array


def block_pairs(row: Rows, column: Columns) -> Array:
    """Matches within a block; a table is cut from the block's first column on."""
    size, table = column.names.size, row.table
    if table is not None:
        table = jax.lax.dynamic_slice_in_dim(table, column.place[0], size, axis=1)
    return partners(row.names, column.names, row.counted, column.counted, table)


def count_partners(rows: Rows, columns: Columns, *, tile: int) -> tuple[Array, Array]:
    """The number of partners of each row and of each column on this device."""

    def block(by_row: Array, by_column: Array, row: Rows, column: Columns) -> tuple[Array, Array]:
        pairs = block_pairs(row, column)
        return by_row + pairs.sum(1), by_column + pairs.sum(0)

    rows = pad_table(rows, tile)
    return scan_blocks(block, rows, columns, 0 * rows.names, 0 * columns.names, tile=tile)


def pair_sums(term: Callable, rows: Any, columns: Any, log_scale: Array, *, tile: int) -> Array:
    """sum_j term(S, row, column)_ij of each row.

    rows and columns are trees that begin with Rows and Columns. Each block is recomputed for the
    derivative.
    """

    @jax.checkpoint
    def block(total: Array, nothing: Array, row: Any, column: Any) -> tuple[Array, Array]:
        return total + term(scores(row[0].x, column[0].x, log_scale), row, column).sum(1), nothing

    rows = (pad_table(rows[0], tile), *rows[1:])
    states = jnp.zeros_like(rows[0].x[:, 0]), jnp.zeros_like(columns[0].x[:, 0])
    return scan_blocks(block, rows, columns, *states, tile=tile)[0]


def pad_table(rows: Rows, tile: int) -> Rows:
    """A table padded to whole tiles: a slice past its end would silently be moved back."""
    if rows.table is None:
        return rows
    return rows._replace(table=jnp.pad(rows.table, ((0, 0), (0, -rows.table.shape[1] % tile))))


def sides(x: Array, y: Array, positives: Any, mask: Any) -> tuple[Rows, Columns]:
    """The images as rows and the texts as columns, on one device."""
    pairs = pairs_of(positives, mask, x.shape[0])
    return Rows(x, *pairs), Columns(y, pairs.names, pairs.counted, jnp.arange(x.shape[0]))


def clip_of_blocks(
    rows: Rows,
    columns: Columns,
    log_scale: Array,
    *,
    tile: int,
    own: Array | None,
    axis_name: Any = None,
) -> Number:
    """The loss of the whole batch.

    own: the texts (n, d) of these rows, where each is the only partner of its image, else None.
    axis_name: the mesh axis, where these rows are those of one device.
    """
    by_row, by_column = log_partitions(
        tile, rows.x, columns.x, rows.counted, columns.counted, log_scale
    )
    several = partial(_mean_scores, rows, columns, log_scale, tile, axis_name)
    matched = several() if own is None else scores_of_pairs(rows.x, own, log_scale)
    sums = (by_row + bring_home(by_column, axis_name, jax.nn.logsumexp)) / 2
    return mean_over_devices(jnp.where(rows.counted, sums - matched, 0), rows.counted, axis_name)


def _mean_scores(
    rows: Rows, columns: Columns, log_scale: Array, tile: int, axis_name: Any
) -> Array:
    """sum_j S_ij (1/k_i + 1/k_j)/2 over the partners j of row i, with k_i partners each."""
    by_row, by_column = count_partners(rows, columns, tile=tile)
    shares = [
        1 / (2 * jnp.maximum(k, 1)).astype(log_scale.dtype)
        for k in (by_row, sum_over_devices(by_column, axis_name))
    ]
    share = lambda s, row, column: jnp.where(
        block_pairs(row[0], column[0]), s * (row[1][:, None] + column[1]), 0
    )
    return pair_sums(share, (rows, shares[0]), (columns, shares[1]), log_scale, tile=tile)


def siglip_of_blocks(
    rows: Rows, columns: Columns, log_scale: Array, bias: Array, *, tile: int, axis_name: Any = None
) -> Number:
    """The loss of the whole batch; with axis_name, these rows are those of one device."""

    def term(s: Array, row: tuple, column: tuple) -> Array:
        z = jnp.where(block_pairs(row[0], column[0]), -(s + bias), s + bias)
        return jnp.where(row[0].counted[:, None] & column[0].counted, jax.nn.softplus(z), 0)

    return mean_over_devices(
        pair_sums(term, (rows,), (columns,), log_scale, tile=tile), rows.counted, axis_name
    )


def sum_over_devices(x: Array, axis_name: Any) -> Array:
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def mean_over_devices(terms: Array, counted: Array, axis_name: Any) -> Array:
    return sum_over_devices(terms.sum(), axis_name) / sum_over_devices(counted.sum(), axis_name)


def bring_home(by_column: Array, axis_name: Any, combine: Callable) -> Array:
    """Results for all N columns, sent to the devices of the columns and combined: (N,) to (n,)."""
    if axis_name is None:
        return by_column
    pieces = by_column.reshape(jax.lax.axis_size(axis_name), -1)
    return combine(jax.lax.all_to_all(pieces, axis_name, 0, 0), axis=0)
