r"""One generic shape: ellipses and rounded trapezoids by their distance, folded into rows of copies, painted in order."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.colours import CODES

ELLIPSE, TRAPEZOID = 0, 1
# A row of a drawing, in the frame of what it belongs to (x to the right, y up):
# kind; centre cx, cy; half sizes hx, hy; angle (radians, counter-clockwise); a, b: cut and ring of an ellipse, taper and
# roundness of a trapezoid; mirror: x is |x|; nx, ny, sx, sy: a grid of copies and its spacing; colour code; opacity.
ROW = ("kind", "cx", "cy", "hx", "hy", "angle", "a", "b", "mirror", "nx", "ny", "sx", "sy", "colour", "opacity")


def ellipse(cx, cy, hx, hy, colour="main", *, turn=0, cut=-1.0, ring=0.0, mirror=0, copies=(1, 1, 1, 1), opacity=1.0):
    """An ellipse, or what of it lies above cut * hy; ring > 0: its outline, that thick.  turn: degrees."""
    return (ELLIPSE, cx, cy, hx, hy, np.radians(turn), cut, ring, mirror, *copies, CODES[colour], opacity)


def box(cx, cy, hx, hy, colour="main", *, turn=0, taper=0.0, soft=0.0, mirror=0, copies=(1, 1, 1, 1), opacity=1.0):
    """A trapezoid 2 hx wide below and 2 hx (1 - taper) above; soft = 1 is a capsule, taper = 1 a triangle."""
    return (TRAPEZOID, cx, cy, hx, hy, np.radians(turn), taper, soft, mirror, *copies, CODES[colour], opacity)


def table(drawings, rows: int) -> np.ndarray:
    """Drawings (lists of rows) as one array (drawings, rows, columns); what is short is filled by invisible rows."""
    longest = max(len(drawing) for drawing in drawings)
    if longest > rows:
        raise ValueError(f"a drawing here may have {rows} rows, one has {longest}")
    empty = (0, 0, 0, 1, 1, 0, -1, 0, 0, 1, 1, 1, 1, 0, 0)
    return np.asarray([[*drawing, *[empty] * (rows - len(drawing))] for drawing in drawings], np.float32)


class Shapes(NamedTuple):
    """What is painted, first to last: every field has the shapes along its first axis."""

    origin: Array  # (S, 2) of the frame, in the picture, whose x and y go from -1 to 1, y up
    frame: Array  # (S, 2, 2) picture to frame: turned, flipped and divided by the scale
    scale: Array  # (S,) units of the picture in one of the frame
    row: Array  # (S, 15) see ROW
    fold: Array  # (S, 7) copies nx, ny; spacing sx, sy; their centre ox, oy; how many the odd rows lack
    colour: Array  # (S, 3) red, green, blue in [0, 1]


def _folded(x: Array, spacing: Array, n: Array) -> Array:
    """x relative to the nearest of n centres, `spacing` apart and symmetric about 0."""
    half = (n - 1) / 2
    cell = jnp.clip(jnp.round(x / spacing + half), 0, n - 1) - half
    return x - spacing * cell, cell + half


def _ellipse(x: Array, y: Array, hx: Array, hy: Array, cut: Array, ring: Array) -> Array:
    u, v = x / hx, y / hy
    # 1e-6 under the roots: their slope at the centre stays finite, and the outline moves by 1e-6 of the size
    k = jnp.sqrt(u * u + v * v + 1e-6)
    distance = k * (k - 1) / jnp.sqrt((u / hx) ** 2 + (v / hy) ** 2 + 1e-6)
    distance = jnp.where(ring > 0, jnp.abs(distance) - ring, distance)
    return jnp.where(cut > -1, jnp.maximum(distance, cut * hy - y), distance)


def _trapezoid(x: Array, y: Array, hx: Array, hy: Array, taper: Array, soft: Array) -> Array:
    slope = hx * taper / (2 * hy)
    radius = soft * jnp.minimum(hx, hy)
    across = (jnp.abs(x) - hx + slope * (y + hy)) * jax.lax.rsqrt(1 + slope * slope) + radius
    along = jnp.abs(y) - hy + radius
    outside = jnp.sqrt(jnp.maximum(across, 0) ** 2 + jnp.maximum(along, 0) ** 2 + 1e-12)
    return outside + jnp.minimum(jnp.maximum(across, along), 0) - radius


def _distance(shape: Shapes, x: Array, y: Array) -> Array:
    """Signed distance to one shape, in units of the picture, negative inside."""
    kind, cx, cy, hx, hy, angle, a, b, mirror = shape.row[:9]
    x, y = x - shape.origin[0], y - shape.origin[1]
    x, y = shape.frame[0, 0] * x + shape.frame[0, 1] * y, shape.frame[1, 0] * x + shape.frame[1, 1] * y
    nx, ny, sx, sy, ox, oy, lack = shape.fold
    y, line = _folded(y - oy, sy, ny)
    x, _ = _folded(x - ox, sx, jnp.where(line % 2 == 1, nx - lack, nx))
    x, y = x + ox, y + oy
    x = jnp.where(mirror > 0, jnp.abs(x), x) - cx
    y = y - cy
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    x, y = cos * x + sin * y, cos * y - sin * x
    return shape.scale * jnp.where(kind == ELLIPSE, _ellipse(x, y, hx, hy, a, b), _trapezoid(x, y, hx, hy, a, b))


def paint(canvas: Array, shapes: Shapes) -> Array:
    """Composite the shapes over a square canvas (3, size, size), one after the other.

    A shape covers a pixel by 1/2 - distance in pixels, cut to [0, 1]: its edge is smooth over one pixel.
    """
    size = canvas.shape[-1]
    middle = (2 * jnp.arange(size, dtype=jnp.float32) + 1) / size - 1
    x, y = middle[None, :], -middle[:, None]

    def over(canvas, shape):
        cover = shape.row[14] * jnp.clip(0.5 - _distance(shape, x, y) * size / 2, 0, 1)
        return canvas + cover * (shape.colour[:, None, None] - canvas), None

    return jax.lax.scan(over, canvas, shapes)[0]
