"""flow_matching: ODESolver on the exact velocity of each path, whose time 1 is data."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch
from flow_matching.path import AffineProbPath
from flow_matching.path.scheduler import ScheduleTransformedModel
from flow_matching.solver import ODESolver
from flow_matching.utils import ModelWrapper

from spec_tests.conformance.libraries._torch import array, differentiable, tensor
from spec_tests.conformance.libraries.flow_matching import snippets
from spec_tests.conformance.libraries.flow_matching.paths import SCHEDULERS, processes as processes
from spec_tests.conformance.target import Target

LIBRARY = "flow_matching"
ORDERS = {
    "euler": 1,
    "midpoint": 2,
    "heun2": 2,
    "heun3": 3,
    "rk4": 4,
    "explicit_adams": None,
    "implicit_adams": None,
}
TIGHT = 1e-11  # tolerance of the adaptive method and of the implicit one
FINE = (32, 64, 128, 256)  # with fewer steps the slopes under VPScheduler have not settled
# the velocity divides by sigma, which is 0 at time 1; where it is sqrt(1 - t^2) it has a root's
# kink there
LAST = 0.99


torch.manual_seed(0)  # Hutchinson's probes


def version() -> str:
    return installed("flow_matching")


def samplers() -> Iterator[Target]:
    for scheduler in SCHEDULERS:
        straight = scheduler.startswith("CondOT")
        for method, order in ORDERS.items():
            first = {"eta": 0.0} if straight and method == "euler" else {}
            yield _sampler(scheduler, method, order=order, exact_on_points=straight, **first)
        yield _sampler(scheduler, "dopri5")
    for new in ("CosineScheduler()", "VPScheduler()", "PolynomialConvexScheduler(2)"):
        yield _transformed("CondOTScheduler()", new)
    yield _transformed("CosineScheduler()", "CondOTScheduler()")


def _sampler(scheduler: str, method: str, **claims: Any) -> Target:
    arguments = {
        "run": partial(_run, scheduler, scheduler, method),
        "nodes": partial(_nodes, scheduler),
        "steps": FINE,
        **claims,
    }
    return Target(f"ODESolver({scheduler}, method={method!r})", arguments, snippets.BATCH)


def _transformed(old: str, new: str) -> Target:
    arguments = {
        "run": partial(_run, old, new, "midpoint"),
        "nodes": partial(_nodes, new),
        "order": 2,
    }
    return Target(f"ScheduleTransformedModel({old}, {new})", arguments)


class Exact(ModelWrapper):
    """The velocity of the path, by the library's own formula, for the kit's denoiser."""

    def __init__(self, scheduler: str, denoise: Callable):
        super().__init__(None)
        self.path, self.denoise = AffineProbPath(SCHEDULERS[scheduler]), denoise

    def forward(self, x: torch.Tensor, t: torch.Tensor, **_: Any) -> torch.Tensor:
        level = self.path.scheduler(t)
        target = tensor(self.denoise(array(x), float(level.alpha_t), float(level.sigma_t)))
        return self.path.target_to_velocity(target, x, t)


def _run(
    old: str,
    new: str,
    method: str,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    model = Exact(old, denoise)
    if new != old:
        model = ScheduleTransformedModel(model, SCHEDULERS[old], SCHEDULERS[new])
    grid = _times(n)[: stop + 1]
    if method == "dopri5":
        grid = grid[[0, -1]]
    end = ODESolver(model).sample(
        tensor(x), None, method=method, atol=TIGHT, rtol=TIGHT, time_grid=grid
    )
    assert isinstance(end, torch.Tensor)
    return array(end)


def _times(n: int) -> torch.Tensor:
    return torch.linspace(0.0, LAST, n + 1, dtype=torch.float64)


def _nodes(scheduler: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    level = SCHEDULERS[scheduler](_times(n))
    return array(level.alpha_t), array(level.sigma_t)


def log_probs() -> Iterator[Target]:
    """The probes of Hutchinson's estimator come in torch's default type, which is to be that
    of x.
    """
    for name in SCHEDULERS:
        yield _likelihood(name, "exact_divergence=True", exact=True)
        yield _likelihood(
            name,
            "exact_divergence=False), torch.set_default_dtype(float64",
            exact=False,
            default=torch.float64,
        )
    yield _likelihood("CondOTScheduler()", "exact_divergence=False", exact=False)


def _likelihood(
    scheduler: str, written: str, *, exact: bool, default: torch.dtype = torch.float32
) -> Target:
    noise, data = (tuple(float(part[k]) for part in _nodes(scheduler, 1)) for k in (0, 1))
    levels = {"start": noise, "end": data, "prior": 1.0, "exact": exact}
    arguments = {"log_prob": partial(_log_prob, scheduler, exact, default), **levels}
    return Target(
        f"ODESolver.compute_likelihood({scheduler}, {written})", arguments, snippets.HUTCHINSON
    )


class Differentiable(ModelWrapper):
    """The exact velocity, differentiable by x, and to be run from 0 to 1: it ends where sigma is
    not yet 0.
    """

    def __init__(self, scheduler: str, denoise: Callable):
        super().__init__(None)
        self.path, self.denoise = AffineProbPath(SCHEDULERS[scheduler]), denoise

    def forward(self, x: torch.Tensor, t: torch.Tensor, **_: Any) -> torch.Tensor:
        level = self.path.scheduler(LAST * t)
        target = differentiable(self.denoise, x, float(level.alpha_t), float(level.sigma_t))
        return LAST * self.path.target_to_velocity(target, x, LAST * t)


def _log_prob(
    scheduler: str, exact: bool, default: torch.dtype, denoise: Callable, x: np.ndarray
) -> np.ndarray:
    how = (
        {"method": "dopri5", "step_size": None, "atol": 1e-7, "rtol": 1e-7}
        if exact
        else {"method": "rk4", "step_size": 0.05}
    )
    normal = lambda x: -0.5 * (x**2 + np.log(2 * np.pi)).sum(1)
    grid = torch.tensor([1.0, 0.0], dtype=torch.float64)
    solver = ODESolver(Differentiable(scheduler, denoise))
    torch.set_default_dtype(default)
    try:
        return array(
            solver.compute_likelihood(
                tensor(x), normal, time_grid=grid, exact_divergence=exact, **how
            )[1]
        )
    finally:
        torch.set_default_dtype(torch.float32)
