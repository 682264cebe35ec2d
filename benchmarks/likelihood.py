"""W4: the log-likelihood of 1,024 points of a mixture along VP's probability flow; each error is
against the closed form.
"""

from functools import partial
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from benchmarks.problem import DENSITY, density_points, log_density
from benchmarks.timing import Entry, interleaved

PEERS = ("scipy", "diffrax", "flow_matching")
STEPS, STD = (
    32,
    0.35,
)  # order 4 on equal angles for data of this deviation: 4e-5 nats; 24 steps 1.5e-4, 48 steps 1e-5
TOLERANCE = (
    3e-4  # nats; adaptive peers at rtol = atol = 1e-6 leave 2e-5 to 1e-4, at 1e-5 2e-4 to 1.4e-3
)


def ours(steps, probes=None):
    law, process, x = (
        diffx.MixtureLaw(*map(jnp.asarray, (DENSITY.weights, DENSITY.means, covs()))),
        diffx.VP(),
        density_points(),
    )
    denoise, ts, x = (
        diffx.denoiser(process, law),
        diffx.grids.equal_angle(process, steps, std=STD),
        jnp.asarray(x),
    )
    prior = diffx.marginal(process, law, ts[0])
    return lambda: diffx.log_prob_ode(
        process, denoise, x, prior=prior, ts=ts, probes=probes
    ).block_until_ready()


def covs():
    """Symmetric to the last digit."""
    covs = DENSITY.covs()
    return (covs + covs.swapaxes(1, 2)) / 2


def entries(name):
    """Those of every installed peer that has a function of this name."""
    for peer in PEERS:
        try:
            module = import_module(f"benchmarks.peer_{peer}")
        except ImportError as error:
            if error.name and error.name.startswith(("benchmarks", "diffx")):
                raise
            continue
        yield from getattr(module, name, dict)().items()


def error(output):
    return np.asarray(output, np.float64) - log_density(density_points())


def largest(error, _):
    return float(np.abs(error).max())


def rms(error, _):
    return float(np.sqrt((error**2).mean()))


def rows(seconds):
    """The last column is the error itself: the largest, and for single probes its root mean
    square.
    """
    runs = [(f"diffx, {n} steps", ours(n)) for n in (STEPS, 48)] + list(entries("likelihood"))
    exact = [Entry(name, run, error) for name, run in runs]
    yield from interleaved(
        "log-likelihood, exact trace, 1,024 points", exact, TOLERANCE, largest, seconds
    )
    probes = jax.random.rademacher(jax.random.key(0), (1, *density_points().shape), jnp.float32)
    runs = [(f"diffx, {STEPS} steps", ours(STEPS, probes)), *entries("likelihood_by_probe")]
    single = [Entry(name, run, error) for name, run in runs]
    yield from interleaved(
        "log-likelihood, one probe, 1,024 points, rms error", single, 2.0, rms, seconds
    )


likelihood = partial(rows, 8.0)
