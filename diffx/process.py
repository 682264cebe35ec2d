r"""Forward processes: x_t = alpha(t) x_0 + sigma(t) eps, the solution of dx = f(t) x dt + g(t) dw from x_0.

Time 0 is data and time 1 is noise, for every process. The safe coordinate is the log-SNR l = log(alpha^2/sigma^2).
Every method takes times of any shape and answers in their dtype; where an x is involved, time is one scalar.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _check
from diffx._record import record
from diffx._types import Floats, Number, Points

HALF_PI = jnp.pi / 2
Scalar = Any  # a Python float or an array of shape (): times, schedule parameters, guidance weights


@runtime_checkable
class Process(Protocol):
    """What a forward process offers. Any object with these methods is one; `jax.tree_util` must know it as a pytree.

    t, s, l: arrays of any shape, float32 or float64.  Claims: FWD-01, FWD-02, FWD-05, NUM-11, API-08.
    """

    def alpha(self, t: Any) -> Floats: ...
    def sigma(self, t: Any) -> Floats: ...
    def f(self, t: Any) -> Floats: ...
    def g(self, t: Any) -> Floats: ...
    def log_snr(self, t: Any) -> Floats: ...
    def log_snr_step(self, t: Any, s: Any) -> Floats: ...
    def time_of_log_snr(self, l: Any) -> Floats: ...


class Transition(NamedTuple):
    """x_t | x_s ~ N(alpha x_s, sigma^2 I)."""

    alpha: Number
    sigma: Number


class Rates(NamedTuple):
    """The time derivatives alpha'(t) and sigma'(t)."""

    alpha: Number
    sigma: Number


# --- derivatives where a value is 0 or infinite ----------------------------------------------------------------------


def _steady(process: Any, t: Array) -> Any:
    """The process with parameters that do not move sigma(0) = 0: sigma'(0) is infinite, and infinity times 0 is NaN."""
    return jax.tree_util.tree_map(lambda p: jnp.where(t > 0, p, jax.lax.stop_gradient(p)), process)


def _apart(process: Any, t: Any, s: Any) -> tuple[Array, Array, Array]:
    """The times of a log-SNR increment, and where it is -inf whatever the parameters: from data or to pure noise.

    There the times are 1/2, so that no derivative meets 0/0; `_increment` puts the -inf back.
    """
    t, s = _check.times(t), _check.times(s, "s")
    whole = (s == 0) | (process.alpha(t) == 0)
    return jnp.where(whole, 0.5, t), jnp.where(whole, 0.5, s), whole


def _increment(whole: Array, step: Array) -> Array:
    return jnp.where(whole, -jnp.inf, step)


# --- variance preserving in the coordinate B(t) = int_0^t beta: alpha^2 = exp(-B), sigma^2 = 1 - exp(-B) -------------


def _vp_sigma(b: Array) -> Array:
    return jnp.sqrt(-jnp.expm1(-b))  # expm1: at B = 1e-4 float32 keeps 7 digits, 1 - exp keeps 3


def _vp_log_snr(b: Array) -> Array:
    return -b - jnp.log(-jnp.expm1(-b))


def _vp_log_snr_step(b_s: Array, db: Array) -> Array:
    """l_t - l_s = -log(expm1(B_t)/expm1(B_s)), with the increment dB = B_t - B_s given and never subtracted."""
    return -jnp.log1p(jnp.expm1(db) / jnp.abs(jnp.expm1(-b_s)))  # abs, not minus: a GPU gave NaN at B_s = 0


def _linear_integral(p: Any, t: Array) -> Array:
    return t * (p.beta_min + (p.beta_max - p.beta_min) * t / 2)


def _linear_integral_step(p: Any, t: Array, s: Array) -> Array:
    return (t - s) * (p.beta_min + (p.beta_max - p.beta_min) * (t + s) / 2)


def _linear_rate(p: Any, t: Array) -> Array:
    return p.beta_min + (p.beta_max - p.beta_min) * t


def _linear_time(p: Any, b: Array) -> Array:
    """The t with B(t) = b; this root of the quadratic subtracts nothing."""
    return 2 * b / (p.beta_min + jnp.sqrt(p.beta_min**2 + 2 * (p.beta_max - p.beta_min) * b))


