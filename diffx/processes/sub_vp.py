"""Sub-variance preserving with a linear beta."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, with_infinite_increment
from diffx.processes._linear_beta import (
    linear_alpha,
    linear_check,
    linear_integral,
    linear_integral_step,
    linear_time_of_integral,
)
from diffx.processes._variance_preserving import vp_log_snr_step
from diffx.processes.protocol import f_of_path, g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class SubVP:
    """alpha = exp(-B/2), sigma = 1 - exp(-B), g^2 = beta (1 - exp(-2B)): sub-variance preserving.

    beta(t) is linear and B its integral; the log-SNR is -2 log(2 sinh(B/2)).

    Units: beta in 1/time.
    Domain: t in [0, 1], 0 < beta_min, B(1) < 174 in float32, where alpha becomes 0.
    Source: Song et al. 2021, arXiv:2011.13456, eqs. (12), (29).
    Also called: sub-VP SDE, subVPSDE.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, FWD-14, NUM-01, NUM-02, NUM-10.

    >>> float(diffx.SubVP().sigma(0.0))
    0.0
    """

    beta_min: Scalar = 0.1
    beta_max: Scalar = 20.0

    variance_preserving = False
    pure_noise_at_1 = False
    finite_rates_at_0 = True
    finite_rates_at_1 = True
    f, g, log_snr = f_of_path, g_of_path, log_snr_of_path

    __post_init__ = linear_check
    alpha = linear_alpha

    def sigma(self, t: Any) -> Floats:
        return -jnp.expm1(-linear_integral(self, _arguments.times(t)))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """2 times that of VP + dB: sigma^2 is that of VP squared."""
        t, s, whole = finite_increment(self, t, s)
        growth = linear_integral_step(self, t, s)
        return with_infinite_increment(
            whole, 2 * vp_log_snr_step(linear_integral(self, s), growth) + growth
        )

    def time_of_log_snr(self, l: Any) -> Floats:
        return linear_time_of_integral(
            self, 2 * jnp.arcsinh(jnp.exp(-_arguments.log_snrs(l) / 2) / 2)
        )
