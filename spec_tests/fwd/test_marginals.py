"""Laws under a process: marginals against the moment ODE, Fokker-Planck, contraction in W2 and
KL.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import given, settings
from scipy.stats import multivariate_normal

import diffx
from diffx.denoisers import score
from diffx.laws.covariance import LowRank, dense
from diffx.laws.distances import kl, w2
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.marginals import marginal, prior
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, information as exact
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast
from spec_tests.support.information import (
    TIMES,
    draws_of,
    gaussian_draws,
    law_of,
    mixture,
    moving,
)
from spec_tests.support.laws import (
    EXACT,
    POINTS,
    SHARES_OF_POINTS,
    drawn,
    fields,
    full_covs,
    mixture_of_case,
    mixture_sizes,
)
from spec_tests.support.level import level
from spec_tests.support.paths import PROCESSES, cosine_vp, oracle, rectified_flow, sub_vp, ve, vp
from spec_tests.support.schedules import CLASSES, LOG1P, coefficients_at, transitions

MARGINAL_TIMES = np.array([0.0625, 0.3125, 0.625, 0.9375])
WEIGHTS = np.array([0.5, 0.3125, 0.1875])


@cache
def solved(make, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gain and variance of the SDE from a point, by its moment ODE: at TIMES, or at t = 1."""
    if last and make().pure_noise_at_1:
        return np.zeros(1), np.ones(1)  # f is infinite at t = 1; these paths end in N(0, I)
    return oracle(make).moments(np.array([1.0]) if last else MARGINAL_TIMES)


def gaussian_marginal(process, law: GaussianLaw, t) -> GaussianLaw:
    at = marginal(process, law, t)
    assert isinstance(at, GaussianLaw)
    return at


@jax.jit
def marginals(process, laws, ts):
    """Means and matrices of every law at every time."""

    def one(law, t):
        at = marginal(process, law, t)
        if isinstance(at, MixtureLaw):
            return at.means, jax.vmap(lambda part: dense(part.cov, 3))(at.components()), at.weights
        return at.mean, dense(at.cov, 3), jnp.ones(1)

    return [jax.vmap(lambda t, law=law: one(law, t))(ts) for law in laws]


@jax.jit
def priors(process, laws):
    return [(start.mean, dense(start.cov, 3)) for start in (prior(process, law) for law in laws)]


@jax.jit
def growth(process, law, t):
    """dv/dt by differentiating the coded marginal, and 2 f v and g^2 of the coded SDE."""
    v, rate = jax.jvp(lambda t: gaussian_marginal(process, law, t).cov, (t,), (jnp.ones_like(t),))
    return rate, 2 * process.f(t) * v, process.g(t) ** 2 * jnp.ones_like(v)


@claim(
    "FWD-03",
    "The law of x_t has the moments that the SDE dx = f x dt + g dw gives it, for every process "
    "and form of law",
    of=("diffx.marginal", "diffx.prior", *CLASSES),
    source=(
        "m' = f m, V' = 2 f V + g^2 integrated by DOP853; Song et al. 2021, arXiv:2011.13456, "
        "eq. 29"
    ),
    grade="computed law",
)
@given(mean=st_.points(3), means=st_.points(3, 3), variances=st_.variances(3), q=st_.rotations(3))
def test_marginals_are_what_the_sde_makes_of_the_data(dtype, mean, means, variances, q):
    """d/dt (a^2 L + s^2) = 2 f v + g^2."""
    laws, wanted = laws_and_moments(dtype, mean, means, variances, q)
    has_moments(sub_vp, laws, wanted, dtype)  # every form of law
    for make in PROCESSES:
        has_moments(make, laws[1:2], wanted[1:2], dtype)
        rate, pull, push = (
            np.asarray(v, np.float64) for v in growth(make(), laws[1], jnp.asarray(0.375, dtype))
        )
        size = 4 * (np.abs(rate) + np.abs(pull) + push)
        close(
            (rate - pull - push).astype(dtype),
            0 * rate,
            ulps=16,
            scale=size,
            why=f"{make.__name__}: V' = 2 f V + g^2 of the coded f, g",
        )


