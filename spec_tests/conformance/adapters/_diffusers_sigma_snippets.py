"""At most ten lines of torch and diffusers for each failure of the sigma and flow schedulers."""

from fnmatch import fnmatchcase

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
THIRD = """
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
SNIPPETS = {
    "EulerDiscreteScheduler(interpolation_type='log_linear')": LOG_LINEAR,
    "EulerDiscreteScheduler(prediction_type='v_prediction')": VELOCITY,
    "EDMDPMSolverMultistepScheduler(prediction_type='sample')": SAMPLE,
    "EDMDPMSolverMultistepScheduler(*sde*solver_order=3*": STOCHASTIC_THIRD,
    "EDMDPMSolverMultistepScheduler(*sigma_min*": NO_LAST_STEP,
    "EDMDPMSolverMultistepScheduler(solver_order=3*": THIRD,
    "DPMSolverMultistepScheduler(*flow*solver_order=3*": FLOW_THIRD,
    "FlowMatchHeunDiscreteScheduler(*s_churn*": FLOW_CHURN,
    "FlowMatchHeunDiscreteScheduler(shift*": KEPT,
    "UniPCMultistepScheduler(*flow*use_karras_sigmas*": ONE_TIMESTEP,
    "KarrasVeScheduler()": SCHEDULE,
    "*timestep_spacing='trailing')": TRAILING,
}


def snippet(name: str) -> str:
    """Of the target of that name; none where nothing is known to fail."""
    return next((text for pattern, text in SNIPPETS.items() if fnmatchcase(name, pattern)), "")
