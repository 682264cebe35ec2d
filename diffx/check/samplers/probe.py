r"""The affine probe: the exact law of an unknown sampler, from the rows of one batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import TINY
from diffx.check.problems import Gaussian

Run = Callable[[np.ndarray, Callable | None], np.ndarray]  # (x, normal) -> output: rows are a batch


class Affine(NamedTuple):
    """output = offset + x @ matrix + sum_k z_k @ noises[k]; bend: the relative deviation from
    that.
    """

    matrix: np.ndarray  # (d, d)
    offset: np.ndarray  # (d,)
    noises: np.ndarray  # (K, d, d): what each drawn normal does
    bend: float

    def law(self, start: Gaussian) -> Gaussian:
        """The law of the output for a Gaussian start: each source of randomness adds its part."""
        cov = self.matrix.T @ start.cov @ self.matrix + np.einsum(
            "kia,kib->ab", self.noises, self.noises
        )
        return Gaussian(self.offset + start.mean @ self.matrix, cov)


def affine_probe(run: Run, dimension: int, *, noise: bool = False) -> Affine:
    r"""output = offset + x @ matrix + sum_k z_k @ noises[k]: a sampler on Gaussian data.

    One call on 2 + d (1 + K) rows finds it, K the number of normals that the sampler draws. Row 0
    starts at 0, the next d at unit vectors, then one row for each coordinate of each normal; the
    last row, a combination of all, checks that the map is affine. A clip or a threshold, which is
    not affine, shows as bend. The result is exact to the rounding of the code under test; nothing
    is sampled.

    Units: run(x, normal) maps rows x (B, d) to rows; with noise=True it takes every standard normal
        from normal(shape).
    Raises: ValueError where a normal of another shape than x is drawn.
    Source: derived here (REV-07 holds the law).
    Also called: exact law of a black-box sampler, affine map.
    Claims: KIT-02.
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
    """normal(shape) for the probe: the k-th draw is 0 except in its own rows and in the last.

    Its own rows hold the unit vectors.
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
    """The number of normals that one run draws."""
    drawn = []
    run(np.zeros((1, dimension)), lambda shape: drawn.append(shape) or np.zeros(shape))
    return len(drawn)
