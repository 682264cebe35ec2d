"""The forward paths as the textbooks write them, in 60 decimal digits, with the moments of their
SDEs.

alpha, sigma, log-SNR and its increment are the plain formulas (1 - exp(-B), a difference of two
logarithms): with 60 digits nothing is lost. Time derivatives are central differences of these. f
and g2 are the textbook coefficients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import count
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

DIGITS = 60
STEP = Decimal("1e-18")  # of the central differences: an error of 1e-36 against rounding of 1e-42

Exact = Callable[[Decimal], Decimal]


@dataclass(frozen=True)
class Path:
    """x_t = alpha x_0 + sigma eps and its SDE dx = f x dt + g dw; every method takes an array of
    times to float64.
    """

    exact_alpha: Exact
    exact_variance: Exact  # sigma^2
    f: Callable[[Any], Any]  # in numpy float64, at t < 1 where alpha(1) = 0
    g2: Callable[[Any], Any]  # g^2, likewise

    def alpha(self, t: Any) -> np.ndarray:
        return evaluate(self.exact_alpha, t)

    def variance(self, t: Any) -> np.ndarray:
        return evaluate(self.exact_variance, t)

    def sigma(self, t: Any) -> np.ndarray:
        return evaluate(self.exact_sigma, t)

    def log_snr(self, t: Any) -> np.ndarray:
        """2 log(alpha/sigma) at 0 < t < 1."""
        return evaluate(self.exact_log_snr, t)

    def log_snr_step(self, t: Any, s: Any) -> np.ndarray:
        """The difference of the two log-SNRs, 0 < s, t < 1."""
        return evaluate(lambda a, b: self.exact_log_snr(a) - self.exact_log_snr(b), t, s)

    def alpha_rate(self, t: Any) -> np.ndarray:
        """alpha'(t) at 0 < t < 1."""
        return evaluate(slope_of(self.exact_alpha), t)

    def sigma_rate(self, t: Any) -> np.ndarray:
        """sigma'(t) at 0 < t < 1."""
        return evaluate(slope_of(self.exact_sigma), t)

    def log_snr_rate(self, t: Any) -> np.ndarray:
        """l'(t) at 0 < t < 1."""
        return evaluate(slope_of(self.exact_log_snr), t)

    def transition(self, t: Any, s: Any) -> tuple[np.ndarray, np.ndarray]:
        """alpha_t/alpha_s and sqrt(sigma_t^2 - alpha_{t|s}^2 sigma_s^2)."""

        def gain(a: Decimal, b: Decimal) -> Decimal:
            return self.exact_alpha(a) / self.exact_alpha(b)

        def spread(a: Decimal, b: Decimal) -> Decimal:
            return (self.exact_variance(a) - gain(a, b) ** 2 * self.exact_variance(b)).sqrt()

        return evaluate(gain, t, s), evaluate(spread, t, s)

    def time_of_log_snr(self, l: float) -> float:
        """The t with log_snr(t) = l, by bisection in t."""
        with localcontext(prec=DIGITS):
            low, high = Decimal(0), Decimal(1)
            for _ in range(100):
                mid = (low + high) / 2
                low, high = (
                    (mid, high) if self.exact_log_snr(mid) > Decimal(float(l)) else (low, mid)
                )
            return float(low)

    def exact_sigma(self, t: Decimal) -> Decimal:
        return self.exact_variance(t).sqrt()

    def exact_log_snr(self, t: Decimal) -> Decimal:
        return (self.exact_alpha(t) ** 2 / self.exact_variance(t)).ln()

    def moments(
        self, times: Any, mean: float = 1.0, variance: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of x_t of the SDE from (mean, variance) at t = 0: m' = f m, V' = 2 f
        V + g^2, to 1e-12.
        """
        return moment_ode(self.f, self.g2, times, mean, variance)


def moment_ode(
    f, g2, times, mean: float = 1.0, variance: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """m' = f m, V' = 2 f V + g^2 by DOP853 from t = 0, at increasing times > 0."""

    def rhs(t, y):
        return [f(t) * y[0], 2 * f(t) * y[1] + g2(t)]

    times = np.asarray(times, np.float64)
    done = solve_ivp(rhs, (0, times[-1]), [mean, variance], "DOP853", times, rtol=1e-13, atol=1e-16)
    return done.y[0], done.y[1]


def evaluate(function: Callable[..., Decimal], *arguments: Any) -> np.ndarray:
    """function in 60 digits at every element of arrays of one shape, rounded to float64 once."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arguments))
    with localcontext(prec=DIGITS):
        values = [
            _round(function(*(Decimal(float(x)) for x in row)))
            for row in zip(*(a.ravel() for a in arrays), strict=True)
        ]
    return np.array(values).reshape(arrays[0].shape)


def _round(value: Decimal) -> float:
    return 0.0 if abs(value) < Decimal("1e-50") else float(value)  # cos(pi/2) in 60 digits is 6e-60


def slope_of(function: Exact) -> Exact:
    return lambda t: (function(t + STEP) - function(t - STEP)) / (2 * STEP)


def sin(x: Decimal) -> Decimal:
    """The Taylor series, for |x| < 4."""
    term, total = x, x
    for n in count(2, 2):
        term = -term * x * x / (n * (n + 1))
        if abs(term) < Decimal(10) ** -(DIGITS + 5):
            return total
        total += term
    raise AssertionError


def cos(x: Decimal) -> Decimal:
    """The Taylor series, for |x| < 4."""
    term, total = Decimal(1), Decimal(1)
    for n in count(1, 2):
        term = -term * x * x / (n * (n + 1))
        if abs(term) < Decimal(10) ** -(DIGITS + 5):
            return total
        total += term
    raise AssertionError


PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803"
)


