"""Errors of a sampler where all data are one point (REV-17)."""

import numpy as np

from diffx.check.problems import POINT
from diffx.check.samplers.probe import Affine

Level = tuple[float, float]  # (alpha, sigma)


def off_in_map(got: Affine, start: Level, end: Level) -> float:
    matrix, offset = POINT.flow(start, end)
    return float(
        max(np.abs(got.matrix - matrix).max() * start[1], np.abs(got.offset - offset).max())
    )


def off_in_law(got: Affine, start: Level, end: Level) -> float:
    """The error at an end with sigma > 0, where fresh noise may replace the old: the law is the
    same.
    """
    law, wanted = got.law(POINT.marginal(*start)), POINT.marginal(*end)
    return float(max(np.abs(law.mean - wanted.mean).max(), np.abs(law.cov - wanted.cov).max()))
