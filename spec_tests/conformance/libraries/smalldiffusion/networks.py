"""The kit's denoiser, and given answers, as networks of smalldiffusion."""
# pyright: reportMissingImports=false

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import smalldiffusion as library
import torch

from spec_tests.conformance.libraries._torch import array, tensor


class Network(torch.nn.Module, library.ModelMixin):
    """A network that answers in the parametrisation that its wrapper reads; a parameter says its
    type.
    """

    def __init__(self, answer: Callable, dimension: int = 2):
        super().__init__()
        self.answer, self.input_dims, self.unit = (
            answer,
            (dimension,),
            torch.nn.Parameter(torch.ones(())),
        )

    def forward(self, x: torch.Tensor, sigma: torch.Tensor, cond: Any = None) -> torch.Tensor:
        return self.answer(x, sigma)


def answer(
    denoise: Callable, prediction: str, x: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Of x = x0 + sigma eps; the flow's of x = (1 - t) x0 + t eps."""
    s = float(sigma)
    alpha = 1 - s if prediction == "PredFlow" else 1.0
    x0 = tensor(denoise(array(x), alpha, s))
    eps = (x - alpha * x0) / s
    turned = {
        "PredX0": x0,
        "eps": eps,
        "PredV": (eps - s * x0) / (1 + s**2) ** 0.5,
        "PredFlow": eps - x0,
    }
    return turned[prediction]


def wrapped(prediction: str) -> type:
    return Network if prediction == "eps" else getattr(library, prediction)(Network)


class Labelled(torch.nn.Module, library.ModelMixin):
    """Answers the rows of its label: 0 the condition, 1 none."""

    cond_embed = SimpleNamespace(null_cond=1)

    def __init__(self, cond: np.ndarray, uncond: np.ndarray):
        super().__init__()
        self.rows = tensor(cond), tensor(uncond)

    def forward(self, x: torch.Tensor, sigma: torch.Tensor, cond: Any = None) -> torch.Tensor:
        counts = [0, 0]
        for label in cond.tolist():
            counts[label] += 1
        return torch.cat([rows[:count] for rows, count in zip(self.rows, counts, strict=True)])
