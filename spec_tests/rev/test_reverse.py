"""The way back: drifts of the reverse family, its exact solution on Gaussian data, the posterior of
a step.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.special import softmax

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.oracles.recursions import reverse_family
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, cast, single
from spec_tests.support.compiled import gaussian_step, posterior, sqrtm
from spec_tests.support.paths import PROCESSES, oracle as path_of, rectified_flow, ve, vp
from spec_tests.support.samplers import BATCH, D, covariances

ETAS = (0.0, 0.5, 1.0, 2.0)


@jax.jit
def reverse_drift(process, mean, cov, x, t):
    return diffx.reverse.reverse_drift(
        process, diffx.denoiser(process, diffx.GaussianLaw(mean, cov)), x, t
    )


@jax.jit
def probability_flow(process, mean, cov, x, t):
    return diffx.reverse.probability_flow(
        process, diffx.denoiser(process, diffx.GaussianLaw(mean, cov)), x, t
    )


@jax.jit
def family_drift(process, weights, means, variances, x, t, eta):
    law = diffx.MixtureLaw(weights, means, variances)
    return diffx.reverse.reverse_drift(process, diffx.denoiser(process, law), x, t, eta=eta)


@jax.jit
def exact_step(process, mean, cov, x, t, s):
    state, info = diffx.samplers.exact_flow(process, diffx.GaussianLaw(mean, cov)).step(
        State(x), t, s, None
    )
    return state.x, info.x0


@jax.jit
def exact_noisy_step(process, mean, cov, x, t, s, z, eta):
    return (
        diffx.samplers.exact_flow(process, diffx.GaussianLaw(mean, cov), eta=eta)
        .step(State(x), t, s, z)[0]
        .x
    )


def moving_covariance(path, cov, t):
    """C_t, its time derivative, and the scale of what an eigendecomposition in the code rounds."""
    a, v, identity = path.alpha(t), path.variance(t), np.eye(len(cov))
    rate = 2 * a * path.alpha_rate(t) * cov + 2 * path.sigma(t) * path.sigma_rate(t) * identity
    return a**2 * cov + v * identity, rate, np.linalg.cond(cov)


def deviation_scale(path, mean, x, t, cond):
    """|x| + alpha |D| where the eigenvalues of the covariance are known to cond ulps."""
    a = path.alpha(t)
    return np.abs(x).max() + a * np.abs(mean).max() + cond * np.abs(x - a * mean).max()


@claim(
    "REV-01",
    "Anderson's reverse SDE has the marginals of the forward SDE: its moments are alpha m and "
    "alpha^2 C + sigma^2 I at every time",
    of="diffx.reverse.reverse_drift",
    source="Anderson 1982; Song et al. 2021, arXiv:2011.13456, eq. (6)",
    grade="identity",
)
@FEW
@given(mean=st_.points(D), cov=covariances(), x=st_.points(BATCH, D), t=st_.times(0.03125, 0.96875))
def test_reverse_sde_reproduces_the_marginals(dtype, mean, cov, x, t):
    """Backwards from N(alpha m, C_t): C_t' = A C_t + C_t A' - g^2 with drift = alpha' m + A (x -
    alpha m).
    """
    for make in PROCESSES:
        path = path_of(make)
        now, rate, cond = moving_covariance(path, cov, t)
        slope = np.linalg.solve(now, rate + path.g2(t) * np.eye(D)) / 2
        wanted = path.alpha_rate(t) * mean + (x - path.alpha(t) * mean) @ slope
        scale = np.abs(path.f(t)) * np.abs(x).max()
        scale += path.g2(t) / path.variance(t) * deviation_scale(path, mean, x, t, cond)
        got = reverse_drift(make(), *cast(dtype, mean, cov, x, t))
        close(
            got,
            wanted,
            ulps=4,
            scale=scale,
            why=f"{make.__name__}: f x - g^2 (alpha D - x)/sigma^2, D as good as its eigenvalues",
        )


@claim(
    "REV-04",
    "The probability flow is the mean of the forward drift and of the reverse SDE's; half their "
    "difference is g^2 score/2",
    of=("diffx.reverse.reverse_drift", "diffx.reverse.probability_flow"),
    source="Nelson 1967: current and osmotic velocity; derived here",
    grade="identity",
)
def test_current_and_osmotic_velocities_are_nelsons(dtype):
    """b+ = f x in numpy, b- from the code; the score by precisions."""
    mean, cov = (
        np.array([0.5, -1.0, 2.0]),
        st_.rotated(np.array([0.25, 1.0, 4.0]), st_.rotation(3, D)),
    )
    x, t = np.array([[1.5, -0.5, 3.0], [-2.0, 0.25, 0.75]]), 0.375  # shape (BATCH, D)
    for make in PROCESSES:
        path, inputs = path_of(make), cast(dtype, mean, cov, x, t)
        forward, g2 = path.f(t) * x, path.g2(t)
        backward = np.asarray(reverse_drift(make(), *inputs), np.float64)
        score = bayes.gaussian_score(mean, cov, path.alpha(t), path.sigma(t), x)
        scale = np.abs(forward).max() + g2 / path.variance(t) * deviation_scale(
            path, mean, x, t, np.linalg.cond(cov)
        )
        flow = probability_flow(make(), *inputs)
        close(
            flow,
            (forward + backward) / 2,
            ulps=8,
            scale=scale,
            why=f"{make.__name__}: both fields from one denoiser's answer",
        )
        close(
            ((forward - backward) / 2).astype(dtype),
            g2 / 2 * score,
            ulps=8,
            scale=scale,
            why=f"{make.__name__}: the osmotic velocity",
        )


def transport(now, then):
    """The optimal transport map of N(0, now) to N(0, then): a matrix."""
    root = sqrtm(now)
    inverse = np.linalg.inv(root)
    return inverse @ sqrtm(root @ then @ root) @ inverse


@claim(
    "REV-02",
    "The probability flow of Gaussian data is the optimal transport map between the marginals, in "
    "one step or in many",
    of=(
        "diffx.reverse.probability_flow",
        "diffx.reverse.gaussian_step",
        "diffx.samplers.exact_flow",
        "diffx.samplers.exact_flow_step",
    ),
    source="Song et al. 2021, arXiv:2011.13456, eq. (13); derived here for Gaussians",
    grade="identity",
)
def test_probability_flow_is_the_transport_between_marginals(dtype):
    """x_s = alpha_s m + T (x_t - alpha_t m), T C_t T = C_s; the field is its derivative; VP of N(0,
    I) stands still.
    """
    drawn_gaussians_are_transported(dtype)
    x = np.array([[1.5, -0.5, 3.0], [-2.0, 0.25, 0.75]])  # shape (BATCH, D)
    every_form_of_covariance_flows(dtype, np.array([0.5, -1.0, 2.0]), x, 0.75, 0.125)
    flow_ends_on_the_data(dtype, np.array([0.5, -1.0, 2.0]), x, 0.75)


@FEW
@given(
    mean=st_.points(D),
    cov=covariances(),
    x=st_.points(BATCH, D),
    ts=st_.grids(2, 0.0625, 0.96875, gap=0.03125),
)
def drawn_gaussians_are_transported(dtype, mean, cov, x, ts):
    t, _, s = ts
    for make in PROCESSES:
        field_is_the_derivative(make, dtype, mean, cov, x, t)
    for make in (vp, ve, rectified_flow):
        flow_is_transport(make, dtype, mean, cov, x, t, s)
    steps_compose(dtype, mean, cov, x, ts)
    unit_gaussian_stands_still(vp, dtype, x, t, s)
    for make in [make for make in PROCESSES if make().pure_noise_at_1 and make().finite_rates_at_1]:
        field_is_finite_without_signal(make, dtype, mean, cov, x)


def field_is_the_derivative(make, dtype, mean, cov, x, t):
    path = path_of(make)
    now, rate, cond = moving_covariance(path, cov, t)
    wanted = path.alpha_rate(t) * mean + (x - path.alpha(t) * mean) @ np.linalg.solve(now, rate) / 2
    turn = np.abs(path.sigma_rate(t)) / path.sigma(t)
    scale = (turn + np.abs(path.alpha_rate(t)) / path.alpha(t)) * deviation_scale(
        path, mean, x, t, cond
    )
    got = probability_flow(make(), *cast(dtype, mean, cov, x, t))
    close(
        got,
        wanted,
        ulps=16,
        scale=scale,
        why="alpha' D + sigma' (x - alpha D)/sigma, D with the eigenvalues' condition",
    )


def flow_is_transport(make, dtype, mean, cov, x, t, s):
    path = path_of(make)
    now, then = moving_covariance(path, cov, t)[0], moving_covariance(path, cov, s)[0]
    away = x - path.alpha(t) * mean
    wanted = path.alpha(s) * mean + away @ transport(now, then)
    got, x0 = exact_step(make(), *cast(dtype, mean, cov, x, t, s))
    gain = np.sqrt(np.linalg.cond(cov)) * np.linalg.norm(transport(now, then), 2)
    scale = np.abs(path.alpha(s) * mean).max() + gain * (
        np.abs(x).max() + np.abs(path.alpha(t) * mean).max()
    )
    close(
        got, wanted, ulps=16, scale=scale, why="a product with a matrix function of the covariance"
    )
    answer = bayes.gaussian_posterior(
        mean, bayes.root_of(cov), path.alpha(t), path.sigma(t), x
    ).mean
    reach = np.abs(mean).max() + np.linalg.cond(cov) * np.abs(away).max() / path.alpha(t)
    close(x0, answer, ulps=16, scale=reach, why="the step tells the denoiser's answer at its start")


def steps_compose(dtype, mean, cov, x, ts):
    path, cond = path_of(ve), np.linalg.cond(cov)
    now, then = (moving_covariance(path, cov, r)[0] for r in (ts[0], ts[-1]))
    law = diffx.GaussianLaw(*cast(dtype, mean, cov))
    got, _ = diffx.fold(diffx.samplers.exact_flow(ve(), law), *cast(dtype, x, ts))
    scale = np.abs(x).max() + np.sqrt(cond) * np.abs(x - mean).max()
    close(
        got,
        mean + (x - mean) @ transport(now, then),
        ulps=32,
        scale=scale,
        why="two steps of 16 ulps each",
    )


def unit_gaussian_stands_still(make, dtype, x, t, s):
    zero, identity = np.zeros(D), np.eye(D)
    path = path_of(make)
    got, _ = exact_step(make(), *cast(dtype, zero, identity, x, t, s))
    close(got, x, ulps=16, scale=np.abs(x).max(), why="v = 1 at all times")
    scale = np.abs(path.alpha_rate(t)) + np.abs(path.sigma_rate(t)) / path.sigma(t)
    field = probability_flow(make(), *cast(dtype, zero, identity, x, t))
    close(field, 0 * x, ulps=16, scale=scale * np.abs(x).max(), why="two terms that cancel")


def field_is_finite_without_signal(make, dtype, mean, cov, x):
    """Where alpha(1) = 0 the denoiser answers the mean and the field is alpha' m + sigma' x."""
    path = path_of(make)
    a, s = path.alpha_rate(1.0), path.sigma_rate(1.0)
    got = probability_flow(make(), *cast(dtype, mean, cov, x, 1.0))
    scale = (
        np.abs(a * mean).max() + np.abs(s * x).max() + np.abs(a) * np.abs(x).max() * path.alpha(1.0)
    )
    close(
        got,
        a * mean + s * x,
        ulps=16,
        scale=scale + np.abs(x).max(),
        why="two products; sigma'(1) = 0 up to rounding",
    )


def flow_ends_on_the_data(dtype, mean, x, t):
    """At s = 0 a variance of 0 collapses onto the mean, another becomes the data's own."""
    variances, path = np.array([0.0, 0.25, 4.0]), path_of(ve)
    got, _ = exact_step(ve(), *cast(dtype, mean, variances, x, t, 0.0))
    gain = np.sqrt(variances / (variances + path.variance(t)))
    scale = np.abs(mean) + gain * (np.abs(x) + np.abs(mean))
    close(
        got,
        mean + gain * (x - mean),
        ulps=16,
        scale=scale,
        why="sqrt(L/(L + sigma^2)) times a difference",
    )


