"""Objects of the theory and functions as pytrees: arguments of jit."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax
from jax.tree_util import Partial

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass and a pytree; every field is a child.

    Unflattening bypasses `__init__`, which jax's own `register_dataclass` does not: inside a
    transformation the leaves are tracers, axes or placeholders, and a check in `__post_init__`
    would refuse them.
    """
    data: Any = dataclasses.dataclass(frozen=True)(cls)
    names = tuple(field.name for field in dataclasses.fields(data))

    def flatten_with_keys(value: Any):
        return [(jax.tree_util.GetAttrKey(name), getattr(value, name)) for name in names], None

    def flatten(value: Any):
        return [getattr(value, name) for name in names], None

    def unflatten(_: None, leaves: Any):
        value = object.__new__(data)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(value, name, leaf)
        return value

    jax.tree_util.register_pytree_with_keys(data, flatten_with_keys, unflatten, flatten)
    return data


def with_fields(value: Any, **fields: Any) -> None:
    """Set converted fields of a frozen record from inside its `__post_init__`."""
    for name, field in fields.items():
        object.__setattr__(value, name, field)


def as_pytree(
    function: Callable[..., Any], wanted: str = "a denoiser (x, t) -> x0"
) -> Callable[..., Any]:
    """The function itself if it is a pytree, else wrapped in Partial, to be an argument of jit.

    Wrap a module-level function once and reuse it: each new lambda is a new function and is traced
    anew.
    """
    if not callable(function):
        raise TypeError(f"{wanted} must be callable, got {type(function).__name__}")
    return Partial(function) if jax.tree_util.all_leaves([function]) else function
