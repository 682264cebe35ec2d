"""Likelihood and information: the variational bound, I-MMSE, KL of paths."""

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
    "elbo_gap",
    "entropy",
    "entropy_rate",
    "frozen_score_kl",
    "kl_rate",
    "mmse",
    "mmse_curve",
    "mmse_gap",
    "mutual_information",
    "nelbo",
    "path_kl",
    "pointwise_information",
    "prior_kl",
    "reconstruction",
    "snr_rate",
    "surprisal",
    "vdm_loss",
    "vlb_term",
]
