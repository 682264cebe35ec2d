"""Forward processes: kernels, rates, log-SNR, transitions, against 60-digit decimals, moment ODEs
and Bayes.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from diffx.denoisers import denoiser, score
from diffx.grids import equal_angle, karras, time_shift, uniform_log_snr
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import marginal
from diffx.laws.mixture import MixtureLaw
from diffx.processes.ddpm_chain import DDPMChain
from diffx.processes.edm import EDM
from diffx.processes.protocol import gaussian_path, perturb, rates, transition
from diffx.processes.sigmoid import SigmoidVP
from diffx.processes.sub_vp import SubVP
from diffx.processes.ve import VE
from diffx.processes.vp import VP
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles.paths import Path
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import precision
from spec_tests.support.paths import (
    EVERY_PROCESS,
    PROCESSES,
    Maker,
    cosine_vp,
    edm,
    oracle,
    rectified_flow,
    sub_vp,
    trig,
    ve,
    vp,
)
from spec_tests.support.schedules import CLASSES, coefficients_at, log_snrs, paths_at

zero_terminal = Maker(DDPMChain, None, ((0.25, 0.5, 1.0),))
EARLY = np.array([2.0**-20, 2.0**-13, 2.0**-10])  # where 1 - exp(-B) has lost its digits in float32


@jax.jit
def perturbed(process, x0, eps, t):
    return perturb(process, x0, eps, t)


@claim(
    "FWD-01",
    "x_t given x_0 is N(alpha x_0, sigma^2 I) with the alpha and sigma of the papers, from t = 0 "
    "to t = 1",
    of=("diffx.processes.Process", "diffx.perturb", *CLASSES),
    source=(
        "Song 2021 eqs. 9, 11, 12, 29; Karras 2022 Table 1; Nichol 2021 eq. 17; Liu 2023; "
        "Albergo 2023; Chen 2023"
    ),
    grade="identity",
)
@given(ts=st_.arrays(5, st_.times()), x0=st_.points(4), eps=st_.points(4))
def test_every_path_has_the_kernel_of_its_paper(dtype, ts, x0, eps):
    """x_t|x0 ~ N(a x0, s^2 I)."""
    ts = np.concatenate([EARLY, ts])
    for make in PROCESSES:
        process, path = make(), oracle(make)
        alpha, sigma = path.alpha(ts), path.sigma(ts)
        got_alpha, got_sigma = paths_at(process, jnp.asarray(ts, dtype))
        powers = (
            1 + np.abs(np.log(np.maximum(alpha, 1e-3))),
            1 + np.log1p(sigma / 0.03),
        )  # exp(u) rounds by |u|
        close(
            got_alpha,
            alpha,
            ulps=8,
            scale=alpha * powers[0],
            why=f"{make.__name__}: alpha is an elementwise formula",
        )
        close(
            got_sigma,
            sigma,
            ulps=8,
            scale=sigma * powers[1],
            why=f"{make.__name__}: nothing cancels, at t = 1e-6 neither",
        )
        x, at = (
            perturbed(process, *(jnp.asarray(v, dtype) for v in (x0, eps, ts[3]))),
            (alpha[3], sigma[3]),
        )
        size = np.abs(at[0] * x0) * powers[0][3] + np.abs(at[1] * eps) * powers[1][3]
        close(
            x,
            at[0] * x0 + at[1] * eps,
            ulps=8,
            scale=size,
            why=f"{make.__name__}: alpha x0 + sigma eps: each part as exact as its factor",
        )
        ends = paths_at(process, jnp.asarray([0.0] * 8, dtype))
        holds((ends[0] == 1) & (ends[1] == 0), f"{make.__name__}: t = 0 is data, exactly")
    for make in [make for make in PROCESSES if make().pure_noise_at_1]:
        holds(
            paths_at(make(), jnp.ones(8, dtype))[0] == 0,
            f"{make.__name__}: t = 1 is pure noise, exactly",
        )


@claim(
    "FWD-02",
    "f = alpha'/alpha and g^2 = (sigma^2)' - 2 f sigma^2 = -sigma^2 l' for every process, and "
    "rates are alpha' and sigma'",
    of=(
        "diffx.processes.Process",
        "diffx.processes.gaussian_path",
        "diffx.processes.rates",
        *CLASSES,
    ),
    source="Kingma et al. 2021, arXiv:2107.00630, appendix; Karras et al. 2022",
    grade="identity",
)
@given(ts=st_.arrays(5, st_.times(2e-3, 0.998)))
def test_drift_and_diffusion_follow_from_alpha_and_sigma(dtype, ts):
    """f = a'/a, g^2 = (s^2)' - 2(a'/a)s^2 = -s^2 l'(t)."""
    for make in PROCESSES:
        path = oracle(make)
        f, g, rate = coefficients_at(make(), jnp.asarray(ts, dtype))
        slope_a, slope_s = path.alpha_rate(ts), path.sigma_rate(ts)
        size_a = np.abs(slope_a) * (1 + np.abs(np.log(path.alpha(ts))))
        size_s = (np.abs(slope_s) + (slope_s == 0)) * (1 + np.log1p(path.sigma(ts) / 0.03))
        if make().variance_preserving:  # the cosine of an angle near pi/2 is as exact as the angle
            size_a, size_s = np.maximum(size_a, np.pi / 2), np.maximum(size_s, np.pi / 2)
        close(
            rate.alpha,
            slope_a,
            ulps=16,
            scale=size_a,
            why=f"{make.__name__}: one product of elementwise formulas",
        )
        close(
            rate.sigma,
            slope_s,
            ulps=16,
            scale=size_s,
            why=f"{make.__name__}: a sum of at most two products below pi/2",
        )
        close(
            f,
            slope_a / path.alpha(ts),
            ulps=8,
            why=f"{make.__name__}: f = alpha'/alpha, differenced in 60 digits",
        )
        wanted = path.sigma(ts) * np.sqrt(-path.log_snr_rate(ts))
        close(
            g,
            wanted,
            ulps=8,
            scale=wanted * (1 + np.log1p(path.sigma(ts) / 0.03)),
            why=f"{make.__name__}: g^2 = -sigma^2 l'",
        )


@jax.jit
def facts_at(process, ends):
    return process.alpha(ends), process.sigma(ends), [rates(process, t) for t in ends]


@pytest.mark.parametrize("make", [*EVERY_PROCESS, zero_terminal], ids=lambda make: make.__name__)
def test_every_process_is_what_its_class_says(make):
    """The four facts against alpha, sigma and their rates, at the ends and between; a NaN is 0
    times an infinite rate.
    """
    process = make()
    ends = facts_at(process, jnp.asarray([0.0, 1.0], jnp.float64))
    between = np.hypot(*paths_at(process, jnp.linspace(0, 1, 7, dtype=jnp.float64)))
    assert process.variance_preserving == (np.abs(between - 1) < 1e-12).all()
    assert process.pure_noise_at_1 == (ends[0][1] == 0)
    assert (process.finite_rates_at_0, process.finite_rates_at_1) == tuple(
        np.isfinite(rate).all() for rate in ends[2]
    )


def test_a_chain_of_traced_betas_says_what_it_is_in_a_trace():
    ends_in_noise = jax.jit(lambda betas: DDPMChain(betas).pure_noise_at_1)
    assert ends_in_noise(jnp.asarray([0.5, 1.0])) and not ends_in_noise(jnp.asarray([0.5, 0.5]))
    chain = zero_terminal()
    assert jax.jit(lambda: 1 if chain.pure_noise_at_1 else 0)() == 1, (
        "concrete betas say it inside a trace too"
    )


def test_a_class_that_owes_something_is_told_what():
    with pytest.raises(
        TypeError,
        match="Half must define sigma, time_of_log_snr, finite_rates_at_1: a process owes",
    ):

        @gaussian_path
        class Half:
            variance_preserving = pure_noise_at_1 = finite_rates_at_0 = False
            alpha = log_snr_step = lambda self, *times: times[0]


@claim(
    "FWD-05",
    "log-SNR decreases strictly, time_of_log_snr inverts it, and the grids in log-SNR, in sigma "
    "and in angle have the nodes that they state",
    of=(
        "diffx.processes.Process",
        *CLASSES,
        *(
            f"diffx.grids.{name}"
            for name in ("uniform_log_snr", "karras", "equal_angle", "time_shift")
        ),
    ),
    source=(
        "Kingma et al. 2021; Lu et al. 2022; Karras et al. 2022, eq. 5; Esser et al. 2024, eq. 23"
    ),
    grade="identity",
)
def test_log_snr_decreases_and_is_inverted_exactly(dtype):
    """l' < 0 on (0, T); t(l(t)) = t. Cosine with offset 0: l = -2 log tan(pi t/2); RF: l = 2
    log((1 - t)/t).
    """
    check_log_snr(dtype)
    check_karras_of_the_paper(dtype)
    check_uniform_log_snr(dtype)
    check_equal_angle(dtype)
    check_time_shift(dtype)


TIMES = np.sort(
    np.concatenate(
        [EARLY, np.linspace(2.0**-7, 1 - 2.0**-7, 58), [1 - 2.0**-10, 1 - 2.0**-13, 1 - 2.0**-20]]
    )
)


def check_log_snr(dtype):
    ts = TIMES.astype(np.float32).astype(np.float64)
    for make in PROCESSES:
        path = oracle(make)
        exact, rate = path.log_snr(ts), path.log_snr_rate(ts)
        rounded = exact.astype(dtype).astype(np.float64)  # what time_of_log_snr is given
        l, back = log_snrs(make(), jnp.asarray(ts, dtype), jnp.asarray(rounded, dtype))
        close(
            l,
            exact,
            ulps=8,
            scale=np.maximum(8, np.abs(exact)),
            why=f"{make.__name__}: a sum of logarithms of size 8",
        )
        holds(np.diff(np.asarray(l, np.float64)) < 0, f"{make.__name__}: log-SNR decreases")
        # the time of the rounded log-SNR, to second order in its rounding
        wanted = ts + (rounded - exact) / rate
        size = ts + np.abs(exact / rate)
        close(
            back,
            wanted,
            ulps=8,
            scale=size,
            why=f"{make.__name__}: time and a rounding of the log-SNR, |l| |dt/dl|",
        )


@claim(
    "FWD-06",
    "Divided by alpha every path is the VE path: denoiser, score and density depend on log-SNR "
    "alone",
    of=("diffx.denoiser", "diffx.score", "diffx.marginal"),
    source="Karras et al. 2022, appendix B; Kingma et al. 2021, section 3",
    grade="identity",
)
@given(
    means=st_.points(3, 2), variances=st_.arrays((3, 2), st_.log_uniform(0.1, 4.0)), y=st_.points(2)
)
def test_all_schedules_are_one_path_at_equal_log_snr(dtype, means, variances, y):
    """D(x, t) = D_VE(x/a, tau), score_x = score_y/a, p_t(x) = a^-d p_VE(x/a), tau = (s/a)^2."""
    weights = np.array([0.5, 0.3125, 0.1875])
    law = MixtureLaw(*(jnp.asarray(v, dtype) for v in (weights, means, variances)))
    for make in (sub_vp, cosine_vp, edm, rectified_flow):
        path, t = oracle(make), 0.375
        alpha, tau = path.alpha(t), path.variance(t) / path.alpha(t) ** 2
        x = (alpha * y).astype(np.float32).astype(np.float64)
        got = mixture_at(make(), law, jnp.asarray(x, dtype), jnp.asarray(t, dtype))
        wanted, logit = posterior_in_ve(weights, means, variances, x / alpha, tau)
        lost = 1 + logit  # a softmax of logits of size u is rounded by u
        close(
            got[0],
            wanted[0],
            ulps=16,
            scale=lost * 5,
            why=f"{make.__name__}: posterior mean of components below 5",
        )
        steep = np.abs(x / alpha - means).max(0) / (variances.min(0) + tau) / alpha
        close(
            got[1],
            wanted[1] / alpha,
            ulps=16,
            scale=lost * steep,
            why=f"{make.__name__}: score_x = score_y/alpha",
        )
        wanted_log = wanted[2] - 2 * np.log(alpha)
        close(
            got[2],
            wanted_log,
            ulps=16,
            scale=lost,
            why=f"{make.__name__}: p_t(x) = alpha^-d p_VE(x/alpha)",
        )


@jax.jit
def mixture_at(process, law, x, t):
    return (
        denoiser(process, law)(x, t),
        score(process, law)(x, t),
        marginal(process, law, t).log_prob(x),
    )


def posterior_in_ve(weights, means, variances, y, tau):
    """Mean of x_0, score and log-density of y = x_0 + sqrt(tau) eps, and the size of the logits:
    Bayes by precisions.
    """
    total = variances + tau
    logits = np.log(weights) - 0.5 * ((y - means) ** 2 / total + np.log(2 * np.pi * total)).sum(1)
    shares = np.exp(logits - logits.max())
    log_density = logits.max() + np.log(shares.sum())
    shares /= shares.sum()
    each = (means / variances + y / tau) / (1 / variances + 1 / tau)
    return (shares @ each, shares @ ((means - y) / total), log_density), np.abs(logits).max()


@jax.jit
def deviations(first, second, ts):
    return first.sigma(ts), second.sigma(ts), first.g(ts), second.g(ts)


GAUSS = 24  # nodes: to rounding for exponents below 16


def on(end: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on [0, end] with float32 nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS)
    return (end * (nodes + 1) / 2), weights * end / 2


@claim(
    "FWD-14",
    "The variance of sub-VP is the square of that of VP, so that it is smaller; both tend to 1, "
    "and each solves V' = -beta V + g^2",
    of=("diffx.SubVP", "diffx.VP"),
    source="Song et al. 2021, arXiv:2011.13456, section 3.4 and Appendix B",
    grade="identity",
)
def test_sub_vp_has_less_variance_than_vp(dtype):
    """(1 - e^-B)^2 <= 1 - e^-B; the coded g^2 integrated against e^(B(r) - B(t)) gives the coded
    sigma^2.
    """
    low, high = 0.375, 10.0
    total = lambda t: low * t + (high - low) * t**2 / 2
    pair = VP(low, high), SubVP(low, high)
    for t in (2.0**-10, 0.0625, 0.25, 0.5, 1.0):
        nodes, weights = on(t)
        ts = jnp.asarray(np.append(nodes, t), dtype)
        vp_sigma, sub_sigma, vp_g, sub_g = (
            np.asarray(v, np.float64) for v in deviations(*pair, ts)
        )
        decay = weights * np.exp(total(np.asarray(ts, np.float64)[:-1]) - total(t))
        for name, sigma, g in (("VP", vp_sigma, vp_g), ("sub-VP", sub_sigma, sub_g)):
            wanted = decay @ g[:-1] ** 2
            close(
                (sigma[-1] ** 2).astype(dtype),
                wanted,
                ulps=16 + 8 * total(t),
                why=f"{name}: the variance equation",
            )
        close(
            sub_sigma.astype(dtype),
            vp_sigma**2,
            ulps=16,
            why="sigma of sub-VP is the variance of VP",
        )
        holds(sub_sigma < vp_sigma, "sub-VP has less variance at every t > 0")
    late = deviations(VP(0.5, 120.0), SubVP(0.5, 120.0), jnp.ones(GAUSS + 1, dtype))
    holds(
        (np.asarray(late[0]) == 1) & (np.asarray(late[1]) == 1),
        "both end at 1: e^-60 is below the last ulp",
    )


@jax.jit
def exploding(process, law, x, ts):
    first = jnp.zeros((), ts.dtype)
    begun = perturb(process, x, x + 1, first), marginal(process, law, first)
    steps = jax.vmap(lambda t: transition(process, t, first))(ts)
    return process.sigma(ts), process.g(ts), steps.sigma, begun


@claim(
    "FWD-15",
    "VE begins at the data: sigma(t)^2 is the integral of g^2, which is sigma_min^2 less than the "
    "sigma_min^2 r^(2t) of common code",
    of=("diffx.VE", "diffx.transition", "diffx.marginal"),
    source=(
        "Song et al. 2021, arXiv:2011.13456, eqs. (9), (29): the SDE started at x_0 has "
        "variance sigma(t)^2 - sigma(0)^2"
    ),
    grade="computed law",
)
def test_ve_variance_is_the_integral_of_its_diffusion(dtype):
    """At t -> 0 the variant without -sigma_min^2 is off by all of it: x_0 would not be the data."""
    x, cov = jnp.asarray([0.5, -1.25], dtype), jnp.asarray([0.5, 2.0], dtype)
    law = GaussianLaw(x, cov)
    for low, high in ((2.0**-7, 50.0), (0.5, 4.0), (1.0, 1.5)):
        process, power = VE(low, high), np.log(high / low)
        for t in (2.0**-13, 2.0**-5, 0.375, 1.0):
            nodes, weights = on(t)
            ts = jnp.asarray(np.append(nodes, t), dtype)
            sigma, g, from_data, begun = exploding(process, law, x, ts)
            wanted = weights @ np.asarray(g, np.float64)[:-1] ** 2
            ulps = 16 + 6 * power * t
            variance = np.asarray(sigma, np.float64)[-1] ** 2
            close(variance.astype(dtype), wanted, ulps=ulps, why="the integral of g^2 from 0")
            variant = low**2 * (high / low) ** (2 * t)
            close(
                (variant - variance).astype(dtype),
                low**2,
                ulps=ulps,
                scale=variant,
                why="common code has sigma_min^2 more",
            )
            holds(
                t > 2.0**-13 or variance < low**2 / 100,
                "at t = 1e-4 almost all of the variant's variance is the offset",
            )
            close(
                from_data,
                np.asarray(sigma, np.float64),
                ulps=4,
                why="the transition from data is the whole kernel",
            )
        holds(np.asarray(begun[0] == x), "x_0 is the data, whatever the noise")
        holds(np.asarray((begun[1].mean == x) & (begun[1].cov == cov)), "and so is its law")


@claim(
    "FWD-21",
    "Time is one scalar and x has any shape; a batch of times goes through vmap; a batched time "
    "against an x is refused",
    of=("diffx.perturb", "diffx.transition", "diffx.processes.rates"),
    source="a time broadcast along features is right in shape and wrong in value",
    grade="identity",
)
def test_time_is_a_scalar_and_batches_of_times_are_vmap(dtype):
    """vmap over (x, t) equals the Python loop; a t with a batch axis is refused at trace time."""
    rng = np.random.default_rng(0)
    x0, eps = (jnp.asarray(rng.standard_normal((3, 3)), dtype) for _ in range(2))
    ts = jnp.asarray([0.25, 0.5, 0.75], dtype)
    process = PROCESSES[0]()
    many = jax.jit(jax.vmap(perturb, (None, 0, 0, 0)))(process, x0, eps, ts)
    for i in range(3):
        one = np.asarray(perturb(process, x0[i], eps[i], ts[i]), np.float64)
        close(
            many[i],
            one,
            ulps=4,
            scale=np.abs(x0[i]) + np.abs(eps[i]),
            why="the compiler may fuse and round once less",
        )
    image = jnp.broadcast_to(x0, (2, 5, 3, 3))
    flat = np.asarray(perturb(process, image.reshape(-1), (2 * image).reshape(-1), ts[1]))
    holds(
        np.asarray(perturb(process, image, 2 * image, ts[1])).reshape(-1) == flat,
        "any shape, element by element",
    )
    for bad in (ts, ts[:1], ts[:, None]):
        refused(lambda bad=bad: perturb(process, x0, eps, bad))
        refused(lambda bad=bad: jax.eval_shape(lambda t: perturb(process, x0, eps, t), bad))
        refused(lambda bad=bad: transition(process, bad, ts[0]))
        refused(lambda bad=bad: transition(process, ts[0], bad))
        refused(lambda bad=bad: rates(process, bad))
    refused(lambda: perturb(process, x0, eps[0], ts[0]), "one shape")


def refused(call, words="scalar time"):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    holds(words in str(caught.value), "a batched time, or two shapes, are refused with a way out")


def test_sigmoid_times_never_leave_the_domain_where_rounding_would():
    """log1p(expm1(b - a))/(b - a) rounds above 1 for 3 of these 400 spans in float32."""
    ends = jnp.linspace(0.1, 8.0, 400, dtype=jnp.float32)
    times = jax.vmap(lambda end: SigmoidVP(-end, end).time_of_log_snr(jnp.float32(-60.0)))(ends)
    assert float(times.max()) == 1.0 and float(times.min()) > 0.999


# the first sigmas of Karras et al. 2022, n = 18, rho = 7
KARRAS_18 = np.array([80, 57.586, 40.786, 28.375, 19.352])


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
    # t dphi/dt: what one rounding of t does
    steep = np.abs(angle(got * (1 - 1e-7)) - angle(got)) / 1e-7
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
