"""UniPC, the authors' reference code: give the folder of wl-zhao/UniPC as --path."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import uni_pc as library

from spec_tests.conformance.libraries import _dpm as shared
from spec_tests.conformance.libraries._torch import in_float64
from spec_tests.conformance.libraries.unipc import snippets
from spec_tests.conformance.target import Target

LIBRARY = "UniPC"
FINE = (64, 128, 256, 512)  # with fewer steps the slopes of orders 3 and 4 have not settled


def version() -> str:
    return shared.commit(library)


def samplers() -> Iterator[Target]:
    for algorithm in ("data_prediction", "noise_prediction"):
        for variant in ("bh1", "bh2", "vary_coeff"):
            for order in (1, 2, 3):
                yield _target(algorithm, variant, order)
        for schedule in ("discrete linear", "cosine"):
            yield _target(algorithm, "bh2", 2, schedule=schedule)
        for skip in ("logSNR", "time_quadratic"):
            yield _target(algorithm, "bh2", 2, skip=skip)
        for model in ("x_start", "v"):
            yield _target(algorithm, "bh2", 2, model=model)
            yield _target(algorithm, "bh2", 2, model=model, alone=True)


def _target(
    algorithm: str,
    variant: str,
    order: int,
    *,
    schedule: str = "linear",
    skip: str = "time_uniform",
    model: str = "noise",
    alone: bool = False,
) -> Target:
    name = f"UniPC({algorithm!r}, variant={variant!r}).sample(order={order}"
    told = {
        "skip_type": (skip, "time_uniform"),
        "schedule": (schedule, "linear"),
        "model_type": (model, "noise"),
    }
    name += (
        "".join(f", {key}={value!r}" for key, (value, usual) in told.items() if value != usual)
        + ")"
    )
    name += ", batch of one" if alone else ""
    run = partial(_run, algorithm, variant, schedule, model, {"order": order, "skip_type": skip})
    arguments = {
        "run": partial(_one_by_one, run) if alone else run,
        "nodes": partial(_nodes, schedule, skip),
        "order": order + 1,  # with its corrector: Zhao et al. 2023, arXiv:2302.04867, Theorem 3.1
        "exact_on_points": True,
        "steps": FINE,
    }
    return Target(
        name, arguments, snippets.BATCH if model != "noise" else partial(_snippet, variant)
    )


def _run(
    algorithm: str,
    variant: str,
    schedule: str,
    model: str,
    asked: dict,
    denoise: Callable,
    x: Any,
    n: int,
    stop: int,
    _: Any,
) -> np.ndarray:
    with in_float64():
        noise = shared.schedule(library, schedule)
        wrapped = shared.noise_model(library, noise, denoise, model)
        solver = library.UniPC(wrapped, noise, algorithm_type=algorithm, variant=variant)
        return shared.follow(solver, x, stop, steps=n, method="multistep", **asked)


def _one_by_one(
    run: Callable, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Any
) -> np.ndarray:
    return np.concatenate([run(denoise, row[None], n, stop, normal) for row in x])


def _nodes(schedule: str, skip: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    with in_float64():
        noise = shared.schedule(library, schedule)
        solver = library.UniPC(lambda x, t: x, noise)
        return shared.levels(noise, solver.get_time_steps(skip, noise.T, shared.END, n, "cpu"))


def processes() -> Iterator[Target]:
    for kind in ("linear", "cosine", "discrete linear", "discrete cosine"):
        yield Target(f"NoiseScheduleVP({kind!r})", shared.process(library, kind))


def guidances() -> Iterator[Target]:
    negative = lambda cond, uncond, neg, w: shared.guided(library, cond, neg, w)
    yield Target(
        "model_wrapper",
        {"combine": partial(shared.guided, library), "convention": "w", "negative": negative},
    )


def _snippet(variant: str, claim: str) -> str:
    return snippets.VARY if variant == "vary_coeff" and claim == "REV-19" else ""
