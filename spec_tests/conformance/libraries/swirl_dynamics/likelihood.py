"""The log-likelihoods of swirl_dynamics: where scale and noise end at sigma = 1, and elsewhere."""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from swirl_dynamics.lib.diffusion import samplers as library
from swirl_dynamics.lib.solvers import ode

from spec_tests.conformance.libraries._jax import array, network
from spec_tests.conformance.libraries.swirl_dynamics import snippets
from spec_tests.conformance.target import Target

KEYS = count()  # every call its own probes
LEAST = 0.01  # the noise of the data whose likelihood is asked


def targets(schemes: dict[str, Any]) -> Iterator[Target]:
    """One for each scheme by name; the first ends at sigma = 1, where nothing but the method itself
    is asked.
    """
    first = next(iter(schemes))
    for name, scheme in schemes.items():
        yield _target(
            f"OdeSampler.compute_log_likelihood({name})", scheme, _make(library.OdeSampler, 64)
        )
    hutchinson = {"exact": False, "draws": 16, "tolerance": 1e-3}
    make = _make(library.OdeSampler, 32, num_probes=1)
    yield _target(
        f"OdeSampler.compute_log_likelihood({first}, num_probes=1)",
        schemes[first],
        make,
        **hutchinson,
    )
    make = _make(library.OdeSampler, 64)
    yield _target(
        f"OdeSampler.compute_log_likelihood({first}, rng=None)", schemes[first], make, keyed=False
    )
    make = partial(library.ExponentialOdeSampler)
    yield _target(
        f"ExponentialOdeSampler.compute_log_likelihood({first})",
        schemes[first],
        (make, 256),
        tolerance=0.05,
    )


def _make(make: Callable, points: int, **options: Any) -> tuple[Callable, int]:
    return partial(make, integrator=ode.RungeKutta4(), **options), points


def _target(
    title: str, scheme: Any, made: tuple[Callable, int], keyed: bool = True, **claims: Any
) -> Target:
    times = library.edm_noise_decay(scheme, num_steps=made[1], end_sigma=LEAST)
    start, end = (_level(scheme, t) for t in (times[0], times[-1]))
    log_prob = partial(_log_prob, scheme, made[0], times, keyed)
    return Target(
        title,
        {"log_prob": log_prob, "start": start, "end": end, "prior": start[1], **claims},
        snippets.of(title),
    )


def _level(scheme: Any, t: Any) -> tuple[float, float]:
    return float(scheme.scale(t)), float(scheme.scale(t) * scheme.sigma(t))


def _log_prob(
    scheme: Any, make: Callable, times: Any, keyed: bool, denoise: Any, x: np.ndarray
) -> np.ndarray:
    sampler = make(
        input_shape=x.shape[1:], scheme=scheme, denoise_fn=_differentiable(denoise), tspan=times
    )
    rng = jax.random.key(next(KEYS)) if keyed else None
    return array(sampler.compute_log_likelihood(jnp.asarray(x), rng=rng))


def _differentiable(denoise: Any) -> Callable:
    """The network with the derivative that the kit gives."""
    answer = network(lambda x, sigma: denoise(x, 1.0, sigma))

    @jax.custom_vjp
    def apply(x: Any, sigma: Any) -> Any:
        return answer(x, sigma)

    def pulled(given: tuple[Any, Any], v: Any) -> tuple[Any, Any]:
        x, sigma = given
        back = lambda x, sigma, v: np.asarray(
            denoise.pull(np.asarray(x), 1.0, float(sigma), np.asarray(v)), np.float64
        )
        shape = jax.ShapeDtypeStruct(x.shape, jnp.float64)
        return jax.pure_callback(
            back, shape, x, sigma, v, vmap_method="sequential"
        ), jnp.zeros_like(sigma)

    apply.defvjp(lambda x, sigma: (apply(x, sigma), (x, sigma)), pulled)
    return lambda x, sigma, cond: apply(x, sigma)
