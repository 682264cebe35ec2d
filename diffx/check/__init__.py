r"""Checks that library authors run on their own code.

They ask every claim that an exact Gaussian answer can settle. Everything is numpy float64, so a
library in torch, in C or by hand is asked in the same way as one in JAX.
"""

from diffx.check.finding import Finding as Finding, require_holds as require_holds
from diffx.check.guided import check_guidance as check_guidance
from diffx.check.likelihoods import check_log_prob as check_log_prob
from diffx.check.losses import check_contrastive_loss as check_contrastive_loss
from diffx.check.processes import check_process as check_process
from diffx.check.samplers import check_sampler as check_sampler, check_samples as check_samples
