"""flow_matching: ODESolver on the exact velocity of each path, whose time 1 is data."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch
from flow_matching.path import AffineProbPath, CondOTProbPath, GeodesicProbPath
from flow_matching.path import scheduler as schedulers
from flow_matching.path.scheduler import ScheduleTransformedModel
from flow_matching.solver import ODESolver
from flow_matching.utils import ModelWrapper
from flow_matching.utils.manifolds import Euclidean

from spec_tests.conformance.adapters._torch import array, tensor
from spec_tests.conformance.target import Target

LIBRARY = "flow_matching"
SCHEDULERS = {
    "CondOTScheduler()": schedulers.CondOTScheduler(),
    "PolynomialConvexScheduler(2)": schedulers.PolynomialConvexScheduler(2),
    "VPScheduler()": schedulers.VPScheduler(),
    "LinearVPScheduler()": schedulers.LinearVPScheduler(),
    "CosineScheduler()": schedulers.CosineScheduler(),
}
ORDERS = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4, "explicit_adams": None, "implicit_adams": None}
TIGHT = 1e-11  # tolerance of the adaptive method and of the implicit one
FINE = (32, 64, 128, 256)  # with fewer steps the slopes under VPScheduler have not settled
LAST = 0.99  # the velocity divides by sigma, which is 0 at time 1; where it is sqrt(1 - t^2) it has a root's kink there


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
    return Target(f"ODESolver({scheduler}, method={method!r})", arguments)


def _transformed(old: str, new: str) -> Target:
    arguments = {"run": partial(_run, old, new, "midpoint"), "nodes": partial(_nodes, new), "order": 2}
    return Target(f"ScheduleTransformedModel({old}, {new})", arguments)


def processes() -> Iterator[Target]:
    """x_0 is noise and x_1 data there, and time runs to data."""
    for name, scheduler in SCHEDULERS.items():
        yield _process(f"AffineProbPath({name})", AffineProbPath(scheduler), convert=_conversions(AffineProbPath(scheduler)))
    yield _process("CondOTProbPath()", CondOTProbPath(), convert=_conversions(CondOTProbPath()))
    for name in ("CondOTScheduler()", "PolynomialConvexScheduler(2)"):
        yield _process(f"GeodesicProbPath({name}, Euclidean())", GeodesicProbPath(SCHEDULERS[name], Euclidean()))


def _process(name: str, path: Any, **more: Any) -> Target:
    level = lambda t: path.scheduler(tensor(t))
    arguments = {
        "alpha": lambda t: float(level(t).alpha_t),
        "sigma": lambda t: float(level(t).sigma_t),
        "times": np.linspace(0.95, 0.05, 10),
        "perturb": lambda x0, eps, t: array(_sample(path, x0, eps, t).x_t),
        "velocity": lambda x0, eps, t: array(_sample(path, x0, eps, t).dx_t),
    }
    return Target(name, arguments | more)


def _sample(path: Any, data: np.ndarray, noise: np.ndarray, t: float) -> Any:
    return path.sample(x_0=tensor(noise), x_1=tensor(data), t=torch.full((len(data),), t, dtype=torch.float64))


def _conversions(path: Any) -> dict[str, tuple[Callable, Callable]]:
    """Each of the six between target, epsilon and velocity, on the way there or on the way back."""
    back = lambda name: lambda x, got, t: array(getattr(path, f"{name}_to_target")(tensor(got), tensor(x), tensor(t)))
    by_epsilon = lambda x, got, t: back("epsilon")(x, array(path.velocity_to_epsilon(tensor(got), tensor(x), tensor(t))), t)

    def there(name: str) -> Callable:
        def predict(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
            start, t = {"target": x0, "epsilon": eps}[name.split("_")[0]], _time(path, alpha, sigma)
            return array(getattr(path, name)(tensor(start), tensor(alpha * x0 + sigma * eps), t))

        return predict

    def velocity(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        return array(_sample(path, x0, eps, float(_time(path, alpha, sigma))).dx_t)

    return {
        "velocity_to_target": (velocity, back("velocity")),
        "epsilon_to_target": (lambda x0, eps, alpha, sigma: eps, back("epsilon")),
        "target_to_velocity": (there("target_to_velocity"), back("velocity")),
        "epsilon_to_velocity": (there("epsilon_to_velocity"), back("velocity")),
        "target_to_epsilon": (there("target_to_epsilon"), back("epsilon")),
        "velocity_to_epsilon": (velocity, by_epsilon),
    }


def _time(path: Any, alpha: float, sigma: float) -> torch.Tensor:
    """By the library's own snr_inverse, whose snr is alpha/sigma."""
    return path.scheduler.snr_inverse(tensor(alpha / sigma))


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
    old: str, new: str, method: str, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    model = Exact(old, denoise)
    if new != old:
        model = ScheduleTransformedModel(model, SCHEDULERS[old], SCHEDULERS[new])
    grid = _times(n)[: stop + 1]
    if method == "dopri5":
        grid = grid[[0, -1]]
    end = ODESolver(model).sample(tensor(x), None, method=method, atol=TIGHT, rtol=TIGHT, time_grid=grid)
    assert isinstance(end, torch.Tensor)
    return array(end)


def _times(n: int) -> torch.Tensor:
    return torch.linspace(0.0, LAST, n + 1, dtype=torch.float64)


def _nodes(scheduler: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    level = SCHEDULERS[scheduler](_times(n))
    return array(level.alpha_t), array(level.sigma_t)
