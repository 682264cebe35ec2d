"""The linear multi-step method of Adams and Bashforth: its gain, its start, its memory, its law."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.instrument.close import close
from spec_tests.instrument.registry import claim
from spec_tests.oracles import gauge
from spec_tests.support.arrays import cast, single
from spec_tests.support.paths import oracle as path_of, rectified_flow, vp
from spec_tests.support.samplers import MEAN, VARIANCES, grid, law_of, mixture, nodes

LMS = ("diffx.samplers.lms", "diffx.samplers.lms_step")
SIX_STEPS = (0.9375, 0.8, 0.6, 0.45, 0.25, 0.125, 0.0)
FLOAT64 = "which points a step remembers does not depend on the dtype; REV-46 holds its numbers"
ORDERS = {"order 1": {"order": 1}, "order 4, by way of 1, 2 and 3": {}}


@partial(jax.jit, static_argnums=0)
def lms_end(name, process, mean, cov, x, ts):
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))
    return diffx.fold(diffx.samplers.lms(process, denoise, **ORDERS[name]), x, ts)[0]


@claim(
    "REV-46",
    "Six uneven steps of the linear multi-step method have the gain of polynomials through the "
    "last slopes",
    of=(*LMS, "diffx.samplers.adams_weights"),
    source="k-diffusion, sampling.py, sample_lms",
    grade="computed law",
)
@pytest.mark.parametrize("name", ORDERS)
def test_multistep_has_the_gain_of_adams(dtype, name):
    """Down to t = 0; the integrals by numpy's polynomials."""
    ts, ts_ = grid(dtype, *SIX_STEPS)
    alpha, variance = nodes(path_of(vp), ts)
    x = single([1.0, -2.0, 3.0])
    got = lms_end(name, vp(), *cast(dtype, MEAN, VARIANCES, x), ts_)
    gain = gauge.adams(alpha, variance, VARIANCES, ORDERS[name].get("order", 4))
    scale = (np.abs(MEAN) + np.abs(x)) / alpha[0]  # y = x/alpha, and weights up to 10
    wanted = MEAN + gain * (x - alpha[0] * MEAN)
    close(got, wanted, ulps=64, scale=scale, why="six steps")


def run_from_pure_noise():
    """On the rectified flow from t = 1: the sampler, its grid, its start, its end, its points."""
    _, ts = grid(np.float64, 1.0, 0.7, 0.4, 0.2, 0.1)
    denoise = diffx.denoiser(rectified_flow(), mixture(np.float64))
    x, sampler = jnp.array([[-1.0], [0.5]]), diffx.samplers.lms(rectified_flow(), denoise, order=3)
    return sampler, denoise, ts, x, *diffx.fold(sampler, x, ts, keep=diffx.keep_x)


@claim(
    "REV-47",
    "Started without signal, the linear multi-step method takes a step of DDIM and remembers "
    "nothing of it",
    of=LMS,
    source="alpha(1) = 0: the slope in y = x/alpha is infinite; derived here",
    grade="identity",
    dtypes=("float64",),
    why_dtypes=FLOAT64,
)
def test_start_without_signal_leaves_no_memory(dtype):
    """DDIM's step, then a start of its own, against the whole run."""
    sampler, denoise, ts, x, whole, _ = run_from_pure_noise()
    first = diffx.fold(diffx.ddim(rectified_flow(), denoise), x, ts[:2])[0]
    again = np.asarray(diffx.fold(sampler, first, ts[1:])[0])
    close(whole, again, ulps=64, scale=2.0, why="the same steps")


@claim(
    "REV-48",
    "A linear multi-step method that is given its last points goes on as if it had come from them",
    of=("diffx.samplers.with_past", *LMS),
    source="the memory of a multi-step method is its last points; here",
    grade="identity",
    dtypes=("float64",),
    why_dtypes=FLOAT64,
)
def test_given_points_are_remembered_like_visited_ones(dtype):
    sampler, _, ts, _, whole, path = run_from_pure_noise()
    known = diffx.samplers.with_past(sampler, path[:2], ts[1:4])
    again = np.asarray(diffx.fold(known, path[2], ts[3:])[0])
    close(whole, again, ulps=64, scale=2.0, why="the memory of the same points")


@claim(
    "REV-49",
    "The exact law of the linear multi-step method, its history carried along, is that of one gain",
    of=("diffx.exact_law", *LMS),
    source="k-diffusion, sampling.py, sample_lms; the law: here",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=FLOAT64,
)
def test_law_of_a_multistep_method_is_that_of_its_gain(dtype):
    """From N(0, V), order 2."""
    spread, (ts, ts_) = np.array([0.5, 1.0, 2.0]), grid(dtype, *SIX_STEPS)
    sampler = diffx.samplers.lms(
        vp(), diffx.denoiser(vp(), law_of(dtype, MEAN, VARIANCES)), order=2
    )
    got = diffx.exact_law(sampler, law_of(dtype, np.zeros(3), spread), ts_)
    alpha, variance = nodes(path_of(vp), ts)
    gain = gauge.adams(alpha, variance, VARIANCES, 2)
    mean, cov = MEAN - gain * alpha[0] * MEAN, np.diag(gain**2 * spread)
    close(got.mean, mean, ulps=1024, scale=np.abs(MEAN).max(), why="six steps")
    close(got.cov, cov, ulps=1024, scale=2.0 / alpha[0], why="six steps")
