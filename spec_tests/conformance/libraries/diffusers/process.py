"""The chains of diffusers: beta schedules, add_noise, predictions there and back, spacings; and its
guiders.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import guiders

from spec_tests.conformance.libraries._torch import array, tensor
from spec_tests.conformance.libraries.diffusers.drive import VP, called, maker, prediction
from spec_tests.conformance.libraries.diffusers.snippets import TRAILING
from spec_tests.conformance.target import Target

TIMES = np.arange(0, 999, 37)
SPACINGS = ("leading", "trailing", "linspace")
KINDS = ("epsilon", "sample", "v_prediction")
LATENT = {"beta_schedule": "scaled_linear", "beta_start": 8.5e-4, "beta_end": 0.012}
COSINE, ZERO_SNR = {"beta_schedule": "squaredcos_cap_v2"}, {"rescale_betas_zero_snr": True}


def chain_processes() -> Iterator[Target]:
    for options in ({}, LATENT, COSINE, ZERO_SNR, {**LATENT, **ZERO_SNR}):
        yield chain(diffusers.DDIMScheduler, options)
    for options in (
        {},
        LATENT,
        COSINE,
        {"beta_schedule": "sigmoid"},
        {"beta_schedule": "laplace"},
        ZERO_SNR,
    ):
        yield chain(diffusers.DDPMScheduler, options)
    for options in ({}, {"prediction_type": "sample"}):
        yield chain(diffusers.UnCLIPScheduler, options, betas={})
    for cls in (diffusers.DPMSolverMultistepScheduler, diffusers.DPMSolverSinglestepScheduler):
        yield chain(cls, {}, clipped=False, log_snr=True)
    for cls in (
        diffusers.DDIMScheduler,
        diffusers.DDPMScheduler,
        diffusers.DPMSolverMultistepScheduler,
    ):
        yield from spaced(cls)
    for cls in (
        diffusers.DEISMultistepScheduler,
        diffusers.UniPCMultistepScheduler,
        diffusers.SASolverScheduler,
    ):
        yield from spaced(cls)


def chain(
    cls: Any,
    options: dict[str, Any],
    *,
    betas: dict[str, Any] = VP,
    clipped: bool = True,
    log_snr: bool = False,
) -> Target:
    """alpha and sigma by alphas_cumprod, at integer timesteps."""
    more = {"clip_sample": False} if clipped else {}
    scheduler = cls(**{**betas, **more, **options})
    alpha, sigma = (partial(_level, scheduler, which) for which in (0, 1))
    arguments = {
        "alpha": alpha,
        "sigma": sigma,
        "times": TIMES,
        "start": float(scheduler.init_noise_sigma),
    }
    arguments |= {"log_snr": lambda t: 2 * float(scheduler.lambda_t[int(t)])} if log_snr else {}
    arguments |= {
        "perturb": partial(_perturb, scheduler),
        "convert": _conversions(cls, {**betas, **more, **options}),
    }
    return Target(called(cls, options), {**arguments, "precision": "float32"})


def _level(scheduler: Any, which: int, t: Any) -> float:
    bar = float(scheduler.alphas_cumprod[int(t)])
    return (bar if which == 0 else 1 - bar) ** 0.5


def _perturb(scheduler: Any, x0: Any, eps: Any, t: Any) -> np.ndarray:
    """DPM-Solver knows the level of a timestep only where it is one of its grid."""
    if hasattr(scheduler, "lambda_t"):
        scheduler.set_timesteps(timesteps=[int(t)])
    times = torch.full((len(x0),), int(t))
    return array(scheduler.add_noise(tensor(x0), tensor(eps), times))


def _conversions(cls: Any, options: dict[str, Any]) -> dict[str, tuple[Callable, Callable]] | None:
    """Each prediction type, back to x0 by the scheduler's own step."""
    if not hasattr(cls, "get_velocity"):
        return None
    kinds = [options["prediction_type"]] if "prediction_type" in options else KINDS
    return {kind: _conversion(cls(**{**options, "prediction_type": kind}), kind) for kind in kinds}


def _conversion(scheduler: Any, kind: str) -> tuple[Callable, Callable]:
    def predict(x0: Any, eps: Any, alpha: float, sigma: float) -> np.ndarray:
        if kind != "v_prediction":
            return array(
                prediction(kind, alpha * tensor(x0) + sigma * tensor(eps), tensor(x0), alpha, sigma)
            )
        t = int((scheduler.alphas_cumprod - alpha**2).abs().argmin())
        return array(scheduler.get_velocity(tensor(x0), tensor(eps), torch.full((len(x0),), t)))

    def recover(x: Any, output: Any, t: Any) -> np.ndarray:
        scheduler.set_timesteps(scheduler.config.num_train_timesteps)
        return array(scheduler.step(tensor(output), int(t), tensor(x)).pred_original_sample)

    return predict, recover


def spaced(cls: Any) -> Iterator[Target]:
    for spacing in SPACINGS:
        make = maker(cls, timestep_spacing=spacing)
        alpha, sigma = (partial(_level, make(), which) for which in (0, 1))
        arguments = {"alpha": alpha, "sigma": sigma, "times": TIMES, "precision": "float32"}
        arguments |= {"grid": partial(_grid, make), "spacing": spacing, "training_steps": 1000}
        snippet = (
            TRAILING.replace("EulerDiscreteScheduler", cls.__name__)
            if spacing == "trailing"
            else ""
        )
        yield Target(called(cls, {"timestep_spacing": spacing}) + ".timesteps", arguments, snippet)


def _grid(make: Callable, n: int) -> np.ndarray:
    scheduler = make()
    scheduler.set_timesteps(n)
    return scheduler.timesteps.numpy()


def guider_targets() -> Iterator[Target]:
    auto = partial(guiders.AutoGuidance, auto_guidance_layers=[0], dropout=1.0)
    for name, make in (
        ("ClassifierFreeGuidance", guiders.ClassifierFreeGuidance),
        ("AutoGuidance", auto),
    ):
        yield guider(f"{name}()", make, "w")
        original = partial(make, use_original_formulation=True)
        yield guider(f"{name}(use_original_formulation=True)", original, "1 + w")
    projected = partial(
        guiders.AdaptiveProjectedGuidance, eta=1.0, adaptive_projected_guidance_rescale=0.0
    )
    yield guider("AdaptiveProjectedGuidance(eta=1, no rescaling)", projected, "w")


def guider(name: str, make: Callable, convention: str) -> Target:
    def combine(cond: Any, uncond: Any, w: float, **options: Any) -> np.ndarray:
        return array(make(guidance_scale=w, **options).forward(tensor(cond), tensor(uncond)).pred)

    arguments = {"combine": combine, "convention": convention, "precision": "float32"}
    arguments["negative"] = lambda cond, uncond, neg, w: combine(cond, neg, w)
    arguments["rescale"] = lambda cond, uncond, w, phi: combine(
        cond, uncond, w, guidance_rescale=phi
    )
    return Target(name, arguments)
