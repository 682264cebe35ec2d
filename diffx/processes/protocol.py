r"""What every forward process offers, and what follows from it.

x_t = alpha(t) x_0 + sigma(t) eps is the solution of dx = f(t) x dt + g(t) dw from x_0. Time 0 is data and time 1 is
noise, for every process. The safe coordinate is the log-SNR l = log(alpha^2/sigma^2). Every method takes times of any
shape and answers in their dtype; where an x is involved, time is one scalar.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats, Number, Points, Scalar


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


def rates(process: Process, t: Scalar) -> Rates:
    """The time derivatives alpha'(t) and sigma'(t), by automatic differentiation.

    t: scalar time.  Domain: sigma'(0) is infinite for VP, CosineVP and VE, whose sigma starts as sqrt(t).
    Claims: FWD-02, FWD-21.
    """
    t = _arguments.time(t)
    one = jnp.ones_like(t)
    return Rates(jax.jvp(process.alpha, (t,), (one,))[1], jax.jvp(process.sigma, (t,), (one,))[1])


def log_snr_density(process: Process, l: Any) -> Floats:
    r"""p(l) = |dt/dl|: the density of the log-SNR of a time drawn uniformly from [0, 1], by automatic differentiation.

    For the rectified flow sech^2(l/4)/8, for `Trig` sech(l/2)/(2 pi).  l: any shape.  Returns that shape.
    Source: Kingma and Gao 2023, arXiv:2303.00848.  Domain: l(1) <= l; below l(1) no time has this l and the density is 0,
    where the formula goes on.  Claims: FWD-17, NUM-11, LIT-13.
    """
    l = _arguments.log_snrs(l)
    return -jax.jvp(process.time_of_log_snr, (l,), (jnp.ones_like(l),))[1]


def transition(process: Process, t: Scalar, s: Scalar) -> Transition:
    r"""x_t | x_s ~ N(alpha_{t|s} x_s, sigma_{t|s}^2 I), s <= t: the pair (alpha_{t|s}, sigma_{t|s}).

    alpha_{t|s} = alpha_t/alpha_s and sigma_{t|s}^2 = -sigma_t^2 expm1(l_t - l_s), with the closed-form increment.
    Source: Kingma et al. 2021, arXiv:2107.00630, Appendix A.  t, s: scalar times.  Domain: alpha(s) > 0.
    Raises ValueError if s > t or a time is no scalar.  Claims: FWD-04, FWD-15, FWD-21, BRN-06, NUM-02, NUM-10, NUM-11.
    """
    t, s = _arguments.step_times(t, s)
    spread = jnp.sqrt(-jnp.expm1(process.log_snr_step(t, s)))
    return Transition(process.alpha(t) / process.alpha(s), process.sigma(t) * spread)


def perturb(process: Process, x0: Points, eps: Points, t: Scalar) -> Points:
    r"""x_t = alpha(t) x_0 + sigma(t) eps.                     Song et al. 2021, arXiv:2011.13456, eq. (29).

    x0, eps: data units and 1, one shape.  t: scalar time in [0, 1].  Returns x_t, shape and dtype of x0.
    Raises ValueError if x0 and eps differ in shape (broadcasting is refused) or t is no scalar.
    Claims: FWD-01, FWD-21, NUM-10, NUM-11, API-08.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    t = _arguments.time(t)
    return (process.alpha(t) * x0 + process.sigma(t) * eps).astype(x0.dtype)
