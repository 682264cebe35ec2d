"""CFG: what guided samplers really sample from Gaussians and mixtures, against moment ODEs and the
tilted law.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import diffx
from diffx.guidance._integrals import expm1_over, log1p_over
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import guidance
from spec_tests.oracles.guidance import Gaussians
from spec_tests.support import strategies as st_
from spec_tests.support.guidance import law, one, output
from spec_tests.support.paths import PROCESSES, oracle, rectified_flow, sub_vp, trig

D = 4
LIMITED = {"dtypes": ("float64",), "why_dtypes": "an order of convergence, or an integral to 1e-12"}
weights_of_guidance = st_.floats(-1.0, 9.0)
variances = st_.arrays(D, st_.log_uniform(0.25, 4.0))


def number_of(law: diffx.GaussianLaw) -> tuple[float, float]:
    """Mean and variance of a law in one dimension."""
    return float(law.mean[0]), float(np.asarray(law.cov).ravel()[0])


@jax.jit
def exact_laws(cond, uncond, w, start, t, s):
    """Both laws of a process with alpha^2 + sigma^2 != 1; compiled once for diagonals and once for
    matrices.
    """
    return [
        law(sub_vp(), cond, uncond, w=w, start=start, t=t, s=s)
        for law in (diffx.guidance.guided_flow_law, diffx.guidance.guided_sde_law)
    ]


def laws_follow_the_moments(dtype, eta, cond, uncond, start, w, t, s):
    """From any law at t against quadrature of the moment ODE."""
    times = [jnp.asarray(value, dtype) for value in (t, s)]
    got = exact_laws(
        law(dtype, *cond), law(dtype, *uncond), jnp.asarray(w, dtype), law(dtype, *start), *times
    )[int(eta)]
    end, _, reach = expected(oracle(sub_vp), eta, cond, uncond, start, w, t, s)
    steep = 8 + abs(w) + abs(w - 1)  # the oracle's rounding is some 50 ulps of float64
    close(
        got.mean,
        end.mean,
        ulps=8 * steep,
        scale=reach,
        why="powers of rounded ratios; 64 terms of one sign",
    )
    close(
        got.cov,
        end.variance,
        ulps=8 * steep,
        why="powers w and 1 - w of rounded ratios; two terms of one sign",
    )


def laws_turn_with_the_axes(dtype, eta, cond, uncond, start, w, t, s):
    """Common eigenvectors in general position, and a start that shares none of them."""
    basis = st_.rotation(7, D)
    turned = lambda values: (basis * values) @ basis.T
    laws = [
        law(dtype, basis @ part.mean, symmetric(turned(part.variance))) for part in (cond, uncond)
    ]
    begin, times = (
        law(dtype, basis @ start.mean, start.variance),
        [jnp.asarray(value, dtype) for value in (t, s)],
    )
    got = exact_laws(*laws, jnp.asarray(w, dtype), begin, *times)[int(eta)]
    end, gain, reach = expected(oracle(sub_vp), eta, cond, uncond, start, w, t, s)
    fresh = end.variance - gain**2 * start.variance
    cov = turned(fresh) + turned(gain) @ np.diag(start.variance) @ turned(gain)
    loose = 30 * (4 + abs(w) + abs(w - 1)) * stiffness(cond, uncond)
    close(
        got.mean,
        basis @ end.mean,
        ulps=loose,
        scale=reach.max(),
        why="eigenvectors turn by eps over the least gap",
    )
    close(
        got.cov,
        cov,
        ulps=loose,
        scale=np.abs(cov).max() + gain.max() ** 2,
        why="eigenvectors turn by eps over the least gap",
    )


def expected(path, eta, cond, uncond, start, w, t, s):
    """Moments at s in data units, the gain of deviations, and the size of the terms of the mean."""
    a_t, a_s = float(path.alpha(t)), float(path.alpha(s))
    high, low = float(path.variance(t)) / a_t**2, float(path.variance(s)) / a_s**2
    begin = Gaussians(start.mean / a_t, start.variance / a_t**2)
    end = guidance.moments(cond, uncond, w, eta, begin, high, low)
    still = guidance.moments(
        cond, uncond, w, eta, Gaussians(begin.mean, 0 * begin.variance), high, low
    )
    gain = np.sqrt(np.maximum(end.variance - still.variance, 0) / begin.variance) * a_s / a_t
    swap = cond.variance > uncond.variance
    ratio = (cond.variance + low) / (uncond.variance + low)
    of_pull = guidance.whole_pull_of_sde if eta else guidance.whole_pull
    pull = np.abs(of_pull(np.where(swap, 1 - w, w), np.where(swap, 1 / ratio, ratio)))
    sizes = np.abs(cond.mean) + np.abs(uncond.mean)
    reach = a_s * sizes * (1 + pull) + gain * (np.abs(start.mean) + a_t * sizes)
    return Gaussians(a_s * end.mean, a_s**2 * end.variance), gain, reach


def stiffness(cond, uncond) -> float:
    """Sum of eigenvalues over the least gap, of the sum whose eigenvectors are taken."""
    mixed = np.sort(
        cond.variance / cond.variance.sum() + 0.618 * uncond.variance / uncond.variance.sum()
    )
    return float(1 / np.diff(mixed).min())


def symmetric(a: np.ndarray) -> np.ndarray:
    return (a + a.T) / 2


@claim(
    "CFG-02",
    "p_c^w p_u^(1-w) can be normalised exactly where w/L_c + (1-w)/L_u > 0: always for w >= 1 and "
    "L_c <= L_u, otherwise up to a boundary",
    of="diffx.guidance.tilted_law",
    source="completing the square; the boundary: derived here",
    grade="identity",
)
def test_tilted_law_is_proper_where_its_precision_is_positive(dtype):
    for cond, uncond, _, w, *_ in cases():
        tilting_completes_the_square(dtype, cond, uncond, w if w <= 1 else 1 + w / 16)
    boundaries_are_sharp(dtype)
    folklore_has_its_numbers(dtype)


def tilting_completes_the_square(dtype, cond, uncond, w):
    wanted, shares = (
        guidance.tilted(cond, uncond, w),
        np.abs([w / cond.variance, (1 - w) / uncond.variance]),
    )
    proper = wanted.variance > 0
    got = tilted(law(dtype, *cond), law(dtype, *uncond), jnp.asarray(w, dtype))
    lost = shares.sum(0) * np.abs(wanted.variance)  # how much of the precisions cancels
    reach = np.abs(uncond.mean) + lost * np.abs(cond.mean - uncond.mean)
    close(
        np.asarray(got.mean)[proper],
        wanted.mean[proper],
        ulps=8,
        scale=(lost * reach)[proper],
        why="one difference of precisions",
    )
    close(
        np.asarray(got.cov)[proper],
        wanted.variance[proper],
        ulps=8,
        scale=(lost * wanted.variance)[proper],
        why="likewise",
    )
    holds(np.isnan(np.asarray(got.cov)) == ~proper, "where the precision is negative, traced: NaN")


tilted = jax.jit(lambda cond, uncond, w: diffx.guidance.tilted_law(cond, uncond, w=w))


def boundaries_are_sharp(dtype):
    """L_c = 2 against L_u = 1: below w = 2. L_c = 1 against L_u = 2: above w = -1. In a rotated
    basis too.
    """
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for (l_c, l_u), inside, outside in (
        ((2.0, 1.0), 1.875, 2.0),
        ((1.0, 2.0), -0.875, -1.0),
        ((1.0, 2.0), 100.0, -1.125),
    ):
        pair = [law(dtype, [1.0, 0.0], [0.5, v]) for v in (l_c, l_u)]
        variance = 1 / (inside / l_c + (1 - inside) / l_u)
        close(
            diffx.guidance.tilted_law(*pair, w=inside).cov,
            [0.5, variance],
            ulps=8,
            scale=[0.5, variance**2],
            why="precisions cancel",
        )
        with pytest.raises(
            ValueError, match=r"the precision .* direction 1 .* w must stay (below 2|above -1)"
        ):
            diffx.guidance.tilted_law(*pair, w=outside)
        traced = tilted(*pair, jnp.asarray(outside, dtype))
        holds(np.isnan(np.asarray(traced.cov)) == [False, True], "traced, an improper law is NaN")
    pair = [
        law(dtype, turn @ [1.0, 2.0], symmetric((turn * [0.5, v]) @ turn.T)) for v in (2.0, 1.0)
    ]
    got = diffx.guidance.tilted_law(*pair, w=1.5)
    close(
        got.cov,
        (turn * [0.5, 4.0]) @ turn.T,
        ulps=64,
        scale=16.0,
        why="precisions cancel to a quarter; a basis by eigh",
    )
    close(got.mean, turn @ [1.0, 2.0], ulps=64, why="equal means stay")
    # one law alone tells the directions, on a scale a million times smaller
    round_, narrow = (
        law(dtype, [1.0, 2.0], np.eye(2)),
        law(dtype, [3.0, 4.0], 2**-20 * symmetric((turn * [1.0, 4.0]) @ turn.T)),
    )
    for pair, w in (((round_, narrow), 0.0), ((narrow, round_), 1.0)):
        got = diffx.guidance.tilted_law(*pair, w=w)
        close(got.mean, [3.0, 4.0], ulps=64, why="w = 0 and w = 1 are the laws themselves")
        close(
            got.cov,
            np.asarray(narrow.cov, np.float64),
            ulps=64,
            scale=2**-18,
            why="w = 0 and w = 1 are the laws themselves",
        )


def folklore_has_its_numbers(dtype):
    """2/(w + 1) and 2w/(w + 1) for N(1, 1) in N(0, 2)."""
    for w in (1.0, 3.0, 7.0):
        got = diffx.guidance.tilted_law(law(dtype, [1.0], [1.0]), law(dtype, [0.0], 2.0), w=w)
        close(got.mean, [2 * w / (w + 1)], ulps=4, why="small integers")
        close(np.asarray(got.cov), [2 / (w + 1)], ulps=4, why="small integers")


# --- the two samplers ---------------------------------------------------------------------------


def cases():
    """Pairs of laws, a start, w and two times: far apart, equal, nearly so, and where the two forms
    of an integral meet.
    """
    rng = np.random.default_rng(3)
    for w, t, s in (
        (7.5, 0.75, 0.0),
        (2.25, 0.625, 0.25),
        (0.375, 0.5, 0.125),
        (-0.75, 0.6875, 0.375),
    ):
        means = rng.integers(-80, 81, (3, D)) / 16
        spreads = np.exp2(rng.integers(-8, 9, (3, D)) / 4).astype(np.float32).astype(np.float64)
        cond, uncond, start = (Gaussians(*part) for part in zip(means, spreads, strict=True))
        near = Gaussians(uncond.mean, cond.variance * [1, 1 + 2**-10, 0.5, 2])
        yield cond, uncond, start, w, t, s
        yield cond, near, start, w, t, s


@claim(
    "CFG-03",
    "The guided probability flow samples the geometric mean of the variances, L_c^w L_u^(1-w), "
    "not the harmonic mean",
    of=("diffx.guidance.guided_flow_law", "diffx.guide"),
    source=(
        "Bradley and Nakkiran 2024, arXiv:2408.09000, for L_c = 1, L_u = 2; the general form: "
        "derived here"
    ),
    grade="order",
)
def test_guided_flow_samples_a_geometric_mean(dtype):
    for case in cases():
        laws_follow_the_moments(dtype, 0.0, *case)
    laws_turn_with_the_axes(dtype, 0.0, *next(cases()))
    for make in [make for make in PROCESSES if make().pure_noise_at_1]:
        got = diffx.guidance.guided_flow_law(
            make(), law(dtype, [5.0], [0.25]), law(dtype, [1.0], 4.0), w=1.5
        )
        close(
            np.asarray(got.cov),
            [0.25**1.5 * 4**-0.5],
            ulps=16,
            why=f"{make.__name__}: powers of small integers",
        )
    finite = diffx.guidance.guided_flow_law(
        diffx.EDM(2.0), law(dtype, [5.0], [1.0]), law(dtype, [1.0], 2.0), w=3.0
    )
    close(
        np.asarray(finite.cov),
        [2**-2 * 5 / (5**3 * 6**-2)],
        ulps=16,
        why="powers of small integers: T = 4, v_c = 5, v_u = 6",
    )
    if dtype == np.float64:
        for w, variance in ((3.0, 0.25), (7.0, 0.015625)):
            _, got = number_of(
                diffx.guidance.guided_flow_law(trig(), one(1.0, 1.0), one(0.0, 2.0), w=w)
            )
            below(abs(got - variance), 1e-14, f"2^(1-w) at w = {w}")
        samplers_converge(diffx.ddim, diffx.guidance.guided_flow_law)


@claim(
    "CFG-04",
    "The guided reverse SDE samples L_u (r - r^(2w))/((2w-1)(1-r)), r = L_c/L_u: for large w half "
    "the tilted variance",
    of=("diffx.guidance.guided_sde_law", "diffx.guide"),
    source=(
        "Bradley and Nakkiran 2024, arXiv:2408.09000, for L_c = 1, L_u = 2; the general form: "
        "derived here"
    ),
    grade="order",
)
def test_guided_sde_samples_half_the_tilted_variance(dtype):
    for case in cases():
        laws_follow_the_moments(dtype, 1.0, *case)
    laws_turn_with_the_axes(dtype, 1.0, *next(cases()))
    quotients_are_one_at_zero(dtype)
    pair = law(dtype, [5.0], [0.25]), law(dtype, [1.0], 4.0)
    for make in [make for make in PROCESSES if make().pure_noise_at_1]:
        got = diffx.guidance.guided_sde_law(make(), *pair, w=0.5)  # 2w - 1 = 0: a logarithm
        close(
            np.asarray(got.cov),
            [4 * np.log(16) / 15],
            ulps=16,
            why=f"{make.__name__}: a quotient that is 1 at 0",
        )
        close(
            got.mean,
            [1 + 4 * (1 - 0.25) / (1 - 1 / 16)],
            ulps=16,
            scale=5.0,
            why=f"{make.__name__}: powers of small integers",
        )
    if dtype == np.float64:
        for w, variance in ((3.0, 0.3875), (7.0, 0.15382737)):
            _, got = number_of(
                diffx.guidance.guided_sde_law(trig(), one(1.0, 1.0), one(0.0, 2.0), w=w)
            )
            below(abs(got - (2 - 2 ** (2 - 2 * w)) / (2 * w - 1)), 1e-14, "(2 - 2^(2-2w))/(2w - 1)")
            below(abs(got - variance), 5e-9, f"as printed at w = {w}")
        half = (
            number_of(diffx.guidance.guided_sde_law(trig(), one(1.0, 1.0), one(0.0, 2.0), w=1e6))[1]
            * (1e6 + 1)
            / 2
        )
        below(abs(half - 0.5), 1e-6, "half the tilted variance 2/(w + 1), not twice")
        samplers_converge(diffx.ddpm, diffx.guidance.guided_sde_law)


def quotients_are_one_at_zero(dtype):
    """(exp(x) - 1)/x and log(1 + x)/x, on both sides of where three terms of the series take
    over.
    """
    edge = float(jnp.finfo(dtype).eps) ** (1 / 3)
    x = np.array([-0.5, -1.1, -0.9, -1e-3, 0.0, 1e-3, 0.9, 1.1, 2.0]) * [1, *[edge] * 7, 1]
    x = x.astype(dtype).astype(np.float64)
    at = np.where(x == 0, 1, x)
    for quotient, exact in ((expm1_over, np.expm1), (log1p_over, np.log1p)):
        wanted = np.where(x == 0, 1, exact(at) / at)
        close(
            quotient(jnp.asarray(x, dtype)),
            wanted,
            ulps=4,
            why=f"{exact.__name__}: two roundings; the fourth term is an eighth of an ulp",
        )


def samplers_converge(method, exact):
    """The real sampler with the guided denoiser, N = 100, 200, 400: order 1 to the exact law, and
    far from the tilted one.
    """
    pair, w, ns = (one(1.0, 1.0), one(0.0, 2.0)), 3.0, (100, 200, 400)
    sampler = method(trig(), diffx.guide(*(diffx.denoiser(trig(), part) for part in pair), w=w))
    wanted = np.array(number_of(exact(trig(), *pair, w=w)))
    errors = [np.abs(output(sampler, one(0.0, 1.0), diffx.uniform(n)) - wanted) for n in ns]
    for which, name in enumerate(("mean", "variance")):
        slope(
            ns, [error[which] for error in errors], order=1, why=f"{name} of a first-order sampler"
        )
    away = abs(wanted - number_of(diffx.guidance.tilted_law(*pair, w=w)))
    holds(
        errors[-1] < away / 10, "what comes out is nearer to the exact law than to the tilted one"
    )


# --- means --------------------------------------------------------------------------------------


@claim(
    "CFG-05",
    "The mean of the guided flow is c phi(w), beyond that of the tilted law: it rises to 2.4000 "
    "near w = 7.04 and then falls to 2",
    of="diffx.guidance.guided_flow_law",
    source="Xia et al. 2024, arXiv:2410.18737, for phi and its limit; the peak: derived here",
    grade="computed law",
    **LIMITED,
)
def test_guided_mean_overshoots_and_comes_back(dtype):
    phi = mean_of_flow(trig())
    printed = {1: 1.0, 2: 1.623225, 4: 2.217419, 7.5: 2.397927, 30: 2.0824, 300: 2.0068}
    for w, value in printed.items():
        below(abs(phi(w) - value), 5e-7 if w < 30 else 5e-5, f"phi({w}) as printed")
        below(abs(phi(w) / guidance.overshoot(w) - 1), 1e-12, "the integral by adaptive quadrature")
    ws = np.arange(6.9, 7.2, 0.01)
    values = np.array([phi(w) for w in ws])
    below(abs(ws[values.argmax()] - 7.04), 0.006, "the peak, to the grid of 0.01")
    below(abs(values.max() - 2.4), 5e-5, "its height as printed")
    for w in (-1.5, 0.25, 3.3, 11.0):
        for ratio in (1e-4, 0.3, 0.499, 0.501, 0.95, 1.0):
            got, wanted = mean_of_flow(trig(), ratio, 1.0)(w), guidance.whole_pull(w, ratio)
            below(abs(got / wanted - 1), 1e-12, "Gauss's hypergeometric function")
            got, wanted = mean_of_flow(trig(), 1.0, ratio)(w), guidance.whole_pull(1 - w, ratio)
            below(abs(got - (1 - wanted)) / (1 + abs(wanted)), 1e-12, "the names exchanged")


def mean_of_flow(process, v_c=1.0, v_u=2.0):
    return lambda w: float(one_flow(process, one(1.0, v_c), one(0.0, v_u), float(w)).mean[0])


one_flow = jax.jit(
    lambda process, cond, uncond, w: diffx.guidance.guided_flow_law(process, cond, uncond, w=w)
)


@claim(
    "CFG-10",
    "On a mixture of two components the guided flow ends further out the larger w is, from every "
    "start, and beyond the mean of the component",
    of=("diffx.guide", "diffx.cfg"),
    source="Chidambaram et al. 2024, arXiv:2409.13074, in quality; the numbers: derived here",
    grade="bounded",
    **LIMITED,
)
def test_guidance_moves_every_end_further_out(dtype):
    ws, starts = (1.0, 2.0, 5.0, 10.0), jnp.array([[-30.0], [-3.0], [0.0], [0.5], [20.0]])
    printed = (0.984, 1.160, 1.452, 1.738)
    for w, value in zip(ws, printed, strict=True):
        below(
            abs(guidance.two_sided_end(w, 1.0, 0.1, 400.0, 0.0, 0.0) - value),
            5.1e-4,
            f"from x_T = 0, T = 400, at w = {w}",
        )
    ends = {
        n: guided_ends(ws, starts, jnp.geomspace(1, 0.01 / 20, n + 1)) for n in (50, 100, 200)
    }  # tau 400 to 1e-4
    exact = [
        [guidance.two_sided_end(w, 1.0, 0.1, 400.0, 1e-4, float(x)) for x in starts[1:4, 0]]
        for w in ws
    ]
    errors = [np.abs(ends[n][:, 1:4] - exact).max() for n in ends]
    slope(
        list(ends), errors, order=2, within=0.25, why="Heun's method on a grid geometric in sigma"
    )
    below(errors[-1], 2e-3, "the ends are those of the exact flow")
    holds(np.diff(ends[200], axis=0) > 0, "every end grows with w")
    holds(ends[200][-1] > 1, "beyond the mean of the component")


def guided_ends(ws, starts, ts) -> np.ndarray:
    """Ends (w, start) of Heun's method, fifty steps at a time."""
    x = jnp.tile(starts, (len(ws), 1, 1))
    for i in range(0, len(ts) - 1, 50):
        x = fifty_steps(jnp.asarray(ws), x, ts[i : i + 51])
    return np.asarray(x)[..., 0]