def every_form_of_covariance_flows(dtype, mean, x, t, s):
    """One variance, a diagonal and a low-rank covariance flow as their dense matrices do."""
    basis, path = np.eye(D)[:, :1], path_of(ve)
    low_rank = diffx.LowRank(*cast(dtype, basis, np.array([4.0])), 0.25)
    forms = [
        (jnp.asarray(0.25, dtype), [0.25] * 3),
        (jnp.asarray([4.0, 1.0, 0.25], dtype), [4.0, 1.0, 0.25]),
    ]
    for cov, variances in [*forms, (low_rank, [4.0, 0.25, 0.25])]:
        gain = np.sqrt(
            (np.array(variances) + path.variance(s)) / (np.array(variances) + path.variance(t))
        )
        got, _ = exact_step(ve(), jnp.asarray(mean, dtype), cov, *cast(dtype, x, t, s))
        scale = np.abs(mean) + np.abs(x) + np.abs(mean).max() + np.abs(x).max()
        close(
            got,
            mean + gain * (x - mean),
            ulps=16,
            scale=scale,
            why="a gain below 1 times a difference",
        )


def current_drift(path, weights, means, variances, x, t, eta):
    """The drift that carries the mixture's probability: b p = -dF/dt - (eta^2 g^2/2) dp/dx, F its
    distribution function.

    Returns it and the sum of the absolute terms.
    """
    a, total = path.alpha(t), path.alpha(t) ** 2 * variances + path.variance(t)
    total_rate = 2 * a * path.alpha_rate(t) * variances + 2 * path.sigma(t) * path.sigma_rate(t)
    away = x[:, None] - a * means
    logs = np.log(weights) - np.log(total) / 2 - away**2 / (2 * total)
    # p_k(x)/p(x); dF_k/dt = -p_k (alpha' m_k + v_k'/(2 v_k) (x - alpha m_k))
    shares = softmax(logs, axis=-1)
    moved = path.alpha_rate(t) * means + total_rate / (2 * total) * away
    fall = eta**2 * path.g2(t) / 2 * away / total  # dp_k/dx = -p_k (x - alpha m_k)/v_k
    unsure = 1 + np.abs(logs - logs.max(-1, keepdims=True)).max(-1)
    size = np.abs(path.f(t) * x) + (1 + eta**2) * path.g2(t) / path.variance(t) * (
        np.abs(x) + a * (shares * (np.abs(means) + np.abs(away) / a)).sum(-1) * unsure
    )
    return (shares * (moved + fall)).sum(-1), size


