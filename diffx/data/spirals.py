r"""The spiral of the lecture: a curve in the plane, the smallest data set with an empty middle."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments

FIRST, LAST = np.pi / 2, 11 * np.pi / 2


def spiral(
    n: int = 100, *, first: float = FIRST, last: float = LAST, radius: Any = 1.0, std: Any = None
) -> Array:
    r"""angle (cos angle, sin angle) at n equally spaced angles from first to last, scaled; (n, 2).

    The default angles are the lecture's two and a half turns (its code: Swissroll(pi/2, 5 pi, 100)
    of smalldiffusion, whose outer end lies at radius 1.1). radius is the distance of the outer end
    from the origin; std, which may be given instead, is the standard deviation over all 2 n
    coordinates. `spiral(last=7 * pi / 2, std=1)` is the spiral of the collapse figures in the
    specification. It is computed, so free of any licence.

    Units: first and last in radians; radius and std in data units.
    Domain: n >= 2; 0 <= first < last; radius and std positive.
    Raises: TypeError or ValueError unless n is an integer >= 2, 0 <= first < last, and radius or
        std is positive.
    Also called: Swiss roll, toy data set, two-dimensional data, smalldiffusion Swissroll.
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
    """points: (n, 2), data units; labels: (n,), int32, from 0."""

    points: Array
    labels: Array


def spiral_classes(n: int = 100, *, radius: Any = 1.0) -> Labelled:
    r"""`spiral(n)` cut along its length: label = min(floor((angle - pi/2)/(3 pi/2)), 2).

    Class 0 is the innermost three quarters of a turn, class 1 the next three quarters, class 2 the
    whole outer turn: 30, 30 and 40 points of 100.

    Units: radius of the outer end, in data units; returns points (n, 2), labels (n,).
    Raises: ValueError or TypeError as `spiral` does.
    Source: the lecture's code, MultiClassSwissroll(pi/2, 5 pi, 100, num_classes=3), which cuts the
        angles up to 5 pi in three and gives the rest, up to 11 pi/2, to the last.
    Also called: labelled Swiss roll.
    """
    points = spiral(n, radius=radius)
    along = np.arange(n) / (n - 1)  # 0 to 1 over two and a half turns; a class is 3/10 of them
    return Labelled(points, jnp.asarray(np.minimum(np.floor(along * 10 / 3), 2), jnp.int32))
