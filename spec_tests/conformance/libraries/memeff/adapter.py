"""memeff: its CLIP loss on a GPU; without one, its kernels run in Triton's interpreter, its demand
for CUDA set aside.
"""
# pyright: reportMissingImports=false

import os
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch

# its own setting for comparisons in float32
os.environ.setdefault("MEMEFF_INPUT_PRECISION", "ieee")
# read where kernels are defined
os.environ.setdefault("TRITON_INTERPRET", str(int(not torch.cuda.is_available())))

from memeff import clip_loss

from spec_tests.conformance.libraries._torch import array
from spec_tests.conformance.libraries.memeff import snippets
from spec_tests.conformance.target import Target

LIBRARY = "memeff"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WIDTH = 32  # its kernels want a power of two
if DEVICE == "cpu":
    clip_loss._validate_features = lambda x, y: None
    # it chooses the sizes of blocks by it
    torch.cuda.get_device_capability = lambda device=None: (8, 0)


def version() -> str:
    return installed("memeff")


def losses() -> Iterator[Target]:
    for stable in (False, True):
        arguments = {"loss": partial(_loss, stable), "precision": "float32"}
        yield Target(f"MemoryEfficientCLIPLoss(stable={stable})", arguments, snippets.STABLE)


def _loss(
    stable: bool, images: np.ndarray, texts: np.ndarray, log_scale: float, bias: float | None
) -> Any:
    """Its temperature is a number, without a gradient: L depends on scale x, hence dL/dlog scale =
    sum of x dL/dx.
    """
    width = images.shape[1]
    # with zeros, which change no score
    padded = (np.pad(rows, ((0, 0), (0, WIDTH - width))) for rows in (images, texts))
    x, y = (
        torch.tensor(rows, dtype=torch.float32, device=DEVICE, requires_grad=True)
        for rows in padded
    )
    loss = clip_loss.MemoryEfficientCLIPLoss(
        temperature=float(np.exp(-log_scale)), normalized_inputs=True, stable=stable
    )
    value = loss(x, y)
    value.backward()
    assert x.grad is not None and y.grad is not None
    by_x, by_y = array(x.grad)[:, :width], array(y.grad)[:, :width]
    return float(value.detach()), {
        "images": by_x,
        "texts": by_y,
        "log_scale": (by_x * images).sum(),
    }
