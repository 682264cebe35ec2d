"""Schedulers of diffusers with a time of their own, and those that no Gaussian law can be
asked of.
"""
# pyright: reportMissingImports=false

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import diffusers
import torch
from diffusers.schedulers.deprecated.scheduling_sde_vp import ScoreSdeVpScheduler

from spec_tests.conformance.libraries.diffusers.drive import Drive, Level, absent, called, target
from spec_tests.conformance.target import Target

CONSISTENCY = (
    "documented multi-step consistency sampling: it wants the flow's map to the data, not E[x_0 | "
    "x], and puts fresh noise "
    "on what that gives, so that no law follows from an exact denoiser"
)
DISCRETE = "it generates tokens of a finite set: there is no Gaussian law to ask"
ABSENT = {
    "LCMScheduler": CONSISTENCY,
    "TCDScheduler(eta > 0)": CONSISTENCY,
    "SCMScheduler": CONSISTENCY,
    "CMStochasticIterativeScheduler": CONSISTENCY,
    "ConsistencyDecoderScheduler": CONSISTENCY,
    "AmusedScheduler": DISCRETE,
    "VQDiffusionScheduler": DISCRETE,
    "BlockRefinementScheduler": DISCRETE,
    "DiscreteDDIMScheduler": DISCRETE,
    "EntropyBoundScheduler": DISCRETE,
}


def other_samplers() -> Iterator[Target]:
    yield from ipndm()
    yield from cosine()
    yield from wuerstchen()
    yield score_sde()
    yield from (absent(name, reason) for name, reason in ABSENT.items())


def ipndm() -> Iterator[Target]:
    """The network says v; order 2 is what Liu et al. 2022 prove."""
    drive = Drive(partial(diffusers.IPNDMScheduler), _betas_are_sigmas, step=_says_v)
    yield target("IPNDMScheduler()", drive, order=2, exact_on_points=True)


def _betas_are_sigmas(scheduler: Any) -> list[Level]:
    return [(float(a), float(b)) for a, b in zip(scheduler.alphas, scheduler.betas, strict=True)]


def _says_v(scheduler: Any, eps: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    alpha, sigma = scheduler.alphas[k], scheduler.betas[k]
    v = (eps - sigma * x) / alpha if alpha > 1e-6 else -(x - sigma * eps)
    return scheduler.step(v, scheduler.timesteps[k], x).prev_sample


def cosine() -> Iterator[Target]:
    """Its noise comes from a Brownian tree, in the place of which the kit puts its own normals."""
    cls = diffusers.CosineDPMSolverMultistepScheduler
    for more in ({}, {"sigma_schedule": "karras"}, {"solver_type": "heun"}, {"solver_order": 1}):
        options, claims = (
            {"sigma_min": 0.03, **more},
            {"eta": 1.0} if "solver_order" in more else {},
        )
        drive = Drive(partial(cls, **options), _no_alpha, step=_preconditioned)
        yield target(called(cls, options), drive, noise=True, order=1, **claims)


def _no_alpha(scheduler: Any) -> list[Level]:
    return [(1.0, float(s)) for s in scheduler.sigmas]


def _preconditioned(scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    """The network says v of the scaled sample: the one whose preconditioned output is the denoised
    sample.
    """
    sigma = float(scheduler.sigmas[k])
    # of v_prediction with alpha = 1: output = eps - sigma x0
    x0 = (x - sigma * output) / (1 + sigma**2)
    bare, unit = (
        scheduler.precondition_outputs(x, torch.full_like(x, one), sigma) for one in (0.0, 1.0)
    )
    scheduler.noise_sampler = lambda *_: torch.randn(x.shape)
    return scheduler.step((x0 - bare) / (unit - bare), scheduler.timesteps[k], x).prev_sample


def wuerstchen() -> Iterator[Target]:
    for scaler in (1.0, 2.0):
        make = partial(diffusers.DDPMWuerstchenScheduler, scaler=scaler)
        drive = Drive(make, _cosine_levels, _but_the_last, step=_batched)
        yield target(
            f"DDPMWuerstchenScheduler(scaler={scaler})", drive, noise=True, eta=1.0, order=1
        )


def _cosine_levels(scheduler: Any) -> list[Level]:
    bars = [
        float(scheduler.add_noise(torch.ones(1), torch.zeros(1), t[None])) ** 2
        for t in scheduler.timesteps
    ]
    return [(math.sqrt(bar), math.sqrt(1 - bar)) for bar in bars]


def _but_the_last(scheduler: Any) -> list[int]:
    """A pipeline takes its steps from all timesteps but the last, where the data are."""
    return list(range(len(scheduler.timesteps)))


def _batched(scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    return scheduler.step(output, scheduler.timesteps[k].expand(len(x)), x).prev_sample


def score_sde() -> Target:
    """Euler and Maruyama; the last step begins at sampling_eps, and is left out."""
    drive = Drive(ScoreSdeVpScheduler, _linear_rate, _but_the_last, step=_predicted)
    return target("ScoreSdeVpScheduler()", drive, noise=True, order=1)


def _linear_rate(scheduler: Any) -> list[Level]:
    low, high = scheduler.config.beta_min, scheduler.config.beta_max
    logs = [
        -0.25 * t**2 * (high - low) - 0.5 * t * low for t in scheduler.timesteps.double().tolist()
    ]
    return [(math.exp(log), math.sqrt(-math.expm1(2 * log))) for log in logs]


def _predicted(scheduler: Any, eps: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    return scheduler.step_pred(eps, x, scheduler.timesteps[k])[0]


def missing(names: list[str]) -> Iterator[Target]:
    """Every scheduler of this release that no target names: a class that a later release adds is
    said to be missing.
    """
    offered = [name for name in dir(diffusers.schedulers) if name.endswith("Scheduler")]
    for name in offered:
        if not any(target.startswith(name) for target in names):
            yield absent(name, "no target drives it yet")