def _linear_check(p: Any) -> None:
    _check.positive(beta_min=p.beta_min, beta_max=p.beta_max)


def _linear_alpha(p: Any, t: Any) -> Array:
    return jnp.exp(-_linear_integral(p, _check.times(t)) / 2)


def _linear_f(p: Any, t: Any) -> Array:
    return -_linear_rate(p, _check.times(t)) / 2


@record
class VP:
    r"""Variance preserving, linear beta(t) = beta_min + (beta_max - beta_min) t.

    alpha = exp(-B/2), sigma^2 = 1 - exp(-B), f = -beta/2, g^2 = beta, B(t) = int_0^t beta.
    Source: Song et al. 2021, arXiv:2011.13456, eqs. (11), (29).  beta: 1/time.  Domain: t in [0, 1], 0 < beta_min.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-07, FWD-09, FWD-14, NUM-01, NUM-02, NUM-10.
    """

    beta_min: Scalar = 0.1
    beta_max: Scalar = 20.0

    __post_init__ = _linear_check
    alpha = _linear_alpha
    f = _linear_f

    def sigma(self, t: Any) -> Floats:
        t = _check.times(t)
        return _vp_sigma(_linear_integral(_steady(self, t), t))

    def g(self, t: Any) -> Floats:
        return jnp.sqrt(_linear_rate(self, _check.times(t)))

    def log_snr(self, t: Any) -> Floats:
        return _vp_log_snr(_linear_integral(self, _check.times(t)))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = _apart(self, t, s)
        return _increment(whole, _vp_log_snr_step(_linear_integral(self, s), _linear_integral_step(self, t, s)))

    def time_of_log_snr(self, l: Any) -> Floats:
        return _linear_time(self, jax.nn.softplus(-_check.log_snrs(l)))  # B = log(1 + exp(-l))


@record
class SubVP:
    r"""Sub-variance preserving, linear beta(t): alpha = exp(-B/2), sigma = 1 - exp(-B), g^2 = beta (1 - exp(-2B)).

    Its log-SNR is -2 log(2 sinh(B/2)).  Source: Song et al. 2021, arXiv:2011.13456, eqs. (12), (29).
    beta: 1/time.  Domain: t in [0, 1], 0 < beta_min.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, FWD-14, NUM-01, NUM-02.
    """

    beta_min: Scalar = 0.1
    beta_max: Scalar = 20.0

    __post_init__ = _linear_check
    alpha = _linear_alpha
    f = _linear_f

    def sigma(self, t: Any) -> Floats:
        return -jnp.expm1(-_linear_integral(self, _check.times(t)))

    def g(self, t: Any) -> Floats:
        t = _check.times(t)
        return jnp.sqrt(_linear_rate(self, t) * -jnp.expm1(-2 * _linear_integral(self, t)))

    def log_snr(self, t: Any) -> Floats:
        b = _linear_integral(self, _check.times(t))
        return -b - 2 * jnp.log(-jnp.expm1(-b))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """2 times that of VP + dB: sigma^2 is that of VP squared."""
        t, s, whole = _apart(self, t, s)
        growth = _linear_integral_step(self, t, s)
        return _increment(whole, 2 * _vp_log_snr_step(_linear_integral(self, s), growth) + growth)

    def time_of_log_snr(self, l: Any) -> Floats:
        return _linear_time(self, 2 * jnp.arcsinh(jnp.exp(-_check.log_snrs(l) / 2) / 2))


