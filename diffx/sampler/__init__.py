"""Samplers: one short file a method."""

from diffx.sampler.core import Info, Sampler, State, fold, keep_x, keep_x0, sample, standard_normal
from diffx.sampler.ddim import ddim, ddim_eta_step, ddim_step
from diffx.sampler.ddpm import ddpm, ddpm_beta, ddpm_beta_step, ddpm_optimal, ddpm_optimal_step, ddpm_step
from diffx.sampler.euler import euler, euler_step, flow_euler, flow_euler_step
from diffx.sampler.euler_maruyama import euler_maruyama, euler_maruyama_step
from diffx.sampler.exact_flow import exact_flow, exact_flow_step
from diffx.sampler.heun import heun, heun_step
from diffx.sampler.noise import hashed_normal

__all__ = [
    "Info",
    "Sampler",
    "State",
    "ddim",
    "ddim_eta_step",
    "ddim_step",
    "ddpm",
    "ddpm_beta",
    "ddpm_beta_step",
    "ddpm_optimal",
    "ddpm_optimal_step",
    "ddpm_step",
    "euler",
    "euler_maruyama",
    "euler_maruyama_step",
    "euler_step",
    "exact_flow",
    "exact_flow_step",
    "flow_euler",
    "flow_euler_step",
    "fold",
    "hashed_normal",
    "heun",
    "heun_step",
    "keep_x",
    "keep_x0",
    "sample",
    "standard_normal",
]
