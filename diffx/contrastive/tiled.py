r"""Contrastive losses in blocks: their memory is O(tile^2 + N d), where the dense forms hold tables of N^2 scores."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _check
from diffx._types import Number
from diffx.contrastive._blocks import Columns, Rows, block_pairs, count_partners, log_partitions, pair_sums
from diffx.contrastive._pairs import Mask, Positives, check_partners, pairs_of
from diffx.contrastive.dense import embeddings, offset
from diffx.contrastive.scores import Embeddings, matched_scores
from diffx.process import Scalar


def tiled_clip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    tile: int,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""clip_loss by tile x tile blocks of scores, which are made again for the derivative: L = mean (r_i + c_i)/2 - S_ii.

    r_i = log sum_j exp S_ij and c_j = log sum_i exp S_ij are summed block after block.  tile: a Python integer >= 1, not
    necessarily a divisor of N; 256 suits a CPU, 8192 an H200 at N = 65,536.  The other arguments and errors are those of
    clip_loss.  jvp, grad and hessian are exact.  Source: the formula is clip_loss's; blocks as in Cheng et al. 2024,
    arXiv:2410.17243; the derivative is derived here.  Claims: CLP-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    own = y if positives is None else None
    return clip_of_blocks(*sides(x, y, positives, mask), log_scale, tile=_check.count("tile", tile), own=own)


def tiled_siglip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    bias: Scalar,
    tile: int,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""siglip_loss by tile x tile blocks of scores, which are made again for the derivative.

    tile: as for tiled_clip_loss; the other arguments and errors are those of siglip_loss.  Claims: CLP-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    here = sides(x, y, positives, mask)
    return siglip_of_blocks(*here, log_scale, offset(bias, x), tile=_check.count("tile", tile))


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
    matched = several() if own is None else matched_scores(rows.x, own, log_scale)
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


# --- over devices ----------------------------------------------------------------------------------------------------


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
