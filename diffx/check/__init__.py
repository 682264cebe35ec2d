"""What library authors call on their own code: every claim that an exact Gaussian answer can settle, asked from outside.

Numpy in float64 throughout, so that a library in torch, in C or by hand is asked in the same way as one in JAX.
"""

from diffx.check.chi_square import check_samples
from diffx.check.contrastive import check_contrastive_loss
from diffx.check.finding import Finding, require_holds
from diffx.check.guidance import check_guidance
from diffx.check.log_prob import check_log_prob
from diffx.check.process import check_process
from diffx.check.sampler import check_sampler

__all__ = [
    "Finding",
    "check_contrastive_loss",
    "check_guidance",
    "check_log_prob",
    "check_process",
    "check_sampler",
    "check_samples",
    "require_holds",
]
