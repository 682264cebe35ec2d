"""diffuse-jax: its processes with their timers, and each integrator stepped as Denoiser.step
does.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from diffuse.diffusion import sde
from diffuse.integrator import deterministic, stochastic
from diffuse.predictor import Predictor
from diffuse.timer.base import DDIMTimer, HeunTimer, VpTimer

from spec_tests.conformance.libraries._jax import array, eager, predictions
from spec_tests.conformance.libraries.diffuse_jax import snippets
from spec_tests.conformance.target import Target

LIBRARY = "diffuse_jax"
EULER, HEUN = deterministic.EulerIntegrator, deterministic.HeunIntegrator
DDIM, DPM = deterministic.DDIMIntegrator, deterministic.DPMpp2sIntegrator
MODELS = {
    "SDE, linear": sde.SDE(sde.LinearSchedule(b_min=0.02, b_max=5.0, t0=0.0, T=2.0)),
    "SDE, cosine": sde.SDE(sde.CosineSchedule(b_min=0.01, b_max=20.0, t0=0.0, T=1.0)),
    "Flow": sde.Flow(),
    "EDM": sde.EDM(),
}
TIMERS = {
    "SDE, linear": partial(VpTimer, eps=0.001, tf=2.0),
    "SDE, cosine": partial(VpTimer, eps=0.02, tf=1.0),
    "Flow": partial(VpTimer, eps=0.001, tf=0.999),
    "EDM": partial(HeunTimer, sigma_max=0.99),  # its noise level ends at 0.999
}
CHURN = {"stochastic_churn_rate": 4.0, "churn_max": 10.0}


def version() -> str:
    return installed("diffuse-jax")


def samplers() -> Iterator[Target]:
    for name in ("SDE, linear", "Flow", "EDM"):
        # an order needs a grid that begins deep in the noise
        orders = (1, 2) if name != "EDM" else (None, None)
        yield _target(name, EULER, order=orders[0])
        yield _target(name, HEUN, order=orders[1])
        yield _target(name, DDIM, order=orders[0], eta=0.0, exact_on_points=True)
        yield _target(name, DPM, order=orders[1], exact_on_points=True)
        yield _target(name, stochastic.EulerMaruyamaIntegrator, noise=True)
    yield _target("SDE, cosine", HEUN)
    yield _target("SDE, linear", DDIM, CHURN, noise=True, exact_on_points=True)
    yield _target("SDE, linear", HEUN, CHURN, noise=True)
    yield _target("EDM", HEUN, CHURN, noise=True)


def _target(name: str, integrator: Callable, options: Any = None, **claims: Any) -> Target:
    run, nodes = partial(_run, name, partial(integrator, **(options or {}))), partial(_nodes, name)
    given = ", churn" if options else ""
    title = f"{integrator.__name__}({name}{given})"
    return Target(
        title, {"run": run, "nodes": nodes, "steps": (16, 32, 64), **claims}, snippets.of(title)
    )


def _run(
    name: str,
    make: Callable,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The rows as one position: a particle at a time, as Denoiser.generate has it, would draw a row
    at a time.
    """
    model = MODELS[name]
    integrator = make(model=model, timer=TIMERS[name](n))
    predictor = Predictor(model, predictions(denoise, partial(_level, model))["score"], "score")
    with eager(normal):
        state = integrator.init(jnp.asarray(x), jax.random.key(0))
        for _ in range(stop):
            state = integrator(state, predictor)
    return array(state.position)


def _nodes(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    timer = TIMERS[name](n)
    alphas, sigmas = zip(
        *(_level(MODELS[name], float(timer(k))) for k in range(n + 1)), strict=True
    )
    return np.array(alphas), np.array(sigmas)


def _level(model: Any, t: float) -> tuple[float, float]:
    return float(model.signal_level(jnp.asarray(t))), float(model.noise_level(jnp.asarray(t)))


def processes() -> Iterator[Target]:
    yield _process("SDE, linear", np.linspace(0.02, 2.0, 8))
    # where neither of its limits binds
    yield _process("SDE, cosine", np.linspace(0.05, 0.85, 8), start=None)
    to_its_end = np.array([0.05, 0.3, 0.6, 0.8, 0.93, 0.96, 0.98])
    yield _process("SDE, cosine", to_its_end, title="SDE, cosine, to its end", start=None)
    yield _process("Flow", np.linspace(0.02, 0.98, 8), start=None)
    yield _process("Flow", np.linspace(0.04, 1.96, 8), sde.Flow(tf=2.0), "Flow(tf=2)", start=None)
    yield _process("EDM", np.linspace(0.02, 0.98, 8))
    yield _process("EDM", np.linspace(0.5, 80.0, 8), sde.EDM(tf=80.0), "EDM(tf=80)")
    yield _timer("HeunTimer", HeunTimer(16))
    yield _timer("DDIMTimer", DDIMTimer(16, n_time_training=1000))


def _process(
    name: str, times: np.ndarray, model: Any = None, title: str = "", start: float | None = 1.0
) -> Target:
    """start: Denoiser.generate draws N(0, 1) for every model."""
    model = model or MODELS[name]
    number = lambda function: lambda t: float(function(jnp.asarray(t)))
    x0_of = lambda kind: partial(_recover, model, kind)
    parts = {
        "alpha": number(model.signal_level),
        "sigma": number(model.noise_level),
        "times": times,
        "f": number(lambda t: model.sde_coefficients(t)[0]),
        "g": number(lambda t: model.sde_coefficients(t)[1]),
        "start": start,
        "perturb": partial(_perturb, model),
        "velocity": partial(_velocity, model),
        "convert": {
            "noise": (lambda x0, eps, a, s: eps, x0_of("noise")),
            "score": (lambda x0, eps, a, s: -eps / s, x0_of("score")),
        },
    }
    return Target(title or name, parts, snippets.of(title or name))


def _perturb(model: Any, x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
    with eager(lambda shape: eps):
        return array(
            model.path(
                jax.random.key(0), sde.SDEState(jnp.asarray(x0), jnp.zeros(())), jnp.asarray(t)
            ).position
        )


def _velocity(model: Any, x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
    alpha, sigma = _level(model, t)
    predictor = Predictor(model, lambda x, t: -jnp.asarray(eps) / sigma, "score")
    return array(predictor.velocity(jnp.asarray(alpha * x0 + sigma * eps), jnp.asarray(t)))


def _recover(model: Any, kind: str, x: np.ndarray, prediction: np.ndarray, t: float) -> np.ndarray:
    return array(
        Predictor(model, lambda x, t: jnp.asarray(prediction), kind).x0(
            jnp.asarray(x), jnp.asarray(t)
        )
    )


def _timer(name: str, timer: Any) -> Target:
    """A timer of noise levels, asked by its steps: step 0 is where an integrator begins, in the
    noise.
    """
    steps = np.arange(timer.n_steps - 1.0, -1.0, -1.0)
    return Target(
        name,
        {"alpha": lambda k: 1.0, "sigma": lambda k: float(timer(k)), "times": steps},
        snippets.of(name),
    )
