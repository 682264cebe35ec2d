"""Steps of simple schemes on Gaussian data are those of plain recursions, a row for each scheme."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, gauge, recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast, single
from spec_tests.support.paths import oracle as path_of, vp
from spec_tests.support.samplers import (
    MEAN,
    VARIANCES,
    answers_are_exact,
    grid,
    has_law,
    law_of,
    nodes,
    x_and_answer,
)
from spec_tests.support.schemes import recursion

EULER_AND_HEUN = {
    "euler_maruyama": diffx.euler_maruyama,
    "euler": diffx.euler,
    "heun": diffx.heun,
}
OF_EULER_AND_HEUN = (
    "diffx.euler_maruyama",
    "diffx.samplers.euler_maruyama_step",
    "diffx.euler",
    "diffx.samplers.euler_step",
    "diffx.heun",
    "diffx.samplers.heun_step",
)
ETA, GAMMA, NOISE_SCALE, LOW, HIGH = single([0.75, 0.3, 1.25, 0.5, 8.0])
NOISY = {  # (process, denoise, the five numbers) -> Sampler
    "euler_ancestral": lambda p, d, n: diffx.samplers.euler_ancestral(p, d, eta=n[0]),
    "euler_ancestral, default": lambda p, d, n: diffx.samplers.euler_ancestral(p, d),
    "dpm2_ancestral": lambda p, d, n: diffx.samplers.dpm2_ancestral(p, d, eta=n[0]),
    "dpm2_ancestral, default": lambda p, d, n: diffx.samplers.dpm2_ancestral(p, d),
    "edm_stochastic": lambda p, d, n: diffx.samplers.edm_stochastic(
        p, d, gamma=n[1], noise_scale=n[2], sigma_low=n[3], sigma_high=n[4]
    ),
    "edm_stochastic, default": lambda p, d, n: diffx.samplers.edm_stochastic(p, d, gamma=n[1]),
    "sde_dpm_solver": lambda p, d, n: diffx.samplers.sde_dpm_solver(p, d),
    "exponential_sde": lambda p, d, n: diffx.samplers.exponential_sde(p, d),
}
ANSWERING = [name for name in NOISY if not name.startswith("edm")]  # that: where its noise has led
OF_ANSWERING = (
    "diffx.samplers.euler_ancestral",
    "diffx.samplers.dpm2_ancestral",
    "diffx.samplers.dpm2_ancestral_step",
    "diffx.samplers.sde_dpm_solver",
    "diffx.samplers.sde_dpm_solver_step",
    "diffx.samplers.exponential_sde",
    "diffx.samplers.exponential_sde_step",
)
OF_NOISY = (
    *OF_ANSWERING,
    "diffx.samplers.edm_stochastic",
    "diffx.samplers.edm_stochastic_step",
)
EVERY = {
    **{name: lambda p, d, n, make=make: make(p, d) for name, make in EULER_AND_HEUN.items()},
    **NOISY,
}
BEGIN, SPREAD = np.array([0.25, 1.0, -0.5]), np.array([2.0, 0.5, 1.0])
FOUR_STEPS = single([0.9375, 0.7, 0.4, 0.125, 0.0])


@claim(
    "REV-22",
    "Four steps of Euler-Maruyama, Euler or Heun end with the mean and the covariance of their "
    "recursion",
    of=("diffx.exact_law", *OF_EULER_AND_HEUN),
    source="Pierret and Galerne 2024, arXiv:2405.14250, for the schemes",
    grade="computed law",
)
@pytest.mark.parametrize("name", EULER_AND_HEUN)
def test_four_steps_have_the_law_of_their_recursion(dtype, name):
    """Down to t = 0 in rotated axes, from a law that is not the prior."""
    basis, (ts, ts_) = st_.rotation(5, 3), grid(dtype, *FOUR_STEPS)
    law = diffx.GaussianLaw(
        jnp.asarray(basis @ MEAN, dtype), diffx.LowRank(*cast(dtype, basis, VARIANCES))
    )
    cov = basis * SPREAD @ basis.T
    start = law_of(dtype, basis @ BEGIN, (cov + cov.T) / 2)
    got = diffx.exact_law(EULER_AND_HEUN[name](vp(), diffx.denoiser(vp(), law)), start, ts_)
    steps, alpha = recursion(name, path_of(vp), ts, VARIANCES), path_of(vp).alpha(ts)
    wanted = recursions.run(steps, alpha, BEGIN, SPREAD, MEAN)
    has_law(got, wanted, "four steps", ulps=16, turned=basis)


def four_steps(dtype, name):
    """Their end, the points on the way and the answers of the denoiser, without noise."""
    sampler = EULER_AND_HEUN[name](vp(), diffx.denoiser(vp(), law_of(dtype, MEAN, VARIANCES)))
    return diffx.fold(sampler, *cast(dtype, BEGIN, FOUR_STEPS), keep=x_and_answer)


@claim(
    "REV-32",
    "Without noise, four steps of Euler-Maruyama, Euler or Heun lead one point to the mean of "
    "their recursion",
    of=OF_EULER_AND_HEUN,
    source="Pierret and Galerne 2024, arXiv:2405.14250, for the schemes",
    grade="computed law",
)
@pytest.mark.parametrize("name", EULER_AND_HEUN)
def test_steps_without_noise_lead_to_the_mean(dtype, name):
    ts, _ = grid(dtype, *FOUR_STEPS)
    steps = recursion(name, path_of(vp), ts, VARIANCES)
    wanted = recursions.run(steps, path_of(vp).alpha(ts), BEGIN, 0 * BEGIN, MEAN)
    end, _ = four_steps(dtype, name)
    close(
        end,
        wanted.mean,
        ulps=16,
        scale=wanted.mean_scale,
        why="four steps; without noises a stochastic method takes none",
    )


@jax.jit
def noisy_steps(process, mean, cov, x, t, s, z, numbers):
    """One step of each scheme from every row of x, with its own times and noise: where it leads,
    and the answer. One program: eight would take twice as long to compile.
    """
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))

    def one(make):
        def step(x, t, s, z):
            state, info = make(process, denoise, numbers).step(State(x), t, s, z)
            return state.x, info.x0

        return jax.vmap(step)(x, t, s, z)

    return {name: one(make) for name, make in NOISY.items()}


def five_steps(dtype):
    """VP from t = 1 down to 0: times, starts, noises, and the arguments of `noisy_steps`."""
    ts, _ = grid(dtype, 1.0, 0.9, 0.7, 0.4, 0.125, 0.0)
    x, zs = single(np.random.default_rng(0).standard_normal((2, 5, 3)))
    arrays = cast(dtype, MEAN, VARIANCES, x, ts[:-1], ts[1:], zs)
    numbers = tuple(cast(dtype, ETA, GAMMA, NOISE_SCALE, LOW, HIGH))
    return ts, x, zs, (vp(), *arrays, numbers)


def noisy_recursion(name, alpha, variance):
    at = alpha, variance, VARIANCES
    most = np.sqrt(variance[0]) / alpha[0] / (1 + GAMMA)  # by default the process has the noise
    return {
        "euler_ancestral": lambda: gauge.euler_ancestral(*at, ETA),
        "euler_ancestral, default": lambda: gauge.euler_ancestral(*at, 1.0),
        "dpm2_ancestral": lambda: gauge.dpm2_ancestral(*at, ETA),
        "dpm2_ancestral, default": lambda: gauge.dpm2_ancestral(*at, 1.0),
        "edm_stochastic": lambda: gauge.edm_stochastic(*at, GAMMA, NOISE_SCALE, LOW, HIGH),
        "edm_stochastic, default": lambda: gauge.edm_stochastic(*at, GAMMA, 1.0, 0.0, most),
        "sde_dpm_solver": lambda: gauge.sde_dpm_solver(*at),
        "exponential_sde": lambda: gauge.exponential_sde(*at),
    }[name]()


@claim(
    "REV-33",
    "A step of a stochastic scheme multiplies the point, shifts it and adds noise as its recursion "
    "says",
    of=OF_NOISY,
    source="Pierret and Galerne 2024, arXiv:2405.14250; Karras et al. 2022, Algorithm 2",
    grade="computed law",
)
@pytest.mark.parametrize("name", NOISY)
def test_noisy_steps_are_those_of_their_recursion(dtype, name):
    """VP from t = 1, where churning is off by default, down to 0."""
    ts, x, zs, inputs = five_steps(dtype)
    alpha, variance = nodes(path_of(vp), ts)
    moved, scale = gauge.each(noisy_recursion(name, alpha, variance), alpha, x, zs, MEAN)
    # a time of a log-SNR is known to some 10 ulps, and B(1) = 6 multiplies them
    got, _ = noisy_steps(*inputs)[name]
    close(got, moved, ulps=32, scale=scale, why=f"one step of {name}")


@claim(
    "REV-34",
    "A step reports the answer of the denoiser at its start, E[x_0 | x_t]",
    of=(*OF_EULER_AND_HEUN, *OF_ANSWERING),
    source="Bayes' rule",
    grade="identity",
)
@pytest.mark.parametrize("name", [*EULER_AND_HEUN, *ANSWERING])
def test_steps_report_the_answer_at_their_start(dtype, name):
    if name in EULER_AND_HEUN:
        ts, _ = grid(dtype, *FOUR_STEPS)
        answers_are_exact(dtype, path_of(vp), ts, BEGIN, *four_steps(dtype, name)[1])
        return
    ts, x, _, inputs = five_steps(dtype)
    _, answers = noisy_steps(*inputs)[name]
    for t, start, answer in zip(ts[:-1], x, answers, strict=True):
        wanted = bayes.gaussian_posterior(
            MEAN, np.diag(np.sqrt(VARIANCES)), path_of(vp).alpha(t), path_of(vp).sigma(t), start
        ).mean
        close(
            answer,
            wanted,
            ulps=16,
            scale=np.abs(MEAN) + np.abs(wanted) + np.abs(start),
            why=f"E[x_0 | x_t] at the start of the step, t = {t}",
        )


@claim(
    "REV-35",
    "A step casts once, at its end: float32 data stay float32 whatever the dtype of the times, of "
    "the law and of the noise",
    of=(*OF_EULER_AND_HEUN, *OF_NOISY),
    source="the contract of a step: x decides the dtype",
    grade="identity",
)
@pytest.mark.parametrize("name", EVERY)
def test_steps_keep_the_dtype_of_the_data(dtype, name):
    denoise = diffx.denoiser(vp(), law_of(dtype, MEAN, VARIANCES))
    numbers = tuple(cast(dtype, ETA, GAMMA, NOISE_SCALE, LOW, HIGH))
    sampler = EVERY[name](vp(), denoise, numbers)
    x, t = jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((), jnp.float64)
    z = None if sampler.noise is None else jax.ShapeDtypeStruct((3,), dtype)
    state, info = jax.eval_shape(sampler.step, State(x), t, t, z)
    holds(state.x.dtype == jnp.float32, "x decides the dtype of x")
    holds(info.x0.dtype == jnp.float32 and info.x0.shape == (3,), "and that of the answer")
