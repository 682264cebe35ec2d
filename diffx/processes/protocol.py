"""The members of every forward process, and what follows from them.

x_t = alpha(t) x_0 + sigma(t) eps is the solution of dx = f(t) x dt + g(t) dw from x_0. Time 0 is
data and time 1 is noise, for every process. The safe coordinate is the log-SNR l =
log(alpha^2/sigma^2). Every method takes times of any shape and answers in their dtype; where an x
is involved, time is one scalar.

A process is its path. Decorated with `gaussian_path`, a class owes alpha, sigma, the increment of
the log-SNR and its inverse, and says what it is in four class attributes; f, g and the log-SNR
follow.
"""

from typing import Any, NamedTuple, Protocol, TypeVar, dataclass_transform, runtime_checkable

import jax
import jax.numpy as jnp

from diffx import _arguments
from diffx._pytrees import record
from diffx._types import Floats, Number, Points, Scalar

T = TypeVar("T")


@runtime_checkable
class Process(Protocol):
    """The protocol of a forward process; any object with these members is one.

    `jax.tree_util` must know it as a pytree. Every method works element by element. Ask the object
    and not its class: `DDPMChain` derives two of these facts from its betas.

    - variance_preserving: alpha^2 + sigma^2 = 1 at every time.
    - pure_noise_at_1: alpha(1) = 0, so that x_1 is independent of the data, of log-SNR -inf.
    - finite_rates_at_0, finite_rates_at_1: alpha' and sigma' are finite at that end, whatever the
      parameters; false where sigma begins as sqrt(t), or alpha ends as sqrt(1 - t).

    Units: t, s and l arrays of any shape, float32 or float64.
    Also called: noise schedule, forward process, forward SDE, diffusion process.
    Claims: FWD-01, FWD-02, FWD-05, NUM-11, API-08.
    """

    @property
    def variance_preserving(self) -> bool: ...
    @property
    def pure_noise_at_1(self) -> bool: ...
    @property
    def finite_rates_at_0(self) -> bool: ...
    @property
    def finite_rates_at_1(self) -> bool: ...

    def alpha(self, t: Any) -> Floats: ...
    def sigma(self, t: Any) -> Floats: ...
    def f(self, t: Any) -> Floats: ...
    def g(self, t: Any) -> Floats: ...
    def log_snr(self, t: Any) -> Floats: ...
    def log_snr_step(self, t: Any, s: Any) -> Floats: ...
    def time_of_log_snr(self, l: Any) -> Floats: ...


OWED = ("alpha", "sigma", "log_snr_step", "time_of_log_snr")
FACTS = ("variance_preserving", "pure_noise_at_1", "finite_rates_at_0", "finite_rates_at_1")


def f_of_path(process: Any, t: Any) -> Floats:
    """f = alpha'/alpha, by automatic differentiation."""
    alpha, rate = _with_rate(process.alpha, t)
    return rate / alpha


def g_of_path(process: Any, t: Any) -> Floats:
    """g^2 = (sigma^2)' - 2 f sigma^2, by automatic differentiation; -2 f if variance preserving.

    Where sigma begins as sqrt(t), (sigma^2)' is 0 times infinity at t = 0, which is NaN: such a
    process writes g out, unless it is variance preserving.
    """
    f = process.f(t)
    if process.variance_preserving:
        return jnp.sqrt(-2 * f)
    sigma, rate = _with_rate(process.sigma, t)
    return jnp.sqrt(2 * sigma * (rate - f * sigma))


def log_snr_of_path(process: Any, t: Any) -> Floats:
    """l = 2 log(alpha/sigma)."""
    return 2 * jnp.log(process.alpha(t) / process.sigma(t))


def _with_rate(path: Any, t: Any) -> tuple[Floats, Floats]:
    t = _arguments.times(t)
    return jax.jvp(path, (t,), (jnp.ones_like(t),))


DERIVED = {"f": f_of_path, "g": g_of_path, "log_snr": log_snr_of_path}


