r"""The network of the lecture: a small MLP that is told the noise level."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from diffx import _check
from diffx.process import Scalar

HIDDEN = (16, 128, 128, 128, 128, 16)


def noise_features(sigma: Scalar) -> Array:
    r"""(sin(log(sigma)/2), cos(log(sigma)/2)): a noise level of shape () as two numbers of size 1, shape (2,).

    sigma: data units.  log(sigma)/2 runs over 3.5 radians from 0.01 to 10: no two levels look alike.
    Source: get_sigma_embeds of smalldiffusion.  Domain: sigma > 0.
    """
    sigma = _check.floats("sigma", sigma)
    _check.require(
        sigma.ndim == 0, f"sigma must be one noise level, got shape {sigma.shape}; for a batch use jax.vmap over x and sigma"
    )
    phase = jnp.log(sigma) / 2
    return jnp.stack([jnp.sin(phase), jnp.cos(phase)])


class TimeMLP(nnx.Module):
    r"""An MLP on (x, noise_features(sigma)), with GELU between its layers: a function (x, sigma) -> R^dim.

    dim: length of x.  hidden: widths; the default is the lecture's 16-128-128-128-128-16, 53,890 numbers for dim = 2.
    x: (..., dim), data units; sigma: scalar, data units.  The result has the shape of x; its meaning (eps, x0, v) is
    the training loss's.  Source: TimeInputMLP of smalldiffusion.
    """

    def __init__(self, dim: int = 2, *, hidden: Sequence[int] = HIDDEN, rngs: nnx.Rngs):
        widths = (_check.count("dim", dim) + 2, *hidden, dim)
        self.dim = dim
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(widths)])

    def __call__(self, x: Array, sigma: Scalar) -> Array:
        x = _check.events("x", x, (self.dim,))
        features = noise_features(sigma).astype(x.dtype)
        h = jnp.concatenate([x, jnp.broadcast_to(features, (*x.shape[:-1], 2))], axis=-1)
        for layer in self.layers[:-1]:
            h = jax.nn.gelu(layer(h))
        return self.layers[-1](h)
