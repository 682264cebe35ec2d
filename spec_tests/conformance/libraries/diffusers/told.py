"""A scheduler of diffusers with a network that is told what a trained one is told: the scaled
sample and the timestep.

Where the timesteps and the sigmas of a scheduler do not belong together, the answers of such a
network show it.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.utils import logging

from spec_tests.conformance.libraries._torch import array, normals, tensor
from spec_tests.conformance.target import Target

# (scheduler, denoise, scaled x, t) -> output
Network = Callable[[Any, Callable, np.ndarray, torch.Tensor], np.ndarray]
# LTXEulerAncestralRFScheduler warns at every set_timesteps of its own arguments
logging.set_verbosity_error()
NO_STEP: dict[str, Any] = {}


class Told(NamedTuple):
    """make(n) -> a scheduler ready for n steps; levels(scheduler) -> (alphas, sigmas) at the nodes
    of its own steps.
    """

    make: Callable[[int], Any]
    network: Network
    levels: Callable[[Any], tuple[np.ndarray, np.ndarray]]
    step: dict[str, Any] = NO_STEP  # further arguments of step
    # where noise comes by another way
    prepare: Callable[[Any, Callable], Any] = lambda scheduler, draw: None

    def run(
        self, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
    ) -> np.ndarray:
        scheduler, y = self.make(n), tensor(x)
        self.prepare(scheduler, lambda: tensor(normal(y.shape)) if normal else None)
        scaled = getattr(scheduler, "scale_model_input", lambda y, t: y)
        with torch.no_grad(), normals(normal):
            for t in scheduler.timesteps[: calls(scheduler) * stop]:
                output = tensor(self.network(scheduler, denoise, array(scaled(y, t)), t))
                y = scheduler.step(output, t, y, **self.step).prev_sample
        return array(y)

    def nodes(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        return self.levels(self.make(n))


def calls(scheduler: Any) -> int:
    """Calls of step in one step of the method."""
    return 2 if hasattr(scheduler, "state_in_first_order") else 1


def own_sigmas(scheduler: Any) -> np.ndarray:
    """The deviations at the nodes: a method of two calls keeps all but the first of them twice."""
    sigmas, count, each = (
        scheduler.sigmas.double().numpy(),
        len(scheduler.timesteps),
        calls(scheduler),
    )
    return np.concatenate([sigmas[:1], sigmas[1 : count + 1 : each]])


def ready(
    cls: Any, options: dict[str, Any], *, double: bool = False, **timesteps: Any
) -> Callable[[int], Any]:
    """One scheduler for all runs, set anew for each as a pipeline does; some take a second to
    construct.

    double: its own sigmas as float64, so that coefficients of a high order are not lost in
    rounding.
    """
    construct = cache(lambda: cls(**options))

    def make(n: int) -> Any:
        scheduler = construct()
        scheduler.set_timesteps(n, **timesteps)
        if double:
            scheduler.sigmas = scheduler.sigmas.double()
        return scheduler

    return make


def told(cls: Any, options: dict[str, Any], drive: Told, how: str = "", **claims: Any) -> Target:
    """The target of a drive, its name as a user would write the calls."""
    name = (
        f"{cls.__name__}({options_text(options)})"
        + (f".step({options_text(drive.step)})" if drive.step else "")
        + how
    )
    arguments = {"run": drive.run, "nodes": drive.nodes, "precision": "float32", **claims}
    return Target(name, arguments)


def options_text(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value!r}" for name, value in options.items() if not name.startswith("beta_")
    )
