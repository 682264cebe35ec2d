r"""The quarter circle.      Albergo and Vanden-Eijnden 2023, arXiv:2209.15571."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import record
from diffx._types import Floats
from diffx.processes._increments import finite_increment, with_infinite_increment

HALF_PI = jnp.pi / 2


@record
class Trig:
    r"""The quarter circle alpha = cos(pi t/2), sigma = sin(pi t/2); f = -(pi/2) tan(pi t/2), g^2 = pi tan(pi t/2).

    Source: Albergo and Vanden-Eijnden 2023, arXiv:2209.15571, eq. (5), with time reversed: there 0 is noise.
    It is `CosineVP(0)`.
    Domain: t in [0, 1]; f and g at t < 1.  Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.
    """

    def alpha(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * (1 - _arguments.times(t)))  # cos(pi/2) in float32 is -4.4e-8

    def sigma(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * _arguments.times(t))

    def _tan(self, t: Array) -> Array:
        return jnp.sin(HALF_PI * t) / jnp.sin(HALF_PI * (1 - t))  # 1/tan(pi/2 (1 - t)) keeps 4 digits at t = 1e-3 in float32

    def f(self, t: Any) -> Floats:
        return -HALF_PI * self._tan(_arguments.times(t))

    def g(self, t: Any) -> Floats:
        return jnp.sqrt(jnp.pi * self._tan(_arguments.times(t)))

    def log_snr(self, t: Any) -> Floats:
        t = _arguments.times(t)
        return 2 * (jnp.log(jnp.sin(HALF_PI * (1 - t))) - jnp.log(jnp.sin(HALF_PI * t)))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-2 log of tan(theta_t)/tan(theta_s) = 1 + sin(theta_t - theta_s)/(cos(theta_t) sin(theta_s))."""
        t, s, whole = finite_increment(self, t, s)
        grown = jnp.sin(HALF_PI * (t - s)) / (jnp.sin(HALF_PI * (1 - t)) * jnp.sin(HALF_PI * s))
        return with_infinite_increment(whole, -2 * jnp.log1p(grown))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jnp.arctan(jnp.exp(-_arguments.log_snrs(l) / 2)) / HALF_PI
