"""Runge-Kutta's method of order 4 on the probability flow of Gaussian data, one eigen-direction at
a time, in plain numpy.

On the circle y = x/sqrt(alpha^2 + sigma^2), theta = atan2(sigma, alpha), data N(m, L) have the mean
m cos(theta) and the variance v = L cos^2 + sin^2, so that the flow is dy/dtheta = -m sin(theta) +
(v'/2v)(y - m cos(theta)).
"""

import itertools

import numpy as np
from scipy.stats import norm


def flow_density(alpha, sigma, x, mean, variances, prior_variance, probes=None):
    """log p(x) by N steps up the decreasing grid whose alpha, sigma (N + 1,) are given. x, mean,
    variances: (d,).

    prior: N(0, prior_variance) at the first node.  probes: (K, d), or None for the exact
    divergence.
    """
    angles = np.arctan2(sigma, alpha)[::-1]
    radii = np.hypot(alpha, sigma)[::-1]
    y, gained = x / radii[0], 0.0
    for low, high in itertools.pairwise(angles):
        y, gained = _step(low, high, y, gained, mean, variances, probes)
    ends = norm.logpdf(radii[-1] * y, scale=np.sqrt(prior_variance)).sum()
    return ends + gained + len(x) * np.log(radii[-1] / radii[0])


def _step(low, high, y, gained, mean, variances, probes):
    h, middle = high - low, (low + high) / 2
    a, p = _field(low, y, mean, variances, probes)
    b, q = _field(middle, y + h * a / 2, mean, variances, probes)
    c, r = _field(middle, y + h * b / 2, mean, variances, probes)
    d, s = _field(high, y + h * c, mean, variances, probes)
    return y + h * (a / 6 + b / 3 + c / 3 + d / 6), gained + h * (p / 6 + q / 3 + r / 3 + s / 6)


def _field(theta, y, mean, variances, probes):
    """The field and its divergence; a probe sees the posterior's gain, and the identity beside it
    is known.
    """
    cos, sin = np.cos(theta), np.sin(theta)
    v = cos**2 * variances + sin**2
    rate = cos * sin * (1 - variances) / v
    u = -mean * sin + rate * (y - mean * cos)
    if probes is None:
        return u, rate.sum()
    seen = (probes**2 * (cos * variances / v)).sum(1).mean()
    return u, (len(y) * cos - seen) / sin
