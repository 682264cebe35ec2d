"""k-diffusion's modules without the networks of CLIP and FID that its package imports; its Brownian
path from given normals.
"""
# pyright: reportMissingImports=false

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from spec_tests.conformance.libraries._torch import tensor

_spec = importlib.util.find_spec("k_diffusion")
if _spec is None:
    raise ImportError("k_diffusion")
# the package imports CLIP and FID networks; two of its modules are wanted
if "k_diffusion" not in sys.modules:
    _bare = types.ModuleType("k_diffusion")
    _bare.__path__ = list(_spec.submodule_search_locations or [])
    sys.modules["k_diffusion"] = _bare
external, sampling = (
    importlib.import_module(f"k_diffusion.{name}") for name in ("external", "sampling")
)


class Path:
    """torchsde.BrownianTree from elementary normals: what is asked runs from the largest time down,
    intervals may overlap.
    """

    def __init__(self, normal: Callable, t0: Any, w0: torch.Tensor, t1: Any, **_: Any):
        self.normal, self.known = normal, [(float(t1), w0)]

    def at(self, t: float) -> torch.Tensor:
        # its exp(log(sigma)) is sigma to rounding
        near = [w for s, w in self.known if abs(s - t) <= 1e-9 * s]
        if near:
            return near[0]
        before, w = self.known[-1]
        if t > before:
            raise ValueError(
                f"the path was asked at {t}, between times that it is already drawn at"
            )
        self.known.append((t, w + (before - t) ** 0.5 * tensor(self.normal(tuple(w.shape)))))
        return self.known[-1][1]

    def __call__(self, t0: Any, t1: Any) -> torch.Tensor:
        later = self.at(float(t1))
        return later - self.at(float(t0))


@contextmanager
def brownian(normal: Callable) -> Iterator[None]:
    """While it holds, the library's BrownianTreeNoiseSampler draws its path from normal(shape)."""
    kept = sampling.torchsde.BrownianTree
    sampling.torchsde.BrownianTree = partial(Path, normal)
    try:
        yield
    finally:
        sampling.torchsde.BrownianTree = kept
