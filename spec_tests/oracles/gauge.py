"""Schemes that live in y = x/alpha and r = sigma/alpha, where dy/dr = eps, on Gaussian data: what a
step does to y - m.

For N(m, L) in one direction eps = k(r) (y - m) with k = r/(L + r^2), so that every scheme is a gain
and a noise of y - m. As in recursions.py nodes come as arrays of alpha and sigma^2 in the order of
the grid, L may have any shape.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from spec_tests.oracles.recursions import Steps


class Levels(NamedTuple):
    """alpha and r at both ends of the N steps."""

    a_t: np.ndarray
    a_s: np.ndarray
    r_t: np.ndarray
    r_s: np.ndarray


def each(steps: Steps, alpha, x, zs, m) -> tuple[np.ndarray, np.ndarray]:
    """p x + q m + sqrt(n) z of every step from its own row of x, and the scale of what is
    rounded.
    """
    a_t, a_s = alpha[:-1, None], alpha[1:, None]
    noise = np.sqrt(steps.n) * zs
    scale = steps.size * (np.abs(x) + a_t * np.abs(m)) + a_s * np.abs(m) + np.abs(noise)
    return steps.p * x + steps.q * m + noise, scale


def euler_ancestral(alpha, variance, L, eta) -> Steps:
    """Down to r_down by Euler's method, then noise r_up."""
    at = _levels(alpha, variance, L)
    up, down = _ancestral(at, eta)
    return _steps(at, 1 + (down - at.r_t) * _pull(at.r_t, L), up**2 + 0 * L, _reach(at, L))


def dpm2_ancestral(alpha, variance, L, eta) -> Steps:
    """Down to r_down by the midpoint method in log r, Euler's where r_s = 0; then noise r_up."""
    at = _levels(alpha, variance, L)
    up, down = _ancestral(at, eta)
    mid = np.where(down > 0, np.sqrt(at.r_t * down), at.r_t)
    gain = 1 + (down - at.r_t) * _pull(mid, L) * (1 + (mid - at.r_t) * _pull(at.r_t, L))
    return _steps(at, gain, up**2 + 0 * L, _reach(at, L) * at.r_t / mid)


def edm_stochastic(alpha, variance, L, gamma, noise_scale, low, high) -> Steps:
    """Karras et al. 2022, Algorithm 2: noise up to r (1 + gamma), then Heun's method, Euler's where
    r_s = 0.
    """
    at = _levels(alpha, variance, L)
    hat = at.r_t * (1 + np.where((low <= at.r_t) & (at.r_t <= high), gamma, 0))
    first = 1 + (at.r_s - hat) * _pull(hat, L)
    second = np.where(
        at.r_s > 0, 1 + (at.r_s - hat) / 2 * (_pull(hat, L) + _pull(at.r_s, L) * first), first
    )
    worst = _reach(at, L) * np.where(at.r_s > 0, hat / np.where(at.r_s > 0, at.r_s, 1), 1)
    return _steps(at, second, second**2 * noise_scale**2 * (hat**2 - at.r_t**2), worst)


def sde_dpm_solver(alpha, variance, L) -> Steps:
    """The reverse SDE dy = -2 eps dr + noise of r_t^2 - r_s^2, with eps held."""
    at = _levels(alpha, variance, L)
    gain = 1 - 2 * (at.r_t - at.r_s) * _pull(at.r_t, L)
    return _steps(at, gain, at.r_t**2 - at.r_s**2 + 0 * L, 2 * _reach(at, L))


def exponential_sde(alpha, variance, L) -> Steps:
    """Pierret and Galerne 2024: x' = e^G x - 2 (e^G - 1) x/v, noise e^2G - 1, e^G =
    alpha_s/alpha_t, variance preserving.
    """
    at = _levels(alpha, variance, L)
    grown = at.a_s / at.a_t
    v = at.a_t**2 * L + (at.a_t * at.r_t) ** 2
    p = grown - 2 * (grown - 1) / v
    size = grown + 2 * (grown - 1) / (at.a_t * at.r_t) ** 2 * (1 + at.a_t**2 * L / v)
    return Steps(p, at.a_s - p * at.a_t, grown**2 - 1 + 0 * L, size)


def adams(alpha, variance, L, order: int) -> np.ndarray:
    """What the linear multi-step method multiplies x - alpha m by in all: numpy's polynomials
    through the last r's.
    """
    r = np.sqrt(variance) / alpha
    e, past = np.ones_like(L), []
    for i, (now, then) in enumerate(pairwise(r)):
        past = [_pull(now, L) * e, *past][:order]
        nodes = r[i::-1][: len(past)]
        e = e + sum(lagrange_integral(nodes, j, now, then) * slope for j, slope in enumerate(past))
    return alpha[-1] / alpha[0] * e


def lagrange_integral(nodes, j: int, low, high) -> float:
    """The integral from low to high of the polynomial that is 1 at nodes[j] and 0 at the others."""
    others = np.delete(nodes, j)
    primitive = (np.poly1d(others, r=True) / np.prod(nodes[j] - others)).integ()
    return primitive(high) - primitive(low)


def _levels(alpha, variance, L) -> Levels:
    column = partial(np.reshape, shape=(-1,) + (1,) * np.ndim(L))
    a, r = column(np.asarray(alpha)), column(np.sqrt(variance) / alpha)
    return Levels(a[:-1], a[1:], r[:-1], r[1:])


def _pull(r, L):
    return r / (L + r**2)


def _ancestral(at: Levels, eta):
    up = eta * at.r_s * np.sqrt(1 - (at.r_s / at.r_t) ** 2)
    return up, np.sqrt(at.r_s**2 - up**2)


def _reach(at: Levels, L):
    """1 and the absolute terms of (r_s - r_t) eps, eps = (y - D)/r_t."""
    return 1 + (at.r_t - at.r_s) / at.r_t * (1 + L / (L + at.r_t**2))


def _steps(at: Levels, gain, noise, size) -> Steps:
    p = at.a_s / at.a_t * gain
    return Steps(p, at.a_s - p * at.a_t, at.a_s**2 * noise, at.a_s / at.a_t * size)
