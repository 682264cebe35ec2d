"""A sampler under test: its input, its output, and the noise levels of its nodes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import TINY
from diffx.check.problems import Denoise, Gaussian
from diffx.check.samplers.probe import Affine, affine_probe

# n -> (alphas, sigmas), the noise levels of the n + 1 nodes, from noise to data
Nodes = Callable[[int], tuple[Any, Any]]
SampleRun = Callable[[Denoise, np.ndarray, int, int, Callable | None], np.ndarray]
FEW = 10  # steps of the claims that hold at any number of them
ROWS = np.array([[0.3, -1.0], [1.5, 0.2], [-0.7, 0.8]])  # what is asked of manners, not of laws
# orders are measured down to this tau: below it the steps of a grid in t grow in log tau, whatever
# their number
STOP = 0.25


class Case(NamedTuple):
    """A sampler under test; see check_sampler."""

    run: SampleRun
    nodes: Nodes
    noise: bool
    rounding: float
    steps: Sequence[int]

    def levels(self, n: int) -> list[tuple[float, float]]:
        alphas, sigmas = (np.asarray(a, np.float64).ravel() for a in self.nodes(n))
        if alphas.shape != sigmas.shape or len(alphas) < 2:
            raise ValueError(
                f"nodes({n}) gave {alphas.size} alphas and {sigmas.size} sigmas, wanted one of "
                "each per node, at least 2"
            )
        return list(zip(alphas.tolist(), sigmas.tolist(), strict=True))

    def affine(self, data: Gaussian, n: int, stop: int | None = None) -> Affine:
        stop = self.last(n) if stop is None else stop
        return affine_probe(
            lambda x, normal: self.rows(data.denoise, x, n, stop, normal),
            len(data.mean),
            noise=self.noise,
        )

    def rows(
        self, denoise: Denoise, x: np.ndarray, n: int, stop: int, normal: Callable | None = None
    ) -> np.ndarray:
        """The sampler's output, which must have the shape of its input."""
        out = np.asarray(self.run(denoise, x, n, stop, normal))
        if out.dtype.kind not in "fiu":
            raise TypeError(f"rows came back as {out.dtype}, wanted float64")
        if out.shape != x.shape:
            raise ValueError(f"rows of shape {x.shape} came back as {out.shape}")
        return out

    def last(self, n: int) -> int:
        """All steps."""
        return len(self.levels(n)) - 1

    @property
    def zeros(self) -> Callable | None:
        """Normals that are 0, for a sampler that draws any."""
        return np.zeros if self.noise else None

    def stop(self, n: int) -> int:
        """The number of steps to the last node of the coarsest grid with tau >= STOP.

        Errors are then compared at the same place.
        """
        least = min((tau for tau in _taus(self.levels(self.steps[0])) if tau >= STOP), default=STOP)
        return max(
            (k for k, tau in enumerate(_taus(self.levels(n))) if tau >= least * (1 - 1e-9)),
            default=0,
        )


def _taus(levels: Sequence[tuple[float, float]]) -> list[float]:
    return [sigma / max(alpha, TINY) for alpha, sigma in levels]
