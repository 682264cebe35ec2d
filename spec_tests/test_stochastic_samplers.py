"""Stochastic samplers: churn, ancestral steps, exponential integrators, Langevin steps,
Analytic-DPM.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import diffx
from diffx.samplers.edm_stochastic import churn
from diffx.samplers.protocol import State
from spec_tests.close import below, close, holds
from spec_tests.oracles import bayes, gauge, recursions
from spec_tests.paths import edm, oracle as path_of, rectified_flow, ve, vp
from spec_tests.registry import claim
from spec_tests.test_reverse import cast, single
from spec_tests.test_sampler import (
    CENTRES,
    MEAN,
    SPREADS,
    VARIANCES,
    WEIGHTS,
    grid,
    law_of,
    mixture,
    nodes,
)

# --- the laws of one-step schemes, for REV-22 ----------------------------------------------------

GAMMA, LOW, HIGH = 0.3, 0.5, 8.0
SCHEMES = {
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
STOCHASTIC_SAMPLERS = (
    "diffx.samplers.euler_ancestral",
    "diffx.samplers.dpm2_ancestral",
    "diffx.samplers.dpm2_ancestral_step",
    "diffx.samplers.edm_stochastic",
    "diffx.samplers.edm_stochastic_step",
    "diffx.samplers.sde_dpm_solver",
    "diffx.samplers.sde_dpm_solver_step",
    "diffx.samplers.exponential_sde",
    "diffx.samplers.exponential_sde_step",
)
NUMBERS = (0.75, GAMMA, 1.25, LOW, HIGH)


@jax.jit
def noisy_steps(process, mean, cov, x, t, s, z, numbers):
    """One step of each scheme from every row of x, with its own times and noise: where it leads,
    and the answer.
    """
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))

    def one(name):
        def step(x, t, s, z):
            state, info = SCHEMES[name](process, denoise, numbers).step(State(x), t, s, z)
            return state.x, info.x0

        return jax.vmap(step)(x, t, s, z)

    return {name: one(name) for name in SCHEMES}


def noisy_schemes_follow_their_recursions(dtype):
    """VP from t = 1, where churning is off by default, down to 0: the gain, mean and noise of every
    step.
    """
    ts, _ = grid(dtype, 1.0, 0.9, 0.7, 0.4, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    x, zs = single(np.random.default_rng(0).standard_normal((2, 5, 3)))
    numbers = single(NUMBERS)
    eta, gamma, scale, low, high = numbers
    most = np.sqrt(variance[0]) / alpha[0] / (1 + gamma)
    wanted = {
        "euler_ancestral": gauge.euler_ancestral(alpha, variance, VARIANCES, eta),
        "euler_ancestral, default": gauge.euler_ancestral(alpha, variance, VARIANCES, 1.0),
        "dpm2_ancestral": gauge.dpm2_ancestral(alpha, variance, VARIANCES, eta),
        "dpm2_ancestral, default": gauge.dpm2_ancestral(alpha, variance, VARIANCES, 1.0),
        "edm_stochastic": gauge.edm_stochastic(alpha, variance, VARIANCES, gamma, scale, low, high),
        "edm_stochastic, default": gauge.edm_stochastic(
            alpha, variance, VARIANCES, gamma, 1.0, 0.0, most
        ),
        "sde_dpm_solver": gauge.sde_dpm_solver(alpha, variance, VARIANCES),
        "exponential_sde": gauge.exponential_sde(alpha, variance, VARIANCES),
    }
    inputs = (
        vp(),
        *cast(dtype, MEAN, VARIANCES, x, ts[:-1], ts[1:], zs),
        tuple(cast(dtype, *numbers)),
    )
    got = noisy_steps(*inputs)
    for name, steps in wanted.items():
        moved, scale = gauge.each(steps, alpha, x, zs, MEAN)
        # a time of a log-SNR is known to some 10 ulps, and B(1) = 6 multiplies them
        close(got[name][0], moved, ulps=32, scale=scale, why=f"one step of {name}")
        if not name.startswith("edm"):  # that answers for where its noise has led it
            for i, t in enumerate(ts[:-1]):
                answers_at(dtype, got[name][1][i], t, x[i])
    if dtype == np.float64:
        spectrum_has_the_distances_of_exponential_integrators()
    narrow = jax.eval_shape(noisy_steps, *narrowed(inputs))
    holds(
        all(out.dtype == jnp.float32 for out in jax.tree.leaves(narrow)),
        "x decides the dtype, whatever the times are",
    )


@jax.jit
def spectrum_steps(process, variances, t, s):
    """What steps from t to s multiply x and z by, (methods, 2, n, d)."""
    denoise, one = (
        diffx.denoiser(process, diffx.GaussianLaw(0 * variances, variances)),
        jnp.ones_like(variances),
    )

    def parts(sampler):
        step = lambda x, z: jax.vmap(lambda t, s: sampler.step(State(x), t, s, z)[0].x)(t, s)
        return jnp.stack([step(one, 0 * one), step(0 * one, one)])

    return jnp.stack(
        [
            parts(diffx.samplers.exponential_sde(process, denoise)),
            parts(diffx.samplers.sde_dpm_solver(process, denoise)),
        ]
    )


def spectrum_has_the_distances_of_exponential_integrators():
    """W2 to SYN-256 after 50 steps from N(0, I) to t = 1e-3, with the score held and with eps
    held.
    """
    variances, ts = 1 / np.arange(1.0, 257) ** 2, diffx.uniform(50, t_min=1e-3)
    steps = spectrum_steps(diffx.VP(0.1, 20.0), jnp.asarray(variances), ts[:-1], ts[1:])
    for (gains, noises), printed in zip(np.asarray(steps), (1.085757, 1.647975), strict=True):
        spread = np.ones(256)
        for gain, noise in zip(gains, noises, strict=True):
            spread = gain**2 * spread + noise**2
        off = abs(np.sqrt(((np.sqrt(spread) - np.sqrt(variances)) ** 2).sum()) / printed - 1)
        holds(off < 1e-6, f"W2 is {printed}", measured=off, bound=1e-6)


def answers_at(dtype, answer, t, x):
    path = path_of(vp)
    wanted = bayes.gaussian_posterior(
        MEAN, np.diag(np.sqrt(VARIANCES)), path.alpha(t), path.sigma(t), x
    ).mean
    close(
        answer,
        wanted,
        ulps=16,
        scale=np.abs(MEAN) + np.abs(wanted) + np.abs(x),
        why="E[x_0 | x_t] at the start of the step",
    )


def narrowed(inputs):
    """The same with float32 data and float64 times."""
    process, mean, cov, x, t, s, z, numbers = inputs
    return (
        process,
        mean,
        cov,
        x.astype(jnp.float32),
        t.astype(jnp.float64),
        s.astype(jnp.float64),
        z,
        numbers,
    )


# --- churn --------------------------------------------------------------------------------------


@jax.jit
def churn_by_parts(process, t, gammas):
    """What churning multiplies x and z by, and the time it leads to, for each gamma."""
    x, z = jnp.array([1.0, 0.0], t.dtype), jnp.array([0.0, 1.0], t.dtype)
    return jax.vmap(lambda gamma: churn(process, x, t, z, gamma=gamma, noise_scale=1))(gammas)


@claim(
    "REV-26",
    "Churning by gamma turns the marginal at noise-to-signal ratio r into that at (1 + gamma) r; "
    "gamma = 0 is Heun's method",
    of=(
        "diffx.samplers.churn",
        "diffx.samplers.edm_stochastic",
        "diffx.samplers.edm_stochastic_step",
    ),
    source="Karras et al. 2022, arXiv:2206.00364, Algorithm 2",
)
def test_churning_leads_to_the_marginal_of_more_noise(dtype):
    """Mean and variance of N(m, L) noised to r and churned are those at r_hat; on EDM with gamma =
    0 a mixture sees Heun.
    """
    (t,), gammas = single([0.375]), single([0.0, 0.125, 2**0.5 - 1])
    for make in (vp, ve, rectified_flow):
        path, (parts, there) = path_of(make), churn_by_parts(make(), *cast(dtype, t, gammas))
        there, (gain, noise) = np.asarray(there, np.float64), np.asarray(parts, np.float64).T
        a, r = path.alpha(t), path.sigma(t) / path.alpha(t)
        a_hat, r_hat = path.alpha(there), path.sigma(there) / path.alpha(there)
        steep = 1 + np.abs(path.log_snr(t)) + np.abs(t * path.log_snr_rate(t))
        why = "a time of a log-SNR, where both are as steep as this"
        close((r_hat / r).astype(dtype), 1 + gammas, ulps=16, scale=steep, why=why)
        close(gain.astype(dtype), a_hat / a, ulps=16, scale=steep, why=why)
        wanted = a_hat**2 * (r_hat**2 - r**2)  # what the variance of x_hat lacks
        close((noise**2).astype(dtype), wanted, ulps=32, scale=steep * (a_hat * r) ** 2, why=why)
        holds(
            noise**2 <= (a_hat * r) ** 2 * (1 + 1e-4),
            "gamma <= sqrt 2 - 1 adds no more noise than there is",
        )
    without_churn_the_step_is_heuns(dtype)


def without_churn_the_step_is_heuns(dtype):
    _, ts = grid(dtype, 0.9, 0.6, 0.3, 0.1, 0.0)
    x, zs = (
        jnp.asarray(a, dtype)
        for a in (single([[-80.0], [-20.0], [10.0], [40.0]]), np.ones((4, 4, 1)))
    )
    denoise = diffx.denoiser(edm(), mixture(dtype))
    got = diffx.fold(diffx.samplers.edm_stochastic(edm(), denoise, gamma=0.0), x, ts, zs)[0]
    wanted = diffx.fold(diffx.heun(edm(), denoise), x, ts)[0]
    why = "four steps of a mixture; x - D is 80 times the data"
    close(got, np.asarray(wanted, np.float64), ulps=16, scale=10 * 80.0, why=why)


# --- Langevin -----------------------------------------------------------------------------------


@jax.jit
def langevin_by_parts(process, variance, mean, t, step_size):
    """What one Langevin step multiplies x and z by, and what it makes of x = 0 without noise; (k,)
    for the step sizes.
    """
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, variance))
    step = lambda x, z, e: diffx.samplers.langevin_step(process, denoise, x, t, z, step_size=e)
    one, none = jnp.ones_like(mean), jnp.zeros_like(mean)
    parts = lambda e: jnp.stack([step(one, none, e), step(none, one, e), step(none, None, e)])
    return jax.vmap(parts)(step_size)


def output_moments(sampler, ts, mean, variance, arrange, slots=3):
    """Mean and variance of the output, coordinate by coordinate, from the effect of each noise:
    rows of one batch.

    arrange: (slots, N, rows, d) standard normals as the sampler takes them.
    """
    n, (d,) = ts.shape[0] - 1, mean.shape
    x, z = np.tile(mean, (2 + slots * n, 1)), np.zeros((slots, n, 2 + slots * n, d))
    x[1] += np.sqrt(variance)
    for i in range(slots * n):
        z[i // n, i % n, 2 + i] = 1
    x, z = cast(ts.dtype, x, z)
    ends = np.asarray(diffx.fold(sampler, x, ts, arrange(z))[0])
    return ends[0], ((ends[1:] - ends[0]) ** 2).sum(0)


@claim(
    "REV-25",
    "Langevin steps of size e settle at the variance v/(1 - e/(2v)), and blow up for e > 2v; a "
    "predictor takes them in between",
    of=(
        "diffx.samplers.langevin_step",
        "diffx.samplers.langevin_corrector",
        "diffx.samplers.predictor_corrector",
        "diffx.samplers.predictor_corrector_step",
    ),
    source=(
        "Song et al. 2021, arXiv:2011.13456, section 4.2 and Algorithm 1; derived here for "
        "Gaussians"
    ),
)
def test_langevin_steps_settle_at_their_stationary_variance(dtype):
    """The fixed point of V' = gain^2 V + noise^2 from the code's own gain and noise; then whole
    runs by their recursion.
    """
    path, (t,) = path_of(vp), single([0.375])
    v = path.alpha(t) ** 2 * VARIANCES + path.variance(t)
    for share in (0.125, 1.0, 1.875, 2.25):
        sizes = single(share * v)
        parts = langevin_by_parts(vp(), *cast(dtype, VARIANCES, MEAN, t, sizes))
        gain, noise, rest = (
            np.asarray(parts[np.arange(3), i, np.arange(3)], np.float64) for i in range(3)
        )
        gain, noise = gain - rest, noise - rest
        close(
            dtype.type(rest),
            sizes * path.alpha(t) * MEAN / v,
            ulps=32,
            scale=5 * sizes / path.variance(t),
            why="e a m/v",
        )
        if share < 2:
            wanted, off = v / (1 - sizes / (2 * v)), np.abs(1 - gain**2)
            why = "noise^2/(1 - gain^2), gain = 1 - e/v a difference of x and e (x - a D)/sigma^2"
            scale = wanted * (1 + 2 * (1 + 3 * sizes / path.variance(t)) / off)
            close(dtype.type(noise**2 / (1 - gain**2)), wanted, ulps=16, scale=scale, why=why)
            holds(np.abs(gain) < 1, "stable below e = 2 v")
        else:
            holds(np.abs(gain) > 1, "unstable above e = 2 v")
    corrected_runs_follow_their_recursion(dtype)
    noises_are_independent()


def one(z):
    """Noise of a deterministic predictor with one corrector."""
    return None, (z[1],)


def two(z):
    """Noise of a predictor with two correctors."""
    return z[0], (z[1], z[2])


def corrected_runs_follow_their_recursion(dtype):
    """DDPM and DDIM with correctors of e = 2 (snr sigma)^2 after each step but the last, which
    leads to sigma = 0.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.6, 0.25, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    law, begin = law_of(dtype, MEAN, VARIANCES), law_of(dtype, 0 * MEAN, 1 + 0 * MEAN)
    denoise = diffx.denoiser(vp(), law)
    for method, steps, n, snr in (
        (diffx.ddpm, recursions.ancestral(alpha, variance, VARIANCES, "tilde"), 2, 0.25),
        (diffx.ddim, recursions.ddim(alpha, variance, VARIANCES), 1, None),
    ):
        correct = diffx.samplers.langevin_corrector(
            vp(), denoise, **({} if snr is None else {"snr": snr})
        )
        sampler = diffx.samplers.predictor_corrector(
            method(vp(), denoise), correct, **({} if n == 1 else {"n": n})
        )
        mean, spread, scale = 0 * MEAN, 1 + 0 * MEAN, 1 + np.abs(MEAN)
        for p, q, noise, a, s2 in zip(
            steps.p, steps.q, steps.n, alpha[1:], variance[1:], strict=True
        ):
            mean, spread, scale = (
                p * mean + q * MEAN,
                p**2 * spread + noise,
                (1 + np.abs(p)) * scale,
            )
            e = 2 * (0.16 if snr is None else snr) ** 2 * s2
            for _ in range(n):
                r = e / (a**2 * VARIANCES + s2)
                mean, spread = mean - r * (mean - a * MEAN), (1 - r) ** 2 * spread + 2 * e
        got = output_moments(sampler, ts_, begin.mean, begin.cov, two if n == 2 else one)
        close(got[0], mean, ulps=32, scale=scale, why="three steps with correctors")
        close(got[1], spread, ulps=64, scale=scale**2, why="three steps with correctors")
    end = diffx.fold(sampler, jnp.ones(3, dtype), ts_)[0]
    holds(
        bool(jnp.isfinite(end).all()) and end.dtype == dtype,
        "without noises all of them are zero, and no 0/0 at sigma = 0",
    )


