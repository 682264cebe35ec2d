r"""The affine probe: the exact law of a sampler that nobody opened, from the rows of one batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import TINY
from diffx.check.problems import Gaussian

Run = Callable[[np.ndarray, Callable | None], np.ndarray]  # (x, normal) -> output: rows are a batch


class Affine(NamedTuple):
    """output = offset + x @ matrix + sum_k z_k @ noises[k]; bend: how far the code is from that,
    relatively.
    """

    matrix: np.ndarray  # (d, d)
    offset: np.ndarray  # (d,)
    noises: np.ndarray  # (K, d, d): what each drawn normal does
    bend: float

    def law(self, start: Gaussian) -> Gaussian:
        """The law of the output for a Gaussian start: the sum of what each source of randomness
        carries.
        """
        cov = self.matrix.T @ start.cov @ self.matrix + np.einsum(
            "kia,kib->ab", self.noises, self.noises
        )
        return Gaussian(self.offset + start.mean @ self.matrix, cov)


def affine_probe(run: Run, dimension: int, *, noise: bool = False) -> Affine:
    r"""The affine map that a sampler is on Gaussian data, in one call on 2 + d (1 + K) rows, K the
    normals that it draws.

    run(x, normal) maps rows x (B, d) to rows; with noise=True it takes every standard normal from
    normal(shape).  Row 0 starts at 0, the next d at unit vectors, then one row for each coordinate
    of each normal; the last row checks that the map is affine, a combination of all.  What is not
    affine (a clip, a threshold) shows as bend.  Exact to the rounding of the code under test;
    nothing is sampled.  Source: derived here (REV-07 holds the law). Raises ValueError where a
    normal of another shape than x is drawn.  Claims: KIT-02.
    """
    count = _count(run, dimension) if noise else 0
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [np.zeros((1, dimension)), np.eye(dimension), np.zeros((count * dimension, dimension))]
    )
    whole = rng.standard_normal((1, dimension))
    units, last = Units(dimension, count, rng), None
    out = np.asarray(run(np.concatenate([x, whole]), units if noise else None), np.float64)
    offset, last, rows = out[0], out[-1], out[1:-1] - out[0]
    expected = offset + whole[0] @ rows[:dimension] + units.whole.ravel() @ rows[dimension:]
    bend = np.abs(last - expected).max() / (
        np.abs(last).max() + np.abs(expected).max() + np.abs(offset).max() + TINY
    )
    return Affine(
        rows[:dimension], offset, rows[dimension:].reshape(count, dimension, dimension), float(bend)
    )


class Units:
    """normal(shape) for the probe: the k-th draw is 0 but for the rows of its own unit vectors, and
    for the last row.
    """

    def __init__(self, dimension: int, count: int, rng: np.random.Generator):
        self.dimension, self.count, self.drawn = dimension, count, 0
        self.whole = rng.standard_normal((count, dimension))

    def __call__(self, shape: Any) -> np.ndarray:
        rows = 2 + self.dimension * (1 + self.count)
        if tuple(shape) != (rows, self.dimension):
            raise ValueError(
                f"a normal of shape {tuple(shape)} was drawn, wanted one for each element: "
                f"{(rows, self.dimension)}"
            )
        if self.drawn >= self.count:
            raise ValueError(
                f"more than the {self.count} normals of the first run were drawn: their number "
                "depends on x"
            )
        z, begin = np.zeros(shape), 1 + self.dimension * (1 + self.drawn)
        z[begin : begin + self.dimension] = np.eye(self.dimension)
        z[-1] = self.whole[self.drawn]
        self.drawn += 1
        return z


def _count(run: Run, dimension: int) -> int:
    """How many normals one run draws."""
    drawn = []
    run(np.zeros((1, dimension)), lambda shape: drawn.append(shape) or np.zeros(shape))
    return len(drawn)
