"""Variance preserving with a cosine path."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, fixed_where, with_infinite_increment
from diffx.processes.protocol import g_of_path, gaussian_path, log_snr_of_path

HALF_PI = jnp.pi / 2


@gaussian_path
class CosineVP:
    """alpha = cos(theta)/cos(theta_0), theta = (t + offset)/(1 + offset) pi/2, variance preserving.

    theta_0 = theta(0). f = -beta/2 and g^2 = beta with beta = pi/(1 + offset) tan(theta), infinite
    at t = 1.

    Domain: t in [0, 1], offset >= 0; f and g at t < 1.
    Source: Nichol and Dhariwal 2021, arXiv:2102.09672, eq. (17).
    Also called: cosine noise schedule, cosine schedule, improved DDPM.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.

    >>> float(diffx.CosineVP().alpha(0.0))
    1.0
    """

    offset: Scalar = 0.008

    variance_preserving = True
    pure_noise_at_1 = True
    finite_rates_at_0 = False
    finite_rates_at_1 = True
    g, log_snr = g_of_path, log_snr_of_path

    def __post_init__(self) -> None:
        _arguments.not_negative(offset=self.offset)

    def _first(self) -> Array:
        return self.offset / (1 + self.offset) * HALF_PI

    def _passed(self, t: Any) -> Array:
        return t / (1 + self.offset) * HALF_PI  # theta - theta_0

    def _cos(self, t: Array) -> Array:
        # cos(pi/2) in float32 is -4.4e-8: a negative alpha
        return jnp.sin((1 - t) / (1 + self.offset) * HALF_PI)

    def _sin(self, t: Array) -> Array:
        return jnp.sin(self._passed(t) + self._first())

    def _sin_of_both(self, t: Array, s: Array) -> Array:
        """sin(theta_t + theta_s) without the sum, which is near pi at t = 1: float32 would lose 4
        digits.
        """
        return self._sin(t) * self._cos(s) + self._cos(t) * self._sin(s)

    def alpha(self, t: Any) -> Floats:
        return self._cos(_arguments.times(t)) / jnp.cos(self._first())

    def sigma(self, t: Any) -> Floats:
        """sigma^2 = (cos^2 theta_0 - cos^2 theta)/cos^2 theta_0, as a product of sines.

        Nothing cancels at t = 0.
        """
        t = _arguments.times(t)
        steady = fixed_where(self, t == 0)
        d, first = steady._passed(t), steady._first()
        return jnp.sqrt(jnp.sin(d) * jnp.sin(d + 2 * first)) / jnp.cos(first)

    def f(self, t: Any) -> Floats:
        t = _arguments.times(t)
        # alpha'/alpha by a derivative is off by 35 ulps at t = 2e-3 in float32, 15 with offset
        # 0.0625
        return -HALF_PI / (1 + self.offset) * self._sin(t) / self._cos(t)

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-log1p((tau_t - tau_s)/tau_s), tau = (sigma/alpha)^2.

        The difference of two 1/cos^2 is taken as a product.
        """
        t, s, whole = finite_increment(self, t, s)
        first, d = self._first(), self._passed(s)
        ahead = self._passed(t - s)
        grown = jnp.cos(first) ** 2 * jnp.sin(ahead) * self._sin_of_both(t, s)
        return with_infinite_increment(
            whole, -jnp.log1p(grown / (self._cos(t) ** 2 * jnp.sin(d) * jnp.sin(d + 2 * first)))
        )

    def time_of_log_snr(self, l: Any) -> Floats:
        """tan(theta - theta_0) = c q/(s_0 + sqrt(p (s_0^2 + c^2 q))).

        p = sigmoid(l) and q = sigmoid(-l).
        """
        l = _arguments.log_snrs(l)
        c, s0 = jnp.cos(self._first()), jnp.sin(self._first())
        p, q = jax.nn.sigmoid(l), jax.nn.sigmoid(-l)
        passed = jnp.arctan2(c * q, s0 + jnp.sqrt(p * (s0**2 + c**2 * q)))
        return passed / HALF_PI * (1 + self.offset)
