r"""Sums over a table of scores that is never held whole: one tile x tile block at a time.

A block is made again for the derivative, so that the whole needs four products of its size: S, S again, G y and x' G.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx._types import Number
from diffx.contrast._batch import check_partners, pairs_of, partners
from diffx.contrast.scores import scores, scores_of_pairs

SMALL = 60.0  # scores up to 60 need no shift in float32: exp(60) of a billion rows is 1e35, below the largest, 3e38


class Rows(NamedTuple):
    """x: (n, d) embeddings.  names: (n,), equal for partners, unless table: (n, N) booleans.  counted: (n,) booleans."""

    x: Array
    names: Array
    counted: Array
    table: Array | None


class Columns(NamedTuple):
    """x: (N, d) embeddings.  names: (N,).  counted: (N,) booleans.  place: (N,), 0 to N - 1."""

    x: Array
    names: Array
    counted: Array
    place: Array


def over_blocks(block: Callable, rows: Any, columns: Any, row_state: Any, column_state: Any, *, tile: int) -> tuple:
    """States of rows and columns after every block (row_state, column_state, row, column) -> (row_state, column_state).

    All are trees of arrays whose first axis is cut into pieces of length tile, the last filled up with zeros.
    """
    lengths = [jax.tree_util.tree_leaves(tree)[0].shape[0] for tree in (rows, columns)]
    rows, columns, row_state, column_state = (_cut(tree, tile) for tree in (rows, columns, row_state, column_state))

    def along_row(column_state: Any, row: Any) -> tuple[Any, Any]:
        step = lambda row_state, column: block(row_state, column[1], row[0], column[0])
        row_state, column_state = jax.lax.scan(step, row[1], (columns, column_state))
        return column_state, row_state

    column_state, row_state = jax.lax.scan(along_row, column_state, (rows, row_state))
    return _join(row_state, lengths[0]), _join(column_state, lengths[1])


def _cut(tree: Any, tile: int) -> Any:
    def pieces(a: Array) -> Array:
        short = -a.shape[0] % tile
        a = jnp.pad(a, [(0, short), *[(0, 0)] * (a.ndim - 1)]) if short else a
        return a.reshape(-1, tile, *a.shape[1:])

    return jax.tree_util.tree_map(pieces, tree)


def _join(tree: Any, n: int) -> Any:
    return jax.tree_util.tree_map(lambda a: a.reshape(-1, *a.shape[2:])[:n], tree)


# --- log-partitions --------------------------------------------------------------------------------------------------


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def log_partitions(tile: int, x: Array, y: Array, rows: Array, columns: Array, log_scale: Array) -> tuple[Array, Array]:
    """log sum_j exp S_ij of each of n rows over the columns that count, and log sum_i exp S_ij of each of N columns.

    rows: (n,), columns: (N,) booleans, which count; the sum of nothing is -inf.  The derivative is written out, for it
    needs these sums and no maximum again: dr_i = sum_j exp(S_ij - r_i) dS_ij.
    """
    near, far = (partial(_partitions, tile, peak) for peak in (_no_peak, jnp.max))
    return jax.lax.cond(jnp.exp(log_scale) > SMALL, far, near, x, y, rows, columns, log_scale)


def _no_peak(s: Array, axis: int) -> Array:
    """Stands for the maximum of small scores: to find it takes two more readings of a block, 8 of 85 ms on an H200."""
    return jnp.zeros_like(s[0] if axis == 0 else s[:, 0])


def _partitions(
    tile: int, peak: Callable, x: Array, y: Array, rows: Array, columns: Array, log_scale: Array
) -> tuple[Array, Array]:
    def grow(state: tuple[Array, Array], s: Array, axis: int) -> tuple[Array, Array]:
        shift, total = state
        top = jnp.maximum(shift, _finite(peak(s, axis=axis)))
        return top, total * jnp.exp(shift - top) + jnp.exp(s - jnp.expand_dims(top, axis)).sum(axis)

    def block(by_row: tuple, by_column: tuple, row: tuple, column: tuple) -> tuple[tuple, tuple]:
        s = scores(row[0], column[0], log_scale)
        by_row = grow(by_row, s + _absent(column[1], s), 1)
        return by_row, grow(by_column, s + _absent(row[1], s)[:, None], 0)

    lowest = jnp.finfo(x.dtype).min if peak is jnp.max else 0.0
    states = [(jnp.full_like(z[:, 0], lowest), jnp.zeros_like(z[:, 0])) for z in (x, y)]
    sums = over_blocks(block, (x, rows), (y, columns), *states, tile=tile)
    by_row, by_column = (jnp.log(total) + shift for shift, total in sums)
    return by_row, by_column


def _absent(counted: Array, s: Array) -> Array:
    """0 for what counts and -inf for what does not, to be added to scores."""
    return jnp.where(counted, 0, -jnp.inf).astype(s.dtype)


def _finite(x: Array) -> Array:
    return jnp.where(x == -jnp.inf, jnp.finfo(x.dtype).min, x)


@log_partitions.defjvp
def _log_partitions_jvp(tile: int, primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    (x, y, rows, columns, log_scale), (dx, dy, _, _, dlog_scale) = primals, tangents
    by_row, by_column = log_partitions(tile, x, y, rows, columns, log_scale)

    @jax.checkpoint
    def block(dr: Array, dc: Array, row: tuple, column: tuple) -> tuple[Array, Array]:
        (x, dx, r, rows), (y, dy, c, columns) = row, column
        s, ds = jax.jvp(scores, (x, y, log_scale), (dx, dy, dlog_scale))
        in_row = jnp.exp(s + _absent(columns, s) - _finite(r)[:, None])
        in_column = jnp.exp(s + _absent(rows, s)[:, None] - _finite(c))
        return dr + (in_row * ds).sum(1), dc + (in_column * ds).sum(0)

    zeros = jnp.zeros_like(by_row), jnp.zeros_like(by_column)
    sides = (x, dx, by_row, rows), (y, dy, by_column, columns)
    return (by_row, by_column), over_blocks(block, *sides, *zeros, tile=tile)


# --- sums over partners and over all pairs ---------------------------------------------------------------------------


def block_pairs(row: Rows, column: Columns) -> Array:
    """Who belongs together in a block: the columns of a table are those from the block's first place on."""
    size, table = column.names.size, row.table
    if table is not None:
        table = jax.lax.dynamic_slice_in_dim(table, column.place[0], size, axis=1)
    return partners(row.names, column.names, row.counted, column.counted, table)


