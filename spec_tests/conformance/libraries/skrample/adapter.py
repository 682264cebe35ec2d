"""skrample: every sampler on every schedule with every kind of prediction, through sample_model."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
from skrample import scheduling
from skrample.sampling import functional, models, structured, tableaux
from skrample.sampling.interface import StructuredFunctionalAdapter

from spec_tests.conformance.libraries.skrample import snippets
from spec_tests.conformance.target import Target

LIBRARY = "skrample"
SCALED, LINEAR = scheduling.Scaled(), scheduling.Linear()
SCHEDULES: dict[str, Any] = {
    "Scaled()": SCALED,
    "Linear()": LINEAR,
    "ZSNR()": scheduling.ZSNR(),
    "Scaled(beta_scale=1)": scheduling.Scaled(beta_scale=1),
    "Linear(sigma_start=15)": scheduling.Linear(sigma_start=15),
    "Karras(Scaled())": scheduling.Karras(SCALED),
    "Exponential(Scaled())": scheduling.Exponential(SCALED),
    "Beta(Scaled())": scheduling.Beta(SCALED),
    "Probit(Scaled())": scheduling.Probit(SCALED),
    "FlowShift(Linear())": scheduling.FlowShift(LINEAR),
    "Hyper(Scaled())": scheduling.Hyper(SCALED),
    "Sinner(Scaled())": scheduling.Sinner(SCALED),
}
FLOWS = {"Linear()", "FlowShift(Linear())"}
MODELS: dict[str, tuple[Any, Callable]] = {  # x0, eps, alpha, sigma -> what the network gives
    "DataModel": (models.DataModel(), lambda x0, eps, a, s: x0),
    "NoiseModel": (models.NoiseModel(), lambda x0, eps, a, s: eps),
    "FlowModel": (models.FlowModel(), lambda x0, eps, a, s: eps - x0),
    "VelocityModel": (models.VelocityModel(), lambda x0, eps, a, s: a * eps - s * x0),
}
FINE = (32, 64, 128, 256)
# where the last step to 0 is long, or the weights of a method change along the way
FINEST = (
    64,
    128,
    256,
    512,
)
FEW = (10, 20, 40)  # where the error of order 10 is not yet rounding
Adapt = StructuredFunctionalAdapter


def version() -> str:
    return installed("skrample")


def samplers() -> Iterator[Target]:
    for schedule in SCHEDULES:
        model = "FlowModel" if schedule in FLOWS else "DataModel"
        yield from _euler(schedule, model)
        order = {"order": 2} if "=15" not in schedule else {}  # its last steps are too long to tell
        for sampler in (structured.DPM(order=2), functional.RKUltra(order=2)):
            yield _target(sampler, schedule, model, exact_on_points=True, steps=FINEST, **order)
    for model in ("NoiseModel", "FlowModel", "VelocityModel"):
        yield from _euler("Scaled()", model)
    yield from _dpm()
    yield from _adams()
    yield from _unified()
    yield from _runge_kutta()


def _euler(schedule: str, model: str) -> Iterator[Target]:
    yield _target(structured.Euler(), schedule, model, order=1, eta=0.0, exact_on_points=True)
    for eta in (0.5, 1.0):
        yield _target(structured.Euler(stochasticity=eta), schedule, model, noise=True, eta=eta)


def _dpm() -> Iterator[Target]:
    for order in (1, 2, 3):
        for model in MODELS:
            transform = MODELS[model][0]
            sampler = structured.DPM(order=order, derivative_transform=transform)
            yield _target(sampler, "Scaled()", model, order=order, exact_on_points=True, steps=FINE)
        for eta in (0.5, 1.0):
            sampler = structured.DPM(order=order, stochasticity=eta)
            yield _target(
                sampler, "Scaled()", "DataModel", noise=True, order=1, exact_on_points=True
            )


def _adams() -> Iterator[Target]:
    """Its coefficients are those of equal steps, which x0 + t (eps - x0) has on Linear()."""
    for order in (1, 2, 3, 4, 5, 9):
        sampler = structured.Adams(order=order, derivative_transform=models.FlowModel())
        yield _target(
            sampler, "Linear()", "FlowModel", order=min(order, 4), exact_on_points=True, steps=FINE
        )
    for order in (2, 3, 4):
        yield _target(
            structured.Adams(order=order),
            "Scaled()",
            "DataModel",
            order=order,
            exact_on_points=True,
            steps=FINE,
        )
    sampler = structured.Adams(order=2, stochasticity=1)
    yield _target(sampler, "Scaled()", "DataModel", noise=True, order=1, exact_on_points=True)


def _unified() -> Iterator[Target]:
    """UniPC adds one to the order; SPC states none."""
    for kind, more in ((structured.UniP, 0), (structured.UniPC, 1)):
        for order in (1, 2, 3, 4):
            sampler = kind(order=order)
            yield _target(
                sampler,
                "Scaled()",
                "DataModel",
                order=min(order + more, 4),
                exact_on_points=True,
                steps=FINE,
            )
        for transform in (models.NoiseModel(), models.FlowModel()):
            sampler = kind(order=3, derivative_transform=transform)
            yield _target(
                sampler, "Scaled()", "DataModel", order=3 + more, exact_on_points=True, steps=FINE
            )
        yield _target(
            kind(order=2, fast_solve=True),
            "Scaled()",
            "DataModel",
            order=2 + more,
            exact_on_points=True,
            steps=FINE,
        )
        yield _target(kind(order=2, stochasticity=1), "Scaled()", "DataModel", noise=True, order=1)
    yield _target(structured.SPC(), "Scaled()", "DataModel", steps=FINEST)
    yield _target(structured.SPC(), "Linear()", "FlowModel", steps=FINEST)


def _runge_kutta() -> Iterator[Target]:
    """The built-in tableaux: order of the family, 4 at most, asked where the steps are equal and
    the integrand unweighted.
    """
    families = {tableaux.RK1: 1, tableaux.RK2: 2, tableaux.RK3: 3, tableaux.RK4: 4, tableaux.RKZ: 4}
    families |= {tableaux.RKE2: 2, tableaux.RKE3: 3, tableaux.RKE5: 4, tableaux.SSP: 3}
    for family, order in families.items():
        for one in family:
            order = 4 if one.name.startswith(("RK4", "RK5")) else order
            sampler, steps = (
                functional.RKUltra(1, 0, models.FlowModel(), {1: one}),
                {"steps": FEW} if one.name[-2:].isdigit() else {},
            )
            yield _target(
                sampler,
                "Linear()",
                "FlowModel",
                f"RKUltra({one})",
                order=order,
                exact_on_points=True,
                **steps,
            )
    for model in MODELS:
        sampler = functional.RKUltra(order=2, derivative_transform=MODELS[model][0])
        yield _target(sampler, "Scaled()", model, order=2, exact_on_points=True)
    for order in (2, 3, 4):
        sampler = functional.DynasauRK(order=order)
        yield _target(sampler, "Scaled()", "DataModel", order=2, exact_on_points=True)
    sampler = functional.RKUltra(order=2, stochasticity=1)
    yield _target(sampler, "Scaled()", "DataModel", noise=True, order=1, exact_on_points=True)


def _target(sampler: Any, schedule: str, model: str, name: str = "", **claims: Any) -> Target:
    name = f"{name or _written(sampler)} on {schedule}, {model}"
    given = {"run": partial(_run, sampler, schedule, model), "nodes": partial(_nodes, schedule)}
    return Target(name, {**given, **claims}, partial(snippets.of, name))


def _written(sampler: Any) -> str:
    """Its class with the fields that are not the class's own defaults."""
    default = type(sampler)()
    fields = {key: getattr(sampler, key) for key in default.__dataclass_fields__}
    told = {
        key: value
        for key, value in fields.items()
        if value != getattr(default, key) or key == "order"
    }
    words = ", ".join(f"{key}={value!r}" for key, value in told.items())
    return f"{type(sampler).__name__}({words})"


