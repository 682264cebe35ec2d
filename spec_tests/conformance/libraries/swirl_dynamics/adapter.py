"""swirl_dynamics, a source tree (--path), lib/diffusion: samplers, noise schedules, guidance and
log-likelihoods.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback
from swirl_dynamics.lib.diffusion import diffusion, guidance, samplers as library
from swirl_dynamics.lib.solvers import ode, sde

from spec_tests.conformance.libraries._jax import array, network
from spec_tests.conformance.libraries.swirl_dynamics import likelihood, snippets
from spec_tests.conformance.target import Target

LIBRARY = "swirl_dynamics"
NOISES = {
    "tangent": diffusion.tangent_noise_schedule,
    "power": diffusion.power_noise_schedule,
    "exponential": diffusion.exponential_noise_schedule,
}
GRIDS = {
    "uniform_time": partial(library.uniform_time, end_time=2e-3),
    "exponential_noise_decay": partial(library.exponential_noise_decay, end_sigma=0.002),
    "edm_noise_decay": partial(library.edm_noise_decay, end_sigma=0.002),
}


def version() -> str:
    return "7eeea7a"


def samplers() -> Iterator[Target]:
    vp, ve = _scheme("VP", "tangent", 20.0), _scheme("VE", "power", 20.0)
    heun, euler = ({"integrator": one()} for one in (ode.HeunsMethod, ode.ExplicitEuler))
    for name, scheme in (("VP", vp), ("VE", ve)):
        yield _target(f"OdeSampler({name}, HeunsMethod)", scheme, library.OdeSampler, heun, order=2)
        claims = {"exact_on_points": True}
        yield _target(
            f"ExponentialOdeSampler({name})",
            scheme,
            library.ExponentialOdeSampler,
            {},
            eta=0.0,
            **claims,
        )
        noisy = {"noise": True, "eta": 1.0, **claims}
        yield _target(
            f"ExponentialSdeSampler({name})", scheme, library.ExponentialSdeSampler, {}, **noisy
        )
    yield _target(
        "OdeSampler(VE, ExplicitEuler)",
        ve,
        library.OdeSampler,
        euler,
        eta=0.0,
        exact_on_points=True,
    )
    yield _target(
        "OdeSampler(VP, RungeKutta4)",
        vp,
        library.OdeSampler,
        {"integrator": ode.RungeKutta4()},
        order=4,
    )
    yield _target("SdeSampler(VP)", vp, library.SdeSampler, {}, noise=True, order=1)
    loop = {"integrator": sde.EulerMaruyama(iter_type="loop")}
    yield _target("SdeSampler(VE, loop)", ve, library.SdeSampler, loop, noise=True, order=1)
    for grid in ("uniform_time", "exponential_noise_decay"):
        scheme = _scheme("VP", "exponential", 20.0, 2.0)
        yield _target(
            f"OdeSampler(VP, data_std=2, {grid})", scheme, library.OdeSampler, heun, grid, order=2
        )


def _scheme(kind: str, noise: str, clip_max: float = 100.0, data_std: float = 1.0) -> Any:
    make = {
        "VP": diffusion.create_variance_preserving_scheme,
        "VE": diffusion.create_variance_exploding_scheme,
    }[kind]
    return make(NOISES[noise](clip_max=clip_max), data_std)


def _target(
    title: str,
    scheme: Any,
    make: Callable,
    options: dict,
    grid: str = "edm_noise_decay",
    **claims: Any,
) -> Target:
    run, nodes = partial(_run, scheme, make, options, grid), partial(_nodes, scheme, grid)
    return Target(title, {"run": run, "nodes": nodes, "steps": (16, 32, 64), **claims})


def _run(
    scheme: Any,
    make: Callable,
    options: dict,
    grid: str,
    denoise: Callable,
    x: np.ndarray,
    n: int,
    stop: int,
    normal: Callable | None,
) -> np.ndarray:
    """generate(), whose start is drawn by noise_dist: x, without the deviation that it
    multiplies.
    """
    times = GRIDS[grid](scheme, num_steps=n)
    begin = lambda key, shape: jnp.asarray(x) / _deviation(scheme, times[0])
    options = {
        **options,
        "tspan": times[: stop + 1],
        "apply_denoise_at_end": stop == n,
        "noise_dist": begin,
    }
    sampler = make(input_shape=x.shape[1:], scheme=scheme, denoise_fn=_network(denoise), **options)
    with _compiled(normal):
        return array(sampler.generate(len(x), jax.random.key(0)))


@contextmanager
def _compiled(normal: Callable | None) -> Iterator[None]:
    """Its loops stay compiled, for their derivatives are slow one by one; normals come from the
    host, in order.
    """
    kept = jax.random.normal

    def draw(key: Any, shape: Any = (), dtype: Any = None) -> jax.Array:
        return io_callback(
            partial(_drawn, normal, shape),
            jax.ShapeDtypeStruct(tuple(shape), jnp.float64),
            ordered=True,
        )

    jax.random.normal = draw
    try:
        yield
    finally:
        jax.random.normal = kept


def _drawn(normal: Callable | None, shape: Any) -> np.ndarray:
    if normal is None:
        raise RuntimeError("a method that is declared deterministic draws noise")
    return np.asarray(normal(tuple(shape)), np.float64)


def _network(denoise: Callable) -> Callable:
    """Its networks are asked for x/scale at the noise level sigma."""
    answer = network(lambda x, sigma: denoise(x, 1.0, sigma))
    return lambda x, sigma, cond: answer(x, sigma)


def _deviation(scheme: Any, t: Any) -> float:
    return float(scheme.scale(t) * scheme.sigma(t))


def _nodes(scheme: Any, grid: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n times, n - 1 steps between them, and the answer of the network at the last: data."""
    times = GRIDS[grid](scheme, num_steps=n)
    return np.append(array(scheme.scale(times)), 1.0), np.append(
        array(scheme.scale(times) * scheme.sigma(times)), 0.0
    )