@jax.jit
def fifty_steps(ws, x, ts):
    process, variance = diffx.EDM(20.0), jnp.full((2, 1), 0.1)
    both = diffx.MixtureLaw(jnp.full(2, 0.5), jnp.array([[1.0], [-1.0]]), variance)
    pair = [
        diffx.denoiser(process, part)
        for part in (diffx.GaussianLaw(jnp.ones(1), variance[0]), both)
    ]
    return jax.vmap(
        lambda w, x: diffx.fold(diffx.heun(process, diffx.guide(*pair, w=w)), x, ts)[0]
    )(ws, x)


# --- corollaries --------------------------------------------------------------------------------


@claim(
    "CFG-13",
    "The guided score is not that of the noised tilted law: tilting, like a product of experts, "
    "does not commute with noising",
    of=("diffx.guidance.tilted_law", "diffx.guide"),
    source="derived here; Du et al. 2023, arXiv:2302.11552, for products of experts",
    grade="identity",
)
def test_guided_score_is_not_that_of_the_noised_tilted_law(dtype):
    process = diffx.EDM(2.0)
    cond, uncond = law(dtype, [1.0], [1.0]), law(dtype, [0.0], 2.0)
    guided = diffx.guide(diffx.denoiser(process, cond), diffx.denoiser(process, uncond), w=3.0)
    noised = diffx.denoiser(process, diffx.guidance.tilted_law(cond, uncond, w=3.0))
    for tau, of_tilted, of_guided in (
        (1.0, 2 / 3, 5 / 6),
        (0.25, 4 / 3, 3 / 1.25 - 2 / 2.25),
        (1e-6, 2.0, 2.0),
    ):
        t = jnp.asarray(np.sqrt(tau) / 2, dtype)
        for denoise, wanted in ((noised, of_tilted), (guided, of_guided)):
            got = precision(process, denoise, t)
            allowed = (
                16 if tau > 1e-3 else 4e-6 / jnp.finfo(dtype).eps * (1 + np.finfo(dtype).eps * 1e12)
            )
            close(
                got,
                wanted,
                ulps=allowed,
                scale=1 / tau if tau > 1e-3 else 1.0,
                why="1/tau (1 - slope) cancels; at 1e-6 to first order",
            )
    experts = [diffx.denoiser(process, law(dtype, [0.0], variance)) for variance in (0.5, 2.0)]
    each = np.array([precision(process, expert, jnp.asarray(0.5, dtype)) for expert in experts])
    close(each.sum(), 1.0, ulps=16, why="scores added at noise 1: 1/1.5 + 1/3")
    product = diffx.denoiser(
        process, diffx.guidance.tilted_law(law(dtype, [0.0], 0.25), law(dtype, [0.0], 1.0), w=0.5)
    )
    close(
        precision(process, product, jnp.asarray(0.5, dtype)),
        5 / 7,
        ulps=16,
        why="1/(1/2.5 + 1), 2.5 = 1/0.5 + 1/2 = 0.5/0.25 + 0.5",
    )


