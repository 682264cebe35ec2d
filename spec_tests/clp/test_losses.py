"""CLP: the contrastive losses of CLIP and SigLIP against their definitions, gradients, symmetries
and limits.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given

import diffx
from diffx.contrast import normalise
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import contrast
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import arrays_of
from spec_tests.support.contrast import clip, siglip_of_pairs

N, D = 4, 3
PARTNERS = np.eye(N, dtype=bool) | np.roll(np.eye(N, dtype=bool), 1, axis=1) & [
    [True],
    [False],
    [True],
    [False],
]
PARTNERS[3] = [True, False, True, True]
COUNTED = np.array([True, False, True, True])


@jax.jit
def siglip(images, texts, log_scale, bias):
    return diffx.siglip_loss(images, texts, log_scale=log_scale, bias=bias)


@jax.jit
def clip_of_pairs(images, texts, log_scale, positives, mask):
    return diffx.clip_loss(images, texts, log_scale=log_scale, positives=positives, mask=mask)


clip_gradients = jax.jit(jax.grad(lambda *args: clip(*args), (0, 1, 2)))
siglip_gradients = jax.jit(jax.grad(lambda *args: siglip(*args), (0, 1, 2, 3)))

embeddings = st_.arrays(
    (N, D), st_.log_uniform(0.01, 5.0) | st_.log_uniform(0.01, 5.0).map(lambda value: -value)
)
log_scales = st_.floats(-3.0, 4.605)


def setting(dtype, log_scale: float) -> tuple:
    """exp(log_scale) in float64, and the size of the scores whose rounding is met."""
    scale = float(np.exp(log_scale))
    return scale, 1 + np.log(N) + scale * (1 + abs(log_scale))


ROUNDING = (
    "a cosine of 3 terms, the exp of a rounded logarithm and sums of 4 each round once or twice"
)


@claim(
    "CLP-01",
    "The loss is symmetric InfoNCE for any partners and mask: log N for equal embeddings, 0 for "
    "one pair, never negative",
    of="diffx.clip_loss",
    source="Radford et al. 2021, arXiv:2103.00020, Figure 3",
    grade="identity",
)
@given(images=embeddings, texts=embeddings, log_scale=log_scales)
def test_clip_loss_is_the_symmetric_cross_entropy(dtype, images, texts, log_scale):
    i, t, l = arrays_of(dtype, images, texts, log_scale)
    scale, size = setting(dtype, log_scale)
    scores = scale * contrast.cosines(images, texts)
    loss = clip(i, t, l)
    close(loss, contrast.clip(scores), ulps=8, scale=size, why=ROUNDING)
    close(
        clip(t, i, l), loss, ulps=8, scale=size, why="L(S) = L(S'): images and texts have one role"
    )
    holds(np.asarray(loss) >= -8 * jnp.finfo(dtype).eps * size, "a cross-entropy is not negative")
    for partners, counted in (
        (PARTNERS, np.ones(N, bool)),
        (np.eye(N, dtype=bool), COUNTED),
        (PARTNERS, COUNTED),
    ):
        kept = np.ix_(counted, counted)
        wanted = contrast.clip(scores[kept], partners[kept])
        close(clip_of_pairs(i, t, l, partners, counted), wanted, ulps=8, scale=size, why=ROUNDING)
    equal = jnp.broadcast_to(i[:1], (N, D))
    close(clip(equal, equal, l), np.log(N), ulps=8, scale=size, why="all scores are equal: log N")
    shifted = (jnp.concatenate([normalise(x), jnp.ones_like(x[:, :1])], 1) for x in (i, t))
    close(
        clip(*shifted, l + jnp.log(jnp.asarray(2, dtype))),
        loss,
        ulps=16,
        scale=2 * size,
        why="S -> S + scale changes nothing",
    )
    close(
        diffx.clip_loss(i[:1], t[:1], log_scale=l),
        0.0,
        ulps=8,
        scale=size,
        why="one pair has nothing to be confused with",
    )


@claim(
    "CLP-02",
    "dL/dS = (P_row + P_col - 2I)/(2N): gradients are orthogonal to the raw embedding, and that of "
    "the log-scale is <dL/dS, S>",
    of=("diffx.clip_loss", "diffx.contrast.normalise"),
    source="derived here: the derivative of log-softmax, and of x/|x|",
    grade="identity",
)
@given(images=embeddings, texts=embeddings, log_scale=log_scales)
def test_clip_gradients_follow_from_softmax_minus_identity(dtype, images, texts, log_scale):
    of_images, of_texts, of_scale = clip_gradients(*arrays_of(dtype, images, texts, log_scale))
    scale, size = setting(dtype, log_scale)
    scores = scale * contrast.cosines(images, texts)
    slopes = contrast.clip_gradient(scores)
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts)]
    for found, own, others, of_scores, length in (
        (of_images, images, texts, slopes, lengths[0]),
        (of_texts, texts, images, slopes.T, lengths[1]),
    ):
        wanted = contrast.embedding_gradient(own, others, scale, of_scores)
        # a rounding eps scale of a score changes its softmax by as much, and that is multiplied by
        # scale/length
        close(found, wanted, ulps=8, scale=scale * (1 + size) / length, why=ROUNDING)
        inside = (np.asarray(found, np.float64) * own).sum(1)
        close(
            inside.astype(dtype),
            np.zeros(N),
            ulps=8,
            scale=scale * (1 + size),
            why="the loss knows directions alone",
        )
    close(of_scale, (slopes * scores).sum(), ulps=8, scale=scale * (1 + size), why=ROUNDING)


@claim(
    "CLP-03",
    "Permuting images and texts together changes neither loss; permuting the images alone changes "
    "both by the textbook amount",
    of=("diffx.clip_loss", "diffx.siglip_loss"),
    source=(
        "Radford et al. 2021, arXiv:2103.00020, Figure 3; Zhai et al. 2023, arXiv:2303.15343, "
        "Algorithm 1"
    ),
    grade="identity",
)
@given(
    images=embeddings,
    texts=embeddings,
    log_scale=log_scales,
    bias=st_.floats(-10.0, 2.0),
    seed=st_.seeds(),
)
def test_only_a_joint_permutation_leaves_the_loss_alone(
    dtype, images, texts, log_scale, bias, seed
):
    order = np.random.default_rng(seed).permutation(N)
    i, t, l, b = arrays_of(dtype, images, texts, log_scale, bias)
    scale, size = setting(dtype, log_scale)
    scores = scale * contrast.cosines(images, texts)
    size_of_pairs = N * (size + abs(bias))
    close(
        clip(i[order], t[order], l), clip(i, t, l), ulps=8, scale=size, why="sums in another order"
    )
    close(
        siglip(i[order], t[order], l, b),
        siglip(i, t, l, b),
        ulps=4,
        scale=size_of_pairs,
        why="sums in another order",
    )
    close(clip(i[order], t, l), contrast.clip(scores[order]), ulps=8, scale=size, why=ROUNDING)
    close(
        siglip(i[order], t, l, b),
        contrast.siglip(scores[order] + bias),
        ulps=4,
        scale=size_of_pairs,
        why=ROUNDING,
    )


@claim(
    "CLP-04",
    "The scale is exp(log_scale): for scale -> 0 the loss is log N, and for large scales "
    "loss/scale is half the mean violation of the rows plus half that of the columns; clamped "
    "after each step the scale stays at most 100 and is never trapped there",
    of=("diffx.clip_loss", "diffx.contrast.clamp_log_scale"),
    source=(
        "Radford et al. 2021, arXiv:2103.00020, section 2.5: the temperature is stored as a "
        "logarithm, and clipped"
    ),
    grade="bounded",
)
def test_temperature_has_its_limits_and_is_never_trapped(dtype):
    limits_of_temperature(dtype)
    clamped_scale(dtype)


@given(images=embeddings, texts=embeddings)
def limits_of_temperature(dtype, images, texts):
    i, t, cold, hot = arrays_of(dtype, images, texts, 9.0, -40.0)
    close(clip(i, t, hot), np.log(N), ulps=4, why="all scores are 0 to rounding")
    cosines = contrast.cosines(images, texts)
    wanted = (contrast.row_violation(cosines) + contrast.row_violation(cosines.T)) / 2
    scale = float(np.exp(9.0))
    excess = np.asarray(clip(i, t, cold), np.float64) / scale - wanted
    rounding = 100 * float(jnp.finfo(dtype).eps)
    below(
        excess,
        float(np.log(N)) / scale + rounding,
        "log-sum-exp exceeds the maximum by log N at most",
    )
    below(-excess, rounding, "log-sum-exp is at least the maximum")
    aligned = clip(i, i, cold)
    ordered = contrast.cosines(images, images)
    assume(np.max(ordered - np.eye(N)) < 0.99)
    below(
        aligned,
        N * float(np.exp(-0.01 * scale)) + rounding * scale,
        "a dominant diagonal costs nothing in the limit",
    )


clamp = jax.jit(diffx.contrast.clamp_log_scale)


def clamped_scale(dtype):
    """Two pairs whose loss wants a smaller scale: the second image is nearer to the first text than
    its own.
    """
    first, cap, above = (jnp.asarray(np.log(scale), dtype) for scale in (1 / 0.07, 100.0, 150.0))
    below(abs(float(first) - 2.659260), 5e-7 + float(jnp.finfo(dtype).eps), "where CLIP begins")
    close(clamp(above), 4.605170185988092, ulps=1, why="log 100")
    close(
        diffx.contrast.clamp_log_scale(above, largest=20.0), np.log(20.0), ulps=1, why="another cap"
    )
    holds(
        clamp(first) == first and clamp(clamp(above)) == clamp(above) == cap,
        "a projection: idempotent, 1 below the cap",
    )
    images, texts = arrays_of(dtype, [[1.0, 0.0], [1.0, 0.25]], [[1.0, 0.0], [0.0, 1.0]])
    wanted = contrast.clip_gradient(150 * contrast.cosines(np.asarray(images), np.asarray(texts)))
    wanted = (wanted * 150 * contrast.cosines(np.asarray(images), np.asarray(texts))).sum()
    step = clip_gradients(images, texts, above)[2]
    close(
        step,
        wanted,
        ulps=64,
        scale=150.0,
        why="beyond the cap the loss still has its slope in the scale",
    )
    holds(clamp(above - step) < cap and step > 10, "one step brings the scale back below the cap")
    trapped = clamped_inside(images, texts, above)
    holds(
        trapped == 0,
        "the negative case: a clamp inside the loss has slope 0 there, and no step ever comes back",
    )


clamped_inside = jax.jit(
    jax.grad(lambda images, texts, l: clip(images, texts, diffx.contrast.clamp_log_scale(l)), 2)
)


@claim(
    "CLP-05",
    "No unit embeddings have a loss below log(1 + (N-1) exp(-scale N/(N-1))), and the simplex "
    "reaches it",
    of="diffx.clip_loss",
    source="Lu and Steinerberger 2022, arXiv:2012.08465: the simplex minimises cross-entropy",
    grade="bounded",
)
@given(images=st_.points(N, N), texts=st_.points(N, N), log_scale=log_scales)
def test_simplex_is_the_least_loss(dtype, images, texts, log_scale):
    assume(
        np.all(np.linalg.norm(images, axis=1) > 0.01)
        and np.all(np.linalg.norm(texts, axis=1) > 0.01)
    )
    scale, size = setting(dtype, log_scale)
    least = np.log1p((N - 1) * np.exp(-scale * N / (N - 1)))
    i, t, l, simplex = arrays_of(dtype, images, texts, log_scale, np.eye(N) - 1 / N)
    close(clip(3 * simplex, simplex, l), least, ulps=8, scale=size, why=ROUNDING)
    below(
        least - np.asarray(clip(i, t, l), np.float64),
        8 * jnp.finfo(dtype).eps * size,
        "the bound, to rounding",
    )


# --- SigLIP's values and what has no claim of its own -------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(images=embeddings, texts=embeddings, log_scale=log_scales, bias=st_.floats(-10.0, 2.0))
def test_siglip_loss_is_the_mean_over_rows_of_binary_cross_entropies(
    dtype, images, texts, log_scale, bias
):
    i, t, l, b = arrays_of(dtype, images, texts, log_scale, bias)
    scale, size = setting(dtype, log_scale)
    scores = scale * contrast.cosines(images, texts) + bias
    size = N * (size + abs(bias))
    close(siglip(i, t, l, b), contrast.siglip(scores), ulps=4, scale=size, why=ROUNDING)
    for partners, counted in (
        (PARTNERS, np.ones(N, bool)),
        (np.eye(N, dtype=bool), COUNTED),
        (PARTNERS, COUNTED),
    ):
        kept = np.ix_(counted, counted)
        wanted = contrast.siglip(scores[kept], partners[kept])
        close(
            siglip_of_pairs(i, t, l, b, partners, counted), wanted, ulps=4, scale=size, why=ROUNDING
        )


@given(images=embeddings, texts=embeddings, log_scale=log_scales, bias=st_.floats(-10.0, 2.0))
def test_siglip_gradients_are_sigmoid_minus_identity(images, texts, log_scale, bias):
    of_images, of_texts, of_scale, of_bias = siglip_gradients(
        *arrays_of(np.float64, images, texts, log_scale, bias)
    )
    scale = float(np.exp(log_scale))
    cosines = scale * contrast.cosines(images, texts)
    slopes = contrast.siglip_gradient(cosines + bias)
    size = N * scale * (10 + scale)
    for found, own, others, of_scores in (
        (of_images, images, texts, slopes),
        (of_texts, texts, images, slopes.T),
    ):
        wanted = contrast.embedding_gradient(own, others, scale, of_scores)
        close(
            found,
            wanted,
            ulps=16,
            scale=size / np.linalg.norm(own, axis=1, keepdims=True),
            why=ROUNDING,
        )
    close(of_scale, (slopes * cosines).sum(), ulps=16, scale=size, why=ROUNDING)
    close(of_bias, slopes.sum(), ulps=16, scale=size, why=ROUNDING)


def test_siglip_at_its_initial_values_and_orthogonal_embeddings_starts_where_the_paper_does():
    """Zero cosines, t = 10, b = -10, N = 32768: softplus(10) for the partner and N - 1 times
    softplus(-10).
    """
    n = 64
    basis = np.eye(2 * n)
    loss = diffx.siglip_loss(
        jnp.asarray(basis[:n]), jnp.asarray(basis[n:]), log_scale=np.log(10), bias=-10.0
    )
    partner, other = np.logaddexp(0, 10), np.logaddexp(0, -10)
    close(loss, partner + (n - 1) * other, ulps=4, why="a sum of two kinds of terms")
    close(
        np.float64(partner + 32767 * other),
        11.487631,
        ulps=1e10,
        why="the published figure has 8 digits: 11.487631",
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normalised_embeddings_have_length_one_and_a_zero_vector_stays_zero(dtype):
    x = jnp.asarray([[3.0, -4.0], [0.0, 0.0], [1e-12, 0.0]], dtype)
    close(
        normalise(x),
        np.array([[0.6, -0.8], [0.0, 0.0], [1.0, 0.0]]),
        ulps=2,
        why="a root and a quotient",
    )
    np.testing.assert_array_equal(jax.jacfwd(normalise)(x)[1], np.zeros((2, 3, 2)))
    np.testing.assert_array_equal(jax.jacrev(normalise)(x)[1], np.zeros((2, 3, 2)))


def test_zero_embeddings_have_a_finite_loss_and_gradient():
    images, texts = jnp.zeros((N, D)), jnp.ones((N, D))
    close(clip(images, texts, jnp.log(14.3)), np.log(N), ulps=2, why="all scores are 0")
    for gradient in (
        *clip_gradients(images, texts, 2.0),
        *siglip_gradients(images, texts, 2.0, -3.0),
    ):
        assert np.all(np.isfinite(gradient))


def test_scale_100_with_aligned_embeddings_is_finite_in_float32():
    images = jnp.asarray(np.random.default_rng(0).standard_normal((N, D)), jnp.float32)
    scale = jnp.log(jnp.float32(100))
    for loss in (clip(images, images, scale), siglip(images, images, scale, jnp.float32(-10))):
        assert np.isfinite(loss)
    for gradient in (
        *clip_gradients(images, images, scale),
        *siglip_gradients(images, images, scale, jnp.float32(-10)),
    ):
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("half", [jnp.float16, jnp.bfloat16])
def test_half_precision_embeddings_are_computed_in_float32(half):
    rng = np.random.default_rng(1)
    images, texts = (jnp.asarray(rng.standard_normal((N, D)), half) for _ in range(2))
    scale, bias = jnp.float32(2.0), jnp.float32(-3.0)
    wide = images.astype(jnp.float32), texts.astype(jnp.float32)
    for loss, parameters in (
        (diffx.clip_loss, {"log_scale": scale}),
        (diffx.siglip_loss, {"log_scale": scale, "bias": bias}),
    ):
        assert loss(images, texts, **parameters).dtype == jnp.float32
        np.testing.assert_array_equal(loss(images, texts, **parameters), loss(*wide, **parameters))