def processes() -> Iterator[Target]:
    for kind in ("VP", "VE"):
        for noise in NOISES:
            yield Target(
                f"{kind}, {noise}_noise_schedule", _parts(_scheme(kind, noise)), snippets.LOG_SNR
            )
        yield Target(
            f"{kind}, tangent_noise_schedule, data_std=2",
            _parts(_scheme(kind, "tangent", data_std=2.0)),
            snippets.LOG_SNR,
        )


def _parts(scheme: Any) -> dict[str, Any]:
    sampler = partial(
        library.OdeSampler,
        input_shape=(2,),
        scheme=scheme,
        tspan=jnp.ones(1),
        apply_denoise_at_end=False,
    )
    begin = sampler(denoise_fn=lambda x, s, cond: x, noise_dist=lambda key, shape: jnp.ones(shape))
    noise = library.SdeSampler((2,), scheme, lambda x, s, cond: x, jnp.ones(1)).dynamics.diffusion
    both = lambda x0, eps, t: jnp.asarray(
        scheme.scale(t) * x0 + scheme.scale(t) * scheme.sigma(t) * eps
    )
    nothing = {"cond": None, "guidance_inputs": None}

    def velocity(x0: np.ndarray, eps: np.ndarray, t: float) -> np.ndarray:
        exact = sampler(denoise_fn=lambda x, s, cond: jnp.asarray(x0))
        return array(exact.dynamics(both(x0, eps, jnp.asarray(t)), jnp.asarray(t), nothing))

    def by_score(x: np.ndarray, x0: np.ndarray, t: float) -> np.ndarray:
        score = library.denoiser2score(lambda x, s, cond: jnp.asarray(x0), scheme)(
            jnp.asarray(x), scheme.sigma(jnp.asarray(t))
        )
        return (x + _deviation(scheme, jnp.asarray(t)) ** 2 * array(score)) / float(
            scheme.scale(jnp.asarray(t))
        )

    return {
        "alpha": lambda t: float(scheme.scale(jnp.asarray(t))),
        "sigma": lambda t: _deviation(scheme, jnp.asarray(t)),
        "times": np.linspace(0.02, 1.0, 8),
        "g": lambda t: float(noise(None, jnp.asarray(t), None)),
        "log_snr": lambda t: float(scheme.logsnr(jnp.asarray(t))),
        "start": float(begin.generate(1, jax.random.key(0))[0, 0]),
        "velocity": velocity,
        "convert": {"denoiser2score": (lambda x0, eps, a, s: x0, by_score)},
    }


def guidances() -> Iterator[Target]:
    both = {
        "combine": _combine,
        "negative": _negative,
        "convention": "1 + w",
        "precision": "float64",
    }
    yield Target("ClassifierFreeHybrid and ClassifierFreeContrastive", both)


def _combine(cond: np.ndarray, uncond: np.ndarray, w: float) -> np.ndarray:
    answer = lambda x, sigma, given: jnp.where(given["c"][0] == 1, cond, uncond)
    guided = guidance.ClassifierFreeHybrid(guidance_strength=w)(answer, {})
    return array(guided(jnp.asarray(cond), jnp.ones(()), {"c": jnp.ones(len(cond))}))


def _negative(cond: np.ndarray, uncond: np.ndarray, neg: np.ndarray, w: float) -> np.ndarray:
    answer = lambda x, sigma, given: jnp.where(
        given["c"][0] == 1, cond, jnp.where(given["c"][0] == 0, uncond, neg)
    )
    options = {"guidance_strength": w, "cond_key": "c", "contrast_cond_key": "n"}
    guided = guidance.ClassifierFreeContrastive(**options)(answer, {"n": -jnp.ones(())})
    return array(guided(jnp.asarray(cond), jnp.ones(()), {"c": jnp.ones(len(cond))}))


def log_probs() -> Iterator[Target]:
    names = {
        "VE, clip_max=1": ("VE", "power", 1.0),
        "VE": ("VE", "power", 20.0),
        "VP": ("VP", "tangent", 20.0),
    }
    yield from likelihood.targets({name: _scheme(*given) for name, given in names.items()})
