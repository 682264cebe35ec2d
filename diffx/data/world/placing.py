"""Rows of a drawing placed in the picture: position, size, colours, number of copies."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.colours import PAINTS
from diffx.data.world.shapes import Shapes


class Place(NamedTuple):
    """The position of a frame in the picture: origin, scale, turn in radians; flip -1 mirrors."""

    x: Any
    y: Any
    scale: Any
    turn: Any = 0.0
    flip: Any = 1.0


PICTURE = Place(np.float32(0), np.float32(0), np.float32(1))
# Copies across and down, and how many the second line lacks, by count.
GRIDS = np.asarray([(1, 1, 0), (1, 1, 0), (2, 1, 0), (3, 1, 0), (2, 2, 0), (3, 2, 1)], np.float32)
SPACING = 2.3  # between copies, in half widths of one
BLACK = np.zeros(3, np.float32)


class Part(NamedTuple):
    """A placed drawing: rows (R, 15), main and second colours (3,), brightness and copies."""

    rows: Any
    at: Place
    main: Any
    second: Any = BLACK
    light: Any = 1.0
    lack: Any = 0.0
    count: Any = 0
    there: Any = 1.0


def arrange(parts: list[Part]) -> Shapes:
    """The shapes of all parts, first to last; what a part's rows share is computed once."""
    whose = np.repeat(np.arange(len(parts)), [part.rows.shape[0] for part in parts])
    rows = jnp.concatenate([part.rows for part in parts])

    def each(*path: str) -> Array:
        values = parts
        for name in path:
            values = [getattr(value, name) for value in values]
        width = (3,) if path[-1] in ("main", "second", "light") else ()
        return jnp.stack(
            [jnp.broadcast_to(jnp.asarray(value, jnp.float32), width) for value in values]
        )[whose]

    scale, turn, flip = each("at", "scale"), each("at", "turn"), each("at", "flip")
    cos, sin = jnp.cos(turn) / scale, jnp.sin(turn) / scale
    return Shapes(
        origin=jnp.stack([each("at", "x"), each("at", "y")], axis=1),
        frame=jnp.stack([flip * cos, flip * sin, -sin, cos], axis=1).reshape(-1, 2, 2),
        scale=scale,
        row=rows.at[:, 14].multiply(each("there")),
        fold=_copies(rows, each("lack"), each("count")),
        colour=_paints(rows[:, 13], each("main"), each("second")) * each("light"),
    )


def _copies(rows: Array, lack: Array, count: Array) -> Array:
    """Each row's own copies, centred on it; or, of several things, copies of the whole drawing."""
    own = jnp.concatenate([rows[:, 9:13], rows[:, 1:3], lack[:, None]], axis=1)
    nx, ny, lacks = jnp.moveaxis(jnp.asarray(GRIDS)[count.astype(jnp.int32)], 1, 0)
    zero = jnp.zeros_like(nx)
    whole = jnp.stack([nx, ny, zero + SPACING, zero + SPACING, zero, zero, lacks], axis=1)
    return jnp.where(count[:, None] > 1, whole, own)


def _paints(codes: Array, main: Array, second: Array) -> Array:
    own = jnp.stack([main, 0.62 * main, main + 0.45 * (1 - main), second])
    fixed = jnp.asarray(PAINTS)[jnp.maximum(codes, 0).astype(jnp.int32)]
    chosen = own[jnp.clip(-codes - 1, 0, 3).astype(jnp.int32), jnp.arange(codes.shape[0])]
    return jnp.where(codes[:, None] < 0, chosen, fixed)
