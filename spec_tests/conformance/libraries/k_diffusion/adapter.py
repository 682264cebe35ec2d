"""k-diffusion: every sample_* function on every grid that it has, its wrappers of networks, its
log-likelihood.

It works on x/alpha at the noise level sigma/alpha: alpha is 1 here.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import torch

from spec_tests.conformance.libraries._torch import (
    array,
    differentiable,
    in_float64,
    normals,
    tensor,
)
from spec_tests.conformance.libraries.k_diffusion import snippets
from spec_tests.conformance.libraries.k_diffusion.modules import brownian, external, sampling
from spec_tests.conformance.target import Target

LIBRARY = "k-diffusion"
LEAST, MOST = 0.01, 80.0
GRIDS: dict[str, Callable] = {
    "karras": lambda n: sampling.get_sigmas_karras(n, LEAST, MOST),
    "exponential": lambda n: sampling.get_sigmas_exponential(n, LEAST, MOST),
    "polyexponential": lambda n: sampling.get_sigmas_polyexponential(n, LEAST, MOST, rho=1.2),
    "vp": sampling.get_sigmas_vp,
}
CHURN: dict[str, Any] = {"s_churn": 20.0, "s_tmin": 0.05, "s_tmax": 50.0}
FINE = (32, 64, 128, 256)


def version() -> str:
    return installed("k-diffusion")


def samplers() -> Iterator[Target]:
    yield from _karras_algorithm()
    yield from _ancestral()
    yield from _multistep()
    yield from _stochastic()
    yield from _in_log_sigma()


def _karras_algorithm() -> Iterator[Target]:
    for name, order in (("euler", 1), ("heun", 2), ("dpm_2", 2)):
        for grid in GRIDS:
            yield _target(
                name,
                grid,
                order=order,
                exact_on_points=True,
                **({"eta": 0.0} if order == 1 else {}),
            )
        yield _target(name, "karras", CHURN, noise=True, order=order, exact_on_points=True)
    yield _target("heun", "karras", {**CHURN, "s_noise": 1.02}, noise=True)


def _ancestral() -> Iterator[Target]:
    for name, order in (("euler_ancestral", 1), ("dpm_2_ancestral", 2), ("dpmpp_2s_ancestral", 2)):
        for eta in (0.0, 0.5, 1.0):
            family = {"eta": eta} if order == 1 else {}
            yield _target(
                name,
                "karras",
                {"eta": eta},
                noise=eta > 0,
                order=order,
                exact_on_points=True,
                **family,
            )


def _multistep() -> Iterator[Target]:
    for order in (1, 2, 3, 4):
        first = {"eta": 0.0} if order == 1 else {}
        yield _target(
            "lms",
            "karras",
            {"order": order},
            order=order,
            exact_on_points=True,
            steps=FINE,
            **first,
        )
    for grid in GRIDS:
        yield _target("dpmpp_2m", grid, order=2, exact_on_points=True)
    for solver in ("midpoint", "heun"):
        options = {"eta": 0.0, "solver_type": solver}
        yield _target("dpmpp_2m_sde", "karras", options, order=2, exact_on_points=True)
    yield _target("dpmpp_3m_sde", "karras", {"eta": 0.0}, order=3, exact_on_points=True, steps=FINE)
    yield _target("dpmpp_sde", "karras", {"eta": 0.0}, order=2, exact_on_points=True)


def _stochastic() -> Iterator[Target]:
    """Of its SDE solvers no source states an order in law: that they come to the law, and are exact
    on a point, is asked.
    """
    for eta in (0.5, 1.0):
        for solver in ("midpoint", "heun"):
            options = {"eta": eta, "solver_type": solver}
            yield _target(
                "dpmpp_2m_sde", "karras", options, noise=True, order=1, exact_on_points=True
            )
        for name in ("dpmpp_3m_sde", "dpmpp_sde"):
            yield _target(name, "karras", {"eta": eta}, noise=True, order=1, exact_on_points=True)


def _in_log_sigma() -> Iterator[Target]:
    """dpm_fast ends in a step of order nfe % 3, or of 2 and 1, which costs one order where that is
    1.
    """
    for rest, order in ((1, 2), (2, 3), (0, 2)):
        given = {"run": partial(_fast, rest, {}), "nodes": partial(_fast_nodes, rest)}
        yield _named(f"sample_dpm_fast(n % 3 == {rest})", given, order=order, exact_on_points=True)
    given = {"run": partial(_fast, 2, {"eta": 1.0}), "nodes": partial(_fast_nodes, 2)}
    yield _named(
        "sample_dpm_fast(n % 3 == 2, eta=1.0)", given, noise=True, order=1, exact_on_points=True
    )
    for order in (2, 3):
        given = {
            "run": partial(_adaptive, order),
            "nodes": lambda n: (np.ones(2), np.array([MOST, LEAST])),
        }
        yield _named(f"sample_dpm_adaptive(order={order})", given)


def _target(name: str, grid: str, options: dict[str, Any] | None = None, **claims: Any) -> Target:
    options = options or {}
    written = "".join(f", {key}={value!r}" for key, value in options.items())
    given = {"run": partial(_run, f"sample_{name}", grid, options), "nodes": partial(_nodes, grid)}
    return _named(f"sample_{name}({grid}{written})", given, **claims)


def _named(name: str, given: dict[str, Any], **claims: Any) -> Target:
    return Target(name, {**given, **claims}, partial(snippets.of, name))


def _run(
    name: str,
    grid: str,
    options: dict,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The churn of a step is s_churn over the number of steps: kept when fewer are taken."""
    if "s_churn" in options:
        options = {**options, "s_churn": options["s_churn"] * stop / n}
    with in_float64(), normals(normal or np.ones), brownian(normal or np.ones):
        sigmas = GRIDS[grid](n)[: stop + 1]
        return array(
            getattr(sampling, name)(_network(denoise), tensor(x), sigmas, disable=True, **options)
        )