@claim(
    "REV-03",
    "For every eta the SDE with drift f x - (1 + eta^2)/2 g^2 score and diffusion eta g keeps the "
    "marginals",
    of=(
        "diffx.reverse.reverse_drift",
        "diffx.reverse.gaussian_step",
        "diffx.samplers.exact_flow",
        "diffx.samplers.exact_flow_eta_step",
    ),
    source=(
        "Karras et al. 2022, arXiv:2206.00364, eq. (6); Song et al. 2021, arXiv:2011.13456, "
        "Appendix D.1"
    ),
    grade="computed law",
)
@FEW
@given(
    weights=st_.weights(3),
    means=st_.points(3),
    variances=st_.arrays(3, st_.log_uniform(0.05, 5.0)),
    z=st_.normals(4),
    ts=st_.grids(1, 0.03125, 0.96875, gap=0.0078125),
)
def test_one_parameter_family_keeps_the_marginals(dtype, weights, means, variances, z, ts):
    """The Fokker-Planck equation of a mixture as its probability current; the linear SDE of a
    Gaussian by quadrature.
    """
    t, s = ts
    for make in PROCESSES:
        for eta in ETAS:
            carries_the_mixture(make, dtype, weights, means, variances, z, t, eta)
            solves_the_linear_sde(make, dtype, variances, t, s, eta)
    moves_rotated_data(dtype, means, variances, z[:3], t, s)