def noises_are_independent():
    """One key makes three different noises: the predictor's and one for each corrector; a
    deterministic predictor has none.
    """
    law = law_of(np.float64, MEAN, VARIANCES)
    denoise, x = diffx.denoiser(vp(), law), jnp.zeros((2, 3))
    correct = diffx.samplers.langevin_corrector(vp(), denoise)
    for method in (diffx.ddpm, diffx.ddim):
        noise = diffx.samplers.predictor_corrector(method(vp(), denoise), correct, n=2).noise
        first, rest = noise(jax.random.key(0), x)  # pyright: ignore[reportOptionalCall]
        drawn = [*rest] if first is None else [first, *rest]
        holds(
            (first is None) == (method is diffx.ddim) and len(rest) == 2,
            "a tuple: the predictor's, the correctors'",
        )
        numbers = np.stack([np.asarray(z) for z in drawn]).ravel()
        holds(len(set(numbers)) == numbers.size and np.abs(numbers).max() < 6, "all numbers differ")


# --- Analytic-DPM -------------------------------------------------------------------------------


def table(ts, values, t):
    """The value at a node."""
    return jnp.interp(t, ts, values)


@jax.jit
def one_step_of(sampler, x, t, s, z):
    return sampler.step(State(x), t, s, z)[0].x


