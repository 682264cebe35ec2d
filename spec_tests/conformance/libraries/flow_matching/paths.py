"""The probability paths of flow_matching and their conversions."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from flow_matching.path import (
    AffineProbPath,
    CondOTProbPath,
    GeodesicProbPath,
    scheduler as schedulers,
)
from flow_matching.utils.manifolds import Euclidean

from spec_tests.conformance.libraries._torch import array, tensor
from spec_tests.conformance.target import Target

SCHEDULERS = {
    "CondOTScheduler()": schedulers.CondOTScheduler(),
    "PolynomialConvexScheduler(2)": schedulers.PolynomialConvexScheduler(2),
    "VPScheduler()": schedulers.VPScheduler(),
    "LinearVPScheduler()": schedulers.LinearVPScheduler(),
    "CosineScheduler()": schedulers.CosineScheduler(),
}


def processes() -> Iterator[Target]:
    """x_0 is noise and x_1 data there, and time runs to data."""
    for name, scheduler in SCHEDULERS.items():
        yield _process(
            f"AffineProbPath({name})",
            AffineProbPath(scheduler),
            convert=_conversions(AffineProbPath(scheduler)),
        )
    yield _process("CondOTProbPath()", CondOTProbPath(), convert=_conversions(CondOTProbPath()))
    for name in ("CondOTScheduler()", "PolynomialConvexScheduler(2)"):
        yield _process(
            f"GeodesicProbPath({name}, Euclidean())",
            GeodesicProbPath(SCHEDULERS[name], Euclidean()),
        )


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
    return path.sample(
        x_0=tensor(noise), x_1=tensor(data), t=torch.full((len(data),), t, dtype=torch.float64)
    )


def _conversions(path: Any) -> dict[str, tuple[Callable, Callable]]:
    """Each of the six between target, epsilon and velocity, on the way there or on the way back."""
    back = lambda name: (
        lambda x, got, t: array(
            getattr(path, f"{name}_to_target")(tensor(got), tensor(x), tensor(t))
        )
    )
    by_epsilon = lambda x, got, t: back("epsilon")(
        x, array(path.velocity_to_epsilon(tensor(got), tensor(x), tensor(t))), t
    )

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
