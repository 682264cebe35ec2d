"""What N steps of the textbook schemes do to N(M, V), one eigenvector of the data N(m, L) at a
time, in numpy float64.

On Gaussian data every step is affine: x_s = p x_t + q m + sqrt(n) z. A scheme here gives the arrays
p, q, n of its N steps and `size`, the sum of the absolute terms that add up to p: how large the
numbers are that its code rounds. Nodes come as arrays of alpha and sigma^2 in the order of the
grid, from noise to data; L may have any shape.
"""

from typing import NamedTuple

import numpy as np


class Steps(NamedTuple):
    """x_s = p x_t + q m + sqrt(n) z; leading axis N."""

    p: np.ndarray
    q: np.ndarray
    n: np.ndarray
    size: np.ndarray


class Outcome(NamedTuple):
    """Mean and variance after the last step, and the scale of the rounding that the steps add up
    to.
    """

    mean: np.ndarray
    variance: np.ndarray
    mean_scale: np.ndarray
    variance_scale: np.ndarray


def run(steps: Steps, alpha, mean, variance, m) -> Outcome:
    """M' = p M + q m, V' = p^2 V + n; an error of `size` ulps of every step is carried through
    those that follow.
    """
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    mean_scale, variance_scale = np.abs(mean), variance
    for p, q, n, size, a_t, a_s in zip(*steps, alpha[:-1], alpha[1:], strict=True):
        mean_scale = (
            np.abs(p) * mean_scale + size * (np.abs(mean) + a_t * np.abs(m)) + a_s * np.abs(m)
        )
        variance_scale = p**2 * variance_scale + 2 * np.abs(p) * size * variance + n
        mean, variance = p * mean + q * m, p**2 * variance + n
    return Outcome(mean, variance, mean_scale, variance_scale)


def w2(p: Outcome, mean, variance) -> float:
    """W2 of two Gaussians with common eigenvectors."""
    return float(
        np.sqrt(((p.mean - mean) ** 2 + (np.sqrt(p.variance) - np.sqrt(variance)) ** 2).sum())
    )


def product_of_cosines(alpha, variance, L) -> np.ndarray:
    """DDIM's gain over a whole grid: (rho_0/rho_T) prod cos(phi_t - phi_s), phi = atan2(sigma,
    alpha sqrt L).
    """
    phi = np.arctan2(np.sqrt(_column(variance, L)), _column(alpha, L) * np.sqrt(L))
    rho = np.sqrt(_marginal(alpha, variance, L))
    return rho[-1] / rho[0] * np.cos(np.diff(phi, axis=0)).prod(0)


def ddim(alpha, variance, L, eta: float = 0.0) -> Steps:
    """Song, Meng and Ermon 2021, eqs. (12), (16): eta = 0 by its angle, eta > 0 as written
    there.
    """
    a_t, a_s, v_t, v_s = _ends(alpha, variance, L)
    total = a_t**2 * L + v_t
    new = eta**2 * v_s / v_t * (v_t - (a_t / a_s) ** 2 * v_s)
    p = a_s * a_t * L / total + np.sqrt(np.maximum(v_s - new, 0) * v_t) / total
    size = np.sqrt(v_s / v_t) * (1 + a_t**2 * L / total) + a_s * a_t * L / total
    return Steps(p, a_s - p * a_t, new, size)


def ancestral(alpha, variance, L, kind: str) -> Steps:
    """The mean of x_s given x_t by Gaussian conditioning, and the variance called tilde, beta,
    optimal or none.
    """
    a_t, a_s, v_t, v_s = _ends(alpha, variance, L)
    gain = a_t / a_s
    fresh = v_t - gain**2 * v_s
    before, after = a_t**2 * L + v_t, a_s**2 * L + v_s
    p = gain * after / before
    n = {
        "tilde": fresh * v_s / v_t,
        "beta": fresh,
        "optimal": fresh * after / before,
        "none": 0 * fresh,
    }[kind]
    return Steps(p, a_s - p * a_t, n + 0 * p, p)


def euler(ts, alpha, variance, alpha_rate, variance_rate, L) -> Steps:
    """x - (t - s) u with u = alpha' m + (v'/2v)(x - alpha m): the moving marginal carries its
    points along.
    """
    a, _, v, _ = _ends(alpha, variance, L)
    h, a_rate, v_rate = (
        -_column(np.diff(ts), L),
        _column(alpha_rate, L)[:-1],
        _column(variance_rate, L)[:-1],
    )
    r = _rate(a, v, a_rate, v_rate, L)
    return Steps(
        1 - h * r, h * (r * a - a_rate), 0 * r, 1 + h * _rate_size(a, v, a_rate, v_rate, L)
    )


