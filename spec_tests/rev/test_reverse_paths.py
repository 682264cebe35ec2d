"""What whole paths do: strong order, memory of a wrong prior, covariances between times, and why
Heun explodes at t = 0.
"""

from operator import itemgetter

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.support.arrays import cast
from spec_tests.support.paths import oracle as path_of, vp
from spec_tests.support.samplers import grid, law_of, nodes, output_moments


@jax.jit
def parts_of_steps(sampler, t, s):
    """What steps from t to s, (n,) each, multiply x and z by, of data of mean 0 in one
    dimension.
    """

    def parts(t, s):
        step = lambda x, z: sampler.step(
            State(jnp.full(1, x, t.dtype)), t, s, jnp.full(1, z, t.dtype)
        )[0].x[0]
        return step(1.0, 0.0), step(0.0, 1.0)

    return jax.vmap(parts)(t, s)


def one_dimensional(dtype, variance):
    return law_of(dtype, np.zeros(1), np.array([variance]))


# --- strong order -------------------------------------------------------------------------------

L = 0.5


def signal(t):
    """alpha of the VP process of the tests, 0.3125 to 12, in plain numpy."""
    return np.exp(-t * (0.3125 + (12 - 0.3125) * t / 2) / 2)


def total(t):
    return 1 - (1 - L) * signal(t) ** 2


def moved(t, s):
    """What the exact reverse SDE multiplies x by from t to s."""
    return total(s) / total(t) * signal(t) / signal(s)


def joint_errors(ts, gain, noise):
    """(root mean square of the difference, difference of the variances) at the end of exact
    solution and method.

    Both driven by one Brownian path: of the increment W over a step the method sees W, the exact
    solution int moved(u, s) g(u) dW; their covariance is int moved g du, by 20 nodes of Gauss and
    Legendre.
    """
    x, w = np.polynomial.legendre.leggauss(20)
    exact = both = method = total(ts[0])
    for t, s, p, c in zip(ts[:-1], ts[1:], gain, noise, strict=True):
        u, h, m = (t + s) / 2 + (t - s) / 2 * x, t - s, moved(t, s)
        shared = (w * moved(u, s) * np.sqrt(0.3125 + (12 - 0.3125) * u)).sum() * h / 2
        exact, both = (
            m**2 * exact + total(s) - m**2 * total(t),
            m * p * both + shared * c / np.sqrt(h),
        )
        method = p**2 * method + c**2
    return np.sqrt(exact - 2 * both + method), abs(method - exact)


@claim(
    "REV-21",
    "Euler-Maruyama on the reverse SDE has strong order 1 and weak order 1: its noise is additive",
    of=("diffx.euler_maruyama", "diffx.samplers.euler_maruyama_step"),
    source=(
        "Kloeden and Platen 1992, chapter 10: with additive noise Milstein's method is Euler's; "
        "here without sampling"
    ),
    grade="order",
    dtypes=("float64",),
    why_dtypes="orders are limits of many steps: rounding in float32 hides them",
)
def test_euler_maruyama_has_strong_order_one(dtype):
    """The joint covariance of the exact solution and the code's own steps, 200 to 1600 of them, on
    one Brownian path.
    """
    ns = [200, 400, 800, 1600]
    grids = [np.linspace(1.0, 1e-3, n + 1) for n in ns]
    sampler = diffx.euler_maruyama(vp(), diffx.denoiser(vp(), one_dimensional(dtype, L)))
    t, s = (
        np.concatenate([ts[part] for ts in grids]) for part in (slice(None, -1), slice(1, None))
    )
    parts = np.split(
        np.stack(parts_of_steps(sampler, *cast(dtype, t, s))), np.cumsum(ns)[:-1], axis=1
    )
    strong, weak = np.array(
        [joint_errors(ts, *part) for ts, part in zip(grids, parts, strict=True)]
    ).T
    slope(ns, strong, order=1, within=0.02, why="additive noise: not 1/2")
    slope(ns, weak, order=1, within=0.02, why="weak order 1")


# --- a wrong prior ------------------------------------------------------------------------------


def nothing(z):
    """The noise of a deterministic method."""


