r"""Likelihood and information: change of variables, I-MMSE, the variational bound, KL of paths.

Each file stands on those before it: trace, change_of_variables, information, elbo, paths.
"""

from diffx.likelihood.change_of_variables import (
    bits_per_dim as bits_per_dim,
    log_prob_discrete as log_prob_discrete,
    log_prob_ode as log_prob_ode,
)
from diffx.likelihood.elbo import (
    elbo_gap as elbo_gap,
    nelbo as nelbo,
    prior_kl as prior_kl,
    reconstruction as reconstruction,
    vdm_loss as vdm_loss,
    vlb_term as vlb_term,
)
from diffx.likelihood.information import (
    entropy as entropy,
    entropy_rate as entropy_rate,
    kl_rate as kl_rate,
    mmse as mmse,
    mmse_curve as mmse_curve,
    mmse_gap as mmse_gap,
    mutual_information as mutual_information,
    pointwise_information as pointwise_information,
    snr_rate as snr_rate,
    surprisal as surprisal,
)
from diffx.likelihood.paths import frozen_score_kl as frozen_score_kl, path_kl as path_kl
from diffx.likelihood.trace import (
    divergence as divergence,
    hutchinson as hutchinson,
    normal_probe_variance as normal_probe_variance,
    sign_probe_variance as sign_probe_variance,
)
