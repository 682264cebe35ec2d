r"""Contrastive losses over the devices of a mesh: each holds its own images and texts.

The loss is that of the whole batch: a device compares its own images with the texts of all, so that
value and every gradient are those of the dense loss. Two common shortcuts give the same value and
wrong gradients: texts of other devices without a gradient (another direction), and encoder
gradients averaged where they should be summed (1/W of their size, beside a scale's gradient of the
right size).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Number, Scalar
from diffx.contrast._batch import Mask, Positives, embeddings, offset, pairs_of
from diffx.contrast._block_losses import Columns, Rows, clip_of_blocks, sides, siglip_of_blocks
from diffx.contrast.scores import Embeddings


def sharded_clip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    axis_name: str,
    tile: int | None = None,
    mesh: Mesh | None = None,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""clip_loss of a batch whose rows lie on the devices of a mesh axis.

    Value and gradients equal the dense ones. Without mesh it is called inside jax.shard_map on the
    rows of one device; the result is the loss of all N = n W rows, the same on every device. With
    mesh it takes the whole arrays and calls shard_map itself. Inside shard_map differentiate with
    check_vma=True, the default: without it JAX sums the gradient of what all devices share W times
    too often. With a mesh of explicit axes (jax.make_mesh) differentiate under jax.jit or
    jax.set_mesh(mesh), as JAX requires of any function of one.

    Units: without mesh images and texts (n, d), positives rows (n, N) or names (n,), mask (n,);
        tile as for tiled_clip_loss, by default the number of rows of a device; otherwise as for
        clip_loss.
    Raises: ValueError for a batch that the mesh does not divide, for an axis that the mesh does not
        have, and what clip_loss raises.
    Source: the formula is clip_loss's; derived here.
    Also called: distributed contrastive loss, data-parallel CLIP loss, all-gather with gradients,
        open_clip ClipLoss (gather_with_grad).
    Claims: CLP-11.
    """
    arrays = images, texts, log_scale, positives, mask
    if mesh is None:
        return _device_clip(*arrays, axis_name=axis_name, tile=tile)
    return _run_on_mesh(_device_clip, mesh, axis_name, tile, *arrays)


def sharded_siglip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    bias: Scalar,
    axis_name: str,
    tile: int | None = None,
    mesh: Mesh | None = None,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""siglip_loss of a batch whose rows lie on the devices of a mesh axis.

    Value and gradients equal the dense ones.

    Units: the arguments of sharded_clip_loss, and the bias of siglip_loss.
    Raises: what sharded_clip_loss raises.
    Also called: distributed sigmoid loss, data-parallel SigLIP loss.
    Claims: CLP-11.
    """
    arrays = images, texts, log_scale, positives, mask, bias
    if mesh is None:
        return _device_siglip(*arrays, axis_name=axis_name, tile=tile)
    return _run_on_mesh(_device_siglip, mesh, axis_name, tile, *arrays)


def _device_clip(
    images: Any, texts: Any, log_scale: Any, positives: Any, mask: Any, *, axis_name: str, tile: Any
) -> Number:
    x, y, log_scale = embeddings(images, texts, log_scale)
    rows, columns = _gather(x, y, positives, mask, axis_name)
    own = y if positives is None else None
    return clip_of_blocks(
        rows, columns, log_scale, tile=_tile(tile, x), own=own, axis_name=axis_name
    )


def _device_siglip(
    images: Any,
    texts: Any,
    log_scale: Any,
    positives: Any,
    mask: Any,
    bias: Any,
    *,
    axis_name: str,
    tile: Any,
) -> Number:
    x, y, log_scale = embeddings(images, texts, log_scale)
    here = _gather(x, y, positives, mask, axis_name)
    return siglip_of_blocks(
        *here, log_scale, offset(bias, x), tile=_tile(tile, x), axis_name=axis_name
    )


def _tile(tile: Any, x: Array) -> int:
    return x.shape[0] if tile is None else _arguments.count("tile", tile)


def _gather(x: Array, y: Array, positives: Any, mask: Any, axis_name: str) -> tuple[Rows, Columns]:
    """Images of one device as rows, the texts of all devices as columns."""
    n, size = x.shape[0], _axis_size(axis_name)
    names, counted, table = pairs_of(positives, mask, n, n * size)
    if positives is None or table is not None:
        # its rows stand behind those of the devices before it
        names = names + n * jax.lax.axis_index(axis_name)
    of_all = partial(jax.lax.all_gather, axis_name=axis_name, tiled=True)
    return Rows(x, names, counted, table), Columns(
        of_all(y), of_all(names), of_all(counted), jnp.arange(n * size)
    )


def _axis_size(axis_name: str) -> int:
    try:
        return jax.lax.axis_size(axis_name)
    except NameError as error:
        raise ValueError(
            f"there is no axis '{axis_name}' here: call this inside jax.shard_map over a mesh with "
            "that axis, or pass mesh="
        ) from error


def _run_on_mesh(
    loss: Callable, mesh: Mesh, axis_name: str, tile: Any, images: Any, texts: Any, *rest: Any
) -> Number:
    """A loss over the rows of whole arrays, which are checked first."""
    log_scale, positives, mask, *_ = rest
    x, y, _ = embeddings(images, texts, log_scale)
    _arguments.require(
        axis_name in mesh.shape, f"the mesh has no axis '{axis_name}', only {tuple(mesh.shape)}"
    )
    n, size = x.shape[0], mesh.shape[axis_name]
    way_out = "drop rows, or pad the batch and leave the padding out with mask"
    _arguments.require(n % size == 0, f"{size} devices cannot share {n} rows equally: {way_out}")
    sides(x, y, positives, mask)  # what the whole arrays can be refused for
    tile = None if tile is None else _arguments.count("tile", tile)
    arrays = images, texts, *rest
    placed = [
        _place(mesh, spec, value)
        for spec, value in zip(_specs(axis_name, len(arrays)), arrays, strict=True)
    ]
    return _map_devices(loss, mesh, axis_name, tile, *placed)


def _specs(axis_name: str, n: int) -> tuple[PartitionSpec, ...]:
    """Partition specs of n arrays: images, texts, log_scale, positives, mask and perhaps bias."""
    rows, all_ = PartitionSpec(axis_name), PartitionSpec()
    return (rows, rows, all_, rows, rows, all_)[:n]


def _place(mesh: Mesh, spec: PartitionSpec, value: Any) -> Any:
    return None if value is None else jax.device_put(value, NamedSharding(mesh, spec))


# outside jit, a gradient over a mesh with explicit axes is refused
@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _map_devices(
    loss: Callable, mesh: Mesh, axis_name: str, tile: int | None, *arrays: Any
) -> Number:
    here = partial(loss, axis_name=axis_name, tile=tile)
    specs = _specs(axis_name, len(arrays))
    return jax.shard_map(here, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())(*arrays)
