"""`check_sampler`: a whole sampler, asked from outside; `check_samples`: draws of it."""
