"""Log-densities along the probability flow, exact or by probes."""

from diffx.check.likelihoods.claims import check_log_prob as check_log_prob
