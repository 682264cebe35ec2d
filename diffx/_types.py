"""Names for the shapes in annotations.

jaxtyping's import hook checks them; the doors of `_arguments` refuse with sentences.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

Number = Float[Array, ""]
Floats = Float[Array, "..."]
Points = Float[
    Array, "*shape"
]  # data, noise, predictions: within one function all are of one shape
Betas = Float[Array, "T"]


Scalar = Any  # a Python float or an array of shape (): times, schedule parameters, guidance weights

Denoiser = Callable[[Array, Scalar], Array]
