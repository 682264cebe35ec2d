"""Samplers: one file for each method, the loop that runs them, and how a step becomes one."""

from diffx.samplers.analytic_ddpm import (
    analytic_ddpm as analytic_ddpm,
    analytic_ddpm_step as analytic_ddpm_step,
)
from diffx.samplers.cfg_pp import cfg_pp as cfg_pp, cfg_pp_step as cfg_pp_step
from diffx.samplers.ddim import ddim as ddim, ddim_eta_step as ddim_eta_step, ddim_step as ddim_step
from diffx.samplers.ddim_invert import (
    ddim_inversion_step as ddim_inversion_step,
    ddim_invert as ddim_invert,
)
from diffx.samplers.ddpm import ddpm as ddpm, ddpm_step as ddpm_step
from diffx.samplers.ddpm_beta import ddpm_beta as ddpm_beta, ddpm_beta_step as ddpm_beta_step
from diffx.samplers.ddpm_optimal import (
    ddpm_optimal as ddpm_optimal,
    ddpm_optimal_step as ddpm_optimal_step,
)
from diffx.samplers.deis import deis as deis, deis_step as deis_step
from diffx.samplers.dpm2_ancestral import (
    dpm2_ancestral as dpm2_ancestral,
    dpm2_ancestral_step as dpm2_ancestral_step,
)
from diffx.samplers.dpm_solver import (
    dpm_solver as dpm_solver,
    dpm_solver_2_step as dpm_solver_2_step,
    dpm_solver_3_step as dpm_solver_3_step,
)
from diffx.samplers.dpm_solver_pp import (
    dpm_solver_pp as dpm_solver_pp,
    dpm_solver_pp_2m_step as dpm_solver_pp_2m_step,
    dpm_solver_pp_3m_step as dpm_solver_pp_3m_step,
)
from diffx.samplers.dpm_solver_pp_single import (
    dpm_solver_pp_2s_step as dpm_solver_pp_2s_step,
    dpm_solver_pp_3s_step as dpm_solver_pp_3s_step,
    dpm_solver_pp_single as dpm_solver_pp_single,
)
from diffx.samplers.edm_stochastic import (
    churn as churn,
    edm_stochastic as edm_stochastic,
    edm_stochastic_step as edm_stochastic_step,
)
from diffx.samplers.euler import euler as euler, euler_step as euler_step
from diffx.samplers.euler_ancestral import euler_ancestral as euler_ancestral
from diffx.samplers.euler_maruyama import (
    euler_maruyama as euler_maruyama,
    euler_maruyama_step as euler_maruyama_step,
)
from diffx.samplers.exact_flow import (
    exact_flow as exact_flow,
    exact_flow_eta_step as exact_flow_eta_step,
    exact_flow_step as exact_flow_step,
)
from diffx.samplers.exponential_sde import (
    exponential_sde as exponential_sde,
    exponential_sde_step as exponential_sde_step,
)
from diffx.samplers.flow_euler import flow_euler as flow_euler, flow_euler_step as flow_euler_step
from diffx.samplers.heun import heun as heun, heun_step as heun_step
from diffx.samplers.langevin_corrector import (
    langevin_corrector as langevin_corrector,
    langevin_step as langevin_step,
)
from diffx.samplers.lms import adams_weights as adams_weights, lms as lms, lms_step as lms_step
from diffx.samplers.multistep import with_past as with_past
from diffx.samplers.predictor_corrector import (
    predictor_corrector as predictor_corrector,
    predictor_corrector_step as predictor_corrector_step,
)
from diffx.samplers.protocol import (
    Info as Info,
    Sampler as Sampler,
    State as State,
    sampler_of_step as sampler_of_step,
)
from diffx.samplers.restart import restart as restart, restart_step as restart_step
from diffx.samplers.run import fold as fold, keep_x as keep_x, keep_x0 as keep_x0, sample as sample
from diffx.samplers.sde_dpm_solver import (
    sde_dpm_solver as sde_dpm_solver,
    sde_dpm_solver_step as sde_dpm_solver_step,
)
from diffx.samplers.sde_dpm_solver_pp import (
    sde_dpm_solver_pp as sde_dpm_solver_pp,
    sde_dpm_solver_pp_1_step as sde_dpm_solver_pp_1_step,
    sde_dpm_solver_pp_2m_step as sde_dpm_solver_pp_2m_step,
)
from diffx.samplers.sde_dpm_solver_pp_2s import (
    sde_dpm_solver_pp_2s as sde_dpm_solver_pp_2s,
    sde_dpm_solver_pp_2s_step as sde_dpm_solver_pp_2s_step,
)
from diffx.samplers.unipc import unipc as unipc, unipc_bh1 as unipc_bh1, unipc_step as unipc_step
