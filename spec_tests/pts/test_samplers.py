"""Samplers on finite sets of points."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from diffx.denoisers import denoiser
from diffx.exact import exact_law
from diffx.grids import karras, linspace, trailing, uniform
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.point_set import PointSet
from diffx.processes.ddpm_chain import DDPMChain
from diffx.processes.edm import EDM
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.vp import VP
from diffx.samplers.ddim import ddim
from diffx.samplers.ddpm import ddpm
from diffx.samplers.euler import euler
from diffx.samplers.heun import heun
from diffx.samplers.run import fold
from spec_tests.instrument.close import below
from spec_tests.instrument.registry import claim
from spec_tests.support.points import seeded

# --- samplers on points -------------------------------------------------------------------------


def beyond_the_hull(x: Any, points: np.ndarray, directions: np.ndarray) -> float:
    """How far the furthest x lies outside, in the worst direction."""
    reach = (points @ directions.T).max(0)
    return float((np.asarray(x, np.float64) @ directions.T - reach).max())


@claim(
    "PTS-04",
    "A sampler whose last step returns D ends in the convex hull and, with little noise before "
    "it, on the points themselves",
    of=("diffx.ddim", "diffx.euler", "diffx.heun"),
    source="D is an average of the points",
    grade="bounded",
)
def test_samplers_that_end_with_the_denoiser_end_on_the_points(dtype):
    """DDIM, Euler in rectified-flow and EDM time, Heun; but Euler in VP time leaves the hull of
    {-1, 1}: 1.054.
    """
    points, _ = seeded(7, 3, zeros=False)
    law = PointSet(jnp.asarray(points, dtype))
    rng = np.random.default_rng(4)
    z, turns = rng.standard_normal((64, 2)), np.linspace(0, 2 * np.pi, 64)
    directions, eps = np.stack([np.cos(turns), np.sin(turns)], -1), float(jnp.finfo(dtype).eps)
    flow, edm = RectifiedFlow(), EDM(40.0)
    fine = karras(edm, 20, sigma_min=0.01, sigma_max=40.0).astype(dtype)
    runs = {
        "DDIM, 3 steps": (ddim(flow, denoiser(flow, law)), z, uniform(3).astype(dtype)),
        "Euler, 3 steps": (euler(flow, denoiser(flow, law)), z, uniform(3).astype(dtype)),
        "Euler, fine": (euler(edm, denoiser(edm, law)), 40 * z, fine),
        "Heun, fine": (heun(edm, denoiser(edm, law)), 40 * z, fine),
    }
    for name, (sampler, start, ts) in runs.items():
        end = np.asarray(fold(sampler, jnp.asarray(start, dtype), ts)[0], np.float64)
        # Euler ends with x - t u(x): the point is what two numbers of the size of x leave
        below(
            beyond_the_hull(end, points, directions),
            64 * eps,
            f"{name}: nothing ends outside the hull",
        )
        if "fine" in name:
            nearest = np.linalg.norm(end[:, None] - points, axis=-1).min(-1)
            below(
                np.sort(nearest)[:-4],
                1e-3,
                f"{name}: all but a few of 64, on the way between two, end on a point",
            )
    outside_with_euler_in_vp_time(dtype)


def outside_with_euler_in_vp_time(dtype):
    """Its last step does not return D."""
    pair = PointSet(jnp.asarray([[-1.0], [1.0]], dtype))
    x = jnp.asarray(np.linspace(-3, 3, 65)[:, None], dtype)
    vp = VP()
    end = np.asarray(
        fold(euler(vp, denoiser(vp, pair)), x, uniform(20).astype(dtype))[0], np.float64
    )
    below(
        abs(np.abs(end).max() - 1.054), 0.02, "20 steps of Euler in VP time on {-1, 1} reach 1.054"
    )


def lectured(dtype):
    """A spiral of 100 points of standard deviation 1, and Ho's chain of 1000 steps."""
    angle = np.linspace(np.pi / 2, 7 * np.pi / 2, 100)
    spiral = (angle * np.stack([np.cos(angle), np.sin(angle)])).T
    return spiral / spiral.std(), DDPMChain(jnp.asarray(np.linspace(1e-4, 0.02, 1000), dtype))