def precision(process, denoise, t):
    """Minus the slope of the score (alpha D - x)/sigma^2 in x, at alpha = 1."""
    x = jnp.array([[0.0], [1.0]], t.dtype)
    value = np.asarray(x - denoise(x, t)) / np.asarray(process.sigma(t)) ** 2
    return value[1, 0] - value[0, 0]


@claim(
    "CFG-17",
    "Autoguidance by a bad model of variance L_b > L sharpens: the flow samples the variance L^w "
    "L_b^(1-w) < L",
    of=("diffx.guidance.guided_flow_law", "diffx.guide"),
    source="Karras et al. 2024, arXiv:2406.02507, for the method; the law: CFG-03",
    grade="bounded",
)
def test_autoguidance_by_a_bad_model_sharpens(dtype):
    good, bad = law(dtype, [1.0], [1.0]), law(dtype, [1.0], 4.0)
    for w in (1.5, 2.0, 3.0):
        got = diffx.guidance.guided_flow_law(diffx.Trig(), good, bad, w=w)
        close(np.asarray(got.cov), [4 ** (1 - w)], ulps=16, why="powers of small integers")
        close(got.mean, [1.0], ulps=4, why="equal means: guidance does not move them")
        holds(np.asarray(got.cov) < 1, "narrower than the good model")
    guided = diffx.guide(diffx.denoiser(trig(), good), diffx.denoiser(trig(), bad), w=2.0)
    got = diffx.exact_law(
        diffx.ddim(trig(), guided), law(dtype, [0.0], [1.0]), diffx.uniform(100).astype(dtype)
    )
    below(abs(np.asarray(got.cov) - 0.25), 0.02, "a hundred steps of DDIM, of order 1")


