"""The flow matching schedulers of diffusers, x = (1 - sigma) x0 + sigma eps, and the flow modes of
its multistep solvers.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch

from spec_tests.conformance.libraries.diffusers import drive as chain
from spec_tests.conformance.libraries.diffusers.consistency import consistency
from spec_tests.conformance.libraries.diffusers.told import NO_STEP, Told, own_sigmas, ready, told
from spec_tests.conformance.target import Target

FIRST = {"order": 1, "eta": 0.0}
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}


def flow_samplers() -> Iterator[Target]:
    for options in _grids():
        yield _flow("FlowMatchEulerDiscreteScheduler", options, **FIRST)
    for shift in (1.0, 3.0):
        yield _flow("FlowMatchHeunDiscreteScheduler", {"shift": shift}, order=2)
    yield _flow("FlowMatchHeunDiscreteScheduler", {}, {"s_churn": 5.0}, order=1, noise=True)
    yield _flow("FlowMapEulerDiscreteScheduler", {}, **FIRST)
    yield _flow("FlowMapEulerDiscreteScheduler", {"shift": 3.0}, **FIRST)
    for eta in (0.0, 0.5, 1.0):
        claims = {"noise": True} if eta else {"eta": 0.0}
        yield _flow("LTXEulerAncestralRFScheduler", {"eta": eta}, order=1, **claims)
    for options in ({"stochastic_sampling": True}, {"stochastic_sampling": True, "shift": 3.0}):
        yield _flow("FlowMatchEulerDiscreteScheduler", options, net=endpoint_velocity, noise=True)
    for options in ({}, {"shift": 3.0}, {"use_karras_sigmas": True}):
        yield _flow("FlowMatchLCMScheduler", options, net=endpoint_velocity, noise=True)
    yield from _solvers()


def _grids() -> Iterator[dict[str, Any]]:
    yield from ({}, {"shift": 3.0}, {"shift_terminal": 0.1}, {"invert_sigmas": True})
    for grid in ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"):
        yield {grid: True}
    for kind in ("exponential", "linear"):
        yield {"use_dynamic_shifting": True, "time_shift_type": kind}


def _flow(
    name: str,
    options: dict[str, Any],
    step: dict[str, Any] = NO_STEP,
    *,
    net: Any = None,
    **claims: Any,
) -> Target:
    cls = getattr(diffusers, name)
    more = {"mu": 0.8} if options.get("use_dynamic_shifting") else {}
    return told(
        cls, options, Told(ready(cls, options, **more), net or velocity, levels, step), **claims
    )


def levels(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    sigmas = own_sigmas(scheduler)
    return (sigmas, 1 - sigmas) if scheduler.config.get("invert_sigmas") else (1 - sigmas, sigmas)


def velocity(scheduler: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor) -> np.ndarray:
    """dx/dsigma = eps - x0 of one trained at t = 1000 sigma; where sigma runs backwards, dx/d(1 -
    sigma).
    """
    time = float(t) / scheduler.config.num_train_timesteps
    if scheduler.config.get("invert_sigmas"):
        return -(x - denoise(x, time, 1 - time)) / (1 - time)
    return (x - denoise(x, 1 - time, time)) / time


def endpoint_velocity(
    scheduler: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor
) -> np.ndarray:
    """Of a consistency model: the straight line to where the flow through x ends, not to the
    posterior mean.
    """
    sigma = float(t) / scheduler.config.num_train_timesteps
    return (x - consistency(denoise, x, 1 - sigma, sigma)) / sigma


def _solvers() -> Iterator[Target]:
    for options in (
        {"solver_order": 1},
        {"solver_order": 2},
        {"solver_order": 3},
        {"flow_shift": 3.0},
        {"solver_type": "heun"},
    ):
        yield _solver("DPMSolverMultistepScheduler", options, order=options.get("solver_order", 2))
    yield _solver(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, order=1, noise=True
    )
    for name, orders in (
        ("UniPCMultistepScheduler", (2, 3, 4)),
        ("DEISMultistepScheduler", (1, 2, 3)),
    ):
        for solver, order in enumerate(orders, start=1):
            yield _solver(name, {"solver_order": solver}, order=order)
        yield _solver(name, {"flow_shift": 3.0}, order=orders[1])
    yield _solver("UniPCMultistepScheduler", {"use_karras_sigmas": True})
    yield _solver("SASolverScheduler", {}, order=1, noise=True)


def _solver(name: str, options: dict[str, Any], **claims: Any) -> Target:
    cls = getattr(diffusers, name)
    high = (
        {"precision": "float64", "steps": (32, 64, 128, 256)} if claims.get("order", 0) > 2 else {}
    )
    drive = chain.Drive(partial(cls, **FLOW, **options), chain.sigma_levels, double=bool(high))
    return chain.target(
        chain.called(cls, {**FLOW, **options}) + (" in float64" if high else ""),
        drive,
        **high,
        **claims,
    )
