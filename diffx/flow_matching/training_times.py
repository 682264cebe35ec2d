"""Times for training and their densities pi(t): E_pi[loss(t)] = int pi(t) loss(t) dt.

`time_shift` of a time moves its logit by log S: shifted uniform times are
time_shift(uniform_times(key, shape), S) and have the density `shift_density`; shifted logit-normal
times are logit-normal with mean + log S.
"""

from typing import Any

import jax
import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats, Scalar


def uniform_times(key: Any, shape: tuple[int, ...] = ()) -> Floats:
    """Independent times, uniform on [0, 1): pi(t) = 1.

    Units: shape a tuple of integers; the result in jax's default float type.
    Raises: TypeError for a key that is not a jax.random key or a shape that is not a tuple.
    Source: Lipman et al. 2023, arXiv:2210.02747.
    Also called: uniform timestep sampling.
    Claims: FM-13.
    """
    return jax.random.uniform(key, _arguments.draws(key, shape), jnp.result_type(float))


def logit_normal_times(
    key: Any, shape: tuple[int, ...] = (), *, mean: Scalar = 0.0, std: Scalar = 1.0
) -> Floats:
    """Independent times t = sigmoid(mean + std z), z standard normal.

    There are more of them near the middle; see the density. In float32 a logit above 17 gives t =
    1.

    Raises: ValueError unless std > 0.
    Source: Esser et al. 2024, arXiv:2403.03206, section 3.1.
    Also called: logit-normal timestep sampling, SD3 timestep sampling, diffusers
        compute_density_for_timestep_sampling.
    Claims: FM-13.
    """
    _arguments.number("mean", mean)
    _arguments.positive(std=std)
    return jax.nn.sigmoid(
        mean + std * jax.random.normal(key, _arguments.draws(key, shape), jnp.result_type(float))
    )


def logit_normal_density(t: Any, *, mean: Scalar = 0.0, std: Scalar = 1.0) -> Floats:
    """pi(t) = exp(-(logit t - mean)^2/(2 std^2))/(std sqrt(2 pi) t (1 - t)).

    Here logit t = log(t/(1 - t)). `time_shift` by S turns (mean, std) into (mean + log S, std); the
    median is sigmoid(mean).

    Units: t any shape; the result in 1/time.
    Domain: t in (0, 1).
    Raises: ValueError unless std > 0.
    Source: Esser et al. 2024, arXiv:2403.03206, section 3.1.
    Also called: logit-normal density, timestep density.
    Claims: FM-13.
    """
    _arguments.number("mean", mean)
    _arguments.positive(std=std)
    t = _arguments.times(t)
    z = (jnp.log(t) - jnp.log1p(-t) - mean) / std
    return jnp.exp(-(z**2) / 2) / (std * jnp.sqrt(2 * jnp.pi) * t * (1 - t))


def shift_density(t: Any, *, shift: Scalar) -> Floats:
    """pi(t) = S/(S (1 - t) + t)^2: the density of time_shift(uniform time, S).

    Its median is S/(1 + S).

    Units: t any shape; the result in 1/time.
    Domain: t in [0, 1].
    Raises: ValueError unless S > 0.
    Source: the derivative of the inverse of Esser et al. 2024, arXiv:2403.03206, eq. (23).
    Also called: density of shifted timesteps.
    Claims: FM-13.
    """
    _arguments.positive(shift=shift)
    t = _arguments.times(t)
    return shift / (shift * (1 - t) + t) ** 2
