"""Variance preserving with a linear beta."""

from typing import Any

import jax

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, fixed_where, with_infinite_increment
from diffx.processes._linear_beta import (
    linear_alpha,
    linear_check,
    linear_integral,
    linear_integral_step,
    linear_time_of_integral,
)
from diffx.processes._variance_preserving import vp_log_snr_step, vp_sigma
from diffx.processes.protocol import f_of_path, g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class VP:
    """alpha = exp(-B/2), sigma^2 = 1 - exp(-B), beta(t) = beta_min + (beta_max - beta_min) t.

    Variance preserving, f = -beta/2, g^2 = beta, B(t) = int_0^t beta.

    Units: beta in 1/time.
    Domain: t in [0, 1], 0 < beta_min, B(1) < 174 in float32, where alpha becomes 0.
    Source: Song et al. 2021, arXiv:2011.13456, eqs. (11), (29).
    Also called: VP SDE, VPSDE, linear noise schedule, DDPM in continuous time, variance preserving,
        Ornstein-Uhlenbeck process, flow_matching VPScheduler.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-07, FWD-09, FWD-14, NUM-01, NUM-02, NUM-10.

    >>> float(diffx.VP().alpha(0.0))
    1.0
    """

    beta_min: Scalar = 0.1
    beta_max: Scalar = 20.0

    variance_preserving = True
    pure_noise_at_1 = False
    finite_rates_at_0 = False
    finite_rates_at_1 = True
    f, g, log_snr = f_of_path, g_of_path, log_snr_of_path

    __post_init__ = linear_check
    alpha = linear_alpha

    def sigma(self, t: Any) -> Floats:
        t = _arguments.times(t)
        return vp_sigma(linear_integral(fixed_where(self, t == 0), t))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = finite_increment(self, t, s)
        return with_infinite_increment(
            whole, vp_log_snr_step(linear_integral(self, s), linear_integral_step(self, t, s))
        )

    def time_of_log_snr(self, l: Any) -> Floats:
        # B = log(1 + exp(-l))
        return linear_time_of_integral(self, jax.nn.softplus(-_arguments.log_snrs(l)))
