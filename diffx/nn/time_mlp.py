r"""The networks of the lecture: MLPs that are told the noise level, and perhaps a label."""

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
    r"""(sin(log(sigma)/2), cos(log(sigma)/2)): a noise level as two numbers of size 1.

    log(sigma)/2 runs over 3.5 radians from 0.01 to 10, so no two levels look alike.

    Units: sigma a scalar in data units; returns (2,).
    Domain: sigma > 0.
    Source: get_sigma_embeds of smalldiffusion.
    Also called: noise level embedding, time embedding, sigma embedding, smalldiffusion
        get_sigma_embeds.
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
    r"""An MLP on (x, noise_features(sigma)), with GELU between its layers: (x, sigma) -> R^dim.

    The meaning of the result (eps, x0, v) is decided by the training loss.

    Units: x (..., dim) and sigma, a scalar, in data units; the result has the shape of x; hidden
        the widths, by default the lecture's 16-128-128-128-128-16 (53,890 parameters for dim = 2).
    Source: TimeInputMLP of smalldiffusion.
    Also called: smalldiffusion TimeInputMLP, noise-conditional MLP, time-conditioned network.
    """

    def __init__(self, dim: int = 2, *, hidden: Sequence[int] = HIDDEN, rngs: nnx.Rngs):
        self.dim = _arguments.count("dim", dim)
        self.layers = _layers((dim + 2, *hidden, dim), rngs)

    def __call__(self, x: Array, sigma: Scalar) -> Array:
        x = _arguments.events("x", x, (self.dim,))
        return _run_layers(self.layers, x, noise_features(sigma))


class LabelledTimeMLP(nnx.Module):
    r"""An MLP on (x, noise_features(sigma), embedding of a label): (x, sigma, label) -> R^dim.

    Labels run from 0 to classes - 1; the label `classes`, self.null, stands for no label.

    Units: label one integer, shape () (for a batch with several use jax.vmap); features the length
        of a label's embedding, learned, initially standard normal; dim, hidden, x and sigma as for
        `TimeMLP`.
    Raises: ValueError for a label that is not one of classes + 1; when traced, it gives NaN.
    Source: ConditionalMLP of smalldiffusion, with its 4 features.
    Also called: smalldiffusion ConditionalMLP, class-conditional network, label embedding, null
        label.
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
    message = lambda label: (
        f"label must lie in 0 to {null}, where {null} means no label, got {label}"
    )
    _arguments.require_that(lambda label: (label >= 0) & (label <= null), message, label)
    # jax would count a negative index from the end; beyond it answers NaN
    return jnp.where(label < 0, null + 1, label)


def _layers(widths: Sequence[int], rngs: nnx.Rngs) -> nnx.List:
    return nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(widths)])


def _run_layers(layers: nnx.List, x: Array, features: Array) -> Array:
    """The layers with GELU between them, on x (..., dim) beside shared features (k,)."""
    h = jnp.concatenate(
        [x, jnp.broadcast_to(features.astype(x.dtype), (*x.shape[:-1], features.size))], axis=-1
    )
    for layer in layers[:-1]:
        h = jax.nn.gelu(layer(h))
    return layers[-1](h)
