"""`check_log_prob`: a log-likelihood against exact densities."""
