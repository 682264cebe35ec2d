"""What the adapters of torch libraries share: tensors in, arrays out, and every normal from where
the kit says.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def tensor(x: Any, like: Any = torch.float64) -> torch.Tensor:
    """A copy, so that what a library does to it cannot reach the kit's own array."""
    return torch.tensor(np.asarray(x, np.float64), dtype=like)


def array(x: torch.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()


@contextmanager
def normals(normal: Callable | None) -> Iterator[None]:
    """torch.randn and torch.randn_like give normal(shape); with None they refuse, for the method
    says it draws nothing.
    """
    kept = torch.randn, torch.randn_like

    def draw(*size: Any, dtype: Any = None, **_: Any) -> torch.Tensor:
        if normal is None:
            raise RuntimeError("a method that is declared deterministic draws noise")
        shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
        return torch.tensor(np.asarray(normal(shape)), dtype=dtype or torch.float64)

    torch.randn, torch.randn_like = (
        draw,
        lambda x, dtype=None, **_: draw(x.shape, dtype=dtype or x.dtype),
    )
    try:
        yield
    finally:
        torch.randn, torch.randn_like = kept


def differentiable(denoise: Any, x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """denoise(x, alpha, sigma) with denoise.pull, its derivative, for code that differentiates the
    network by x.
    """

    class Network(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return tensor(denoise(array(x), alpha, sigma))

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return tensor(denoise.pull(array(x), alpha, sigma, array(gradients[0])))

    return Network.apply(x)


@contextmanager
def in_float64() -> Iterator[None]:
    """Tensors that a library makes from Python numbers are float64, as its users can have it."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)
