"""torchcfm: its conditional flow matchers as processes; x0 is the source and x1 data there, and
time runs to data.
"""
# pyright: reportMissingImports=false

from collections.abc import Iterator
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch
from torchcfm import conditional_flow_matching as cfm

from spec_tests.conformance.libraries._torch import array, tensor
from spec_tests.conformance.libraries.torchcfm import snippets
from spec_tests.conformance.target import Target

LIBRARY = "torchcfm"
TIMES = np.linspace(0.95, 0.05, 10)


def version() -> str:
    return installed("torchcfm")


def processes() -> Iterator[Target]:
    """Where sigma is 0 the source is the noise; else the source is held at 0, and the noise is that
    of the path.
    """
    yield _from_noise(cfm.ConditionalFlowMatcher)
    yield _from_noise(cfm.VariancePreservingConditionalFlowMatcher)
    yield _of_a_pair(cfm.ConditionalFlowMatcher, 0.1)
    yield _of_a_pair(cfm.VariancePreservingConditionalFlowMatcher, 0.1)
    for sigma in (0.0, 0.1):
        yield _of_a_pair(cfm.TargetConditionalFlowMatcher, sigma)
    for sigma in (0.5, 1.0):
        yield _of_a_pair(cfm.SchrodingerBridgeConditionalFlowMatcher, sigma)


def _from_noise(kind: Any) -> Target:
    matcher = kind(sigma=0.0)
    arguments = {
        "alpha": lambda t: _mean(matcher, 0.0, 1.0, t),
        "sigma": lambda t: _mean(matcher, 1.0, 0.0, t),
        "times": TIMES,
        "perturb": lambda x0, eps, t: array(_path(matcher, eps, x0, 0 * eps, t)[0]),
        "velocity": lambda x0, eps, t: array(_path(matcher, eps, x0, 0 * eps, t)[1]),
    }
    return Target(f"{kind.__name__}(sigma=0.0)", arguments)


def _of_a_pair(kind: Any, sigma: float) -> Target:
    matcher = kind(sigma=sigma)
    arguments = {
        "alpha": lambda t: _mean(matcher, 0.0, 1.0, t),
        "sigma": lambda t: _deviation(matcher, t),
        "times": TIMES,
        "perturb": lambda x0, eps, t: array(_path(matcher, 0 * x0, x0, eps, t)[0]),
        "velocity": lambda x0, eps, t: array(_path(matcher, 0 * x0, x0, eps, t)[1]),
    }
    if kind is cfm.SchrodingerBridgeConditionalFlowMatcher:
        arguments["convert"] = {"score, weighted by compute_lambda": _score(matcher)}
    return Target(f"{kind.__name__}(sigma={sigma}), from 0", arguments, snippets.GUARDS)


def _mean(matcher: Any, source: float, data: float, t: float) -> float:
    return float(matcher.compute_mu_t(tensor([[source]]), tensor([[data]]), tensor([t])))


def _deviation(matcher: Any, t: float) -> float:
    return float(matcher.compute_sigma_t(tensor([t])))


def _path(
    matcher: Any, source: np.ndarray, data: np.ndarray, noise: np.ndarray, t: float
) -> tuple[Any, Any]:
    """(x_t, u_t), by the functions that sample_location_and_conditional_flow calls for pairs that
    it has coupled.
    """
    times, pair = torch.full((len(data),), t, dtype=torch.float64), (tensor(source), tensor(data))
    x_t = matcher.sample_xt(*pair, times, tensor(noise))
    return x_t, matcher.compute_conditional_flow(*pair, times, x_t)


def _score(matcher: Any) -> Any:
    """Its loss is (lambda s + eps)^2: s is then sigma^2/2 times the score, the drift that noise
    adds to the flow.
    """
    sigma = matcher.sigma
    predict = lambda x0, eps, alpha, deviation: -(sigma**2) / 2 * eps / deviation

    def recover(x: np.ndarray, s: np.ndarray, t: float) -> np.ndarray:
        eps = -float(matcher.compute_lambda(tensor([t]))) * s
        return (x - _deviation(matcher, t) * eps) / _mean(matcher, 0.0, 1.0, t)

    return predict, recover
