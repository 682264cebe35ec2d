"""Flow matching: velocities and their loss, training times, couplings, reflow, interpolants, settings of published models."""

from diffx.flow.bridge import entropic_coupling, foellmer_drift
from diffx.flow.coupling import gaussian_ot_coupling, gaussian_ot_map, independent_coupling, ot_coupling, transport_cost
from diffx.flow.interpolant import (
    Interpolant,
    interpolant_latent,
    interpolant_law,
    interpolant_target,
    interpolant_velocity,
    interpolate,
    score_of_latent,
)
from diffx.flow.reflow import Pairs, reflow_pairs, straightness
from diffx.flow.settings import SD3, WAN, FlowSettings, flow_grid, model_time, resolution_shift
from diffx.flow.times import logit_normal_density, logit_normal_times, shift_density, uniform_times
from diffx.flow.velocity import cfm_loss, conditional_velocity, marginal_velocity, optimal_cfm_loss

__all__ = [
    "SD3",
    "WAN",
    "FlowSettings",
    "Interpolant",
    "Pairs",
    "cfm_loss",
    "conditional_velocity",
    "entropic_coupling",
    "flow_grid",
    "foellmer_drift",
    "gaussian_ot_coupling",
    "gaussian_ot_map",
    "independent_coupling",
    "interpolant_latent",
    "interpolant_law",
    "interpolant_target",
    "interpolant_velocity",
    "interpolate",
    "logit_normal_density",
    "logit_normal_times",
    "marginal_velocity",
    "model_time",
    "optimal_cfm_loss",
    "ot_coupling",
    "reflow_pairs",
    "resolution_shift",
    "score_of_latent",
    "shift_density",
    "straightness",
    "transport_cost",
    "uniform_times",
]
