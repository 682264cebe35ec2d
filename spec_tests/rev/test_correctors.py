"""Langevin correction, churning and restarts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from diffx.samplers.edm_stochastic import churn
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import recursions
from spec_tests.support.arrays import cast, single
from spec_tests.support.paths import edm, oracle as path_of, rectified_flow, ve, vp
from spec_tests.support.samplers import (
    MEAN,
    VARIANCES,
    denoise,
    grid,
    has_law,
    law_of,
    mixture,
    nodes,
    one,
    output_moments,
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
    grade="computed law",
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
        close(
            (r_hat / r).astype(dtype),
            1 + gammas,
            ulps=16,
            scale=steep,
            why=f"{make.__name__}: {why}",
        )
        close(gain.astype(dtype), a_hat / a, ulps=16, scale=steep, why=f"{make.__name__}: {why}")
        wanted = a_hat**2 * (r_hat**2 - r**2)  # what the variance of x_hat lacks
        close(
            (noise**2).astype(dtype),
            wanted,
            ulps=32,
            scale=steep * (a_hat * r) ** 2,
            why=f"{make.__name__}: {why}",
        )
        holds(
            noise**2 <= (a_hat * r) ** 2 * (1 + 1e-4),
            f"{make.__name__}: gamma <= sqrt 2 - 1 adds no more noise than there is",
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


@claim(
    "REV-25",
    "Langevin steps of size e settle at the variance v/(1 - e/(2v)) and diverge for e > 2v; a "
    "predictor-corrector takes them in between",
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
    grade="computed law",
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
        close(
            got[0],
            mean,
            ulps=32,
            scale=scale,
            why=f"three steps of {method.__name__} with correctors",
        )
        close(
            got[1],
            spread,
            ulps=64,
            scale=scale**2,
            why=f"three steps of {method.__name__} with correctors",
        )
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
            f"{method.__name__}: a tuple, the predictor's and the correctors'",
        )
        numbers = np.stack([np.asarray(z) for z in drawn]).ravel()
        different = len(set(numbers)) == numbers.size and np.abs(numbers).max() < 6
        holds(different, f"{method.__name__}: all numbers differ")


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


@claim(
    "REV-31",
    "n restarts multiply an error of the variance by c^n and one of the mean by c^(n/2), c = "
    "(alpha_b/alpha_a)^2 v_a/v_b, where the way down from b to a is exact; with DDIM they follow "
    "a recursion",
    of=("diffx.samplers.restart", "diffx.samplers.restart_step"),
    source=(
        "Xu et al. 2023, arXiv:2306.14878, Algorithm 1, for the method; the factor: derived here"
    ),
    grade="computed law",
)
def test_restarts_contract_the_errors_of_the_start(dtype):
    """From N(0, I) instead of the marginal: exact flow from b = .7 to a = .4, no grid in between,
    then DDIM in two steps.
    """
    ts, ts_ = grid(dtype, 0.9, 0.7, 0.5, 0.4, 0.1)
    law, begin = law_of(dtype, MEAN, VARIANCES), law_of(dtype, 0 * MEAN, 1 + 0 * MEAN)
    for make, n in ((vp, 1), (edm, 2), (rectified_flow, 3)):
        alpha, variance = nodes(path_of(make), ts)
        v = alpha[:, None] ** 2 * VARIANCES + variance[:, None]
        shrink = ((alpha[1] / alpha[3]) ** 2 * v[3] / v[1]) ** n
        along = np.sqrt(v[-1] / v[0])  # what is left of a deviation from .9 to .1 without restarts
        mean = alpha[-1] * MEAN - along * alpha[0] * MEAN * np.sqrt(shrink)
        spread = v[-1] + (1 - v[0]) * along**2 * shrink
        got = diffx.exact_law(
            diffx.samplers.restart(make(), diffx.samplers.exact_flow(make(), law), ts_[1:4:2], n=n),
            begin,
            ts_,
        )
        why = f"four exact steps, and {n} times up and down"
        close(got.mean, mean, ulps=16, scale=np.abs(MEAN).max(), why=f"{make.__name__}: {why}")
        close(
            got.cov,
            np.diag(spread),
            ulps=16,
            scale=(v[-1] + along**2).max(),
            why=f"{make.__name__}: {why}",
        )
        ddim = diffx.ddim(make(), diffx.denoiser(make(), law))
        got = diffx.exact_law(diffx.samplers.restart(make(), ddim, ts_[1:4], n=n), begin, ts_)
        has_law(
            got,
            recursion(alpha, variance, n),
            f"{make.__name__}: four steps, and {n} times up and two steps down",
            ulps=32,
        )


def recursion(alpha, variance, n):
    """DDIM over the grid, with n restarts between its second and its fourth time."""
    gain = alpha[1] / alpha[3]
    up = [part + 0 * VARIANCES for part in (gain, 0, variance[1] - gain**2 * variance[3], gain)]
    rows = [
        [part + 0 * VARIANCES for part in row]
        for row in zip(*recursions.ddim(alpha, variance, VARIANCES), strict=True)
    ]
    rows[3:3] = [up, *rows[1:3]] * n
    at = [0, 1, 2, 3, *([1, 2, 3] * n), 4]
    steps = recursions.Steps(*(np.stack(part) for part in zip(*rows, strict=True)))
    return recursions.run(steps, alpha[at], 0 * MEAN, 1 + 0 * MEAN, MEAN)


def test_a_restart_draws_its_own_noises_and_keeps_dtype_and_gradients():
    process, law = rectified_flow(), law_of(np.float32, MEAN, VARIANCES)
    ddim, ts = diffx.ddim(process, diffx.denoiser(process, law)), diffx.uniform(4)
    sampler, x = diffx.samplers.restart(process, ddim, ts[1:4], n=3), jnp.ones(3, jnp.float32)
    noises = np.asarray(sampler.noise(jax.random.key(0), x))  # pyright: ignore[reportOptionalCall]
    assert noises.shape == (3, 3) and len(set(noises.ravel())) == 9
    run = lambda x: diffx.sample(sampler, jax.random.key(0), x, ts)[0]
    assert run(x).dtype == jnp.float32 and jnp.isfinite(jax.grad(lambda x: run(x).sum())(x)).all()
    batch = jnp.stack([ts, ts**2])  # under vmap both ways of every step are taken
    slopes = jax.vmap(jax.grad(lambda ts: diffx.fold(sampler, x, ts)[0].sum()))(batch)
    assert jnp.isfinite(slopes).all()


def test_a_restart_of_a_multistep_method_begins_it_anew():
    """The first step down from t_max has no memory of the way before: with two steps a way, lms of
    order 2 from scratch.
    """
    process, law = vp(), law_of(np.float64, MEAN, VARIANCES)
    lms, ts = (
        diffx.samplers.lms(process, diffx.denoiser(process, law), order=2),
        diffx.uniform(3, t_max=0.9, t_min=0.3),
    )
    zs = np.random.default_rng(0).standard_normal((3, 1, 3))
    got = diffx.fold(
        diffx.samplers.restart(process, lms, ts[1:], n=1), jnp.ones(3), ts, jnp.asarray(zs)
    )[0]
    up = diffx.transition(process, ts[1], ts[3])
    x = up.alpha * diffx.fold(lms, jnp.ones(3), ts)[0] + up.sigma * zs[2, 0]
    np.testing.assert_allclose(got, diffx.fold(lms, x, ts[1:])[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p, d, ts: diffx.samplers.restart(p, d, ts), TypeError, "sampler must be a Sampler"),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddpm(p, d), ts),
            ValueError,
            "give it a deterministic sampler",
        ),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddim(p, d), ts[::-1]),
            ValueError,
            "ts must decrease",
        ),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddim(p, d), ts, n=0),
            ValueError,
            "n must be at least 1",
        ),
    ],
)
def test_bad_arguments_of_restart_are_answered_at_the_door(make, error, words):
    with pytest.raises(error, match=words):
        make(
            vp(), diffx.denoiser(vp(), law_of(np.float64, MEAN, VARIANCES)), jnp.array([0.5, 0.25])
        )
