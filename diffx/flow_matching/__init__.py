"""Flow matching: velocities, training times, couplings, reflow, interpolants, bridges, settings."""

from diffx.flow_matching.bridges import (
    entropic_coupling as entropic_coupling,
    foellmer_drift as foellmer_drift,
)
from diffx.flow_matching.couplings import (
    gaussian_ot_coupling as gaussian_ot_coupling,
    gaussian_ot_map as gaussian_ot_map,
    independent_coupling as independent_coupling,
    ot_coupling as ot_coupling,
    transport_cost as transport_cost,
)
from diffx.flow_matching.interpolants import (
    Interpolant as Interpolant,
    interpolant_latent as interpolant_latent,
    interpolant_law as interpolant_law,
    interpolant_target as interpolant_target,
    interpolant_velocity as interpolant_velocity,
    interpolate as interpolate,
    score_of_latent as score_of_latent,
)
from diffx.flow_matching.published import (
    SD3 as SD3,
    WAN as WAN,
    FlowSettings as FlowSettings,
    flow_grid as flow_grid,
    model_time as model_time,
    resolution_shift as resolution_shift,
)
from diffx.flow_matching.reflow import (
    Pairs as Pairs,
    reflow_pairs as reflow_pairs,
    straightness as straightness,
)
from diffx.flow_matching.training_times import (
    logit_normal_density as logit_normal_density,
    logit_normal_times as logit_normal_times,
    shift_density as shift_density,
    uniform_times as uniform_times,
)
from diffx.flow_matching.velocity import (
    cfm_loss as cfm_loss,
    conditional_velocity as conditional_velocity,
    marginal_velocity as marginal_velocity,
    optimal_cfm_loss as optimal_cfm_loss,
)
