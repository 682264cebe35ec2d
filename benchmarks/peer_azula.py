"""azula: its samplers with the VP process as its schedule."""
# pyright: reportMissingImports=false

from types import SimpleNamespace

import torch
from azula.sample import DDIMSampler, DDPMSampler
from torch import nn

from benchmarks.problem import LAWS, START
from benchmarks.torch_fields import Field, tensor

NAME = "azula"


class _Exact(nn.Module):
    def __init__(self, law):
        super().__init__()
        self.field = Field(LAWS[law])

    def schedule(self, t):
        b = t * (0.1 + 19.9 * t / 2)
        return torch.exp(-b / 2), torch.sqrt(-torch.expm1(-b))

    def forward(self, x, t):
        return SimpleNamespace(mean=self.field(x, *self.schedule(t)))


def _run(kind, law, n):
    sampler, start = kind(_Exact(law), start=1.0, stop=0.0, steps=n, silent=True), tensor(START)
    return lambda: sampler(start)


def ddim(law, n):
    return _run(DDIMSampler, law, n)


def ddpm(law, n):
    return _run(DDPMSampler, law, n)