def has_moments(make, laws, wanted, dtype):
    """The marginals at TIMES and the priors are what the SDE makes of the data's moments."""
    gain, noise = solved(make, False)
    for law, got, (m, c) in zip(
        laws, marginals(make(), laws, jnp.asarray(MARGINAL_TIMES, dtype)), wanted, strict=True
    ):
        is_noised(got[0], got[1], m, c, gain, noise, dtype)
        if not isinstance(law, GaussianLaw):
            close(
                got[2],
                np.tile(WEIGHTS, (4, 1)),
                ulps=2,
                scale=1,
                why="components keep their weights",
            )
    gain, noise = solved(make, True)
    for got, (m, c) in zip(priors(make(), laws), gaussian_moments(laws, wanted), strict=True):
        is_noised(got[0][None], got[1][None], m, c, gain, noise, dtype)


def laws_and_moments(dtype, mean, means, variances, q):
    """One law of each form, and its component means and covariances in float64."""

    def cast(x):
        return jnp.asarray(x, dtype)

    q = q.astype(dtype)
    full, low = st_.rotated(variances, q), q[:, :2]
    laws = [
        GaussianLaw(cast(mean), cast(full)),
        GaussianLaw(cast(mean), cast(variances)),
        GaussianLaw(cast(mean), cast(variances[0])),
        GaussianLaw(cast(mean), LowRank(cast(low), cast(variances[:2]), cast(variances[2]))),
        MixtureLaw(cast(WEIGHTS), cast(means), cast(np.outer([1, 2, 4], variances))),
        PointSet(cast(means), cast(WEIGHTS)),
    ]
    low = low.astype(np.float64)
    part = low * variances[:2] @ low.T + variances[2] * (np.eye(3) - low @ low.T)
    inner = np.array([np.diag(k * variances) for k in (1, 2, 4)])
    covariances = [full, np.diag(variances), variances[0] * np.eye(3), part]
    return laws, [*((mean, c) for c in covariances), (means, inner), (means, 0 * inner)]


def gaussian_moments(laws, wanted):
    """Mean and covariance of each law; of the mixtures by numpy's weighted statistics of their
    points.
    """
    return [
        pair if isinstance(law, GaussianLaw) else of_parts(*pair)
        for law, pair in zip(laws, wanted, strict=True)
    ]


def of_parts(means, inner):
    return WEIGHTS @ means, np.cov(means.T, aweights=WEIGHTS, ddof=0) + np.tensordot(
        WEIGHTS, inner, 1
    )


def is_noised(got_mean, got_cov, mean, cov, gain, noise, dtype):
    """Mean gain m, covariance gain^2 C + noise I, at each time."""
    lead = (slice(None), *[None] * np.ndim(mean))
    square = (*lead, None)
    oracle_error = max(1.0, 1e-12 / 16 / np.finfo(dtype).eps)  # DOP853 is right to 1e-12
    steep = 1 + np.abs(np.log(np.maximum(gain, 1e-3)))  # exp(-B/2) is rounded by B/2
    size = gain * steep * (1 + np.abs(mean).max()) * oracle_error
    close(
        got_mean,
        gain[lead] * mean,
        ulps=16,
        scale=size[lead] * np.ones_like(gain[lead] * mean),
        why="alpha m",
    )
    wanted = gain[square] ** 2 * cov + noise[square] * np.eye(cov.shape[-1])
    # the moments of a mixture square its means; a basis is orthonormal to rounding
    largest = np.abs(cov).max() + 4 * (np.abs(mean).max() ** 2 if np.ndim(mean) == 1 else 0)
    size = (gain**2 * steep * largest + noise * (1 + np.log1p(noise))) * oracle_error
    close(
        got_cov,
        wanted,
        ulps=16,
        scale=size[square] * np.ones_like(wanted),
        why="alpha^2 C + sigma^2 I",
    )


@jax.jit
def distances(p, q):
    return kl(p, q), kl(q, p), w2(p, q)


