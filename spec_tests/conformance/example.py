"""An adapter, whole: a module that says how your code is called. The page *Other libraries* prints
it.
"""

import numpy as np

from spec_tests.conformance.target import Target

LIBRARY, version = "mine", lambda: "1.0"


def nodes(n):  # your noise levels, from noise to data: alphas, sigmas
    sigma = np.linspace(0.99, 0.0, n + 1)
    return 1 - sigma, sigma


def run(denoise, x, n, stop, normal):  # the first `stop` of n steps; rows of x are a batch
    alpha, sigma = nodes(n)
    for k in range(stop):
        x0 = denoise(x, alpha[k], sigma[k])  # E[x_0 | x] at this level, in place of your network
        x = alpha[k + 1] * x0 + sigma[k + 1] / sigma[k] * (x - alpha[k] * x0)
    return x


def samplers():  # and processes(), guidances(), log_probs(), losses(), as far as you have them
    yield Target("my DDIM", {"run": run, "nodes": nodes, "eta": 0.0, "order": 1})
