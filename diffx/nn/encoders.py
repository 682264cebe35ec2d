r"""Two towers into one space: pictures and captions as unit vectors, for `diffx.contrast`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from diffx import _arguments
from diffx.contrast.scores import normalise

LOG_SCALE = math.log(1 / 0.07)  # where CLIP starts: arXiv:2103.00020, section 2.5
SIZES = (
    *("vocabulary", "length", "size", "patch", "image_width", "image_layers"),
    *("text_width", "text_layers", "heads", "dim"),
)


class Block(nnx.Module):
    r"""h + attention(norm(h)), then h + MLP(norm(h)): one transformer layer on (B, L, width).

    Padding is masked out of the attention. The hidden layer of the MLP has width 2 width: half of
    the usual 4, which at equal cost is 1.5 layers more. dtype is that of the products; the sum h
    stays float32.

    Units: heads the number of heads, each width/heads wide.
    Source: Vaswani et al. 2017, arXiv:1706.03762, with the norms before each part.
    Also called: pre-norm transformer block, self-attention layer.
    """

    def __init__(self, width: int, heads: int, *, dtype: Any, rngs: nnx.Rngs):
        self.heads = heads
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])
        self.mixed, self.out = (
            linear(width, 3 * width, dtype, rngs),
            linear(width, width, dtype, rngs),
        )
        self.up, self.down = (
            linear(width, 2 * width, dtype, rngs),
            linear(2 * width, width, dtype, rngs),
        )

    def __call__(self, h: Array, words: Array | None = None) -> Array:
        q, k, v = jnp.split(
            self.mixed(self.norms[0](h)).reshape(*h.shape[:2], 3 * self.heads, -1), 3, axis=2
        )
        seen = None if words is None else words[:, None, None, :]
        attended = jax.nn.dot_product_attention(q, k, v, mask=seen).reshape(h.shape)
        h = h + self.out(attended).astype(h.dtype)
        return h + self.down(jax.nn.gelu(self.up(self.norms[1](h)))).astype(h.dtype)


def linear(inputs: int, outputs: int, dtype: Any, rngs: nnx.Rngs) -> nnx.Linear:
    """A dense layer: float32 parameters, products in dtype."""
    return nnx.Linear(inputs, outputs, dtype=dtype, rngs=rngs)


def positions(length: int, width: int, std: float, rngs: nnx.Rngs) -> nnx.Param:
    """A learned vector for each place, initially normal.

    std: close to that of what it is added to, or attention cannot see it.
    """
    return nnx.Param(std * jax.random.normal(rngs.params(), (length, width), jnp.float32))


class ImageTower(nnx.Module):
    r"""Patches of p x p pixels -> MLP -> transformer -> mean over patches -> R^dim.

    Units: (B, size, size, 3) -> (B, dim).
    Also called: vision transformer, ViT, image encoder.
    """

    def __init__(
        self,
        size: int,
        patch: int,
        width: int,
        layers: int,
        heads: int,
        dim: int,
        *,
        dtype: Any,
        rngs: nnx.Rngs,
    ):
        self.patch = patch
        self.up, self.down = (
            linear(3 * patch**2, 2 * width, dtype, rngs),
            linear(2 * width, width, dtype, rngs),
        )
        self.places = positions((size // patch) ** 2, width, 0.3, rngs)
        self.blocks = nnx.List([Block(width, heads, dtype=dtype, rngs=rngs) for _ in range(layers)])
        self.norm, self.out = nnx.LayerNorm(width, rngs=rngs), linear(width, dim, dtype, rngs)

    def __call__(self, images: Array) -> Array:
        h = (
            self.down(jax.nn.gelu(self.up(patches(images, self.patch)))).astype(jnp.float32)
            + self.places[...]
        )
        for block in self.blocks:
            h = block(h)
        return self.out(self.norm(h).mean(1))


def patches(images: Array, patch: int) -> Array:
    """(B, H, W, C) cut into squares: (B, H W / patch^2, C patch^2), row by row."""
    n, rows, columns, channels = images.shape
    cut = images.reshape(n, rows // patch, patch, columns // patch, patch, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, channels * patch**2)


class TextTower(nnx.Module):
    r"""Words and places -> transformer -> mean over words -> R^dim; a text without words -> 0.

    Units: (B, L) ids -> (B, dim).
    Also called: text encoder, text transformer.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int,
        layers: int,
        heads: int,
        dim: int,
        *,
        dtype: Any,
        rngs: nnx.Rngs,
    ):
        normal = jax.nn.initializers.normal(0.02)
        self.vocabulary = vocabulary
        self.words = nnx.Embed(vocabulary, width, embedding_init=normal, rngs=rngs)
        self.places = positions(length, width, 0.02, rngs)
        self.blocks = nnx.List([Block(width, heads, dtype=dtype, rngs=rngs) for _ in range(layers)])
        self.norm, self.out = nnx.LayerNorm(width, rngs=rngs), linear(width, dim, dtype, rngs)

    def __call__(self, tokens: Array) -> Array:
        words = tokens != 0
        # jax would count a negative id from the end; beyond it: NaN
        known = jnp.where(tokens < 0, self.vocabulary, tokens)
        h = self.words(known) + self.places[: tokens.shape[1]]
        for block in self.blocks:
            h = block(h, words)
        mean = jnp.where(words[..., None], self.norm(h), 0).sum(1) / jnp.maximum(words.sum(1), 1)[
            :, None
        ].astype(h.dtype)
        return jnp.where(words.any(1)[:, None], self.out(mean), 0)