@jax.jit
def noised_distances(process, p, q, t):
    p_t, q_t = gaussian_marginal(process, p, t), gaussian_marginal(process, q, t)
    unit = GaussianLaw(jnp.zeros_like(p.mean), jnp.ones((), p.mean.dtype))
    moved = gaussian_marginal(process, GaussianLaw(p.mean + 1, p.cov), t)
    return w2(p_t, q_t), kl(p_t, unit), w2(p_t, moved), kl(p, unit), w2(p, q)


@jax.jit
def unit_at(process, t):
    law = gaussian_marginal(process, GaussianLaw(jnp.zeros(3, t.dtype), jnp.ones(3, t.dtype)), t)
    return law.mean, law.cov


@claim(
    "FWD-07",
    "VP keeps N(0, I) and contracts: W2(p_t, q_t) <= exp(-B/2) W2(p_0, q_0), KL(p_t || N) <= "
    "exp(-B) KL(p_0 || N)",
    of=("diffx.VP", "diffx.kl", "diffx.w2", "diffx.marginal"),
    source="Bakry-Emery for the Ornstein-Uhlenbeck process; synchronous coupling",
    grade="bounded",
)
@given(
    means=st_.points(2, 3),
    values=st_.arrays((2, 3), st_.log_uniform(0.125, 8.0)),
    q=st_.rotations(3),
    t=st_.times(0.01, 1),
)
def test_variance_preserving_paths_contract_to_the_unit_gaussian(dtype, means, values, q, t):
    """N(0, I) is invariant; equality in W2 for translates; KL and W2 are the textbook's."""
    p_cov, q_cov = st_.rotated(values[0], q), np.diag(values[1])
    p, r = (
        GaussianLaw(jnp.asarray(m, dtype), jnp.asarray(c, dtype))
        for m, c in zip(means, (p_cov, q_cov), strict=True)
    )
    are_textbook(distances(p, r), means, p_cov, q_cov)
    flat = [
        GaussianLaw(jnp.asarray(m, dtype), jnp.asarray(v, dtype))
        for m, v in zip(means, values, strict=True)
    ]
    are_textbook(distances(*flat), means, np.diag(values[0]), q_cov)
    mixed = distances(p, flat[1])
    are_textbook(mixed, means, p_cov, q_cov)
    contract = float(oracle(vp).alpha(t))
    # the distances are rounded in ulps of the laws, times condition 64
    lost = 1e3 * float(np.finfo(dtype).eps)
    got = [float(v) for v in noised_distances(vp(), p, r, jnp.asarray(t, dtype))]
    below(got[0], contract * got[4] * (1 + lost) + lost, "W2 contracts by exp(-B/2)")
    below(
        got[1],
        contract**2 * got[3] * (1 + lost) + lost * (1 + np.abs(means).max() ** 2),
        "KL contracts by exp(-B)",
    )
    size = contract * (3 + np.abs(means).max())
    close(
        np.asarray(got[2], dtype),
        contract * np.sqrt(3),
        ulps=16,
        scale=size + 8,
        why="translates contract by exp(-B/2) exactly",
    )
    for make in [make for make in PROCESSES if make().variance_preserving]:
        mean, cov = unit_at(make(), jnp.asarray(t, dtype))
        holds(mean == 0, f"{make.__name__}: the mean stays 0")
        close(
            cov,
            np.ones(3),
            ulps=16,
            scale=1,
            why=f"{make.__name__}: alpha^2 + sigma^2 = 1; exp(-B) is rounded by B < 7",
        )


def are_textbook(got, means, p, q):
    """KL both ways and W2 by determinants, inverses and matrix roots of scipy in float64."""
    for value, (a, b) in zip(got, ((p, q), (q, p)), strict=False):
        wanted, size = textbook_kl(means[0] - means[1], a, b)
        close(
            value,
            wanted,
            ulps=64,
            scale=size,
            why="eigenvalues of a quotient, whose condition is 64",
        )
    gap = ((means[0] - means[1]) ** 2).sum()
    root = matrix_root(p)
    squared = gap + np.trace(p + q - 2 * matrix_root(root @ q @ root))
    size = np.trace(p + q) + gap
    close(
        np.asarray(got[2]) ** 2,
        squared,
        ulps=64,
        scale=size,
        why="W2^2 is a sum of squares of differences of roots",
    )


