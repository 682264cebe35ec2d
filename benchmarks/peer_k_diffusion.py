"""k-diffusion: it works on x/alpha and sigma/alpha, where DDIM is its Euler; the start is scaled to
that.
"""
# pyright: reportMissingImports=false

import importlib.util
import sys
import types

import numpy as np
import torch

from benchmarks.problem import LAWS, START, vp
from benchmarks.torch_fields import Field, tensor

_spec = importlib.util.find_spec("k_diffusion")
if _spec is None:
    raise ModuleNotFoundError("k_diffusion")
if (
    "k_diffusion" not in sys.modules
):  # the package imports CLIP and FID networks; its sampling.py alone is wanted
    _bare = types.ModuleType("k_diffusion")
    _bare.__path__ = list(_spec.submodule_search_locations or [])
    sys.modules["k_diffusion"] = _bare
from k_diffusion import sampling  # noqa: E402

NAME = "k-diffusion"


def _run(method, law, ratios, start):
    field, sigmas, x = Field(LAWS[law]), tensor(ratios), tensor(start)

    @torch.no_grad()
    def run():
        return method(lambda x, sigma: field(x, 1.0, sigma[0]), x, sigmas, disable=True)

    return run


def ddim(law, n):
    alpha, sigma = vp(np.linspace(1, 0, n + 1))
    return _run(sampling.sample_euler, law, sigma / alpha, START / alpha[0])


def heun(law, n):
    return _run(sampling.sample_heun, law, 80 * np.linspace(1, 0, n + 1), 80 * START)
