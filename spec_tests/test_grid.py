"""Time grids: exact integers of the papers, and uniform in what their names say."""

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
from diffx.processes.edm import EDM
from spec_tests.close import close, holds
from spec_tests.oracles.paths import Path
from spec_tests.paths import cosine_vp, edm, oracle, rectified_flow, sub_vp, trig, ve, vp
from spec_tests.registry import claim

KARRAS_18 = np.array(
    [80, 57.586, 40.786, 28.375, 19.352]
)  # the first sigmas of Karras et al. 2022, n = 18, rho = 7


def precision(dtype):
    """Grids are made in jax's default float type: float32 where x64 is off."""
    return jax.enable_x64(dtype == np.float64)


@claim(
    "FWD-19",
    "Leading, linspace and trailing grids visit exactly the nodes of Lin's table; the uniform grid "
    "is uniform",
    of=tuple(f"diffx.grids.{name}" for name in ("leading", "linspace", "trailing", "uniform")),
    source="Lin et al. 2024, arXiv:2305.08891, Table 2",
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
        nodes_are(
            linspace(6, 29), [29, 23, 18, 12, 7, 1], 29, dtype
        )  # every 5.6: 29, 23.4, 17.8, 12.2, 6.6, 1
        nodes_are(
            trailing(7, 50), [50, 43, 36, 29, 21, 14, 7], 50, dtype
        )  # every 50/7: 50, 42.86, 35.71, 28.57 ...
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


# --- parts of FWD-05, which the grids in log-SNR sharpen ----------------------------------------


# compiled as wholes: eager, every operation of a grid compiles alone, 10 s of this file
karras_grid = jax.jit(karras, static_argnums=1)
log_snr_grid = jax.jit(uniform_log_snr, static_argnums=1)
angle_grid = jax.jit(equal_angle, static_argnums=1)


def check_karras_of_the_paper(dtype):
    """The 18 nodes of the paper, and any process at sigma(t)/alpha(t) = sigma_i."""
    with precision(dtype):
        sigmas = 80 * np.asarray(karras_grid(EDM(80.0), 18), np.float64)
        holds(
            np.abs(sigmas[:5] - KARRAS_18) < 6e-4, "80, 57.586, 40.786, 28.375, 19.352 as printed"
        )
        holds(abs(sigmas[16] - 0.00753) < 6e-6 and sigmas[-1] == 0, "... 0.00753, 0.002, 0")
        for make, low, high, rho in ((edm, 0.002, 40.0, 7.0), (vp, 0.0625, 8.0, 5.0)):
            got = karras_grid(make(), 6, sigma_min=low, sigma_max=high, rho=rho)
            is_at_sigmas(oracle(make), got, karras_sigmas(6, low, high, rho), rho)
        for make, high in ((ve, float(oracle(ve).sigma(1.0))), (rectified_flow, 80.0)):
            is_at_sigmas(
                oracle(make), karras_grid(make(), 4), karras_sigmas(4, 0.002, high, 7.0), 7.0
            )


def karras_sigmas(n: int, low: float, high: float, rho: float) -> np.ndarray:
    """Geometric-like: the rho-th roots are in arithmetic progression."""
    return np.linspace(np.power(high, 1 / rho), np.power(low, 1 / rho), n) ** rho


def is_at_sigmas(path: Path, ts, sigmas: np.ndarray, rho: float):
    wanted = np.array([min(path.time_of_log_snr(-2 * np.log(sigma)), 1.0) for sigma in sigmas])
    inner = np.minimum(wanted, 1 - 2.0**-30)
    size = wanted + (2 * rho + np.abs(2 * np.log(sigmas))) / np.abs(path.log_snr_rate(inner))
    close(
        ts[:-1],
        wanted,
        ulps=8,
        scale=size,
        why="a rho-th power is rounded by rho, and |dt/dl| brings it to t",
    )
    holds(np.asarray(ts)[-1] == 0, "the last time is data")


def check_uniform_log_snr(dtype):
    """l(t_i) in arithmetic progression between the ends, which are kept exactly."""
    with precision(dtype):
        for make, last in ((sub_vp, 1.0), (trig, 0.999)):
            is_uniform_in_log_snr(oracle(make), log_snr_grid(make(), 5), last, 1e-3, dtype)
            is_uniform_in_log_snr(
                oracle(make), log_snr_grid(make(), 5, t_max=0.75, t_min=0.0625), 0.75, 0.0625, dtype
            )


def is_uniform_in_log_snr(path: Path, ts, t_max: float, t_min: float, dtype):
    got = np.asarray(ts, np.float64)
    ends = np.array([t_max, t_min], dtype).astype(np.float64)
    holds(got[[0, -1]] == ends, "the ends are the times that were asked for")
    l = path.log_snr(ends)
    wanted = np.linspace(l[0], l[1], len(got))
    size = np.abs(l).max() + np.abs(got * path.log_snr_rate(np.minimum(got, 1 - 2.0**-30)))
    close(
        path.log_snr(got).astype(dtype),
        wanted,
        ulps=8,
        scale=size,
        why="a rounding of the log-SNR, and one of the time",
    )


def check_equal_angle(dtype):
    """atan2(sigma, alpha std) in arithmetic progression: equal arcs of the flow."""
    with precision(dtype):
        for make, std in ((edm, 3.0), (cosine_vp, 0.5)):
            for t_max, t_min in ((0.875, 0.0625), (1.0, 0.0)):
                got = angle_grid(make(), 6, std=std, t_max=t_max, t_min=t_min)
                is_uniform_in_angle(oracle(make), got, std, t_max, t_min, dtype)
        close(
            angle_grid(trig(), 4),
            [1, 0.75, 0.5, 0.25, 0],
            ulps=4,
            scale=1,
            why="on the circle the angle is pi t/2",
        )


def is_uniform_in_angle(path: Path, ts, std: float, t_max: float, t_min: float, dtype):
    def angle(t):
        return np.arctan2(path.sigma(t), path.alpha(t) * std)

    got = np.asarray(ts, np.float64)
    holds((got[0] == t_max) & (got[-1] == t_min), "the ends are the times that were asked for")
    wanted = np.linspace(angle(got[0]), angle(got[-1]), len(got))
    steep = (
        np.abs(angle(got * (1 - 1e-7)) - angle(got)) / 1e-7
    )  # t dphi/dt: what one rounding of t does
    size = np.pi / 2 + steep + np.abs(path.log_snr(np.clip(got, 1e-6, 0.999)))
    close(
        angle(got).astype(dtype),
        wanted,
        ulps=8,
        scale=size,
        why="a rounding of the angle, of the log-SNR and of the time",
    )


def check_time_shift(dtype):
    """logit t' = logit t + log S: the log-SNR of the rectified flow moves by -2 log S; shifts
    compose by product.
    """
    ts = np.array([1.0, 0.96875, 0.75, 0.5, 0.1875, 2.0**-10, 0.0])
    given = jnp.asarray(ts, dtype)
    for shift in (3.0, 5.0, 0.25):
        got = np.asarray(time_shift(given, shift))
        inner = got[1:-1].astype(np.float64)
        log_snr = 2 * np.log1p(-inner) - 2 * np.log(inner)
        wanted = 2 * np.log1p(-ts[1:-1]) - 2 * np.log(ts[1:-1]) - 2 * np.log(shift)
        size = 2 / (1 - inner) + np.abs(wanted)
        close(
            log_snr.astype(dtype),
            wanted,
            ulps=4,
            scale=size,
            why="l moves by -2 log S; a rounding of t moves it by 2/(1 - t)",
        )
        holds(
            (got[0] == 1) & (got[-1] == 0) & (got.dtype == dtype),
            "data and noise stay where they are",
        )
        back = time_shift(jnp.asarray(got), 1 / shift)
        close(back, ts, ulps=8, scale=ts * max(shift, 1 / shift), why="1/S undoes S")
    holds(np.asarray(time_shift(given, 1.0)) == ts.astype(dtype), "S = 1 changes nothing")


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
