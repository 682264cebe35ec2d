"""diffusionjax: every solver through get_sampler, as its examples do; correctors as the inner
solver.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from diffusionjax import sde, solvers, utils

from spec_tests.conformance.libraries._jax import array, eager, fixed_norms, predictions
from spec_tests.conformance.libraries.diffusionjax import snippets
from spec_tests.conformance.target import Target

LIBRARY = "diffusionjax"
SIGMA = {"sigma_min": 0.01, "sigma_max": 20.0}
# at 10 steps the default of 20 leaves beta dt > 1
BETA = utils.get_linear_beta_function(beta_min=0.1, beta_max=8.0)[0]
LANGEVIN = 0.5  # the Langevin time that the corrector spends in all, shared out over the steps


def version() -> str:
    return installed("diffusionjax")


def samplers() -> Iterator[Target]:
    for name in ("VP", "VE"):
        yield _target(
            f"EulerMaruyama({name})",
            partial(_euler_maruyama, name),
            partial(_continuous, name),
            noise=True,
            order=1,
        )
    yield _target(
        "EulerMaruyama(VP) and Annealed", _annealed, partial(_continuous, "VP"), noise=True
    )
    yield _target("DDPM", _ddpm, _discrete_vp, noise=True, eta=1.0)
    yield _target("SMLD", _smld, _discrete_ve, noise=True, eta=1.0)
    for eta in (0.0, 0.5, 1.0):
        claims = {"noise": eta > 0, "eta": eta, "exact_on_points": True}
        yield _target(
            f"DDIMVP(eta={eta})", partial(_ddim, solvers.DDIMVP, eta), _discrete_vp, **claims
        )
        yield _target(
            f"DDIMVE(eta={eta})", partial(_ddim, solvers.DDIMVE, eta), _discrete_ve, **claims
        )
    yield Target(
        "get_sampler(EDMEuler)",
        {"run": _compiled, "nodes": _karras, "order": 1},
        snippets.of("get_sampler"),
    )
    for solver, order in ((solvers.EDMEuler, 1), (solvers.EDMHeun, 2)):
        first = {"eta": 0.0, "exact_on_points": True} if order == 1 else {}
        yield _target(solver.__name__, partial(_edm, solver, 0.0), _karras, order=order, **first)
        name = f"{solver.__name__}(s_churn=4)"
        yield _target(
            name, partial(_edm, solver, 4.0), _karras, noise=True, exact_on_points=order == 1
        )


def _target(name: str, make: Callable, nodes: Callable, **claims: Any) -> Target:
    return Target(
        name, {"run": partial(_run, make, nodes), "nodes": nodes, **claims}, snippets.of(name)
    )


def _run(
    make: Callable,
    nodes: Callable,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The quiet methods draw, too, and multiply by 0: they are given ones, so that it shows where
    it is not 0.
    """
    outer, inner = make(denoise, n)
    outer.ts = outer.ts[len(outer.ts) - stop :]
    # x_mean is then the Euler step of Algorithm 2
    euler_last = isinstance(outer, solvers.EDMHeun) and stop == n
    with eager(normal or np.ones), fixed_norms():
        sampler = utils.get_sampler(x.shape, outer, inner, denoise=euler_last)
        return array(sampler(jax.random.key(0), jnp.asarray(x))[0])


