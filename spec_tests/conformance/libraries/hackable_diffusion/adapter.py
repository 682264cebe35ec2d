"""hackable_diffusion, a source tree or a package: steps of the Gaussian samplers in the loop of
DiffusionSampler.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hackable_diffusion.lib.corruption import gaussian, schedules
from hackable_diffusion.lib.inference import guidance
from hackable_diffusion.lib.sampling import gaussian_step_sampler as steps, time_scheduling

from spec_tests.conformance.libraries._jax import array, eager
from spec_tests.conformance.libraries.hackable_diffusion import snippets
from spec_tests.conformance.target import Target

LIBRARY = "hackable_diffusion"
SCHEDULES = {
    "rectified flow": schedules.RFSchedule(),
    "cosine": schedules.CosineSchedule(),
    "linear": schedules.LinearDiffusionSchedule(),
    "geometric": schedules.GeometricSchedule(sigma_min=0.01, sigma_max=20.0),
}
UNIFORM = time_scheduling.UniformTimeSchedule(safety_epsilon=1e-4)


def version() -> str:
    return "06f026e"


def samplers() -> Iterator[Target]:
    for name in SCHEDULES:
        for c in (0.0, 0.5, 1.0):
            # between the two it mixes the noises, another family than eta's
            eta = {} if c == 0.5 else {"eta": c}
            make = partial(steps.DDIMStep, stoch_coeff=c, stochastic_last_step=True)
            yield _target(
                f"DDIMStep({name}, stoch_coeff={c})",
                name,
                make,
                noise=c > 0,
                exact_on_points=True,
                **eta,
            )
        yield _target(
            f"VelocityStep({name}, epsilon=0)",
            name,
            partial(steps.VelocityStep, epsilon=0.0),
            order=1,
        )
        yield _target(
            f"AdjustedDDIMStep({name})", name, steps.AdjustedDDIMStep, snippet=snippets.ADJUSTED
        )
        yield _target(f"HeunStep({name})", name, steps.HeunStep, order=2)
    for name in ("linear", "geometric"):
        for churn in (0.0, 1.0):
            make = partial(steps.SdeStep, churn=churn, stochastic_last_step=True)
            yield _target(f"SdeStep({name}, churn={churn})", name, make, noise=churn > 0, order=1)
    yield _target(
        "VelocityStep(linear, epsilon=1)",
        "linear",
        partial(steps.VelocityStep, epsilon=1.0),
        noise=True,
        order=1,
    )


def _target(title: str, name: str, make: Callable, snippet: str = "", **claims: Any) -> Target:
    heun = make is steps.HeunStep
    run, nodes = partial(_run, SCHEDULES[name], make, heun), partial(_nodes, SCHEDULES[name], heun)
    return Target(title, {"run": run, "nodes": nodes, "steps": (16, 32, 64), **claims}, snippet)


def _run(
    schedule: Any,
    make: Callable,
    heun: bool,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The quiet methods draw, too, and multiply by 0: ones show where it is not 0.  Heun takes two
    steps for one of ours.
    """
    process, count = gaussian.GaussianProcess(schedule=schedule), 2 * n if heun else n + 1
    stepper = make(
        corruption_process=process,
        **({"time_schedule": UNIFORM, "num_steps": count} if heun else {}),
    )
    with eager(normal or np.ones):
        infos = UNIFORM.all_step_infos(jax.random.key(0), count, jnp.asarray(x))
        at = lambda k: jax.tree.map(lambda leaf: leaf[k], infos)
        state = stepper.initialize(jnp.asarray(x), at(0))
        for k in range(1, min((2 if heun else 1) * stop, count - 1) + 1):
            level = _level(schedule, float(state.step_info.time[0, 0]))
            x0 = {"x0": jnp.asarray(denoise(array(state.xt), *level))}
            state = (stepper.finalize if k == count - 1 else stepper.update)(x0, state, at(k))
    return array(state.xt)


def _nodes(schedule: Any, heun: bool, n: int) -> tuple[np.ndarray, np.ndarray]:
    times = np.linspace(
        1 - UNIFORM.safety_epsilon, UNIFORM.safety_epsilon, 2 * n if heun else n + 1
    )
    times = [*times[:-1:2], times[-1]] if heun else times
    alphas, sigmas = zip(*(_level(schedule, float(t)) for t in times), strict=True)
    return np.array(alphas), np.array(sigmas)


def _level(schedule: Any, t: float) -> tuple[float, float]:
    at = jnp.full((1, 1), t)
    return float(schedule.alpha(at)[0, 0]), float(schedule.sigma(at)[0, 0])


def processes() -> Iterator[Target]:
    for name, schedule in SCHEDULES.items():
        yield Target(f"schedule {name}", _parts(schedule), snippets.INVARIANT)
    shifted = schedules.ShiftedSchedule(
        original_schedule=SCHEDULES["cosine"], target_resolution=128, base_resolution=64
    )
    yield Target("schedule shifted", _parts(shifted))


def _parts(schedule: Any) -> dict[str, Any]:
    process, one = gaussian.GaussianProcess(schedule=schedule), lambda t: jnp.full((1, 1), t)
    number = lambda function: lambda t: float(function(one(t))[0, 0])
    both = lambda x0, eps, t: schedule.alpha(one(t)) * x0 + schedule.sigma(one(t)) * eps
    convert = lambda x, given, t: process.convert_predictions(
        {given[0]: jnp.asarray(given[1])}, jnp.asarray(x), one(t)
    )
    return {
        "alpha": number(schedule.alpha),
        "sigma": number(schedule.sigma),
        "times": np.append(np.linspace(0.02, 0.96, 7), 1 - UNIFORM.safety_epsilon),
        "f": number(schedule.f),
        "g": number(schedule.g),
        "log_snr": number(schedule.logsnr),
        "start": 1.0,
        "velocity": lambda x0, eps, t: array(
            convert(array(both(x0, eps, t)), ("x0", x0), t)["velocity"]
        ),
        "convert": {
            "epsilon": (
                lambda x0, eps, a, s: eps,
                lambda x, p, t: array(convert(x, ("epsilon", p), t)["x0"]),
            ),
            "score": (
                lambda x0, eps, a, s: -eps / s,
                lambda x, p, t: array(convert(x, ("score", p), t)["x0"]),
            ),
            "v": (
                lambda x0, eps, a, s: a * eps - s * x0,
                lambda x, p, t: array(convert(x, ("v", p), t)["x0"]),
            ),
        },
    }


def guidances() -> Iterator[Target]:
    yield Target(
        "ScalarGuidanceFn", {"combine": _combine, "convention": "1 + w", "precision": "float64"}
    )


def _combine(cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    given = {
        "cond_outputs": {"x0": jnp.asarray(cond)},
        "uncond_outputs": {"x0": jnp.asarray(uncond)},
    }
    nothing = {
        "xt": jnp.asarray(cond),
        "conditioning": None,
        "time": jnp.ones((len(cond), 1, 1, 1)),
    }
    return array(guidance.ScalarGuidanceFn(guidance=w)(**nothing, **given)["x0"])
