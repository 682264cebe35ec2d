"""Time grids: plain arrays of N + 1 decreasing times, from noise (1) towards data (0)."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from diffx import _arguments
from diffx._types import Points, Scalar
from diffx.processes.protocol import Process


def uniform(n: int, *, t_max: Scalar = 1.0, t_min: Scalar = 0.0) -> Float[Array, "{n}+1"]:
    """t_i = t_max + (t_min - t_max) i/n.

    Units: the grid (n + 1,), decreasing.
    Domain: 0 <= t_min < t_max <= 1.
    Raises: TypeError or ValueError unless n is an integer >= 1.
    Source: the definition.
    Also called: linear timesteps, uniform time grid, linspace of times.
    Claims: FWD-19.

    >>> diffx.uniform(2).tolist()
    [1.0, 0.5, 0.0]
    """
    t_max, t_min = _ends(t_max, t_min)
    return _arguments.grid(jnp.linspace(t_max, t_min, _arguments.count("n", n) + 1))


def _ends(t_max: Any, t_min: Any) -> tuple[Array, Array]:
    t_max, t_min = _arguments.time(t_max, "t_max"), _arguments.time(t_min, "t_min")
    message = lambda a, b: (
        f"a grid goes from t_max down to t_min, got t_max={a} and t_min={b}; swap them"
    )
    _arguments.require_that(lambda t_max, t_min: t_min < t_max, message, t_max, t_min)
    return t_max, t_min


def uniform_log_snr(
    process: Process, n: int, *, t_max: Scalar | None = None, t_min: Scalar = 1e-3
) -> Float[Array, "{n}+1"]:
    """l(t_i) uniform from l(t_max) to l(t_min).

    t_max is by default 1, or 0.999 where alpha(1) = 0.

    Units: the grid (n + 1,), decreasing.
    Domain: 0 < t_min < t_max <= 1.
    Raises: ValueError where an end has no finite log-SNR: t_min = 0, or t_max = 1 where alpha(1) =
        0.
    Source: Lu et al. 2022, arXiv:2206.00927.
    Also called: logSNR time grid, uniform lambda, exponential schedule, k-diffusion
        get_sigmas_exponential, smalldiffusion ScheduleLogLinear, diffusers use_lu_lambdas.
    Claims: FWD-05.

    >>> diffx.grids.uniform_log_snr(process, 4).shape
    (5,)
    """
    if t_max is None:
        t_max = jnp.where(process.alpha(1.0) > 0, 1.0, 0.999)
    t_max, t_min = _ends(t_max, t_min)
    ends = process.log_snr(t_max), process.log_snr(t_min)
    message = lambda first, last: (
        f"log-SNR must be finite at both ends, got {first} at t_max={t_max} and {last} at "
        f"t_min={t_min}; "
        "where alpha(1) = 0 give t_max < 1, for example 0.999, and always t_min > 0"
    )
    _arguments.require_finite(message, *ends)
    ts = process.time_of_log_snr(jnp.linspace(*ends, _arguments.count("n", n) + 1))
    return _arguments.grid(ts.at[0].set(t_max).at[-1].set(t_min))


def karras(
    process: Process,
    n: int,
    *,
    sigma_min: Scalar = 0.002,
    sigma_max: Scalar | None = None,
    rho: Scalar = 7.0,
) -> Float[Array, "{n}+1"]:
    """sigma_i^(1/rho) uniform from sigma_max to sigma_min in n nodes, then 0.

    sigma here is the noise-to-signal ratio sigma(t)/alpha(t): t_i = time_of_log_snr(-2 log
    sigma_i). sigma_max is by default sigma(1)/alpha(1), or 80 where that is infinite.

    Units: sigma_min and sigma_max in data units; the grid (n + 1,), decreasing.
    Domain: n >= 2, 0 < sigma_min < sigma_max, rho > 0.
    Raises: ValueError where sigma_max is beyond the process: there sigma(1)/alpha(1) is smaller.
    Source: Karras et al. 2022, arXiv:2206.00364, eq. (5).
    Also called: Karras schedule, Karras sigmas, k-diffusion get_sigmas_karras, rho schedule,
        diffusers use_karras_sigmas.
    Claims: FWD-05, LIT-08.

    >>> diffx.karras(diffx.EDM(), 4).shape
    (5,)
    """
    _arguments.positive(sigma_min=sigma_min, rho=rho)
    largest = jnp.exp(-process.log_snr(1.0) / 2)
    if sigma_max is None:
        sigma_max = jnp.where(jnp.isfinite(largest), largest, 80.0)
    message = lambda low, high: (
        f"sigma_min must be below sigma_max, got {low} and {high}; swap them"
    )
    _arguments.require_that(lambda low, high: low < high, message, sigma_min, sigma_max)
    u = jnp.linspace(0.0, 1.0, _arguments.count("n", n, least=2))
    sigmas = (sigma_max ** (1 / rho) + u * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    ts = process.time_of_log_snr(-2 * jnp.log(sigmas))
    # sigma_max = sigma(1) is the usual choice and rounds to either side of 1
    last = 1 + 16 * jnp.finfo(ts.dtype).eps
    message = lambda _, largest: (
        f"sigma_max={sigma_max} is beyond this process, whose sigma(1)/alpha(1) is {largest:.6g}; "
        "give a smaller sigma_max"
    )
    _arguments.require_that(lambda ts, _: ts[0] <= last, message, ts, largest)
    return _arguments.grid(jnp.append(jnp.where(ts <= last, jnp.minimum(ts, 1), ts), 0.0))


def _nodes(steps: Array, n_train: int) -> Array:
    return _arguments.grid(jnp.append(steps, 0) / n_train)


def _counts(n: Any, n_train: Any) -> tuple[int, int]:
    n, n_train = _arguments.count("n", n), _arguments.count("n_train", n_train)
    _arguments.require(
        n <= n_train, f"a chain of {n_train} steps has no {n} distinct nodes; give n <= n_train"
    )
    return n, n_train


def leading(n: int, n_train: int = 1000) -> Float[Array, "{n}+1"]:
    """Nodes 1 + i floor(T/n), i < n, of a chain of T = n_train steps, as times i/T, then 0.

    The first node lies far below T: the sampler never sees the noisiest time.

    Units: the grid (n + 1,), decreasing.
    Raises: ValueError unless 1 <= n <= n_train.
    Source: Lin et al. 2024, arXiv:2305.08891, Table 2.
    Also called: diffusers timestep_spacing (leading).
    Claims: FWD-19, LIT-02.

    >>> diffx.grids.leading(2, n_train=4).tolist()
    [0.75, 0.25, 0.0]
    """
    n, n_train = _counts(n, n_train)
    return _nodes(1 + jnp.arange(n - 1, -1, -1) * (n_train // n), n_train)


def linspace(n: int, n_train: int = 1000) -> Float[Array, "{n}+1"]:
    """Nodes round(linspace(T, 1, n)) of a chain of T = n_train steps, as times i/T, then 0.

    Units: the grid (n + 1,), decreasing.
    Raises: ValueError unless 1 <= n <= n_train.
    Source: Lin et al. 2024, arXiv:2305.08891, Table 2.
    Also called: diffusers timestep_spacing (linspace).
    Claims: FWD-19, LIT-02.

    >>> diffx.grids.linspace(2, n_train=4).tolist()
    [1.0, 0.25, 0.0]
    """
    n, n_train = _counts(n, n_train)
    return _nodes(jnp.round(jnp.linspace(n_train, 1, n)), n_train)


def trailing(n: int, n_train: int = 1000) -> Float[Array, "{n}+1"]:
    """Nodes round(T - i T/n), i < n, of a chain of T = n_train steps, as times i/T, then 0.

    Units: the grid (n + 1,), decreasing.
    Raises: ValueError unless 1 <= n <= n_train.
    Source: Lin et al. 2024, arXiv:2305.08891, Table 2.
    Also called: diffusers timestep_spacing (trailing).
    Claims: FWD-19, LIT-02.

    >>> diffx.trailing(2, n_train=4).tolist()
    [1.0, 0.5, 0.0]
    """
    n, n_train = _counts(n, n_train)
    return _nodes(jnp.round(jnp.arange(n, 0, -1) * (n_train / n)), n_train)


def equal_angle(
    process: Process, n: int, *, std: Scalar = 1.0, t_max: Scalar = 1.0, t_min: Scalar = 0.0
) -> Float[Array, "{n}+1"]:
    """phi(t_i) uniform, phi = atan2(sigma, alpha std): DDIM's best n-step grid for N(mu, std^2 I).

    The same grid is the best in KL for sigma = t, alpha = 1.

    Units: std in data units; the grid (n + 1,), decreasing.
    Domain: 0 <= t_min < t_max <= 1, std > 0.
    Source: derived here from DDIM's product of cosines (log cos is concave); in KL: Sabour et al.
        2024, arXiv:2404.14507, Theorem 3.1.
    Also called: Align Your Steps, AYS, optimal time grid, optimal timesteps, arctan schedule.
    Claims: FWD-05, REV-11, REV-13, LIT-14.

    >>> diffx.grids.equal_angle(process, 4).shape
    (5,)
    """
    _arguments.positive(std=std)
    t_max, t_min = _ends(t_max, t_min)
    first, last = (jnp.arctan2(process.sigma(t), process.alpha(t) * std) for t in (t_max, t_min))
    phi = jnp.linspace(first, last, _arguments.count("n", n) + 1)[1:-1]
    inner = process.time_of_log_snr(-2 * jnp.log(std * jnp.tan(phi)))
    return _arguments.grid(jnp.concatenate([t_max[None], inner, t_min[None]]))


def time_shift(ts: Points, shift: Scalar) -> Points:
    """t' = S t/(1 + (S - 1) t).

    For the rectified flow the log-SNR moves by -2 log S (S > 1: more steps in the noise). Stable
    Diffusion 3 has S = 3 and WAN S = 5.

    Units: ts times in [0, 1], any shape; the result has that shape.
    Raises: ValueError unless S > 0.
    Source: Esser et al. 2024, arXiv:2403.03206, eq. (23).
    Also called: timestep shift, SD3 shift, WAN shift, flow_shift, sigma shift, resolution-dependent
        shift, time_snr_shift.
    Claims: FWD-05, FWD-17, FM-11, LIT-12.

    >>> diffx.time_shift(jnp.array([1.0, 0.5, 0.0]), 3.0).tolist()
    [1.0, 0.75, 0.0]
    """
    _arguments.positive(shift=shift)
    ts = _arguments.times(ts, "ts")
    # 1 + (S - 1) t may round below S at t = 1, and the time then exceeds 1
    return shift * ts / (1 - ts + shift * ts)
