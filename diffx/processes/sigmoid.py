"""Variance preserving with a sigmoid path."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import sigmoid
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, fixed_where, with_infinite_increment
from diffx.processes.protocol import g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class SigmoidVP:
    """alpha^2 = (S(b) - S(u))/(S(b) - S(a)), u = a + (b - a) t, variance preserving.

    S(u) = 1/(1 + exp(-u)), a = start/tau, b = end/tau. With R(x) = 1 - exp(-(b - a) x) this is
    alpha^2 = S(-u)/S(-a) R(1 - t)/R(1), and sigma^2 = S(u)/S(b) R(t)/R(1): nothing is subtracted. f
    = -(b - a)/2 S(u)/(S(b) R(1 - t)), g^2 = -2 f. alpha ends as sqrt(1 - t): alpha', f and g are
    infinite at t = 1.

    Units: start, end and tau 1.
    Domain: t in [0, 1], start < end, 0 < tau, b - a < 70 in float32; f and g at t < 1.
    Source: Jabri et al. 2022, arXiv:2212.11972; Chen 2023, arXiv:2301.10972; its gamma is alpha^2.
    Also called: sigmoid noise schedule, beta_schedule sigmoid.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.

    >>> float(diffx.processes.SigmoidVP().alpha(0.0))
    1.0
    """

    start: Scalar = -3.0
    end: Scalar = 3.0
    tau: Scalar = 1.0

    variance_preserving = True
    pure_noise_at_1 = True
    finite_rates_at_0 = False
    finite_rates_at_1 = False
    g, log_snr = g_of_path, log_snr_of_path

    def __post_init__(self) -> None:
        _arguments.number("start", self.start)
        _arguments.number("end", self.end)
        _arguments.positive(tau=self.tau)
        message = lambda a, b: (
            f"start must be less than end, got {a} and {b}; -start and -end give the same path"
        )
        _arguments.require_that(lambda a, b: a < b, message, self.start, self.end)

    def _span(self) -> Any:
        return (self.end - self.start) / self.tau

    def _place(self, t: Array) -> Array:
        return self.start / self.tau + self._span() * t  # u

    def _rise(self, x: Any) -> Array:
        return -jnp.expm1(-self._span() * x)  # float32 has S(b) - S(u) off by 2e-4 at 1 - t = 1e-3

    def alpha(self, t: Any) -> Floats:
        t = _arguments.times(t)
        p = fixed_where(self, t == 1)
        sigmoids = sigmoid(-p._place(t)) / sigmoid(-p.start / p.tau)
        return jnp.sqrt(sigmoids * (p._rise(1 - t) / p._rise(1)))

    def sigma(self, t: Any) -> Floats:
        t = _arguments.times(t)
        p = fixed_where(self, t == 0)
        sigmoids = sigmoid(p._place(t)) / sigmoid(p.end / p.tau)
        return jnp.sqrt(sigmoids * (p._rise(t) / p._rise(1)))

    def f(self, t: Any) -> Floats:
        """f written out, because jax knows the derivative of a sigmoid near 1 to an ulp of 1 only.

        alpha'/alpha is off by 7 ulps of the claim's 8 from -2.5/0.75 to 3/0.75, by 590 from -8 to
        8.
        """
        t = _arguments.times(t)
        return (
            -self._span()
            / 2
            * sigmoid(self._place(t))
            / (sigmoid(self.end / self.tau) * self._rise(1 - t))
        )

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-log1p of expm1((b - a) (t - s)) R(1)/(R(1 - t) R(s)) (addition theorem of sinh)."""
        t, s, whole = finite_increment(self, t, s)
        grown = (
            jnp.expm1(self._span() * (t - s)) * self._rise(1) / (self._rise(1 - t) * self._rise(s))
        )
        return with_infinite_increment(whole, -jnp.log1p(grown))

    def time_of_log_snr(self, l: Any) -> Floats:
        """exp((b - a) t) - 1 = (exp(b - a) - 1) q S(-b)/(p S(-a) + q S(-b)).

        p = sigmoid(l) and q = sigmoid(-l).
        """
        l = _arguments.log_snrs(l)
        noise = sigmoid(-l) * sigmoid(-self.end / self.tau)
        share = noise / (sigmoid(l) * sigmoid(-self.start / self.tau) + noise)
        t = jnp.log1p(jnp.expm1(self._span()) * share) / self._span()
        # rounding gives 1 + 1e-7, which is not a time
        return t + jnp.where(t > 1, jax.lax.stop_gradient(1 - t), 0)
