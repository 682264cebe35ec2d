"""How every scheduler of diffusers is driven: set_timesteps, then step with its own timesteps, as
its pipelines do.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from spec_tests.conformance.libraries._torch import array, normals, tensor
from spec_tests.conformance.target import Target

Level = tuple[float, float]  # (alpha, sigma)
VP = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
# The same schedule in 10,000 steps: orders are measured there, where integer timesteps do not limit
# them.
FINE = {
    "num_train_timesteps": 10_000,
    "trained_betas": (np.linspace(1e-4, 0.02, 10_000) / 10).tolist(),
}
DIVIDING = (25, 50, 100, 200)  # numbers of steps that divide 1000


def one_step(
    scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor, **options: Any
) -> torch.Tensor:
    return scheduler.step(output, scheduler.timesteps[k], x, **options).prev_sample


def every_call(scheduler: Any) -> list[int]:
    """Each call of step is one step of the method."""
    return list(range(len(scheduler.timesteps) + 1))


class Drive(NamedTuple):
    """A scheduler, and what a pipeline must know of it."""

    make: Callable[[], Any]
    levels: Callable[[Any], list[Level]]  # of each call of step, and the one where the last ends
    calls: Callable[[Any], list[int]] = (
        every_call  # the first call of each step, and the number of all
    )
    step: Callable[..., torch.Tensor] = (
        one_step  # (scheduler, output, k, x) -> x after the k-th call
    )
    inner: int = 1  # num_inference_steps for one step of the method
    asked: Callable[[Any], list[Level]] | None = (
        None  # of each call of the network, where they are others
    )
    custom: bool = False  # timesteps of ours, where set_timesteps takes them
    begin: bool = False  # tell it where its grid begins, as only some pipelines do
    # its own sigmas as float64, so that coefficients of a high order are not lost in rounding
    double: bool = False

    def ready(self, n: int) -> Any:
        scheduler = self.make()
        if self.custom:
            scheduler.set_timesteps(timesteps=uneven(n))
        else:
            scheduler.set_timesteps(n * self.inner)
        if self.begin:
            scheduler.set_begin_index(0)
        if self.double:
            scheduler.sigmas = scheduler.sigmas.double()
        return scheduler

    def run(
        self, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
    ) -> np.ndarray:
        scheduler, y = self.ready(n), tensor(x)
        levels = (self.asked or self.levels)(scheduler)
        with torch.no_grad(), normals(normal):
            for k in range(self.calls(scheduler)[stop]):
                x0 = tensor(denoise(array(y), *levels[k]))
                y = self.step(
                    scheduler,
                    prediction(scheduler.config.get("prediction_type"), y, x0, *levels[k]),
                    k,
                    y,
                )
        return array(y)

    def nodes(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        scheduler = self.ready(n)
        levels = self.levels(scheduler)
        alphas, sigmas = np.transpose([levels[k] for k in self.calls(scheduler)])
        return alphas, sigmas


def uneven(n: int) -> list[int]:
    """Timesteps with steps twice as long at the noise as at the data."""
    return [round(999 * (0.7 * u + 0.3 * u * u)) for u in np.arange(n, 0, -1) / n]


def prediction(kind: str | None, x: Any, x0: Any, alpha: float, sigma: float) -> Any:
    """What a network of that kind would say, given E[x_0 | x]; no kind: the noise."""
    eps = (x - alpha * x0) / sigma
    kinds = {"sample": x0, "v_prediction": alpha * eps - sigma * x0, "flow_prediction": eps - x0}
    return kinds.get(kind or "epsilon", eps)


def chain_levels(scheduler: Any, *, looked_up: bool) -> list[Level]:
    """Of integer timesteps, by alphas_cumprod.  looked_up: the last step ends at data; else one
    stride below.
    """
    bars = [float(scheduler.alphas_cumprod[int(t)]) for t in scheduler.timesteps]
    last = -1 if looked_up else int(scheduler.timesteps[-1]) - _stride(scheduler)
    end = (
        float(getattr(scheduler, "final_alpha_cumprod", 1.0))
        if last < 0
        else float(scheduler.alphas_cumprod[last])
    )
    return [(bar**0.5, (1 - bar) ** 0.5) for bar in [*bars, end]]


def _stride(scheduler: Any) -> int:
    return scheduler.config.num_train_timesteps // scheduler.num_inference_steps


def sigma_levels(scheduler: Any) -> list[Level]:
    """Of schedulers that keep sigma/alpha of a variance preserving process, or sigma = 1 - alpha of
    a flow.
    """
    flow = scheduler.config.get("use_flow_sigmas")
    return [
        (1 - s, s) if flow else ((1 + s * s) ** -0.5, s * (1 + s * s) ** -0.5)
        for s in map(float, scheduler.sigmas)
    ]


def target(name: str, drive: Drive, *, snippet: Any = "", **claims: Any) -> Target:
    return Target(
        name, {"run": drive.run, "nodes": drive.nodes, "precision": "float32", **claims}, snippet
    )


def absent(name: str, reason: str) -> Target:
    """A class that no Gaussian law can be asked of, said as such."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(reason)

    return Target(name, {"run": refuse, "nodes": refuse})


def called(cls: Any, options: dict[str, Any], *, hidden: Collection[str] = ()) -> str:
    """As a user would write it, less the schedule where it is the one of this module."""
    shown = {
        name: value for name, value in options.items() if name not in ("trained_betas", *hidden)
    }
    said = [f"{name}={_shown(value)}" for name, value in shown.items() if VP.get(name) != value]
    return f"{cls.__name__}({', '.join(said)})"


def _shown(value: Any) -> str:
    return getattr(value, "__doc__", repr(value)) if callable(value) else repr(value)


def maker(cls: Any, **options: Any) -> Callable[[], Any]:
    return partial(cls, **{**({} if "trained_betas" in options else VP), **options})