@dataclass_transform(frozen_default=True)
def gaussian_path(cls: type[T]) -> type[T]:
    """A class as a process: a frozen dataclass and a pytree; f, g and log_snr follow from its path.

    cls has the methods alpha(t), sigma(t), log_snr_step(t, s), time_of_log_snr(l) and the four
    facts of `Process`; its annotated fields are its parameters. It may write out f, g or log_snr,
    where rounding or an end of time needs it. A type checker sees what the class body names: `f, g,
    log_snr = f_of_path, g_of_path, log_snr_of_path`.

    Raises: TypeError where a method or a fact is missing.
    Also called: custom noise schedule, your own process.
    Claims: FWD-02.
    """
    missing = [name for name in (*OWED, *FACTS) if not hasattr(cls, name)]
    if missing:
        raise TypeError(
            f"{cls.__name__} must define {', '.join(missing)}: a process owes the methods "
            f"{', '.join(OWED)} "
            f"and the class attributes {', '.join(FACTS)}; see diffx.processes.Process"
        )
    for name, derived in DERIVED.items():
        if not hasattr(cls, name):
            setattr(cls, name, derived)
    return record(cls)


class Transition(NamedTuple):
    """The pair of x_t | x_s ~ N(alpha x_s, sigma^2 I)."""

    alpha: Number
    sigma: Number


class Rates(NamedTuple):
    """The time derivatives alpha'(t) and sigma'(t)."""

    alpha: Number
    sigma: Number


def rates(process: Process, t: Scalar) -> Rates:
    """The time derivatives alpha'(t) and sigma'(t), by automatic differentiation.

    Units: 1/time; t a scalar.
    Domain: t = 0 and t = 1 only where `finite_rates_at_0` and `finite_rates_at_1` hold; elsewhere
        inf or NaN.
    Source: the chain rule.
    Also called: path derivatives, d_alpha_t, d_sigma_t.
    Claims: FWD-02, FWD-21.
    """
    t = _arguments.time(t)
    one = jnp.ones_like(t)
    return Rates(jax.jvp(process.alpha, (t,), (one,))[1], jax.jvp(process.sigma, (t,), (one,))[1])


def log_snr_density(process: Process, l: Any) -> Floats:
    """p(l) = |dt/dl|: the density of the log-SNR of a time drawn uniformly from [0, 1].

    By automatic differentiation. For the rectified flow it is sech^2(l/4)/8, for `Trig`
    sech(l/2)/(2 pi). Below l(1) no time has this l and the density is 0, where the formula goes on.

    Units: l any shape; the result has its shape.
    Domain: l(1) <= l.
    Source: Kingma and Gao 2023, arXiv:2303.00848.
    Also called: noise distribution, implied weighting, density of log-SNR, lambda distribution.
    Claims: FWD-17, NUM-11, LIT-13.
    """
    l = _arguments.log_snrs(l)
    return -jax.jvp(process.time_of_log_snr, (l,), (jnp.ones_like(l),))[1]


def transition(process: Process, t: Scalar, s: Scalar) -> Transition:
    """x_t | x_s ~ N(alpha_{t|s} x_s, sigma_{t|s}^2 I), s <= t: the pair (alpha_{t|s}, sigma_{t|s}).

    alpha_{t|s} = alpha_t/alpha_s and sigma_{t|s}^2 = -sigma_t^2 expm1(l_t - l_s), with the
    closed-form increment.

    Domain: alpha(s) > 0.
    Raises: ValueError if s > t or a time is not a scalar.
    Source: Kingma et al. 2021, arXiv:2107.00630, Appendix A.
    Also called: forward transition, transition kernel, q(x_t | x_s), perturbation kernel.
    Claims: FWD-04, FWD-15, FWD-21, BRN-06, NUM-02, NUM-10, NUM-11.
    """
    t, s = _arguments.step_times(t, s)
    spread = jnp.sqrt(-jnp.expm1(process.log_snr_step(t, s)))
    return Transition(process.alpha(t) / process.alpha(s), process.sigma(t) * spread)


def perturb(process: Process, x0: Points, eps: Points, t: Scalar) -> Points:
    """x_t = alpha(t) x_0 + sigma(t) eps.

    Units: x0 in data units, eps dimensionless, one shape; x_t has the shape and dtype of x0.
    Domain: t in [0, 1].
    Raises: ValueError if x0 and eps have different shapes (broadcasting is refused) or t is not a
        scalar.
    Source: Song et al. 2021, arXiv:2011.13456, eq. (29).
    Also called: forward process, noising, q_sample, add_noise, reparametrisation, reparametrisation
        trick, q(x_t | x_0), diffusers add_noise, flow_matching AffineProbPath.
    Claims: FWD-01, FWD-21, NUM-10, NUM-11, API-08.
    """
    x0, eps = _arguments.same_shape(x0=x0, eps=eps)
    t = _arguments.time(t)
    return (process.alpha(t) * x0 + process.sigma(t) * eps).astype(x0.dtype)