def carries_the_mixture(make, dtype, weights, means, variances, z, t, eta):
    path = path_of(make)
    widest = np.sqrt(path.alpha(t) ** 2 * variances.max() + path.variance(t))
    x = single(path.alpha(t) * means[0] + widest * z)
    wanted, size = current_drift(path, weights, means, variances, x, t, eta)
    got = family_drift(
        make(), *cast(dtype, weights / weights.sum(), means[:, None], variances, x[:, None], t, eta)
    )
    close(
        got[:, 0],
        wanted,
        ulps=32,
        scale=size,
        why="f x - g^2 (alpha D - x)/sigma^2 with D's softmax of log-densities",
    )


def solves_the_linear_sde(make, dtype, variances, t, s, eta):
    path = path_of(make)
    gain, noise = reverse_family(path, t, s, variances, eta)
    got = gaussian_step(make(), *cast(dtype, variances, t, s), eta=jnp.asarray(eta, dtype))
    power = (1 + eta**2) * (1 + np.abs(path.log_snr(t)) + np.abs(path.log_snr(s)))
    close(
        got.gain,
        gain,
        ulps=8,
        scale=gain * power,
        why="exponentials of (1 + eta^2) log-SNRs, here and in the quadrature",
    )
    close(
        got.sigma,
        np.sqrt(noise),
        ulps=8,
        scale=np.sqrt(noise) * power,
        why="the same; the log-SNR increment keeps the digits",
    )


