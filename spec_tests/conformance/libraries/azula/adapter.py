"""azula: every sampler, called as its README does, on every noise schedule."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch
from azula import noise, sample
from azula.denoise import Denoiser, DiracPosterior, KarrasDenoiser, SimpleDenoiser
from azula.guidance.cfg import CFGDenoiser

from spec_tests.conformance.libraries._torch import array, normals, tensor
from spec_tests.conformance.libraries.azula import snippets
from spec_tests.conformance.target import Target

LIBRARY = "azula"
SCHEDULES = {
    "VPSchedule": noise.VPSchedule,
    "CosineSchedule": noise.CosineSchedule,
    "RectifiedSchedule": noise.RectifiedSchedule,
    "VESchedule": noise.VESchedule,
    "DecaySchedule": noise.DecaySchedule,
}
MULTISTEP = (
    sample.zABSampler,
    sample.vABSampler,
    sample.zEABSampler,
    sample.xEABSampler,
    sample.REABSampler,
)
# with fewer steps the slopes of some multi-step methods have not settled
FINE = (
    64,
    128,
    256,
    512,
)
# the sum of the delta of all corrector steps of PCSampler: each is a Langevin step of first order
# in delta
LANGEVIN = 0.5


def version() -> str:
    return installed("azula")


def samplers() -> Iterator[Target]:
    for schedule in SCHEDULES:
        yield from _one_step(schedule)
        for sampler in MULTISTEP:
            for order in (1, 2, 3, 4) if schedule == "VPSchedule" else (2,):
                yield _multistep(sampler, order, schedule)


def _one_step(schedule: str) -> Iterator[Target]:
    quiet = {"order": 1, "eta": 0.0, "exact_on_points": True}
    yield _target(sample.DDPMSampler, schedule, {}, noise=True, eta=1.0)
    yield _target(sample.DDIMSampler, schedule, {"eta": 0.0}, **quiet)
    # its eta multiplies the variance, the paper's the deviation
    for eta, family in ((0.5, 0.5), (0.25, 0.5)):
        yield _target(sample.DDIMSampler, schedule, {"eta": eta}, noise=True, eta=family)
    yield _target(sample.DDIMSampler, schedule, {"eta": 1.0}, noise=True, eta=1.0)
    yield _target(sample.EulerSampler, schedule, {}, **quiet)
    yield _target(sample.HeunSampler, schedule, {}, order=2, exact_on_points=True)
    yield _target(sample.ItoSampler, schedule, {"eta": 0.0}, **quiet)
    for eta in (0.5, 1.0):
        yield _target(sample.ItoSampler, schedule, {"eta": eta}, noise=True, order=1)
    yield _target(sample.PCSampler, schedule, {}, noise=True, order=1)


def _multistep(sampler: Any, order: int, schedule: str) -> Target:
    """All but REAB are exact where the data are one point, and are Euler steps in disguise at order
    1.
    """
    exact = sampler is not sample.REABSampler
    first = {"eta": 0.0} if order == 1 and exact else {}
    return _target(
        sampler, schedule, {"order": order}, order=order, exact_on_points=exact, steps=FINE, **first
    )


def _target(sampler: Any, schedule: str, options: dict[str, Any], **claims: Any) -> Target:
    written = "".join(f", {name}={value!r}" for name, value in options.items())
    name = f"{sampler.__name__}({schedule}{written})"
    arguments = {
        "run": partial(_run, sampler, schedule, options),
        "nodes": partial(_nodes, schedule),
        **claims,
    }
    return Target(name, arguments, partial(snippets.of, name))


def processes() -> Iterator[Target]:
    for name in SCHEDULES:
        schedule = SCHEDULES[name]()
        arguments = {
            "alpha": lambda t, at=schedule: float(at.alpha(tensor(t))),
            "sigma": lambda t, at=schedule: float(at.sigma(tensor(t))),
            "times": np.linspace(0.0, 1.0, 11),
            "perturb": partial(_perturb, schedule),
            "convert": {
                kind.__name__: (predict, partial(_recover, kind, schedule))
                for kind, predict in PREDICTIONS.items()
            },
            "start": _start(schedule),
        }
        yield Target(f"{name}()", arguments)


def _simple(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    return x0


def _karras(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """Karras et al. 2022, eq. 7 and Table 1, of y = x/alpha at tau = sigma/alpha for data of unit
    variance.
    """
    y, tau = x0 + sigma / alpha * eps, sigma / alpha
    return (x0 - y / (1 + tau**2)) * np.sqrt(1 + tau**2) / tau


PREDICTIONS = {SimpleDenoiser: _simple, KarrasDenoiser: _karras}


class Backbone(torch.nn.Module):
    """A network that answers what it is told to, and keeps what it was asked."""

    def __init__(self, answer: Any):
        super().__init__()
        self.answer, self.asked = torch.nn.Parameter(answer), None

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.asked = x
        return self.answer


def _recover(
    kind: Any, schedule: noise.Schedule, x: np.ndarray, prediction: np.ndarray, t: float
) -> np.ndarray:
    return array(kind(Backbone(tensor(prediction)), schedule)(tensor(x), tensor(t)).mean)


def _perturb(schedule: noise.Schedule, x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
    """What the loss shows to the network, which scales it by c_in."""
    network, time = Backbone(tensor(x0)), torch.full((len(x0),), t, dtype=torch.float64)
    with normals(lambda shape: eps):
        SimpleDenoiser(network, schedule).loss(tensor(x0), time)
    assert network.asked is not None
    return array(network.asked) * float(torch.hypot(*schedule(time[0])))


def _start(schedule: noise.Schedule) -> float:
    """The deviation of Sampler.init for data of unit variance, its default."""
    sampler = sample.DDIMSampler(Exact(schedule, lambda *_: None), dtype=torch.float64)
    with normals(np.ones):
        return float(sampler.init((1,))[0])


class Exact(Denoiser):
    """The kit's denoiser as a network of azula's."""

    def __init__(self, schedule: noise.Schedule, denoise: Callable):
        super().__init__()
        self.schedule, self.denoise = schedule, denoise

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, **_: Any) -> DiracPosterior:
        alpha, sigma = self.schedule(t)
        return DiracPosterior(tensor(self.denoise(array(x_t), float(alpha), float(sigma))))


def _run(
    sampler: Any,
    schedule: str,
    options: dict,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The quiet members of DDIMSampler and ItoSampler draw, too, and multiply by 0: ones show where
    it is not 0.
    """
    if sampler is sample.PCSampler:
        options = {"corrections": 1, "delta": LANGEVIN / n}
    end = float(_times(n)[stop])
    solver = sampler(
        Exact(SCHEDULES[schedule](), denoise),
        **options,
        stop=end,
        steps=stop,
        silent=True,
        dtype=torch.float64,
    )
    with normals(normal or np.ones):
        return array(solver(tensor(x)))


