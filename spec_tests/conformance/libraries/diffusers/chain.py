"""Schedulers of diffusers that keep a discrete chain: DDPM, DDIM and what is built as they are."""
# pyright: reportMissingImports=false

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import diffusers
import torch

from spec_tests.conformance.libraries.diffusers.drive import (
    DIVIDING,
    FINE,
    Drive,
    called,
    chain_levels,
    maker,
    one_step,
    target,
)
from spec_tests.conformance.target import Target

PREDICTIONS = ("epsilon", "sample", "v_prediction")
SPACINGS = ("leading", "trailing", "linspace")
BETAS = (
    {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
)
UNCLIPPED = {"clip_sample": False}
strided, to_data = partial(chain_levels, looked_up=False), partial(chain_levels, looked_up=True)


def chain_samplers() -> Iterator[Target]:
    yield from ddim(diffusers.DDIMScheduler)
    yield ddim_target(
        diffusers.DDIMScheduler,
        {**UNCLIPPED, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    )
    yield _clipped()
    yield from ddim(diffusers.DDIMParallelScheduler)
    yield from cogvideox()
    yield from ddpm(diffusers.DDPMScheduler)
    yield from ddpm(diffusers.DDPMParallelScheduler)
    yield from map(ddpm_custom, (diffusers.DDPMScheduler, diffusers.DDPMParallelScheduler))
    yield from unclip()
    yield from repaint()
    yield from tcd()
    yield from pndm()
    yield inverse()


def ddim(cls: Any) -> Iterator[Target]:
    """Every spacing with numbers of steps that divide the training steps and that do not; every
    prediction; every eta.
    """
    for spacing in SPACINGS:
        options = {**UNCLIPPED, "timestep_spacing": spacing}
        yield ddim_target(cls, options, steps=DIVIDING, order=1)
        yield ddim_target(cls, options, order=1)
    for kind in PREDICTIONS[1:]:
        yield ddim_target(cls, {**UNCLIPPED, "prediction_type": kind}, order=1)
    for betas in BETAS:
        yield ddim_target(cls, {**UNCLIPPED, **betas}, order=1)
    for eta, kind in product((0.5, 1.0), PREDICTIONS):
        yield ddim_target(cls, {**UNCLIPPED, "prediction_type": kind}, eta=eta)


def ddim_target(cls: Any, options: dict[str, Any], *, eta: float = 0.0, **claims: Any) -> Target:
    step = partial(one_step, eta=eta) if eta else one_step
    name = (
        called(cls, options, hidden=UNCLIPPED)
        + (f".step(eta={eta})" if eta else "")
        + _divides(claims)
    )
    drive = Drive(maker(cls, **options), strided, step=step)
    return target(name, drive, eta=eta, noise=eta > 0, exact_on_points=eta == 0, **claims)


def _divides(claims: dict[str, Any]) -> str:
    return " at N that divides" if claims.get("steps") == DIVIDING else ""


def _clipped() -> Target:
    return target("DDIMScheduler()", Drive(maker(diffusers.DDIMScheduler), strided), eta=0.0)


def cogvideox() -> Iterator[Target]:
    for spacing, kind in product(SPACINGS, PREDICTIONS):
        options = {"timestep_spacing": spacing, "prediction_type": kind}
        if kind == "v_prediction" or spacing == "leading":
            yield ddim_target(
                diffusers.CogVideoXDDIMScheduler, {**UNCLIPPED, **options}, steps=DIVIDING
            )
    yield ddim_target(diffusers.CogVideoXDDIMScheduler, UNCLIPPED, eta=1.0)
    for spacing, steps in product(SPACINGS, (DIVIDING, (16, 32, 64, 128))):
        options = {**UNCLIPPED, "timestep_spacing": spacing}
        name = called(diffusers.CogVideoXDPMScheduler, options, hidden=UNCLIPPED) + _divides(
            {"steps": steps}
        )
        drive = Drive(
            maker(diffusers.CogVideoXDPMScheduler, **options), strided, step=_with_last_denoised
        )
        yield target(name, drive, noise=True, steps=steps, order=1)


def _with_last_denoised(
    scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor
) -> torch.Tensor:
    """The CogVideoX pipeline carries the last denoised sample and the last timestep from step to
    step.
    """
    times, old = scheduler.timesteps, scheduler.__dict__.get("carried")
    x, scheduler.carried = scheduler.step(output, old, times[k], times[k - 1] if k else None, x)
    return x


def ddpm(cls: Any) -> Iterator[Target]:
    for spacing, kind in product(SPACINGS, PREDICTIONS):
        yield ddpm_target(cls, {"timestep_spacing": spacing, "prediction_type": kind}, eta=1.0)
    for betas in (
        *BETAS,
        {"beta_schedule": "sigmoid"},
        {"rescale_betas_zero_snr": True, "prediction_type": "sample"},
    ):
        yield ddpm_target(cls, betas, eta=1.0)
    for variance in ("fixed_small_log", "fixed_large", "fixed_large_log"):
        yield ddpm_target(cls, {"variance_type": variance}, eta=1.0)


def ddpm_target(cls: Any, options: dict[str, Any], **claims: Any) -> Target:
    drive = Drive(maker(cls, **UNCLIPPED, **options), to_data)
    return target(called(cls, options, hidden=UNCLIPPED), drive, noise=True, order=1, **claims)


def ddpm_custom(cls: Any) -> Target:
    drive = Drive(maker(cls, **UNCLIPPED), to_data, custom=True)
    return target(
        f"{cls.__name__}().set_timesteps(timesteps=...)", drive, noise=True, eta=1.0, order=1
    )


def unclip() -> Iterator[Target]:
    for kind in ("epsilon", "sample"):
        options = {"prediction_type": kind, **UNCLIPPED}
        make = partial(diffusers.UnCLIPScheduler, **options)
        name = called(diffusers.UnCLIPScheduler, options, hidden=UNCLIPPED)
        yield target(name, Drive(make, to_data, step=_told_the_next), noise=True, eta=1.0)


def _told_the_next(scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    times = [*scheduler.timesteps, None]
    return scheduler.step(output, times[k], x, prev_timestep=times[k + 1]).prev_sample


def repaint() -> Iterator[Target]:
    """With nothing painted over it is DDIM(eta), whose normal it draws whatever eta."""
    for eta in (0.0, 0.5, 1.0):
        make = maker(diffusers.RePaintScheduler, eta=eta, **UNCLIPPED)
        drive = Drive(_without_jumps(make), strided, step=_nothing_known)
        yield target(f"RePaintScheduler(eta={eta}), mask=0", drive, noise=True, eta=eta)


def _without_jumps(make: Any) -> Any:
    def made() -> Any:
        scheduler = make()
        scheduler.set_timesteps = partial(scheduler.set_timesteps, jump_length=1, jump_n_sample=1)
        return scheduler

    return made


def _nothing_known(scheduler: Any, output: torch.Tensor, k: int, x: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(x)
    return scheduler.step(
        output, scheduler.timesteps[k], x, original_image=zero, mask=zero
    ).prev_sample


def tcd() -> Iterator[Target]:
    """At eta = 0 it takes DDIM steps on its own grid, and ends at the first level of the chain."""
    options = {"original_inference_steps": 200, **UNCLIPPED}
    for kind in PREDICTIONS:
        make = maker(diffusers.TCDScheduler, **options, prediction_type=kind)
        drive = Drive(make, _to_first, step=partial(one_step, eta=0.0))
        yield target(
            f"TCDScheduler(prediction_type={kind!r}).step(eta=0)",
            drive,
            eta=0.0,
            order=1,
            exact_on_points=True,
        )


def _to_first(scheduler: Any) -> list[tuple[float, float]]:
    bar = float(scheduler.alphas_cumprod[0])
    return [*to_data(scheduler)[:-1], (bar**0.5, (1 - bar) ** 0.5)]


def pndm() -> Iterator[Target]:
    """Order 2 is what Liu et al. 2022 prove of the pseudo linear multi-step method."""
    for spacing, skip in product(SPACINGS, (True, False)):
        options = {"timestep_spacing": spacing, "skip_prk_steps": skip, "set_alpha_to_one": True}
        for steps in (DIVIDING, (16, 32, 64, 128)):
            name = called(diffusers.PNDMScheduler, options, hidden=["set_alpha_to_one"]) + _divides(
                {"steps": steps}
            )
            drive = Drive(maker(diffusers.PNDMScheduler, **options), strided, _pndm_calls)
            yield target(name, drive, steps=steps, order=2, exact_on_points=True)
    yield target(
        "PNDMScheduler(skip_prk_steps=True) on 10,000",
        Drive(_fine_pndm, strided, _pndm_calls),
        steps=(16, 32, 64, 128),
        order=2,
    )


def _fine_pndm() -> Any:
    return diffusers.PNDMScheduler(**FINE, skip_prk_steps=True, set_alpha_to_one=True)


def _pndm_calls(scheduler: Any) -> list[int]:
    """Its first step is two calls, or its first three are four of Runge and Kutta each."""
    total = len(scheduler.timesteps)
    return (
        [0, *range(2, total + 1)]
        if scheduler.config.skip_prk_steps
        else [0, 4, 8, *range(12, total + 1)]
    )


def inverse() -> Target:
    """From data to noise; a pipeline gives the network the timestep at which a step ends."""
    make = maker(diffusers.DDIMInverseScheduler, **UNCLIPPED, set_alpha_to_one=False)
    return target("DDIMInverseScheduler()", Drive(make, _upwards, asked=strided))


def _upwards(scheduler: Any) -> list[tuple[float, float]]:
    bars = [
        float(scheduler.initial_alpha_cumprod),
        *(float(scheduler.alphas_cumprod[int(t)]) for t in scheduler.timesteps),
    ]
    return [(bar**0.5, (1 - bar) ** 0.5) for bar in bars]
