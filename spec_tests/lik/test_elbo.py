"""The variational bound term by term, what finitely many steps cost, and KL of whole paths.

Errors of a Gaussian's denoiser are quadratic in the data and the noise, so that 3 Gauss-Hermite
nodes in each variable give expectations exactly, up to rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import diffx
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import information as exact
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast, halve
from spec_tests.support.information import (
    HALF_LOG,
    MEAN,
    VARIANCES,
    Brownian,
    draws_of,
    gaussian_draws,
    grid,
    law_of,
    mixture,
    stay,
    terms,
    two_axes,
)
from spec_tests.support.paths import PROCESSES, cosine_vp, oracle, rectified_flow, trig, ve, vp

VDM = "Kingma et al. 2021, arXiv:2107.00630"


def taus(path, ts):
    """sigma^2/alpha^2 in wide floats: differences of it are exact enough for 1000 steps."""
    return np.asarray(path.variance(ts), exact.WIDE) / np.asarray(path.alpha(ts), exact.WIDE) ** 2


@claim(
    "LIK-16",
    "A term of the bound is KL(q(x_s | x_t, x_0) || p(x_s | x_t)) = (1/2) (SNR_s - SNR_t) |x_0 - "
    "D|^2, for any denoiser",
    of="diffx.likelihood.vlb_term",
    source=VDM,
    grade="identity",
)
@settings(max_examples=3)
@given(x0=st_.points(2, 3), eps=st_.normals(2, 3), ts=st_.grids(1, 0.03125, 0.96875))
def test_step_of_the_bound_is_a_kl_of_posteriors(dtype, x0, eps, ts):
    """|difference of posterior means|^2/(2 beta-tilde) by precisions: x_s given x_t and x_0,
    against x_s given x_t and D.
    """
    t, s = ts
    found = terms([make() for make in PROCESSES], *cast(dtype, x0, eps, t, s))
    for make, (got, answer) in zip(PROCESSES, found, strict=True):
        path, (gain, spread) = oracle(make), oracle(make).transition(t, s)
        precision = 1 / path.variance(s) + (gain / spread) ** 2
        moved = path.alpha(s) / path.variance(s) * (x0 - np.asarray(answer, np.float64)) / precision
        wanted = (moved**2).sum(1) * precision / 2
        rate = (path.alpha(s) / path.variance(s)) ** 2 / precision
        reach = (np.abs(x0) + np.abs(np.asarray(answer, np.float64))).max()
        scale = (
            wanted * (8 + 2 * np.abs(path.log_snr(s))) + rate * np.sqrt(2 * wanted / rate) * reach
        )
        close(
            got,
            wanted,
            ulps=32,
            scale=scale,
            why=f"{make.__name__}: exp of a log-SNR, expm1 of its step, a difference squared",
        )


# --- many terms ---------------------------------------------------------------------------------


@jax.jit
def losses(processes, law, x0, eps, times, weights):
    """The expected vdm_loss at the times of every process."""
    loss = lambda p, t: (
        weights * diffx.likelihood.vdm_loss(p, diffx.denoiser(p, law), x0, eps, t)
    ).sum()
    return [
        jax.lax.map(lambda t, p=p: loss(p, t), ts) for p, ts in zip(processes, times, strict=True)
    ]


@claim(
    "LIK-08",
    "The loss of infinitely many steps depends on the process only through its two end SNRs: it "
    "is half the integrated error",
    of=("diffx.likelihood.vdm_loss", "diffx.likelihood.snr_rate"),
    source=VDM,
    grade="computed law",
)
def test_continuous_loss_depends_on_end_snrs_alone(dtype):
    """Gauss-Legendre in each process's own time: the information that a Gaussian or a mixture gains
    between two SNRs.
    """
    z, w = np.polynomial.legendre.leggauss(40)
    p, ends = mixture(), (-3.0, 2.5)
    gaussian_gain = (
        np.log1p(np.exp(ends[1]) * VARIANCES).sum() / 2
        - np.log1p(np.exp(ends[0]) * VARIANCES).sum() / 2
    )
    mixture_gain = np.subtract(*(exact.mutual_information(p, np.exp(l)) for l in ends[::-1]))
    for makers, law, draws, wanted in (
        (
            (vp, ve, rectified_flow, trig),
            two_axes(dtype),
            gaussian_draws(MEAN, np.diag(VARIANCES)),
            gaussian_gain,
        ),
        ((vp, rectified_flow), law_of(p, dtype), draws_of(p, 65), mixture_gain),
    ):
        spans = [[oracle(make).time_of_log_snr(l) for l in ends] for make in makers]
        times = [
            jnp.asarray((noisy + clean) / 2 + (noisy - clean) / 2 * z, dtype)
            for noisy, clean in spans
        ]
        x0, eps, weights = cast(dtype, *draws)
        found = losses([make() for make in makers], law, x0, eps, times, weights)
        for make, rates, (noisy, clean) in zip(makers, found, spans, strict=True):
            got = np.asarray((np.asarray(rates, np.float64) @ w) * (noisy - clean) / 2, dtype)
            close(
                got,
                np.array(wanted),
                ulps=256,
                scale=4.0,
                why=f"{make.__name__} of {len(makers)}: 40 nodes, times rounded where it bends",
            )


# --- what N steps cost --------------------------------------------------------------------------


@jax.jit
def gaps(processes, law, grids):
    """elbo_gap of every process on its grid: one compilation."""
    return [
        diffx.likelihood.elbo_gap(process, law, ts)
        for process, ts in zip(processes, grids, strict=True)
    ]


@jax.jit
def expected_terms(processes, law, x0, eps, ts, weights):
    """The expected vlb_term summed over one grid, for every process."""
    term = lambda p, t, s: (
        weights * diffx.likelihood.vlb_term(p, diffx.denoiser(p, law), x0, eps, t, s)
    ).sum()
    return [jax.vmap(lambda t, s, p=p: term(p, t, s))(ts[:-1], ts[1:]).sum() for p in processes]


@jax.jit
def single_steps(process, variances, ts):
    """elbo_gap and frozen_score_kl of one step, for each variance alone."""
    law = lambda v: diffx.GaussianLaw(jnp.zeros_like(v, shape=1), v)
    return [
        jax.vmap(lambda v, kl=kl: kl(process, law(v), ts))(variances)
        for kl in (diffx.likelihood.elbo_gap, diffx.likelihood.frozen_score_kl)
    ]


@claim(
    "LIK-09",
    "N steps of ddpm lose (1/2) sum [r - log(1 + r)] on Gaussian data, where r = (SNR_s - SNR_t) "
    "L/(1 + SNR_t L)",
    of=("diffx.likelihood.elbo_gap", "diffx.likelihood.vlb_term"),
    source=f"{VDM}; derived here",
    grade="computed law",
)
def test_price_of_finitely_many_steps_is_closed(dtype):
    """KL of the true step (precisions of a Gaussian) to ddpm's, in wide floats; the coded terms
    less what they inform.
    """
    cases = ((1, vp), (7, vp), (1000, vp), (7, trig))
    grids = [
        np.linspace(0.96875, 0.03125, n + 1).astype(np.float32).astype(np.float64) for n, _ in cases
    ]
    prices = [
        exact.frozen_denoiser_kl(VARIANCES, taus(oracle(make), ts))
        for (_, make), ts in zip(cases, grids, strict=True)
    ]
    found = gaps([make() for _, make in cases], two_axes(dtype), cast(dtype, *grids))
    for got, price in zip(found, prices, strict=True):
        why = "r from the log-SNR's closed increment; r - log(1 + r) keeps its digits at r = 1e-2"
        close(got, np.array(price), ulps=128, why=why)
    holds(np.diff(np.array(found[:3], np.float64)) < 0, "more steps cost less")
    terms_are_information_and_price(dtype, grids[1], dict(zip(cases, prices, strict=True)))
    cov = st_.rotated(VARIANCES, st_.rotation(3, 2))
    (got,) = gaps([vp()], diffx.GaussianLaw(*cast(dtype, MEAN, cov)), cast(dtype, grids[1]))
    wanted = np.array(exact.frozen_denoiser_kl(np.linalg.eigvalsh(cov), taus(oracle(vp), grids[1])))
    close(got, wanted, ulps=512, why="eigenvalues of a matrix with condition number 8")
    single_steps_keep_their_digits(dtype)


def terms_are_information_and_price(dtype, ts, prices):
    """The coded terms, summed: what x_s tells of x_0 beyond x_t, and the price."""
    makers, (x0, eps, weights) = (vp, trig), cast(dtype, *gaussian_draws(MEAN, np.diag(VARIANCES)))
    found = expected_terms(
        [make() for make in makers], two_axes(dtype), x0, eps, jnp.asarray(ts, dtype), weights
    )
    for make, got in zip(makers, found, strict=True):
        tau = taus(oracle(make), ts).astype(np.float64)
        told = (
            np.log((VARIANCES / tau[-1] + 1) / (VARIANCES / tau[0] + 1)).sum() / 2 + prices[7, make]
        )
        scale = told * (1 + np.log(1 / tau[-1])) + np.sqrt(1 / tau[-1])
        close(
            got,
            np.array(told),
            ulps=64,
            scale=scale,
            why="errors near data: x_0 - D of the size of x_0",
        )


def single_steps_keep_their_digits(dtype):
    """r - log(1 + r) on both sides of |r| = 1/4, where a series gives way to the logarithm; tau
    from 1 to 1/4.
    """
    variances = np.array(
        [2.0**-14, 0.0859375, 0.0927734375, 0.5, 0.875, 1.9375, 2.0625, 30.0, 4096.0]
    )
    v, ts = variances.astype(exact.WIDE), np.array([1.0, 0.5])
    r, share = 3 * v / (1 + v), exact.WIDE(0.75) / (1 + v)
    wanted = (r - np.log1p(r)) / 2, (-np.log1p(-share) - share) / 2
    for got, value in zip(
        single_steps(diffx.EDM(1.0), *cast(dtype, variances, ts)), wanted, strict=True
    ):
        close(got, value.astype(np.float64), ulps=48, why="quotients and squares of r")


@jax.jit
def bounds(processes, law, x0, eps, grids, variances, weights):
    """The expected nelbo of every process on its grid."""
    cases = zip(processes, grids, variances, strict=True)
    return [
        (weights * diffx.likelihood.nelbo(p, diffx.denoiser(p, law), x0, eps, ts, variance=v)).sum()
        for p, ts, v in cases
    ]


@claim(
    "LIK-10",
    "The bound is the entropy plus KL(p_1 || prior) plus the price of N steps, and the first two "
    "alone as N grows",
    of=("diffx.likelihood.nelbo", "diffx.likelihood.prior_kl", "diffx.likelihood.reconstruction"),
    source=f"{VDM}; derived here",
    grade="order",
)
def test_bound_is_entropy_and_prior_and_price_of_steps(dtype):
    """With the exact reconstruction, variance L sigma^2/v_s: every piece by a closed form of its
    own.
    """
    mean, value = np.array([0.5, -1.0]), 0.5
    law, (x0, eps, weights) = (
        diffx.GaussianLaw(*cast(dtype, mean, value)),
        cast(dtype, *gaussian_draws(mean, value * np.eye(2))),
    )
    cases = ((vp, 8), (vp, 16), (vp, 32), (cosine_vp, 4))
    grids = [np.linspace(1.0, 0.125, n + 1) for _, n in cases]
    ends = [oracle(make) for make, _ in cases]
    left = [
        float(
            value * path.variance(0.125) / (path.alpha(0.125) ** 2 * value + path.variance(0.125))
        )
        for path in ends
    ]
    found = bounds(
        [make() for make, _ in cases],
        law,
        x0,
        eps,
        cast(dtype, *grids),
        cast(dtype, *left),
        weights,
    )
    entropy, extra = 2 * HALF_LOG + np.log(value), []
    for (make, n), ts, path, got in zip(cases, grids, ends, found, strict=True):
        end = path.alpha(1.0) ** 2 * value + path.variance(1.0)
        prior = ((path.alpha(1.0) * mean) ** 2).sum() / 2 + end - 1 - np.log(end)
        price = (
            cosine_price(path, ts, value)
            if make is cosine_vp
            else exact.frozen_denoiser_kl(np.full(2, value), taus(path, ts))
        )
        why = "sums of n terms of up to 10 nats"
        close(got, np.array(entropy + prior + price), ulps=64, scale=4 + 2 * price + n, why=why)
        extra.append(float(got) - entropy - prior)
    if dtype == np.float64:
        slope((8, 16, 32), extra[:3], order=1, within=0.25, why="what is left falls as 1/N")


def cosine_price(path, ts, value):
    """From pure noise the first step knows nothing: r = SNR_s L; the others as before."""
    r = path.alpha(ts[1]) ** 2 / path.variance(ts[1]) * value
    return float(2 * (r - np.log1p(r)) / 2) + exact.frozen_denoiser_kl(
        np.full(2, value), taus(path, ts[1:])
    )


@jax.jit
def frozen(cases):
    """frozen_score_kl of every (process, law, grid)."""
    return [diffx.likelihood.frozen_score_kl(*case) for case in cases]


@claim(
    "LIK-15",
    "Euler-Maruyama's frozen score costs (1/2) sum [-log(1 - r) - r] along the path, r = h/v: the "
    "Fisher information that it misses",
    of=("diffx.likelihood.frozen_score_kl", "diffx.likelihood.path_kl"),
    source="Girsanov's theorem; Chen et al. 2023, arXiv:2209.11215; derived here in closed form",
    grade="computed law",
)
def test_frozen_score_costs_the_fisher_information_it_misses(dtype):
    """Half the integral of J(tau) - J(tau_k); 5, 20, 80 steps lose .892, .415, .137 where the end
    loses .708, .206, .023.
    """
    ts, printed = (
        np.linspace(0.9375, 0.0625, 8),
        ((5, 0.708, 0.892), (20, 0.206, 0.415), (80, 0.023, 0.137)),
    )
    brown, unit = (
        Brownian(jnp.asarray(50.0, dtype)),
        diffx.GaussianLaw(*cast(dtype, np.zeros(1), 1.0)),
    )
    cases = [(make(), two_axes(dtype), jnp.asarray(ts, dtype)) for make in PROCESSES]
    cases += [(brown, unit, jnp.asarray(np.linspace(1.0, 0.0, n + 1), dtype)) for n, *_ in printed]
    found = frozen(cases)
    for make, got in zip(PROCESSES, found[:-3], strict=True):
        path = oracle(make)
        tau = taus(path, ts).astype(np.float64)
        scale = 1 + np.abs(path.log_snr(ts)).max()
        wanted = np.array(exact.frozen_score_kl(VARIANCES, tau))
        close(
            got,
            wanted,
            ulps=64,
            scale=wanted * scale,
            why=f"{make.__name__}: steps of 1/8, -log(1 - r) of up to 5",
        )
    for got, (n, end, along) in zip(found[-3:], printed, strict=True):
        below(
            abs(float(got) - along),
            6e-4,
            "the digits of the catalogue, from 50 data variances of noise",
        )
        left = exact.frozen_score_end(np.ones(1), np.linspace(50.0, 0.0, n + 1))
        below(abs(exact.gaussian_kl(1.0, left)[0] - end), 6e-4, "likewise")
    if dtype == np.float64:
        path_kl_of_two_gaussians_is_its_integral()


def path_kl_of_two_gaussians_is_its_integral():
    """Along the whole path for three etas: (1 + eta^2)^2/(4 eta^2) times KL of the data, Girsanov
    being tight for eta = 1.
    """
    cov, other = np.array([[2.0, 0.75], [0.75, 0.5]]), np.array([[1.0, -0.25], [-0.25, 0.75]])
    middle = np.array([0.0, 0.5])
    process, (x0, eps, weights) = (
        diffx.RectifiedFlow(),
        cast(np.float64, *gaussian_draws(MEAN, cov)),
    )
    laws = diffx.GaussianLaw(MEAN, cov), diffx.GaussianLaw(middle, other)
    away, ratio = middle - MEAN, np.linalg.solve(other, cov)
    divergence = (
        np.trace(ratio) - 2 + away @ np.linalg.solve(other, away) - np.log(np.linalg.det(ratio))
    ) / 2
    ts = grid(process, -18.0, 18.0, 144)
    exact_one, model = (diffx.denoiser(process, law) for law in laws)
    for eta, factor in ((1.0, 1.0), (0.5, 1.5625), (2.0, 1.5625), (3.0, 100 / 36)):
        got = diffx.likelihood.path_kl(
            process, exact_one, model, x0, eps, ts, eta=eta, weights=weights
        )
        below(
            abs(float(got) / factor - divergence),
            1e-6,
            "what lies beyond l = -18 and 18 is 1e-8 of squared differences of 5",
        )


# --- bad input ----------------------------------------------------------------------------------


def test_bounds_that_do_not_start_at_the_prior_are_refused():
    x, law = jnp.ones((3, 2)), diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(ValueError, match=r"starts at the prior, at t = 1, but ts\[0\] = 0.9"):
        diffx.likelihood.nelbo(
            diffx.VP(), diffx.denoiser(diffx.VP(), law), x, x, jnp.asarray([0.9, 0.5]), variance=0.1
        )


def test_a_reconstruction_without_variance_is_refused():
    x, law = jnp.ones((3, 2)), diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(ValueError, match="variance must be positive, got 0"):
        diffx.likelihood.reconstruction(
            diffx.VP(), diffx.denoiser(diffx.VP(), law), x, x, 0.5, variance=0.0
        )


def test_closed_forms_of_other_laws_are_refused():
    points = diffx.PointSet(jnp.ones((3, 2)))
    for function in (diffx.likelihood.elbo_gap, diffx.likelihood.frozen_score_kl):
        with pytest.raises(
            TypeError, match=f"{function.__name__} needs a GaussianLaw, got PointSet; .*gaussian_of"
        ):
            function(diffx.VP(), points, diffx.uniform(2, t_min=0.5))


def test_path_kl_of_a_flow_without_noise_is_refused():
    x = jnp.ones((3, 2))
    with pytest.raises(ValueError, match="eta must be positive, got 0"):
        diffx.likelihood.path_kl(diffx.VP(), stay, stay, x, x, diffx.uniform(2, t_min=0.5), eta=0.0)


AT_ONE_TIME = {
    "mmse": lambda x, z, t, f: diffx.likelihood.mmse(diffx.VP(), f, x, z, t),
    "entropy_rate": lambda x, z, t, f: diffx.likelihood.entropy_rate(diffx.VP(), f, x, z, t),
    "kl_rate": lambda x, z, t, f: diffx.likelihood.kl_rate(diffx.VP(), halve, f, x, z, t),
    "vdm_loss": lambda x, z, t, f: diffx.likelihood.vdm_loss(diffx.VP(), f, x, z, t),
    "vlb_term": lambda x, z, t, f: diffx.likelihood.vlb_term(diffx.VP(), f, x, z, t, 0.25),
    "reconstruction": lambda x, z, t, f: diffx.likelihood.reconstruction(
        diffx.VP(), f, x, z, t, variance=0.5
    ),
}


@pytest.mark.parametrize("name", AT_ONE_TIME)
def test_errors_at_one_time_refuse_what_would_broadcast(name):
    call, x = AT_ONE_TIME[name], jnp.ones((3, 2))
    with pytest.raises(ValueError, match="must have one shape, nothing is broadcast"):
        call(x, x[:, :1], 0.5, halve)
    with pytest.raises(ValueError, match="t must be a scalar time"):
        call(x, x, jnp.full(3, 0.5), halve)
    with pytest.raises(ValueError, match="the denoiser must answer in the shape of x"):
        call(x, x, 0.5, lambda x, t: x[:1])
    with pytest.raises(ValueError, match=r"n draws of shape"):
        call(x[0], x[0], 0.5, halve)


ALONG_A_GRID = {
    "mmse_curve": lambda x, ts: diffx.likelihood.mmse_curve(diffx.VP(), halve, x, x, ts),
    "mutual_information": lambda x, ts: diffx.likelihood.mutual_information(
        diffx.VP(), ts, ts, dim=2
    ),
    "pointwise_information": lambda x, ts: diffx.likelihood.pointwise_information(
        diffx.VP(), ts, ts
    ),
    "mmse_gap": lambda x, ts: diffx.likelihood.mmse_gap(diffx.VP(), ts, ts, ts),
    "nelbo": lambda x, ts: diffx.likelihood.nelbo(diffx.VP(), halve, x, x, ts, variance=0.5),
    "elbo_gap": lambda x, ts: diffx.likelihood.elbo_gap(diffx.VP(), two_axes(np.float64), ts),
    "path_kl": lambda x, ts: diffx.likelihood.path_kl(diffx.VP(), halve, stay, x, x, ts),
    "frozen_score_kl": lambda x, ts: diffx.likelihood.frozen_score_kl(
        diffx.VP(), two_axes(np.float64), ts
    ),
}


@pytest.mark.parametrize("name", ALONG_A_GRID)
def test_grids_that_increase_are_refused_along_every_path(name):
    with pytest.raises(ValueError, match="ts must decrease strictly"):
        ALONG_A_GRID[name](jnp.ones((3, 2)), jnp.asarray([0.25, 0.5, 1.0]))


def test_weights_of_path_kl_are_checked_outside_of_jit():
    x = jnp.ones((3, 2))
    with pytest.raises(ValueError, match="weights must sum to 1, got 3"):
        diffx.likelihood.path_kl(
            diffx.VP(), halve, stay, x, x, diffx.uniform(2, t_min=0.5), weights=jnp.ones(3)
        )


def test_priors_that_are_no_gaussians_are_refused():
    with pytest.raises(TypeError, match="two laws needs a GaussianLaw, got PointSet"):
        diffx.likelihood.prior_kl(
            diffx.VP(), jnp.ones((3, 2)), prior=diffx.PointSet(jnp.ones((3, 2)))
        )


def test_pictures_count_as_the_vectors_that_they_are():
    """Every expectation over pictures (n, 2, 3) is that over their (n, 6)."""
    x, z = (np.random.default_rng(seed).standard_normal((4, 2, 3)) for seed in (0, 1))
    for name, call in AT_ONE_TIME.items():
        picture, vector = (
            call(jnp.asarray(x).reshape(s), jnp.asarray(z).reshape(s), 0.5, stay)
            for s in ((4, 2, 3), (4, 6))
        )
        close(
            picture,
            np.asarray(vector),
            ulps=16,
            scale=np.abs(vector).max() + 1,
            why=f"{name} sums over the event",
        )
