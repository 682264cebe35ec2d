r"""A sampler is three functions: init, step, noise."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Scalar
from diffx.noise import standard_normal
from diffx.predictions import eps_of_x0
from diffx.processes.protocol import Process


class State(NamedTuple):
    """What a step hands to the next; a multi-step method adds its history.  Claims: API-01."""

    x: Array


class Info(NamedTuple):
    """What a step found out: the denoiser's answer at its start.  Claims: API-01."""

    x0: Array


class Sampler(NamedTuple):
    r"""A method of sampling, as a pytree: an argument of jit, so that changing a number in it does not retrace.

    init: x -> state, which has a field x.
    step: (state, t, s, z) -> (state, info), from time t down to s < t; z None stands for noise zero.
    noise: (key, x) -> z, a pytree of standard normals; None: the method is deterministic and its z is None.
    Claims: API-01, API-02.
    """

    init: Callable[[Array], Any]
    step: Callable[[Any, Array, Array, Any], tuple[Any, Any]]
    noise: Callable[[Array, Array], Any] | None = None


def start(x: Array) -> State:
    """The state of a one-step method."""
    return State(_arguments.floats("x", x))


def one_step(step: Callable, *, stochastic: bool, **parameters: Any) -> Sampler:
    """The sampler of a one-step method: its step with the parameters bound."""
    return Sampler(Partial(start), Partial(step, **parameters), Partial(standard_normal) if stochastic else None)


def ask(denoise: Callable[[Array, Scalar], Array], x: Array, t: Array) -> Array:
    """The denoiser's answer, which must have the shape of x."""
    x0 = denoise(x, t)
    _arguments.require(x0.shape == x.shape, f"the denoiser must answer in the shape of x, {x.shape}, but gave {x0.shape}")
    return x0


def ask_eps(process: Process, denoise: Callable[[Array, Scalar], Array], x: Array, t: Array) -> Array:
    """The noise that the denoiser's answer leaves in x."""
    return eps_of_x0(process, x, ask(denoise, x, t), t)


def add_noise(mean: Array, sigma: Any, z: Array | None) -> Array:
    """mean + sigma z; z None stands for zero and is never built."""
    if z is None:
        return mean
    _arguments.require(z.shape == mean.shape, f"the noise must have the shape of x, {mean.shape}, got {z.shape}")
    return mean + sigma * z
