"""What DPM-Solver and UniPC share: NoiseScheduleVP, model_wrapper and the arguments of sample().

Both are single files on no package registry: the user gives the folder of the repository as --path.
"""
# pyright: reportMissingImports=false

import contextlib
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spec_tests.conformance.libraries._torch import array, in_float64, tensor

# their log-SNR is infinite at 0; nearer to it the last steps of a grid in t stay long whatever
# their number
END = 0.02
# Nichol and Dhariwal 2021, eq. 17
COSINE = np.cos((np.linspace(0, 1, 1001) + 0.008) / 1.008 * np.pi / 2) ** 2


def commit(module: Any) -> str:
    """The commit of the repository in which the module lies."""
    folder = Path(module.__file__).parent
    ran = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True
    )
    return f"commit {ran.stdout.strip()}" if ran.returncode == 0 else "of no git repository"


def schedule(module: Any, kind: str) -> Any:
    """ "linear", "cosine", or "discrete" with the name of its betas after a blank."""
    family, _, betas = kind.partition(" ")
    if not betas:
        return module.NoiseScheduleVP(family, dtype=torch.float64)
    values = {
        "linear": np.linspace(1e-4, 0.02, 1000),
        "cosine": np.minimum(1 - COSINE[1:] / COSINE[:-1], 0.999),
    }[betas]
    return module.NoiseScheduleVP(family, betas=tensor(values), dtype=torch.float64)


def levels(noise: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    t = torch.as_tensor(t, dtype=torch.float64).reshape(-1)
    return array(noise.marginal_alpha(t)), array(noise.marginal_std(t))


def noise_model(module: Any, noise: Any, denoise: Callable, model_type: str) -> Callable:
    """The kit's denoiser as a network of the given kind, through the library's model_wrapper."""

    def network(x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        t = given / 1000 + 1 / noise.total_N if noise.schedule == "discrete" else given
        alpha, sigma = (float(level[0]) for level in levels(noise, t))
        x0 = tensor(denoise(array(x).reshape(len(x), -1), alpha, sigma)).reshape(x.shape)
        eps = (x - alpha * x0) / sigma
        return {"noise": eps, "x_start": x0, "v": alpha * eps - sigma * x0, "score": -eps / sigma}[
            model_type
        ]

    return module.model_wrapper(network, noise, model_type=model_type)


def follow(solver: Any, x: np.ndarray, stop: int, **asked: Any) -> np.ndarray:
    """x after `stop` steps, as images of one row, which UniPC needs.  UniPC prints at every
    step.
    """
    images = tensor(x)[:, None, None, :]
    with in_float64(), contextlib.redirect_stdout(io.StringIO()):
        _, path = solver.sample(images, t_end=END, return_intermediate=True, **asked)
    return array([images, *path[-_steps_of(path, asked) :]][stop]).reshape(x.shape)


def _steps_of(path: list, asked: dict) -> int:
    """A multi-step method tells of its start, too."""
    return len(path) - (asked["method"] == "multistep")


def guided(module: Any, cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    """model_wrapper's classifier-free guidance with a network that gives its condition."""
    wrapped = module.model_wrapper(
        lambda x, t, condition: condition,
        schedule(module, "linear"),
        guidance_type="classifier-free",
        condition=tensor(cond),
        unconditional_condition=tensor(uncond),
        guidance_scale=w,
    )
    return array(wrapped(tensor(cond), torch.full((len(cond),), 0.5, dtype=torch.float64)))


def process(module: Any, kind: str) -> dict[str, Any]:
    """The arguments of check_process, at the nodes of the chain where there is one."""
    noise = schedule(module, kind)
    times = np.array([0.001, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
    at = lambda method, t: float(getattr(noise, method)(torch.tensor([t], dtype=torch.float64))[0])
    return {
        "alpha": lambda t: at("marginal_alpha", t),
        "sigma": lambda t: at("marginal_std", t),
        "log_snr": lambda t: 2 * at("marginal_lambda", t),
        "times": times,
    }
