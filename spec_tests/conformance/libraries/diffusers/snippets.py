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
# The sigma and flow schedulers.
LOG_LINEAR = """
import torch
from diffusers import EulerDiscreteScheduler
s = EulerDiscreteScheduler(interpolation_type="log_linear")
s.set_timesteps(10)
trained = (1 / s.alphas_cumprod - 1).sqrt()
for t, sigma in zip(s.timesteps, s.sigmas):
    print(f"timestep {t:.0f}: trained at sigma = {trained[int(t)]:.3f}, stepped from sigma = {sigma:.3f}")
"""
SAMPLE = """
import torch
from diffusers import EDMDPMSolverMultistepScheduler
s = EDMDPMSolverMultistepScheduler(prediction_type="sample")
s.set_timesteps(10)
s.step(torch.zeros(1, 2), s.timesteps[0], 80 * torch.randn(1, 2))  # ValueError
"""
STOCHASTIC_THIRD = """
import torch
from diffusers import EDMDPMSolverMultistepScheduler
s, x = EDMDPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", solver_order=3), 80 * torch.randn(1, 2)
s.set_timesteps(10)
for t in s.timesteps:
    x = s.step(torch.zeros(1, 2), t, x).prev_sample  # UnboundLocalError
"""
NO_LAST_STEP = """
import torch
from diffusers import EDMDPMSolverMultistepScheduler
s = EDMDPMSolverMultistepScheduler(solver_order=2, solver_type="heun", final_sigmas_type="sigma_min")
s.set_timesteps(20)
x = 80 * torch.randn(1, 2)
for t in s.timesteps:
    x = s.step(torch.zeros(1, 2), t, x).prev_sample
print(s.sigmas[-2:], x)  # the last two levels are equal, and 0/0 is NaN
"""
EDM_THIRD = """
import torch
from diffusers import EDMDPMSolverMultistepScheduler
s = EDMDPMSolverMultistepScheduler(solver_order=3)
s.sigmas, s._step_index = torch.exp(-torch.tensor([0.0, 0.1, 0.2, 0.3], dtype=torch.float64)), 2
m = [torch.tensor(l**2, dtype=torch.float64) for l in (-0.2, -0.1, 0.0)]  # x0 = (lambda - lambda_2)^2, h = 0.1
got = s.multistep_dpm_solver_third_order_update(m, sample=torch.tensor(0.0, dtype=torch.float64))
want = 0.1**2 - 2 * 0.1 + 2 - 2 * torch.exp(torch.tensor(-0.1, dtype=torch.float64))  # of a quadratic: exact
print(got.item() / want.item())  # 0.5
"""
FLOW_THIRD = """
import torch
from diffusers import DPMSolverMultistepScheduler
s = DPMSolverMultistepScheduler(solver_order=3, use_flow_sigmas=True, prediction_type="flow_prediction")
s.sigmas = 1 / (1 + torch.exp(torch.tensor([0.0, 0.1, 0.2, 0.3], dtype=torch.float64)))  # lambda = 0, .1, .2, .3
s._step_index, zero = 2, torch.tensor(0.0, dtype=torch.float64)
m = [torch.tensor(l**2, dtype=torch.float64) for l in (-0.2, -0.1, 0.0)]  # x0 = (lambda - lambda_2)^2, h = 0.1
got = s.multistep_dpm_solver_third_order_update(m, sample=zero)
want = (1 - s.sigmas[3]) * (0.1**2 - 2 * 0.1 + 2 - 2 * torch.exp(zero - 0.1))  # of a quadratic: exact
print((got / want).item())  # 0.5
"""
FLOW_CHURN = """
import torch
from diffusers import FlowMatchHeunDiscreteScheduler
s, n = FlowMatchHeunDiscreteScheduler(), 200  # all data at 1: v = (x - 1) / sigma
s.set_timesteps(n)
x = torch.randn(10000)
for k, t in enumerate(s.timesteps):
    if t < 500:
        break  # x should be N(0.5, 0.5^2)
    x = s.step((x - 1) / (t / 1000), t, x, s_churn=5.0).prev_sample
print(t, x.mean(), x.std())
"""
ONE_TIMESTEP = """
import torch
from diffusers import UniPCMultistepScheduler
s = UniPCMultistepScheduler(use_flow_sigmas=True, use_karras_sigmas=True, prediction_type="flow_prediction")
s.set_timesteps(64)
print(s.sigmas[:2] * 1000, s.timesteps[:2])  # two levels, one timestep
x = torch.randn(1, 2)
for t in s.timesteps:
    x = s.step(torch.zeros(1, 2), t, x).prev_sample  # AssertionError in the last step
"""
VELOCITY = """
import torch
from diffusers import EulerDiscreteScheduler
s = EulerDiscreteScheduler(prediction_type="v_prediction")
x0, noise, t = torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([999.0])
print(s.get_velocity(x0, noise, t))  # of x0 = 0 and noise 1: alpha
print(s.alphas_cumprod[999] ** 0.5, s.alphas_cumprod[0] ** 0.5)  # wanted, and what it is
"""
SCHEDULE = """
from diffusers.schedulers.deprecated.scheduling_karras_ve import KarrasVeScheduler
s = KarrasVeScheduler(sigma_min=0.02, sigma_max=100)
s.set_timesteps(10)
print(s.init_noise_sigma, s.schedule.max(), s.schedule.min())  # 100, but steps from 10000 to 0.0004
"""
KEPT = """
import torch
from diffusers import FlowMatchHeunDiscreteScheduler
s, x0, noise = FlowMatchHeunDiscreteScheduler(), torch.zeros(1), torch.ones(1)
for t in (100.0, 500.0, 900.0):
    print(t, s.scale_noise(x0, torch.tensor(t), noise))  # of x0 = 0 and noise 1: sigma = t / 1000
"""
TRAILING = """
from diffusers import EulerDiscreteScheduler
s = EulerDiscreteScheduler(timestep_spacing="trailing")
s.set_timesteps(61)
print(len(s.timesteps), s.timesteps[-2:])  # 62, [15, -1]
"""
OF_SIGMAS = {
    "EulerDiscreteScheduler(interpolation_type='log_linear')": LOG_LINEAR,
    "EulerDiscreteScheduler(prediction_type='v_prediction')": VELOCITY,
    "EDMDPMSolverMultistepScheduler(prediction_type='sample')": SAMPLE,
    "EDMDPMSolverMultistepScheduler(*sde*solver_order=3*": STOCHASTIC_THIRD,
    "EDMDPMSolverMultistepScheduler(*sigma_min*": NO_LAST_STEP,
    "EDMDPMSolverMultistepScheduler(solver_order=3*": EDM_THIRD,
    "DPMSolverMultistepScheduler(*flow*solver_order=3*": FLOW_THIRD,
    "FlowMatchHeunDiscreteScheduler(*s_churn*": FLOW_CHURN,
    "FlowMatchHeunDiscreteScheduler(shift*": KEPT,
    "UniPCMultistepScheduler(*flow*use_karras_sigmas*": ONE_TIMESTEP,
    "KarrasVeScheduler()": SCHEDULE,
    "*timestep_spacing='trailing')": TRAILING,
}


def of_chain(name: str) -> str:
    """The lines for the target of that name among the others, or none."""
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


def of_sigmas(name: str) -> str:
    """The lines for the target of that name among the sigma and flow schedulers, or none."""
    return next((text for pattern, text in OF_SIGMAS.items() if fnmatchcase(name, pattern)), "")