@claim(
    "REV-23",
    "Started at N(0, I) the variance of the ODE ends off by L(1 - v)/v, that of the SDE by "
    "alpha^2 L/v times as much: the SDE forgets a wrong prior",
    of=("diffx.samplers.exact_flow", "diffx.samplers.ddpm_optimal"),
    source="Pierret and Galerne 2024, arXiv:2405.14250 (ICML 2025, PMLR 267); derived here",
    grade="computed law",
)
def test_reverse_sde_forgets_a_wrong_prior(dtype):
    """From t = 0.4, where half of the signal is left, by the exact flow, the exact SDE and DDPM of
    optimal variance.
    """
    variances = np.array([0.0625, 0.25, 4.0])
    ts, ts_ = grid(dtype, 0.4, 0.2, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    v = alpha[0] ** 2 * variances + variance[0]
    law = law_of(dtype, 0 * variances, variances)
    wrong, share = variances * (1 - v) / v, alpha[0] ** 2 * variances / v
    denoise, size = diffx.denoiser(vp(), law), 1 + variances.max() + np.abs(wrong).max()
    sde = [
        diffx.samplers.exact_flow(vp(), law, eta=1.0),
        diffx.samplers.ddpm_optimal(vp(), denoise, law=law),
    ]
    for sampler, off in [
        (diffx.samplers.exact_flow(vp(), law), wrong),
        *((sampler, share * wrong) for sampler in sde),
    ]:
        arrange = nothing if sampler.noise is None else itemgetter(0)
        _, got = output_moments(sampler, ts_, 0 * variances, 1 + 0 * variances, arrange, slots=1)
        close(got.astype(dtype), variances + off, ulps=32, scale=size, why="two steps")
    holds((share > 0) & (share < 1), "the SDE's error is the smaller one")


# --- covariances between times ------------------------------------------------------------------


@jax.jit
def path_jacobians(sampler, x, ts, zs):
    """How the points of the path depend on the start and on the noises."""

    def path(x, zs):
        return diffx.fold(sampler, x, ts, zs, keep=diffx.keep_x)[1][:, 0]

    return jax.jacfwd(path)(x, zs), None if zs is None else jax.jacfwd(path, argnums=1)(x, zs)


@claim(
    "REV-24",
    "The reverse SDE has the covariance between times of the forward process, (alpha_t/alpha_s) "
    "v_s; along the flow the correlation is complete",
    of=("diffx.samplers.exact_flow", "diffx.samplers.ddpm_optimal", "diffx.fold"),
    source="derived here",
    grade="computed law",
)
def test_same_marginals_have_different_couplings(dtype):
    """Cov of all points of the path from the derivatives of `fold` in start and noises; one noise
    at all steps is wrong.
    """
    ts, ts_ = grid(dtype, 0.9, 0.6, 0.4, 0.2, 0.05)
    alpha, variance = nodes(path_of(vp), ts)
    v, law = alpha**2 * 2.0 + variance, one_dimensional(dtype, 2.0)
    later = np.maximum(np.arange(5)[:, None], np.arange(5))  # of two times the one nearer to data
    earlier = np.minimum(np.arange(5)[:, None], np.arange(5))
    forward, flow = alpha[earlier] / alpha[later] * v[later], np.sqrt(v[:, None] * v)
    x, zs = jnp.zeros(1, dtype), jnp.zeros((4, 1), dtype)
    denoise = diffx.denoiser(vp(), law)
    sde = [
        diffx.samplers.exact_flow(vp(), law, eta=1.0),
        diffx.samplers.ddpm_optimal(vp(), denoise, law=law),
    ]
    for sampler, wanted in [
        (diffx.samplers.exact_flow(vp(), law), flow),
        *((sampler, forward) for sampler in sde),
    ]:
        of_x, of_z = path_jacobians(sampler, x, ts_, None if sampler.noise is None else zs)
        of_x = np.append(1.0, np.asarray(of_x, np.float64)[:, 0])
        got = v[0] * np.outer(of_x, of_x)
        if of_z is not None:
            of_z = np.concatenate([np.zeros((1, 4)), np.asarray(of_z, np.float64)[:, :, 0]])
            together = got + np.outer(of_z.sum(1), of_z.sum(1))
            got = got + of_z @ of_z.T
            holds(
                abs(together[-1, -1] / wanted[-1, -1] - 1) > 0.3,
                "one noise for all steps adds up to another variance",
            )
        close(got.astype(dtype), wanted, ulps=32, scale=np.sqrt(v[:, None] * v), why="four steps")


# --- Heun at t = 0 ------------------------------------------------------------------------------


@claim(
    "REV-29",
    "Heun's last stage at t = 0 would multiply a variance of 6.3e-6 by 13^2; with an Euler step "
    "there, or on a grid that stops earlier, it cannot",
    of=("diffx.heun", "diffx.samplers.heun_step"),
    source="Pierret and Galerne 2024, arXiv:2405.14250, Table 1; the multiplier: derived here",
    grade="bounded",
    dtypes=("float64",),
    why_dtypes="multipliers of 1 - 1e-5 are told from 1; float32 holds the same steps under REV-22",
)
def test_heun_explodes_without_its_last_euler_step(dtype):
    """Every step's multiplier on their grids of N points, from the code; Heun's last one as it
    would be, in plain numpy.
    """
    small = 6.3e-6
    process, law = diffx.VP(0.1, 20.0), one_dimensional(dtype, small)
    rate = lambda t: (
        (0.05 + 9.95 * t) * (1 - 1 / (1 - (1 - small) * np.exp(-0.1 * t - 9.95 * t**2)))
    )
    for points, printed in ((50, 13.05), (250, 5.13), (1000, 1.18)):
        h = 1 / (points - 1)
        naive = abs(1 + h * (rate(h) + rate(0.0) * (1 + h * rate(h))) / 2)
        holds(
            abs(naive / printed - 1) < 2e-3,
            f"the last stage at t = 0 multiplies by {printed}",
            naive,
            printed,
        )
    whole, cut = np.linspace(1, 0, 50), np.linspace(1, 1e-3, 50)
    denoise = diffx.denoiser(process, law)
    gains = {
        name: np.abs(parts_of_steps(method(process, denoise), *cast(dtype, ts[:-1], ts[1:]))[0])
        for name, method, ts in (
            ("heun", diffx.heun, whole),
            ("heun, cut", diffx.heun, cut),
            ("euler", diffx.euler, whole),
            ("euler_maruyama", diffx.euler_maruyama, whole),
        )
    }
    last = float(gains["heun"][-1])
    holds(
        abs(last - 0.1684) < 1e-4, "the last step of ours is Euler's", measured=last, bound=0.1684
    )
    close(
        jnp.asarray(last),
        np.asarray(1 + rate(1 / 49) / 49),
        ulps=256,
        scale=1.0,
        why="1 - h k, k = 40",
    )
    for name, most in (
        ("heun", 1.0),
        ("heun, cut", 0.99999),
        ("euler", 1.0),
        ("euler_maruyama", 0.994),
    ):
        below(gains[name], most, f"no step of {name} multiplies by more")
