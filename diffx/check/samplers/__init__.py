"""A whole sampler, asked from outside, and its draws."""

from diffx.check.samplers.chi_square import check_samples as check_samples
from diffx.check.samplers.claims import check_sampler as check_sampler