def heun(ts, alpha, variance, alpha_rate, variance_rate, L) -> Steps:
    """The mean of the slopes at both ends; a last step to sigma = 0 is Euler's."""
    first = euler(ts, alpha, variance, alpha_rate, variance_rate, L)
    h, a, a_rate = -_column(np.diff(ts), L), _column(alpha, L), _column(alpha_rate, L)
    v, v_rate = _column(variance, L), _column(variance_rate, L)
    last = v[1:] == 0
    # at sigma = 0 the second slope is not used
    safe = lambda x, other: np.where(last, other, x[1:])
    end = safe(a, 1.0), safe(v, 1.0), safe(a_rate, 0.0), safe(v_rate, 0.0)
    r, r_size = _rate(*end, L), _rate_size(*end, L)
    p = (1 + first.p - h * r * first.p) / 2
    q = (first.q - h * (r * first.q + end[2] - r * end[0])) / 2
    size = (1 + first.size + h * r_size * first.size) / 2
    both = (np.where(last, x, y) for x, y in zip(first, (p, q, first.n, size), strict=True))
    return Steps(*both)


def euler_maruyama(ts, alpha, variance, f, g2, L) -> Steps:
    """x - h (f x + g^2 (x - alpha m)/v) + g sqrt(h) z."""
    a, _, s2, _ = _ends(alpha, variance, L)
    h, f, g2 = -_column(np.diff(ts), L), _column(f, L)[:-1], _column(g2, L)[:-1]
    v = a**2 * L + s2
    size = 1 + h * (np.abs(f) + g2 / s2 * (1 + a**2 * L / v))
    return Steps(1 - h * (f + g2 / v), h * g2 * a / v, h * g2 + 0 * v, size)


def _rate(a, v, a_rate, v_rate, L):
    """v'/2v of v = alpha^2 L + sigma^2."""
    return (a * a_rate * L + v_rate / 2) / (a**2 * L + v)


def _rate_size(a, v, a_rate, v_rate, L):
    """The same with absolute terms, as alpha' x0 + sigma' (x - alpha x0)/sigma adds them up."""
    shrink = a * L / (a**2 * L + v)
    return np.abs(a_rate) * shrink + np.abs(v_rate) / (2 * v) * (1 + a * shrink)


def _marginal(alpha, variance, L):
    return _column(alpha, L) ** 2 * L + _column(variance, L)


def _ends(alpha, variance, L):
    """alpha_t, alpha_s, sigma_t^2, sigma_s^2 of the N steps."""
    a, v = _column(alpha, L), _column(variance, L)
    return a[:-1], a[1:], v[:-1], v[1:]


def _column(values, L) -> np.ndarray:
    """(N + 1,) as (N + 1, 1, ...), to go with L."""
    values = np.asarray(values, np.float64)
    return values.reshape(values.shape + (1,) * np.ndim(L))


def reverse_family(path, t: float, s: float, L, eta: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear SDE dx = [f x + (1 + eta^2)/2 g^2/v (x - alpha m)] dt + eta g dw from t to s by
    quadrature.

    (gain, noise variance) of x - alpha m. In y = x/alpha and tau = (sigma/alpha)^2 = exp(-l) the
    drift is (1 + eta^2)/2 y/(L + tau) dtau and the noise eta^2 dtau: both integrals are taken over
    the log-SNR l.
    """
    low, high = float(path.log_snr(t)), float(path.log_snr(s))
    L, strength = np.atleast_1d(np.asarray(L, np.float64)), 1 + eta**2

    def pulled(l):
        """int_l^high dl/(1 + L exp(l)) for an array l: shape (*l.shape, *L.shape)."""
        nodes, weights = _panels(l, np.full_like(l, high))
        return (weights[..., None] / (1 + L * np.exp(nodes[..., None]))).sum(-2)

    nodes, weights = _panels(np.array(low), np.array(high))
    noise = eta**2 * (weights[:, None] * np.exp(-nodes[:, None] - strength * pulled(nodes))).sum(0)
    a_t, a_s = float(path.alpha(t)), float(path.alpha(s))
    return a_s / a_t * np.exp(-strength / 2 * pulled(np.array(low))), a_s**2 * noise


def _panels(
    low: np.ndarray, high: np.ndarray, panels: int = 16, order: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [low, high], on the last axis: to rounding for log-SNRs
    in [-14, 14].
    """
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.arange(panels)[:, None]
    unit, weights = ((edges + (x + 1) / 2) / panels).ravel(), np.tile(w / 2 / panels, panels)
    span = (high - low)[..., None]
    return low[..., None] + span * unit, span * weights
