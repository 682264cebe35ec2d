"""A table that is never held whole: it is scanned one tile x tile block at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def scan_blocks(
    block: Callable, rows: Any, columns: Any, row_state: Any, column_state: Any, *, tile: int
) -> tuple:
    """Final states of rows and columns after a scan over all blocks.

    block: (row_state, column_state, row, column) -> (row_state, column_state). All are trees of
    arrays whose first axis is cut into pieces of length tile; the last piece is padded with zeros.
    """
    lengths = [jax.tree_util.tree_leaves(tree)[0].shape[0] for tree in (rows, columns)]
    rows, columns, row_state, column_state = (
        _cut(tree, tile) for tree in (rows, columns, row_state, column_state)
    )

    def scan_row(column_state: Any, row: Any) -> tuple[Any, Any]:
        step = lambda row_state, column: block(row_state, column[1], row[0], column[0])
        row_state, column_state = jax.lax.scan(step, row[1], (columns, column_state))
        return column_state, row_state

    column_state, row_state = jax.lax.scan(scan_row, column_state, (rows, row_state))
    return _join(row_state, lengths[0]), _join(column_state, lengths[1])


def _cut(tree: Any, tile: int) -> Any:
    def pieces(a: Array) -> Array:
        short = -a.shape[0] % tile
        a = jnp.pad(a, [(0, short), *[(0, 0)] * (a.ndim - 1)]) if short else a
        return a.reshape(-1, tile, *a.shape[1:])

    return jax.tree_util.tree_map(pieces, tree)


def _join(tree: Any, n: int) -> Any:
    return jax.tree_util.tree_map(lambda a: a.reshape(-1, *a.shape[2:])[:n], tree)