def matrix_root(c) -> np.ndarray:
    return np.real(np.asarray(scipy.linalg.sqrtm(c)))


def textbook_kl(shift, a, b):
    inverse = np.linalg.inv(b)
    terms = (
        np.trace(inverse @ a),
        shift @ inverse @ shift,
        np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1],
    )
    return (sum(terms) - 3) / 2, abs(terms[0]) + abs(terms[1]) + abs(terms[2]) + 3


@jax.jit
def fokker_planck(process, law, xs, t):
    """The terms of d_t log p + div(f x) + f x.grad log p - g^2/2 (Lap log p + |grad log p|^2) at
    points xs.
    """

    def log_p(x, t):
        return marginal(process, law, t).log_prob(x)

    def terms(x):
        gradient, slope = jax.grad(log_p, (0, 1))(x, t)
        half = process.g(t) ** 2 / 2
        laplacian = jnp.trace(jax.hessian(log_p)(x, t))
        flow = process.f(t) * x.size + process.f(t) * (x * gradient).sum()
        return jnp.stack([slope, flow, -half * laplacian, -half * (gradient**2).sum()])

    return jax.vmap(terms)(xs)


@claim(
    "FWD-08",
    "The density of a noised mixture solves the Fokker-Planck equation of its process",
    of=("diffx.marginal", "diffx.MixtureLaw"),
    source="d_t p + div(f x p) = g^2/2 Lap p; Song et al. 2021, arXiv:2011.13456, appendix D",
    grade="identity",
)
@given(
    means=st_.points(3, 2),
    variances=st_.arrays((3, 2), st_.log_uniform(0.1, 4.0)),
    xs=st_.points(4, 2),
)
def test_noised_mixture_solves_the_fokker_planck_equation(dtype, means, variances, xs):
    """d_t p + div(f x p) - g^2/2 Lap p = 0, divided by p, at random points."""
    law = MixtureLaw(*(jnp.asarray(v, dtype) for v in (WEIGHTS, means, variances)))
    for make in (
        sub_vp,
        ve,
        rectified_flow,
    ):  # FWD-02 ties f and g of all processes; here it is the density that is on trial
        path, t = oracle(make), 0.3125
        alpha, v = path.alpha(t), path.alpha(t) ** 2 * variances + path.variance(t)
        terms = np.asarray(
            fokker_planck(make(), law, jnp.asarray(xs, dtype), jnp.asarray(t, dtype)), np.float64
        )
        away = np.abs(xs[:, None, :] - alpha * means).max(1) ** 2 / v.min(0)
        # what the components' terms amount to
        steep = (path.g2(t) * away / v.min(0) + np.abs(path.f(t)) * away).sum(1)
        size = (np.abs(terms).sum(1) + steep) * (1 + away.sum(1))  # shares exp(u) are rounded by u
        close(
            terms.sum(1).astype(dtype),
            np.zeros(4),
            ulps=16,
            scale=size,
            why=f"{make.__name__}: the terms cancel",
        )


# --- scale --------------------------------------------------------------------------------------


