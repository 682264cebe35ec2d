"""Batches for contrastive losses: partners in all forms, the value and gradients wanted, and the
devices to share them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import diffx
from spec_tests.instrument.close import close
from spec_tests.oracles import partners

N, D = 12, 3  # 12 rows: one, two, three or four devices can share them
AXIS = "data"
# captions 0, 3, 9 are one, and so are 4, 7
NAMES = np.array([0, 1, 2, 0, 4, 5, 6, 4, 8, 0, 10, 11])
EQUAL = NAMES[:, None] == NAMES
COUNTED = np.arange(N) % 5 != 3  # leaves out 3 and 8; 8 has no other partner

KINDS = ("clip", "siglip")
DENSE = {"clip": diffx.clip_loss, "siglip": diffx.siglip_loss}
TILED = {"clip": diffx.contrast.tiled_clip_loss, "siglip": diffx.contrast.tiled_siglip_loss}
SHARDED = {"clip": diffx.contrast.sharded_clip_loss, "siglip": diffx.contrast.sharded_siglip_loss}

ROUNDING = (
    "a cosine of 3 terms, the exp of a rounded logarithm and sums of 12 each round once or twice"
)


def lopsided() -> np.ndarray:
    """A table that is not symmetric, with a pair far off the diagonal in both directions."""
    table = np.eye(N, dtype=bool)
    table[0, [3, 11]] = table[10, 1] = table[5, 4] = True
    return table


class Batch(NamedTuple):
    """Everything in float64, and representable in float32."""

    images: np.ndarray
    texts: np.ndarray
    log_scale: float
    bias: float

    def cast(self, dtype) -> tuple:
        return tuple(jnp.asarray(value, dtype) for value in self)


def batch(seed: int, log_scale: float, width: int = D) -> Batch:
    """Normal embeddings of lengths between about 0.1 and 10."""
    rng = np.random.default_rng(seed)
    lengths = 10 ** rng.uniform(-1, 1, (2, N, 1))
    images, texts = (lengths * rng.standard_normal((2, N, width))).astype(np.float32).astype(float)
    return Batch(
        images, texts, float(np.float32(log_scale)), float(np.float32(rng.uniform(-10, 2)))
    )


def wanted(kind: str, of: Batch, positives=None, mask=None) -> tuple:
    return partners.value_and_gradients(kind, *of, positives, mask)


def same(
    kind: str, found: tuple, of: Batch, positives=None, mask=None, why: str = ROUNDING
) -> None:
    """The value and all gradients found are those of the textbook, to rounding."""
    value, gradients = wanted(kind, of, positives, mask)
    scale = float(np.exp(of.log_scale))
    size = 1 + np.log(N) + scale * (1 + abs(of.log_scale))
    if kind == "siglip":
        size = N * (size + abs(of.bias))
    close(found[0], value, ulps=8, scale=size, why=f"{kind}: {why}")
    # a rounding eps scale of a score changes its softmax by as much, and that is multiplied by
    # scale/length
    slope = scale * (1 + size)
    sizes = *(slope / np.linalg.norm(x, axis=1, keepdims=True) for x in of[:2]), slope, size
    for got, right, size in zip(found[1], gradients, sizes, strict=False):
        close(got, right, ulps=8, scale=size, why=f"{kind}: {why}")


def loss_of(losses: dict, kind: str, images, texts, log_scale, bias, **given):
    """A loss as a function of what is differentiated."""
    parameters = {"bias": bias} if kind == "siglip" else {}
    return losses[kind](images, texts, log_scale=log_scale, **parameters, **given)


@partial(jax.jit, static_argnums=(0, 1))
def tiled(kind: str, tile: int, images, texts, log_scale, bias, positives=None, mask=None) -> tuple:
    """Value and gradients of a loss in blocks, compiled once for all tests."""
    loss = lambda *moving: loss_of(TILED, kind, *moving, tile=tile, positives=positives, mask=mask)
    return jax.value_and_grad(loss, (0, 1, 2, 3))(images, texts, log_scale, bias)


def tables() -> list[tuple]:
    """Partners and masks: the diagonal of some rows, a lopsided table of all, equal captions of
    some.
    """
    return [(np.eye(N, dtype=bool), COUNTED), (lopsided(), np.ones(N, bool)), (EQUAL, COUNTED)]


def mesh(most: int = 4) -> Mesh:
    """As many devices as there are, up to most: four virtual ones on a CPU."""
    devices = jax.devices()
    return Mesh(
        np.array(devices[: max(n for n in (1, 2, 3, 4) if n <= min(most, len(devices)))]), (AXIS,)
    )
