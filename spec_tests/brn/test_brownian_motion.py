"""Brownian motion run backwards, from a known law and from a known point."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.tree_util import Partial
from scipy.special import softmax

import diffx
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import flow
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, FEW_PAIRS, cast
from spec_tests.support.compiled import gaussian_step, posterior
from spec_tests.support.flows import D, gaussian, plane_covariances
from spec_tests.support.information import (
    MEAN,
    VARIANCES,
    Brownian,
    gaussian_draws,
    grid,
    stay,
    two_axes,
)
from spec_tests.support.paths import (
    PROCESSES,
    edm,
    oracle,
    oracle as path_of,
    rectified_flow,
    ve,
    vp,
)
from spec_tests.support.samplers import covariances


@jax.jit
def reverse_drift(process, mean, cov, x, t):
    return diffx.reverse.reverse_drift(
        process, diffx.denoiser(process, diffx.GaussianLaw(mean, cov)), x, t, eta=1.0
    )


def schur(joint, known):
    """Gaussian conditioning by the Schur complement: (gain, covariance) of the other coordinates
    given the known ones.
    """
    known, other = np.array(known), np.setdiff1d(np.arange(len(joint)), known)
    gain = np.linalg.solve(joint[np.ix_(known, known)], joint[np.ix_(known, other)]).T
    return gain, joint[np.ix_(other, other)] - gain @ joint[np.ix_(known, other)]


@claim(
    "BRN-01",
    "Brownian motion started from N(m, L) and run backwards in tau = sigma^2 drifts towards m as "
    "(y - m)/(L + tau) and ends in N(m, L)",
    of=("diffx.reverse.reverse_drift", "diffx.reverse.gaussian_step"),
    source="Anderson 1982; derived here for Gaussians",
    grade="computed law",
)
@FEW
@given(
    mean=st_.points(3),
    cov=covariances(),
    x=st_.points(2, 3),
    variances=st_.variances(3),
    ts=st_.grids(1, 0.0625, 1.0, gap=0.0625),
)
def test_reversed_brownian_motion_returns_to_its_law(dtype, mean, cov, x, variances, ts):
    """Cov(y_s, y_t) = L + min(tau_s, tau_t): both the drift per tau and the law of y_s given y_t
    follow from it.
    """
    t, s = ts
    for make in (ve, edm):
        tau = path_of(make).variance(t)
        wanted = path_of(make).g2(t) * np.linalg.solve(cov + tau * np.eye(3), (x - mean).T).T
        scale = (
            path_of(make).g2(t) / tau * (np.abs(x).max() + np.abs(mean).max()) * np.linalg.cond(cov)
        )
        got = reverse_drift(make(), *cast(dtype, mean, cov, x, t))
        close(
            got,
            wanted,
            ulps=8,
            scale=scale,
            why=f"{make.__name__}: g^2 (x - D)/tau, D by the eigenvectors of the covariance",
        )
        for end in (s, 0.0):
            goes_back_to_its_law(make, dtype, variances, t, end)


def goes_back_to_its_law(make, dtype, variances, t, s):
    now, then = path_of(make).variance(t), path_of(make).variance(s)
    got = gaussian_step(make(), *cast(dtype, variances, t, s), eta=jnp.asarray(1.0, dtype))
    for i, L in enumerate(variances):
        gain, rest = schur(np.array([[L + now, L + then], [L + then, L + then]]), [0])
        close(got.gain[i], gain[0, 0], ulps=32, why="a ratio of variances")
        # the oracle subtracts: its error is that of L + tau_s
        close(
            got.sigma[i],
            np.sqrt(rest[0, 0]),
            ulps=32,
            scale=(L + then) / np.sqrt(rest[0, 0]),
            why="sqrt of the rest",
        )
        law = (
            np.asarray(got.gain, np.float64)[i] ** 2 * (L + now)
            + np.asarray(got.sigma, np.float64)[i] ** 2
        )
        close(
            law.astype(dtype),
            L + then,
            ulps=64,
            why="the law of y_s is N(m, L + tau_s), at s = 0 the data's own",
        )


@claim(
    "BRN-02",
    "In y = x/alpha and tau = (sigma/alpha)^2 the posterior is the Brownian bridge: mean on the "
    "chord, covariance s (t - s)/t",
    of="diffx.posterior",
    source="Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7), as a Brownian bridge",
    grade="identity",
)
@FEW
@given(ts=st_.grids(2, 0.0625, 0.96875, gap=0.0625))
def test_posterior_is_the_brownian_bridge(dtype, ts):
    """Brownian motion has Cov(y_s, y_t) = min(tau_s, tau_t); two posteriors in a row are the bridge
    at two times.
    """
    for make in PROCESSES:
        path = path_of(make)
        alpha, tau = path.alpha(ts), path.variance(ts) / path.alpha(ts) ** 2
        gain, cov = schur(np.minimum.outer(tau, tau), [0])
        steps = [posterior(make(), *cast(dtype, t, s)) for t, s in ((ts[0], ts[1]), (ts[1], ts[2]))]
        first, second = (np.array(step, np.float64) for step in steps)
        on_y = [first[0] * alpha[0] / alpha[1], second[0] * alpha[1] / alpha[2]]
        spread = [first[2] / alpha[1], second[2] / alpha[2]]
        got_gain = np.array([on_y[0], on_y[1] * on_y[0]])
        got_cov = np.array([[1, on_y[1]], [on_y[1], on_y[1] ** 2]]) * spread[0] ** 2
        got_cov[1, 1] += spread[1] ** 2
        close(
            got_gain.astype(dtype),
            gain[:, 0],
            ulps=64,
            why=f"{make.__name__}: two ratios of tau, each behind an exponential",
        )
        # the Schur complement subtracts tau_s^2/tau_t from tau_s
        close(
            got_cov.astype(dtype),
            cov,
            ulps=64,
            scale=np.minimum.outer(tau, tau)[1:, 1:],
            why=f"{make.__name__}: the bridge's covariance",
        )
        close(
            (first[0] * alpha[0] + first[1]).astype(dtype),
            alpha[1],
            ulps=64,
            why=f"{make.__name__}: x_t = alpha_t x_0 has x_s = alpha_s x_0",
        )


def log_h(process, c, y, r, weights, end, x, t):
    """Of a look at c.x_T, noise of variance r, that answers y_k with probability w_k: a mixture
    over k.
    """
    step = diffx.transition(process, end, t)
    variance = step.sigma**2 * (c**2).sum() + r
    away = y - step.alpha * (x * c).sum(-1, keepdims=True)
    return (
        jax.scipy.special.logsumexp(jnp.log(weights) - away**2 / (2 * variance), axis=-1)
        - jnp.log(variance) / 2
    )


@jax.jit
def conditioned_drift(process, look, x, t):
    return diffx.reverse.conditioned_drift(process, Partial(log_h, process, *look), x, t)


@jax.jit
def backward_terms(process, look, x, t):
    """The terms of (d/dt + f x.grad + g^2/2 Lap) h/h, each by automatic differentiation."""
    log = Partial(log_h, process, *look)

    def terms(x):
        along, slope = (
            jax.jvp(lambda t: log(x, t), (t,), (jnp.ones_like(t),))[1],
            jax.grad(log)(x, t),
        )
        bent = jnp.trace(jax.hessian(log)(x, t))
        return jnp.stack(
            [
                along,
                process.f(t) * (x * slope).sum(),
                process.g(t) ** 2 / 2 * (bent + (slope**2).sum()),
            ]
        )

    return jax.vmap(terms)(x)


@claim(
    "BRN-03",
    "Conditioned on a future event the SDE gains the drift g^2 grad log h, and h solves the "
    "backward Kolmogorov equation",
    of="diffx.reverse.conditioned_drift",
    source="Doob's h-transform; Zhou et al. 2023, arXiv:2309.16948; derived here for a noisy look",
    grade="identity",
)
@FEW
@given(
    weights=st_.weights(2),
    c=st_.arrays(3, st_.log_uniform(0.25, 2.0)),
    y=st_.points(2),
    r=st_.log_uniform(0.0625, 4.0),
    x=st_.points(2, 3),
    ts=st_.grids(1, 0.0625, 0.9375, gap=0.125),
)
def test_conditioning_adds_the_gradient_of_log_h(dtype, weights, c, y, r, x, ts):
    """The mean of x_{t+dt} by a Kalman update: its covariance with the look at c.x_T is g^2 gain c
    dt.  Then Bayes over y.
    """
    end, t = ts
    c = c * np.array([1, -1, 1])
    for make, noise in product(
        (vp, ve, rectified_flow), (r, 0.0)
    ):  # without noise: a bridge in the direction c
        path = path_of(make)
        gain, spread = path.transition(end, t)
        total = spread**2 * (c @ c) + noise
        away = y - gain * (x @ c)[:, None]
        shares = softmax(np.log(weights) - away**2 / (2 * total), axis=-1)
        pull = path.g2(t) * gain / total * np.abs(c)
        wanted = path.f(t) * x + path.g2(t) * gain / total * (shares * away).sum(-1)[:, None] * c
        size = np.abs(y).max() + gain * (np.abs(x) @ np.abs(c))[:, None]
        # logits of this size move the shares
        unsure = 1 + (np.abs(away).max(-1) * size[:, 0] / total)[:, None]
        look = cast(dtype, c, y, noise, weights, end)
        drift = conditioned_drift(make(), look, *cast(dtype, x, t))
        scale = np.abs(path.f(t) * x) + pull * size * unsure
        close(
            drift,
            wanted,
            ulps=32,
            scale=scale,
            why=f"{make.__name__}: a difference over a variance, averaged by a softmax",
        )
    if dtype == np.float64:  # in float32 the derivatives cost seconds and show nothing more
        h_solves_the_backward_equation(cast(dtype, c, y, r, weights, end), x, t)


def h_solves_the_backward_equation(look, x, t):
    c, y, r, _, end = (np.asarray(part, np.float64) for part in look)
    path = path_of(rectified_flow)
    terms = np.asarray(backward_terms(rectified_flow(), look, *cast(np.float64, x, t)))
    gain, spread = path.transition(end, t)
    total = spread**2 * (c @ c) + r
    size = np.abs(y).max() + gain * np.abs(x) @ np.abs(c)
    scale = (
        (path.g2(t) * gain**2 * (c @ c) + np.abs(path.f(t)) * size**2)
        / total
        * (1 + size**2 / total)
    )
    close(
        terms.sum(-1),
        np.zeros(len(x)),
        ulps=64,
        scale=scale,
        why="three terms that cancel, behind a softmax",
    )


@jax.jit
def chained(process, taus):
    """The transitions from t = 0 through the times of (sigma/alpha)^2 = taus."""
    ts = jnp.append(0, process.time_of_log_snr(-jnp.log(taus)))
    return jax.vmap(lambda s, t: diffx.transition(process, t, s))(ts[:-1], ts[1:])


@jax.jit
def flipped(process, ts, zs):
    """The way back of ddpm_beta for data that say nothing, from 0."""
    sampler = diffx.samplers.ddpm_beta(process, lambda x, t: x)
    return diffx.fold(sampler, jnp.zeros(zs.shape[1:], zs.dtype), ts, zs)[0]


@claim(
    "BRN-06",
    "A walk of N coin flips has exactly the variance of the process and an excess kurtosis of "
    "-2/N, so that its limit is Gaussian",
    of=("diffx.transition", "diffx.samplers.ddpm_beta"),
    source=(
        "the central limit theorem, here with its rate; derived here for equal steps of "
        "(sigma/alpha)^2"
    ),
    grade="computed law",
)
def test_random_walk_becomes_brownian_motion(dtype):
    """x -> alpha_{t|s} x + sigma_{t|s} z, z = +-1: moments by recursion, then all 2^8 walks of the
    sampler, one by one.
    """
    n, end = 64, 0.875
    for make in (vp, rectified_flow):
        path = path_of(make)
        tau = path.variance(end) / path.alpha(end) ** 2
        steps = chained(make(), jnp.asarray(tau * np.arange(1, n + 1) / n, dtype))
        second, fourth = coin_flips(*(np.asarray(part, np.float64) for part in steps))
        close(
            second.astype(dtype),
            path.variance(end),
            ulps=4 * n,
            why=f"{make.__name__}: a sum of n terms",
        )
        kurtosis = (fourth / second**2).astype(dtype)
        close(
            kurtosis,
            3 - 2 / n,
            ulps=16 * n,
            why=f"{make.__name__}: and a ratio of sums; steps equal up to the rounding of times",
        )
    every_walk_of_the_sampler(dtype)


def coin_flips(gains, spreads):
    """E x^2 and E x^4 after the last step, from 0."""
    second = fourth = 0.0
    for a, s in zip(gains, spreads, strict=True):
        second, fourth = a**2 * second + s**2, a**4 * fourth + 6 * a**2 * s**2 * second + s**4
    return second, fourth


def every_walk_of_the_sampler(dtype, n=8):
    """Back from t = 1 to 0 by equal steps of sigma^2: the ends are sigma_max/sqrt(n) times a sum of
    signs.
    """
    signs = np.array(list(product((-1.0, 1.0), repeat=n)))
    ts = np.sqrt(np.arange(n, -1, -1) / n)
    ends = flipped(edm(), *cast(dtype, ts, signs.T[:, :, None]))[:, 0]
    sigma = path_of(edm).sigma(1.0)
    scale = sigma * np.sqrt(n)
    close(
        ends,
        sigma / np.sqrt(n) * signs.sum(-1),
        ulps=8 * n,
        scale=scale,
        why="n terms; their size by a difference of squares",
    )
    moments = [(np.asarray(ends, np.float64) ** k).mean() for k in (2, 4)]
    close(np.asarray(moments[0], dtype), sigma**2, ulps=16 * n, why="uncorrelated steps")
    close(
        np.asarray(moments[1] / moments[0] ** 2, dtype),
        3 - 2 / n,
        ulps=64 * n,
        why="the kurtosis of a binomial",
    )


# --- bad input ----------------------------------------------------------------------------------


def test_log_h_must_answer_one_number_for_each_event():
    x = jnp.ones((4, 2))
    with pytest.raises(
        ValueError,
        match=r"log_h must answer one number for each event of x, \(4, 2\), but gave shape \(2,\)",
    ):
        diffx.reverse.conditioned_drift(diffx.VP(), lambda x, t: -(x**2).sum(0), x, 0.5)
    with pytest.raises(ValueError, match="t must be a scalar time"):
        diffx.reverse.conditioned_drift(
            diffx.VP(), lambda x, t: -(x**2).sum(-1), x, jnp.full(4, 0.5)
        )
    with pytest.raises(TypeError, match="x must be an array of floats"):
        diffx.reverse.conditioned_drift(
            diffx.VP(), lambda x, t: -(x**2).sum(-1), jnp.ones((4, 2), int), 0.5
        )


def test_one_number_for_all_of_x_makes_x_one_event():
    x = jnp.ones((4, 2), jnp.float32)
    whole = diffx.reverse.conditioned_drift(diffx.VE(), lambda x, t: -(x**2).sum() / 2, x, 0.5)
    each = diffx.reverse.conditioned_drift(diffx.VE(), lambda x, t: -(x**2).sum(-1) / 2, x, 0.5)
    assert whole.dtype == jnp.float32 and (whole == each).all()


divergence_of = jax.jit(diffx.kl)


# --- bridges of Brownian motion -----------------------------------------------------------------


@jax.jit
def drifts(law, x, ts):
    return jax.vmap(diffx.flow_matching.foellmer_drift(law))(x, ts)


@claim(
    "BRN-04",
    "Foellmer's drift takes Brownian motion from 0 to a given law with the least energy, which is "
    "KL(law || N(0, I))",
    of="diffx.flow_matching.foellmer_drift",
    source="Foellmer 1985; Lehec 2013, arXiv:1006.3028",
    grade="bounded",
)
def test_foellmer_drift_has_the_energy_of_the_divergence(dtype):
    """N(1.2, .3) costs .971986402 nats, N(.5, 4) .931852819; a drift b - k x with the same end
    costs more.
    """
    s, masses = flow.legendre(24)
    for m, L, printed in ((1.2, 0.3, 0.971986402), (0.5, 4.0, 0.931852819)):
        law, rest = gaussian(dtype, [m], [L]), 1 - s
        spread = np.sqrt(s**2 * L + s * rest)  # of the bridge s x0 + sqrt(s (1 - s)) z
        x = (s * m + np.array([[-1.0], [1.0]]) * spread)[..., None]
        u = np.stack([np.asarray(drifts(law, *cast(dtype, side, rest)), np.float64) for side in x])[
            ..., 0
        ]
        precision, pull = 1 / L - 1, m / L
        wanted = (pull - precision * x[..., 0]) / (1 + precision * rest)
        size = (np.abs(m) + np.abs(x[..., 0]) * (1 + s / np.sqrt(s))) / rest
        close(
            u.astype(dtype),
            wanted,
            ulps=8,
            scale=size,
            why="a difference divided by what is left of the time",
        )
        energy = (masses * (u**2).mean(0)).sum() / 2
        divergence = (L + m**2 - 1 - np.log(L)) / 2
        close(
            np.asarray(energy, dtype),
            divergence,
            ulps=64,
            scale=4,
            why="the drift's rounding grows as 1/(1 - s)",
        )
        holds(abs(divergence - printed) < 1e-9, f"the printed {printed}")
        holds(
            abs(float(divergence_of(law, gaussian(dtype, [0.0], [1.0]))) - printed) < 1e-6,
            "KL(law || N(0, 1))",
        )
        other = flow.ornstein_uhlenbeck_energy(m, L)
        holds(
            other > divergence + 0.01,
            "any other drift to the same law costs more",
            measured=float(other),
        )
    every_law_is_reached(dtype)


def every_law_is_reached(dtype):
    """A mixture's drift by complex steps of E[f(x + sqrt(t) w)], f = density/N(0, 1); at the start
    it is the mean, at 0.
    """
    weights, means, variances = np.array([0.25, 0.75]), np.array([-2.0, 1.0]), np.array([0.25, 0.5])
    law = diffx.MixtureLaw(*cast(dtype, weights, means[:, None], variances))
    density = lambda y: (
        (weights / np.sqrt(variances) * np.exp(-((y[:, None] - means) ** 2) / 2 / variances)).sum(
            -1
        )
        + 1e-300
    )
    x, ts = np.array([-1.0, 0.25, 2.0]), np.array([0.75, 0.5, 0.25])
    wanted = np.array([flow.foellmer(density, x[i : i + 1], t)[0] for i, t in enumerate(ts)])
    got = drifts(law, *cast(dtype, np.append(x, 0.0)[:, None], np.append(ts, 1.0)))
    close(
        got[:3, 0],
        wanted,
        ulps=16,
        scale=(np.abs(x) + 2) / ts,
        why="(D - x)/t, D with a softmax of log-densities",
    )
    close(got[3], [weights @ means], ulps=4, scale=2, why="at 0 nothing is known: towards the mean")
    points = diffx.PointSet(*cast(dtype, [[[1.0, 2.0]], [[3.0, -1.0]]]))  # events of shape (1, 2)
    close(
        drifts(points, *cast(dtype, np.zeros((1, 1, 2)), [1.0])),
        [[[2.0, 0.5]]],
        ulps=4,
        why="the mean of two points",
    )


couplings = jax.jit(lambda p, q, std: diffx.flow_matching.entropic_coupling(p, q, std=std))


@claim(
    "BRN-08",
    "The Schroedinger bridge of Gaussians has the coupling that Sinkhorn's iteration finds, from "
    "optimal transport to independence",
    of=("diffx.flow_matching.entropic_coupling", "diffx.flow_matching.gaussian_ot_coupling"),
    source="Bunne et al. 2023, arXiv:2202.05722; Mallasto, Gerolin and Minh 2022, arXiv:2006.03416",
    grade="computed law",
)
@FEW_PAIRS
@given(
    mean=st_.points(D),
    cov=plane_covariances(),
    other=plane_covariances(),
    std=st_.log_uniform(0.75, 2.0),
)
def test_entropic_coupling_is_the_fixed_point_of_sinkhorn(dtype, mean, cov, other, std):
    """Both covariances fitted in turn; std = 1e-5 is optimal transport, std = 1e5 leaves nothing in
    common.
    """
    p, q = gaussian(dtype, mean, cov), gaussian(dtype, -mean / 2, other)
    got = couplings(p, q, jnp.asarray(std, dtype))
    size = np.linalg.cond(cov) * np.sqrt(np.linalg.norm(cov, 2) * np.linalg.norm(other, 2))
    why = "two eigendecompositions"
    close(got.cov[:D, D:], flow.sinkhorn(cov, other, std), ulps=16, scale=size, why=why)
    close(
        got.cov[D:, :D],
        np.asarray(got.cov[:D, D:], np.float64).T,
        ulps=0,
        scale=1,
        why="the transpose",
    )
    close(got.cov[:D, :D], cov, ulps=0, scale=1, why="the first law")
    close(got.cov[D:, D:], other, ulps=0, scale=1, why="the second law")
    close(got.mean, np.concatenate([mean, -mean / 2]), ulps=0, scale=1, why="the two means")
    thin, thick = (
        couplings(p, q, jnp.asarray(1e-5, dtype)).cov,
        couplings(p, q, jnp.asarray(1e5, dtype)).cov,
    )
    root = flow.sqrtm(cov)
    optimal = root @ flow.sqrtm(root @ other @ root) @ np.linalg.inv(root)
    allowed = 1e-10 + 16 * float(jnp.finfo(dtype).eps) * size
    holds(np.abs(np.asarray(thin, np.float64)[:D, D:] - optimal) < allowed, "std -> 0: Cov = C_p T")
    close(
        diffx.flow_matching.gaussian_ot_coupling(p, q).cov[:D, D:],
        optimal,
        ulps=16,
        scale=size,
        why="C_p T",
    )
    holds(np.abs(np.asarray(thick)[:D, D:]) < 1e-8, "std -> infinity: independent")


QUADRATURE = "the trapezoidal rule in log-SNR limits it, not rounding"


@claim(
    "BRN-05",
    "Girsanov: the KL of two path laws bounds the KL of their ends, and for two exact reverse "
    "SDEs it is what the KL gains from start to end",
    of=("diffx.likelihood.path_kl", "diffx.likelihood.frozen_score_kl"),
    source=(
        "Girsanov's theorem and the data-processing inequality; Song et al. 2021, arXiv:2101.09258"
    ),
    grade="bounded",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_path_kl_bounds_the_kl_of_its_end(dtype):
    frozen_scores_end_closer_than_their_paths()
    gained_kl_is_the_path_kl()


@settings(max_examples=4)
@given(
    variances=st_.arrays(2, st_.log_uniform(0.05, 5.0)), ts=st_.grids(4, 0.0625, 1.0, gap=0.03125)
)
def frozen_scores_end_closer_than_their_paths(variances, ts):
    """The exact law of the coded Euler-Maruyama on reversed Brownian motion, against the
    marginal.
    """
    at_the_end, along = (
        float(kl) for kl in kl_of_end_and_path(Brownian(4.0), *cast(np.float64, variances, ts))
    )
    below(at_the_end, along * (1 + 1e-12), "processing loses information")
    below(0.0, at_the_end, "and the end is not exact")


@jax.jit
def kl_of_end_and_path(process, variances, ts):
    law = diffx.GaussianLaw(jnp.zeros(2), variances)
    sampler = diffx.euler_maruyama(process, diffx.denoiser(process, law))
    end = diffx.exact_law(sampler, diffx.marginal(process, law, ts[0]), ts)
    return diffx.kl(diffx.marginal(process, law, ts[-1]), end), diffx.likelihood.frozen_score_kl(
        process, law, ts
    )


def gained_kl_is_the_path_kl():
    """KL(p_s || q_s) - KL(p_t || q_t) by closed forms at both ends of a short path, in order 2;
    less for every model.
    """
    p, q = two_axes(np.float64), diffx.GaussianLaw(jnp.array([0.0, 0.5]), jnp.array([1.0, 0.75]))
    draws, steps = cast(np.float64, *gaussian_draws(MEAN, np.diag(VARIANCES))), (8, 16, 32)
    ls = [oracle(vp).log_snr(t) for t in (0.75, 0.125)]
    *found, alike = path_kls(vp(), p, q, *draws, [grid(vp(), *ls, n) for n in steps])
    gained = gaussian_kl(oracle(vp), 0.125) - gaussian_kl(oracle(vp), 0.75)
    slope(steps, np.abs(np.array(found) - gained), order=2, why="the trapezoidal rule in log-SNR")
    holds(
        float(alike) > float(found[-1]),
        "without weights the outer nodes count as much as the inner ones",
    )


@jax.jit
def path_kls(process, p, q, x0, eps, weights, grids):
    """path_kl on every grid, and once without weights."""
    told = process, diffx.denoiser(process, p), diffx.denoiser(process, q), x0, eps
    return [
        *(diffx.likelihood.path_kl(*told, ts, weights=weights) for ts in grids),
        diffx.likelihood.path_kl(*told, grids[-1]),
    ]


def gaussian_kl(path, t):
    """KL of the two laws of `gained_kl_is_the_path_kl` at time t, one direction at a time."""
    a, s2 = path.alpha(t), path.variance(t)
    v, w = a**2 * VARIANCES + s2, a**2 * np.array([1.0, 0.75]) + s2
    return ((v + (a * (MEAN - [0.0, 0.5])) ** 2) / w - 1 - np.log(v / w)).sum() / 2


@claim(
    "BRN-07",
    "Running Brownian motion backwards without the score costs (1/2) log((L + T)/L) nats in each "
    "direction",
    of="diffx.likelihood.path_kl",
    source="derived here, from Girsanov's theorem and de Bruijn's identity",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=QUADRATURE,
)
def test_ignoring_the_score_costs_the_entropy_that_noise_added(dtype):
    """The denoiser x/alpha has no score; T = 1/SNR at the noisy end."""
    process, (x0, eps, weights) = (
        diffx.RectifiedFlow(),
        cast(np.float64, *gaussian_draws(MEAN, np.diag(VARIANCES))),
    )
    ts = grid(process, -14.0, 20.0, 136)
    got = diffx.likelihood.path_kl(
        process, diffx.denoiser(process, two_axes(np.float64)), stay, x0, eps, ts, weights=weights
    )
    wanted = np.log((VARIANCES + np.exp(14.0)) / VARIANCES).sum() / 2
    below(abs(float(got) - wanted), 1e-7, "136 steps; the ends bend by h^2/24 exp(-14) = 2e-9")
