"""Guided Gaussians: moments by an ODE solver, products of densities by completing the square,
guided mixtures.
"""

from typing import NamedTuple

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.special import hyp2f1


class Gaussians(NamedTuple):
    """Independent directions: means and variances, each (d,)."""

    mean: np.ndarray
    variance: np.ndarray


def tilted(cond: Gaussians, uncond: Gaussians, w: float) -> Gaussians:
    """p_c^w p_u^(1-w): the exponents' precisions and pulls add up."""
    precision = w / cond.variance + (1 - w) / uncond.variance
    pull = w * cond.mean / cond.variance + (1 - w) * uncond.mean / uncond.variance
    return Gaussians(pull / precision, 1 / precision)


def moments(
    cond: Gaussians,
    uncond: Gaussians,
    w: float,
    eta: float,
    begin: Gaussians,
    high: float,
    low: float,
) -> Gaussians:
    """Moments at noise variance `low` of the guided reverse family from `begin` at `high`, in
    coordinates x/alpha.

    Noise variance tau = (sigma/alpha)^2: dm/dtau = k (P m - q), dV/dtau = 2 k P V - eta^2, k = (1 +
    eta^2)/2, where the guided score is q - P y. The logarithm u of tau + 1/10 is cut into 40 pieces
    of 20 Gauss-Legendre nodes; the integrals up to a node are those of the polynomial through the
    nodes of its piece.
    """
    k = (1 + eta**2) / 2
    u, total, upto = panels(np.log(high + 0.1), np.log(low + 0.1))
    tau = (np.exp(u) - 0.1)[..., None]
    c, a = cond.variance + tau, uncond.variance + tau
    rate = np.exp(u)[..., None]
    # log of the gain of a deviation, from `high` to each node
    growth = upto(k * rate * (w / c + (1 - w) / a))
    end = total(k * rate * (w / c + (1 - w) / a))
    push = -k * rate * (w * cond.mean / c + (1 - w) * uncond.mean / a)
    mean = np.exp(end) * begin.mean + total(np.exp(end - growth) * push)
    variance = np.exp(2 * end) * begin.variance - eta**2 * total(rate * np.exp(2 * (end - growth)))
    return Gaussians(mean, variance)


def panels(first: float, last: float):
    """Nodes (40, 20) from first to last, the integral over all of it, and the integral from first
    to every node.
    """
    x, weights = np.polynomial.legendre.leggauss(20)
    p = np.polynomial.legendre.legvander(x, 20)
    rises = (
        p[:, 1:] - np.concatenate([-np.ones((20, 1)), p[:, :-2]], axis=1)
    ) / 2  # (k + 1/2) int_{-1}^x P_k
    # (node, value at node): integrals from -1 of the interpolant
    inner = rises @ p[:, :20].T * weights
    edges = np.linspace(first, last, 41)
    half = (edges[1] - edges[0]) / 2

    def whole(values):
        return half * np.einsum("j,pj...->p...", weights, values)

    def upto(values):
        before = np.cumsum(whole(values), axis=0) - whole(values)
        return before[:, None] + half * np.einsum("ij,pj...->pi...", inner, values)

    return (edges[:-1] + half)[:, None] + half * x, lambda values: whole(values).sum(0), upto


def overshoot(w: float) -> float:
    """phi(w) for x|c ~ N(c, 1) in N(0, 2): 2^((1-w)/2) (w/2) int_{1/2}^1 u^(-1-w/2) (1-u)^(-1/2)
    du.
    """
    integral, _ = quad(
        lambda u: u ** (-1 - w / 2), 0.5, 1, weight="alg", wvar=(0, -0.5), epsrel=1e-12
    )
    return 2 ** ((1 - w) / 2) * w / 2 * integral


def whole_pull(w: float | np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The pull of the flow from infinite noise, L_c/L_u = ratio, by Gauss's function."""
    return w * hyp2f1((1 - w) / 2, 1, 1.5, 1 - ratio)


def whole_pull_of_sde(w: float | np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The same of the reverse SDE: (1 - r^w)/(1 - r)."""
    apart = np.where(ratio == 1, 1, 1 - ratio)
    return np.where(ratio == 1, w, (1 - ratio**w) / apart)


def two_sided_end(
    w: float, mean: float, variance: float, high: float, low: float, x: float
) -> float:
    """Where the guided flow of the component N(mean, variance) of its mixture with N(-mean,
    variance) takes x (VE).
    """

    def rhs(tau, y):
        v = variance + tau
        cond, uncond = -(y - mean) / v, -(y - mean * np.tanh(y * mean / v)) / v
        return -(uncond + w * (cond - uncond)) / 2

    return float(solve_ivp(rhs, (high, low), [x], "DOP853", rtol=1e-12, atol=1e-14).y[0, -1])


# --- CFG++ on the rectified flow, alpha = 1 - t and sigma = t -----------------------------------


def cfg_pp_weight(w: float, t: float, s: float) -> float:
    """w/(1 - e^-h), h the step in log(alpha/sigma)."""
    return w / -np.expm1(np.log(s / (1 - s)) - np.log(t / (1 - t)))


def guided_ddim(cond: Gaussians, uncond: Gaussians, w: float, x: np.ndarray, t: float, s: float):
    """DDIM's step in eps, eps_u + w (eps_c - eps_u), and the size of its terms."""
    eps = [
        t * (x - (1 - t) * part.mean) / ((1 - t) ** 2 * part.variance + t**2)
        for part in (cond, uncond)
    ]
    guided = eps[1] + w * (eps[0] - eps[1])
    move = s - (1 - s) / (1 - t) * t  # of eps; the answer is (1 - s)/(1 - t) x + move eps
    terms = (
        np.abs(x) / (1 - t)
        + sum(np.abs(part.mean) for part in (cond, uncond))
        + sum(np.abs(e) for e in eps)
    )
    return (1 - s) / (1 - t) * x + move * guided, (1 + np.abs(w * move)) * terms


def cfg_pp_drift(apart: float, variance: float, w: float) -> float:
    """w apart int_0^1 sqrt(v_0/v_t) alpha sigma^2/v_t dt, v = alpha^2 L + sigma^2: what one of many
    steps adds to the mean.
    """
    v = lambda t: (1 - t) ** 2 * variance + t**2
    return (
        w
        * apart
        * quad(lambda t: np.sqrt(variance / v(t)) * (1 - t) * t**2 / v(t), 0, 1, epsabs=1e-13)[0]
    )


def cfg_pp_growth(narrow: float, wide: float, w: float) -> float:
    """2 int_0^1 log(1 + w alpha (A_c - A_u)) dt, A = alpha L/v: what one of many steps adds to the
    log-variance.
    """
    gain = lambda t, variance: (1 - t) * variance / ((1 - t) ** 2 * variance + t**2)
    return (
        2
        * quad(
            lambda t: np.log1p(w * (1 - t) * (gain(t, narrow) - gain(t, wide))), 0, 1, epsabs=1e-13
        )[0]
    )
