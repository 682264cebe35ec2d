"""W1: a sampling loop of 50 and of 1,000 steps on 4,096 points of the plane with exact
denoisers.
"""

from functools import partial
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import diffx
from benchmarks import by_hand
from benchmarks.problem import LAWS, START
from benchmarks.timing import Entry, interleaved, largest_difference, law_difference

PEERS = ("diffusers", "k_diffusion", "smalldiffusion", "azula", "diffrax")
LINES = (
    ("ddim", "Gaussian"),
    ("ddim", "mixture"),
    ("ddpm", "Gaussian"),
    ("heun", "Gaussian"),
    ("flow", "Gaussian"),
)
TOLERANCE = (
    2e-3  # data of size 1, float32; libraries that work on x/alpha start at 150 times the data
)
SAMPLING_ERRORS = (
    6.0  # ddpm draws its own noise in each library: means and covariances within 6 standard errors
)


def _velocity(process, denoise, x, t):
    return diffx.predictions.velocity_of_x0(process, x, denoise(x, t), t)


def law_of(name):
    law = LAWS[name]
    if len(law.means) == 1:
        return diffx.GaussianLaw(jnp.asarray(law.means[0]), jnp.asarray(law.covs()[0]))
    return diffx.MixtureLaw(
        jnp.asarray(law.weights), jnp.asarray(law.means), jnp.asarray(law.covs())
    )


def sampler_of(method, name):
    process = {"heun": diffx.EDM(80.0), "flow": diffx.RectifiedFlow()}.get(method, diffx.VP())
    denoise = diffx.denoiser(process, law_of(name))
    if method == "flow":
        return diffx.flow_euler(Partial(_velocity, process, denoise))
    return {"ddim": diffx.ddim, "ddpm": diffx.ddpm, "heun": diffx.heun}[method](process, denoise)


def entries_of(method, name, n):
    """diffx first; then the hand-written loops and the peers that are installed and have the
    method.
    """
    ts, key = jnp.linspace(1, 0, n + 1), jax.random.key(0)
    sampler, x = (
        sampler_of(method, name),
        jnp.asarray(START * np.float32(80 if method == "heun" else 1)),
    )
    run = lambda sampler: lambda: diffx.sample(sampler, key, x, ts)[0].block_until_ready()
    entries = [("diffx", run(sampler))]
    if method == "ddpm":
        entries.append(
            (
                "diffx, hashed_normal",
                run(sampler._replace(noise=Partial(diffx.noise.hashed_normal))),
            )
        )
    entries.append(("by hand, plain", by_hand.run_plain(method, name, ts, key)))
    normals = {"": None}
    if method == "ddpm":
        normals = {"": by_hand_normal, ", hashed_normal": diffx.noise.hashed_normal}
    entries += [
        (f"by hand, best{which}", by_hand.run_best(method, name, ts, key, normal))
        for which, normal in normals.items()
    ]
    for module in installed():
        if hasattr(module, method):
            entries.append((module.NAME, getattr(module, method)(name, n)))
    return [Entry(label, run, np.asarray) for label, run in entries]


def by_hand_normal(key, x):
    return jax.random.normal(key, x.shape, x.dtype)


def installed():
    modules = []
    for peer in PEERS:
        try:
            modules.append(import_module(f"benchmarks.peer_{peer}"))
        except ImportError as error:
            if error.name and error.name.startswith(("benchmarks", "diffx")):
                raise
    return modules


def rows(seconds):
    for n in (50, 1000):
        for method, name in LINES:
            line = f"{method}, {name}, {n} steps"
            compare, tolerance = (
                (law_difference, SAMPLING_ERRORS)
                if method == "ddpm"
                else (largest_difference, TOLERANCE)
            )
            yield from interleaved(line, entries_of(method, name, n), tolerance, compare, seconds)


sampling = partial(rows, 8.0)
