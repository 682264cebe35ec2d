"""Rows of a drawing placed in the picture: where, how large, in which colours, in how many copies."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.colours import PAINTS
from diffx.data.world.shapes import Shapes


class Place(NamedTuple):
    """Where a frame lies in the picture: origin, scale, turn in radians, flip -1 mirrors."""

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


def _paints(codes: Array, main: Array, second: Array) -> Array:
    own = jnp.stack([main, 0.62 * main, main + 0.45 * (1 - main), second])
    fixed = jnp.asarray(PAINTS)[jnp.maximum(codes, 0).astype(jnp.int32)]
    return jnp.where(codes[:, None] < 0, own[jnp.clip(-codes - 1, 0, 3).astype(jnp.int32)], fixed)


def placed(rows: Array, at: Place, main: Any, second: Any = BLACK, *, light: Any = 1.0, lack: float = 0.0) -> Shapes:
    """Rows of a drawing as shapes of the picture; each row's copies are centred on the row."""
    cos, sin = jnp.cos(at.turn) / at.scale, jnp.sin(at.turn) / at.scale
    frame = jnp.stack([jnp.stack([at.flip * cos, at.flip * sin]), jnp.stack([-sin, cos])])
    n = rows.shape[0]
    return Shapes(
        origin=jnp.tile(jnp.stack([at.x, at.y]), (n, 1)),
        frame=jnp.tile(frame, (n, 1, 1)),
        scale=jnp.full(n, at.scale),
        row=jnp.asarray(rows),
        fold=jnp.concatenate([rows[:, 9:13], rows[:, 1:3], jnp.full((n, 1), lack)], axis=1),
        colour=_paints(rows[:, 13], main, second) * light,
    )


def counted(shapes: Shapes, count: Array) -> Shapes:
    """The shapes of one thing repeated: the whole drawing is copied, not its rows."""
    nx, ny, lack = jnp.asarray(GRIDS)[count]
    zero = jnp.zeros_like(nx)
    copies = jnp.stack([nx, ny, zero + SPACING, zero + SPACING, zero, zero, lack])
    return shapes._replace(fold=jnp.where(count > 1, copies, shapes.fold))
