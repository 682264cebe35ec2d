"""Samplers: one short file a method."""

from diffx.sampler.adams import adams_weights, lms, lms_step
from diffx.sampler.analytic import analytic_ddpm, analytic_ddpm_step
from diffx.sampler.ancestral import dpm2_ancestral, dpm2_ancestral_step, euler_ancestral
from diffx.sampler.churn import churned, edm_stochastic, edm_stochastic_step
from diffx.sampler.core import Info, Sampler, State, fold, keep_x, keep_x0, sample, standard_normal
from diffx.sampler.ddim import ddim, ddim_eta_step, ddim_step
from diffx.sampler.ddpm import ddpm, ddpm_beta, ddpm_beta_step, ddpm_optimal, ddpm_optimal_step, ddpm_step
from diffx.sampler.deis import deis, deis_step
from diffx.sampler.distillation import consistency, progressive_target
from diffx.sampler.dpm_solver import dpm_solver, dpm_solver_2_step, dpm_solver_3_step
from diffx.sampler.dpm_solver_pp import dpm_solver_pp, dpm_solver_pp_2m_step, dpm_solver_pp_3m_step
from diffx.sampler.dpm_solver_pp_single import dpm_solver_pp_2s_step, dpm_solver_pp_3s_step, dpm_solver_pp_single
from diffx.sampler.euler import euler, euler_step, flow_euler, flow_euler_step
from diffx.sampler.euler_maruyama import euler_maruyama, euler_maruyama_step
from diffx.sampler.exact_flow import exact_flow, exact_flow_step
from diffx.sampler.exponential_sde import exponential_sde, exponential_sde_step, sde_dpm_solver, sde_dpm_solver_step
from diffx.sampler.heun import heun, heun_step
from diffx.sampler.history import with_past
from diffx.sampler.inversion import ddim_inversion_step, ddim_invert
from diffx.sampler.langevin import langevin_corrector, langevin_step, predictor_corrector, predictor_corrector_step
from diffx.sampler.noise import hashed_normal
from diffx.sampler.sde_dpm_solver_pp import (
    sde_dpm_solver_pp,
    sde_dpm_solver_pp_1_step,
    sde_dpm_solver_pp_2m_step,
    sde_dpm_solver_pp_2s,
    sde_dpm_solver_pp_2s_step,
)
from diffx.sampler.unipc import unipc, unipc_bh1, unipc_step

__all__ = [
    "Info",
    "Sampler",
    "State",
    "adams_weights",
    "analytic_ddpm",
    "analytic_ddpm_step",
    "churned",
    "consistency",
    "ddim",
    "ddim_eta_step",
    "ddim_inversion_step",
    "ddim_invert",
    "ddim_step",
    "ddpm",
    "ddpm_beta",
    "ddpm_beta_step",
    "ddpm_optimal",
    "ddpm_optimal_step",
    "ddpm_step",
    "deis",
    "deis_step",
    "dpm2_ancestral",
    "dpm2_ancestral_step",
    "dpm_solver",
    "dpm_solver_2_step",
    "dpm_solver_3_step",
    "dpm_solver_pp",
    "dpm_solver_pp_2m_step",
    "dpm_solver_pp_2s_step",
    "dpm_solver_pp_3m_step",
    "dpm_solver_pp_3s_step",
    "dpm_solver_pp_single",
    "edm_stochastic",
    "edm_stochastic_step",
    "euler",
    "euler_ancestral",
    "euler_maruyama",
    "euler_maruyama_step",
    "euler_step",
    "exact_flow",
    "exact_flow_step",
    "exponential_sde",
    "exponential_sde_step",
    "flow_euler",
    "flow_euler_step",
    "fold",
    "hashed_normal",
    "heun",
    "heun_step",
    "keep_x",
    "keep_x0",
    "langevin_corrector",
    "langevin_step",
    "lms",
    "lms_step",
    "predictor_corrector",
    "predictor_corrector_step",
    "progressive_target",
    "sample",
    "sde_dpm_solver",
    "sde_dpm_solver_pp",
    "sde_dpm_solver_pp_1_step",
    "sde_dpm_solver_pp_2m_step",
    "sde_dpm_solver_pp_2s",
    "sde_dpm_solver_pp_2s_step",
    "sde_dpm_solver_step",
    "standard_normal",
    "unipc",
    "unipc_bh1",
    "unipc_step",
    "with_past",
]