@record
class CosineVP:
    r"""Variance preserving, cosine: alpha = cos(theta)/cos(theta_0), theta = (t + offset)/(1 + offset) pi/2.

    theta_0 = theta(0). f = -beta/2 and g^2 = beta with beta = pi/(1 + offset) tan(theta), infinite at t = 1.
    Source: Nichol and Dhariwal 2021, arXiv:2102.09672, eq. (17).  Domain: t in [0, 1], offset >= 0; f, g at t < 1.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.
    """

    offset: Scalar = 0.008

    def __post_init__(self) -> None:
        _check.not_negative(offset=self.offset)

    def _first(self) -> Array:
        return self.offset / (1 + self.offset) * HALF_PI

    def _passed(self, t: Any) -> Array:
        return t / (1 + self.offset) * HALF_PI  # theta - theta_0

    def _cos(self, t: Array) -> Array:
        return jnp.sin((1 - t) / (1 + self.offset) * HALF_PI)  # cos(pi/2) in float32 is -4.4e-8: a negative alpha

    def _sin(self, t: Array) -> Array:
        return jnp.sin(self._passed(t) + self._first())

    def _sin_of_both(self, t: Array, s: Array) -> Array:
        """sin(theta_t + theta_s) without the sum, which is near pi at t = 1: float32 would lose 4 digits."""
        return self._sin(t) * self._cos(s) + self._cos(t) * self._sin(s)

    def alpha(self, t: Any) -> Floats:
        return self._cos(_check.times(t)) / jnp.cos(self._first())

    def sigma(self, t: Any) -> Floats:
        """sigma^2 = (cos^2 theta_0 - cos^2 theta)/cos^2 theta_0, as a product of sines: nothing cancels at t = 0."""
        t = _check.times(t)
        steady = _steady(self, t)
        d, first = steady._passed(t), steady._first()
        return jnp.sqrt(jnp.sin(d) * jnp.sin(d + 2 * first)) / jnp.cos(first)

    def _rate(self, t: Array) -> Array:
        return jnp.pi / (1 + self.offset) * self._sin(t) / self._cos(t)

    def f(self, t: Any) -> Floats:
        return -self._rate(_check.times(t)) / 2

    def g(self, t: Any) -> Floats:
        return jnp.sqrt(self._rate(_check.times(t)))

    def log_snr(self, t: Any) -> Floats:
        t = _check.times(t)
        d = self._passed(t)
        return 2 * jnp.log(self._cos(t)) - jnp.log(jnp.sin(d)) - jnp.log(jnp.sin(d + 2 * self._first()))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-log1p((tau_t - tau_s)/tau_s), tau = (sigma/alpha)^2 and the difference of two 1/cos^2 as a product."""
        t, s, whole = _apart(self, t, s)
        first, d = self._first(), self._passed(s)
        ahead = self._passed(t - s)
        grown = jnp.cos(first) ** 2 * jnp.sin(ahead) * self._sin_of_both(t, s)
        return _increment(whole, -jnp.log1p(grown / (self._cos(t) ** 2 * jnp.sin(d) * jnp.sin(d + 2 * first))))

    def time_of_log_snr(self, l: Any) -> Floats:
        """tan(theta - theta_0) = c q/(s_0 + sqrt(p (s_0^2 + c^2 q))), p = sigmoid(l), q = sigmoid(-l)."""
        l = _check.log_snrs(l)
        c, s0 = jnp.cos(self._first()), jnp.sin(self._first())
        p, q = jax.nn.sigmoid(l), jax.nn.sigmoid(-l)
        passed = jnp.arctan2(c * q, s0 + jnp.sqrt(p * (s0**2 + c**2 * q)))
        return passed / HALF_PI * (1 + self.offset)


@record
class VE:
    r"""Variance exploding: alpha = 1, sigma^2 = sigma_min^2 ((sigma_max/sigma_min)^(2t) - 1).

    f = 0, g^2 = 2 log(r) sigma_min^2 r^(2t), r = sigma_max/sigma_min.  The -1 makes sigma(0) = 0: without it the kernel
    is not the solution of the SDE started at x_0.  Source: Song et al. 2021, arXiv:2011.13456, eqs. (9), (29).
    sigma: data units.  Domain: t in [0, 1], 0 < sigma_min < sigma_max.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, FWD-15, NUM-02, NUM-10.
    """

    sigma_min: Scalar = 0.01
    sigma_max: Scalar = 50.0

    def __post_init__(self) -> None:
        _check.positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        if _check.is_concrete(self.sigma_min, self.sigma_max):
            _check.require(
                self.sigma_max > self.sigma_min,
                f"sigma_max must exceed sigma_min, got sigma_min={self.sigma_min} and sigma_max={self.sigma_max}",
            )

    def _growth(self, t: Array) -> Array:
        return 2 * jnp.log(self.sigma_max / self.sigma_min) * t

    def alpha(self, t: Any) -> Floats:
        return jnp.ones_like(_check.times(t))

    def sigma(self, t: Any) -> Floats:
        t = _check.times(t)
        steady = _steady(self, t)
        return steady.sigma_min * jnp.sqrt(jnp.expm1(steady._growth(t)))

    def f(self, t: Any) -> Floats:
        return jnp.zeros_like(_check.times(t))

    def g(self, t: Any) -> Floats:
        growth = self._growth(_check.times(t))
        return self.sigma_min * jnp.exp(growth / 2) * jnp.sqrt(2 * jnp.log(self.sigma_max / self.sigma_min))

    def log_snr(self, t: Any) -> Floats:
        growth = self._growth(_check.times(t))
        return -growth - jnp.log(-jnp.expm1(-growth)) - 2 * jnp.log(self.sigma_min)

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = _apart(self, t, s)
        return _increment(whole, _vp_log_snr_step(self._growth(s), self._growth(t - s)))

    def time_of_log_snr(self, l: Any) -> Floats:
        l = _check.log_snrs(l)
        growth = jax.nn.softplus(-l - 2 * jnp.log(self.sigma_min))  # log(1 + sigma^2/sigma_min^2)
        return growth / (2 * jnp.log(self.sigma_max / self.sigma_min))


@record
class EDM:
    r"""alpha = 1, sigma = sigma_max t; f = 0, g^2 = 2 sigma_max^2 t.  Karras' own time is sigma = sigma_max t.

    Source: Karras et al. 2022, arXiv:2206.00364, Table 1.  sigma: data units.  Domain: t in [0, 1], sigma_max > 0.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02.
    """

    sigma_max: Scalar = 80.0

    def __post_init__(self) -> None:
        _check.positive(sigma_max=self.sigma_max)

    def alpha(self, t: Any) -> Floats:
        return jnp.ones_like(_check.times(t))

    def sigma(self, t: Any) -> Floats:
        return self.sigma_max * _check.times(t)

    def f(self, t: Any) -> Floats:
        return jnp.zeros_like(_check.times(t))

    def g(self, t: Any) -> Floats:
        return self.sigma_max * jnp.sqrt(2 * _check.times(t))

    def log_snr(self, t: Any) -> Floats:
        return -2 * jnp.log(self.sigma_max * _check.times(t))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = _apart(self, t, s)
        return _increment(whole, -2 * jnp.log1p((t - s) / s))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jnp.exp(-_check.log_snrs(l) / 2) / self.sigma_max


@record
class RectifiedFlow:
    r"""The straight path alpha = 1 - t, sigma = t; f = -1/(1 - t), g^2 = 2t/(1 - t).

    Source: Liu et al. 2023, arXiv:2209.03003, eq. (1), with time reversed: there 0 is noise.
    Domain: t in [0, 1]; f and g at t < 1.  Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-10.
    """

    def alpha(self, t: Any) -> Floats:
        return 1 - _check.times(t)

    def sigma(self, t: Any) -> Floats:
        return _check.times(t)

    def f(self, t: Any) -> Floats:
        return -1 / (1 - _check.times(t))

    def g(self, t: Any) -> Floats:
        t = _check.times(t)
        return jnp.sqrt(2 * t / (1 - t))

    def log_snr(self, t: Any) -> Floats:
        t = _check.times(t)
        return 2 * jnp.log((1 - t) / t)

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = _apart(self, t, s)
        return _increment(whole, -2 * jnp.log1p((t - s) / (s * (1 - t))))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jax.nn.sigmoid(-_check.log_snrs(l) / 2)


@record
class Trig:
    r"""The quarter circle alpha = cos(pi t/2), sigma = sin(pi t/2); f = -(pi/2) tan(pi t/2), g^2 = pi tan(pi t/2).

    Source: Albergo and Vanden-Eijnden 2023, arXiv:2209.15571, eq. (5), with time reversed: there 0 is noise.
    It is `CosineVP(0)`.
    Domain: t in [0, 1]; f and g at t < 1.  Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-03, NUM-10.
    """

    def alpha(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * (1 - _check.times(t)))  # cos(pi/2) in float32 is -4.4e-8

    def sigma(self, t: Any) -> Floats:
        return jnp.sin(HALF_PI * _check.times(t))

    def _tan(self, t: Array) -> Array:
        return jnp.sin(HALF_PI * t) / jnp.sin(HALF_PI * (1 - t))  # 1/tan(pi/2 (1 - t)) keeps 4 digits at t = 1e-3 in float32

    def f(self, t: Any) -> Floats:
        return -HALF_PI * self._tan(_check.times(t))

    def g(self, t: Any) -> Floats:
        return jnp.sqrt(jnp.pi * self._tan(_check.times(t)))

    def log_snr(self, t: Any) -> Floats:
        t = _check.times(t)
        return 2 * (jnp.log(jnp.sin(HALF_PI * (1 - t))) - jnp.log(jnp.sin(HALF_PI * t)))

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        """-2 log of tan(theta_t)/tan(theta_s) = 1 + sin(theta_t - theta_s)/(cos(theta_t) sin(theta_s))."""
        t, s, whole = _apart(self, t, s)
        grown = jnp.sin(HALF_PI * (t - s)) / (jnp.sin(HALF_PI * (1 - t)) * jnp.sin(HALF_PI * s))
        return _increment(whole, -2 * jnp.log1p(grown))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jnp.arctan(jnp.exp(-_check.log_snrs(l) / 2)) / HALF_PI


# --- what every process gives ----------------------------------------------------------------------------------------


def rates(process: Process, t: Scalar) -> Rates:
    """The time derivatives alpha'(t) and sigma'(t), by automatic differentiation.

    t: scalar time.  Domain: sigma'(0) is infinite for VP, CosineVP and VE, whose sigma starts as sqrt(t).
    Claims: FWD-02, FWD-21.
    """
    t = _check.time(t)
    one = jnp.ones_like(t)
    return Rates(jax.jvp(process.alpha, (t,), (one,))[1], jax.jvp(process.sigma, (t,), (one,))[1])


def log_snr_density(process: Process, l: Any) -> Floats:
    r"""p(l) = |dt/dl|: the density of the log-SNR of a time drawn uniformly from [0, 1], by automatic differentiation.

    For the rectified flow sech^2(l/4)/8, for `Trig` sech(l/2)/(2 pi).  l: any shape.  Returns that shape.
    Source: Kingma and Gao 2023, arXiv:2303.00848.  Domain: l(1) <= l; below l(1) no time has this l and the density is 0,
    where the formula goes on.  Claims: FWD-17, NUM-11, LIT-13.
    """
    l = _check.log_snrs(l)
    return -jax.jvp(process.time_of_log_snr, (l,), (jnp.ones_like(l),))[1]


def transition(process: Process, t: Scalar, s: Scalar) -> Transition:
    r"""x_t | x_s ~ N(alpha_{t|s} x_s, sigma_{t|s}^2 I), s <= t: the pair (alpha_{t|s}, sigma_{t|s}).

    alpha_{t|s} = alpha_t/alpha_s and sigma_{t|s}^2 = -sigma_t^2 expm1(l_t - l_s), with the closed-form increment.
    Source: Kingma et al. 2021, arXiv:2107.00630, Appendix A.  t, s: scalar times.  Domain: alpha(s) > 0.
    Raises ValueError if s > t or a time is no scalar.  Claims: FWD-04, FWD-15, FWD-21, BRN-06, NUM-02, NUM-10, NUM-11.
    """
    t, s = _check.step_times(t, s)
    spread = jnp.sqrt(-jnp.expm1(process.log_snr_step(t, s)))
    return Transition(process.alpha(t) / process.alpha(s), process.sigma(t) * spread)


def perturb(process: Process, x0: Points, eps: Points, t: Scalar) -> Points:
    r"""x_t = alpha(t) x_0 + sigma(t) eps.                     Song et al. 2021, arXiv:2011.13456, eq. (29).

    x0, eps: data units and 1, one shape.  t: scalar time in [0, 1].  Returns x_t, shape and dtype of x0.
    Raises ValueError if x0 and eps differ in shape (broadcasting is refused) or t is no scalar.
    Claims: FWD-01, FWD-21, NUM-10, NUM-11, API-08.
    """
    x0, eps = _check.same_shape(x0=x0, eps=eps)
    t = _check.time(t)
    return (process.alpha(t) * x0 + process.sigma(t) * eps).astype(x0.dtype)
