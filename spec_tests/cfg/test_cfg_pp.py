"""CFG++: every step is DDIM with a larger weight, and what that does to Gaussians as the steps get
finer.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import diffx
from spec_tests.instrument.close import close, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import guidance
from spec_tests.support import strategies as st_

CHUNG = "Chung et al. 2025, arXiv:2406.08070"
N = 4
FLOW = diffx.RectifiedFlow()


def denoisers(dtype, cond, uncond):
    laws = [
        diffx.GaussianLaw(jnp.asarray(part.mean, dtype), jnp.asarray(part.variance, dtype))
        for part in (cond, uncond)
    ]
    return [diffx.denoiser(FLOW, law) for law in laws]


@jax.jit
def run(cond, uncond, w, x, ts):
    return diffx.fold(diffx.samplers.cfg_pp(FLOW, cond, uncond, w=w), x, ts, keep=diffx.keep_x)[1]


@claim(
    "CFG-20",
    "A step of CFG++ is a DDIM step with the guidance weight w/(1 - e^-h), where h is the step in "
    "log(alpha/sigma)",
    of=("diffx.samplers.cfg_pp", "diffx.samplers.cfg_pp_step"),
    source=f"{CHUNG}, for the method; the weight: derived here",
    grade="identity",
)
@given(
    means=st_.points(2, 3),
    variances=st_.arrays((2, 3), st_.log_uniform(0.25, 4.0)),
    w=st_.floats(-0.5, 1.5),
    x=st_.points(5, 3),
    ts=st_.grids(N, 0.0625, 0.9375),
)
def test_each_step_is_ddim_with_a_weight_of_its_own(dtype, means, variances, w, x, ts):
    cond, uncond = (guidance.Gaussians(*part) for part in zip(means, variances, strict=True))
    got = run(*denoisers(dtype, cond, uncond), *(jnp.asarray(value, dtype) for value in (w, x, ts)))
    before = [x, *np.asarray(got, np.float64)]
    for k, (t, s) in enumerate(pairwise(ts)):
        wanted, size = guidance.guided_ddim(
            cond, uncond, guidance.cfg_pp_weight(w, t, s), before[k], t, s
        )
        close(
            got[k],
            wanted,
            ulps=32,
            scale=size,
            why="two denoisers of 6 roundings, weighed by w and 1 - w, and DDIM's 4",
        )


def test_the_last_step_ends_on_the_guided_answer_and_weight_zero_is_ddim():
    cond, uncond = denoisers(
        np.float64,
        guidance.Gaussians(np.ones(2), np.ones(2)),
        guidance.Gaussians(np.zeros(2), np.ones(2)),
    )
    x = jnp.asarray([[0.5, -1.0]])
    end, answers = diffx.fold(
        diffx.samplers.cfg_pp(FLOW, cond, uncond, w=0.75), x, diffx.uniform(3), keep=diffx.keep_x0
    )
    np.testing.assert_array_equal(end, answers[-1])
    still = diffx.fold(diffx.samplers.cfg_pp(FLOW, cond, uncond, w=0.0), x, diffx.uniform(3))[0]
    np.testing.assert_allclose(
        still, diffx.fold(diffx.ddim(FLOW, uncond), x, diffx.uniform(3))[0], rtol=1e-14
    )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda d: diffx.samplers.cfg_pp(FLOW, None, d, w=0.5),
            TypeError,
            "a denoiser .* must be callable, got NoneType",
        ),
        (
            lambda d: diffx.samplers.cfg_pp(FLOW, d, d, w=float("nan")),
            ValueError,
            "w must be finite",
        ),
        (
            lambda d: diffx.samplers.cfg_pp(FLOW, d, d, w=[0.5, 1.0]),
            TypeError,
            "w must be a number, got list",
        ),
    ],
)
def test_bad_arguments_are_answered_at_the_door(make, error, words):
    denoise = diffx.denoiser(FLOW, diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(error, match=words):
        make(denoise)


STEPS = (320, 640, 1280, 2560)
LIMITED = {"dtypes": ("float64",), "why_dtypes": "an order of convergence"}


def outputs(cond, uncond, w, ns=STEPS):
    """The exact output law of CFG++ from N(0, 1) for every number of uniform steps."""
    start = diffx.GaussianLaw(jnp.zeros(1), jnp.ones(1))
    sampler = diffx.samplers.cfg_pp(FLOW, *denoisers(np.float64, cond, uncond), w=w)
    laws = [diffx.exact_law(sampler, start, diffx.uniform(n)) for n in ns]
    return [(float(law.mean[0]), float(law.cov[0, 0])) for law in laws]


@claim(
    "CFG-21",
    "With a fixed w the mean of CFG++ leaves the data in proportion to the number of steps: by w "
    "(m_c - m_u) int gain alpha sigma^2/v dt per step, for equal variances",
    of="diffx.samplers.cfg_pp",
    source=(
        "derived here: every step adds alpha_s w (D_c - D_u), which does not shrink with the step"
    ),
    grade="order",
    **LIMITED,
)
def test_mean_of_cfg_pp_grows_with_the_number_of_steps(dtype):
    cond, uncond, w = (
        guidance.Gaussians(np.array([2.0]), np.array([0.49])),
        guidance.Gaussians(np.zeros(1), np.array([0.49])),
        0.6,
    )
    each = [mean / n for n, (mean, _) in zip(STEPS, outputs(cond, uncond, w), strict=True)]
    limit = guidance.cfg_pp_drift(2.0, 0.49, w)
    slope(
        STEPS,
        np.abs(np.array(each) - limit),
        order=1,
        why="a Riemann sum of the pull, with its end",
    )


@claim(
    "CFG-22",
    "With a fixed w the variance of CFG++ is exponential in the number of steps: its logarithm "
    "changes by 2 int log(1 + w alpha (A_c - A_u)) dt per step, where A is the gain of a "
    "denoiser, so that a narrow condition collapses",
    of="diffx.samplers.cfg_pp",
    source="derived here: a step multiplies deviations by 1 + w alpha (A_c - A_u) in the limit",
    grade="order",
    **LIMITED,
)
def test_variance_of_cfg_pp_is_exponential_in_the_number_of_steps(dtype):
    cond, uncond = (
        guidance.Gaussians(np.zeros(1), np.array([variance])) for variance in (0.8, 1.0)
    )
    each = [
        np.log(variance) / n
        for n, (_, variance) in zip(STEPS, outputs(cond, uncond, 0.3), strict=True)
    ]
    limit = guidance.cfg_pp_growth(0.8, 1.0, 0.3)
    slope(
        STEPS,
        np.abs(np.array(each) - limit),
        order=1,
        why="a Riemann sum of the logarithm, with its end",
    )
