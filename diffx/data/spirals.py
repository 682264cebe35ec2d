r"""The spiral of the lecture: a one-dimensional curve in the plane, the smallest data set with an
empty middle.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments

FIRST, LAST = np.pi / 2, 11 * np.pi / 2


def spiral(
    n: int = 100, *, first: float = FIRST, last: float = LAST, radius: Any = 1.0, std: Any = None
) -> Array:
    r"""angle (cos angle, sin angle) at n equally spaced angles from first to last, scaled; shape
    (n, 2), data units.

    first, last: radians; the defaults are the lecture's two and a half turns (its code:
    Swissroll(pi/2, 5 pi, 100) of smalldiffusion, whose outer end lies at radius 1.1).  radius: the
    distance of the outer end from the origin. std: instead of radius, the standard deviation over
    all 2 n coordinates; `spiral(last=7 * pi / 2, std=1)` is the spiral of the collapse figures in
    the specification.  Computed, so free of any licence. Raises TypeError or ValueError unless n is
    an integer >= 2, 0 <= first < last, and radius or std is positive.
    """
    n = _arguments.count("n", n, least=2)
    _arguments.require(
        0 <= first < last,
        f"angles must satisfy 0 <= first < last, got first={first} and last={last}",
    )
    _arguments.positive(radius=radius, **({} if std is None else {"std": std}))
    angle = np.linspace(first, last, n)
    points = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return jnp.asarray(points * (radius / last if std is None else std / points.std()))


class Labelled(NamedTuple):
    """points: (n, 2), data units.  labels: (n,), int32, from 0."""

    points: Array
    labels: Array


def spiral_classes(n: int = 100, *, radius: Any = 1.0) -> Labelled:
    r"""`spiral(n)` cut along its length: label = min(floor((angle - pi/2)/(3 pi/2)), 2); points (n,
    2), labels (n,).

    Class 0 is the innermost three quarters of a turn, class 1 the next three, class 2 the whole
    turn outside: 30, 30 and 40 points of 100.  Source: the lecture's code,
    MultiClassSwissroll(pi/2, 5 pi, 100, num_classes=3), which cuts the angles up to 5 pi in three
    and gives the rest, up to 11 pi/2, to the last. radius: of the outer end, data units.  Raises
    ValueError or TypeError as `spiral` does.
    """
    points = spiral(n, radius=radius)
    along = np.arange(n) / (n - 1)  # 0 to 1 over two and a half turns; a class is 3/10 of them
    return Labelled(points, jnp.asarray(np.minimum(np.floor(along * 10 / 3), 2), jnp.int32))
