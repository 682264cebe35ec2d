"""The common parts of the data sets of pictures with words."""

from typing import Any, NamedTuple

from jaxtyping import Array

from diffx import _arguments

SPLITS = ("all", "train", "test")


class Captioned(NamedTuple):
    """images: (n, size, size, 3) float32 in [-1, 1], 1 is white; captions: n strings, one per
    image.
    """

    images: Array
    captions: tuple[str, ...]


def choice(name: str, value: Any, choices: tuple) -> None:
    """Refuse a value that is not one of the choices, and list them."""
    _arguments.require(
        value in choices, f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}"
    )
