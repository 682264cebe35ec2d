"""score_sde (JAX), a source tree: predictors and correctors of sampling.py on the SDEs of
sde_lib.py; give it by --path.
"""
# pyright: reportMissingImports=false

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import flax
import flax.training.checkpoints
import jax
import jax.numpy as jnp
import numpy as np

from spec_tests.conformance.libraries._jax import array, eager, fixed_norms, predictions
from spec_tests.conformance.libraries.score_sde import snippets
from spec_tests.conformance.target import Target

# What its files import and the mathematics does not use: TensorFlow, one image network, an
# optimiser that flax has dropped.
for name in ("tensorflow", "models.wideresnet_noise_conditional"):
    sys.modules.setdefault(name, ModuleType(name))
if not hasattr(flax, "optim"):
    flax.optim = SimpleNamespace(Optimizer=object)  # pyright: ignore[reportAttributeAccessIssue]

import sampling  # noqa: E402
import sde_lib  # noqa: E402

LIBRARY = "score_sde"
SDES = {
    "VPSDE": partial(sde_lib.VPSDE, beta_max=8),  # at 10 steps the default of 20 leaves beta dt > 1
    "subVPSDE": partial(sde_lib.subVPSDE, beta_max=8),
    "VESDE": partial(sde_lib.VESDE, sigma_max=20),
}
LANGEVIN = 0.5  # the Langevin time that a corrector spends in all, shared out over the steps
EPS = {"VPSDE": 1e-3, "subVPSDE": 1e-3, "VESDE": 1e-5}  # where its configurations stop


def version() -> str:
    return "0acb9e0"


def samplers() -> Iterator[Target]:
    for name in SDES:
        for predictor in ("euler_maruyama", "reverse_diffusion"):
            yield _target(name, predictor, noise=True, order=1)
            yield _target(name, predictor, flow=True, order=1)
    yield _target("VPSDE", "ancestral_sampling", noise=True, eta=1.0)
    yield _target("VESDE", "ancestral_sampling", noise=True, eta=1.0, exact_on_points=True)
    for name in SDES:
        for corrector in ("langevin", "ald"):
            yield _target(name, "reverse_diffusion", corrector, noise=True)


def _target(
    name: str, predictor: str, corrector: str = "none", *, flow: bool = False, **claims: Any
) -> Target:
    discrete = predictor == "ancestral_sampling"
    title = f"{predictor}({name}{', probability_flow=True' if flow else ''})" + (
        f" and {corrector}" if corrector != "none" else ""
    )
    run = partial(_run, name, predictor, corrector, flow)
    return Target(
        title, {"run": run, "nodes": partial(_nodes, name, discrete), **claims}, snippets.of(title)
    )


def _run(
    name: str,
    predictor: str,
    corrector: str,
    flow: bool,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The loop of get_pc_sampler; the flow draws, too, and multiplies by 0: ones show where it is
    not 0.
    """
    sde, state = SDES[name](N=n), jnp.asarray(x)
    score = predictions(denoise, _levels(sde, predictor == "ancestral_sampling"))["score"]
    step = sampling.get_predictor(predictor)(sde, score, probability_flow=flow)
    mend = sampling.get_corrector(corrector)(sde, score, _snr(corrector, n), 1)
    with eager(normal or np.ones), fixed_norms():
        for t in _times(name, n)[:stop]:
            state, _ = mend.update_fn(jax.random.key(0), state, jnp.full(len(x), t))
            state, mean = step.update_fn(jax.random.key(0), state, jnp.full(len(x), t))
    return array(mean if stop == n else state)


def _snr(corrector: str, n: int) -> float:
    """With norms of 1 a step spends 2 snr^2 of Langevin time, for "ald" times the variance: scaled
    to it, no trend.
    """
    return float(np.sqrt((LANGEVIN if corrector == "langevin" else 0.5) / (2 * n)))


def _times(name: str, n: int) -> jax.Array:
    return jnp.linspace(1.0, EPS[name], n)


def _levels(sde: Any, discrete: bool) -> Callable[[Any], tuple[float, float]]:
    """The noise level at a time: of the SDE, or of the Markov chain that it discretises."""

    def of(t: Any) -> tuple[float, float]:
        if not discrete:
            mean, std = sde.marginal_prob(jnp.ones((1, 1)), jnp.full(1, t))
            return float(mean[0, 0]), float(jnp.ravel(std)[0])
        k = int(float(t) * (sde.N - 1))
        if isinstance(sde, sde_lib.VESDE):
            return 1.0, float(sde.discrete_sigmas[k])
        return float(sde.sqrt_alphas_cumprod[k]), float(sde.sqrt_1m_alphas_cumprod[k])

    return of


def _nodes(name: str, discrete: bool, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The levels at its times; the last step, without its noise, goes to the data."""
    level = _levels(SDES[name](N=n), discrete)
    alphas, sigmas = zip(*map(level, _times(name, n)), (1.0, 0.0), strict=True)
    return np.array(alphas), np.array(sigmas)


def processes() -> Iterator[Target]:
    for name in SDES:
        yield Target(f"sde_lib.{name}", _parts(name))


def _parts(name: str) -> dict[str, Any]:
    sde = getattr(sde_lib, name)(N=1000)  # with its own constants
    level, slope = _levels(sde, False), lambda t: sde.sde(jnp.ones((1, 1)), jnp.full(1, t))
    return {
        "alpha": lambda t: level(t)[0],
        "sigma": lambda t: level(t)[1],
        "times": np.linspace(0.02, 1.0, 8),
        "f": lambda t: float(slope(t)[0][0, 0]),
        "g": lambda t: float(slope(t)[1][0]),
        "start": float(sde.sigma_max) if name == "VESDE" else 1.0,
    }
