"""The discrete chain: its limit, its schedules, zero terminal SNR, respacing; every node of 1000,
where rounding bites.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from diffx.processes.betas import (
    alpha_bar,
    cosine_betas,
    linear_betas,
    respace,
    scaled_linear_betas,
    zero_terminal_snr,
)
from diffx.processes.ddpm_chain import DDPMChain
from diffx.processes.protocol import rates
from spec_tests.instrument.close import close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import chains
from spec_tests.support.arrays import precision
from spec_tests.support.schedules import LOG1P

LIMIT = 76.9517  # (beta(1) - beta(0))/2 + int beta^2 / 2 for beta from 0.1 to 20


def ho(n: int = 1000) -> np.ndarray:
    """Ho's linear betas, as float32 holds them."""
    return np.linspace(1e-4, 0.02, n).astype(np.float32).astype(np.float64)


@jax.jit
def table(chain, ts):
    return chain.alpha(ts), chain.sigma(ts), chain.log_snr(ts)


@jax.jit
def steps_of(chain, ts):
    return chain.log_snr_step(ts[1:], ts[:-1])


@jax.jit
def rates_of(chain, ts):
    return chain.f(ts), chain.g(ts), jax.vmap(lambda t: rates(chain, t))(ts)


@jax.jit
def times_of(chain, ls):
    return chain.time_of_log_snr(ls)


rescaled = jax.jit(zero_terminal_snr)
products = jax.jit(alpha_bar)


@claim(
    "FWD-10",
    "With beta_i = beta(i/N)/N the chain tends to the VP path: N (log alphabar_N + B(1)) -> "
    "-76.9517",
    of=("diffx.DDPMChain", "diffx.processes.alpha_bar", "diffx.processes.linear_betas"),
    source=(
        "Ho et al. 2020; Song et al. 2021, appendix B; the constant: Euler-Maclaurin and the "
        "next term of the logarithm"
    ),
    grade="order",
    dtypes=("float64",),
    why_dtypes="a rate of convergence: its error at N = 1600 is float32's rounding of log alphabar",
)
def test_chain_tends_to_vp_with_its_rate_and_constant(dtype):
    """-[(beta(1) - beta(0))/2 + (1/2) int beta^2]; Ho's linspace has no endpoint term: log
    alphabar_T = -10.11771.
    """
    ns = [200, 400, 800, 1600]
    chain_of = {n: jnp.asarray((0.1 + 19.9 * np.arange(1, n + 1) / n) / n, dtype) for n in ns}
    by_product = [-(10.05 + float(jnp.log(products(chain_of[n])[-1]))) for n in ns]
    slope(
        ns,
        by_product,
        order=1,
        constant=LIMIT,
        constant_rtol=0.008,
        why="log alphabar_N + B(1) = -76.95/N + O(1/N^2)",
    )
    by_process = [-(10.05 + 2 * float(jnp.log(DDPMChain(chain_of[n]).alpha(1.0)))) for n in ns]
    slope(
        ns,
        by_process,
        order=1,
        constant=LIMIT,
        constant_rtol=0.008,
        why="the chain as a process has the same limit",
    )
    richardson = 1600 * by_product[3] * 2 - 800 * by_product[2]
    close(
        np.asarray(richardson, dtype),
        LIMIT,
        ulps=1,
        scale=3e-2 / np.finfo(dtype).eps,
        why="extrapolated: O(1/N^2) is left",
    )
    last = jnp.log(alpha_bar(linear_betas())[-1])
    close(
        last,
        -10.11771,
        ulps=1,
        scale=5e-6 / np.finfo(dtype).eps,
        why="-10.05 - sum b^2/2 - sum b^3/3, as printed",
    )


