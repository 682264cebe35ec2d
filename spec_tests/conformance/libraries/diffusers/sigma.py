"""The schedulers of diffusers that name their levels by sigmas: here those of a chain of betas, in
x = x0 + sigma eps.

Euler, Heun, DPM-2, LMS and DPM-Solver SDE; edm.py, flow.py and newer.py have the rest.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from typing import Any

import diffusers
import numpy as np
import torch

from spec_tests.conformance.libraries.diffusers import snippets
from spec_tests.conformance.libraries.diffusers.drive import VP
from spec_tests.conformance.libraries.diffusers.edm import edm_samplers
from spec_tests.conformance.libraries.diffusers.flow import flow_samplers
from spec_tests.conformance.libraries.diffusers.newer import newer_samplers
from spec_tests.conformance.libraries.diffusers.schedules import schedules
from spec_tests.conformance.libraries.diffusers.told import NO_STEP, Told, own_sigmas, ready, told
from spec_tests.conformance.target import Target

SPACINGS = ("leading", "trailing", "linspace")
GRIDS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
ZERO_SNR = {
    "rescale_betas_zero_snr": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}


def samplers() -> Iterator[Target]:
    """Of this module, and of all that follow it."""
    for offer in (_discrete, edm_samplers, flow_samplers, newer_samplers):
        for target in offer():
            yield target._replace(snippet=snippets.of_sigmas(target.name))


def processes() -> Iterator[Target]:
    for target in schedules():
        yield target._replace(snippet=snippets.of_sigmas(target.name))


def _discrete() -> Iterator[Target]:
    yield from _euler()
    for name in ("HeunDiscreteScheduler", "KDPM2DiscreteScheduler"):
        for options in _grids("epsilon" if "KDPM2" in name else "sample"):
            yield _target(name, options, order=2)
    # order 4 shows late; it computes its coefficients by quadrature, slowly
    for number, options in enumerate(_grids("sample")):
        late = (
            {"order": 4, "steps": (32, 64, 128, 256), "precision": "float64"}
            if number in (2, 3)
            else {"steps": (16, 32)}
        )
        yield _target("LMSDiscreteScheduler", options, **late)
    for name in ("KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"):
        for options in _grids("epsilon"):
            yield _target(name, options, order=1, noise=True)


def _euler() -> Iterator[Target]:
    for options in [*_grids("sample"), *_more_of_euler()]:
        yield _target("EulerDiscreteScheduler", options, order=1, eta=0.0)
    for options in _grids("sample"):
        # with more, that grid needs thousands of steps
        churn = {"s_churn": 1.0 if "use_beta_sigmas" in options else 5.0}
        yield _target("EulerDiscreteScheduler", options, churn, order=1, noise=True)
    for options in [
        *({"timestep_spacing": one} for one in SPACINGS),
        {"prediction_type": "v_prediction"},
        ZERO_SNR,
    ]:
        yield _target("EulerAncestralDiscreteScheduler", options, order=1, eta=1.0, noise=True)


def _grids(third: str) -> Iterator[dict[str, Any]]:
    """Every spacing, the prediction types in turn; then every other grid."""
    for spacing, kind in zip(SPACINGS, ("epsilon", "v_prediction", third), strict=True):
        yield {"timestep_spacing": spacing, "prediction_type": kind}
    for grid in GRIDS:
        yield {grid: True}


def _more_of_euler() -> Iterator[dict[str, Any]]:
    yield ZERO_SNR
    yield {"interpolation_type": "log_linear"}
    yield {
        "interpolation_type": "log_linear",
        "timestep_type": "continuous",
        "prediction_type": "v_prediction",
    }
    yield {
        "timestep_type": "continuous",
        "prediction_type": "v_prediction",
        "use_karras_sigmas": True,
    }
    yield {"final_sigmas_type": "sigma_min", "timestep_spacing": "trailing"}


def _target(
    name: str, options: dict[str, Any], step: dict[str, Any] = NO_STEP, **claims: Any
) -> Target:
    cls = getattr(diffusers, name)
    drive = Told(ready(cls, {**VP, **options}), network, variance_exploding, step, _brownian)
    return told(cls, options, drive, **claims)


def variance_exploding(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    sigmas = own_sigmas(scheduler)
    return np.ones_like(sigmas), sigmas


def network(scheduler: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor) -> np.ndarray:
    """One trained on x = alpha x0 + s eps at the timesteps of the betas."""
    sigma = _deviation(scheduler, float(t))
    alpha, s = 1 / np.sqrt(1 + sigma**2), sigma / np.sqrt(1 + sigma**2)
    x0 = denoise(x, alpha, s)
    eps = (x - alpha * x0) / s
    return {"epsilon": eps, "sample": x0, "v_prediction": alpha * eps - s * x0}[
        scheduler.config.prediction_type
    ]


def _deviation(scheduler: Any, t: float) -> float:
    """What timestep t names; between the integers as the library itself interpolates there, in
    sigma or in its logarithm.
    """
    if scheduler.config.get("timestep_type") == "continuous":
        return float(np.exp(4 * t))
    table = np.sqrt(1 / scheduler.alphas_cumprod.double().numpy() - 1)
    midpoint = (
        not getattr(scheduler, "state_in_first_order", True)
        and "Heun" not in type(scheduler).__name__
    )
    if midpoint or any(scheduler.config.get(grid) for grid in GRIDS):
        return float(np.exp(np.interp(t, np.arange(len(table)), np.log(table))))
    return float(np.interp(t, np.arange(len(table)), table))


def _brownian(scheduler: Any, draw: Callable) -> None:
    if hasattr(scheduler, "noise_sampler"):
        scheduler.noise_sampler = Path(draw)


class Path:
    """One Brownian path in sigma for DPMSolverSDEScheduler, which asks twice a step: to the
    midpoint, then to the end.
    """

    def __init__(self, draw: Callable):
        self.draw, self.first = draw, None

    def __call__(self, sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        length, z = float(sigma - sigma_next), self.draw()
        if self.first is None:
            self.first = length, z
            return z
        (half, before), self.first = self.first, None
        return (half**0.5 * before + (length - half) ** 0.5 * z) / length**0.5
