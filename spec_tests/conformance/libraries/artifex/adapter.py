"""artifex (avitai-artifex): its noise schedules, DDPM, DDIM and score models with the kit's
network, guidance and loss.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version as installed
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from artifex.generative_models.core import configuration as config
from artifex.generative_models.core.noise_schedule import create_noise_schedule
from artifex.generative_models.core.sampling.diffusion import DiffusionSampler
from artifex.generative_models.modalities.multi_modal.evaluation import CrossModalContrastiveLoss
from artifex.generative_models.models.diffusion import ddim, ddpm, guidance, score

from spec_tests.conformance.libraries._jax import array, eager, network, predictions
from spec_tests.conformance.libraries.artifex import snippets
from spec_tests.conformance.libraries.artifex.models import (
    build,
    level,
    schedule_config,
    starting_from,
    unclipped,
)
from spec_tests.conformance.target import Target

LIBRARY = "artifex"
KINDS = ("linear", "cosine", "quadratic", "sqrt")
STORED = "float32"  # what the schedules are kept in
Nodes = tuple[np.ndarray, np.ndarray]


def version() -> str:
    return installed("avitai-artifex")


def samplers() -> Iterator[Target]:
    for kind in ("linear", "cosine"):
        nodes = partial(_few_nodes, kind)
        yield _target(
            f"DDPMModel.p_sample({kind})",
            partial(_ancestral, kind),
            nodes,
            noise=True,
            eta=1.0,
            exact_on_points=True,
        )
    yield _target(
        "DiffusionSampler.step",
        _sampler,
        partial(_few_nodes, "linear"),
        noise=True,
        eta=1.0,
        exact_on_points=True,
    )
    for eta in (0.0, 1.0):
        for skip in ("uniform", "quadratic"):
            run, nodes, noise = partial(_ddim, skip, eta), partial(_ddim_nodes, skip), eta > 0
            yield _target(
                f"DDIMModel({skip}, eta={eta})",
                run,
                nodes,
                noise=noise,
                eta=eta,
                exact_on_points=True,
            )
    yield _target("DDPMModel.sample(scheduler='ddim')", _ddpm_ddim, _ddpm_ddim_nodes, eta=0.0)
    yield _target("ScoreDiffusionModel.sample", _score, _score_nodes, noise=True)


def _target(name: str, run: Callable, nodes: Callable, **claims: Any) -> Target:
    return Target(
        name,
        {"run": run, "nodes": nodes, "steps": (16, 32, 64), "precision": STORED, **claims},
        snippets.of(name),
    )


def _times(x: np.ndarray, t: Any) -> jax.Array:
    return jnp.full(len(x), int(t), jnp.int32)


def _ancestral(
    kind: str, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    model = build(ddpm.DDPMModel, config.DDPMConfig, kind, n)
    eps, out = predictions(denoise, partial(level, model.noise_schedule))["eps"], jnp.asarray(x)
    with eager(normal):
        for t in range(n - 1, n - 1 - stop, -1):
            out = model.p_sample(eps(out, float(t)), out, _times(x, t), clip_denoised=False)
    return array(out)


def _sampler(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    levels = partial(level, create_noise_schedule(schedule_config("linear", n)))
    made = DiffusionSampler(
        predictions(denoise, levels)["eps"], num_timesteps=n, beta_start=0.1 / n, beta_end=8.0 / n
    )
    with eager(normal):
        state = made.init(jnp.asarray(x), jax.random.key(0))
        for _ in range(stop):
            state, _ = made.step(state)
    return array(state["x"])


def _few_nodes(kind: str, n: int) -> Nodes:
    schedule = create_noise_schedule(schedule_config(kind, n))
    return _of_levels([level(schedule, t) for t in range(n - 1, -1, -1)] + [(1.0, 0.0)])


def _of_levels(levels: list[tuple[float, float]]) -> Nodes:
    return np.array([alpha for alpha, _ in levels]), np.array([sigma for _, sigma in levels])


def _ddim_model(skip: str) -> Any:
    return build(ddim.DDIMModel, config.DDIMConfig, skip_type=skip)


def _ddim(
    skip: str,
    eta: float,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """The loop of ddim_sample, where the last of its steps goes from timestep 0 to timestep 0 and
    is not counted here.
    """
    model = _ddim_model(skip)
    eps, out = predictions(denoise, partial(level, model.noise_schedule))["eps"], jnp.asarray(x)
    times = [*array(model.get_ddim_timesteps(n + 1)), 0.0]
    with eager(normal), unclipped():
        for now, after in list(pairwise(times))[: stop + (stop == n)]:
            out = model.ddim_step(out, _times(x, now), _times(x, after), eps(out, now), eta)
    return array(out)


def _ddim_nodes(skip: str, n: int) -> Nodes:
    model = _ddim_model(skip)
    return _of_levels(
        [level(model.noise_schedule, t) for t in array(model.get_ddim_timesteps(n + 1))]
    )


def _ddpm_ddim(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    model = build(ddpm.DDPMModel, config.DDPMConfig)
    eps = predictions(denoise, partial(level, model.noise_schedule))["eps"]
    model.backbone = lambda x, t, **_: eps(x, t)
    with eager(starting_from(x, normal)), unclipped():
        return array(model.sample(len(x), scheduler="ddim", steps=n))


def _ddpm_ddim_nodes(n: int) -> Nodes:
    schedule = create_noise_schedule(schedule_config("linear", 1000))
    return _of_levels(
        [level(schedule, t) for t in np.linspace(999, 0, n).astype(int)] + [(1.0, 0.0)]
    )


def _score(
    denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    """The network of a loss at its minimum: (E[x0 | x] - x)/sigma at x/sigma."""
    model = _score_model()
    sigma_of = lambda t: float(model._get_sigma(jnp.asarray(t)))
    model.backbone = network(
        lambda y, t: (denoise(sigma_of(t) * y, 1.0, sigma_of(t)) - sigma_of(t) * y) / sigma_of(t)
    )
    with eager(starting_from(x / model.sigma_max, normal)):
        return array(model.sample(len(x), num_steps=n))


def _score_model() -> Any:
    return build(score.ScoreDiffusionModel, config.ScoreDiffusionConfig, sigma_max=20.0)


def _score_nodes(n: int) -> Nodes:
    return np.ones(n + 1), array(_score_model()._get_sigma(jnp.linspace(1.0, 0.0, n + 1)))


def processes() -> Iterator[Target]:
    for kind in KINDS:
        schedule = create_noise_schedule(schedule_config(kind, 1000))
        yield Target(f"{kind} schedule", _parts(schedule), snippets.of(kind))


def _parts(schedule: Any) -> dict[str, Any]:
    noised = lambda x0, eps, t: array(
        schedule.add_noise(jnp.asarray(x0), jnp.asarray(eps), _times(x0, t))
    )
    back = lambda x, eps, t: array(
        schedule.predict_start_from_noise(jnp.asarray(x), _times(x, t), jnp.asarray(eps))
    )
    return {
        "alpha": lambda t: level(schedule, t)[0],
        "sigma": lambda t: level(schedule, t)[1],
        "times": np.array([0.0, 10.0, 100.0, 300.0, 500.0, 700.0, 900.0, 999.0]),
        "perturb": noised,
        "convert": {"epsilon": (lambda x0, eps, a, s: eps, back)},
        "start": 1.0,
        "precision": STORED,
    }


def guidances() -> Iterator[Target]:
    both = {"convention": "w", "precision": "float64"}
    yield Target(
        "apply_guidance",
        {"combine": lambda c, u, w: array(guidance.apply_guidance(c, u, w)), **both},
    )
    yield Target("ClassifierFreeGuidance", {"combine": _combine, **both})


def _combine(cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    model = lambda x, t, conditioning: jnp.asarray(cond if conditioning else uncond)
    return array(guidance.ClassifierFreeGuidance(w)(model, jnp.zeros(()), jnp.zeros(()), True))


def losses() -> Iterator[Target]:
    """Its norms have a guard of 1e-8: asked to float32."""
    yield Target("CrossModalContrastiveLoss()", {"loss": _loss, "precision": STORED})


def _loss(
    images: np.ndarray, texts: np.ndarray, log_scale: float, bias: float | None
) -> tuple[float, dict[str, Any]]:
    of = lambda x, y, scale: CrossModalContrastiveLoss(temperature=jnp.exp(-scale))(x, y)
    value, gradients = jax.value_and_grad(of, (0, 1, 2))(
        jnp.asarray(images), jnp.asarray(texts), jnp.asarray(log_scale)
    )
    return float(value), dict(
        zip(("images", "texts", "log_scale"), map(array, gradients), strict=True)
    )
