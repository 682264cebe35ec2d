"""What the adapters of JAX libraries share: float64, the kit's denoiser in a JAX program, normals
from where the kit says.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

# whatever the library hands its network for a time -> (alpha, sigma)
Levels = Callable[[Any], tuple[float, float]]


def array(x: Any) -> np.ndarray:
    """A copy in numpy, float64."""
    return np.array(x, np.float64)


@contextmanager
def eager(normal: Callable | None = None) -> Iterator[None]:
    """Loops run in Python, and jax.random.normal gives normal(shape); with None it refuses.

    Without compilation the shapes of the draws are those of the program, and a numpy denoiser can
    stand in for a network. A library that draws inside vmap asks for the shape of one row: the kit
    then says that the draw has a wrong shape.
    """
    kept = jax.random.normal

    def draw(key: Any, shape: Any = (), dtype: Any = None) -> jax.Array:
        if normal is None:
            raise RuntimeError("a method that is declared deterministic draws noise")
        return jnp.asarray(np.asarray(normal(tuple(shape))), dtype or jnp.float64)

    jax.random.normal = draw
    try:
        with jax.disable_jit():
            yield
    finally:
        jax.random.normal = kept


@contextmanager
def fixed_norms() -> Iterator[None]:
    """A Langevin corrector sets its step by norms of the whole batch, a mean over devices: all 1
    here.

    Its step is then a number, and the sampler is affine: the rule is left out, the step that it
    sets is asked.
    """
    kept = jnp.linalg.norm, jax.lax.pmean
    jnp.linalg.norm, jax.lax.pmean = (
        lambda x, axis=None: jnp.ones(x.shape[:1]),
        lambda x, axis_name: x,
    )
    try:
        yield
    finally:
        jnp.linalg.norm, jax.lax.pmean = kept


def network(answer: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[Any, Any], jax.Array]:
    """answer(x, t), numpy, as a function of JAX arrays x (B, d) and a time that is the same for the
    whole batch.
    """

    def apply(x: Any, t: Any) -> jax.Array:
        if any(isinstance(one, jax.core.Tracer) for one in (x, t)):
            return jax.pure_callback(
                host, jax.ShapeDtypeStruct(x.shape, jnp.float64), x, t, vmap_method="sequential"
            )
        return jnp.asarray(host(x, t))

    def host(x: Any, t: Any) -> np.ndarray:
        times = np.unique(np.asarray(t, np.float64))
        if len(times) != 1:
            raise ValueError(f"the network was asked at {len(times)} times in one call")
        return np.asarray(answer(np.asarray(x, np.float64), float(times[0])), np.float64)

    return apply


def predictions(denoise: Callable, levels: Levels) -> dict[str, Callable[[Any, Any], jax.Array]]:
    """The exact network in every parametrisation: x0, eps, score, v; functions of (x, t)."""

    def of(formula: Callable) -> Callable[[Any, Any], jax.Array]:
        def answer(x: np.ndarray, t: float) -> np.ndarray:
            alpha, sigma = levels(t)
            return formula(x, denoise(x, alpha, sigma), alpha, sigma)

        return network(answer)

    return {
        "x0": of(lambda x, x0, a, s: x0),
        "eps": of(lambda x, x0, a, s: (x - a * x0) / s),
        "score": of(lambda x, x0, a, s: (a * x0 - x) / s**2),
        "v": of(lambda x, x0, a, s: (a * (x - a * x0) / s) - s * x0),
    }
