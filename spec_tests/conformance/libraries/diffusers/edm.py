"""The schedulers of diffusers with alpha = 1 that are no chain of betas: EDM, and the variance
exploding ones of 2021.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.schedulers.deprecated.scheduling_karras_ve import KarrasVeScheduler

from spec_tests.conformance.libraries._torch import array, normals, tensor
from spec_tests.conformance.libraries.diffusers.drive import absent
from spec_tests.conformance.libraries.diffusers.told import NO_STEP, Told, own_sigmas, ready, told
from spec_tests.conformance.target import Target


def edm_samplers() -> Iterator[Target]:
    yield from _euler()
    yield from _multistep()
    yield Target(
        "ScoreSdeVeScheduler().step_pred",
        {"run": _sde_ve, "nodes": _sde_ve_nodes, **FLOAT32, "noise": True},
    )
    yield absent(
        "ScoreSdeVeScheduler().step_correct",
        "its step size is the ratio of two norms over the batch: no Gaussian law",
    )
    for churn in (0.0, 5.0):
        run, nodes = partial(_karras_ve, churn), partial(_karras_ve_nodes, churn)
        noise = {"order": 1, "noise": True} if churn else {"order": 2}
        name = f"KarrasVeScheduler(s_churn={churn}, s_noise=1.0)"
        yield Target(
            name, {"run": run, "nodes": nodes, "steps": (32, 64, 128, 256), **FLOAT32, **noise}
        )


FLOAT32 = {"precision": "float32"}


def _euler() -> Iterator[Target]:
    for kind in (
        {},
        {"sigma_schedule": "exponential"},
        {"prediction_type": "v_prediction", "sigma_data": 1.0},
    ):
        yield _edm("EDMEulerScheduler", kind, order=1, eta=0.0, exact_on_points=True)
        yield _edm("EDMEulerScheduler", kind, {"s_churn": 5.0}, order=1, noise=True)
    yield _edm(
        "EDMEulerScheduler",
        {"final_sigmas_type": "sigma_min"},
        order=1,
        eta=0.0,
        exact_on_points=True,
    )


def _multistep() -> Iterator[Target]:
    name, points = "EDMDPMSolverMultistepScheduler", {"exact_on_points": True}
    for order, solver in ((1, "midpoint"), (2, "midpoint"), (2, "heun")):
        for schedule in ("karras", "exponential"):
            options = {"solver_order": order, "solver_type": solver, "sigma_schedule": schedule}
            yield _edm(name, options, order=order, **points)
    yield _edm(name, {"prediction_type": "v_prediction"}, order=2, **points)
    yield _edm(name, {"prediction_type": "sample"})
    for schedule in ("karras", "exponential"):
        options = {"solver_order": 3, "sigma_schedule": schedule}
        yield _edm(name, options, **points)
        yield _third(name, options)
    for options in ({}, {"solver_type": "heun"}, {"solver_order": 3}):
        yield _edm(name, {**options, "final_sigmas_type": "sigma_min"}, **points)
    for order, solver in ((1, "midpoint"), (2, "midpoint"), (2, "heun")):
        options = {
            "algorithm_type": "sde-dpmsolver++",
            "solver_order": order,
            "solver_type": solver,
        }
        yield _edm(name, options, order=1, noise=True, **points)
    yield _edm(name, {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}, noise=True)


def _third(name: str, options: dict[str, Any]) -> Target:
    """Order 3 shows at errors that float32 sigmas hide."""
    cls = getattr(diffusers, name)
    drive = Told(ready(cls, options, double=True), network, _levels)
    return told(
        cls, options, drive, " in float64", order=3, steps=(32, 64, 128, 256), precision="float64"
    )


def _edm(
    name: str, options: dict[str, Any], step: dict[str, Any] = NO_STEP, **claims: Any
) -> Target:
    cls = getattr(diffusers, name)
    return told(cls, options, Told(ready(cls, options), network, _levels, step), **claims)


def _levels(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    sigmas = own_sigmas(scheduler)
    return np.ones_like(sigmas), sigmas


def network(scheduler: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor) -> np.ndarray:
    """F of D = c_skip x + c_out F (Karras et al. 2022, eq. 7), told c_in x and c_noise =
    log(sigma)/4.
    """
    sigma, data = float(np.exp(4 * float(t))), scheduler.config.sigma_data
    whole = np.hypot(sigma, data)
    y = x * whole
    sign = -1 if scheduler.config.prediction_type == "v_prediction" else 1
    return sign * (denoise(y, 1.0, sigma) - data**2 / whole**2 * y) * whole / (sigma * data)


def _sde_ve(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    scheduler, y = _ready_ve(n), tensor(x)
    with torch.no_grad(), normals(normal):
        for k, t in enumerate(scheduler.timesteps[:stop]):
            sigma = float(scheduler.sigmas[k])
            score = tensor(denoise(array(y), 1.0, sigma) - array(y)) / sigma**2
            y = scheduler.step_pred(score, t, y).prev_sample
    return array(y)


def _ready_ve(n: int) -> Any:
    scheduler = diffusers.ScoreSdeVeScheduler()
    scheduler.set_timesteps(n)
    scheduler.set_sigmas(n)
    return scheduler


def _sde_ve_nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(n + 1), np.append(_ready_ve(n).sigmas.double().numpy(), 0.0)


def _karras_ve(
    churn: float, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """The loop of its pipeline: churn, an Euler step, and the correction but for the last step."""
    scheduler, y = _ready_karras_ve(churn, n), tensor(x)
    sigmas = _karras_ve_nodes(churn, n)[1]
    net = lambda z, sigma: tensor(denoise(array(z), 1.0, sigma) - array(z)) / sigma
    with torch.no_grad(), normals(normal or np.zeros):
        for sigma, to in pairwise(sigmas[: stop + 1]):
            high, top = scheduler.add_noise_to_input(y, float(sigma))
            done = scheduler.step(net(high, top), top, float(to), high)
            y = done.prev_sample
            if to > 0:
                y = scheduler.step_correct(
                    net(y, to), top, float(to), high, y, done.derivative
                ).prev_sample
    return array(y)


def _ready_karras_ve(churn: float, n: int) -> Any:
    scheduler = KarrasVeScheduler(s_churn=churn, s_noise=1.0)
    scheduler.set_timesteps(n)
    return scheduler


def _karras_ve_nodes(churn: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    scheduler = _ready_karras_ve(churn, n)
    sigmas = [float(scheduler.schedule[t]) for t in scheduler.timesteps]
    return np.ones(n + 1), np.array([*sigmas, 0.0])
