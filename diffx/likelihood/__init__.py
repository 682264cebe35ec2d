"""Likelihood and information: change of variables, the variational bound, I-MMSE, KL of paths."""

from diffx.likelihood.change import bits_per_dim, log_prob_discrete, log_prob_ode
from diffx.likelihood.divergence import divergence, hutchinson, normal_probe_variance, sign_probe_variance
from diffx.likelihood.elbo import elbo_gap, nelbo, prior_kl, reconstruction, vdm_loss, vlb_term
from diffx.likelihood.information import (
    entropy,
    entropy_rate,
    kl_rate,
    mmse,
    mmse_curve,
    mmse_gap,
    mutual_information,
    pointwise_information,
    snr_rate,
    surprisal,
)
from diffx.likelihood.path import frozen_score_kl, path_kl

__all__ = [
    "bits_per_dim",
    "divergence",
    "elbo_gap",
    "entropy",
    "entropy_rate",
    "frozen_score_kl",
    "hutchinson",
    "kl_rate",
    "log_prob_discrete",
    "log_prob_ode",
    "mmse",
    "mmse_curve",
    "mmse_gap",
    "mutual_information",
    "nelbo",
    "normal_probe_variance",
    "path_kl",
    "pointwise_information",
    "prior_kl",
    "reconstruction",
    "sign_probe_variance",
    "snr_rate",
    "surprisal",
    "vdm_loss",
    "vlb_term",
]
