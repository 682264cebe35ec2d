"""The straight path."""

from typing import Any

import jax
import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats
from diffx.processes._increments import finite_increment, with_infinite_increment
from diffx.processes.protocol import f_of_path, g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class RectifiedFlow:
    """The straight path alpha = 1 - t, sigma = t; f = -1/(1 - t), g^2 = 2t/(1 - t).

    Domain: t in [0, 1]; f and g at t < 1.
    Source: Liu et al. 2023, arXiv:2209.03003, eq. (1), with time reversed: there 0 is noise.
    Also called: rectified flow, linear interpolant, conditional optimal transport path,
        flow_matching CondOTScheduler, azula RectifiedSchedule (alpha_min = sigma_min = 0),
        SD3 path, smalldiffusion ScheduleFlow, flow_matching CondOTProbPath.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.

    >>> float(diffx.RectifiedFlow().sigma(0.25))
    0.25
    """

    variance_preserving = False
    pure_noise_at_1 = True
    finite_rates_at_0 = True
    finite_rates_at_1 = True
    f, g, log_snr = f_of_path, g_of_path, log_snr_of_path

    def alpha(self, t: Any) -> Floats:
        return 1 - _arguments.times(t)

    def sigma(self, t: Any) -> Floats:
        return _arguments.times(t)

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = finite_increment(self, t, s)
        return with_infinite_increment(whole, -2 * jnp.log1p((t - s) / (s * (1 - t))))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jax.nn.sigmoid(-_arguments.log_snrs(l) / 2)
