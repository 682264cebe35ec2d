"""Arrays of a dtype, and how many examples a slow test draws."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import Phase, settings


def halve(x, t):
    return x / 2


def arrays_of(dtype, *values):
    return tuple(jnp.asarray(value, dtype) for value in values)


FEW_PAIRS = settings(max_examples=max(2, settings.default.max_examples // 3))  # pyright: ignore[reportOptionalMemberAccess]


def cast(dtype, *arrays):
    return [jnp.asarray(a, dtype) for a in arrays]


FEW = settings(  # an example runs all processes: shrinking one would take minutes
    max_examples=max(2, settings.default.max_examples // 4),  # pyright: ignore[reportOptionalMemberAccess]
    phases=(Phase.explicit, Phase.generate),
)


def precision(dtype):
    """Grids and times are made in jax's default float type: float32 where x64 is off."""
    return jax.enable_x64(dtype == np.float64)


def single(x):
    """float64 numbers that float32 holds."""
    return np.asarray(x, np.float32).astype(np.float64)