@claim(
    "FWD-11",
    "Zero terminal SNR keeps the first alphabar, makes the last 0 and beta_T = 1, and changes "
    "nothing when applied again",
    of=("diffx.processes.zero_terminal_snr", "diffx.DDPMChain"),
    source="Lin et al. 2024, arXiv:2305.08891, Algorithm 1",
    grade="identity",
)
def test_zero_terminal_snr_is_the_algorithm_of_lin(dtype):
    """sqrt(abar)' = (sqrt(abar) - sqrt(abar_T)) sqrt(abar_1)/(sqrt(abar_1) - sqrt(abar_T));
    monotone, idempotent.
    """
    for betas in (ho(), np.array([0.25, 0.5, 0.125])):
        got = rescaled(jnp.asarray(betas, dtype))
        once = np.asarray(got, np.float64)
        wanted = chains.zero_terminal_snr(betas)
        size = wanted * (1 + np.sqrt(len(betas)))  # two running sums of T terms
        close(
            got,
            wanted,
            ulps=4,
            scale=size,
            why="sums and quotients of positive numbers, nothing cancels",
        )
        holds(
            (got[0] == jnp.asarray(betas, dtype)[0]) & (got[-1] == 1),
            "first kept, beta_T = 1, both exactly",
        )
        holds((once > 0) & (once <= 1), "betas lie in (0, 1]")
        bars = np.asarray(products(got), np.float64)
        holds((np.diff(bars) < 0) & (bars[-1] == 0), "alphabar decreases to 0")
        close(rescaled(got), once, ulps=4, scale=size, why="idempotent: nothing is left to shift")
    ends = table(DDPMChain(rescaled(jnp.asarray(ho(), dtype))), jnp.asarray([1.0, 0.9995], dtype))
    holds(
        (ends[0] == 0) & (ends[1] == 1) & (ends[2] == -np.inf),
        "pure noise inside the last link: no NaN",
    )


@claim(
    "FWD-12",
    "The schedules of Ho, of Stable Diffusion and the cosine one have the terminal SNR of Lin's "
    "table",
    of=tuple(
        f"diffx.processes.{name}"
        for name in ("alpha_bar", "linear_betas", "scaled_linear_betas", "cosine_betas")
    ),
    source=(
        "Lin et al. 2024, arXiv:2305.08891, Table 1 (its cosine row, 4.928220e-05 and "
        "2.428735e-09, has float32 error)"
    ),
    grade="computed law",
)
def test_terminal_snr_is_that_of_the_table(dtype):
    """linear .006353, 4.035993e-05; SD .068265, .004682; cosine (clip .999) 4.928252e-05,
    2.428767e-09.
    """
    with precision(dtype):
        linear, scaled, cosine = linear_betas(), scaled_linear_betas(), cosine_betas()
        has_terminal(linear, 0.006353, 5e-7, 4.035993e-05, 5e-12)
        has_terminal(scaled, 0.068265, 5e-7, 0.004682, 5e-7)
        has_terminal(cosine, 4.928252e-05, 5e-12, 2.428767e-09, 5e-16)
        close(
            linear,
            np.linspace(1e-4, 0.02, 1000),
            ulps=4,
            scale=0.02,
            why="an interpolation between the ends",
        )
        roots = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000)
        close(scaled, roots**2, ulps=4, scale=0.012, why="the square of an interpolation")
        is_cosine(cosine, 0.008, 0.999)
        is_cosine(cosine_betas(40, offset=0.0625, largest=0.5), 0.0625, 0.5)
        close(
            linear_betas(5, first=0.25, last=0.5), np.linspace(0.25, 0.5, 5), ulps=2, why="any ends"
        )
        roots = np.linspace(0.25, 0.75, 5)
        close(
            scaled_linear_betas(5, first=0.0625, last=0.5625),
            roots**2,
            ulps=4,
            scale=0.5625,
            why="any ends",
        )


def is_cosine(betas, offset: float, largest: float):
    n = len(betas)
    wanted = chains.cosine_betas(n, offset, largest)
    # a time i/n is rounded, so is 1 - i/n, by i/(n - i)
    size = wanted * (1 + np.arange(n) / (n - np.arange(n)))
    close(
        betas,
        wanted,
        ulps=8,
        scale=size,
        why="a product of sines: nothing cancels, only the times are rounded",
    )


def has_terminal(betas, root: float, half: float, snr: float, half_snr: float):
    """sqrt(alphabar_T) and alphabar_T/(1 - alphabar_T), as printed; rounding beta loses beta/(1 -
    beta) of 1 - beta.
    """
    bar = alpha_bar(betas)[-1]
    b = np.asarray(betas, np.float64)
    lost = 64 * float(jnp.finfo(betas.dtype).eps) * (1 - np.log(float(bar)) + np.max(b / (1 - b)))
    holds(
        abs(float(jnp.sqrt(bar)) - root) <= half + lost * root,
        f"sqrt(alphabar_T) is {root}, got {float(jnp.sqrt(bar))}",
    )
    holds(
        abs(float(bar / (1 - bar)) - snr) <= half_snr + lost * snr,
        f"the terminal SNR is {snr}, got {float(bar / (1 - bar))}",
    )