def count_partners(rows: Rows, columns: Columns, *, tile: int) -> tuple[Array, Array]:
    """How many partners each row and each column has here."""

    def block(by_row: Array, by_column: Array, row: Rows, column: Columns) -> tuple[Array, Array]:
        pairs = block_pairs(row, column)
        return by_row + pairs.sum(1), by_column + pairs.sum(0)

    rows = pad_table(rows, tile)
    return over_blocks(block, rows, columns, 0 * rows.names, 0 * columns.names, tile=tile)


def pair_sums(term: Callable, rows: Any, columns: Any, log_scale: Array, *, tile: int) -> Array:
    """sum_j term(S, row, column)_ij of each row, where rows and columns are trees with Rows and Columns in front.

    A block is made again for the derivative.
    """

    @jax.checkpoint
    def block(total: Array, nothing: Array, row: Any, column: Any) -> tuple[Array, Array]:
        return total + term(scores(row[0].x, column[0].x, log_scale), row, column).sum(1), nothing

    rows = (pad_table(rows[0], tile), *rows[1:])
    states = jnp.zeros_like(rows[0].x[:, 0]), jnp.zeros_like(columns[0].x[:, 0])
    return over_blocks(block, rows, columns, *states, tile=tile)[0]


def pad_table(rows: Rows, tile: int) -> Rows:
    """A table filled up to whole tiles: a slice that reaches past its end would be moved back in silence."""
    if rows.table is None:
        return rows
    return rows._replace(table=jnp.pad(rows.table, ((0, 0), (0, -rows.table.shape[1] % tile))))


def sides(x: Array, y: Array, positives: Any, mask: Any) -> tuple[Rows, Columns]:
    """The images as rows and the texts as columns, on one device."""
    pairs = pairs_of(positives, mask, x.shape[0])
    if pairs.table is not None:
        check_partners(pairs.table & pairs.counted[:, None] & pairs.counted, pairs.counted)
    return Rows(x, *pairs), Columns(y, pairs.names, pairs.counted, jnp.arange(x.shape[0]))


def clip_of_blocks(
    rows: Rows, columns: Columns, log_scale: Array, *, tile: int, own: Array | None, axis_name: Any = None
) -> Number:
    """The loss of the whole batch.  own: the texts (n, d) of these rows, where each is its image's only partner.

    axis_name: of the mesh, where these rows are one device's.
    """
    by_row, by_column = log_partitions(tile, rows.x, columns.x, rows.counted, columns.counted, log_scale)
    several = partial(_mean_scores, rows, columns, log_scale, tile, axis_name)
    matched = several() if own is None else scores_of_pairs(rows.x, own, log_scale)
    sums = (by_row + at_home(by_column, axis_name, jax.nn.logsumexp)) / 2
    return mean_over_devices(jnp.where(rows.counted, sums - matched, 0), rows.counted, axis_name)


def _mean_scores(rows: Rows, columns: Columns, log_scale: Array, tile: int, axis_name: Any) -> Array:
    """sum_j S_ij (1/k_i + 1/k_j)/2 over the partners j of each row i, of which i has k_i and j has k_j."""
    by_row, by_column = count_partners(rows, columns, tile=tile)
    shares = [1 / (2 * jnp.maximum(k, 1)).astype(log_scale.dtype) for k in (by_row, over_devices(by_column, axis_name))]
    share = lambda s, row, column: jnp.where(block_pairs(row[0], column[0]), s * (row[1][:, None] + column[1]), 0)
    return pair_sums(share, (rows, shares[0]), (columns, shares[1]), log_scale, tile=tile)


def siglip_of_blocks(
    rows: Rows, columns: Columns, log_scale: Array, bias: Array, *, tile: int, axis_name: Any = None
) -> Number:
    """The loss of the whole batch, of which these rows are one device's where axis_name is given."""

    def term(s: Array, row: tuple, column: tuple) -> Array:
        z = jnp.where(block_pairs(row[0], column[0]), -(s + bias), s + bias)
        return jnp.where(row[0].counted[:, None] & column[0].counted, jax.nn.softplus(z), 0)

    return mean_over_devices(pair_sums(term, (rows,), (columns,), log_scale, tile=tile), rows.counted, axis_name)


def over_devices(x: Array, axis_name: Any) -> Array:
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def mean_over_devices(terms: Array, counted: Array, axis_name: Any) -> Array:
    return over_devices(terms.sum(), axis_name) / over_devices(counted.sum(), axis_name)


def at_home(by_column: Array, axis_name: Any, combine: Callable) -> Array:
    """What all devices found of all N columns, brought to the n columns of each and combined: (N,) to (n,)."""
    if axis_name is None:
        return by_column
    pieces = by_column.reshape(jax.lax.axis_size(axis_name), -1)
    return combine(jax.lax.all_to_all(pieces, axis_name, 0, 0), axis=0)
