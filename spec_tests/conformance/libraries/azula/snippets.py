"""Failures of azula, reproduced with azula alone."""

import re

REAB = """
import torch; from azula.denoise import Denoiser, DiracPosterior; from azula.noise import RectifiedSchedule
from azula.sample import REABSampler
class Normal(Denoiser):  # E[x | x_t] of data N(0, 1/4)
    schedule = RectifiedSchedule()
    def forward(self, x_t, t, **kw):
        a, s = self.schedule(t); return DiracPosterior(a / (a**2 + 4 * s**2) * x_t)
a, s = Normal.schedule(torch.tensor([1.0, 0.3], dtype=torch.float64)); start, end = (a**2 / 4 + s**2).sqrt().view(2, 1)
for n in (50, 100, 200):  # order ORDER divides the error by POWER each time; it is divided by 2
    print(REABSampler(Normal(), order=ORDER, steps=n, stop=0.3, silent=True, dtype=a.dtype)(start) - end)
"""
ETA = """
import torch; from azula.denoise import Denoiser, DiracPosterior; from azula.noise import VPSchedule
from azula.sample import DDIMSampler
class Zero(Denoiser):  # all data are 0
    schedule = VPSchedule()
    def forward(self, x_t, t, **kw): return DiracPosterior(0 * x_t)
x = DDIMSampler(Zero(), eta=0.5, start=0.5, stop=0.4, steps=1, silent=True)(torch.zeros(1000000))
(a, b), (s, r) = Zero.schedule(torch.tensor([0.5, 0.4]))
print("its noise", x.std(), "DDIM, eq. 16", 0.5 * r / s * (1 - a**2 / b**2).sqrt())
"""


def of(name: str, claim: str) -> str:
    order = re.search(r"order=(\d)", name)
    if "REAB" in name and order and claim == "REV-19":
        return REAB.replace("ORDER", order[1]).replace("POWER", str(2 ** int(order[1])))
    return ETA if "eta=0.5" in name and claim == "REV-16" else ""
