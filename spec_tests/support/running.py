"""A small problem to run samplers on, and code run in a process of its own."""

import os
import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.support.rooms import ROOT

N, D = 4, 2  # steps, dimensions
MEAN, COV = np.array([0.5, -1.0]), np.array([[1.0, 0.25], [0.25, 0.5]])


def law(dtype) -> diffx.GaussianLaw:
    return diffx.GaussianLaw(jnp.asarray(MEAN, dtype), jnp.asarray(COV, dtype))


def ddpm(dtype, beta_max: Any = 12.0) -> diffx.Sampler:
    process = diffx.VP(jnp.asarray(0.3, dtype), jnp.asarray(beta_max, dtype))
    return diffx.ddpm(process, diffx.denoiser(process, law(dtype)))


def run_python(program: str, environment: dict[str, str]) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def own_step(x, t, s, z, *, process, denoise, eta):
    """DDIM with noise eta as a stranger would write it."""
    x0 = denoise(x, t)
    eps = (x - process.alpha(t) * x0) / process.sigma(t)
    fresh = -jnp.expm1(process.log_snr_step(t, s))
    mean = process.alpha(s) * x0 + process.sigma(s) * jnp.sqrt(1 - eta**2 * fresh) * eps
    return mean + process.sigma(s) * eta * jnp.sqrt(fresh) * z, x0
