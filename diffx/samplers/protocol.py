"""A sampler is three functions: init, step and noise; a formula (x, t, s, z) becomes one.

What a user enters is checked here, once: times, shapes and dtypes of a step, also of one that is
called by hand.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Scalar
from diffx.noise import standard_normal


class State(NamedTuple):
    """The state that a step hands to the next; a multi-step method adds its history.

    Units: x any shape, data units.
    Claims: API-01.
    """

    x: Array


class Info(NamedTuple):
    """The finding of a step: the denoiser's answer at its start.

    Units: x0 in data units.
    Also called: pred_original_sample, denoised.
    Claims: API-01.
    """

    x0: Array


class Sampler(NamedTuple):
    """A method of sampling, as a pytree of three functions: init, step and noise.

    init: x -> state, which has a field x. step: (state, t, s, z) -> (state, info), from time t down
    to s < t; z None stands for zero noise. noise: (key, x) -> z, a pytree of standard normals; None
    means that the method is deterministic and its z is None. As an argument of jit, changing a
    number in it does not retrace.

    Units: x in data units.
    Also called: scheduler, solver, sampling method.
    Claims: API-01, API-02.

    >>> ddim = diffx.ddim(process, denoise)
    >>> sampler = diffx.Sampler(init=ddim.init, step=ddim.step)
    """

    init: Callable[[Array], Any]
    step: Callable[[Any, Array, Array, Any], tuple[Any, Any]]
    noise: Callable[[Array, Array], Any] | None = None


ASKED = {  # parameters that a step asks at (x, t), and what the caller should have given
    "denoise": "a denoiser (x, t) -> x0",
    "cond": "a denoiser (x, t) -> x0",
    "uncond": "a denoiser (x, t) -> x0",
    "velocity": "a velocity (x, t) -> dx/dt",
}


def start(x: Array) -> State:
    """The state of a one-step method."""
    return State(_arguments.floats("x", x))


def checked_step(method: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """A step that writes out the contract (state, t, s, z) -> (state, info), checked.

    Its times and answers are checked; whatever it asks of `denoise` and its like is asked in the
    dtype of state.x and must come back in its shape.
    """

    @wraps(method)
    def entered(
        state: Any, t: Scalar, s: Scalar, z: Any = None, **parameters: Any
    ) -> tuple[Any, Any]:
        t, s = _arguments.step_times(t, s)
        asked = {
            name: _asked_like(state.x, parameters[name]) for name in ASKED if name in parameters
        }
        return method(state, t, s, z, **(parameters | asked))

    return entered


def _asked_like(like: Array, function: Callable) -> Callable[[Array, Scalar], Array]:
    return lambda x, t: _arguments.answer(function, x.astype(like.dtype), t)


@checked_step
def _formula_step(
    state: Any, t: Array, s: Array, z: Any, *, formula: Callable, **parameters: Any
) -> tuple[State, Info]:
    """The step of a formula: of state.x alone, with the results in its dtype."""
    x = state.x
    noise = {"z": noise_or_zero(z, x)} if draws_noise(formula) else {}
    x_s, x0 = formula(x, t, s, **noise, **parameters)
    return State(x_s.astype(x.dtype)), Info(x0.astype(x.dtype))


def draws_noise(formula: Callable) -> bool:
    """Whether a formula has an argument z."""
    return "z" in inspect.signature(formula).parameters


def noise_or_zero(z: Array | None, x: Array) -> Array:
    """The noise, of the shape of x; None stands for zero."""
    if z is None:
        return jnp.zeros_like(x)
    _arguments.require(
        z.shape == x.shape, f"the noise must have the shape of x, {x.shape}, got {z.shape}"
    )
    return z


def step(formula: Callable[..., tuple[Array, Array]]) -> Callable[..., tuple[State, Info]]:
    """The step (state, t, s, z) -> (state, info) of a formula (x, t, s, z) -> (x_s, x0).

    The formula may lack the argument z.
    """

    @wraps(formula)
    def entered(
        state: Any, t: Scalar, s: Scalar, z: Any = None, **parameters: Any
    ) -> tuple[State, Info]:
        return _formula_step(state, t, s, z, formula=formula, **parameters)

    entered.formula = formula  # pyright: ignore[reportAttributeAccessIssue]
    entered.__signature__ = _contract(formula)  # pyright: ignore[reportAttributeAccessIssue]
    return entered


def _contract(formula: Callable) -> inspect.Signature:
    """(state, t, s, z=None, *, the formula's keywords), for help()."""
    keywords = [
        p for p in inspect.signature(formula).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    positional = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in ("state", "t", "s")
    ]
    noise = inspect.Parameter("z", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    return inspect.Signature([*positional, noise, *keywords])


def sampler_of_step(step: Callable, **parameters: Any) -> Sampler:
    """The Sampler of a step function (x, t, s, z, **parameters) -> (x_s, x0), its parameters bound.

    The step goes from x at t to x_s at s < t, with the denoiser's answer x0 at its start; its
    parameters are keywords. A function without an argument z makes a deterministic sampler. Define
    it at module level: each new function is compiled anew, new parameters are not. Each call is
    checked: s <= t, shapes, the dtype of x.

    Raises: TypeError where step or a denoiser is not callable, or does not fit the parameters.
    Source: the contract of `Sampler`.
    Also called: custom scheduler, custom sampler, your own sampler.
    Claims: API-09.

    >>> def my_step(x, t, s, *, denoise):
    ...     x0 = denoise(x, t)
    ...     return x0 + (s / t) * (x - x0), x0
    >>> sampler = diffx.samplers.sampler_of_step(my_step, denoise=denoise)
    """
    if not callable(step):
        raise TypeError(
            "step must be a function (x, t, s, z, **parameters) -> (x_s, x0), got "
            f"{type(step).__name__}"
        )
    formula = getattr(step, "formula", step)
    bound = bound_parameters(parameters)
    _check_fits(formula, bound)
    noise = Partial(standard_normal) if draws_noise(formula) else None
    return Sampler(Partial(start), Partial(_formula_step, formula=Partial(formula), **bound), noise)


def bound_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a step with every function as a pytree."""
    function = lambda name, value: name in ASKED or callable(value)
    return {
        name: as_pytree(value, ASKED.get(name, name)) if function(name, value) else value
        for name, value in parameters.items()
    }


def _check_fits(formula: Callable, parameters: dict[str, Any]) -> None:
    """The parameters are exactly those of the formula beside x, t, s and z."""
    try:
        inspect.signature(formula).bind(
            *"xts", **parameters, **({"z": None} if draws_noise(formula) else {})
        )
    except TypeError as error:
        name = getattr(formula, "__name__", "the step")
        raise TypeError(
            f"{name} is called as (x, t, s, z, **parameters), but {error}; give all its parameters "
            "here"
        ) from error