@claim(
    "FWD-20",
    "Data scaled by c are the data at a log-SNR that is higher by 2 log c: D_cp(x; alpha, sigma) "
    "= c D_p(x/c; alpha, sigma/c)",
    of=EXACT,
    source=(
        "Chen 2023, arXiv:2301.10972 (whose abstract says log c: half of it); Hoogeboom et al. "
        "2023, arXiv:2301.11093"
    ),
    grade="identity",
)
@given(case=drawn(), c=st_.log_uniform(0.25, 4.0))
@settings(max_examples=8)
def test_scaling_the_data_shifts_the_log_snr(dtype, case, c):
    """Both sides coded, and both against Bayes for the scaled mixture; points too. Noise is not
    scaled.
    """
    covs = full_covs(case)
    x, told = (
        case.x.astype(dtype).astype(np.float64),
        (case.weights, c * case.means, c**2 * covs, case.a, case.s),
    )
    exact, sizes = bayes.gmm_posterior(*told, x).mean, mixture_sizes(*told, x, axes=False)
    big, small = (
        mixture_of_case(case, c * case.means, c**2 * covs, dtype),
        mixture_of_case(case, case.means, covs, dtype),
    )
    here, t = level(case.a, case.s, dtype)
    there, _ = level(case.a, case.s / c, dtype)
    scaled, shifted = (
        fields(here, big, jnp.asarray(x, dtype), t)[0],
        fields(there, small, jnp.asarray(x / c, dtype), t)[0],
    )
    close(scaled, exact, ulps=16, scale=sizes.denoised, why="the denoiser of the scaled data")
    close(
        c * shifted,
        exact,
        ulps=32,
        scale=sizes.denoised,
        why="c D(x/c) at log-SNR l + 2 log c; inputs rounded anew",
    )
    points, weights = jnp.asarray(POINTS, dtype), jnp.asarray(SHARES_OF_POINTS, dtype)
    xs = jnp.asarray(x[:, :2], dtype)
    first, second = (
        fields(here, PointSet(c * points, weights), xs, t),
        fields(there, PointSet(points, weights), xs / c, t),
    )
    reach = (np.abs(x[:, :2]).max() + 2 * case.a * c) ** 2 / case.s**2
    close(
        first[0],
        c * np.asarray(second[0], np.float64),
        ulps=16,
        scale=2 * c * (1 + reach),
        why="logits of size |x|^2/2s^2",
    )
    steep = (2 * c * case.a * (1 + reach) + np.abs(x[:, :2]).max()) / case.s**2
    close(
        first[1],
        np.asarray(second[1], np.float64) / c,
        ulps=16,
        scale=steep,
        why="score_cp(x) = score_p(x/c)/c",
    )


# --- terms --------------------------------------------------------------------------------------


@jax.jit
def prior_kls(processes, x0, prior):
    """Against N(0, I) and against a law, for every process: one compilation."""
    return [
        (
            diffx.likelihood.prior_kl(process, x0),
            diffx.likelihood.prior_kl(process, x0, prior=prior),
        )
        for process in processes
    ]


@claim(
    "FWD-13",
    "The prior term is KL(q(x_1 | x_0) || N(0, I)) = sum [alpha^2 x_0^2 + sigma^2 - 1 - log "
    "sigma^2]/2: 7e-6 bits for DDPM",
    of="diffx.likelihood.prior_kl",
    source="Ho et al. 2020, arXiv:2006.11239: 1e-5 bits per dimension",
    grade="computed law",
)
def test_prior_term_is_the_kl_at_the_end(dtype):
    """The mean of log q - log p over q by Hermite, exact for quadratics; any prior; pictures; the
    chain of 1000 steps.
    """
    x0 = np.array([[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 0.0]])
    mean, cov = np.array([0.5, 0.25, -0.5, 1.0]), np.diag([1.0, 2.0, 0.5, 4.0]) + 0.25
    prior = diffx.GaussianLaw(*cast(dtype, mean, cov))
    nodes, weights = bayes.hermite(3, 4)
    makers = (vp, cosine_vp, ve)
    told = prior_kls([make() for make in makers], jnp.asarray(x0.reshape(2, 2, 2), dtype), prior)
    for make, found in zip(makers, told, strict=True):
        path = oracle(make)
        a, s = float(path.alpha(1.0)), float(path.sigma(1.0))
        for got, m, c in zip(found, (np.zeros(4), mean), (np.eye(4), cov), strict=True):
            x = a * x0[:, None] + s * nodes
            log_q = np.stack(
                [
                    multivariate_normal(a * row, s**2 * np.eye(4)).logpdf(points)
                    for row, points in zip(x0, x, strict=True)
                ]
            )
            wanted = (weights * (log_q - multivariate_normal(m, c).logpdf(x))).sum(1)
            terms = ((a * x0 - m) ** 2).sum(1) / np.linalg.eigvalsh(c).min() + 4 * (
                1 + s**2 / np.linalg.eigvalsh(c).min()
            )
            close(
                got, wanted, ulps=32, scale=terms, why="squares over variances, and r - log(1 + r)"
            )
    betas = np.linspace(1e-4, 0.02, 1000).astype(dtype)
    got = diffx.likelihood.prior_kl(
        diffx.DDPMChain(jnp.asarray(betas)), jnp.full((1, 8), 0.252**0.5, dtype)
    ) / (8 * float(np.log(2)))
    below(
        np.abs(np.asarray(got) - 7.3e-6),
        5e-8,
        "of data with mean square .252, as CIFAR-10 has: the two digits in print",
    )
    kept = np.prod(1 - betas.astype(np.float64))
    wanted = np.array([(kept * (0.252 - 1) - np.log1p(-kept)) / np.log(4)])
    close(got, wanted, ulps=256, why="products of 1000 links")


