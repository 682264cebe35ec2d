"""smalldiffusion: its one sampler with every (gam, mu), on every schedule, and its wrappers of
predictions.

It works on x/alpha at the noise level sigma/alpha, alpha = 1; but its flow schedules are x_t = (1 -
t) x0 + t eps.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from types import SimpleNamespace
from typing import Any

import numpy as np
import smalldiffusion as library
import torch

from spec_tests.conformance.libraries._torch import array, in_float64, normals, tensor
from spec_tests.conformance.libraries.smalldiffusion import snippets
from spec_tests.conformance.libraries.smalldiffusion.networks import (
    Labelled,
    Network,
    answer,
    wrapped,
)
from spec_tests.conformance.target import Target

LIBRARY = "smalldiffusion"
SCHEDULES: dict[str, Callable] = {
    "ScheduleLogLinear(N=1000)": partial(
        library.ScheduleLogLinear, 1000, sigma_min=0.01, sigma_max=80.0
    ),
    "ScheduleDDPM()": library.ScheduleDDPM,
    "ScheduleLDM()": library.ScheduleLDM,
    "ScheduleSigmoid()": library.ScheduleSigmoid,
    "ScheduleCosine()": library.ScheduleCosine,
}
FLOWS: dict[str, Callable] = {
    "ScheduleFlow()": library.ScheduleFlow,
    "ScheduleLogNormalFlow()": library.ScheduleLogNormalFlow,
}
# of 1000 training steps; at more the rounding to a whole one shows in the steps
STEPS = (
    8,
    16,
    32,
    64,
)
EVEN = (16, 32, 64, 128)  # where nothing is rounded


def version() -> str:
    return installed("smalldiffusion")


def samplers() -> Iterator[Target]:
    for schedule in SCHEDULES:
        yield _target(schedule, "PredX0", gam=1.0, mu=0.0, order=1, eta=0.0, exact_on_points=True)
        yield _target(schedule, "PredX0", gam=1.0, mu=0.5, noise=True, eta=1.0)
        yield _target(schedule, "PredX0", gam=2.0, mu=0.0, exact_on_points=True)
    for prediction in ("eps", "PredV"):
        yield _target(
            "ScheduleDDPM()", prediction, gam=1.0, mu=0.0, order=1, eta=0.0, exact_on_points=True
        )
    for mu in (0.25, 0.75):
        yield _target("ScheduleLogLinear(N=1000)", "PredX0", gam=1.0, mu=mu, noise=True)
    yield _target("ScheduleLogLinear(N=1000)", "PredX0", gam=2.0, mu=0.5, noise=True)
    for gam in (1.5, 3.0):
        yield _target("ScheduleLogLinear(N=1000)", "PredX0", gam=gam, mu=0.0, exact_on_points=True)
    for schedule in FLOWS:
        yield _target(schedule, "PredFlow", gam=1.0, mu=0.0, order=1, eta=0.0, exact_on_points=True)
        yield _target(schedule, "PredFlow", gam=2.0, mu=0.0, exact_on_points=True)
        yield _target(schedule, "PredFlow", gam=1.0, mu=0.5, noise=True)


def _target(schedule: str, prediction: str, *, gam: float, mu: float, **claims: Any) -> Target:
    name = f"samples({schedule}, {prediction}, gam={gam:g}, mu={mu:g})"
    given = {
        "run": partial(_run, schedule, prediction, gam, mu),
        "nodes": partial(_nodes, schedule),
    }
    given |= {"steps": EVEN if schedule in FLOWS else STEPS}
    # it makes its betas float32
    given |= {"precision": "float32"} if schedule == "ScheduleCosine()" else {}
    return Target(name, {**given, **claims}, partial(snippets.of, name))


def _run(
    schedule: str,
    prediction: str,
    gam: float,
    mu: float,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Any,
) -> np.ndarray:
    """The noise of mu = 0 is drawn, too, and multiplied by 0: ones show where it is not 0."""
    with in_float64(), normals(normal or np.ones):
        model = wrapped(prediction)(partial(answer, denoise, prediction), x.shape[1])
        sigmas = _sigmas(schedule, n)[: stop + 1]
        *_, out = library.samples(model, sigmas, gam=gam, mu=mu, xt=tensor(x), accelerator=CPU)
        return array(out)


CPU: Any = SimpleNamespace(device="cpu")  # all that it asks of an Accelerator


def _sigmas(schedule: str, n: int) -> torch.Tensor:
    return (SCHEDULES | FLOWS)[schedule]().sample_sigmas(n)


def _nodes(schedule: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    with in_float64():
        sigmas = array(_sigmas(schedule, n)).astype(np.float64)
    return (1 - sigmas if schedule in FLOWS else np.ones(len(sigmas))), sigmas


# --- schedules, wrappers, guidance --------------------------------------------------------------


def processes() -> Iterator[Target]:
    """Times are training steps."""
    for name in SCHEDULES | FLOWS:
        flow = name in FLOWS
        given = {
            "alpha": (lambda t, at=name: 1 - _sigma(at, t)) if flow else lambda t: 1.0,
            "sigma": partial(_sigma, name),
            "times": np.linspace(49.0, 999.0, 11),
            "perturb": lambda x0, eps, t, at=name: _lesson(
                "PredFlow" if at in FLOWS else "PredX0", at, x0, eps, t
            )[0],
            "start": _start(name),
        }
        if flow:
            given["velocity"] = lambda x0, eps, t, at=name: (
                _lesson("PredFlow", at, x0, eps, t)[1] * _slope(at)
            )
        else:
            given |= {"grid": partial(_grid, name), "spacing": "trailing", "training_steps": 1000}
            given["convert"] = {
                kind: (predict, partial(_recover, name, kind))
                for kind, predict in PREDICTIONS.items()
            }
        yield Target(name, given, partial(snippets.of, name))


PREDICTIONS: dict[str, Callable] = {
    "eps": lambda x0, eps, a, s: eps,
    "PredX0": lambda x0, eps, a, s: x0,
    "PredV": lambda x0, eps, a, s: (eps - s * x0) / (1 + s**2) ** 0.5,
}


def _sigma(name: str, t: float) -> float:
    with in_float64():
        return float((SCHEDULES | FLOWS)[name]()[int(t)])


def _slope(name: str) -> float:
    """Of the flow's time by the number of the training step."""
    return (_sigma(name, 999) - _sigma(name, 0)) / 999


