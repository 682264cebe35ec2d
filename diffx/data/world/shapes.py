r"""Ellipses and rounded trapezoids by signed distance, repeated in rows of copies."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.colours import CODES

ELLIPSE, TRAPEZOID = 0, 1
# A row of a drawing, in the frame of what it belongs to (x to the right, y up):
# kind; centre cx, cy; half sizes hx, hy; angle (radians, counter-clockwise); a, b: cut and ring of
# an ellipse, taper and roundness of a trapezoid; mirror: x is |x|; nx, ny, sx, sy: a grid of copies
# and its spacing;
# colour code; opacity.
ROW = (
    "kind",
    "cx",
    "cy",
    "hx",
    "hy",
    "angle",
    "a",
    "b",
    "mirror",
    "nx",
    "ny",
    "sx",
    "sy",
    "colour",
    "opacity",
)


def ellipse(
    cx,
    cy,
    hx,
    hy,
    colour="main",
    *,
    turn=0,
    cut=-1.0,
    ring=0.0,
    mirror=0,
    copies=(1, 1, 1, 1),
    opacity=1.0,
):
    """An ellipse, or its part above cut * hy; ring > 0: its outline, that thick; turn: degrees."""
    return (
        ELLIPSE,
        cx,
        cy,
        hx,
        hy,
        np.radians(turn),
        cut,
        ring,
        mirror,
        *copies,
        CODES[colour],
        opacity,
    )


def box(
    cx,
    cy,
    hx,
    hy,
    colour="main",
    *,
    turn=0,
    taper=0.0,
    soft=0.0,
    mirror=0,
    copies=(1, 1, 1, 1),
    opacity=1.0,
):
    """A trapezoid 2 hx wide below and 2 hx (1 - taper) above; soft = 1 is a capsule, taper = 1 a
    triangle.
    """
    return (
        TRAPEZOID,
        cx,
        cy,
        hx,
        hy,
        np.radians(turn),
        taper,
        soft,
        mirror,
        *copies,
        CODES[colour],
        opacity,
    )


def table(drawings, rows: int) -> np.ndarray:
    """Lists of rows as one array (drawings, rows, columns), padded with invisible rows."""
    longest = max(len(drawing) for drawing in drawings)
    if longest > rows:
        raise ValueError(f"a drawing may have at most {rows} rows, got one with {longest}")
    empty = (0, 0, 0, 1, 1, 0, -1, 0, 0, 1, 1, 1, 1, 0, 0)
    return np.asarray(
        [[*drawing, *[empty] * (rows - len(drawing))] for drawing in drawings], np.float32
    )


class Shapes(NamedTuple):
    """Shapes to be painted, first to last: every field has the shapes along its first axis."""

    origin: Array  # (S, 2) of the frame, in the picture, whose x and y go from -1 to 1, y up
    frame: Array  # (S, 2, 2) picture to frame: turned, flipped and divided by the scale
    scale: Array  # (S,) units of the picture in one of the frame
    row: Array  # (S, 15) see ROW
    # (S, 7) copies nx, ny; spacing sx, sy; their centre ox, oy; how many the odd rows lack
    fold: Array
    colour: Array  # (S, 3) red, green, blue in [0, 1]


class _Brush(NamedTuple):
    """Values computed once per shape: XLA would recompute them at every pixel."""

    xx: Array  # the frame's x is xx x + xy y + x0, less the centre of the copies; its y likewise
    xy: Array
    x0: Array
    yx: Array
    yy: Array
    y0: Array
    nx: Array
    ny: Array
    sx: Array
    sy: Array
    per_sx: Array
    per_sy: Array
    lack: Array
    mirror: Array
    ox: Array
    oy: Array
    cx: Array
    cos: Array
    sin: Array
    is_ellipse: Array
    hx: Array
    hy: Array
    per_hx: Array
    per_hy: Array
    a: Array
    b: Array
    slope: Array
    lean: Array
    radius: Array
    scale: Array
    opacity: Array


def _brushes(shapes: Shapes) -> _Brush:
    kind, cx, cy, hx, hy, angle, a, b, mirror = jnp.moveaxis(shapes.row[:, :9], 1, 0)
    nx, ny, sx, sy, ox, oy, lack = jnp.moveaxis(shapes.fold, 1, 0)
    xx, xy, yx, yy = jnp.moveaxis(shapes.frame.reshape(-1, 4), 1, 0)
    x0, y0 = (-(shapes.frame[:, i] * shapes.origin).sum(1) for i in (0, 1))
    slope, radius = hx * a / (2 * hy), b * jnp.minimum(hx, hy)
    lean = jax.lax.rsqrt(1 + slope * slope)
    grid = (nx, ny, sx, sy, 1 / sx, 1 / sy, lack, mirror, ox, oy - cy, cx)
    shape = (
        jnp.cos(angle),
        jnp.sin(angle),
        kind == ELLIPSE,
        hx,
        hy,
        1 / hx,
        1 / hy,
        a,
        b,
        slope,
        lean,
        radius,
    )
    return _Brush(xx, xy, x0 - ox, yx, yy, y0 - oy, *grid, *shape, shapes.scale, shapes.row[:, 14])


def _fold(x: Array, spacing: Array, per_spacing: Array, n: Array) -> tuple[Array, Array]:
    """x relative to the nearest of n centres, spaced symmetrically about 0; and its number."""
    half = (n - 1) * 0.5
    cell = jnp.clip(jnp.round(x * per_spacing + half), 0, n - 1)
    return x - spacing * (cell - half), cell


def _distance(s: _Brush, x: Array, y: Array) -> Array:
    """Signed distance to one shape, in units of the picture, negative inside.

    For an ellipse it is f / |grad f| with f = (x/hx)^2 + (y/hy)^2 - 1, exact to first order; for a
    trapezoid it ignores the slant at the ends.
    """
    x, y = s.xx * x + s.xy * y + s.x0, s.yx * x + s.yy * y + s.y0
    y, line = _fold(y, s.sy, s.per_sy, s.ny)
    odd = line - 2 * jnp.floor(0.5 * line)
    x, _ = _fold(x, s.sx, s.per_sx, s.nx - s.lack * odd)
    x, y = x + s.ox, y + s.oy
    x = jnp.where(s.mirror > 0, jnp.abs(x), x) - s.cx
    x, y = s.cos * x + s.sin * y, s.cos * y - s.sin * x

    u, v = x * s.per_hx, y * s.per_hy
    across = (jnp.abs(x) - s.hx + s.slope * (y + s.hy)) * s.lean + s.radius
    along = jnp.abs(y) - s.hy + s.radius
    # One root for both: |grad f| / 2, or the way to a corner.  1e-6 and 1e-12 keep its slope finite
    # where it is 0.
    steep = (u * s.per_hx) ** 2 + (v * s.per_hy) ** 2 + 1e-6
    root = jnp.sqrt(
        jnp.where(
            s.is_ellipse, steep, jnp.maximum(across, 0) ** 2 + jnp.maximum(along, 0) ** 2 + 1e-12
        )
    )
    trapezoid = root + jnp.minimum(jnp.maximum(across, along), 0) - s.radius
    ellipse = (u * u + v * v - 1) * 0.5 / root
    ellipse = jnp.where(s.b > 0, jnp.abs(ellipse) - s.b, ellipse)
    ellipse = jnp.where(s.a > -1, jnp.maximum(ellipse, s.a * s.hy - y), ellipse)
    return s.scale * jnp.where(s.is_ellipse, ellipse, trapezoid)


def paint(canvas: Array, shapes: Shapes) -> Array:
    """Composite the shapes over a square canvas (3, size, size), one after the other.

    A shape covers a pixel by 1/2 - distance in pixels, clipped to [0, 1]: its edge is smooth over
    one pixel. From front to back, the scan computes T_s, the share that shows through the first s
    shapes; the picture is then the product of colours and T_(s-1) - T_s. To scan over the canvas
    itself costs three times as much, once per channel.
    """
    size = canvas.shape[-1]
    middle = (2 * jnp.arange(size, dtype=jnp.float32) + 1) / size - 1
    x, y = middle[None, :], -middle[:, None]

    def through(shown, brush):
        shown = shown * (
            1 - brush.opacity * jnp.clip(0.5 - _distance(brush, x, y) * (size / 2), 0, 1)
        )
        return shown, shown

    all_of_it = jnp.ones((size, size), jnp.float32)
    rest, shown = jax.lax.scan(through, all_of_it, _brushes(shapes), reverse=True)
    covered = jnp.concatenate([shown[1:], all_of_it[None]]) - shown
    return jnp.einsum("sc,shw->chw", shapes.colour, covered, precision="highest") + rest * canvas
