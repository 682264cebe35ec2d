"""The doors: shapes and dtypes are checked at trace time, values wherever they are concrete."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array


def is_concrete(*values: Any) -> bool:
    """True where every leaf holds numbers that may be looked at: outside jit, vmap and grad."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves(values))


def require(condition: Any, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_that(condition: Callable[..., Any], message: Callable[..., str], *values: Any) -> None:
    """ValueError with message(*values) unless condition(*values), where every value is concrete.

    Both receive numpy arrays: of a jax array that a jitted function closes over, numpy reads the
    numbers and jnp makes tracers.
    """
    if is_concrete(*values):
        numbers = [np.asarray(value) for value in values]
        if not np.all(condition(*numbers)):
            raise ValueError(message(*numbers))


def require_finite(message: Callable[..., str], *values: Any) -> None:
    """ValueError with message(*values) where an entry of a concrete value is NaN or infinite."""
    require_that(
        lambda *numbers: all(np.isfinite(number).all() for number in numbers), message, *values
    )


def floats(name: str, x: Any) -> Array:
    """x as an array of floats; integers and booleans are refused rather than silently promoted."""
    # asarray takes 5 us to return an array as it is
    x = x if isinstance(x, Array) else _as_array(name, x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        way_out = f"convert it, for example jnp.asarray({name}, jnp.float32)"
        raise TypeError(
            f"{name} must be an array of floats, got {x.dtype}{list(x.shape)}; {way_out}"
        )
    return x


def _as_array(name: str, x: Any) -> Array:
    try:
        return jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of floats, got {type(x).__name__}") from error


def finite(name: str, x: Any) -> Array:
    """An array of floats without NaN or infinity (checked where it is concrete)."""
    x = floats(name, x)
    bad = lambda x: x.size - np.count_nonzero(np.isfinite(np.asarray(x, np.float64)))
    require_that(
        lambda x: bad(x) == 0,
        lambda x: (
            f"{name} must be finite, but {bad(x)} of its {x.size} entries are NaN or infinite"
        ),
        x,
    )
    return x


def times(t: Any, name: str = "t") -> Array:
    """Times in [0, 1]."""
    t = log_snrs(t, name)
    require_that(
        lambda t: (t >= 0) & (t <= 1),
        lambda t: (
            f"{name} must lie in [0, 1], 0 is data and 1 is noise, got {t}; index i of a chain of "
            "T steps is the time i/T"
        ),
        t,
    )
    return t


def log_snrs(l: Any, name: str = "l") -> Array:
    """Floats of at least 32 bits: bfloat16 rounds 999/1000 to 1, so that neighbouring times
    collapse.
    """
    if isinstance(l, (int, float)) and not isinstance(l, bool):
        return jnp.asarray(l, jnp.result_type(float))
    l = floats(name, l)
    if jnp.finfo(l.dtype).bits < 32:
        way_out = "give it as float32, beside an x of any dtype"
        raise TypeError(
            f"{name} must be float32 or float64, got {l.dtype}: half precision merges neighbours; "
            f"{way_out}"
        )
    return l


def time(t: Any, name: str = "t") -> Array:
    """One time. A batch of times against an x would broadcast along whichever axis happens to
    agree.
    """
    t = times(t, name)
    require(
        t.ndim == 0,
        f"{name} must be a scalar time, got shape {t.shape}; for a batch of times use jax.vmap "
        f"over x and {name}",
    )
    return t


def step_times(t: Any, s: Any) -> tuple[Array, Array]:
    """The two times of a step, from t down to s."""
    t, s = time(t, "t"), time(s, "s")
    message = lambda t, s: (
        f"a step goes from t down to s (0 is data, 1 is noise), got t={t} and s={s}; swap them"
    )
    require_that(lambda t, s: s <= t, message, t, s)
    return t, s


def answer(function: Callable[[Array, Any], Array], x: Array, t: Any) -> Array:
    """The answer of a denoiser or a velocity at x, which must have the shape of x."""
    found = function(x, t)
    require(
        found.shape == x.shape,
        f"the denoiser must answer in the shape of x, {x.shape}, but gave {found.shape}",
    )
    return found


def same_shape(**arrays: Any) -> tuple[Array, ...]:
    """The arrays, of floats and of one shape: nothing is broadcast."""
    values = tuple(floats(name, x) for name, x in arrays.items())
    shapes = {name: x.shape for name, x in zip(arrays, values, strict=True)}
    require(
        len(set(shapes.values())) == 1,
        f"these arrays must have one shape, nothing is broadcast: {shapes}",
    )
    return values


def events(name: str, x: Any, shape: tuple[int, ...]) -> Array:
    """x with events of the given shape on its last axes."""
    x = floats(name, x)
    require(
        x.ndim >= len(shape) and x.shape[x.ndim - len(shape) :] == shape,
        f"the last axes of {name} must be an event of shape {shape}, got shape {x.shape}",
    )
    return x


def count(name: str, n: Any, least: int = 1) -> int:
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool):
        raise TypeError(
            f"{name} must be a Python integer, got {type(n).__name__}: it sets the shape of the "
            "result"
        )
    require(n >= least, f"{name} must be at least {least}, got {n}")
    return int(n)


def number(name: str, value: Any) -> Any:
    """One finite number (the value is checked where it is concrete)."""
    if not isinstance(value, (int, float)) and not hasattr(value, "dtype"):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    require(
        jnp.ndim(value) == 0,
        f"{name} must be one number, got shape {jnp.shape(value)}; for several use jax.vmap over "
        f"{name}",
    )
    require_that(
        lambda v: np.isfinite(np.asarray(v, np.float64)),
        lambda v: f"{name} must be finite, got {v}",
        value,
    )
    return value


def positive(**values: Any) -> None:
    """Every named value is one number greater than 0 (checked where it is concrete)."""
    for name, value in values.items():
        number(name, value)
        require_that(
            lambda v: v > 0, lambda v, name=name: f"{name} must be positive, got {v}", value
        )


def not_negative(**values: Any) -> None:
    """Every named value is one number of at least 0 (checked where it is concrete)."""
    for name, value in values.items():
        number(name, value)
        require_that(
            lambda v: v >= 0, lambda v, name=name: f"{name} must not be negative, got {v}", value
        )


def none_negative(name: str, values: Array) -> None:
    """No entry of the array is negative (checked where it is concrete)."""
    require_that(
        lambda v: v >= 0, lambda v: f"{name} must not be negative, the least is {v.min()}", values
    )


def sum_to_one(name: str, values: Array) -> None:
    """The entries sum to 1, but for the rounding of their dtype (checked where concrete)."""
    total = lambda v: np.asarray(v, np.float64).sum()
    allowed = 4 * values.size * float(jnp.finfo(values.dtype).eps)
    message = lambda v: f"{name} must sum to 1, got {total(v)}; divide: {name} / {name}.sum()"
    require_that(lambda v: abs(total(v) - 1) <= allowed, message, values)


def not_zero(name: str, vectors: Array) -> None:
    """No vector on the last axis is zero (checked where it is concrete)."""
    zero = lambda v: np.count_nonzero(~v.any(-1))
    message = lambda v: (
        f"{name} must not be zero, as a zero vector has no direction; "
        f"{zero(v)} of {v[..., 0].size} are"
    )
    require_that(lambda v: zero(v) == 0, message, vectors)


def unit_interval(name: str, value: Any, meaning: str) -> None:
    """One number from 0 to 1 (checked where it is concrete); meaning says what its ends are."""
    message = lambda v: f"{name} must lie in [0, 1], got {v}: {meaning}"
    require_that(lambda v: (v >= 0) & (v <= 1), message, value)


def key(value: Any) -> None:
    """A key of jax.random, new style or old."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == np.uint32):
        raise TypeError(
            "key must be a key of jax.random, such as jax.random.key(0), got "
            f"{type(value).__name__}"
        )


def draws(key_: Any, shape: Any) -> tuple[int, ...]:
    """The number of independent draws, as a shape; the key is checked beside it."""
    key(key_)
    if not isinstance(shape, (tuple, list)):
        raise TypeError(
            "shape must be a tuple, () for one draw and (n,) for n of them, got "
            f"{type(shape).__name__}"
        )
    return tuple(count("an entry of shape", n, least=0) for n in shape)


def grid(ts: Any) -> Array:
    """A decreasing grid of N + 1 >= 2 times in [0, 1]."""
    ts = times(ts, "ts")
    require(
        ts.ndim == 1 and ts.shape[0] >= 2,
        f"ts must be a grid of shape (N + 1,) with N >= 1 steps, got shape {ts.shape}; see "
        "diffx.uniform",
    )
    require_that(lambda ts: np.diff(ts) < 0, _not_decreasing, ts)
    return ts


def _not_decreasing(ts: np.ndarray) -> str:
    first = np.flatnonzero(np.diff(ts) >= 0)[0]
    return (
        "ts must decrease strictly, from noise (1) to data (0), "
        f"but {ts[first]:g} is followed by {ts[first + 1]:g}; an increasing grid is reversed by "
        "ts[::-1]"
    )