def _grid(name: str, n: int) -> np.ndarray:
    with in_float64():
        schedule = SCHEDULES[name]()
        return np.searchsorted(array(schedule.sigmas), array(schedule.sample_sigmas(n)[:-1]))


def _lesson(
    prediction: str, name: str, x0: np.ndarray, eps: np.ndarray, t: float
) -> tuple[np.ndarray, np.ndarray]:
    """What training shows to the network, and the target that it is compared with."""
    kept: list[np.ndarray] = []
    shown = lambda x, sigma: kept.append(array(x)) or x
    model = wrapped(prediction)(shown)
    model.get_loss(
        tensor(x0),
        tensor(_sigma(name, t)),
        tensor(eps),
        loss=lambda: lambda target, out: kept.append(array(target)),
    )
    return kept[0], kept[1]


def _recover(name: str, kind: str, x: np.ndarray, prediction: np.ndarray, t: float) -> np.ndarray:
    sigma = tensor(_sigma(name, t))
    model = wrapped(kind)(lambda *_: tensor(prediction))
    with torch.no_grad():
        return array(tensor(x) - sigma * model.predict_eps(tensor(x), sigma))


def _start(name: str) -> float:
    """The deviation of the first sample that samples() draws; its sigma is not in the first yield,
    but in the call.
    """
    first: list[float] = []
    with in_float64(), normals(np.ones):
        model = Network(lambda x, sigma: first.append(float(x.ravel()[0])) or x, 1)
        next(iter(library.samples(model, _sigmas(name, 10), accelerator=CPU)))
    return first[0]


def guidances() -> Iterator[Target]:
    yield Target("ModelMixin.predict_eps_cfg", {"combine": _guided, "convention": "1 + w"})


def _guided(cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    labels = torch.zeros(len(cond), dtype=torch.int64)
    return array(Labelled(cond, uncond).predict_eps_cfg(tensor(cond), tensor(1.0), labels, w))
