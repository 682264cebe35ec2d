"""The schedulers of diffusers that came one with a model: IPNDM, trigflow, proteins, video."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch

from spec_tests.conformance.libraries._torch import array, normals, tensor
from spec_tests.conformance.libraries.diffusers.consistency import consistency
from spec_tests.conformance.libraries.diffusers.drive import absent
from spec_tests.conformance.libraries.diffusers.flow import velocity
from spec_tests.conformance.libraries.diffusers.told import Told, own_sigmas, ready, told
from spec_tests.conformance.target import Target


def newer_samplers() -> Iterator[Target]:
    yield told(
        diffusers.IPNDMScheduler,
        {},
        Told(ready(diffusers.IPNDMScheduler, {}), _crash_network, _crash_levels),
        order=2,
    )
    trigflow = ready(diffusers.SCMScheduler, {}, intermediate_timesteps=None)
    yield told(
        diffusers.SCMScheduler, {}, Told(trigflow, _trigflow_network, _trigflow_levels), noise=True
    )
    for options in ({"shift": 1.0}, {"shift": 12.0}):
        drive = Told(_minimax(options), _towards_data, _falling)
        yield told(diffusers.MiniMaxH3Scheduler, options, drive, order=1, eta=0.0)
    for kind, order in (("euler", 1), ("unipc", 3)):
        options = {"stages": 1, "scheduler_type": kind}
        yield told(
            diffusers.HeliosScheduler,
            options,
            Told(ready(diffusers.HeliosScheduler, options), velocity, _falling),
            order=order,
        )
    for schedule, noise in (("power", "1/t"), ("log", "tan")):
        yield _proteina(schedule, noise)
    yield absent(
        "HeliosDMDScheduler()",
        "the caller hands it the noise and the levels: its step is x0 and add_noise",
    )
    yield absent(
        "PiflowScheduler()",
        "its network predicts a policy of many x0 in one answer, which no denoiser gives",
    )


def _crash_levels(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    return scheduler.alphas.double().numpy(), scheduler.betas.double().numpy()


def _crash_network(_: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor) -> np.ndarray:
    """v = alpha eps - sigma x0 of v-diffusion, whose timestep is the angle of (alpha, sigma) in
    right angles.
    """
    alpha, sigma = np.cos(float(t) * np.pi / 2), np.sin(float(t) * np.pi / 2)
    x0 = denoise(x, alpha, sigma)
    return alpha * (x - alpha * x0) / sigma - sigma * x0


def _trigflow_levels(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    t = scheduler.timesteps.double().numpy()
    return np.cos(t), scheduler.config.sigma_data * np.sin(t)


def _trigflow_network(
    scheduler: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor
) -> np.ndarray:
    """F of f = cos(t) x - sin(t) F, f a perfect consistency model (Lu and Song 2025, arXiv
    2410.11081).
    """
    alpha, sine = np.cos(float(t)), np.sin(float(t))
    return (alpha * x - consistency(denoise, x, alpha, scheduler.config.sigma_data * sine)) / sine


def _falling(scheduler: Any) -> tuple[np.ndarray, np.ndarray]:
    sigmas = own_sigmas(scheduler)
    return 1 - sigmas, sigmas


def _minimax(options: dict[str, Any]) -> Callable[[int], Any]:
    """Its N timesteps are the nodes, N - 1 steps."""
    make = ready(diffusers.MiniMaxH3Scheduler, options)
    return lambda n: make(n + 1)


def _towards_data(_: Any, denoise: Callable, x: np.ndarray, t: torch.Tensor) -> np.ndarray:
    """x0 - eps, told t = 1 - sigma."""
    return (denoise(x, float(t), 1 - float(t)) - x) / (1 - float(t))


def _proteina(schedule: str, noise: str) -> Target:
    options = {
        "schedule_mode": schedule,
        "noise_mode": noise,
        "tsr_k": 1.0,
        "tsr_sigma": 1.0,
        "tail_steps": 0,
    }
    make = ready(diffusers.RFD4ProteinaScheduler, options)
    nodes = lambda n: (lambda t: (t, 1 - t))(make(n)._times.double().numpy())
    claims = {"precision": "float32", "noise": True, "order": 1}
    return Target(
        f"RFD4ProteinaScheduler({schedule!r}, {noise!r}, tsr_k=1)",
        {"run": partial(_fold, make), "nodes": nodes, **claims},
    )


def _fold(
    make: Callable, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """A row is a protein of one token."""
    scheduler, y = make(n), tensor(x)[:, None]
    draw = normal and (lambda shape: normal((shape[0], shape[2]))[:, None])
    with torch.no_grad(), normals(draw):
        for t in scheduler.timesteps[:stop]:
            output = tensor(_towards_data(scheduler, denoise, array(y)[:, 0], t))[:, None]
            y = scheduler.step(output, t, y, torch.ones(len(x), 1)).prev_sample
    return array(y)[:, 0]
