"""DPM-Solver and DPM-Solver++, the authors' reference code: give the folder of
LuChengTHU/dpm-solver as --path.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dpm_solver_pytorch as library
import numpy as np

from spec_tests.conformance.libraries import _dpm as shared
from spec_tests.conformance.libraries._torch import in_float64
from spec_tests.conformance.libraries.dpm_solver import snippets
from spec_tests.conformance.target import Target

LIBRARY = "dpm-solver"
SKIPS = ("time_uniform", "logSNR", "time_quadratic")
FINE = (32, 64, 128, 256)  # with fewer steps the slopes of order 3 have not settled


def version() -> str:
    return shared.commit(library)


def samplers() -> Iterator[Target]:
    for algorithm in ("dpmsolver", "dpmsolver++"):
        for method in ("multistep", "singlestep_fixed", "singlestep"):
            yield _target(algorithm, method, 1, "dpmsolver")
            for order in (2, 3):
                for solver_type in ("dpmsolver", "taylor"):
                    yield _target(algorithm, method, order, solver_type)
        for schedule in ("discrete linear", "discrete cosine"):
            for order in (1, 2, 3):
                yield _target(algorithm, "multistep", order, "dpmsolver", schedule=schedule)
        for skip in SKIPS[1:]:
            yield _target(algorithm, "multistep", 2, "dpmsolver", skip=skip)
            yield _target(algorithm, "singlestep_fixed", 3, "dpmsolver", skip=skip)
        for model in ("x_start", "v", "score"):
            yield _target(algorithm, "multistep", 2, "dpmsolver", model=model)


def _target(
    algorithm: str,
    method: str,
    order: int,
    solver_type: str,
    *,
    schedule: str = "linear",
    skip: str = "time_uniform",
    model: str = "noise",
) -> Target:
    name = (
        f"DPM_Solver({algorithm!r}).sample({method!r}, order={order}, solver_type={solver_type!r}"
    )
    told = {
        "skip_type": (skip, "time_uniform"),
        "schedule": (schedule, "linear"),
        "model_type": (model, "noise"),
    }
    name += (
        "".join(f", {key}={value!r}" for key, (value, usual) in told.items() if value != usual)
        + ")"
    )
    asked = {"method": method, "order": order, "solver_type": solver_type, "skip_type": skip}
    arguments = {
        "run": partial(_run, algorithm, schedule, model, asked),
        "nodes": partial(_nodes, schedule, asked),
        "order": order,
        "exact_on_points": True,
        "eta": 0.0 if order == 1 else None,
        "steps": FINE,
    }
    return Target(name, arguments, _snippet if method == "multistep" and order == 3 else "")


def _evaluations(asked: dict, n: int) -> int:
    """What to ask for so that n steps are made: `steps` counts evaluations."""
    order = asked["order"]
    if asked["method"] == "multistep" or order == 1:
        return n
    if asked["method"] == "singlestep_fixed" or order == 2:
        return n * order
    return 3 * (n - 1) + 1  # n - 1 steps of order 3 and one of order 1


def _run(
    algorithm: str,
    schedule: str,
    model: str,
    asked: dict,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    _: Any,
) -> np.ndarray:
    with in_float64():
        noise = shared.schedule(library, schedule)
        wrapped = shared.noise_model(library, noise, denoise, model)
        solver = library.DPM_Solver(wrapped, noise, algorithm_type=algorithm)
        return shared.follow(solver, x, stop, steps=_evaluations(asked, n), **asked)


def _nodes(schedule: str, asked: dict, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The library's own times: of a step of several evaluations its ends."""
    with in_float64():
        noise = shared.schedule(library, schedule)
        solver = library.DPM_Solver(lambda x, t: x, noise)
        ends, skip = (noise.T, shared.END), asked["skip_type"]
        if asked["method"] == "singlestep":
            given = {
                "steps": _evaluations(asked, n),
                "order": asked["order"],
                "skip_type": skip,
                "device": "cpu",
            }
            times, _ = solver.get_orders_and_timesteps_for_singlestep_solver(
                **given, t_T=ends[0], t_0=ends[1]
            )
        else:
            times = solver.get_time_steps(skip, *ends, n, "cpu")
        return shared.levels(noise, times)


def _snippet(claim: str) -> str:
    return snippets.THIRD.strip() if claim == "REV-19" else ""


def processes() -> Iterator[Target]:
    for kind in ("linear", "discrete linear", "discrete cosine"):
        yield Target(f"NoiseScheduleVP({kind!r})", shared.process(library, kind))


def guidances() -> Iterator[Target]:
    negative = lambda cond, uncond, neg, w: shared.guided(library, cond, neg, w)
    yield Target(
        "model_wrapper",
        {"combine": partial(shared.guided, library), "convention": "w", "negative": negative},
    )