def _run(
    sampler: Any,
    schedule: str,
    model: str,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    solver = sampler if isinstance(sampler, functional.FunctionalSampler) else Adapt(sampler)
    kind, of = MODELS[model]

    def network(x: np.ndarray, t: float, sigma: float, alpha: float) -> np.ndarray:
        x0 = denoise(x, alpha, sigma)
        return of(x0, (x - alpha * x0) / sigma, alpha, sigma)

    draw = (lambda step: normal(x.shape)) if normal else None
    return solver.sample_model(x, network, kind, SCHEDULES[schedule], n, slice(0, stop), draw)


def _nodes(schedule: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    points = SCHEDULES[schedule].ipoints_np(np.linspace(0, 1, n + 1))
    return points[:, 2], points[:, 1]


def processes() -> Iterator[Target]:
    """Times are t of Schedule.point: 0 data, 1 noise."""
    for name, schedule in SCHEDULES.items():
        recovered = (
            MODELS
            if name not in FLOWS
            else {kind: MODELS[kind] for kind in MODELS if kind != "VelocityModel"}
        )
        given = {
            "alpha": lambda t, at=schedule: at.point(t).alpha,
            "sigma": lambda t, at=schedule: at.point(t).sigma,
            "times": np.linspace(0.05, 1.0 if name not in NO_DATA else 0.9999, 12),
            "perturb": lambda x0, eps, t, at=schedule: structured.Euler().add_noise(
                x0, eps, at.point(t)
            ),
            "convert": {
                kind: (of, partial(_recover, model, schedule))
                for kind, (model, of) in recovered.items()
            },
            "start": _start(schedule),
        }
        yield Target(name, given, partial(snippets.of, name))


NO_DATA = {"ZSNR()", *FLOWS}  # alpha is 0 at t = 1, and from eps alone there is no way back


def _recover(
    model: Any, schedule: Any, x: np.ndarray, prediction: np.ndarray, t: float
) -> np.ndarray:
    return model.to_x(x, prediction, schedule.point(t))


def _start(schedule: Any) -> float:
    """The deviation that generate_model starts with."""
    first: list[float] = []
    network = lambda x, *_: first.append(float(x[0])) or x
    Adapt(structured.Euler()).generate_model(
        network, models.DataModel(), schedule, lambda step: np.ones(1), 4
    )
    return first[0]
