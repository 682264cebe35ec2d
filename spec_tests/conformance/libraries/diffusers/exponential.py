"""Exponential integrators of diffusers: DPM-Solver, DEIS, UniPC, SA-Solver and their kin."""
# pyright: reportMissingImports=false

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import diffusers
import torch

from spec_tests.conformance.libraries.diffusers.drive import (
    FINE,
    Drive,
    called,
    maker,
    sigma_levels,
    target,
)
from spec_tests.conformance.target import Target

SPACINGS = ("leading", "trailing", "linspace")
SIGMAS = ("use_karras_sigmas", "use_exponential_sigmas", "use_lu_lambdas")
DOUBLE, BEGUN, OWN = " in float64", ".set_begin_index(0)", ".set_timesteps(timesteps=...)"
LATE, LATER = (32, 64, 128, 256), (64, 128, 256, 512)
LATENT = {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 0.012}
MULTI, SINGLE = diffusers.DPMSolverMultistepScheduler, diffusers.DPMSolverSinglestepScheduler


def exponential_samplers() -> Iterator[Target]:
    yield from multistep()
    yield from singlestep()
    yield from deis()
    yield from unipc()
    yield from sa_solver()


def solver(
    cls: Any, options: dict[str, Any], *, inner: int = 1, how: str = "", **claims: Any
) -> Target:
    """how: DOUBLE to have its own sigmas in float64, BEGUN to tell it where its grid begins, OWN to
    give it timesteps.
    """
    drive = Drive(maker(cls, **options), sigma_levels, partial(_every, inner), inner=inner)
    drive = drive._replace(double=how == DOUBLE, begin=how == BEGUN, custom=how == OWN)
    return target(
        called(cls, options) + how,
        drive,
        **{"precision": "float64" if how == DOUBLE else "float32", **claims},
    )


def _every(inner: int, scheduler: Any) -> list[int]:
    return list(range(0, len(scheduler.timesteps) + 1, inner))


