"""diffusionlab: its samplers in sample_trajectory, its processes with their conversions,
classifier-free guidance.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from diffusionlab.processes import gaussian
from diffusionlab.sampling import base, continuous, guidance, schedules
from diffusionlab.typing import Prediction

from spec_tests.conformance.libraries._jax import array, eager, predictions
from spec_tests.conformance.target import Target

LIBRARY = "diffusionlab"
PROCESSES = ("VPCosine", "VPLinear", "VE", "EDM", "FlowMatching")
KINDS = {"x_0": "x0", "eps": "eps", "score": "score"}  # its names of predictions, and those of _jax


def version() -> str:
    return installed("diffusionlab")


def samplers() -> Iterator[Target]:
    for name in PROCESSES:
        # the latter are dear, and enough
        steps = (16, 32, 64) if name in ("VPCosine", "FlowMatching") else (8, 16, 32)
        yield _target(f"EulerSampler({name})", name, continuous.EulerSampler, order=1, steps=steps)
    for name, eta in (
        ("VPCosine", 0.0),
        ("VE", 1.0),
        ("EDM", 0.0),
        ("FlowMatching", 1.0),
        ("VPLinear", 0.5),
    ):
        claims = {"noise": eta > 0, "eta": eta, "exact_on_points": True}
        yield _target(
            f"DDMSampler({name}, eta={eta})",
            name,
            partial(continuous.DDMSampler, eta=eta),
            **claims,
        )
    yield _target(
        "DDMSampler(VE, score)",
        "VE",
        continuous.DDMSampler,
        kind="score",
        eta=0.0,
        exact_on_points=True,
    )
    # from the denoiser: the first-order guess of it
    flow_map = {
        "kind": "x_s",
        "eta": 0.0,
        "exact_on_points": True,
    }
    yield _target("EulerSampler(VPLinear, x_s)", "VPLinear", continuous.EulerSampler, **flow_map)


def _target(title: str, name: str, make: Callable, kind: str = "x_0", **claims: Any) -> Target:
    run, nodes = partial(_run, name, make, kind), partial(_nodes, name)
    return Target(title, {"run": run, "nodes": nodes, "steps": (8, 16, 32), **claims})


def _run(
    name: str,
    make: Callable,
    kind: str,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The quiet methods draw, too, and multiply by 0: ones show where it is not 0.

    The process hands out x for a start.  A trajectory holds the states before the last answer, so
    one more time is given.
    """
    process = _process(name, x.shape[1:])
    process.sample_from_terminal = lambda key, count: (jnp.asarray(x), {})
    with eager(normal or np.ones):
        times = schedules.uniform_schedule(n, len(x))[: stop + 2]
        network = partial(_predict, process, kind, denoise)
        final, states = base.sample_trajectory(
            jax.random.key(0), make(process), network, len(x), times
        )
    return array(final if stop == n else states[stop].x)


def _predict(
    process: Any, kind: str, denoise: Callable, x: Any, s: Any, t: Any, cond: Any, aux: Any
) -> Prediction:
    level = partial(_level, process)
    answers = predictions(denoise, level)
    if kind in KINDS:
        return Prediction(value=answers[KINDS[kind]](x, t), kind=kind)
    alpha, sigma = level(float(s[0]))
    return Prediction(value=alpha * answers["x0"](x, t) + sigma * answers["eps"](x, t), kind=kind)


def _nodes(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The last answer is taken for the data, whatever noise the process leaves at time 0."""
    times = [float(t[0]) for t in schedules.uniform_schedule(n, 1)]
    alphas, sigmas = zip(*(_level(_process(name), t) for t in times[:-1]), (1.0, 0.0), strict=True)
    return np.array(alphas), np.array(sigmas)


def _process(name: str, shape: tuple[int, ...] = (2,)) -> Any:
    return getattr(gaussian, name)(shape)


def _level(process: Any, t: float) -> tuple[float, float]:
    return float(process.alpha(jnp.full(1, t))[0]), float(process.sigma(jnp.full(1, t))[0])


def processes() -> Iterator[Target]:
    for name in PROCESSES:
        yield Target(f"gaussian.{name}", _parts(_process(name)))


def _parts(process: Any) -> dict[str, Any]:
    times = lambda t: jnp.full(2, t)
    forward = lambda x0, eps, t: process._forward_with_random(
        jnp.asarray(x0), jnp.asarray(eps), jnp.full(len(x0), t)
    )
    ones = partial(process._sample_from_source, jax.random.key(0), 2)
    with eager(np.ones):
        start = float(process.sample_from_terminal(jax.random.key(0), 2)[0][0, 0] / ones()[0, 0])
    return {
        "alpha": lambda t: _level(process, t)[0],
        "sigma": lambda t: _level(process, t)[1],
        "times": np.linspace(0.02, 1.0, 8),
        "log_snr": lambda t: float(process.logsnr(times(t))[0]),
        "perturb": lambda x0, eps, t: array(forward(x0, eps, t)[0]),
        "velocity": lambda x0, eps, t: _converted(
            process, array(forward(x0, eps, t)[0]), "x_0", x0, t, "v_t"
        ),
        "start": start,
        "convert": {kind: _pair(process, kind) for kind in ("eps", "score", "v_t", "x_s", "v_st")},
    }


def _pair(process: Any, kind: str) -> tuple[Callable, Callable]:
    """From x0 by the library's own conversion, and back: where a level is asked, the time is the
    one that has it.
    """
    from_time = lambda alpha, sigma: float(
        process.logsnr_inverse(jnp.full(1, 2 * np.log(max(alpha, 1e-300) / sigma)))[0]
    )
    formulas = {"eps": lambda x0, eps, a, s: eps, "score": lambda x0, eps, a, s: -eps / s}

    def converted(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        return _converted(
            process, alpha * x0 + sigma * eps, "x_0", x0, from_time(alpha, sigma), kind
        )

    back = lambda x, given, t: _converted(process, x, kind, given, t, "x_0")
    return formulas.get(kind, converted), back


def _converted(
    process: Any, x: np.ndarray, kind: str, given: np.ndarray, t: float, to: str
) -> np.ndarray:
    prediction, times = Prediction(value=jnp.asarray(given), kind=kind), jnp.full(len(x), t)
    return array(process.convert_prediction(prediction, jnp.asarray(x), times / 2, times, to).value)


def guidances() -> Iterator[Target]:
    yield Target("CFG", {"combine": _combine, "convention": "w", "precision": "float64"})


def _combine(cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    state = base.SamplerStep(x=jnp.asarray(cond), t=jnp.ones(len(cond)), aux={})
    network = lambda x, s, t, cond, aux: Prediction(value=jnp.asarray(uncond), kind="x_0")
    given = Prediction(value=jnp.asarray(cond), kind="x_0")
    transform = guidance.CFG(float(w)).transform_prediction
    return array(transform(jax.random.key(0), network, given, state, state.t / 2, None).value)
