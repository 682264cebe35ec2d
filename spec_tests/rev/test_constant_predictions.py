"""Solvers where the predicted x_0 or the predicted noise is constant: any grid is exact."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.tree_util import Partial

import diffx
from spec_tests.instrument.close import close
from spec_tests.instrument.registry import claim
from spec_tests.support import exact_starts, strategies as st_
from spec_tests.support.arrays import FEW, cast
from spec_tests.support.exact_starts import (
    CENTRES,
    EACH_STEP,
    KS,
    SPREADS,
    START,
    WEIGHTS,
    grid_of,
    names_of,
    walk,
)
from spec_tests.support.methods import EXPONENTIAL
from spec_tests.support.paths import oracle as path_of, rectified_flow, vp

SONG = "Song, Meng and Ermon 2021, arXiv:2010.02502, section 4; derived here"
PROCESSES = {"vp": vp, "rectified_flow": rectified_flow}
POINT = 0.75


def constant_answer(point, x, t):
    return jnp.broadcast_to(point, x.shape)


def constant_noise(process, eps, x, t):
    """The denoiser of a constant eps."""
    return (x - process.sigma(t) * eps) / process.alpha(t)


def of_answer(process, dtype, point):
    return Partial(constant_answer, jnp.asarray(point, dtype))


def of_point_mass(process, dtype, point):
    mass = diffx.GaussianLaw(jnp.asarray(point, dtype), jnp.zeros((), dtype))
    return diffx.denoiser(process, mass)


def of_noise(process, dtype, point):
    return Partial(constant_noise, process, jnp.asarray(point, dtype))


PREDICTIONS = {"x0": of_answer, "x0 of a point mass": of_point_mass, "noise": of_noise}


@claim(
    "REV-17",
    "DDIM is exact on any grid where the predicted x_0 or the predicted noise is constant",
    of=("diffx.ddim", "diffx.samplers.ddim_step"),
    source=SONG,
    grade="identity",
)
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("name", PROCESSES)
@FEW
@given(x=st_.points(3), point=st_.points(3), ts=st_.grids(3, 0.0625, 0.9375, gap=0.0625))
def test_ddim_is_exact_where_the_prediction_is_constant(dtype, name, kind, x, point, ts):
    """x_s = alpha_s p + (sigma_s/sigma_t)(x - alpha_t p), and x_s = (alpha_s/alpha_t)(x - sigma_t
    e) + sigma_s e.
    """
    process, path = PROCESSES[name](), path_of(PROCESSES[name])
    (a_t, a_s), (s_t, s_s) = path.alpha(ts[[0, -1]]), path.sigma(ts[[0, -1]])
    scale = np.abs(x) + np.abs(point)
    if kind == "noise":
        wanted, scale = a_s / a_t * (x - s_t * point) + s_s * point, scale * (1 + a_s / a_t)
    else:
        wanted = a_s * point + s_s / s_t * (x - a_t * point)
    sampler = diffx.ddim(process, PREDICTIONS[kind](process, dtype, point))
    got, _ = diffx.fold(sampler, *cast(dtype, x, ts))
    close(got, wanted, ulps=32, scale=scale, why="three steps that scale and shift")


def keeps_a_constant_answer(dtype, make, more):
    """D = p: x_s = alpha_s p + more (sigma_s/sigma_t)(x - alpha_t p); more: of the half log-SNRs at
    both ends. Two components on one point: what runs for the mixture runs for it.
    """
    law = WEIGHTS, 0 * CENTRES + POINT, 0 * SPREADS
    denoise = diffx.denoiser(rectified_flow(), diffx.MixtureLaw(*cast(dtype, *law)))
    ts, ks = grid_of(rectified_flow, KS[:5], dtype)
    times = np.asarray(ts, np.float64)
    (a_t, *_, a_s), gain = 1 - times, times[-1] / times[0]
    got = walk(make(rectified_flow(), denoise), jnp.asarray(START, dtype), ts)[-1]
    wanted = a_s * POINT + more(ks[0], ks[-1]) * gain * (START - a_t * POINT)
    close(
        got.astype(dtype),
        wanted,
        ulps=32,
        scale=2 * np.abs(START).max(),
        why="four steps that scale and shift",
    )


@claim(
    "REV-57",
    "Every exponential solver is exact on any grid where the predicted x_0 is constant",
    of=names_of(EXPONENTIAL[name] for name in EACH_STEP),
    source=SONG,
    grade="identity",
)
@pytest.mark.parametrize("name", EACH_STEP)
def test_solvers_are_exact_where_the_answer_is_constant(dtype, name):
    keeps_a_constant_answer(dtype, EXPONENTIAL[name].make, lambda start, end: 1.0)


SDE_SOLVERS = {
    "first order": partial(diffx.samplers.sde_dpm_solver_pp, order=1),
    "2M": partial(diffx.samplers.sde_dpm_solver_pp, order=2),
    "2S": diffx.samplers.sde_dpm_solver_pp_2s,
}


@claim(
    "REV-58",
    "Where the predicted x_0 is constant the mean of every SDE solver is exact on any grid",
    of=exact_starts.SDE_OF,
    source=SONG,
    grade="identity",
)
@pytest.mark.parametrize("name", SDE_SOLVERS)
def test_mean_of_sde_solvers_is_exact_where_the_answer_is_constant(dtype, name):
    """It is that of the flow times e^-(lambda_s - lambda_t)."""
    keeps_a_constant_answer(dtype, SDE_SOLVERS[name], lambda start, end: np.exp(start - end))


@claim(
    "REV-59",
    "SDE-DPM-Solver++ (2S) starts without signal and ends without noise where the answer leads it",
    of=("diffx.samplers.sde_dpm_solver_pp_2s", "diffx.samplers.sde_dpm_solver_pp_2s_step"),
    source=SONG,
    grade="identity",
)
def test_two_stage_sde_solver_goes_from_pure_noise_to_data(dtype):
    """From alpha = 0 to sigma = 0 on the rectified flow, one step between."""
    law = WEIGHTS, 0 * CENTRES + POINT, 0 * SPREADS
    denoise = diffx.denoiser(rectified_flow(), diffx.MixtureLaw(*cast(dtype, *law)))
    sampler = diffx.samplers.sde_dpm_solver_pp_2s(rectified_flow(), denoise)
    ends = walk(sampler, START.astype(dtype), np.array([1.0, 0.625, 0.0], dtype))
    wanted = np.array([0 * START + 0.375 * POINT, 0 * START + POINT])
    close(ends, wanted, ulps=8, scale=1, why="2S from alpha = 0 to sigma = 0")
