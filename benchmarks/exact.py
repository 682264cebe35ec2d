"""The exact law of a 50-step sampler's output: 256 dimensions with a diagonal covariance, 64 with a
full one.
"""

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from benchmarks.timing import Entry, interleaved, largest_difference

STEPS = 50
METHODS = {"ddim": diffx.ddim, "ddpm": diffx.ddpm, "dpm_solver_pp": diffx.dpm_solver_pp}


def exact(seconds=10):
    for line, law in (
        ("256 dimensions, diagonal", diagonal(256)),
        ("64 dimensions, full", full(64)),
    ):
        for name, method in METHODS.items():
            yield from interleaved(
                f"exact law, {name}, {line}",
                entries(name, method, law),
                1e-4,
                largest_difference,
                seconds / 6,
            )


def entries(name, method, law):
    """diffx's, and for DDIM the closed form beside it."""
    process, ts = diffx.VP(), diffx.uniform(STEPS, t_min=1e-3)
    start = diffx.GaussianLaw(jnp.zeros_like(law.mean), jnp.ones_like(law.mean))
    sampler = method(process, diffx.denoiser(process, law))
    found = [
        Entry(
            "diffx",
            lambda: jax.block_until_ready(diffx.exact_law(sampler, start, ts).cov),
            np.asarray,
        )
    ]
    if name == "ddim":
        found.append(
            Entry("closed form, numpy", lambda: product_of_cosines(process, law, ts), np.asarray)
        )
    return found


def diagonal(d):
    """SYN-256: variances 1/k^2."""
    return diffx.GaussianLaw(jnp.zeros(d), 1 / jnp.arange(1.0, d + 1) ** 2)


def full(d):
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    cov = (q / np.arange(1, d + 1) ** 2) @ q.T
    return diffx.GaussianLaw(jnp.zeros(d), jnp.asarray((cov + cov.T) / 2))


def product_of_cosines(process, law, ts):
    """DDIM's gain along an eigenvector: rho_0/rho_T times the product of cos(phi_t - phi_s), phi =
    atan2(sigma, alpha std).
    """
    cov = np.asarray(law.cov, np.float64)
    values, vectors = (cov, np.eye(len(cov))) if cov.ndim == 1 else np.linalg.eigh(cov)
    alpha, sigma = (np.asarray(f(ts), np.float64)[:, None] for f in (process.alpha, process.sigma))
    std = np.sqrt(np.maximum(values, 0))
    phi, rho = np.arctan2(sigma, alpha * std), np.hypot(alpha * std, sigma)
    gain = rho[-1] / rho[0] * np.cos(np.diff(phi, axis=0)).prod(0)
    return (vectors * gain**2) @ vectors.T
