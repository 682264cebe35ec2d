"""Flows without the formulas of flows: regression on sigma points, quadrature of posteriors,
iterated projections.

Sigma points have equal weights and the mean and covariance of N(0, I) exactly: averages of
quadratic functions are exact.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations

import numpy as np
from scipy.integrate import quad
from scipy.optimize import root_scalar
from scipy.special import erf


def sigma_points(d: int) -> np.ndarray:
    """(2d, d): plus and minus sqrt(d) along every axis."""
    return np.sqrt(d) * np.concatenate([np.eye(d), -np.eye(d)])


def legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


def bridge(
    mean: np.ndarray, cov: np.ndarray, t: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (1 - t) x0 + t x1 + scale sqrt(t (1 - t)) z, (x0, x1) ~ N(mean, cov),
    in fractions.
    """
    mean, cov, (time, spread) = _exactly(mean), _exactly(cov), _exactly([t, scale])
    eye = _exactly(np.eye(len(mean) // 2))
    ways = np.kron(np.array([[1 - time, time]]), eye)
    return ways @ mean, ways @ cov @ ways.T + spread**2 * time * (1 - time) * eye


def plane_score(mean: np.ndarray, cov: np.ndarray, x: np.ndarray) -> np.ndarray:
    """-cov^-1 (x - mean) in the plane, by Cramer's rule: exact where mean and cov are fractions."""
    (a, b), (c, d) = cov
    away = _exactly(x) - mean
    return -away @ np.array([[d, -b], [-c, a]]) / (a * d - b * c)


def _exactly(x) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(np.asarray(x, np.float64))


def sqrtm(a: np.ndarray) -> np.ndarray:
    """The symmetric root."""
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(values)) @ vectors.T


def mean_velocity(
    weights, means, variances, rates, a: float, s: float, x: np.ndarray
) -> np.ndarray:
    """E[a' x0 + s' eps | a x0 + s eps = x] of a mixture on the line: a trapezoid sum over x0, eps =
    (x - a x0)/s.
    """
    x0 = np.linspace(-30, 30, 8001)
    logs = -((x0[:, None] - means) ** 2) / (2 * variances)
    density = (weights / np.sqrt(variances) * np.exp(logs)).sum(-1)
    eps = (x[:, None] - a * x0) / s
    shares = density * np.exp(-(eps**2 - (eps**2).min(-1, keepdims=True)) / 2)
    return (shares * (rates[0] * x0 + rates[1] * eps)).sum(-1) / shares.sum(-1)


def regress(targets: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The affine map (matrix, constant) of least squares from the rows of inputs to those of
    targets.
    """
    design = np.concatenate([inputs, np.ones((len(inputs), 1))], 1)
    solution = np.linalg.lstsq(design, targets, rcond=None)[0]
    return solution[:-1].T, solution[-1]


def complex_step(function: Callable, t):
    """The derivative of an analytic function, to rounding."""
    return np.imag(function(t + 1e-30j)) / 1e-30


def logit_normal_cdf(t, mean: float, std: float):
    """P(logit T < logit t), T logit-normal; t may be complex."""
    return (1 + erf((np.log(t / (1 - t)) - mean) / std / np.sqrt(2))) / 2


def unshifted(t, shift: float):
    """The time that the shift moves to t, solved from shift u/(1 + (shift - 1) u) = t."""
    return t / (shift - (shift - 1) * t)


def integral(function: Callable[[float], float]) -> float:
    """Over [0, 1], by adaptive quadrature."""
    return quad(function, 0, 1, epsabs=1e-13, epsrel=1e-13, limit=200)[0]


def polygon_straightness(ts: np.ndarray, L: np.ndarray) -> np.ndarray:
    """sum dt (slope - chord)^2 of the nodes rho(t_i) = sqrt((1 - t)^2 L + t^2), for each L."""
    rho = np.sqrt((1 - ts[:, None]) ** 2 * L + ts[:, None] ** 2)
    dt = np.abs(np.diff(ts))[:, None]
    return (np.diff(rho, axis=0) ** 2 / dt).sum(0) - (rho[-1] - rho[0]) ** 2 / np.abs(
        ts[-1] - ts[0]
    )


def best_assignment(costs: np.ndarray) -> tuple[int, ...]:
    """Of all n! permutations that of least sum_i costs[i, order[i]]."""
    n = len(costs)
    return min(permutations(range(n)), key=lambda order: costs[range(n), order].sum())


def sinkhorn(p: np.ndarray, q: np.ndarray, std: float, rounds: int = 500) -> np.ndarray:
    """Cov(x0, x1) of exp(-x0'Fx0/2 - x1'Gx1/2 + x0'x1/std^2), F and G fitted in turn to the
    covariances p and q.
    """
    link = 1 / std**2
    f = np.linalg.inv(p)
    for _ in range(rounds):
        g = np.linalg.inv(q) + link**2 * np.linalg.inv(f)
        f = np.linalg.inv(p) + link**2 * np.linalg.inv(g)
    d = len(p)
    precision = np.block([[f, -link * np.eye(d)], [-link * np.eye(d), g]])
    return np.linalg.inv(precision)[:d, d:]


def foellmer(density: Callable, x: np.ndarray, t: float) -> np.ndarray:
    """grad log of E[f(x + sqrt(t) w)], f = density/N(0, 1) on the line: complex steps of a
    trapezoid sum.
    """
    y = np.linspace(-30, 30, 60001)
    logs = np.log(density(y)) + y**2 / 2

    def log_mean(x):
        away = logs - (y - x[:, None]) ** 2 / (2 * t)
        top = away.real.max(-1, keepdims=True)
        return np.log(np.exp(away - top).sum(-1)) + top[:, 0]

    return complex_step(log_mean, x)


def ornstein_uhlenbeck_energy(mean: float, variance: float) -> float:
    """(1/2) int_0^1 E(b - k x)^2 ds of dx = (b - k x) ds + dw from 0, with k and b such that x_1 ~
    N(mean, variance).
    """
    k = root_scalar(lambda k: -np.expm1(-2 * k) / (2 * k) - variance, bracket=(-20, 20.5)).root
    b = mean * k / -np.expm1(-k)
    m = lambda s: -b / k * np.expm1(-k * s)
    v = lambda s: -np.expm1(-2 * k * s) / (2 * k)
    return integral(lambda s: (b - k * m(s)) ** 2 + k**2 * v(s)) / 2