@claim(
    "PTS-05",
    "Without its noise DDPM collapses a spiral of 100 points to the three that are nearest to its "
    "mean",
    of=("diffx.ddpm", "diffx.samplers.ddpm_step"),
    source="derived here; for Gaussian data it is exact, REV-09",
    grade="bounded",
    dtypes=("float64",),
    why_dtypes=(
        "1000 steps through unstable points: which of the three a path ends on depends on "
        "the last digits"
    ),
)
def test_ddpm_without_noise_collapses_the_spiral(dtype):
    """64 paths of 1000 steps; their total variance is a thousandth of the data's, 1.975."""
    spiral, chain = lectured(dtype)
    sampler = ddpm(chain, denoiser(chain, PointSet(jnp.asarray(spiral, dtype))))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)), dtype)
    end = np.asarray(fold(sampler, x, uniform(1000).astype(dtype))[0])
    below(end.var(0).sum() / spiral.var(0).sum(), 1e-3, "the spread is gone")
    mean = spiral.mean(0)
    three = spiral[np.argsort(np.linalg.norm(spiral - mean, axis=-1))[:3]]
    below(
        np.linalg.norm(end[:, None] - three, axis=-1).min(-1),
        0.05,
        "each path ends near one of three points",
    )


def transport_cost(x, points):
    """W2 of equally many samples and copies of the points, by the best assignment."""
    copies = np.repeat(points, len(x) // len(points), axis=0)
    square = ((x[:, None] - copies) ** 2).sum(-1)
    return np.sqrt(square[linear_sum_assignment(square)].mean())


def costs(n, batches):
    """(batches,) costs of DDIM and of DDPM in n steps on the spiral, 300 samples each, from the
    same starts.
    """
    spiral, chain = lectured(np.float64)
    ts, field = trailing(n), denoiser(chain, PointSet(jnp.asarray(spiral)))
    noise = jnp.asarray(np.random.default_rng(0).standard_normal((n + 1, batches, 300, 2)))
    start, zs = noise[0], noise[1:]
    ends = fold(ddim(chain, field), start, ts)[0], fold(ddpm(chain, field), start, ts, zs)[0]
    return [np.array([transport_cost(x, spiral) for x in np.asarray(end)]) for end in ends]


def ahead(first, second):
    """By how many standard errors the first costs less, batch by batch."""
    less = second - first
    return less.mean() / (less.std(ddof=1) / np.sqrt(len(less)))


@claim(
    "PTS-07",
    "In few steps DDIM comes closer to the data than DDPM: exactly for a Gaussian, and by optimal "
    "assignment on the spiral",
    of=("diffx.ddim", "diffx.ddpm"),
    source="derived here; Song, Meng and Ermon 2021, arXiv:2010.02502, Table 1, on pictures",
    grade="sampled",
    dtypes=("float64",),
    why_dtypes="printed digits, and a comparison of samples at six standard errors",
)
def test_few_steps_of_ddim_beat_as_many_of_ddpm(dtype):
    """L = .25 in 10 steps: variances .1308 and .1042 of .25.  The spiral in 5: 12 batches of
    300.
    """
    _, chain = lectured(dtype)
    law, start = (
        GaussianLaw(jnp.zeros(1, dtype), jnp.asarray(0.25, dtype)),
        GaussianLaw(jnp.zeros(1), jnp.eye(1)),
    )
    for method, printed in ((ddim, 0.1308), (ddpm, 0.1042)):
        found = exact_law(method(chain, denoiser(chain, law)), start, linspace(10))
        below(
            np.abs(np.asarray(found.cov) - printed),
            5e-5,
            f"{method.__name__}: all printed digits of the final variance",
        )
    found = costs(5, 12)
    below(
        -ahead(*found),
        -6.0,
        "six standard errors between DDIM and DDPM, 9 expected of 20 batches of other seeds",
        false_alarm=0.02,  # 12 batches, 9.4 expected of 240: a noncentral t is below 6 in 1.6%
    )
    off = np.array([cost.mean() for cost in found]) - [0.520, 0.600]  # the means of those
    below(
        np.abs(off),
        0.06,
        "6 standard errors of a mean of 12, .024 a batch, and of a mean of 20",
        false_alarm=4e-9,
    )


@pytest.mark.slow
def test_the_lead_of_ddim_on_the_spiral_is_gone_in_fifty_steps():
    """A batch of 300 costs .360 and .461 in 10 steps, .29 and .34 in 20, .25 and .24 in 50; without
    noise 1.4 throughout.
    """
    assert ahead(*costs(10, 20)) > 6
    assert abs(ahead(*costs(50, 20))) < 6
    spiral, chain = lectured(np.float64)
    sampler = ddpm(chain, denoiser(chain, PointSet(jnp.asarray(spiral))))
    start = jnp.asarray(np.random.default_rng(0).standard_normal((300, 2)))
    for n, cost in ((5, 1.398), (10, 1.414), (20, 1.435), (50, 1.444)):
        assert (
            abs(transport_cost(np.asarray(fold(sampler, start, trailing(n))[0]), spiral) - cost)
            < 0.005
        )