@jax.jit
def analytic_steps(process, mean, variance, nodes, mmse, t, s, x):
    """One step from x, from x + 1, and with noise 1."""
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, variance))
    sampler = diffx.samplers.analytic_ddpm(process, denoise, mmse=Partial(table, nodes, mmse))
    step = jax.vmap(lambda x, z, t, s: sampler.step(State(x), t, s, z)[0].x)
    return step(x, 0 * x, t, s), step(x + 1, 0 * x, t, s), step(x, 0 * x + 1, t, s)


@claim(
    "REV-08",
    "Analytic-DPM's variance from E|score|^2 is what the law of total variance says, and beta "
    "v_s/v_t for Gaussians: exact",
    of=("diffx.samplers.analytic_ddpm", "diffx.samplers.analytic_ddpm_step"),
    source="Bao et al. 2022, arXiv:2201.06503, Theorem 1",
)
def test_analytic_variance_is_optimal(dtype):
    """Each of three steps takes N(m, L I) at t to that at s; a mixture's step: Theorem 1 with
    E|score|^2 by quadrature.
    """
    ts, _ = grid(dtype, 0.9, 0.5, 0.2, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    a, v = alpha[:, None], alpha[:, None] ** 2 * 0.5 + variance[:, None]
    mmse = 0.5 * variance / (alpha**2 * 0.5 + variance)
    times = cast(dtype, ts[::-1], mmse[::-1], ts[:-1], ts[1:], a[:-1] * MEAN)
    middle, away, noise = (
        np.asarray(part, np.float64)
        for part in analytic_steps(vp(), *cast(dtype, MEAN, 0.5), *times)
    )
    size = np.abs(MEAN) + 1
    close(middle.astype(dtype), a[1:] * MEAN, ulps=16, scale=size, why="the mean stays on its path")
    spread = (away - middle) ** 2 * v[:-1] + (noise - middle) ** 2
    close(
        spread.astype(dtype),
        v[1:] + 0 * MEAN,
        ulps=32,
        scale=size,
        why="v_s = gain^2 v_t + noise^2, by differences",
    )
    mixture_has_the_variance_of_the_theorem(dtype)


def mixture_has_the_variance_of_the_theorem(dtype):
    (t, s), path = single([0.5, 0.125]), path_of(vp)
    a, v = path.alpha(t), path.variance(t)
    y = np.linspace(-8, 8, 2001)
    log_p = bayes.gmm_log_prob(
        *bayes.gmm_noised(WEIGHTS, CENTRES, SPREADS[:, None, None], a, np.sqrt(v)), y[:, None]
    )
    p = np.exp(log_p) * (y[1] - y[0])
    after = bayes.gmm_posterior(WEIGHTS, CENTRES, SPREADS[:, None, None], a, np.sqrt(v), y[:, None])
    mmse, score2 = (
        (p * after.cov[:, 0, 0]).sum(),
        (p * np.gradient(log_p, y, edge_order=2) ** 2).sum(),
    )
    gain, spread = path.transition(t, s)
    tilde = path.variance(s) * spread**2 / v
    wanted = tilde + (np.sqrt(v) / gain - np.sqrt(path.variance(s) - tilde)) ** 2 * (1 - v * score2)
    known = Partial(table, *cast(dtype, [0, 1], [mmse] * 2))
    sampler = diffx.samplers.analytic_ddpm(vp(), diffx.denoiser(vp(), mixture(dtype)), mmse=known)
    ends = one_step_of(sampler, *cast(dtype, [[0.25], [0.25]], t, s, [[0.0], [1.0]]))
    got = float(ends[1, 0]) - float(ends[0, 0])
    off = abs(got**2 / wanted - 1)
    below(off, 3e-5, "differences of log p on a grid of 1/125 are good to 1e-5")


# --- the final variance as one sum --------------------------------------------------------------


@claim(
    "REV-10",
    "The final variance of an ancestral sampler is a sum: (alpha_T L/v_T)^2 V_T + sum of (alpha_s "
    "L/v_s)^2 noise_s",
    of=(
        "diffx.ddpm",
        "diffx.samplers.ddpm_step",
        "diffx.samplers.ddpm_beta",
        "diffx.samplers.ddpm_beta_step",
    ),
    source="derived here: the posterior means from any time to 0 telescope to the denoiser",
)
def test_final_variance_is_a_sum_over_the_steps(dtype):
    """No recursion: what a noise at s becomes at t = 0 is the denoiser's slope at s, for beta-tilde
    and for beta.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.7, 0.4, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    a, s2 = alpha[:, None], variance[:, None]
    slopes = a * VARIANCES / (a**2 * VARIANCES + s2)
    fresh = s2[:-1] - (a[:-1] / a[1:]) ** 2 * s2[1:]
    law, begin = law_of(dtype, MEAN, VARIANCES), law_of(dtype, MEAN, 2 + 0 * MEAN)
    for method, noise in (
        (diffx.ddpm, fresh * s2[1:] / s2[:-1]),
        (diffx.samplers.ddpm_beta, fresh),
    ):
        wanted = slopes[0] ** 2 * 2 + (slopes[1:] ** 2 * noise).sum(0)
        _, got = output_moments(
            method(vp(), diffx.denoiser(vp(), law)),
            ts_,
            begin.mean,
            begin.cov,
            lambda z: z[0],
            slots=1,
        )
        close(
            got,
            wanted,
            ulps=64,
            scale=2 * wanted + 1,
            why="four steps; differences of rows around the mean",
        )


def test_gradients_of_stochastic_samplers_at_time_zero_are_finite():
    """eps is not defined at sigma = 0: there the second answer is asked for elsewhere, and a
    corrector does nothing.
    """
    d, ts = denoise(), diffx.uniform(2, t_max=0.9)
    pc = diffx.samplers.predictor_corrector(
        diffx.ddim(vp(), d), diffx.samplers.langevin_corrector(vp(), d)
    )
    for sampler in (
        diffx.samplers.edm_stochastic(vp(), d, gamma=0.25),
        diffx.samplers.dpm2_ancestral(vp(), d),
        pc,
    ):
        slope = jax.grad(lambda x, sampler=sampler: diffx.fold(sampler, x, ts)[0].sum())(
            jnp.ones(3)
        )
        assert jnp.isfinite(slope).all()


# --- bad input ----------------------------------------------------------------------------------


def denoise(process=None):
    return diffx.denoiser(vp() if process is None else process, law_of(np.float64, MEAN, VARIANCES))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: diffx.samplers.edm_stochastic(edm(), denoise(), gamma=-0.1),
            "gamma must not be negative",
        ),
        (
            lambda: diffx.samplers.edm_stochastic(edm(), denoise(), gamma=0.5),
            r"min\(S_churn / N, 2\*\*0.5 - 1\)",
        ),
        (
            lambda: diffx.samplers.edm_stochastic(edm(), denoise(), gamma=0.25, sigma_high=40.0),
            "give sigma_high <= 32",
        ),
        (
            lambda: diffx.samplers.edm_stochastic(edm(), denoise(), gamma=0.1, noise_scale=-1.0),
            "noise_scale must not be negative",
        ),
        (
            lambda: diffx.samplers.edm_stochastic(edm(), denoise(), gamma=0.1, sigma_low=-1.0),
            "sigma_low must not be negative",
        ),
        (
            lambda: diffx.samplers.euler_ancestral(vp(), denoise(), eta=1.5),
            r"eta must lie in \[0, 1\]",
        ),
        (
            lambda: diffx.samplers.dpm2_ancestral(vp(), denoise(), eta=1.5),
            r"eta must lie in \[0, 1\], got 1.5: 0 is DPM-Solver-2",
        ),
        (
            lambda: diffx.samplers.dpm2_ancestral(vp(), denoise(), eta=-0.5),
            r"eta must lie in \[0, 1\]",
        ),
        (
            lambda: diffx.samplers.exponential_sde(rectified_flow(), denoise()),
            "alpha.2 . sigma.2 = 1, which RectifiedFlow is not; use sde_dpm_solver",
        ),
        (
            lambda: diffx.samplers.langevin_corrector(vp(), denoise(), snr=0.0),
            "snr must be positive",
        ),
        (
            lambda: diffx.samplers.predictor_corrector(
                diffx.ddpm(vp(), denoise()), diffx.samplers.langevin_corrector(vp(), denoise()), n=0
            ),
            "n must be",
        ),
    ],
)
def test_stochastic_samplers_refuse_bad_parameters(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: diffx.samplers.predictor_corrector(denoise(), denoise()),
            "predictor must be a Sampler",
        ),  # pyright: ignore[reportArgumentType]
        (
            lambda: diffx.samplers.predictor_corrector(diffx.ddpm(vp(), denoise()), 3),
            "a corrector .* must be callable",
        ),  # pyright: ignore[reportArgumentType]
        (
            lambda: diffx.samplers.analytic_ddpm(vp(), denoise(), mmse=0.5),
            "mmse, a function .* must be callable",
        ),  # pyright: ignore[reportArgumentType]
    ],
)
def test_stochastic_samplers_refuse_wrong_kinds(build, message):
    with pytest.raises(TypeError, match=message):
        build()
