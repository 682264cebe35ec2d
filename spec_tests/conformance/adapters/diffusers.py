"""diffusers: every scheduler, driven by set_timesteps and step as its pipelines do."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch

from spec_tests.conformance.adapters._torch import array, normals, tensor
from spec_tests.conformance.target import Target

LIBRARY = "diffusers"
VP = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


def version() -> str:
    return diffusers.__version__


def samplers() -> Iterator[Target]:
    for spacing in ("leading", "trailing", "linspace"):
        for prediction in ("epsilon", "sample", "v_prediction"):
            yield _ddim(timestep_spacing=spacing, prediction_type=prediction)


def _ddim(**options: Any) -> Target:
    make = partial(diffusers.DDIMScheduler, **VP, **options, clip_sample=False)
    return _target(make, f"DDIMScheduler({_options(options)})", eta=0.0, order=1, exact_on_points=True)


def _target(make: Callable, name: str, **claims: Any) -> Target:
    return Target(name, {"run": partial(_run, make), "nodes": partial(_nodes, make), "precision": "float32", **claims})


def _run(make: Callable, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None) -> np.ndarray:
    scheduler, x = _ready(make, n), tensor(x)
    with torch.no_grad(), normals(normal):
        for t in scheduler.timesteps[:stop]:
            alpha, sigma = _level(scheduler, int(t))
            x0 = tensor(denoise(array(x), alpha, sigma))
            x = scheduler.step(_prediction(scheduler, x, x0, alpha, sigma), t, x).prev_sample
    return array(x)


def _nodes(make: Callable, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The levels of the timesteps, and the one that the last step goes to."""
    scheduler = _ready(make, n)
    bars = [float(scheduler.alphas_cumprod[int(t)]) for t in scheduler.timesteps]
    last = int(scheduler.timesteps[-1]) - scheduler.config.num_train_timesteps // n
    bars = np.array([*bars, float(scheduler.alphas_cumprod[last] if last >= 0 else scheduler.final_alpha_cumprod)])
    return np.sqrt(bars), np.sqrt(1 - bars)


def _ready(make: Callable, n: int) -> Any:
    scheduler = make()
    scheduler.set_timesteps(n)
    return scheduler


def _level(scheduler: Any, t: int) -> tuple[float, float]:
    bar = float(scheduler.alphas_cumprod[t])
    return bar**0.5, (1 - bar) ** 0.5


def _prediction(scheduler: Any, x: Any, x0: Any, alpha: float, sigma: float) -> Any:
    eps = (x - alpha * x0) / sigma
    return {"epsilon": eps, "sample": x0, "v_prediction": alpha * eps - sigma * x0}[scheduler.config.prediction_type]


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
