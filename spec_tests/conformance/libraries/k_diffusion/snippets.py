"""Failures of k-diffusion, reproduced with k-diffusion alone."""

LOAD = """
import sys, types, torch; from importlib.util import find_spec
paths = find_spec("k_diffusion").submodule_search_locations; sys.modules["k_diffusion"] = k = types.ModuleType("k_diffusion")
k.__path__ = paths; from k_diffusion.sampling import *  # without CLIP, which the package imports
def denoise(x, s): return x / (1 + s[0]**2)  # E[x0 | x] of data N(0, 1): the flow is x/sqrt(1 + s^2)
"""
ORDER = """
for n in (100, 200, 400, 800):  # order 3 divides the error by 8 each time; it is divided by 4
    s = torch.logspace(1.5, -0.5, n + 1, dtype=torch.float64)
    x = sample_dpmpp_3m_sde(denoise, (1 + s[:1]**2).sqrt(), s, eta=0, disable=True)
    print(n, float(x[0] / (1 + s[-1]**2).sqrt() - 1))
"""
NOISE = """
s = get_sigmas_karras(100, 0.01, 80)
for s_noise in (1, 1.02):  # the deviation of the data is 1
    print(sample_heun(denoise, 80 * torch.randn(200000, 1), s, s_churn=20, s_noise=s_noise, disable=True).std())
"""
BATCH = """
x = torch.tensor([[40.0], [200.0]])  # the first row alone, and in a batch
for rows in (x[:1], x): print(sample_dpm_adaptive(denoise, rows, 0.01, 80.0, disable=True)[0])
"""


def of(name: str, claim: str) -> str:
    part = {
        ("3m_sde", "REV-19"): ORDER,
        ("s_noise", "REV-01"): NOISE,
        ("adaptive", "API-01"): BATCH,
    }
    return next(
        (
            LOAD + text[1:]
            for (word, asked), text in part.items()
            if word in name and asked == claim
        ),
        "",
    )
