"""The recursions of sampling schemes, on any grid: which quantities of a path each one needs."""

import numpy as np

from spec_tests.oracles import recursions
from spec_tests.support.samplers import nodes


def recursion(name, path, ts, L):
    """The steps of Euler-Maruyama, DDIM, Euler or Heun on N(m, L)."""
    alpha, variance = nodes(path, ts)
    if name == "euler_maruyama":
        return recursions.euler_maruyama(ts, alpha, variance, path.f(ts), path.g2(ts), L)
    if name == "ddim":
        return recursions.ddim(alpha, variance, L)
    inner = ts[ts > 0]  # at t = 0 the rates are not used, and sigma' is infinite
    rates = np.zeros((2, len(ts)))
    rates[:, : len(inner)] = path.alpha_rate(inner), 2 * path.sigma(inner) * path.sigma_rate(inner)
    return getattr(recursions, name)(ts, alpha, variance, *rates, L)
