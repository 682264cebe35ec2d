"""The dual encoder, and its weights in files."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy
from flax import nnx
from jax.tree_util import Partial

import diffx
from diffx.data.world import HEADWEAR_WORDS, VOCABULARY, render
from diffx.nn import (
    DualEncoder,
    dual_encoder,
    load_provenance,
    load_weights,
    recipe,
    report,
    save_weights,
    weights as weights_module,
)
from diffx.training import train

TINY = {
    "length": 8,
    "size": 8,
    "patch": 4,
    "image_width": 8,
    "image_layers": 1,
    "text_width": 8,
    "text_layers": 1,
    "heads": 2,
}
TINY |= {"dim": 16}


def tiny(seed=0, **changes):
    return DualEncoder(12, **TINY | changes, rngs=nnx.Rngs(seed))


@partial(jax.jit, static_argnums=0)
def seen(graph, params, images):
    return nnx.merge(graph, params).encode_image(images)


@partial(jax.jit, static_argnums=0)
def read(graph, params, tokens):
    return nnx.merge(graph, params).encode_text(tokens)


def pictures(n=4, seed=0):
    return jax.random.uniform(jax.random.key(seed), (n, 8, 8, 3), jnp.float32, minval=-1.0)


HAT = (
    (3, 4, 5, 6, 0, 0),
    (5, 4, 3, 6, 0, 0),
    (3, 4, 0, 0, 0, 0),
)  # two orders of the same words, and the first two of them


def captions():
    return jnp.asarray(HAT, jnp.int32)


def test_both_towers_give_unit_vectors_in_float32():
    parts = nnx.split(tiny())
    for vectors in (seen(*parts, pictures()), read(*parts, captions())):
        assert vectors.shape[1] == 16 and vectors.dtype == jnp.float32
        np.testing.assert_allclose(
            np.linalg.norm(np.asarray(vectors, np.float64), axis=1), 1, atol=2e-7
        )


def test_padding_says_nothing_and_word_order_says_something():
    parts = nnx.split(tiny())
    padded, bare = read(*parts, captions()), read(*parts, captions()[:2, :4])
    np.testing.assert_allclose(padded[:2], bare, atol=1e-6)
    assert np.linalg.norm(padded[0] - padded[1]) > 1e-3, (
        "the same words in another order have another vector"
    )


def test_places_of_patches_reach_the_vector():
    parts, images = nnx.split(tiny()), pictures()
    moved = seen(*parts, images) - seen(*parts, np.roll(images, 4, axis=2))
    assert (np.linalg.norm(moved, axis=1) > 1e-4).all()


def test_the_scale_is_a_strong_float32_and_starts_at_clips():
    scale = tiny().log_scale[...]
    assert scale.dtype == jnp.float32 and scale.shape == () and not scale.weak_type
    assert float(scale) == np.float32(np.log(1 / 0.07))
    assert tiny().bias is None
    sigmoid = tiny(log_scale=np.log(10), bias=-10.0)
    assert sigmoid.bias is not None
    assert (
        sigmoid.bias[...] == -10
        and not sigmoid.bias[...].weak_type
        and jnp.exp(sigmoid.log_scale[...]) == 10
    )


def test_default_sizes_are_three_million_numbers():
    shapes = nnx.state(nnx.eval_shape(lambda: DualEncoder(300, rngs=nnx.Rngs(0))))
    assert 2.5e6 < sum(leaf.size for leaf in jax.tree_util.tree_leaves(shapes)) < 4.5e6


@partial(jax.jit, static_argnums=0)
def one_by_one(graph, params, images):
    encoder = nnx.merge(graph, params)
    return jax.vmap(lambda image: encoder.encode_image(image[None])[0])(images)


def test_jit_and_vmap_change_nothing():
    encoder = tiny()
    eager = encoder.encode_image(pictures())
    np.testing.assert_allclose(seen(*nnx.split(encoder), pictures()), eager, atol=1e-6)
    np.testing.assert_allclose(one_by_one(*nnx.split(encoder), pictures()), eager, atol=1e-6)


def test_traced_captions_without_words_are_zero_and_unknown_words_nan():
    tokens = jnp.asarray([[12, 4, 0, 0], [3, -1, 0, 0], [0, 0, 0, 0], [3, 4, 0, 0]], jnp.int32)
    vectors = np.asarray(read(*nnx.split(tiny()), tokens))
    assert np.isnan(vectors[:2]).all() and (vectors[2] == 0).all() and np.isfinite(vectors[3]).all()


def toy_loss(graph, images, tokens, params, key):
    encoder = nnx.merge(graph, params)
    vectors = encoder.encode_image(images), encoder.encode_text(tokens)
    return diffx.clip_loss(*vectors, log_scale=encoder.log_scale[...])


def with_last(row):
    """Four captions, the fourth as given."""
    return jnp.concatenate([captions(), jnp.asarray([row], jnp.int32)])


def test_a_toy_is_learned():
    graph, params = nnx.split(tiny())
    loss = Partial(partial(toy_loss, graph), pictures(), with_last([7, 8, 9, 0, 0, 0]))
    trained = train(loss, params, optax.adam(1e-2), steps=60, key=jax.random.key(0))
    assert trained.losses[-1] < 0.5 < 1 < trained.losses[0]
    assert trained.params["log_scale"][...] > params["log_scale"][...]


def test_an_empty_caption_leaves_every_gradient_finite():
    graph, params = nnx.split(tiny())
    gradient = jax.jit(jax.grad(toy_loss, argnums=3), static_argnums=0)
    found = gradient(graph, pictures(), with_last([0] * 6), params, jax.random.key(0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(found))
    assert np.abs(found["text"]["out"]["kernel"][...]).max() > 0


def test_half_precision_products_stay_near_and_keep_unit_vectors():
    exact, half = nnx.split(tiny()), nnx.split(tiny(dtype=jnp.bfloat16))
    for encode, data in ((seen, pictures()), (read, captions())):
        a, b = encode(*exact, data), encode(*half, data)
        assert b.dtype == jnp.float32 and 0 < jnp.abs(a - b).max() < 0.03, "bfloat16 has 8 bits"


def same(a, b, **bounds):
    a, b = (nnx.to_flat_state(nnx.state(module, nnx.Param)) for module in (a, b))
    for (path, left), (_, right) in zip(a, b, strict=True):
        np.testing.assert_allclose(
            left[...], right[...], err_msg=str(path), **({"rtol": 0} | bounds)
        )


def test_weights_come_back_bit_for_bit_and_within_half_precision(tmp_path):
    encoder = tiny(bias=-10.0)
    save_weights(tmp_path / "whole", encoder, provenance={"steps": 3})
    same(encoder, load_weights(tmp_path / "whole", tiny(1, bias=0.0)))
    save_weights(tmp_path / "half", encoder, provenance={"steps": 3}, half=True)
    back = load_weights(tmp_path / "half", tiny(1, bias=0.0))
    same(encoder, back, rtol=2.0**-11, atol=2.0**-25)
    assert (
        back.log_scale[...] == encoder.log_scale[...]
        and back.image.out.kernel[...].dtype == jnp.float32
    )
    assert load_provenance(tmp_path / "half") == {"steps": 3}
    assert (tmp_path / "half").stat().st_size < (tmp_path / "whole").stat().st_size


def test_a_file_rebuilds_its_own_architecture(tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "VOCABULARY", ("", *"abcdefghijk"))
    encoder = tiny(bias=-10.0)
    save_weights(tmp_path / "mine", encoder, provenance={}, vocabulary=("", *"abcdefghijk"))
    again = dual_encoder(tmp_path / "mine")
    same(encoder, again)
    assert again.architecture() == encoder.architecture() and again.patch == 4
    np.testing.assert_array_equal(
        read(*nnx.split(again), captions()), read(*nnx.split(encoder), captions())
    )


def changed(path, change_tensors=None, change_metadata=None):
    """A file of the tiny encoder, altered after its checksum was written."""
    save_weights(path, tiny(), provenance={}, vocabulary=("",))
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    for change, target in ((change_tensors, tensors), (change_metadata, metadata)):
        if change:
            change(target)
    path.write_bytes(safetensors.numpy.save(tensors, metadata))
    return path


def truncated(path):
    whole = changed(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def shifted(tensors):
    tensors["log_scale"] = np.asarray(tensors["log_scale"] + np.float32(1e-6))


def test_a_missing_file_says_where_and_how_to_make_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no weights at .*none.*python -m diffx.nn.recipe --out .*none"
    ):
        load_weights(tmp_path / "none", tiny())


def test_damaged_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="corrupt or not a safetensors file"):
        load_weights(truncated(tmp_path / "a"), tiny())
    with pytest.raises(ValueError, match="is damaged: its tensors have the sha256"):
        load_weights(changed(tmp_path / "b", shifted), tiny())
    with pytest.raises(ValueError, match="not written by save_weights: its metadata lack sha256"):
        load_weights(changed(tmp_path / "c", None, lambda metadata: metadata.pop("sha256")), tiny())


def test_files_for_another_module_or_vocabulary_are_refused(tmp_path):
    path = changed(tmp_path / "tiny")
    with pytest.raises(
        ValueError, match=r"another architecture: missing bias \(\).*missing image.blocks.1"
    ):
        load_weights(path, tiny(bias=1.0, image_layers=2))
    save_weights(tmp_path / "more", tiny(text_layers=2), provenance={})
    with pytest.raises(ValueError, match=r"unexpected text.blocks.1"):
        load_weights(tmp_path / "more", tiny())
    with pytest.raises(ValueError, match=r"image.out.bias is \(16,\), wanted \(8,\)"):
        load_weights(path, tiny(dim=8))
    with pytest.raises(ValueError, match="trained on another vocabulary"):
        dual_encoder(path)


def test_a_file_without_an_architecture_is_no_dual_encoder(tmp_path):
    save_weights(
        tmp_path / "x",
        nnx.Linear(2, 2, rngs=nnx.Rngs(0)),
        provenance={},
        vocabulary=weights_module.VOCABULARY,
    )
    with pytest.raises(ValueError, match="names no architecture; use load_weights"):
        dual_encoder(tmp_path / "x")
    load_weights(tmp_path / "x", nnx.Linear(2, 2, rngs=nnx.Rngs(1)))


def test_parameters_that_cannot_be_stored_are_refused(tmp_path):
    encoder = tiny()
    encoder.image.out.kernel[...] = encoder.image.out.kernel[...] + 7e4
    with pytest.raises(
        ValueError,
        match=r"image.out.kernel reaches .*above 65504, the limit of float16: save with half=False",
    ):
        save_weights(tmp_path / "x", encoder, provenance={}, half=True)
    encoder.image.out.kernel[...] = encoder.image.out.kernel[...] * jnp.nan
    with pytest.raises(ValueError, match=r"image.out.kernel must be finite to be saved"):
        save_weights(tmp_path / "x", encoder, provenance={})
    with pytest.raises(TypeError, match="JSON"):
        save_weights(tmp_path / "x", tiny(), provenance={"key": jax.random.key(0)})


def test_shipped_weights_have_their_pinned_checksum(tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "SHIPPED", tmp_path)
    with pytest.raises(
        FileNotFoundError,
        match=r"no weights at .*weights.toml; make them with `python -m diffx.nn.recipe",
    ):
        dual_encoder()
    path = tmp_path / "w.safetensors"
    save_weights(
        path, tiny(), provenance={"command": "make weights"}, vocabulary=weights_module.VOCABULARY
    )
    weights_module.pin(path)
    same(dual_encoder(), tiny())
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(
        ValueError, match=r"has the sha256 .*, but .* is pinned: install diffx again"
    ):
        dual_encoder()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"w\.safetensors; make them with `make weights`"):
        dual_encoder()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"patch": 3}, ValueError, "patch must divide size, got patch=3 and size=8"),
        ({"heads": 3}, ValueError, "heads must divide image_width, got heads=3 and image_width=8"),
        ({"text_width": 7}, ValueError, "heads must divide text_width"),
        ({"dim": 0}, ValueError, "dim must be at least 1"),
        ({"size": 8.0}, TypeError, "size must be a Python integer"),
        ({"log_scale": np.nan}, ValueError, "log_scale must be finite"),
        ({"bias": "none"}, TypeError, "bias must be a number"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        tiny(**change)


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (
            np.zeros((8, 8, 3), np.float32),
            ValueError,
            r"shape \(B, 8, 8, 3\), got \(8, 8, 3\); for one picture use images\[None\]",
        ),
        (np.zeros((1, 16, 16, 3), np.float32), ValueError, r"shape \(B, 8, 8, 3\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), TypeError, "images must be an array of floats"),
        (
            np.full((1, 8, 8, 3), 255, np.float32),
            ValueError,
            r"must lie in \[-1, 1\], got 0 to 255; convert bytes",
        ),
        (np.full((1, 8, 8, 3), np.nan, np.float32), ValueError, r"must lie in \[-1, 1\], got nan"),
    ],
)
def test_pictures_of_another_kind_are_refused(images, error, words):
    with pytest.raises(error, match=words):
        tiny().encode_image(images)


@pytest.mark.parametrize(
    ("tokens", "error", "words"),
    [
        (np.zeros((1, 4)), TypeError, "tokens must be integers.*encode_words"),
        (
            np.ones(4, int),
            ValueError,
            r"shape \(B, L\) with 1 <= L <= 8, got \(4,\); for one caption use tokens\[None\]",
        ),
        (np.ones((1, 9), int), ValueError, "1 <= L <= 8"),
        (np.asarray([[1, 12], [-1, 2]]), ValueError, r"ids of words, 0 to 11, got \[-1 12\]"),
        (
            np.asarray([[1, 2], [3, 0], [0, 0]]),
            ValueError,
            "caption 2 has no words: leave this pair out",
        ),
    ],
)
def test_captions_of_another_kind_are_refused(tokens, error, words):
    with pytest.raises(error, match=words):
        tiny().encode_text(tokens)


def test_the_clamp_brings_a_scale_above_its_cap_back():
    _, params = nnx.split(tiny(log_scale=9.0))
    clamped = recipe.clamp(params)
    assert clamped["log_scale"][...] == np.float32(np.log(100)) and params["log_scale"][...] == 9
    same_tree = jax.tree_util.tree_structure(clamped) == jax.tree_util.tree_structure(params)
    assert (
        same_tree and clamped["text"]["out"]["kernel"][...] is params["text"]["out"]["kernel"][...]
    )


def test_captions_that_say_the_same_are_partners():
    tokens = jnp.asarray([[3, 4, 0], [3, 4, 5], [3, 4, 0]])
    np.testing.assert_array_equal(recipe.equal_rows(tokens), [[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def test_the_learning_rate_warms_up_and_only_matrices_decay():
    params = {"matrix": jnp.ones((2, 2)), "vector": jnp.ones(2), "log_scale": jnp.ones(())}
    rule = recipe.optimizer(40, 0.1)
    update = jax.jit(rule.update)
    state, zero, sizes = rule.init(params), jax.tree_util.tree_map(jnp.zeros_like, params), []
    for _ in range(40):
        change, state = update(zero, state, params)
        sizes.append(-float(np.asarray(change["matrix"])[0, 0]))
        assert not change["vector"].any() and not change["log_scale"].any()
    assert (
        sizes[0] == 0
        and np.argmax(sizes) == 2
        and sizes[2] == pytest.approx(0.1 * 0.02)
        and sizes[-1] < 1e-4
    )


def test_a_planted_concept_ranks_its_own_word_first():
    words, own = jnp.eye(len(VOCABULARY) - 1), report.row_of("hat")
    bare = 0.1 + jax.random.uniform(jax.random.key(0), (5, len(VOCABULARY) - 1))
    found = report.one_hat(bare + 9 * words[own], bare, words, own)
    assert found["rank"] == found["rank centred"] == 1 and found["top-1"] == found["top-5"] == 1
    assert found["first six"].split()[0] == "hat"
    other = report.one_hat(bare + 9 * words[own + 1], bare, words, own)
    assert other["rank"] > 1 and other["top-1"] == 0


def test_what_would_fail_after_the_training_is_refused_before_it(tmp_path):
    with pytest.raises(ValueError, match="--out must lie in a folder that exists"):
        recipe.main(["--out", str(tmp_path / "none" / "w.safetensors")])
    with pytest.raises(
        ValueError, match="--pool must hold a batch, got a pool of 8 and a batch of 16"
    ):
        recipe.main(["--out", str(tmp_path / "w.safetensors"), "--pool", "8", "--batch", "16"])


SHIPPED = (weights_module.SHIPPED / "weights.toml").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED, reason="no weights are shipped yet")
def test_shipped_weights_know_held_out_combinations():
    facts = report.report(dual_encoder(), render, seed=7, n=128)
    # of 256 others: 0.87, 0.89, 1.0, 0.95, top-1 0.86, top-5 1.0; the margins are three standard
    # errors of a share of 128
    assert facts["R@1 image to text"] > 0.78 and facts["R@1 text to image"] > 0.8, facts
    assert facts["swap"] > 0.97 and facts["zero-shot headwear"] > 0.89, facts
    assert facts["with hat"]["rank"] == facts["with hat"]["rank centred"] == 1, facts["with hat"]
    assert facts["with hat"]["top-1"] > 0.76 and facts["with hat"]["top-5"] > 0.96, facts[
        "with hat"
    ]
    assert sum(facts[f"with {word}"]["rank"] == 1 for word in HEADWEAR_WORDS) >= 7, facts
