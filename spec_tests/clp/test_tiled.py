"""Contrastive losses by blocks of scores: other tiles than the claim's, other forms, derivatives,
limits and memory.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.instrument.close import below, close
from spec_tests.support.batches import (
    COUNTED,
    DENSE,
    EQUAL,
    KINDS,
    NAMES,
    TILED,
    N,
    batch,
    loss_of,
    same,
    tables,
    tiled,
)

# --- other tiles, other forms, other derivatives -------------------------------------------------

NO_IMAGE = np.eye(4, dtype=bool)[
    [0, 1, 2, 2]
]  # for the last text; its transpose: no text for the last image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [4, 100])
def test_tiles_that_divide_the_batch_or_exceed_it_change_nothing(kind, tile):
    of = batch(tile, 2.0)
    for positives, mask in tables():
        same(kind, tiled(kind, tile, *of.cast(float), positives, mask), of, positives, mask)


@pytest.mark.parametrize("mask", [None, COUNTED])
def test_an_image_and_its_text_are_partners_by_default(mask):
    of = batch(0, 2.0)
    same("clip", tiled("clip", 5, *of.cast(float), None, mask), of, None, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_captions_say_what_their_table_says(kind):
    of = batch(1, 3.0)
    for mask in (np.ones(N, bool), COUNTED):
        same(kind, tiled(kind, 5, *of.cast(float), NAMES, mask), of, EQUAL, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_dense_losses_have_the_same_gradients_for_any_partners(kind):
    """What the blocks are compared with holds for the dense losses too, gradients by partners and
    mask included.
    """

    @jax.jit
    def dense(images, texts, log_scale, bias, positives, mask):
        loss = lambda *moving: loss_of(DENSE, kind, *moving, positives=positives, mask=mask)
        return jax.value_and_grad(loss, (0, 1, 2, 3))(images, texts, log_scale, bias)

    of = batch(2, 2.0)
    for positives, mask in tables():
        same(kind, dense(*of.cast(float), positives, mask), of, positives, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_uncounted_rows_change_nothing_whatever_they_hold(kind):
    of = batch(3, 2.0)
    rubbish = np.where(COUNTED[:, None], of.images, 1e4), np.where(COUNTED[:, None], of.texts, 0.0)
    hidden = batch(3, 2.0)._replace(images=rubbish[0], texts=rubbish[1])
    (value, gradients), (other, others) = (
        tiled(kind, 5, *xs.cast(float), EQUAL, COUNTED) for xs in (of, hidden)
    )
    np.testing.assert_array_equal(value, other)
    for own, changed in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(own, changed)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_those_of_the_dense_loss(kind):
    of = batch(4, 2.0)
    along = jnp.asarray(np.random.default_rng(5).standard_normal((2, N, 3)))

    def derivatives(losses, **tile):
        def loss(images, texts, log_scale):
            return loss_of(
                losses,
                kind,
                images,
                texts,
                log_scale,
                of.bias,
                positives=EQUAL,
                mask=COUNTED,
                **tile,
            )

        gradient = jax.grad(loss, (0, 1, 2))
        return lambda *at: jax.jvp(gradient, at, (*along, jnp.ones(())))

    at = of.cast(float)[:3]
    found, right = (jax.jit(f)(*at) for f in (derivatives(TILED, tile=5), derivatives(DENSE)))
    for got, dense in zip(
        jax.tree_util.tree_leaves(found), jax.tree_util.tree_leaves(right), strict=True
    ):
        size = 100 * (1 + np.abs(np.asarray(dense)).max())
        close(
            got,
            np.asarray(dense),
            ulps=8,
            scale=size,
            why="twice a derivative of a score of size 7, lengths from .1",
        )


def test_scales_are_batched_by_vmap_on_either_side_of_the_shift():
    """Scores above 60 are shifted by their maxima before exp, those below are not."""
    of = batch(6, 0.0)
    images, texts, _, bias = of.cast(np.float32)
    scales = jnp.asarray([-1.0, 4.0, 4.2, 4.605], jnp.float32)
    found = jax.vmap(
        lambda log_scale: tiled("clip", 5, images, texts, log_scale, bias, EQUAL, COUNTED)
    )(scales)
    for index, log_scale in enumerate(scales):
        own = jax.tree_util.tree_map(lambda leaf: leaf[index], found)  # noqa: B023
        same("clip", own, of._replace(log_scale=float(log_scale)), EQUAL, COUNTED)


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [100.0, 1000.0])
def test_tiled_losses_are_finite_at_any_scale_in_float32(kind, scale):
    of = batch(7, float(np.log(scale)))
    images, texts, log_scale, bias = of.cast(np.float32)
    aligned = images, images / 3, log_scale, bias
    opposed = images, -images, log_scale, bias
    for arguments in (aligned, opposed, (images, texts, log_scale, bias)):
        value, gradients = tiled(kind, 5, *arguments, np.eye(N, dtype=bool), np.ones(N, bool))
        assert np.isfinite(value)
        assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_a_zero_vector_has_a_finite_gradient_of_zero(kind):
    of = batch(8, 2.0)
    of.images[3] = of.texts[7] = 0
    value, gradients = tiled(kind, 5, *of.cast(float), EQUAL, np.ones(N, bool))
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    np.testing.assert_array_equal(gradients[0][3], np.zeros(3))
    np.testing.assert_array_equal(gradients[1][7], np.zeros(3))


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_embeddings_are_scored_in_float32(kind):
    images, texts, *_ = batch(9, 4.605).cast(jnp.bfloat16)
    scales = jnp.float32(4.605), jnp.float32(-3)
    loss = jax.jit(
        lambda *moving: loss_of(TILED, kind, *moving, tile=5, positives=EQUAL, mask=COUNTED)
    )
    value = loss(images, texts, *scales)
    wide, _ = tiled(
        kind, 5, images.astype(jnp.float32), texts.astype(jnp.float32), *scales, EQUAL, COUNTED
    )
    close(
        value,
        np.asarray(wide, float),
        ulps=8,
        scale=N * 100,
        why="the same operations, in two programs",
    )
    assert value.dtype == jnp.float32


# --- memory -------------------------------------------------------------------------------------

MANY, WIDE = 4096, 512


def temporaries(losses, **tile) -> float:
    """MiB of temporaries of a compiled value and gradient of 4,096 embeddings of 512 float32
    numbers.
    """
    x = jax.ShapeDtypeStruct((MANY, WIDE), jnp.float32)
    number = jax.ShapeDtypeStruct((), jnp.float32)
    gradient = jax.value_and_grad(
        lambda *moving: loss_of(losses, "clip", *moving, **tile), (0, 1, 2)
    )
    memory = jax.jit(gradient).lower(x, x, number, number).compile().memory_analysis()
    assert memory is not None, "this backend does not tell"
    return memory.temp_size_in_bytes / 2**20


@pytest.mark.skipif("jax.default_backend() != 'cpu'", reason="the figures are those of a CPU")
def test_memory_of_a_tiled_gradient_falls_with_the_tile_to_17_mib():
    small, large, dense = (
        temporaries(TILED, tile=256),
        temporaries(TILED, tile=1024),
        temporaries(DENSE),
    )
    below(small, 17.0, "a gradient of 4,096 x 512 float32 numbers is 8 MiB, a block of scores 1/4")
    below(small, large, "blocks of 1,024 x 1,024 scores take 4 MiB each")
    below(large, dense / 4, "the dense form holds tables of 64 MiB")


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("images", "texts", "given", "message"),
    [
        ((4, 3), (3, 3), {}, "must have one shape"),
        ((4, 3), (4, 2), {}, "must have one shape"),
        ((4, 3), (4, 3), {"tile": 0}, "tile must be at least 1"),
        ((4, 3), (4, 3), {"positives": np.zeros((4, 4), bool)}, "needs a partner"),
        (
            (4, 3),
            (4, 3),
            {"positives": np.eye(4, dtype=bool)[[0, 1, 2, 2]]},
            r"needs a partner, rows \[3\] have none",
        ),  # no image
        (
            (4, 3),
            (4, 3),
            {"positives": np.eye(4, dtype=bool)[:, [0, 1, 2, 2]]},
            r"needs a partner, rows \[3\] have none",
        ),  # no text
        (
            (4, 3),
            (4, 3),
            {"positives": np.eye(3, dtype=bool)},
            r"positives must have shape \(4, 4\)",
        ),
        ((4, 3), (4, 3), {"mask": np.zeros(4, bool)}, "mask must count at least one row"),
        ((4, 3), (4, 3), {"positives": np.arange(3)}, "must name one caption for each of 4 rows"),
    ],
)
def test_wrong_arguments_of_tiled_losses_are_refused(kind, images, texts, given, message):
    with pytest.raises(ValueError, match=message):
        loss_of(TILED, kind, jnp.ones(images), jnp.ones(texts), 1.0, -1.0, **{"tile": 2, **given})


def test_a_traced_or_fractional_tile_is_refused():
    with pytest.raises(TypeError, match="tile must be a Python integer"):
        diffx.contrast.tiled_clip_loss(jnp.ones((4, 3)), jnp.ones((4, 3)), log_scale=1.0, tile=2.0)  # pyright: ignore[reportArgumentType]
