"""Noise schedules of the discrete chain, zero terminal SNR and respacing.

x_i | x_{i-1} ~ N(sqrt(1 - beta_i) x_{i-1}, beta_i I), i = 1..T; alphabar_i = prod_{j <= i} (1 -
beta_j).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from diffx import _arguments
from diffx._types import Betas, Scalar
from diffx.processes.cosine import CosineVP


def require_betas(betas: Any) -> Array:
    betas = _arguments.finite("betas", betas)
    _arguments.require(
        betas.ndim == 1 and betas.shape[0] >= 1,
        f"betas must have shape (T,) with T >= 1, got shape {betas.shape}",
    )
    if _arguments.is_concrete(betas):
        b = np.asarray(betas)
        _arguments.require(
            np.all(b > 0) and np.all(b[:-1] < 1) and b[-1] <= 1,
            "betas must lie in (0, 1), only the last may be 1 (zero terminal SNR), got "
            f"{b.min():g} to {b.max():g}",
        )
    return betas


def alpha_bar(betas: Betas) -> Betas:
    """alphabar_i = prod_{j <= i} (1 - beta_j), by the sum of log1p(-beta_j).

    Units: betas (T,), 1; the result (T,).
    Domain: betas in (0, 1).
    Raises: ValueError for betas outside (0, 1).
    Source: Ho et al. 2020, arXiv:2006.11239, eq. (4).
    Also called: alphas_cumprod, alpha bar, cumulative product of alphas, diffusers alphas_cumprod.
    Claims: FWD-10, FWD-12, NUM-09, LIT-01.
    """
    return jnp.exp(jnp.cumsum(jnp.log1p(-require_betas(betas))))


def linear_betas(
    n: int = 1000, *, first: Scalar = 1e-4, last: Scalar = 0.02
) -> Float[Array, "{n}"]:
    """beta_i linear from `first` to `last`.

    Units: n the number of steps; the result (n,).
    Domain: n >= 1, 0 < first, last < 1.
    Source: Ho et al. 2020, arXiv:2006.11239, section 4.
    Also called: linear noise schedule, DDPM schedule, beta_schedule linear, noise schedule,
        smalldiffusion ScheduleDDPM.
    Claims: FWD-10, FWD-12, LIT-01, LIT-09.

    >>> diffx.processes.linear_betas(1000).shape
    (1000,)
    """
    return require_betas(jnp.linspace(first, last, _arguments.count("n", n)))


def scaled_linear_betas(
    n: int = 1000, *, first: Scalar = 0.00085, last: Scalar = 0.012
) -> Float[Array, "{n}"]:
    """sqrt(beta_i) linear: the schedule of Stable Diffusion.

    Units: n the number of steps; the result (n,).
    Domain: n >= 1, 0 < first, last < 1.
    Source: the code of Rombach et al. 2022, arXiv:2112.10752.
    Also called: scaled linear noise schedule, Stable Diffusion noise schedule, beta_schedule
        scaled_linear, smalldiffusion ScheduleLDM.
    Claims: FWD-12, LIT-01.

    >>> diffx.processes.scaled_linear_betas(1000).shape
    (1000,)
    """
    return require_betas(
        jnp.linspace(jnp.sqrt(first), jnp.sqrt(last), _arguments.count("n", n)) ** 2
    )


def cosine_betas(
    n: int = 1000, *, offset: Scalar = 0.008, largest: Scalar = 0.999
) -> Float[Array, "{n}"]:
    """beta_i = min(1 - alphabar(i/n)/alphabar((i - 1)/n), largest) of the cosine path.

    Units: n the number of steps; the result (n,).
    Domain: n >= 1.
    Source: Nichol and Dhariwal 2021, arXiv:2102.09672, eq. (17) and the text below it.
    Also called: cosine noise schedule, improved DDPM schedule, beta_schedule squaredcos_cap_v2,
        diffusers betas_for_alpha_bar, smalldiffusion ScheduleCosine.
    Claims: FWD-12, LIT-01.

    >>> diffx.processes.cosine_betas(1000).shape
    (1000,)
    """
    ts = jnp.arange(_arguments.count("n", n) + 1) / n
    path, t, s = CosineVP(offset), ts[1:], ts[:-1]
    fallen = jnp.sin(path._passed(1 / n)) * path._sin_of_both(t, s)  # cos^2 theta_s - cos^2 theta_t
    return require_betas(jnp.minimum(fallen / path._cos(s) ** 2, largest))


def zero_terminal_snr(betas: Betas) -> Betas:
    """sqrt(alphabar) shifted and rescaled: the first is kept and the last is 0, so that beta_T = 1.

    sqrt(alphabar_i)' = (sqrt(alphabar_i) - sqrt(alphabar_T)) sqrt(alphabar_1)/(sqrt(alphabar_1) -
    sqrt(alphabar_T)). At t = 1 eps-prediction is then undefined: use x0 or v.

    Units: betas (T,), T >= 2; the result (T,).
    Source: Lin et al. 2024, arXiv:2305.08891, Algorithm 1.
    Also called: zero terminal SNR, ZTSNR, rescale_betas_zero_snr, diffusers
        rescale_zero_terminal_snr.
    Claims: FWD-11.
    """
    betas = require_betas(betas)
    _arguments.require(
        betas.shape[0] >= 2,
        "zero_terminal_snr needs T >= 2: the first alphabar is kept and the last becomes 0",
    )
    logs = jnp.log1p(-betas)
    # of sqrt(alphabar) over each link after the first
    fall = jnp.exp(jnp.cumsum(logs[:-1]) / 2) * -jnp.expm1(logs[1:] / 2)
    # of the way down to the last; the rescale cancels
    share = fall / jax.lax.cumsum(fall, reverse=True)
    # 1 - (1 - share)^2; 1 - ratio^2 keeps 3 digits in float32
    return jnp.concatenate([betas[:1], share * (2 - share)])


def respace(betas: Betas, steps: Int[Array, "N"]) -> Float[Array, "N"]:
    """beta'_i = 1 - alphabar_{steps_i}/alphabar_{steps_{i-1}}: the chain on a sub-grid.

    It has the same marginals.

    Units: betas (T,); steps increasing integers in 1..T, (N,), or all rows of a batch by vmap; the
        result (N,).
    Raises: ValueError for steps that do not increase.
    Source: Nichol and Dhariwal 2021, arXiv:2102.09672, section 4.
    Also called: respacing, timestep respacing, strided sampling, SpacedDiffusion.
    Claims: FWD-18.
    """
    betas, steps = require_betas(betas), _check_steps(steps, betas.shape[0])
    total = jnp.concatenate([jnp.zeros_like(betas[:1]), jnp.cumsum(jnp.log1p(-betas))])
    ends = jnp.concatenate([jnp.zeros_like(steps[:1]), steps])
    return -jnp.expm1(total[ends[1:]] - total[ends[:-1]])


def _check_steps(steps: Any, n: int) -> Array:
    steps = jnp.asarray(steps)
    if not jnp.issubdtype(steps.dtype, jnp.integer):
        raise TypeError(
            f"steps must be integers in 1..{n}, got {steps.dtype}; round them: "
            "jnp.round(steps).astype(int)"
        )
    _arguments.require(
        steps.ndim == 1 and steps.shape[0] >= 1,
        f"steps must have shape (N,) with N >= 1, got {steps.shape}",
    )
    if _arguments.is_concrete(steps):
        numbers = np.asarray(steps)
        _arguments.require(
            numbers[0] >= 1 and numbers[-1] <= n and np.all(np.diff(numbers) > 0),
            f"steps must increase strictly within 1..{n}, got {numbers}; a grid of times gives "
            "them as ts[:-1][::-1] * T",
        )
    return steps