def _compiled(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """As a user runs it, with the defaults of get_sampler."""
    outer, _ = _edm(solvers.EDMEuler, 0.0, denoise, n)
    outer.ts = outer.ts[len(outer.ts) - stop :]
    return array(utils.get_sampler(x.shape, outer)(jax.random.key(0), jnp.asarray(x))[0])


def _euler_maruyama(name: str, denoise: Callable, n: int) -> tuple[Any, Any]:
    forward, ts = _process(name), _times(n)
    score = predictions(denoise, lambda t: _level(forward, t))["score"]
    return solvers.EulerMaruyama(forward.reverse(score), ts=ts), None


def _annealed(denoise: Callable, n: int) -> tuple[Any, Any]:
    """Each step is followed by one of Langevin: with all norms 1 its size is 2 alpha snr^2."""
    outer, _ = _euler_maruyama("VP", denoise, n)
    return outer, solvers.Annealed(
        outer.sde, snr=float(np.sqrt(LANGEVIN / (2 * n))), ts=jnp.empty((1, 1))
    )


def _ddpm(denoise: Callable, n: int) -> tuple[Any, Any]:
    score = predictions(denoise, partial(_of_timestep, _discrete_vp(n), n))["score"]
    return solvers.DDPM(score, beta=BETA, ts=_times(n)), None


def _smld(denoise: Callable, n: int) -> tuple[Any, Any]:
    score = predictions(denoise, partial(_of_timestep, _discrete_ve(n), n))["score"]
    return solvers.SMLD(
        score, sigma=utils.get_exponential_sigma_function(**SIGMA), ts=_times(n)
    ), None


def _ddim(solver: Any, eta: float, denoise: Callable, n: int) -> tuple[Any, Any]:
    vp = solver is solvers.DDIMVP
    eps = predictions(denoise, partial(_of_timestep, (_discrete_vp if vp else _discrete_ve)(n), n))[
        "eps"
    ]
    options = {"beta": BETA} if vp else {"sigma": utils.get_exponential_sigma_function(**SIGMA)}
    return solver(eps, eta=eta, ts=_times(n), **options), None


def _edm(solver: Any, churn: float, denoise: Callable, n: int) -> tuple[Any, Any]:
    gamma = utils.get_karras_gamma_function(n, churn, 0.0, float("inf"))
    return solver(
        predictions(denoise, lambda sigma: (1.0, sigma))["x0"], gamma=gamma, ts=_times(n, 0.0)
    ), None


def _process(name: str) -> Any:
    if name == "VE":
        return sde.VE(utils.get_exponential_sigma_function(**SIGMA))
    return sde.VP() if name == "VP" else sde.VP(*utils.get_cosine_beta_function(beta_max=1e3))


def processes() -> Iterator[Target]:
    for name in ("VP", "VP, cosine", "VE"):
        yield Target(
            f"sde.{name}", _parts(name) if name != "VP, cosine" else _cosine(), snippets.of(name)
        )


def _parts(name: str) -> dict[str, Any]:
    forward, times = sde.VE() if name == "VE" else _process(name), np.linspace(0.02, 1.0, 8)
    slope = lambda t: forward.sde(jnp.ones((1, 1)), jnp.full(1, t))
    return {
        "alpha": lambda t: _level(forward, t)[0],
        "sigma": lambda t: _level(forward, t)[1],
        "times": times,
        "f": lambda t: float(slope(t)[0][0, 0]),
        "g": lambda t: float(slope(t)[1][0]),
        "start": float(array(forward.sigma_max)) if name == "VE" else 1.0,
    }


def _cosine() -> dict[str, Any]:
    """Its beta is limited to beta_max from below in time: asked where the limit does not bind."""
    return {**_parts("VP, cosine"), "times": np.linspace(0.02, 0.98, 8)}


def _level(forward: Any, t: float) -> tuple[float, float]:
    return float(forward.mean_coeff(jnp.asarray(t))), float(
        np.sqrt(forward.variance(jnp.asarray(t)))
    )


def _continuous(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    times = [*_times(n).ravel()[::-1], 0.0]
    alphas, sigmas = zip(*(_level(_process(name), float(t)) for t in times), strict=True)
    return np.array(alphas), np.array(sigmas)


def _discrete_vp(n: int) -> tuple[np.ndarray, np.ndarray]:
    bars = np.append(array(solvers.DDPM(None, beta=BETA, ts=_times(n)).alphas_cumprod)[::-1], 1.0)
    return np.sqrt(bars), np.sqrt(1 - bars)


def _discrete_ve(n: int) -> tuple[np.ndarray, np.ndarray]:
    sigma = utils.get_exponential_sigma_function(**SIGMA)
    sigmas = np.append(
        array(solvers.SMLD(None, sigma=sigma, ts=_times(n)).discrete_sigmas)[::-1], 0.0
    )
    return np.ones_like(sigmas), sigmas


def _karras(n: int) -> tuple[np.ndarray, np.ndarray]:
    sigmas = np.append(array(solvers.EDMEuler(None, ts=_times(n, 0.0)).discrete_sigmas)[::-1], 0.0)
    return np.ones_like(sigmas), sigmas


def _of_timestep(levels: tuple[np.ndarray, np.ndarray], n: int, t: float) -> tuple[float, float]:
    """Nodes run from noise to data; time t = k/n is the k-th from the data, which itself is the
    last.
    """
    k = n - round(t * n)
    return float(levels[0][k]), float(levels[1][k])


def _times(n: int, first: float | None = None) -> jax.Array:
    """What utils.get_times gives, without its assertion that rounded steps are equal, which fails
    at some n.
    """
    return jnp.linspace(1 / n if first is None else first, 1.0, n).reshape(-1, 1)
