r"""The spiral of the lecture: a one-dimensional curve in the plane, the smallest data set with an empty middle."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _check

FIRST, LAST = np.pi / 2, 11 * np.pi / 2


def spiral(n: int = 100, *, first: float = FIRST, last: float = LAST, radius: Any = 1.0, std: Any = None) -> Array:
    r"""angle (cos angle, sin angle) at n equally spaced angles from first to last, scaled; shape (n, 2), data units.

    first, last: radians; the defaults are the lecture's two and a half turns (its code: Swissroll(pi/2, 5 pi, 100) of
    smalldiffusion, whose outer end lies at radius 1.1).  radius: the distance of the outer end from the origin.
    std: instead of radius, the standard deviation over all 2 n coordinates; `spiral(last=7 * pi / 2, std=1)` is the
    spiral of the collapse figures in the specification.  Computed, so free of any licence.
    Raises TypeError or ValueError unless n is an integer >= 2, 0 <= first < last, and radius or std is positive.
    """
    n = _check.count("n", n, least=2)
    _check.require(0 <= first < last, f"angles must satisfy 0 <= first < last, got first={first} and last={last}")
    _check.positive(radius=radius, **({} if std is None else {"std": std}))
    angle = np.linspace(first, last, n)
    points = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return jnp.asarray(points * (radius / last if std is None else std / points.std()))
