"""A batch of a contrastive loss: its embeddings, which images and texts match, which rows count."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from diffx import _arguments
from diffx.contrast.scores import wide

Positives = Bool[Array, "n N"] | Int[Array, "n"] | None
Mask = Bool[Array, "n"] | None


class Pairs(NamedTuple):
    """Matches and counted rows of a batch.

    names: (n,) integers, equal where an image and a text match, used unless there is a table.
    counted: (n,) booleans. table: (n, N) booleans or None.
    """

    names: Array
    counted: Array
    table: Array | None


def embeddings(images: Any, texts: Any, log_scale: Any) -> tuple[Array, Array, Array]:
    """Images and texts of one shape (N, d) in one dtype of 32 bits or more, and log_scale in it."""
    x, y = _arguments.same_shape(
        images=_arguments.finite("images", images), texts=_arguments.finite("texts", texts)
    )
    _arguments.require(
        x.ndim == 2 and x.shape[0] >= 1,
        f"images and texts must have shape (N, d) with N >= 1, got {x.shape}",
    )
    dtype = jnp.promote_types(wide("images", x).dtype, wide("texts", y).dtype)
    return (
        x.astype(dtype),
        y.astype(dtype),
        jnp.asarray(_arguments.number("log_scale", log_scale)).astype(dtype),
    )


def offset(bias: Any, like: Array) -> Array:
    return jnp.asarray(_arguments.number("bias", bias)).astype(like.dtype)


# --- who belongs together -----------------------------------------------------------------------


def pairs_of(positives: Any, mask: Any, n: int, texts: int | None = None) -> Pairs:
    """Matches among n images and as many texts, as the caller gave them: by default the diagonal.

    texts: the number of texts on all devices together, where the n images are those of one device.
    One device cannot see whether a text has a partner on another, so partners are not checked then.
    """
    counted = np.ones(n, bool) if mask is None else _flags("mask", mask, (n,))
    nothing = lambda _: (
        "mask must count at least one row: the loss is a mean over the rows that count"
    )
    _arguments.require_that(np.any, nothing, counted)
    if positives is None:
        return Pairs(jnp.arange(n), jnp.asarray(counted), None)
    positives = _array(positives)
    if jnp.issubdtype(positives.dtype, jnp.integer) and positives.ndim == 1:
        _arguments.require(
            positives.shape == (n,),
            f"positives must name one caption for each of {n} rows, got shape {positives.shape}",
        )
        return Pairs(jnp.asarray(positives), jnp.asarray(counted), None)
    table = _flags("positives", positives, (n, n if texts is None else texts))
    if texts is None:
        _require_partners(table, counted)
    return Pairs(jnp.arange(n), jnp.asarray(counted), jnp.asarray(table))


def _array(value: Any) -> Any:
    """A jax array unchanged, anything else as a numpy array: under jit, jnp traces even
    constants.
    """
    return value if isinstance(value, Array) else np.asarray(value)


def _flags(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    value = _array(value)
    if value.dtype != bool:
        raise TypeError(f"{name} must be an array of booleans, got {value.dtype}; pass {name} > 0")
    _arguments.require(value.shape == shape, f"{name} must have shape {shape}, got {value.shape}")
    return value


def _require_partners(table: Any, counted: Any) -> None:
    """Refuse a counted image or text without a counted partner, where the values are concrete."""

    def alone(table: np.ndarray, counted: np.ndarray) -> np.ndarray:
        pairs = table & counted[:, None] & counted
        return np.flatnonzero(counted & ~(pairs.any(0) & pairs.any(1)))

    way_out = "add their pairs to positives, or leave them out with mask"
    message = lambda *given: (
        f"every counted image and text needs a partner, rows {alone(*given)} have none; {way_out}"
    )
    _arguments.require_that(lambda *given: alone(*given).size == 0, message, table, counted)


def partners(
    names: Array, others: Array, counted: Array, others_counted: Array, table: Array | None
) -> Array:
    """(n, N) booleans: which counted rows match."""
    same = names[:, None] == others if table is None else table
    return same & counted[:, None] & others_counted
