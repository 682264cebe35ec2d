"""Failures of smalldiffusion, reproduced with smalldiffusion alone."""

FLOW = """
import torch; from smalldiffusion import ModelMixin, PredFlow, ScheduleFlow, samples
class Net(torch.nn.Module, ModelMixin):  # the exact velocity, E[eps - x0 | x], of data N(1, 1/4)
    input_dims = (1,)
    def forward(self, x, t, cond=None):
        gain = (1 - t) / 4 / ((1 - t) ** 2 / 4 + t ** 2); x0 = 1 + gain * (x - 1 + t); return (x - x0) / t
model = PredFlow(Net)(); model.one = torch.nn.Parameter(torch.ones(()))  # it reads its type from a parameter
for mu in (0, 0.5):  # the mean of the data is 1, its deviation 0.5
    *_, x = samples(model, ScheduleFlow().sample_sigmas(200), mu=mu, batchsize=50000); print(mu, x.mean(), x.std())
"""
START = """
from smalldiffusion import ScheduleLDM
s = ScheduleLDM().sample_sigmas(10)[0]
print("starts with", s, "the deviation of x0 + sigma eps for data of unit variance", (1 + s**2).sqrt())
"""


def of(name: str, claim: str) -> str:
    return {"REV-01": FLOW, "FWD-12": START}.get(claim, "")