class DualEncoder(nnx.Module):
    r"""cos(image, text) = <encode_image(image), encode_text(caption)>: two transformers into R^dim.

    It also holds the scale of the loss: log_scale is the initial value of `self.log_scale`
    (float32, shape ()), and bias that of `self.bias` of `siglip_loss`, None for no bias (SigLIP:
    log_scale = log 10, bias = -10). dtype is that of the products in both towers (bfloat16 on an
    accelerator, for example); parameters, norms and the unit vectors stay float32.

    Units: vocabulary the number of word ids, 0 (padding) included; length the largest number of
        words in a caption; size and patch in pixels, the sides of a picture and of a patch; dim
        that of the common space.
    Domain: patch divides size; heads divides both widths.
    Raises: TypeError or ValueError for sizes that do not fit together.
    Source: Radford et al. 2021, arXiv:2103.00020, Figure 3.
    Also called: CLIP, two-tower model, dual encoder, image and text encoder.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        length: int = 32,
        size: int = 32,
        patch: int = 8,
        image_width: int = 256,
        image_layers: int = 3,
        text_width: int = 192,
        text_layers: int = 2,
        heads: int = 4,
        dim: int = 512,
        log_scale: float = LOG_SCALE,
        bias: float | None = None,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.vocabulary, self.length = (
            _arguments.count("vocabulary", vocabulary, least=2),
            _arguments.count("length", length),
        )
        self.size, self.patch = _arguments.count("size", size), _arguments.count("patch", patch)
        self.image_width, self.image_layers = (
            _arguments.count("image_width", image_width),
            _arguments.count("image_layers", image_layers),
        )
        self.text_width, self.text_layers = (
            _arguments.count("text_width", text_width),
            _arguments.count("text_layers", text_layers),
        )
        self.heads, self.dim = _arguments.count("heads", heads), _arguments.count("dim", dim)
        _check_divides("patch", patch, size=size)
        _check_divides("heads", heads, image_width=image_width, text_width=text_width)
        self.image = ImageTower(
            size, patch, image_width, image_layers, heads, dim, dtype=dtype, rngs=rngs
        )
        self.text = TextTower(
            vocabulary, length, text_width, text_layers, heads, dim, dtype=dtype, rngs=rngs
        )
        self.log_scale = nnx.Param(
            jnp.asarray(_arguments.number("log_scale", log_scale), jnp.float32)
        )
        self.bias = nnx.data(
            None
            if bias is None
            else nnx.Param(jnp.asarray(_arguments.number("bias", bias), jnp.float32))
        )

    def encode_image(self, images: Float[Array, "B H W 3"]) -> Float[Array, "B dim"]:
        r"""Unit vectors of pictures: (B, size, size, 3) in [-1, 1] -> (B, dim) float32.

        Raises: TypeError or ValueError for another shape, integers, or values outside [-1, 1]
            (where concrete).
        Also called: image embeddings, get_image_features.
        """
        images, wanted = _arguments.floats("images", images), (self.size, self.size, 3)
        _arguments.require(
            images.ndim == 4 and images.shape[1:] == wanted,
            f"images must have shape (B, {', '.join(map(str, wanted))}), got {images.shape}; for "
            "one picture use images[None]",
        )
        _check_range(images)
        return normalise(self.image(images.astype(jnp.float32)))

    def encode_text(self, tokens: Int[Array, "B L"]) -> Float[Array, "B dim"]:
        r"""Unit vectors of captions: word ids (B, L), L <= length, 0 = padding -> (B, dim) float32.

        When traced, an unknown id gives NaN and a caption without words the zero vector, with
        derivative zero.

        Raises: TypeError or ValueError for floats, another shape, an unknown id or a caption
            without words.
        Also called: text embeddings, get_text_features.
        """
        tokens = jnp.asarray(tokens)
        if not jnp.issubdtype(tokens.dtype, jnp.integer):
            raise TypeError(
                f"tokens must be integers, ids of words, got {tokens.dtype}; see "
                "diffx.data.encode_words"
            )
        _arguments.require(
            tokens.ndim == 2 and 1 <= tokens.shape[1] <= self.length,
            f"tokens must have shape (B, L) with 1 <= L <= {self.length}, got {tokens.shape}; for "
            "one caption use tokens[None]",
        )
        _check_words(tokens, self.vocabulary)
        return normalise(self.text(tokens))

    def architecture(self) -> dict[str, Any]:
        """Arguments that rebuild this network, up to its parameters: its sizes and its bias."""
        return {name: getattr(self, name) for name in SIZES} | {
            "bias": None if self.bias is None else 0.0
        }


def _check_divides(name: str, part: int, **wholes: int) -> None:
    for whole, value in wholes.items():
        _arguments.require(
            value % part == 0, f"{name} must divide {whole}, got {name}={part} and {whole}={value}"
        )


def _check_range(images: Array) -> None:
    way_out = (
        "convert bytes with x / 127.5 - 1, and a sample that overshoots with jnp.clip(x, -1, 1)"
    )
    ends = lambda images: [float(end) for end in (images.min(initial=0), images.max(initial=0))]
    message = lambda images: "images must lie in [-1, 1], got {:g} to {:g}; {}".format(
        *ends(images), way_out
    )
    _arguments.require_that(lambda images: (images >= -1) & (images <= 1), message, images)


def _check_words(tokens: Array, vocabulary: int) -> None:
    known = lambda ids: (ids >= 0) & (ids < vocabulary)
    message = lambda ids: (
        f"tokens must be ids of words, 0 to {vocabulary - 1}, got {np.unique(ids[~known(ids)])}"
    )
    _arguments.require_that(known, message, tokens)
    empty = lambda ids: ", ".join(map(str, np.flatnonzero((ids == 0).all(1))))
    _arguments.require_that(
        lambda ids: ids.any(1),
        lambda ids: f"caption {empty(ids)} has no words: leave this pair out",
        tokens,
    )