@claim(
    "CFG-18",
    "Where alpha(1) = 0 the first guided answer is mu_u + w (mu_c - mu_u), whatever the noise: "
    "images are overexposed from the first step",
    of="diffx.guide",
    source="Lin et al. 2024, arXiv:2305.08891, section 5.2",
    grade="identity",
)
@given(x=st_.points(3, 2), means=st_.points(3, 2), w=weights_of_guidance)
def test_first_guided_answer_does_not_see_the_noise(dtype, x, means, w):
    weights = jnp.asarray([0.25, 0.75], dtype)
    cond, both = (
        law(dtype, means[0], [0.5, 2.0]),
        diffx.MixtureLaw(weights, jnp.asarray(means[1:], dtype), jnp.ones((), dtype)),
    )
    uncond = 0.25 * means[1] + 0.75 * means[2]
    wanted = uncond + w * (means[0] - uncond)
    for got in first_answers(cond, both, jnp.asarray(w, dtype), jnp.asarray(x, dtype)):
        close(
            got,
            np.tile(wanted, (3, 1)),
            ulps=16,
            scale=(1 + abs(w) + abs(w - 1)) * np.abs(means).sum(0),
            why="means at alpha = 0",
        )


@jax.jit
def first_answers(cond, both, w, x):
    denoisers = [
        [diffx.denoiser(make(), part) for part in (cond, both)] for make in (trig, rectified_flow)
    ]
    return [diffx.guide(*pair, w=w)(x, jnp.ones((), x.dtype)) for pair in denoisers]


