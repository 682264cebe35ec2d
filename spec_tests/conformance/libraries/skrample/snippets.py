"""Failures of skrample, reproduced with skrample alone."""

ORDER = """
import math; from skrample.scheduling import Scaled; from skrample.sampling import functional, models, structured
from skrample.sampling.interface import StructuredFunctionalAdapter as Run
def net(x, t, s, a): return max(math.log(a / s), 0) ** 4  # it says so whatever x: the flow is an integral, known exactly
s = Scaled().ipoint(0.9).sigma; h = math.log(Scaled().ipoint(0.9).alpha / s)
exact = s * (1 / Scaled().point_1.sigma + math.exp(h) * (h**4 - 4 * h**3 + 12 * h**2 - 24 * h + 24) - 24)
sampler = SAMPLER
for n in (100, 200, 400, 800, 1600):  # order ORDER divides the error by POWER each time
    print(n, sampler.sample_model(1.0, net, models.DataModel(), Scaled(), n, slice(0, n * 9 // 10)) - exact)
"""


def of(name: str, claim: str) -> str:
    if claim not in ("REV-17", "REV-19"):
        return ""
    sampler, order = (
        name.partition(" on ")[0],
        int(name.partition("order=")[2][:1] or 1) + name.startswith("UniPC"),
    )
    call = sampler.replace("transform=", "transform=models.")
    call = f"functional.{call}" if name.startswith("RK") else f"Run(structured.{call})"
    return (
        ORDER.replace("SAMPLER", call).replace("ORDER", str(order)).replace("POWER", str(2**order))
    )