@claim(
    "FWD-18",
    "The chain as a process is exact at every node and geometric between nodes, and a respaced "
    "chain has the marginals of the whole",
    of=("diffx.processes.respace", "diffx.DDPMChain"),
    source="Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 19; Ho et al. 2020, eq. 4",
    grade="identity",
)
def test_respaced_chain_has_the_marginals_of_the_whole(dtype):
    """beta'_i = 1 - abar_{tau_i}/abar_{tau_{i-1}} reproduces abar on the sub-grid; respacing
    twice = once.
    """
    shifted = chains.zero_terminal_snr(ho()).astype(np.float32).astype(np.float64)
    for betas in (ho(), np.append(shifted[:-1], 1.0)):
        is_exact_at_nodes(betas, dtype)
    is_geometric_between_nodes(dtype)
    betas, steps = ho(), np.array([1, 2, 101, 500, 999, 1000])
    got = respace(jnp.asarray(betas, dtype), jnp.asarray(steps))
    sums = np.array([float(b) for b in chains.totals(tuple(betas))])
    wanted = -np.expm1(-np.diff(sums[np.append(0, steps)]))
    # a difference of two sums
    lost = wanted * (1 + sums[steps] / np.diff(sums[np.append(0, steps)]))
    close(
        got,
        wanted,
        ulps=16,
        scale=lost,
        why="1 - alphabar_i/alphabar_j by expm1 of a difference of sums",
    )
    nodes = jnp.asarray(steps[:, None] * 0 + np.arange(1, 7)[:, None] / 6, dtype)[:, 0]
    kept = np.exp(-sums[steps] / 2)
    close(
        DDPMChain(got).alpha(nodes),
        kept,
        ulps=32,
        scale=kept * (1 + sums[steps]),
        why="the marginals of the whole chain",
    )
    twice = respace(
        respace(jnp.asarray(betas, dtype), jnp.asarray([2, 101, 500, 1000])), jnp.asarray([2, 4])
    )
    once = np.asarray(respace(jnp.asarray(betas, dtype), jnp.asarray([101, 1000])), np.float64)
    close(twice, once, ulps=64, scale=once, why="respacing twice is respacing once")
    holds(
        respace(jnp.asarray([0.5, 1.0], dtype), jnp.asarray([2])) == 1, "a last beta of 1 stays 1"
    )


def is_exact_at_nodes(betas: np.ndarray, dtype):
    """alpha, sigma, log-SNR, its increments, the rates and the inverse at all T + 1 nodes, against
    exact products.
    """
    t = len(betas)
    sums = chains.totals(tuple(betas))
    exact = [chains.Node(total) for total in sums]
    alpha, sigma, log_snr = (
        np.array([getattr(node, name) for node in exact]) for name in ("alpha", "sigma", "log_snr")
    )
    chain, ts = DDPMChain(jnp.asarray(betas, dtype)), jnp.asarray(np.arange(t + 1) / t, dtype)
    got = table(chain, ts)
    growth = 1 + np.array([min(float(total), 60.0) for total in sums])
    close(
        got[0],
        alpha,
        ulps=8,
        scale=alpha * growth,
        why="the exponential of a sum B is rounded by B",
    )
    close(got[1], sigma, ulps=8, scale=sigma, why="1 - alphabar by expm1")
    for side in (0, 2):  # a grid may give 999/1000 one ulp off, which must not enter the last link
        off = np.nextafter(np.asarray(ts), np.asarray(side, dtype))
        off[[0, -1]] = 0, 1
        beside = table(chain, jnp.asarray(off))
        close(
            beside[0],
            alpha,
            ulps=8,
            scale=alpha * growth,
            why="a time one ulp off a node is that node",
        )
    finite = np.isfinite(log_snr)
    close(
        got[2][finite],
        log_snr[finite],
        ulps=8,
        scale=8 + growth[finite],
        why="B and a logarithm of size 8",
    )
    holds(
        (got[2][0] == np.inf) & np.all(np.asarray(got[2])[~finite][1:] == -np.inf),
        "the ends are infinite, never NaN",
    )
    wanted = np.array([float(b.exact_log_snr - a.exact_log_snr) for a, b in pairwise(exact[1:])])
    steps = steps_of(chain, ts[1:])
    close(
        steps,
        wanted,
        ulps=16 * LOG1P[dtype.name],
        why="the increment of one link in a thousand keeps its digits",
    )
    gains = -np.log1p(-betas[: t - 1])
    f, g, rate = rates_of(chain, ts[1:-1])
    close(f, -t * gains / 2, ulps=8, why="f = -rate/2 of the link that ends at the node")
    close(g, np.sqrt(t * gains), ulps=8, why="g^2 = rate")
    close(
        rate.alpha,
        -t * gains / 2 * alpha[1:-1],
        ulps=16,
        scale=t * gains * (alpha * growth)[1:-1],
        why="alpha' = f alpha",
    )
    half = t * gains / 2 / sigma[1:-1]
    close(
        rate.sigma,
        half * alpha[1:-1] ** 2,
        ulps=16,
        scale=half,
        why="sigma' = rate exp(-B)/(2 sigma), exp(-B) by 1 + expm1(-B)",
    )
    given = log_snr[1:-1].astype(dtype)
    moved = sigma[1:-1] ** 2 / (t * gains)  # |dt/dl| from the left
    back = np.arange(1, t) / t
    size = (
        back
        + (8 + np.abs(log_snr[1:-1]))
        * moved
        / np.minimum(1, np.append(gains[1:], gains[-1]) / gains)
        + growth[1:-1] / t
    )
    close(
        times_of(chain, jnp.asarray(given)),
        back,
        ulps=32,
        scale=size,
        why="the inverse: a rounding of l and of the sums",
    )
    ends = times_of(chain, jnp.asarray([np.inf, -np.inf], dtype))
    holds((ends[0] == 0) & (ends[1] == 1), "infinite log-SNRs are the two ends")