@jax.jit
def rates_of_entropy(processes, law, x0, eps, ts, weights):
    """At every time for every process: one compilation."""
    one = lambda p, t: diffx.likelihood.entropy_rate(
        p, diffx.denoiser(p, law), x0, eps, t, weights=weights
    )
    return jnp.stack([jnp.stack([one(p, t) for t in ts]) for p in processes])


@claim(
    "FWD-16",
    "Entropy grows at the rate d f + (g^2/2) E|score|^2: de Bruijn's identity with a drift",
    of="diffx.likelihood.entropy_rate",
    source="Stam 1959; derived here for a drift",
    grade="computed law",
)
def test_entropy_grows_by_drift_and_fisher_information(dtype):
    """Gaussians in two dimensions: sum v'/(2 v); a mixture: -int p' log p with the derivative of
    its density.
    """
    mean, variances = np.array([0.5, -1.0]), np.array([2.0, 0.25])
    draws, law = (
        gaussian_draws(mean, np.diag(variances)),
        diffx.GaussianLaw(*cast(dtype, mean, variances)),
    )
    found = rates_of_entropy(
        [make() for make in PROCESSES], law, *cast(dtype, *draws[:2], TIMES, draws[2])
    )
    for make, rates in zip(PROCESSES, found, strict=True):
        for t, got in zip(TIMES, rates, strict=True):
            path = oracle(make)
            rate = 2 * path.alpha(t) * path.alpha_rate(t) * variances + 2 * path.sigma(
                t
            ) * path.sigma_rate(t)
            v = path.alpha(t) ** 2 * variances + path.variance(t)
            close(
                got,
                (rate / v).sum() / 2,
                ulps=64,
                scale=rates_scale(path, t, variances.min()),
                why=make.__name__,
            )
    p = mixture()
    x0, eps, weights = cast(dtype, *draws_of(p))
    some, ts = PROCESSES[:2], jnp.asarray([0.25], dtype)
    found = rates_of_entropy([make() for make in some], law_of(p, dtype), x0, eps, ts, weights)[
        :, 0
    ]
    for make, got in zip(some, found, strict=True):
        path = oracle(make)
        now, rates = moving(path, p, 0.25)
        wanted = np.array(exact.entropy_rate(now, *rates))
        close(
            got,
            wanted,
            ulps=64,
            scale=rates_scale(path, 0.25, 0.25),
            why="97^2 scores; the oracle conserves mass to 1e-14",
        )


def rates_scale(path, t, least):
    """What is rounded: d f, and g^2/2 times the score's two terms, |x| + alpha |D| over sigma^2
    times the score.
    """
    sharp = 1 / np.sqrt(path.alpha(t) ** 2 * least + path.variance(t))
    size = path.sigma(t) + 3 * path.alpha(t)
    return np.abs(path.f(t)) + path.g2(t) * sharp * (sharp + size / path.variance(t))