# --- bad input ----------------------------------------------------------------------------------


def test_laws_without_common_eigenvectors_are_refused():
    tall, turned = (
        law(float, [0.0, 0.0], [1.0, 2.0]),
        law(float, [0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]]),
    )
    for exact in (
        partial(diffx.guidance.guided_flow_law, trig()),
        partial(diffx.guidance.guided_sde_law, trig()),
        diffx.guidance.tilted_law,
    ):
        with pytest.raises(ValueError, match="the covariances of cond and uncond must commute"):
            exact(tall, turned, w=2.0)
    traced = jax.jit(partial(diffx.guidance.guided_flow_law, trig()))(tall, turned, w=2.0)
    assert np.isnan(np.asarray(traced.cov)).all(), "traced: NaN"


def test_large_covariances_commute_by_their_own_size():
    """In data units of 2^20: what is off the diagonal is rounding of 10^12."""
    q = st_.rotation(3, 4)
    large = [
        law(jnp.float32, np.zeros(4), 2.0**40 * (q * values) @ q.T)
        for values in (np.arange(1.0, 5.0), np.arange(2.0, 6.0))
    ]
    got = diffx.guidance.guided_flow_law(diffx.EDM(), *large, w=1.5, t=0.5, s=0.25)
    assert np.isfinite(got.cov).all()