# --- the paths ----------------------------------------------------------------------------------


def _linear(beta_min: float, beta_max: float) -> tuple[Exact, Callable]:
    """int_0^t beta in decimals, and beta in numpy."""
    b0, b1 = Decimal(beta_min), Decimal(beta_max)
    return lambda t: b0 * t + (b1 - b0) * t * t / 2, lambda t: beta_min + (beta_max - beta_min) * t


def vp(beta_min: float, beta_max: float) -> Path:
    """Song et al. 2021, eqs. (11), (29)."""
    total, beta = _linear(beta_min, beta_max)
    return Path(
        lambda t: (-total(t) / 2).exp(),
        lambda t: 1 - (-total(t)).exp(),
        lambda t: -beta(t) / 2,
        beta,
    )


def sub_vp(beta_min: float, beta_max: float) -> Path:
    """Song et al. 2021, eqs. (12), (29)."""
    total, beta = _linear(beta_min, beta_max)

    def g2(t):
        return beta(t) * (1 - np.exp(-2 * beta_min * t - (beta_max - beta_min) * t**2))

    return Path(
        lambda t: (-total(t) / 2).exp(),
        lambda t: (1 - (-total(t)).exp()) ** 2,
        lambda t: -beta(t) / 2,
        g2,
    )


def cosine_vp(offset: float) -> Path:
    """Nichol and Dhariwal 2021, eq. (17)."""
    o = Decimal(offset)

    def alpha(t: Decimal) -> Decimal:
        return cos((t + o) / (1 + o) * PI / 2) / cos(o / (1 + o) * PI / 2)

    def beta(t):
        return np.pi / (1 + offset) * np.tan((t + offset) / (1 + offset) * np.pi / 2)

    return Path(alpha, lambda t: 1 - alpha(t) ** 2, lambda t: -beta(t) / 2, beta)


def ve(sigma_min: float, sigma_max: float) -> Path:
    """Song et al. 2021, eqs. (9), (29), started at x_0: the variance at t less the variance at
    0.
    """
    low, ratio, rate = (
        Decimal(sigma_min),
        Decimal(sigma_max) / Decimal(sigma_min),
        2 * np.log(sigma_max / sigma_min),
    )
    return Path(
        lambda t: Decimal(1),
        lambda t: (low * ratio**t) ** 2 - low**2,
        lambda t: 0.0 * t,
        lambda t: rate * sigma_min**2 * (sigma_max / sigma_min) ** (2 * t),
    )


def edm(sigma_max: float) -> Path:
    """Karras et al. 2022, Table 1, in the time sigma = sigma_max t."""
    return Path(
        lambda t: Decimal(1),
        lambda t: (Decimal(sigma_max) * t) ** 2,
        lambda t: 0.0 * t,
        lambda t: 2 * sigma_max**2 * t,
    )


def rectified_flow() -> Path:
    """Liu et al. 2023, eq. (1), data at t = 0."""
    return Path(lambda t: 1 - t, lambda t: t * t, lambda t: -1 / (1 - t), lambda t: 2 * t / (1 - t))


def trig() -> Path:
    """Albergo and Vanden-Eijnden 2023: the quarter circle."""
    return Path(
        lambda t: cos(PI * t / 2),
        lambda t: sin(PI * t / 2) ** 2,
        lambda t: -np.pi / 2 * np.tan(np.pi * t / 2),
        lambda t: np.pi * np.tan(np.pi * t / 2),
    )


def sigmoid_vp(start: float, end: float, tau: float) -> Path:
    """Chen 2023, arXiv:2301.10972: gamma = alpha^2 as its code has it, (v_end -
    sigmoid(u))/(v_end - v_start).
    """
    first, last = Decimal(start) / Decimal(tau), Decimal(end) / Decimal(tau)

    def sigmoid(u: Decimal) -> Decimal:
        return 1 / (1 + (-u).exp())

    def gamma(t: Decimal) -> Decimal:
        return (sigmoid(last) - sigmoid(first + (last - first) * t)) / (
            sigmoid(last) - sigmoid(first)
        )

    def beta(t):
        a, w = (
            start / tau,
            (end - start) / tau / 2,
        )  # S(b) - S(u) = sinh((b - u)/2)/(2 cosh(b/2) cosh(u/2)) in numpy
        return w * np.cosh(end / tau / 2) / (np.cosh(a / 2 + w * t) * np.sinh(w * (1 - t)))

    return Path(lambda t: gamma(t).sqrt(), lambda t: 1 - gamma(t), lambda t: -beta(t) / 2, beta)