def moves_rotated_data(dtype, mean, variances, z, t, s):
    """x_s = alpha_s m + gain (x - alpha_t m) + sigma z along the eigenvectors; eta = 1 and z = 0 is
    the posterior mean.
    """
    path, basis = path_of(ve), st_.rotation(7, D)
    x = mean[::-1].copy()
    for eta in ETAS[1:]:
        gain, noise = reverse_family(path, t, s, variances, eta)
        wanted = (
            mean + ((x - mean) @ basis * gain) @ basis.T + (z @ basis * np.sqrt(noise)) @ basis.T
        )
        law = diffx.LowRank(*cast(dtype, basis, variances))
        got = exact_noisy_step(ve(), jnp.asarray(mean, dtype), law, *cast(dtype, x, t, s, z, eta))
        scale = np.abs(mean).max() + np.abs(x).max() + np.sqrt(noise).max() * np.abs(z).max()
        close(got, wanted, ulps=32, scale=scale, why="two products with an orthogonal matrix")


@claim(
    "REV-05",
    "The posterior of a step, x_s given x_t and x_0, is that of Gaussian conditioning; on a chain "
    "its variance is beta-tilde",
    of="diffx.posterior",
    source="Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7)",
    grade="identity",
)
def test_posterior_is_gaussian_conditioning(dtype):
    """By precisions: x_0 says x_s ~ N(alpha_s x_0, sigma_s^2), and x_t says alpha_{t|s} x_s = x_t
    up to sigma_{t|s}^2.
    """
    drawn_steps_are_conditioned(dtype)
    last_step_lands_on_the_data(dtype, 0.375)
    chain_has_beta_tilde(dtype)


@FEW
@given(ts=st_.grids(1, 0.0078125, 0.984375))
def drawn_steps_are_conditioned(dtype, ts):
    t, s = ts
    for make in PROCESSES:
        path, (gain, spread) = path_of(make), path_of(make).transition(t, s)
        precision = 1 / path.variance(s) + (gain / spread) ** 2
        wanted = (
            gain / spread**2 / precision,
            path.alpha(s) / path.variance(s) / precision,
            precision**-0.5,
        )
        got = posterior(make(), *cast(dtype, t, s))
        for value, number in zip(got, wanted, strict=True):
            close(
                value,
                number,
                ulps=32,
                why=f"{make.__name__}: products, ratios, an exponential of at most 14",
            )