def is_geometric_between_nodes(dtype):
    """B grows linearly inside a link, f and g are constant there, and t = 0 belongs to the first
    link.
    """
    betas = np.array([0.125, 0.5, 0.25, 0.75])
    sums = np.append(0, np.cumsum(-np.log1p(-betas)))
    ts = np.array([0.0625, 0.28125, 0.625, 0.96875, 0.0, 1.0])
    total = np.interp(ts * 4, np.arange(5), sums)
    rate = 4 * np.diff(sums)[np.maximum(np.ceil(ts * 4).astype(int) - 1, 0)]
    chain, at = DDPMChain(jnp.asarray(betas, dtype)), jnp.asarray(ts, dtype)
    alpha, sigma, log_snr = table(chain, at)
    close(alpha, np.exp(-total / 2), ulps=8, scale=1 + total, why="exp(-B/2)")
    close(sigma, np.sqrt(1 - np.exp(-total)), ulps=8, why="sqrt(1 - exp(-B))")
    inner = total > 0
    l = -np.log(np.expm1(total[inner]))
    close(log_snr[inner], l, ulps=8, scale=8, why="-log(exp(B) - 1)")
    close(
        times_of(chain, jnp.asarray(l, dtype)),
        ts[inner],
        ulps=16,
        scale=8,
        why="the inverse inside a link",
    )
    f, g, _ = rates_of(chain, at)
    close(f, -rate / 2, ulps=4, why="-rate/2, constant inside a link")
    close(g, np.sqrt(rate), ulps=4, why="sqrt(rate)")


def test_small_betas_keep_their_digits_in_float32():
    """1000 betas of 1e-7: log(1 - 1e-7) in float32 is 19% too large."""
    betas = jnp.full(1000, 1e-7, jnp.float32)
    exact = np.exp(np.cumsum(np.log1p(-np.asarray(betas, np.float64))))
    close(
        alpha_bar(betas),
        exact,
        ulps=4,
        why="alphabar is near 1: an ulp of it is 600 times what is summed",
    )
    close(
        DDPMChain(betas).log_snr(jnp.float32(1.0)),
        np.log(exact[-1] / (1 - exact[-1])),
        ulps=4,
        why="a logarithm of 1e-4",
    )


def test_rates_at_a_node_are_those_of_the_link_that_ends_there():
    """The derivatives of alpha and sigma jump at nodes: f alpha and (g^2/2 + f sigma^2)/sigma take
    the earlier link.
    """
    with jax.enable_x64(True):
        chain = DDPMChain(jnp.asarray([0.1, 0.3, 0.05, 0.4]))
        for i in range(1, 5):
            t = jnp.asarray(i / 4)
            rate, alpha, sigma = rates(chain, t), chain.alpha(t), chain.sigma(t)
            close(
                rate.alpha,
                np.asarray(chain.f(t) * alpha, np.float64),
                ulps=16,
                why="one link, one rate",
            )
            drift = np.asarray((chain.g(t) ** 2 / 2 + chain.f(t) * sigma**2) / sigma, np.float64)
            close(rate.sigma, drift, ulps=64, why="one link, one rate")
