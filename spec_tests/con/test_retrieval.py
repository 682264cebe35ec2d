"""Retrieval, in which ties and NaN count against the model, and zero-shot classification as
discriminant analysis.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import concepts
from spec_tests.support import strategies as st_
from spec_tests.support.contrast import zero_shot

QUERIES, CANDIDATES, WIDTH = 13, 17, 4

metrics_of_pairs = jax.jit(
    lambda images, texts, positives: diffx.concepts.retrieval_metrics(
        images, texts, positives=positives
    )
)
ranks_of_pairs = jax.jit(
    lambda scores, positives: diffx.concepts.partner_ranks(scores, positives=positives)
)
mean_class_recall = jax.jit(diffx.concepts.mean_class_recall, static_argnames="classes")
zero_shot_weights = jax.jit(
    lambda vectors: diffx.concepts.zero_shot_weights(lambda texts: vectors, CLASSES, TEMPLATES)
)


# --- retrieval ----------------------------------------------------------------------------------


@claim(
    "CON-07",
    "The rank of the best partner counts every stranger that is not worse: ties and NaN count "
    "against the model, in both directions",
    of=("diffx.concepts.retrieval_metrics", "diffx.concepts.partner_ranks"),
    source=(
        "derived here; recall at k as the papers on CLIP count it: at least one partner among "
        "the first k"
    ),
    grade="identity",
)
@given(seed=st_.seeds(), broken=st.integers(0, 3))
@settings(max_examples=8)
def test_ties_and_nan_count_against_the_model(dtype, seed, broken):
    rng = np.random.default_rng(seed)
    positives = rng.random((QUERIES, CANDIDATES)) < 0.15
    positives[np.arange(CANDIDATES) % QUERIES, np.arange(CANDIDATES)] = True
    scores = rng.integers(0, 8, (QUERIES, CANDIDATES)) / 8  # many ties
    scores.flat[rng.choice(scores.size, broken, replace=False)] = np.nan
    found = ranks_of_pairs(jnp.asarray(scores, dtype), jnp.asarray(positives))
    close(found, concepts.ranks(scores, positives), ulps=0, why="ranks are counted")
    images, texts = rng.standard_normal((QUERIES, WIDTH)), rng.standard_normal((CANDIDATES, WIDTH))
    assume(least_gap(images, texts) > 2e-5)
    got = metrics_of_pairs(
        jnp.asarray(images, dtype), jnp.asarray(texts, dtype), jnp.asarray(positives)
    )
    cosines = np.array([[concepts.cosine(image, text) for text in texts] for image in images])
    for way, places in zip(
        got,
        (concepts.ranks(cosines, positives), concepts.ranks(cosines.T, positives.T)),
        strict=True,
    ):
        recalls = np.array([*concepts.recalls(places), np.median(places), np.mean(places)])
        close(jnp.stack(way), recalls, ulps=2, why="means of counts")
    collapse_and_nan(dtype, rng)


def least_gap(images: np.ndarray, texts: np.ndarray) -> float:
    """Between any two cosines of one query: rounding must not change an order."""
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts)]
    cosines = units[0] @ units[1].T
    return float(
        min(np.diff(np.sort(cosines, 1)).min(), np.diff(np.sort(cosines, 0), axis=0).min())
    )


def naive_recall(images, texts) -> float:
    """What a count of better strangers reports."""
    scores = np.asarray(images) @ np.asarray(texts).T
    return float(np.mean((scores > np.diag(scores)[:, None]).sum(1) == 0))


def collapse_and_nan(dtype, rng):
    """The naive rank says 1.000 where there is nothing to find."""
    good = jnp.asarray(rng.standard_normal((QUERIES, WIDTH)), dtype)
    same, nothing = jnp.ones((QUERIES, WIDTH), dtype), jnp.full((QUERIES, WIDTH), jnp.nan, dtype)
    for images, texts, worst in (
        (same, same, QUERIES),
        (nothing, nothing, np.inf),
        (nothing, good, np.inf),
    ):
        holds(naive_recall(images, texts) == 1.0, "the usual count of better strangers")
        for way in metrics_of_pairs(images, texts, np.eye(QUERIES, dtype=bool)):
            recalls = np.array(way[:3])
            holds(recalls == 0, "none is found")
            close(
                jnp.stack(way[3:]), np.full(2, worst), ulps=2, why="last, or never: a mean rounds"
            )
    one = metrics_of_pairs(good.at[2].set(jnp.nan), good, np.eye(QUERIES, dtype=bool))
    close(
        one.image_to_text.recall_at_1,
        np.asarray((QUERIES - 1) / QUERIES),
        ulps=2,
        why="one broken image is not found",
    )
    close(
        one.text_to_image.recall_at_1,
        np.asarray(0.0),
        ulps=0,
        why="and stands before every text's own image",
    )
    close(
        one.image_to_text.median_rank,
        np.asarray(1.0),
        ulps=0,
        why="the median does not mind one infinity",
    )


def test_partners_are_the_diagonal_unless_given():
    vectors = jnp.eye(3)
    for way in jax.jit(diffx.concepts.retrieval_metrics)(vectors, 2 * vectors):
        np.testing.assert_array_equal(jnp.stack(way), [1, 1, 1, 1, 1])
    ranks = jax.jit(diffx.concepts.partner_ranks)
    np.testing.assert_array_equal(ranks(vectors), [1, 1, 1])
    np.testing.assert_array_equal(ranks(-vectors), [3, 3, 3])


def test_half_precision_embeddings_are_compared_in_float32():
    half = jax.ShapeDtypeStruct((3, 3), jnp.bfloat16)
    found = jax.eval_shape(diffx.concepts.retrieval_metrics, half, half)
    assert {value.dtype for way in found for value in way} == {jnp.dtype("float32")}


# --- zero-shot ----------------------------------------------------------------------------------

CLASSES, TEMPLATES = ("hat", "cap", "red crown"), ("a {}", "a picture of a {} on a head")


@claim(
    "CON-09",
    "Zero-shot weights are the unit means of unit vectors over the templates, the class is the "
    "nearest cosine, and recall is averaged class by class",
    of=(
        "diffx.concepts.zero_shot_weights",
        "diffx.concepts.zero_shot",
        "diffx.concepts.mean_class_recall",
    ),
    source=(
        "Radford et al. 2021, arXiv:2103.00020, and its notebook Prompt_Engineering_for_ImageNet"
    ),
    grade="identity",
)
@given(seed=st_.seeds())
@settings(max_examples=8)
def test_zero_shot_weights_average_unit_vectors_over_templates(dtype, seed):
    rng = np.random.default_rng(seed)
    vectors, images = rng.standard_normal((3, 2, WIDTH)), rng.standard_normal((30, WIDTH))
    wanted = concepts.ensemble(vectors)
    sums = sum(v / np.linalg.norm(v, axis=-1, keepdims=True) for v in np.moveaxis(vectors, 1, 0))
    weights = zero_shot_weights(jnp.asarray(vectors.reshape(-1, WIDTH), dtype))
    close(
        weights,
        wanted,
        ulps=16,
        scale=2 / np.linalg.norm(sums, axis=-1).min(),
        why="two roots and two quotients",
    )
    cosines = np.array([[concepts.cosine(image, weight) for weight in wanted] for image in images])
    clear = np.diff(np.sort(cosines, 1))[:, -1] > 1e-4
    predictions = np.asarray(zero_shot(jnp.asarray(images, dtype), weights, None))
    holds(predictions[clear] == cosines.argmax(1)[clear], "the nearest cosine")
    labels = rng.integers(0, 3, 30) % (2 + seed % 2) * 2 % 5 % 3
    got = mean_class_recall(predictions, labels, classes=3)
    close(
        got,
        np.asarray(concepts.mean_class_recall(predictions, labels)),
        ulps=4,
        why="quotients of counts",
    )


def test_templates_are_filled_class_by_class_and_encoded_at_once():
    asked = []

    def encode(texts):
        asked.append(texts)
        return jax.ShapeDtypeStruct((6, 2), jnp.float32)

    with pytest.raises(TypeError):  # what is no array ends here: the texts have been seen
        diffx.concepts.zero_shot_weights(encode, CLASSES, TEMPLATES)
    assert asked == [[template.format(name) for name in CLASSES for template in TEMPLATES]]


def test_an_image_with_nan_is_of_no_class_and_equal_scores_give_the_first():
    images = jnp.asarray([[1.0, 0.0], [jnp.nan, 1.0], [jnp.inf, 1.0], [0.0, 0.0], [-1.0, 2.0]])
    np.testing.assert_array_equal(zero_shot(images, jnp.eye(2), None), [0, -1, -1, 0, 1])
    np.testing.assert_array_equal(
        zero_shot(images, jnp.eye(2), jnp.asarray([0.0, 2.0])), [1, -1, -1, 1, 1]
    )
    assert jax.eval_shape(zero_shot, images[0], jnp.eye(2), None).shape == ()


def test_classes_that_no_label_names_are_left_out_of_the_mean():
    labels, predictions = np.array([0, 0, 0, 2]), np.array([0, 0, -1, 2])
    assert mean_class_recall(predictions, labels, classes=5) == pytest.approx((2 / 3 + 1) / 2)


# --- bad input ----------------------------------------------------------------------------------

V = np.eye(3)
NOBODY = np.array([[True, False, True], [False, False, False], [False, True, False]])


def weights_of(
    classes=("hat",), templates=("a {}",), encode=lambda texts: np.ones((len(texts), 2))
):
    return diffx.concepts.zero_shot_weights(encode, classes, templates)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: diffx.concepts.retrieval_metrics(V, V[:, :2]), ValueError, "one width d"),
        (lambda: diffx.concepts.retrieval_metrics(V, V[0]), ValueError, r"texts \(m, d\)"),
        (
            lambda: diffx.concepts.retrieval_metrics(V, V[:2]),
            ValueError,
            "3 queries and 2 candidates: say which pairs match",
        ),
        (
            lambda: diffx.concepts.retrieval_metrics(V, V, positives=NOBODY),
            ValueError,
            r"every query needs a partner, rows \[1\]",
        ),
        (
            lambda: diffx.concepts.retrieval_metrics(V, V, positives=V),
            TypeError,
            "array of booleans.*positives > 0",
        ),
        (
            lambda: diffx.concepts.retrieval_metrics(V, V[:2], positives=NOBODY),
            ValueError,
            r"the shape of the scores, \(3, 2\)",
        ),
        (lambda: diffx.concepts.retrieval_metrics(V[:0], V[:0]), ValueError, "n, m >= 1"),
        (
            lambda: diffx.concepts.partner_ranks(V[0]),
            ValueError,
            r"scores must have shape \(n, m\)",
        ),
        (lambda: weights_of(classes=()), ValueError, "classes must hold at least one text"),
        (lambda: weights_of(templates=()), ValueError, "templates must hold at least one text"),
        (
            lambda: weights_of(templates=("",)),
            ValueError,
            r"exactly one \{\}.*\['']",
        ),
        (
            lambda: weights_of(templates=("a {} or {}",)),
            ValueError,
            r"exactly one \{\}",
        ),
        (lambda: weights_of(classes=("hat", " ")), ValueError, "must not be empty"),
        (
            lambda: weights_of(classes="hat"),
            TypeError,
            r"sequence of texts.*for one text pass \['hat'\]",
        ),
        (
            lambda: weights_of(encode=lambda texts: np.ones(2)),
            ValueError,
            r"encode must turn 1 texts into an array \(1, d\)",
        ),
        (
            lambda: weights_of(encode=lambda texts: np.zeros((1, 2))),
            ValueError,
            "mean embedding of a class must not be zero",
        ),
        (
            lambda: weights_of(encode=lambda texts: np.full((1, 2), np.nan)),
            ValueError,
            r"encode\(texts\) must be finite",
        ),
        (
            lambda: diffx.concepts.zero_shot(V[:, :2], V),
            ValueError,
            "images must be an event of shape",
        ),
        (
            lambda: diffx.concepts.zero_shot(V, V[0]),
            ValueError,
            r"weights must have shape \(k, d\)",
        ),
        (lambda: diffx.concepts.zero_shot(V, V[:0]), ValueError, "k >= 1 classes"),
        (
            lambda: diffx.concepts.zero_shot(V, V, biases=np.ones(2)),
            ValueError,
            r"biases must have shape \(3,\)",
        ),
        (
            lambda: diffx.concepts.mean_class_recall(V[0], V[0], classes=2),
            TypeError,
            "array of integers",
        ),
        (lambda: diffx.concepts.mean_class_recall([0, 1], [0], classes=2), ValueError, "one shape"),
        (
            lambda: diffx.concepts.mean_class_recall(np.zeros(0, int), np.zeros(0, int), classes=2),
            ValueError,
            "n >= 1",
        ),
        (
            lambda: diffx.concepts.mean_class_recall([0, 1], [0, 2], classes=2),
            ValueError,
            r"lie in 0 to 1, got \[2\]",
        ),
        (
            lambda: diffx.concepts.mean_class_recall([0, 1], [0, -1], classes=2),
            ValueError,
            r"lie in 0 to 1, got \[-1\]",
        ),
        (
            lambda: diffx.concepts.discriminant(V[0], 1.0),
            ValueError,
            r"means must have shape \(k, d\)",
        ),
        (lambda: diffx.concepts.discriminant(V[:0], 1.0), ValueError, "k >= 1"),
        (lambda: diffx.concepts.discriminant(V, -V), ValueError, "positive semi-definite"),
        (
            lambda: diffx.concepts.discriminant(V, 1.0, priors=np.array([0.5, 0.5, 0.0])),
            ValueError,
            "priors must be positive",
        ),
        (
            lambda: diffx.concepts.discriminant(V, 1.0, priors=np.ones(2)),
            ValueError,
            r"priors must have shape \(3,\)",
        ),
        (
            lambda: diffx.concepts.discriminant_error(V, 1.0),
            ValueError,
            r"means must have shape \(2, d\)",
        ),
    ],
)
def test_wrong_batches_classes_and_templates_are_refused_with_the_way_out(call, error, message):
    with pytest.raises(error, match=message):
        call()
