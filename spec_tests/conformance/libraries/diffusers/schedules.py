"""What the sigma and flow schedulers of diffusers say of noising: add_noise, scale_noise, starts,
timesteps, get_velocity.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.schedulers.deprecated.scheduling_karras_ve import KarrasVeScheduler

from spec_tests.conformance.libraries._torch import array, tensor
from spec_tests.conformance.libraries.diffusers.drive import VP
from spec_tests.conformance.libraries.diffusers.told import calls, options_text, ready
from spec_tests.conformance.target import Target

CHAINS = ("Euler", "EulerAncestral", "LMS", "Heun", "KDPM2", "KDPM2Ancestral")


def schedules() -> Iterator[Target]:
    for name in CHAINS:
        for spacing in ("linspace", "leading", "trailing") if name == "Euler" else ("trailing",):
            yield _chain(
                getattr(diffusers, f"{name}DiscreteScheduler"), {"timestep_spacing": spacing}
            )
    yield _chain(diffusers.DPMSolverSDEScheduler, {"timestep_spacing": "trailing"})
    yield _target(
        diffusers.EulerDiscreteScheduler,
        {**VP, "prediction_type": "v_prediction"},
        _table,
        convert=_there_and_back,
    )
    for name in ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"):
        yield _target(getattr(diffusers, name), {}, lambda scheduler, t: (1.0, np.exp(4 * t)))
    for name in (
        "FlowMatchEulerDiscrete",
        "FlowMatchHeunDiscrete",
        "FlowMatchLCM",
        "FlowMapEulerDiscrete",
    ):
        for shift in (1.0, 3.0):
            yield _target(
                getattr(diffusers, f"{name}Scheduler"),
                {"shift": shift},
                lambda _, t: (1 - t / 1000, t / 1000),
            )
    yield _target(diffusers.MiniMaxH3Scheduler, {"shift": 12.0}, lambda scheduler, t: (t, 1 - t))
    yield _variance_exploding()
    yield _karras_ve()


def _chain(cls: Any, options: dict[str, Any]) -> Target:
    make, again = ready(cls, {**VP, **options}), ready(cls, {**VP, **options})
    grid = {"spacing": options["timestep_spacing"], "training_steps": 1000}
    return _target(
        cls, {**VP, **options}, _table, make=make, grid=lambda n: _whole_steps(again(n)), **grid
    )


def _target(
    cls: Any,
    options: dict[str, Any],
    level: Callable,
    *,
    make: Any = None,
    convert: Any = None,
    **more: Any,
) -> Target:
    """level(scheduler, t) -> (alpha, sigma) of the scheduler's own timesteps, ten of them."""
    scheduler = (make or ready(cls, options))(10)
    start = getattr(scheduler, "init_noise_sigma", None)
    arguments = {
        "alpha": lambda t: float(level(scheduler, t)[0]),
        "sigma": lambda t: float(level(scheduler, t)[1]),
        "times": np.sort(_whole_steps(scheduler))
        if not _towards_data(scheduler)
        else np.sort(_whole_steps(scheduler))[::-1],
        "perturb": partial(_perturb, scheduler),
        "start": None if start is None else float(start),
        "convert": convert and convert(scheduler),
        "precision": "float32",
    }
    return Target(f"{cls.__name__}({options_text(options)})", {**arguments, **more})


def _towards_data(scheduler: Any) -> bool:
    return "MiniMax" in type(scheduler).__name__


def _whole_steps(scheduler: Any) -> np.ndarray:
    """The timesteps of whole steps: those of midpoints and of repeated nodes are left out."""
    return scheduler.timesteps.double().numpy()[:: calls(scheduler)]


def _perturb(scheduler: Any, x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
    # as it stands in the list
    own = scheduler.timesteps[torch.argmin((scheduler.timesteps - t).abs())].repeat(len(x0))
    # takes one timestep for a batch
    if isinstance(scheduler, diffusers.FlowMatchHeunDiscreteScheduler):
        return array(scheduler.scale_noise(tensor(x0), own[0], tensor(eps)))
    if hasattr(scheduler, "scale_noise"):
        return array(scheduler.scale_noise(tensor(x0), own, tensor(eps)))
    return array(scheduler.add_noise(tensor(x0), tensor(eps), own))


def _table(scheduler: Any, t: float) -> tuple[float, float]:
    return 1.0, float(np.sqrt(1 / scheduler.alphas_cumprod.double().numpy() - 1)[round(t)])


def _there_and_back(scheduler: Any) -> dict[str, tuple[Callable, Callable]]:
    """The training target by get_velocity, and what step makes of it."""

    def predict(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        times = scheduler.timesteps[torch.argmin((scheduler.sigmas[:-1] - sigma).abs())].repeat(
            len(x0)
        )
        return array(scheduler.get_velocity(tensor(x0), tensor(eps), times))

    def recover(x: np.ndarray, prediction: np.ndarray, t: float) -> np.ndarray:
        scheduler.set_timesteps(10)
        own = scheduler.timesteps[torch.argmin((scheduler.timesteps - t).abs())]
        scheduler.scale_model_input(tensor(x), own)
        return array(scheduler.step(tensor(prediction), own, tensor(x)).pred_original_sample)

    return {"v": (predict, recover)}


def _variance_exploding() -> Target:
    scheduler = diffusers.ScoreSdeVeScheduler()
    sigma = lambda t: float(scheduler.discrete_sigmas[round(t)])

    def perturb(x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
        rows = lambda a: tensor(a)[:, :, None, None]
        return array(scheduler.add_noise(rows(x0), rows(eps), torch.tensor([round(t)] * len(x0))))[
            :, :, 0, 0
        ]

    arguments = {
        "alpha": lambda t: 1.0,
        "sigma": sigma,
        "times": (0, 500, 1000, 1500, 1999),
        "perturb": perturb,
    }
    return Target(
        "ScoreSdeVeScheduler()",
        {**arguments, "start": float(scheduler.init_noise_sigma), "precision": "float32"},
    )


def _karras_ve() -> Target:
    scheduler = KarrasVeScheduler()
    scheduler.set_timesteps(10)
    arguments = {
        "alpha": lambda t: 1.0,
        "sigma": lambda t: float(scheduler.schedule[round(t)]),
        "times": np.arange(10),
    }
    return Target(
        "KarrasVeScheduler()",
        {**arguments, "start": float(scheduler.init_noise_sigma), "precision": "float32"},
    )
