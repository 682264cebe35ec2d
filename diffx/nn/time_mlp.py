r"""The networks of the lecture: a small MLP that is told the noise level, and one that is told a
label too.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Scalar

HIDDEN = (16, 128, 128, 128, 128, 16)


def noise_features(sigma: Scalar) -> Array:
    r"""(sin(log(sigma)/2), cos(log(sigma)/2)): a noise level of shape () as two numbers of size 1,
    shape (2,).

    sigma: data units.  log(sigma)/2 runs over 3.5 radians from 0.01 to 10: no two levels look
    alike.
    Source: get_sigma_embeds of smalldiffusion.  Domain: sigma > 0.
    """
    sigma = _arguments.floats("sigma", sigma)
    _arguments.require(
        sigma.ndim == 0,
        f"sigma must be one noise level, got shape {sigma.shape}; for a batch use jax.vmap over x "
        "and sigma",
    )
    phase = jnp.log(sigma) / 2
    return jnp.stack([jnp.sin(phase), jnp.cos(phase)])


class TimeMLP(nnx.Module):
    r"""An MLP on (x, noise_features(sigma)), with GELU between its layers: a function (x, sigma) ->
    R^dim.

    dim: length of x.  hidden: widths; the default is the lecture's 16-128-128-128-128-16, 53,890
    numbers for dim = 2. x: (..., dim), data units; sigma: scalar, data units.  The result has the
    shape of x; its meaning (eps, x0, v) is the training loss's.  Source: TimeInputMLP of
    smalldiffusion.
    """

    def __init__(self, dim: int = 2, *, hidden: Sequence[int] = HIDDEN, rngs: nnx.Rngs):
        self.dim = _arguments.count("dim", dim)
        self.layers = _layers((dim + 2, *hidden, dim), rngs)

    def __call__(self, x: Array, sigma: Scalar) -> Array:
        x = _arguments.events("x", x, (self.dim,))
        return _run_layers(self.layers, x, noise_features(sigma))


class LabelledTimeMLP(nnx.Module):
    r"""An MLP on (x, noise_features(sigma), embedding of a label): a function (x, sigma, label) ->
    R^dim.

    classes: how many labels there are, 0 to classes - 1; the label `classes`, self.null, stands for
    no label. features: numbers that a label becomes, learned, at first standard normal.  dim,
    hidden, x, sigma: see `TimeMLP`. label: one integer, shape (); for a batch with several use
    jax.vmap.  Raises ValueError for a label that is not one of classes + 1; traced, it answers NaN.
    Source: ConditionalMLP of smalldiffusion, with its 4 features.
    """

    def __init__(
        self,
        dim: int = 2,
        *,
        classes: int,
        features: int = 4,
        hidden: Sequence[int] = HIDDEN,
        rngs: nnx.Rngs,
    ):
        self.dim, self.null = _arguments.count("dim", dim), _arguments.count("classes", classes)
        width = _arguments.count("features", features)
        self.embedding = nnx.Embed(
            classes + 1, width, embedding_init=jax.nn.initializers.normal(1.0), rngs=rngs
        )
        self.layers = _layers((dim + 2 + width, *hidden, dim), rngs)

    def __call__(self, x: Array, sigma: Scalar, label: Any) -> Array:
        x = _arguments.events("x", x, (self.dim,))
        known = self.embedding(_label(label, self.null))
        return _run_layers(
            self.layers, x, jnp.concatenate([noise_features(sigma).astype(x.dtype), known])
        )


def _label(label: Any, null: int) -> Array:
    label = jnp.asarray(label)
    one = label.ndim == 0 and jnp.issubdtype(label.dtype, jnp.integer)
    _arguments.require(
        one,
        f"label must be one integer, got shape {label.shape} of {label.dtype}; for a batch use "
        "jax.vmap",
    )
    message = lambda label: f"label must lie in 0 to {null}, where {null} is no label, got {label}"
    _arguments.require_that(lambda label: (label >= 0) & (label <= null), message, label)
    return jnp.where(
        label < 0, null + 1, label
    )  # jax would count a negative index from the end; beyond it answers NaN


def _layers(widths: Sequence[int], rngs: nnx.Rngs) -> nnx.List:
    return nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(widths)])


def _run_layers(layers: nnx.List, x: Array, features: Array) -> Array:
    """The layers with GELU between them, on x (..., dim) beside features (k,), which all x
    share.
    """
    h = jnp.concatenate(
        [x, jnp.broadcast_to(features.astype(x.dtype), (*x.shape[:-1], features.size))], axis=-1
    )
    for layer in layers[:-1]:
        h = jax.nn.gelu(layer(h))
    return layers[-1](h)