def test_a_full_start_meets_diagonal_laws_whole():
    pair = [law(jnp.float64, np.zeros(2), values) for values in ([0.5, 1.0], [1.0, 2.0])]
    start = law(jnp.float64, np.zeros(2), [[1.0, 0.6], [0.6, 1.0]])
    whole = diffx.guidance.guided_flow_law(diffx.VP(), *pair, w=2.0, start=start, t=0.75, s=0.25)
    alone = diffx.guidance.guided_flow_law(
        diffx.VP(), *pair, w=2.0, start=law(jnp.float64, np.zeros(2), [1.0, 1.0]), t=0.75, s=0.25
    )
    # of a deterministic flow from unit variance, along each axis
    gain = np.sqrt(np.asarray(alone.cov))
    np.testing.assert_allclose(whole.cov, gain[:, None] * np.asarray(start.cov) * gain, rtol=1e-12)


def test_laws_that_are_no_gaussians_are_refused():
    with pytest.raises(TypeError, match="a guided law needs a GaussianLaw, got PointSet"):
        diffx.guidance.tilted_law(one(0.0, 1.0), diffx.PointSet(jnp.ones((3, 1))), w=2.0)  # pyright: ignore
    with pytest.raises(ValueError, match=r"one dimension, got means of shapes \[\(1,\), \(2,\)\]"):
        diffx.guidance.guided_flow_law(trig(), one(0.0, 1.0), law(float, [0.0, 0.0], 1.0), w=2.0)
    with pytest.raises(ValueError, match="one dimension"):
        diffx.guidance.guided_sde_law(
            trig(), one(0.0, 1.0), one(0.0, 1.0), w=2.0, start=law(float, [0.0, 0.0], 1.0)
        )
    with pytest.raises(ValueError, match="from t down to s"):
        diffx.guidance.guided_sde_law(trig(), one(0.0, 1.0), one(0.0, 1.0), w=2.0, t=0.25, s=0.5)


def test_w_one_gives_the_conditional_law_whatever_the_other():
    cond, uncond = law(float, [1.0, -2.0], [0.5, 2.0]), law(float, [0.0, 3.0], 1.0)
    for exact in (diffx.guidance.guided_flow_law, diffx.guidance.guided_sde_law):
        # from the marginal of cond, down to data
        got = jax.jit(partial(exact, w=1.0))(diffx.VP(), cond, uncond)
        np.testing.assert_allclose(got.mean, cond.mean, rtol=1e-13)
        np.testing.assert_allclose(got.cov, cond.cov, rtol=1e-13)


def test_derivatives_are_finite_where_the_variances_agree():
    for exact in (diffx.guidance.guided_flow_law, diffx.guidance.guided_sde_law):
        mean = jax.jit(
            lambda v, exact=exact: exact(
                trig(), one(1.0, 1.0), diffx.GaussianLaw(jnp.zeros(1), v), w=3.0
            ).mean[0]
        )
        step = 1e-4
        slope_ = (mean(jnp.array([1 + step])) - mean(jnp.array([1 - step]))) / (2 * step)
        np.testing.assert_allclose(jax.grad(mean)(jnp.array([1.0]))[0], slope_, rtol=1e-6)
