"""diffusers: its schedulers with betas that give the VP process at t = i/1000, on the same
(trailing) grid.
"""
# pyright: reportMissingImports=false

import diffusers
import numpy as np
import torch

from benchmarks.problem import LAWS, START, vp
from benchmarks.torch_fields import Field, tensor

NAME = "diffusers"


def _chain(kind, n):
    alpha_bar = vp(np.arange(1, 1001) / 1000)[0] ** 2
    betas = 1 - alpha_bar / np.append(1.0, alpha_bar[:-1])
    scheduler = kind(
        trained_betas=betas.astype(np.float32),
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(n)
    return scheduler


def _run(kind, field, n):
    scheduler = _chain(kind, n)
    alpha = scheduler.alphas_cumprod.sqrt()
    sigma = (1 - scheduler.alphas_cumprod).sqrt()
    start = tensor(START)

    @torch.no_grad()
    def run():
        x = start
        for t in scheduler.timesteps:
            x = scheduler.step(field(x, alpha[t], sigma[t]), t, x).prev_sample
        return x

    return run


def ddim(law, n):
    return _run(diffusers.DDIMScheduler, Field(LAWS[law]), n)


def ddpm(law, n):
    return _run(diffusers.DDPMScheduler, Field(LAWS[law]), n)


def flow(law, n):
    field, start = Field(LAWS[law]), tensor(START)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()

    @torch.no_grad()
    def run():
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / n, n))
        x = start
        for t, sigma in zip(scheduler.timesteps, scheduler.sigmas[:-1], strict=True):
            x = scheduler.step((x - field(x, 1 - sigma, sigma)) / sigma, t, x, return_dict=False)[0]
        return x

    return run
