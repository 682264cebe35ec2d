"""Failures of hackable_diffusion, reproduced with hackable_diffusion alone."""

INVARIANT = """
import jax, jax.numpy as jnp
from hackable_diffusion.lib.corruption import gaussian, schedules
schedule = schedules.GeometricSchedule(sigma_min=0.01, sigma_max=20.0)
start = gaussian.GaussianProcess(schedule=schedule).sample_from_invariant(jax.random.key(0), jnp.zeros((100000, 1)))
print(start.std(), schedule.sigma(jnp.ones((1, 1))))
"""
ADJUSTED = """
import jax, jax.numpy as jnp
from hackable_diffusion.lib.corruption import gaussian, schedules
from hackable_diffusion.lib.sampling import base, gaussian_step_sampler
process = gaussian.GaussianProcess(schedule=schedules.RFSchedule())
info = lambda k, t: base.StepInfo(step=jnp.array(k), time=jnp.full((1, 1), t), rng=jax.random.key(0))
now = base.DiffusionStep(xt=jnp.ones((1, 1)), step_info=info(0, 0.5), aux={})  # x0 = 1, alpha = sigma = 0.5, so eps = 1
step = gaussian_step_sampler.AdjustedDDIMStep(corruption_process=process)
print(step.update({"x0": jnp.ones((1, 1))}, now, info(1, 0.1)).xt)  # 0.9 x0 + sqrt(0.1^2 + 0.8^2/30) = 1.077 by the paper
"""