def last_step_lands_on_the_data(dtype, t):
    for make in PROCESSES:
        got = posterior(make(), *cast(dtype, t, 0.0))
        close(
            jnp.stack(got),
            np.array([0.0, 1.0, 0.0]),
            ulps=4,
            scale=1.0,
            why=f"{make.__name__}: at s = 0 the answer is x_0 itself",
        )
    for make in [make for make in PROCESSES if make().pure_noise_at_1]:
        path, got = path_of(make), posterior(make(), *cast(dtype, 1.0, t))
        wanted = np.array([0.0, path.alpha(t), path.sigma(t)])
        close(
            jnp.stack(got),
            wanted,
            ulps=16,
            scale=1.0,
            why=f"{make.__name__}: alpha(1) = 0: pure noise tells nothing of x_s",
        )


def chain_has_beta_tilde(dtype):
    """Ho's recursion 1 - abar_i = (1 - beta_i) (1 - abar_{i-1}) + beta_i subtracts nothing."""
    betas = np.linspace(1e-4, 0.02, 1000).astype(dtype).astype(np.float64)
    kept, noise = np.append(1.0, np.cumprod(1 - betas)), np.zeros(1001)
    for i, beta in enumerate(betas):
        noise[i + 1] = (1 - beta) * noise[i] + beta
    tilde = betas * noise[:-1] / noise[1:]
    got = chain_posterior(jnp.asarray(betas, dtype), jnp.arange(1, 1001))
    close(got.sigma**2, tilde, ulps=64, why="sums of up to 1000 links")
    close(
        got.of_x0, np.sqrt(kept[:-1]) * betas / noise[1:], ulps=64, why="sums of up to 1000 links"
    )
    close(
        got.of_x,
        np.sqrt(1 - betas) * noise[:-1] / noise[1:],
        ulps=64,
        why="sums of up to 1000 links",
    )
    ratios = np.asarray(got.sigma**2, np.float64)[[0, 1, 9, 99]] / betas[[0, 1, 9, 99]]
    holds(
        np.abs(ratios - [0, 0.4547, 0.8528, 0.9819]) < 6e-5,
        "the ratios beta-tilde/beta at t = 1, 2, 10, 100",
    )


@jax.jit
def chain_posterior(betas, i):
    chain, n = diffx.DDPMChain(betas), betas.shape[0]
    return jax.vmap(
        lambda i: diffx.posterior(
            chain, (i / n).astype(betas.dtype), ((i - 1) / n).astype(betas.dtype)
        )
    )(i)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("t", "s"), [(1.0, 0.03125), (0.5, 0.5 * (1 - 2.0**-18))], ids=["long", "short"]
)
def test_long_and_short_exact_steps_keep_their_digits(t, s, dtype):
    """Over a long step the share that x_t explains is 1e-4, over a short one the fresh share is;
    numpy's longdouble.
    """
    wide = np.longdouble
    v = wide(0.5)
    b_t, b_s = (wide(r) * (wide(0.25) + wide(16 - 0.25) * wide(r) / 2) for r in (t, s))
    v_t, v_s = (np.exp(-b) * v - np.expm1(-b) for b in (b_t, b_s))
    share = v_s / v_t * np.exp(b_s - b_t)
    got = diffx.reverse.gaussian_step(
        diffx.VP(0.25, 16.0),
        jnp.asarray(0.5, dtype),
        *(jnp.asarray(r, dtype) for r in (t, s)),
        eta=1.0,
    )
    why = "exp(-8) multiplies rounding by 8, log1p of XLA is good to 8 ulps"
    close(got.gain, np.float64(np.sqrt(v_s / v_t * share)), ulps=64, why=why)
    close(got.sigma, np.float64(np.sqrt(v_s * (1 - share))), ulps=64, why=why)
