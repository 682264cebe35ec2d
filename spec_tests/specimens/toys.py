"""Samplers in plain numpy for the tests of the kit: right ones, and wrong ones that are wrong in
one way each.

A toy is run(denoise, x, n, stop, normal) -> x', as check_sampler asks for it. Two sets of noise
levels: `nodes` goes from sigma/alpha = 80 to .01 and then to 0; `times` ends at sigma = .03, with
f = -1/2 and g^2 = 1 (time is the integral of beta).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np


def nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Variance-preserving levels of n + 1 nodes, geometric in sigma/alpha, the last at 0."""
    taus = np.append(np.geomspace(80, 0.01, n), 0.0)
    alphas = 1 / np.sqrt(1 + taus**2)
    return alphas, alphas * taus


def times(n: int) -> np.ndarray:
    return np.geomspace(16, 1e-3, n + 1)


def timed(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The levels at times(n)."""
    return np.exp(-times(n) / 2), np.sqrt(-np.expm1(-times(n)))


# --- the first-order family: DDIM(eta) ----------------------------------------------------------


def family(
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
    *,
    eta: float = 0.0,
    levels: Callable = nodes,
    answer: Callable = lambda x0: x0,
    noise: Callable = lambda deviation, s, s1, fresh: deviation,
) -> np.ndarray:
    """x' = a' D + sqrt(s'^2 - d^2) eps + d z with d = eta s'/s sqrt(fresh); what is wrong with it
    comes by keyword.
    """
    for k, ((a, s), (a1, s1)) in enumerate(pairwise(zip(*levels(n), strict=True))):
        if k == stop:
            break
        x0, fresh = answer(denoise(x, a, s)), max(s**2 - (a / a1 * s1) ** 2, 0.0)
        spread = eta * s1 / s * np.sqrt(fresh)
        x, eps = a1 * x0, (x - a * x0) / s
        x = x + np.sqrt(s1**2 - spread**2) * eps
        if eta:
            x = x + noise(spread, s, s1, fresh) * draw(normal)(x.shape)
    return x


def draw(normal: Callable | None) -> Callable:
    """Where the standard normals come from: this module's own generator where none is given."""
    return RNG.standard_normal if normal is None else normal


RNG = np.random.default_rng(20)
ddim = family
half = partial(family, eta=0.5)
ancestral = partial(family, eta=1.0)
clipping = partial(family, answer=lambda x0: np.clip(x0, -1, 1))
# beta for beta-tilde
upper = partial(ancestral, noise=lambda deviation, s, s1, fresh: np.sqrt(fresh) * (s1 > 0))
silent = partial(ancestral, noise=lambda deviation, *_: 0.0)
rootless = partial(ancestral, noise=lambda deviation, *_: deviation**2)
louder = partial(ancestral, noise=lambda deviation, *_: 1.2 * deviation)


def noiseless(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """Ancestral sampling that never draws."""
    return ancestral(denoise, x, n, stop, np.zeros)


def repeated(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """One noise for all steps."""
    once = draw(normal)(x.shape)
    return ancestral(denoise, x, n, stop, lambda shape: once)


def own_noise(run: Callable) -> Callable:
    """A sampler that draws by itself, whatever it is given."""
    return lambda denoise, x, n, stop, normal: run(denoise, x, n, stop, None)


def skipping(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """DDIM whose steps go to the level after the next."""
    levels = list(zip(*nodes(n), strict=True))
    for k in range(stop):
        (a, s), (a1, s1) = levels[k], levels[min(k + 2, n)]
        x0 = denoise(x, a, s)
        x = a1 * x0 + s1 * (x - a * x0) / s
    return x


def above(n: int) -> tuple[np.ndarray, np.ndarray]:
    """nodes(n + 1) without the one at 0."""
    alphas, sigmas = nodes(n + 1)
    return alphas[:-1], sigmas[:-1]


def skipping_above(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    return skipping(denoise, x, n + 1, stop, normal)


def stopping(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """DDIM without its step to 0."""
    return ddim(denoise, x, n, min(stop, n - 1), normal)


def early(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """DDIM that leaves sigma/alpha = .3 in, whatever n."""
    taus = nodes(n)[1] / nodes(n)[0]
    return ddim(denoise, x, n, min(stop, int((taus >= 0.3).sum()) - 1), normal)


def centred(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """DDIM that takes the data's mean for 0."""
    return ddim(denoise, x, n, stop, normal) - ddim(denoise, 0 * x, n, stop, normal)


# --- multi-step methods -------------------------------------------------------------------------


def multistep(
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
    *,
    order: int,
    exponential: bool,
    last: float = 1.0,
) -> np.ndarray:
    """y = x/alpha by the polynomial through the last answers, from order 1 up.  last: weight of its
    highest difference.

    exponential: that of D in log tau (2M, 3M).  Else that of the velocity (y - D)/tau in tau
    (Adams; LMS).
    """
    alphas, sigmas = nodes(n)
    taus, past = sigmas / alphas, []
    for k in range(stop):
        y, tau, after = x / alphas[k], taus[k], taus[k + 1]
        x0 = denoise(x, alphas[k], sigmas[k])
        past = [(-np.log(tau), x0) if exponential else (tau, (y - x0) / tau), *past][
            : order if after > 0 else 1
        ]
        if after == 0:
            y = x0
        elif exponential:
            y = after / tau * y + _integral(past, _exponentials(np.log(tau / after)), order, last)
        else:
            y = y + _integral(past, [(after - tau) ** j / j for j in (1, 2, 3)], order, last)
        x = alphas[k + 1] * y
    return x


def _integral(
    past: list[tuple[float, np.ndarray]], moments: list[float], order: int, last: float
) -> np.ndarray:
    """Of the polynomial through `past` by Newton's differences; moments: the integrals of 1, u and
    u^2.
    """
    (u0, f0), total = past[0], moments[0] * past[0][1]
    if len(past) > 1:
        u1, f1 = past[1]
        first = (f0 - f1) / (u0 - u1)
        total = total + (last if order == 2 else 1.0) * moments[1] * first
    if len(past) > 2:
        u2, f2 = past[2]
        second = (first - (f1 - f2) / (u1 - u2)) / (u0 - u2)
        total = total + last * (moments[2] + (u0 - u1) * moments[1]) * second
    return total


def _exponentials(h: float) -> list[float]:
    """The integrals over [0, h] of exp(u - h) times 1, u and u^2."""
    zeroth = -np.expm1(-h)
    return [zeroth, h - zeroth, h**2 - 2 * (h - zeroth)]


two_m, three_m = (partial(multistep, order=order, exponential=True) for order in (2, 3))
adams_2, adams_3 = (partial(multistep, order=order, exponential=False) for order in (2, 3))
half_weight = partial(three_m, last=0.5)


# --- in time: f = -1/2, g^2 = 1 -----------------------------------------------------------------


def _score(denoise: Callable, x: np.ndarray, t: float, power: float) -> np.ndarray:
    a, s = np.exp(-t / 2), np.sqrt(-np.expm1(-t))
    return (a * denoise(x, a, s) - x) / s**power


def euler(
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
    *,
    share: float = 0.5,
    power: float = 2.0,
) -> np.ndarray:
    """The probability flow dx/dt = f x - share g^2 score, share = 1/2."""
    for t, s in list(pairwise(times(n)))[:stop]:
        x = x + (s - t) * (-x / 2 - share * _score(denoise, x, t, power))
    return x


def heun(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    for t, s in list(pairwise(times(n)))[:stop]:
        velocity = -x / 2 - _score(denoise, x, t, 2) / 2
        there = x + (s - t) * velocity
        x = x + (s - t) * (velocity - there / 2 - _score(denoise, there, s, 2) / 2) / 2
    return x


def euler_maruyama(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """The reverse SDE dx = (f x - g^2 score) dt + g dw."""
    for t, s in list(pairwise(times(n)))[:stop]:
        x = (
            x
            + (s - t) * (-x / 2 - _score(denoise, x, t, 2))
            + np.sqrt(t - s) * draw(normal)(x.shape)
        )
    return x


doubled = partial(euler, share=1.0)  # g^2 where g^2/2 stands
flattened = partial(euler, power=1.0)  # sigma for sigma^2


# --- bad manners --------------------------------------------------------------------------------


def mutating(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    x *= 1.0 + 1e-9
    return ddim(denoise, x, n, stop, normal)


def single(denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None) -> Any:
    return ddim(denoise, x, n, stop, normal).astype(np.float32)


def transposed(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    return ddim(denoise, x, n, stop, normal)[:, :, None]


def raising(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    raise RuntimeError("expected a 4-D tensor")


def restless(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """Draws where it is said to be deterministic."""
    return ddim(denoise, x, n, stop, normal) + 1e-3 * RNG.standard_normal(x.shape)


def gregarious(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """Centres its result over the batch."""
    x = ddim(denoise, x, n, stop, normal)
    return x - 0.1 * x.mean(0)


def undefined(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """0/0 in the step to sigma = 0."""
    x = ddim(denoise, x, n, stop, normal)
    return x * np.nan if stop == n else x


def absent(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    raise NotImplementedError("the library has no such sampler")
