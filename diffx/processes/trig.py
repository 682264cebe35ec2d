"""The quarter circle."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats
from diffx.processes._increments import finite_increment, with_infinite_increment
from diffx.processes.protocol import g_of_path, gaussian_path, log_snr_of_path

HALF_PI = jnp.pi / 2


@gaussian_path
class Trig:
    """alpha = cos(pi t/2), sigma = sin(pi t/2); f = -(pi/2) tan(pi t/2), g^2 = pi tan(pi t/2).

    It is `CosineVP(0)`.

    Domain: t in [0, 1]; f and g at t < 1.
    Source: Albergo and Vanden-Eijnden 2023, arXiv:2209.15571, with time reversed: there 0
        is noise.
    Also called: trigonometric interpolant, TrigFlow, GVP path, flow_matching CosineScheduler, azula
        CosineSchedule (alpha_min = sigma_min = 0).
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.

    >>> float(diffx.Trig().alpha(0.0))
    1.0
    """

    variance_preserving = True
    pure_noise_at_1 = True
    finite_rates_at_0 = True
    finite_rates_at_1 = True
    g, log_snr = g_of_path, log_snr_of_path

    def alpha(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * (1 - _arguments.times(t)))  # cos(pi/2) in float32 is -4.4e-8

    def sigma(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * _arguments.times(t))

    def f(self, t: Any) -> Floats:
        """-pi/2 tan(pi t/2), by two sines.

        alpha'/alpha is off by 305 ulps at t = 2e-3, and g(0) is NaN.
        """
        t = _arguments.times(t)
        return -HALF_PI * (jnp.sin(HALF_PI * t) / jnp.sin(HALF_PI * (1 - t)))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-2 log of tan(theta_t)/tan(theta_s).

        The quotient is 1 + sin(theta_t - theta_s)/(cos(theta_t) sin(theta_s)).
        """
        t, s, whole = finite_increment(self, t, s)
        grown = jnp.sin(HALF_PI * (t - s)) / (jnp.sin(HALF_PI * (1 - t)) * jnp.sin(HALF_PI * s))
        return with_infinite_increment(whole, -2 * jnp.log1p(grown))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jnp.arctan(jnp.exp(-_arguments.log_snrs(l) / 2)) / HALF_PI
