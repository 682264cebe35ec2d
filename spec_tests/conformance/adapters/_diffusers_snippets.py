"""At most ten lines of torch and diffusers for each failure, by the pattern of the target's
name.
"""

from fnmatch import fnmatchcase

STRIDE = """
import torch, diffusers
s = diffusers.{made}
s.set_timesteps({n})
sigma = (1 - s.alphas_cumprod).sqrt()
x = sigma[s.timesteps[0]] * torch.randn(100_000, 1)  # all data are at 0, so that the noise is x / sigma
for t in s.timesteps[:-1]:
    x = {step}
print("deviation at the last timestep:", float(x.std()), "- should be", float(sigma[s.timesteps[-1]]))
"""
THIRD = """
import torch, diffusers
s = diffusers.{made}
s.set_timesteps(20)
sigma, x = s.sigmas.double(), torch.zeros(1, 1)
lam, a = -sigma.log(), (1 + sigma**2) ** -0.5  # alpha is a, sigma of the process a * sigma
for k in range({calls}):  # a prediction of lambda^2, which three values in a row determine
    was, x = x if k % {each} == 0 else was, s.step(lam[k].float().reshape(1, 1) ** 2, s.timesteps[k], x{quiet}).prev_sample
e, i, j = {calls}, {calls} - {each}, lambda l: {primitive}
print("after call", e, "x is", float(x), "- the integral is", float({exact}))
"""
LOOP = """
import torch, diffusers
s = diffusers.{made}
s.set_timesteps({n})
x = torch.ones(1, 2)
for t in s.timesteps:
    x = s.step(torch.zeros(1, 2), t, x).prev_sample
print(s.timesteps[:4], x)
"""
ROUNDED = """
import torch, diffusers
for kind in (torch.float32, torch.float64):
    s = diffusers.DEISMultistepScheduler(solver_order=3)
    s.set_timesteps(128)
    s.sigmas, x = s.sigmas.to(kind), torch.ones(1, 1, dtype=kind)
    for k, t in enumerate(s.timesteps):  # data N(0, 1): x stays as it is
        x = s.step(x * s.sigmas[k] * (1 + s.sigmas[k] ** 2) ** -0.5, t, x).prev_sample
    print(kind, "ends at", float(x), "- the probability flow at 1")
"""
UNUSED = """
import torch, diffusers
s = diffusers.CogVideoXDDIMScheduler()
s.set_timesteps(10)
x = torch.ones(1, 2)
print([s.step(x / 2, s.timesteps[0], x, eta=eta).prev_sample for eta in (0.0, 1.0)])
"""
FIRST = """
import torch, diffusers
s = diffusers.IPNDMScheduler()
s.set_timesteps(10)
x, x0 = torch.ones(1, 1), torch.ones(1, 1)  # at alpha = 0, sigma = 1 the network's v is -x0
y = s.step(-x0, s.timesteps[0], x).prev_sample
print("x is", float(y), "- alpha x0 + sigma eps is", float(s.alphas[1] * x0 + s.betas[1] * x))
"""
# The exact step from node i to e, for a prediction of x0, of the noise, and of x0 in the SDE less
# its noise; j is a primitive.
DATA = {
    "primitive": "l**2 - 2 * l + 2",
    "exact": (
        "a[e] * sigma[e] / (a[i] * sigma[i]) * was + a[e] * (j(lam[e]) - (lam[i] - "
        "lam[e]).exp() * j(lam[i]))"
    ),
}
NOISE = {
    "primitive": "l**2 + 2 * l + 2",
    "exact": (
        "a[e] / a[i] * was - a[e] * sigma[e] * ((lam[e] - lam[i]).exp() * j(lam[i]) - j(lam[e]))"
    ),
}
SDE = {
    "primitive": "l**2 - l + 0.5",
    "exact": (
        "a[e] / a[i] * (sigma[e] / sigma[i]) ** 2 * was + a[e] * (j(lam[e]) - (2 * (lam[i] - "
        "lam[e])).exp() * j(lam[i]))"
    ),
}
LOOPS = {
    "DDPM*fixed_large_log*": 10,
    "UniPC*bh1*predict_x0=True*": 10,
    "*use_karras_sigmas=True*sigma_min*heun*": 20,
    "*use_beta_sigmas*": 50,
    "*sde-dpmsolver'*solver_order=3*": 20,
}


def snippet(name: str) -> str:
    """The lines for the target of that name; empty where there are none."""
    made = name.partition(")")[0] + ")"
    made = made.replace("num_train_timesteps=10000, ", "").replace(
        ", prediction_type='v_prediction'", ""
    )
    for pattern, n in LOOPS.items():
        if fnmatchcase(name, pattern):
            return LOOP.format(made=made, n=n)
    if fnmatchcase(name, "DPMSolver*solver_order=3*"):
        return _third(made)
    if "timestep_spacing='" in name and name.startswith(("DDIM", "CogVideoX", "PNDM")):
        step = "None, t, None, x)[0]" if "XDPM" in name else "t, x).prev_sample"
        return STRIDE.format(
            made=made, n=10 if "linspace" in name else 128, step=f"s.step(x / sigma[t], {step}"
        )
    given = {"DEISMultistepScheduler(solver_order=3)": ROUNDED, "IPNDMScheduler()": FIRST}
    return UNUSED if name.startswith("CogVideoXDDIM") else given.get(name, "")


def _third(made: str) -> str:
    sde, single = "sde-" in made, "Single" in made
    kind = SDE if sde else DATA if "++" in made else NOISE
    made = made[:-1] + (", prediction_type='sample')" if "++" in made else ")")
    quiet = ", variance_noise=torch.zeros(1, 1)" if sde and not single else ""
    return THIRD.format(made=made, calls=9, each=3 if single else 1, quiet=quiet, **kind)
