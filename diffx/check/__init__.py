"""What library authors call on their own code: every claim that an exact Gaussian answer can settle, asked from outside.

Numpy in float64 throughout, so that a library in torch, in C or by hand is asked in the same way as one in JAX.
"""

from diffx.check.finding import Finding, require_holds
from diffx.check.sampler import check_sampler

__all__ = ["Finding", "check_sampler", "require_holds"]