def _times(n: int) -> torch.Tensor:
    return torch.linspace(1.0, 0.0, n + 1, dtype=torch.float64)


def _nodes(schedule: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    alpha, sigma = SCHEDULES[schedule]()(_times(n))
    return array(alpha), array(sigma)


def guidances() -> Iterator[Target]:
    yield Target(
        "CFGDenoiser", {"combine": _guided, "convention": "1 + w", "negative": _guided_away}
    )


class Labelled(Denoiser):
    """A network that gives its label, or that of no label."""

    def __init__(self, unlabelled: np.ndarray):
        super().__init__()
        self.schedule, self.unlabelled = noise.VPSchedule(), unlabelled

    def forward(
        self, x_t: torch.Tensor, t: torch.Tensor, label: np.ndarray | None = None, **_: Any
    ) -> DiracPosterior:
        return DiracPosterior(tensor(self.unlabelled if label is None else label))


def _guided(cond: np.ndarray, uncond: np.ndarray, w: float, **negative: Any) -> np.ndarray:
    guide, x, t = CFGDenoiser(Labelled(uncond)), tensor(cond), tensor(0.5)
    return array(guide(x, t, positive={"label": cond}, guidance=w, **negative).mean)


def _guided_away(cond: np.ndarray, uncond: np.ndarray, neg: np.ndarray, w: float) -> np.ndarray:
    return _guided(cond, uncond, w, negative={"label": neg})