def multistep() -> Iterator[Target]:
    for algorithm, kind, order in product(
        ("dpmsolver++", "dpmsolver"), ("midpoint", "heun"), (1, 2, 3)
    ):
        options = _algorithm(algorithm, order, kind)
        claims: dict[str, Any] = {"eta": 0.0} if order == 1 else {}
        claims |= {"order": order} if order < 3 else {}
        yield solver(MULTI, {**FINE, **options}, exact_on_points=True, **claims)
        if order == 3:  # float32 hides what is left after 64 steps
            yield solver(MULTI, {**FINE, **options}, how=DOUBLE, order=order, steps=LATER)
    for algorithm, kind, order in product(
        ("sde-dpmsolver++", "sde-dpmsolver"), ("midpoint", "heun"), (1, 2, 3)
    ):
        claims = {"eta": 1.0} if order == 1 and algorithm.endswith("++") else {}
        yield solver(
            MULTI, {**FINE, **_algorithm(algorithm, order, kind)}, order=1, noise=True, **claims
        )
    for spacing, kind in product(SPACINGS, ("epsilon", "sample", "v_prediction")):
        yield solver(
            MULTI, {"timestep_spacing": spacing, "prediction_type": kind}, exact_on_points=True
        )
    for sigmas, final in product(SIGMAS, ("zero", "sigma_min")):
        yield solver(
            MULTI, {sigmas: True, "final_sigmas_type": final}, order=2, exact_on_points=True
        )
    yield from _beta_grids(MULTI)
    yield solver(
        MULTI, {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min", "solver_type": "heun"}
    )
    yield solver(
        MULTI,
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
        order=2,
        exact_on_points=True,
    )
    yield solver(MULTI, {"euler_at_final": True}, exact_on_points=True)
    yield solver(MULTI, {"lower_order_final": False}, exact_on_points=True)
    yield solver(MULTI, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"})
    yield solver(MULTI, {}, how=OWN, order=2, exact_on_points=True)
    yield solver(diffusers.DPMSolverMultistepInverseScheduler, {})


def _algorithm(algorithm: str, order: int, kind: str) -> dict[str, Any]:
    """The data predictors end at sigma = 0, the noise predictors cannot."""
    final = {} if algorithm.endswith("++") else {"final_sigmas_type": "sigma_min"}
    return {"algorithm_type": algorithm, "solver_order": order, "solver_type": kind, **final}


def _beta_grids(cls: Any, **claims: Any) -> Iterator[Target]:
    """A grid dense at both ends and coarse between: it takes many steps to converge."""
    yield solver(cls, {**FINE, "use_beta_sigmas": True}, how=BEGUN, steps=(128, 256, 512), **claims)
    yield solver(cls, {**LATENT, "use_beta_sigmas": True}, **claims)


def singlestep() -> Iterator[Target]:
    for algorithm, kind, order in product(
        ("dpmsolver++", "dpmsolver"), ("midpoint", "heun"), (1, 2, 3)
    ):
        options = _algorithm(algorithm, order, kind)
        yield solver(
            SINGLE, {**FINE, **options}, inner=order, how=DOUBLE, order=order, exact_on_points=True
        )
    for kind, order in product(("midpoint", "heun"), (1, 2, 3)):
        options = _algorithm("sde-dpmsolver++", order, kind)
        claims = {"eta": 1.0} if order == 1 else {}
        yield solver(SINGLE, {**FINE, **options}, inner=order, order=1, noise=True, **claims)
    for order in (2, 3):  # numbers of steps that the order does not divide
        yield solver(
            SINGLE, {"solver_order": order}, steps=(25, 50, 100, 200), exact_on_points=True
        )
    for sigmas in SIGMAS[:2]:
        yield solver(SINGLE, {sigmas: True}, inner=2, order=2, exact_on_points=True)
    yield from _beta_grids(SINGLE)
    yield solver(SINGLE, {}, how=OWN, exact_on_points=True)
    for kind in ("sample", "v_prediction"):
        yield solver(SINGLE, {"prediction_type": kind}, exact_on_points=True)
    yield solver(
        SINGLE, {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}, inner=2, order=2
    )


def deis() -> Iterator[Target]:
    cls = diffusers.DEISMultistepScheduler
    for order in (1, 2, 3):
        claims = {"eta": 0.0} if order == 1 else {}
        yield solver(
            cls,
            {**FINE, "solver_order": order},
            how=DOUBLE,
            order=order,
            steps=LATER,
            exact_on_points=True,
            **claims,
        )
    yield solver(cls, {"solver_order": 3}, order=3)
    yield from _grids(cls, ("epsilon", "sample", "v_prediction"), order=2)


def unipc() -> Iterator[Target]:
    """Of order solver_order + 1, as its documentation says, for the corrector's sake."""
    cls = diffusers.UniPCMultistepScheduler
    for order, kind, data in product((1, 2, 3), ("bh1", "bh2"), (True, False)):
        options = {"solver_order": order, "solver_type": kind, "predict_x0": data}
        options |= {} if data else {"final_sigmas_type": "sigma_min"}
        yield solver(cls, {**FINE, **options}, how=DOUBLE, order=order + 1, exact_on_points=True)
    yield from _grids(cls, ("epsilon", "sample", "v_prediction"), order=3)
    karras = {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"}
    yield solver(cls, karras)
    yield solver(cls, {**karras, "lower_order_final": False})
    yield solver(cls, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"})


def _grids(cls: Any, kinds: tuple[str, ...], *, order: int, **claims: Any) -> Iterator[Target]:
    for spacing, kind in product(SPACINGS, kinds):
        yield solver(
            cls,
            {"timestep_spacing": spacing, "prediction_type": kind},
            exact_on_points=True,
            **claims,
        )
    for sigmas in SIGMAS[:2]:
        yield solver(cls, {sigmas: True}, exact_on_points=True, order=order, **claims)
    yield from _beta_grids(cls, **claims)
    yield solver(
        cls,
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
        exact_on_points=True,
        order=order,
        **claims,
    )


def sa_solver() -> Iterator[Target]:
    """Xue et al. 2023: the order of the predictor at tau = 0, order 1 in law at other tau."""
    cls = diffusers.SASolverScheduler
    for algorithm, order in product(("data_prediction", "noise_prediction"), (1, 2, 3)):
        options = {
            **FINE,
            "algorithm_type": algorithm,
            "predictor_order": order,
            "corrector_order": order,
        }
        yield solver(
            cls,
            {**options, "tau_func": _none},
            how=DOUBLE,
            noise=True,
            order=order,
            steps=_steps(order),
        )
        yield solver(
            cls,
            {**options, "tau_func": _full},
            how=DOUBLE,
            noise=True,
            order=1,
            steps=_steps(order),
        )
    yield solver(
        cls, {"predictor_order": 3, "corrector_order": 3, "tau_func": _none}, noise=True, order=3
    )
    yield from _grids(cls, ("epsilon", "sample", "v_prediction"), order=1, noise=True)


def _steps(order: int) -> tuple[int, ...]:
    """Its errors at order 1 fall late."""
    return LATER if order == 1 else LATE


def _none(t: Any) -> torch.Tensor:
    """lambda t: 0"""
    return torch.tensor(0.0)


def _full(t: Any) -> torch.Tensor:
    """lambda t: 1"""
    return torch.tensor(1.0)