def _network(denoise: Callable) -> Callable:
    return lambda x, sigma: tensor(denoise(array(x), 1.0, float(sigma[0])))


def _nodes(grid: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    with in_float64():
        return np.ones(n + 1), array(GRIDS[grid](n))


# --- in log sigma -------------------------------------------------------------------------------

FAST_END = 0.26  # where orders are still measured, so that the last step, of a lower order, is


def _fast(
    rest: int,
    options: dict,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """n steps in all, which its n of 3 n - 3 + rest makes; `stop` of them on the same grid are a
    run that ends earlier.
    """
    end = float(_fast_nodes(rest, n)[1][stop])
    with in_float64(), normals(normal or np.ones):
        return array(
            sampling.sample_dpm_fast(
                _network(denoise),
                tensor(x),
                end,
                MOST,
                3 * stop - 3 + rest,
                disable=True,
                **options,
            )
        )


def _fast_nodes(rest: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(n + 1), np.geomspace(MOST, FAST_END, n + 1)


def _adaptive(
    order: int, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """n stands for a tolerance: it falls with n^-order."""
    tolerance = 0.05 * (16 / n) ** order
    with in_float64(), normals(np.ones):
        solve = partial(
            sampling.sample_dpm_adaptive,
            order=order,
            rtol=tolerance,
            atol=tolerance / 6,
            disable=True,
        )
        return array(solve(_network(denoise), tensor(x), LEAST, MOST))


# --- networks and likelihoods -------------------------------------------------------------------


def processes() -> Iterator[Target]:
    """The grid of VP as a function of time, at the noise level that the SDE of VP has it, and the
    wrappers of networks.
    """
    rate = lambda t: 0.1 + 19.9 * t
    given = {
        "alpha": lambda t: (1 + _vp(t) ** 2) ** -0.5,
        "sigma": lambda t: _vp(t) * (1 + _vp(t) ** 2) ** -0.5,
        "times": np.linspace(0.01, 1.0, 11),
        "f": lambda t: -rate(t) / 2,
        "g": lambda t: rate(t) ** 0.5,
        "convert": {
            "VDenoiser": (lambda x0, eps, a, s: a * eps - s * x0, _recover_v),
            "DiscreteEpsDDPMDenoiser": (lambda x0, eps, a, s: eps, _recover_eps),
            "DiscreteVDDPMDenoiser": (lambda x0, eps, a, s: a * eps - s * x0, _recover_discrete_v),
        },
    }
    yield Target("get_sigmas_vp", given)


def _vp(t: float) -> float:
    with in_float64():
        return float(sampling.get_sigmas_vp(2, eps_s=t)[1])


def _recover(wrapper: Callable, x: np.ndarray, prediction: np.ndarray, t: float) -> np.ndarray:
    """x0 from x_t: the wrappers take x_t/alpha at sigma/alpha."""
    sigma = _vp(t)
    asked = tensor(x) * (1 + sigma**2) ** 0.5, torch.full((len(x),), sigma, dtype=torch.float64)
    return array(wrapper(lambda *_: tensor(prediction))(*asked))


_recover_v = partial(_recover, external.VDenoiser)
BARS = torch.linspace(0.999, 0.001, 50, dtype=torch.float64)
_recover_eps = partial(
    _recover, lambda net: external.DiscreteEpsDDPMDenoiser(net, BARS, quantize=False)
)
_recover_discrete_v = partial(
    _recover, lambda net: external.DiscreteVDDPMDenoiser(net, BARS, quantize=False)
)


def log_probs() -> Iterator[Target]:
    for most in (10.0, MOST):
        given = {"log_prob": partial(_log_prob, most), "start": (1.0, most), "end": (1.0, LEAST)}
        name = f"log_likelihood(sigma_min={LEAST}, sigma_max={most})"
        yield Target(name, {**given, "exact": False, "prior": most}, partial(snippets.of, name))


def _log_prob(most: float, denoise: Any, x: np.ndarray) -> np.ndarray:
    network = lambda x, sigma: differentiable(denoise, x, 1.0, float(sigma[0]))
    return array(sampling.log_likelihood(network, tensor(x), LEAST, most, atol=1e-6, rtol=1e-6)[0])
