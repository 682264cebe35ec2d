"""CLP-11: contrastive losses over the devices of a mesh, by every parameter of a model, and the two
famous wrong gradients.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from jax.sharding import PartitionSpec as P

import diffx
from diffx.contrast import normalise
from spec_tests.instrument.close import close
from spec_tests.instrument.registry import claim
from spec_tests.support import strategies as st_
from spec_tests.support.batches import (
    AXIS,
    COUNTED,
    EQUAL,
    KINDS,
    NAMES,
    ROUNDING,
    SHARDED,
    Batch,
    D,
    N,
    batch,
    loss_of,
    mesh,
    same,
    tables,
    tiled,
    wanted,
)

FEATURES = 4


class Model(NamedTuple):
    """Two linear encoders, features (N, 4) to embeddings (N, 3), and the two numbers of the
    loss.
    """

    of_images: np.ndarray
    of_texts: np.ndarray
    log_scale: float
    bias: float


class Data(NamedTuple):
    """What the encoders see: (N, 4) each."""

    images: np.ndarray
    texts: np.ndarray


def setting(seed: int, log_scale: float) -> tuple[Model, Data]:
    rng = np.random.default_rng(seed)
    encoders = np.float32(rng.standard_normal((2, FEATURES, D))).astype(float)
    return Model(*encoders, *batch(seed, log_scale)[2:]), Data(
        *np.float32(rng.standard_normal((2, N, FEATURES))).astype(float)
    )


def cast(dtype, tree):
    return jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def encode(model, data) -> tuple:
    return tuple(
        jnp.matmul(x, w, precision="highest") for x, w in zip(data, model[:2], strict=True)
    )


@partial(jax.jit, static_argnums=(0, 1))
def outside(kind, tile, model, data, positives=None, mask=None):
    """Value and gradients by the model of a loss that calls shard_map itself."""

    def loss(model):
        embeddings = encode(model, data)
        rest = {
            "axis_name": AXIS,
            "mesh": mesh(),
            "tile": tile,
            "positives": positives,
            "mask": mask,
        }
        return loss_of(SHARDED, kind, *embeddings, *model[2:], **rest)

    return jax.value_and_grad(loss)(model)


@partial(jax.jit, static_argnums=(0, 1))
def inside(kind, tile, model, data, positives=None, mask=None):
    """Value and gradients by the model, differentiated on each device."""

    def here(model, data, positives, mask):
        def loss(model):
            rest = {"axis_name": AXIS, "tile": tile, "positives": positives, "mask": mask}
            return loss_of(SHARDED, kind, *encode(model, data), *model[2:], **rest)

        return jax.value_and_grad(loss)(model)

    specs = P(), P(AXIS), P(AXIS), P(AXIS)
    return jax.shard_map(here, mesh=mesh(), in_specs=specs, out_specs=P())(
        model, data, positives, mask
    )


def same_by_model(kind, found, model, data, positives=None, mask=None, why=ROUNDING) -> None:
    """The value and the gradient by each parameter are those of the textbook, to rounding."""
    x, y = (features @ weights for features, weights in zip(data, model[:2], strict=True))
    value, by_batch = wanted(kind, Batch(x, y, *model[2:]), positives, mask)
    scale = float(np.exp(model.log_scale))
    size = 1 + np.log(N) + scale * (1 + abs(model.log_scale))
    size = N * (size + abs(model.bias)) if kind == "siglip" else size
    # an embedding is a sum of four products: its rounding is that of their sizes, beside its length
    lost = [np.abs(f) @ np.abs(w) for f, w in zip(data, model[:2], strict=True)]
    lost = 1 + sum(
        (np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).max()
        for a, b in zip(lost, (x, y), strict=True)
    )
    close(found[0], value, ulps=8, scale=lost * size, why=f"{kind}: {why}")
    slope = lost * scale * (1 + size)
    lengths = [np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y)]
    sizes = [np.abs(f).T @ (slope / length) for f, length in zip(data, lengths, strict=True)]
    right = *(f.T @ g for f, g in zip(data, by_batch[:2], strict=True)), *by_batch[2:]
    names = Model._fields
    for name, got, gradient, bound in zip(
        names, found[1], right, (*sizes, slope, lost * size), strict=True
    ):
        close(
            got,
            gradient,
            ulps=8,
            scale=bound,
            why=f"{kind} by {name} on {mesh().size} devices: {why}",
        )


@claim(
    "CLP-11",
    "Computed in blocks of scores or over the devices of a mesh, a loss has the dense value and "
    "the dense gradient with respect to every parameter of a model",
    of=(
        *("diffx.contrast.tiled_clip_loss", "diffx.contrast.tiled_siglip_loss"),
        *("diffx.contrast.sharded_clip_loss", "diffx.contrast.sharded_siglip_loss"),
    ),
    source=(
        "Radford et al. 2021, arXiv:2103.00020, Figure 3; Zhai et al. 2023, arXiv:2303.15343, "
        "section 3.2"
    ),
    grade="identity",
)
@given(seed=st_.seeds(), log_scale=st_.floats(-3.0, 4.605))
@example(seed=1, log_scale=4.605)  # scores above 60 are shifted before exp, those below are not
@settings(max_examples=3)
def test_blocks_and_devices_change_neither_value_nor_gradient(dtype, seed, log_scale):
    of = batch(seed, log_scale)
    model, data = setting(seed, log_scale)
    here = cast(dtype, model), cast(dtype, data)
    for kind in KINDS:
        for pairs in tables():
            same(kind, tiled(kind, 5, *of.cast(dtype), *pairs), of, *pairs)
        for mask in (
            np.ones(N, bool),
            COUNTED,
        ):  # SigLIP finds partners by names, which need the rows of the devices before
            same_by_model(kind, outside(kind, 2, *here, None, mask), model, data, None, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_captions_are_compared_across_devices(kind):
    model, data = setting(1, 3.0)
    for mask in (np.ones(N, bool), COUNTED):
        found = outside(kind, None, cast(float, model), cast(float, data), NAMES, mask)
        same_by_model(kind, found, model, data, EQUAL, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_taken_on_each_device_are_those_of_the_whole_batch(kind):
    model, data = setting(2, 2.0)
    for pairs in tables():
        same_by_model(
            kind,
            inside(kind, 2, cast(float, model), cast(float, data), *pairs),
            model,
            data,
            *pairs,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_pairs_are_right_on_each_device(kind):
    model, data = setting(3, 2.0)
    same_by_model(kind, inside(kind, None, cast(float, model), cast(float, data)), model, data)


def test_sharded_losses_are_finite_at_any_scale_and_for_zero_vectors_in_float32():
    model, data = setting(4, 0.0)
    data.images[2] = data.texts[7] = 0
    for kind in KINDS:
        for scale in (100, 1000):
            hot = model._replace(log_scale=np.log(scale), of_texts=model.of_images)
            for texts in (data.images, -data.images, data.texts):
                numbers = cast(np.float32, hot), cast(np.float32, data._replace(texts=texts))
                found = outside(kind, 2, *numbers, None, COUNTED)
                assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree_util.tree_leaves(found))


# --- the two famous wrong gradients -------------------------------------------------------------
# Losses and gradients are averaged over devices, each of which differentiates its own loss, as
# torch's DDP does.


def averaged(loss, model, data):
    def here(model, data):
        return jax.lax.pmean(jax.value_and_grad(loss)(model, data), AXIS)

    sharded = jax.shard_map(
        here, mesh=mesh(), in_specs=(P(), P(AXIS)), out_specs=P(), check_vma=False
    )
    return jax.jit(sharded)(cast(float, model), cast(float, data))


def gathered_without_gradient(x):
    return jax.lax.stop_gradient(jax.lax.all_gather(x, AXIS, tiled=True))


def local_loss(model, data):
    """A device's rows against the embeddings of all, to which no gradient flows (open_clip's
    local_loss by itself).
    """
    x, y = map(normalise, encode(model, data))
    labels = jnp.arange(len(x)) + len(x) * jax.lax.axis_index(AXIS)
    rows = (
        jnp.exp(model.log_scale) * own @ gathered_without_gradient(other).T
        for own, other in ((x, y), (y, x))
    )
    return (
        -sum(jnp.take_along_axis(jax.nn.log_softmax(s), labels[:, None], 1).mean() for s in rows)
        / 2
    )


def own_rows_put_back(model, data):
    """The whole batch on every device, with a gradient to its own rows alone (open_clip's
    defaults).
    """

    def gathered(x):
        first = len(x) * jax.lax.axis_index(AXIS)
        return jax.lax.dynamic_update_slice_in_dim(gathered_without_gradient(x), x, first, 0)

    return diffx.clip_loss(*map(gathered, encode(model, data)), log_scale=model.log_scale)


SEVERAL = pytest.mark.skipif(
    "len(__import__('jax').devices()) < 2", reason="on one device the two short cuts are right"
)


def encoders(model) -> np.ndarray:
    return np.concatenate([np.ravel(w) for w in model[:2]])


def caught(loss) -> tuple:
    """The value is right to the last digits, the gradient is not: its length along the true one,
    their cosine, its error.
    """
    model, data = setting(5, 2.0)
    value, gradient = averaged(loss, model, data)
    dense = outside("clip", None, cast(float, model), cast(float, data))
    same_by_model("clip", dense, model, data)
    close(value, np.asarray(dense[0]), ulps=8, why="no test of the value sees it")
    close(
        gradient.log_scale,
        np.asarray(dense[1].log_scale),
        ulps=40,
        why="nor does one of the scale's gradient",
    )
    with pytest.raises(AssertionError, match="clip by of_images"):
        same_by_model("clip", (value, gradient), model, data)
    found, right = encoders(gradient), encoders(dense[1])
    length = np.linalg.norm(right)
    return (
        found @ right / length**2,
        found @ right / length / np.linalg.norm(found),
        np.linalg.norm(found - right) / length,
    )


@SEVERAL
def test_texts_of_other_devices_without_gradient_are_caught_by_direction():
    along, cosine, error = caught(local_loss)
    print(f"length {along:.3f}, cosine {cosine:.3f}, error {error:.3f}")
    assert 0.3 < along < 0.8 and 0.8 < cosine < 0.999 and error > 0.2


@SEVERAL
def test_averaged_gradients_of_own_rows_are_caught_by_their_size():
    along, cosine, error = caught(own_rows_put_back)
    close(
        np.float64(along),
        np.array(1 / mesh().size),
        ulps=100,
        why="an average where a sum belongs: 1/W",
    )
    close(np.float64(cosine), np.array(1.0), ulps=100, why="the direction is right")
    close(np.float64(error), np.array(1 - 1 / mesh().size), ulps=100, why="the rest is missing")


# --- bad input ----------------------------------------------------------------------------------


def on_mesh(kind, images=(N, D), texts=(N, D), **given):
    rest = {"axis_name": AXIS, "mesh": mesh(), **given}
    return loss_of(SHARDED, kind, jnp.ones(images), jnp.ones(texts), 1.0, -1.0, **rest)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"texts": (N - 1, D)}, "must have one shape"),
        ({"texts": (N, D - 1)}, "must have one shape"),
        ({"tile": 0}, "tile must be at least 1"),
        ({"positives": np.zeros((N, N), bool)}, "needs a partner"),
        ({"positives": np.eye(N - 1, dtype=bool)}, "positives must have shape"),
        ({"mask": np.zeros(N, bool)}, "mask must count at least one row"),
        ({"axis_name": "model"}, r"the mesh has no axis 'model', only \('data',\)"),
        ({"mesh": None}, "there is no axis 'data' here: call this inside jax.shard_map"),
    ],
)
def test_wrong_arguments_of_sharded_losses_are_refused(kind, given, message):
    with pytest.raises(ValueError, match=message):
        on_mesh(kind, **given)


@SEVERAL
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_that_the_mesh_does_not_divide_is_refused(kind):
    n = 12 * mesh().size + 1
    with pytest.raises(
        ValueError,
        match=rf"{mesh().size} devices cannot share {n} rows equally: drop rows, or pad the batch",
    ):
        on_mesh(kind, images=(n, D), texts=(n, D))


def test_the_rows_of_a_device_are_refused_where_their_table_lacks_columns():
    def here(x, positives):
        return diffx.contrast.sharded_clip_loss(
            x, x, log_scale=1.0, axis_name=AXIS, positives=positives
        )

    narrow = np.zeros((N, N - 1), bool)
    with pytest.raises(ValueError, match="positives must have shape"):
        jax.shard_map(here, mesh=mesh(), in_specs=P(AXIS), out_specs=P())(jnp.ones((N, D)), narrow)
