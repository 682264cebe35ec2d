"""smalldiffusion: `samples` with gam = 1, mu = 0 is DDIM in x/alpha and sigma/alpha."""
# pyright: reportMissingImports=false

import numpy as np
import torch
from smalldiffusion import ModelMixin, samples
from torch import nn

from benchmarks.problem import LAWS, START, vp
from benchmarks.torch_fields import Field, tensor

NAME = "smalldiffusion"


class _Exact(nn.Module, ModelMixin):
    input_dims = (2,)

    def __init__(self, law):
        super().__init__()
        self.field = Field(LAWS[law])

    def forward(self, x, sigma, cond=None):
        return (x - self.field(x, 1.0, sigma)) / sigma


class _Cpu:
    device = torch.device("cpu")


def ddim(law, n):
    alpha, sigma = vp(np.linspace(1, 0, n + 1))
    model, sigmas, start = _Exact(law), tensor(sigma / alpha), tensor(START / alpha[0])

    def run():
        for x in samples(model, sigmas, gam=1.0, mu=0.0, xt=start, accelerator=_Cpu()):
            out = x
        return out

    return run
