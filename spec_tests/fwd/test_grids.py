"""Time grids: exact integers of the papers, and uniform in what their names say."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffx.grids import (
    equal_angle,
    karras,
    leading,
    linspace,
    time_shift,
    trailing,
    uniform,
    uniform_log_snr,
)
from diffx.processes.cosine import CosineVP
from diffx.processes.edm import EDM
from diffx.processes.protocol import log_snr_density
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.trig import Trig
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.support.arrays import precision
from spec_tests.support.paths import PROCESSES, oracle


@claim(
    "FWD-19",
    "Leading, linspace and trailing grids visit exactly the nodes of Lin's table; the uniform grid "
    "is uniform",
    of=tuple(f"diffx.grids.{name}" for name in ("leading", "linspace", "trailing", "uniform")),
    source="Lin et al. 2024, arXiv:2305.08891, Table 2",
    grade="identity",
)
def test_step_selection_gives_the_integers_of_the_table(dtype):
    """T = 1000, S = 10: leading 1, 101..901; linspace 1, 112, 223..1000; trailing 100,
    200..1000.
    """
    with precision(dtype):
        nodes_are(leading(10), range(901, 0, -100), 1000, dtype)
        nodes_are(linspace(10), [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1], 1000, dtype)
        nodes_are(trailing(10), range(1000, 0, -100), 1000, dtype)
        nodes_are(leading(7, 50), [43, 36, 29, 22, 15, 8, 1], 50, dtype)  # floor(50/7) = 7
        # every 5.6: 29, 23.4, 17.8, 12.2, 6.6, 1
        nodes_are(linspace(6, 29), [29, 23, 18, 12, 7, 1], 29, dtype)
        # every 50/7: 50, 42.86, 35.71, 28.57 ...
        nodes_are(trailing(7, 50), [50, 43, 36, 29, 21, 14, 7], 50, dtype)
        got = uniform(8, t_max=0.875, t_min=0.125)
        close(
            got,
            0.875 - 0.75 * np.arange(9) / 8,
            ulps=2,
            scale=0.875,
            why="an interpolation between the ends",
        )
        holds(np.asarray(uniform(4)) == [1, 0.75, 0.5, 0.25, 0], "from 1 to 0 by default")


def nodes_are(ts, steps, n_train, dtype):
    steps = np.array([*steps, 0])
    holds(ts.dtype == dtype and ts.shape == steps.shape, "N + 1 times of the default float type")
    holds(np.rint(np.asarray(ts, np.float64) * n_train) == steps, f"the nodes {steps}, as integers")
    close(ts, steps / n_train, ulps=1, why="i/T; a compiler may multiply by a rounded 1/T")


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_every_grid_of_n_steps_has_one_more_time(n):
    process = EDM(40.0)
    grids = [
        uniform(n),
        uniform_log_snr(process, n),
        equal_angle(process, n),
        leading(n),
        linspace(n),
        trailing(n),
    ]
    grids += [karras(process, n)] if n > 1 else []
    assert {grid.shape for grid in grids} == {(n + 1,)}


def test_a_sigma_beyond_the_process_is_refused_and_not_moved():
    with pytest.raises(ValueError, match="beyond this process"):
        karras(EDM(40.0), 5, sigma_max=40.5)
    assert karras(EDM(40.0), 5, sigma_max=40.0)[0] == 1, (
        "rounding to either side of 1 is no reason to refuse"
    )


@jax.jit
def densities(process, ls):
    return log_snr_density(process, ls)


@jax.jit
def shifted(ls, shift):
    flow = RectifiedFlow()
    return flow.log_snr(time_shift(flow.time_of_log_snr(ls), shift))


LEVELS = (-5.0, -1.25, 0.0, 2.5, 9.0)  # log-SNRs that all processes reach


@cache
def densities_of(make):
    """1/|l'(t)| at the time of each log-SNR, by bisection and differences in 60 digits."""
    path = oracle(make)
    return np.array([-1 / float(path.log_snr_rate(path.time_of_log_snr(l))) for l in LEVELS])


@claim(
    "FWD-17",
    "Uniform times have log-SNR density sech^2(l/4)/8 (rectified flow), sech(l/2)/(2 pi) (cosine); "
    "shift S moves l by -2 log S",
    of=("diffx.processes.log_snr_density", "diffx.time_shift"),
    source="Kingma and Gao 2023, arXiv:2303.00848; Esser et al. 2024, arXiv:2403.03206, eq. (23)",
    grade="identity",
)
def test_uniform_times_have_the_known_densities_of_log_snr(dtype):
    """|dt/dl| = 1/|l'(t)| for all processes, of integral 1; l, not l/2."""
    ls = np.array(LEVELS)
    for make in PROCESSES:
        exact = densities_of(make)
        got = densities(make(), jnp.asarray(ls, dtype))
        close(
            got,
            exact,
            ulps=16,
            scale=exact * (1 + np.abs(ls)),
            why=f"{make.__name__}: exp(l) is rounded by l",
        )
    wide = np.arange(-160, 161) * 0.5
    known = {
        RectifiedFlow(): 1 / np.cosh(wide / 4) ** 2 / 8,
        Trig(): 1 / np.cosh(wide / 2) / (2 * np.pi),
        CosineVP(0.0): 1 / np.cosh(wide / 2) / (2 * np.pi),
    }
    for process, exact in known.items():
        got = densities(process, jnp.asarray(wide, dtype))
        # sigmoid' = y (1 - y) knows 1 - y to an ulp of 1
        size = exact * (1 + np.abs(wide)) + (wide < 0)
        close(got, exact, ulps=16, scale=size, why=f"{type(process).__name__}: the printed density")
        mass = np.asarray(got, np.float64).sum() * 0.5
        close(
            np.asarray(mass, dtype),
            1.0,
            ulps=16,
            scale=8,
            why="of integral 1: a sum of 320 densities",
        )
    for shift in (0.25, 3.0, 5.0):
        moved = shifted(jnp.asarray(ls, dtype), jnp.asarray(shift, dtype))
        size = 8 + 2 * np.exp(np.abs(ls) / 2)  # log((1 - t)/t) of a rounded t near 1
        close(
            moved,
            ls - 2 * np.log(shift),
            ulps=8,
            scale=size,
            why="the odds of t are multiplied by the shift",
        )
