"""What the adapter of artifex builds: models whose network is the kit's, their schedules, and where
their draws come from.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from artifex.generative_models.core import configuration as config
from flax import nnx


@cache
def build(model: Any, make: Any, kind: str = "linear", n: int = 1000, **options: Any) -> Any:
    """Built with a small network of its own, in whose place the kit's answers."""
    backbone = config.UNetBackboneConfig(
        name="unet",
        hidden_dims=(8,),
        activation="relu",
        in_channels=1,
        out_channels=1,
        channel_mult=(1,),
        attention_resolutions=(),
    )
    given = make(
        name="model",
        backbone=backbone,
        input_shape=(2,),
        noise_schedule=schedule_config(kind, n),
        **options,
    )
    return model(given, rngs=nnx.Rngs(0))


def schedule_config(kind: str, n: int) -> Any:
    """n training steps over the whole of the process, where the number of steps is that of the
    training.
    """
    if n == 1000:
        return config.NoiseScheduleConfig(name=kind, schedule_type=kind)
    return config.NoiseScheduleConfig(
        name=kind, schedule_type=kind, num_timesteps=n, beta_start=0.1 / n, beta_end=8.0 / n
    )


def level(schedule: Any, t: float) -> tuple[float, float]:
    bar = float(schedule.alphas_cumprod[round(t)])
    return bar**0.5, (1 - bar) ** 0.5


@contextmanager
def unclipped() -> Iterator[None]:
    """ddim_step limits x0 to [-1, 1], as images are; the kit's data are not, and the limit is left
    out.
    """
    kept = jnp.clip
    jnp.clip = lambda x, *limits, **given: x
    try:
        yield
    finally:
        jnp.clip = kept


def starting_from(x: np.ndarray, normal: Callable | None) -> Callable:
    """The first draw is the start; what comes after it, the method's own."""
    starts = [x]

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        if not starts and normal is None:
            raise RuntimeError("a method that is declared deterministic draws noise")
        return starts.pop() if starts else normal(shape)  # pyright: ignore[reportOptionalCall]

    return draw