@claim(
    "FWD-04",
    "Two transitions in a row are the transition of the whole, and sigma_{t|s}^2 = sigma_t^2 - "
    "alpha_{t|s}^2 sigma_s^2",
    of=("diffx.transition", *CLASSES),
    source="Chapman-Kolmogorov; Kingma et al. 2021, arXiv:2107.00630, appendix A",
    grade="identity",
)
@given(grid=st_.grids(2, 1e-3, 0.999))
def test_transitions_compose_and_match_the_difference_of_variances(dtype, grid):
    """a_{t|r} = a_{t|s} a_{s|r}; s^2_{t|r} = a_{t|s}^2 s^2_{s|r} + s^2_{t|s}; the step from t to t
    is the identity.
    """
    t, s, r = grid
    ends = np.array([t, s, t, t]), np.array([s, r, r, t])
    for make in PROCESSES:
        path = oracle(make)
        got, step = transitions(make(), *(jnp.asarray(v, dtype) for v in ends))
        alpha, sigma = path.transition(*ends)
        powers = 1 + np.abs(np.log(path.alpha(ends[0])))
        close(
            got.alpha,
            alpha,
            ulps=8,
            scale=alpha * powers,
            why=f"{make.__name__}: a quotient of two alphas",
        )
        wide = 1 + np.log1p(path.sigma(ends[0]) / 0.03)
        close(
            got.sigma,
            sigma,
            ulps=16,
            scale=sigma * wide * LOG1P[dtype.name],
            why=f"{make.__name__}: expm1 of the increment keeps all digits",
        )
        a, v = (np.asarray(part, np.float64) for part in (got.alpha, got.sigma**2))
        joined = a[0] ** 2 * v[1] + v[0]
        close(
            got.sigma[2] ** 2,
            joined,
            ulps=64,
            scale=joined * powers[0] * wide[0] * LOG1P[dtype.name],
            why=f"{make.__name__}: through s and at once: the same law",
        )
        holds(
            (v[:3] > 0) & (v[3] == 0), f"{make.__name__}: variances are positive, and 0 where s = t"
        )
        close(got.alpha[3], 1.0, ulps=2, why=f"{make.__name__}: x/x, which a GPU divides to 2 ulps")
        holds(step[3] == 0, f"{make.__name__}: no step, no increment")


@jax.jit
def score_equation(process, law, x, t, f, g):
    """d_t score, and the gradients of g^2/2 div score, g^2/2 |score|^2 and f x . score."""
    now = jax.jvp(lambda t: score(process, law)(x, t), (t,), (jnp.ones_like(t),))[1]
    field = lambda y: score(process, law)(y, t)
    terms = (
        lambda y: g**2 / 2 * jnp.trace(jax.jacfwd(field)(y)),
        lambda y: g**2 / 2 * (field(y) ** 2).sum(),
        lambda y: f * (y * field(y)).sum(),
    )
    return now, jnp.stack([jax.grad(term)(x) for term in terms])


@claim(
    "FWD-09",
    "The score obeys its own Fokker-Planck equation: d_t s = grad[g^2/2 div s + g^2/2 |s|^2 - f x "
    ". s - d f]",
    of=("diffx.score", "diffx.denoisers.mixture_score", *CLASSES),
    source="Lai et al. 2023, arXiv:2210.04296",
    grade="identity",
)
def test_scores_of_mixtures_obey_the_score_equation(dtype):
    """Derivatives of the coded score with the coded f and g, at the alpha, sigma, alpha', sigma' of
    the papers.
    """
    law = MixtureLaw(
        *(
            jnp.asarray(v, dtype)
            for v in ([0.25, 0.75], [[1.5, -0.5], [-1.0, 0.25]], [[0.5, 1.0], [0.75, 0.25]])
        )
    )
    x = jnp.asarray([0.5, -0.375], dtype)
    for make in PROCESSES:
        path = oracle(make)
        drift, diffusion, _ = coefficients_at(
            make(), jnp.asarray([0.1875, 0.4375, 0.5, 0.5, 0.5], dtype)
        )
        for t, f, g in zip((0.1875, 0.4375), drift, diffusion, strict=False):
            numbers = [
                float(part(t))
                for part in (path.alpha, path.sigma, path.alpha_rate, path.sigma_rate)
            ]
            process, now = level(*numbers[:2], dtype, rates=(numbers[2], numbers[3]))
            left, terms = (
                np.asarray(v, np.float64) for v in score_equation(process, law, x, now, f, g)
            )
            right = terms[0] + terms[1] - terms[2]
            size = (
                np.abs(terms).sum() + (numbers[2] ** 2 + numbers[3] ** 2) ** 0.5 / numbers[1] ** 3
            )
            close(
                left.astype(dtype),
                right,
                ulps=16,
                scale=size,
                why=f"{make.__name__}: third derivatives, at noise sigma",
            )
