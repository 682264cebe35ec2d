"""CON: when differences of embeddings are concepts, what bends them, how words are ranked and
scores projected.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from jax.tree_util import Partial

import diffx
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import concepts
from spec_tests.support import strategies as st_
from spec_tests.support.guidance import D, constant, law, lookup
from spec_tests.support.paths import sub_vp

TRAGER = (
    "Trager et al. 2023, arXiv:2302.14383: decomposable embeddings and conditional independence"
)
MAN, HAT, IMAGES = 2, 2, 6  # with and without each concept; images

pmi = jax.jit(diffx.concepts.pmi)
log_odds_ratio = jax.jit(diffx.concepts.log_odds_ratio)
parallelogram_defect = jax.jit(diffx.concepts.parallelogram_defect)
analogy_cosine = jax.jit(diffx.concepts.analogy_cosine)
concept_direction = jax.jit(diffx.concepts.concept_direction)
rank_words = jax.jit(diffx.concepts.rank_words, static_argnames="centre")
projector = jax.jit(diffx.concepts.projector)
concept_projection = jax.jit(diffx.concepts.concept_projection)
decomposable = jax.jit(diffx.concepts.decomposable)
factorised = jax.jit(diffx.concepts.pmi_embeddings, static_argnames="dim")

LOGS = "logarithms of at most four rounded probabilities"


def tables(*shape):
    """Joint probabilities of sum 1 up to rounding, none small."""
    return st_.weights(int(np.prod(shape))).map(lambda w: w.reshape(shape))


def independent(of_man: np.ndarray, of_hat: np.ndarray) -> np.ndarray:
    """(2, 2, 6) where an image is a pair, its first half told by the man alone, its second by the
    hat alone.
    """
    return np.einsum("ax,by->abxy", of_man, of_hat).reshape(MAN, HAT, IMAGES)


# --- information --------------------------------------------------------------------------------


@claim(
    "CON-01",
    "PMI(x;11) - PMI(x;10) - PMI(x;01) + PMI(x;00) = logOR(z1,z2|x) - logOR(z1,z2): the defect of "
    "the parallelogram measures dependence",
    of=(
        "diffx.concepts.pmi",
        "diffx.concepts.log_odds_ratio",
        "diffx.concepts.parallelogram_defect",
    ),
    source=f"derived here; {TRAGER}",
    grade="identity",
)
@given(
    joint=tables(MAN, HAT, IMAGES),
    given_x=st_.arrays((2, IMAGES), st_.floats(0.125, 0.875)),
    marginal=st_.weights(IMAGES),
)
def test_parallelogram_defect_is_the_gap_of_log_odds_ratios(dtype, joint, given_x, marginal):
    """For any table; constant in x where the concepts are independent given x, and 0 where they are
    so altogether.
    """
    table, size = jnp.asarray(joint, dtype), 1 + np.abs(np.log(joint)).max()
    of_x, overall = concepts.log_odds_ratio(joint), concepts.log_odds_ratio(joint.sum(-1))
    close(log_odds_ratio(table), of_x, ulps=8, scale=size, why=LOGS)
    close(log_odds_ratio(table.sum(-1)), overall, ulps=8 + IMAGES, scale=size, why=LOGS)
    defect = parallelogram_defect(pmi(table))
    close(defect, of_x - overall, ulps=16, scale=size, why=LOGS)
    man, hat = given_x
    split = marginal * np.stack(
        [(1 - man) * (1 - hat), (1 - man) * hat, man * (1 - hat), man * hat]
    ).reshape(2, 2, IMAGES)
    shift = parallelogram_defect(pmi(jnp.asarray(split, dtype)))
    size = 1 + np.abs(np.log(split)).max()
    wanted = np.full(IMAGES, -concepts.log_odds_ratio(split.sum(-1)))
    close(
        shift, wanted, ulps=16, scale=size, why="conditional independence: one shift for all images"
    )


@claim(
    "CON-02",
    "Under full independence PMI(x;z1 z2) = PMI(x;z1) + PMI(x;z2), PMI(x;empty) = 0: v(man hat) - "
    "v(man) = v(hat) - v(empty)",
    of=("diffx.concepts.pmi", "diffx.concepts.parallelogram_defect"),
    source=f"derived here; {TRAGER}",
    grade="identity",
)
@given(of_man=tables(MAN, 3), of_hat=tables(HAT, 2))
def test_independent_concepts_add_up_from_the_empty_text(dtype, of_man, of_hat):
    joint = independent(of_man, of_hat)
    joint = joint / joint.sum()  # what float32 leaves of a sum of 1 would be a shift of its own
    table, size = jnp.asarray(joint, dtype), 1 + np.abs(np.log(joint)).max()
    both, man, hat, empty = (
        pmi(table),
        pmi(table.sum(1)),
        pmi(table.sum(0)),
        pmi(table.sum((0, 1))[None]),
    )
    close(both.reshape(4, IMAGES), concepts.pmi_rows(joint), ulps=16, scale=1 + size, why=LOGS)
    total = np.asarray(man, np.float64)[:, None] + np.asarray(hat, np.float64)[None]
    close(both, total, ulps=16, scale=size, why=LOGS)
    close(
        empty, np.zeros((1, IMAGES)), ulps=8, why="what says nothing has no information", scale=1.0
    )
    named = jnp.stack([jnp.stack([empty[0], hat[1]]), jnp.stack([man[1], both[1, 1]])])
    close(
        parallelogram_defect(named),
        np.zeros(IMAGES),
        ulps=32,
        scale=size,
        why="the texts 'nothing', 'hat', 'man', 'man hat'",
    )
    close(
        parallelogram_defect(both),
        np.zeros(IMAGES),
        ulps=32,
        scale=size,
        why="with and without each",
    )


@claim(
    "CON-03",
    "Texts from the decomposition of a PMI table reproduce it and are unique for its images: "
    "additive rows are parallelograms; for images of deficient column rank a defect is orthogonal "
    "to their rows",
    of=("diffx.concepts.pmi_embeddings", "diffx.concepts.parallelogram_defect"),
    source="derived here: least squares; Levy and Goldberg 2014; Eckart and Young 1936",
    grade="identity",
)
@given(of_man=tables(MAN, 3), of_hat=tables(HAT, 2), seed=st_.seeds())
@settings(max_examples=8)
def test_additive_rows_are_embedded_as_parallelograms(dtype, of_man, of_hat, seed):
    joint = independent(of_man, of_hat)
    table = concepts.pmi_rows(joint)
    scores, size = jnp.asarray(table, dtype), 1 + np.abs(table).max()
    why = "singular vectors are orthonormal to rounding, of a table of rank 3 and of this size"
    for dim in (3, 4):
        texts, images = (np.asarray(value) for value in factorised(scores, dim=dim))
        holds(texts.shape == (4, dim) and images.shape == (IMAGES, dim), "dim columns each")
        close((texts @ images.T).astype(dtype), table, ulps=64, scale=size, why=why)
        close(images.T @ images, np.eye(dim), ulps=64, scale=1, why=why)
        solved = np.linalg.lstsq(
            images.astype(np.float64), np.asarray(scores, np.float64).T, rcond=None
        )[0].T
        close(texts, solved, ulps=64, scale=size, why="full column rank: one solution")
        corners = jnp.asarray(texts.reshape(2, 2, dim))
        close(parallelogram_defect(corners), np.zeros(dim), ulps=128, scale=size, why=why)
    tall = factorised(scores.T, dim=3)
    close(
        jnp.einsum("md,nd->mn", *tall), table.T, ulps=64, scale=size, why="more texts than images"
    )
    loses_the_least(dtype, scores, table, size)
    rng = np.random.default_rng(seed)
    mixed = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    wide = images[:, :3].astype(np.float64) @ mixed[:3]  # six images in five dimensions, of rank 3
    free = texts[:, :3] @ mixed[:3] + rng.standard_normal((4, 2)) @ mixed[3:]
    close(
        (free @ wide.T).astype(dtype),
        table,
        ulps=64,
        scale=10 * size,
        why="what lies beside the images changes no score",
    )
    defect = np.asarray(parallelogram_defect(jnp.asarray(free.reshape(2, 2, 5), dtype)))
    holds(np.linalg.norm(defect) > 1e-3, "it is no parallelogram")
    close(
        (wide @ defect).astype(dtype),
        np.zeros(IMAGES),
        ulps=128,
        scale=10 * size,
        why="and no image sees that",
    )


def loses_the_least(dtype, scores, table, size):
    texts, images = (np.asarray(value, np.float64) for value in factorised(scores, dim=2))
    values = np.linalg.svd(table, compute_uv=False)
    lost = np.linalg.norm(texts @ images.T - table)
    close(
        np.asarray(lost, dtype),
        values[2],
        ulps=128,
        scale=size,
        why="Eckart and Young: the third singular value is lost",
    )


# --- unit vectors -------------------------------------------------------------------------------


@claim(
    "CON-04",
    "Sums of concepts all have unit norm only where differences within one factor are orthogonal "
    "to those within another; an interaction bends the analogy by exactly its log odds ratios",
    of=(
        "diffx.concepts.decomposable",
        "diffx.concepts.parallelogram_defect",
        "diffx.concepts.analogy_cosine",
        "diffx.concepts.pmi_embeddings",
    ),
    source=f"derived here; {TRAGER}",
    grade="identity",
)
@given(
    seed=st_.seeds(),
    angle=st_.floats(0.25, 1.25),
    factors=st_.points(4, 3),
    joint=tables(MAN, 3),
    other=tables(HAT, 2),
)
@settings(max_examples=8)
def test_unit_sums_of_concepts_are_products_of_simplices(dtype, seed, angle, factors, joint, other):
    product_of_simplices(dtype, seed, angle)
    first, second = jnp.asarray(factors, dtype).reshape(2, 2, 3)
    squares = (np.asarray(decomposable(first, second), np.float64) ** 2).sum(-1).astype(dtype)
    wanted = 2 * (factors[1] - factors[0]) @ (factors[3] - factors[2])
    size = (np.abs(factors).sum() + 1) ** 2
    why = (
        "|a + b|^2 has the defect 2 <da, db>: where all norms are 1 the differences are orthogonal"
    )
    close(
        parallelogram_defect(jnp.asarray(squares)), np.asarray(wanted), ulps=16, scale=size, why=why
    )
    interaction_bends(dtype, independent(joint, other))


def product_of_simplices(dtype, seed, angle):
    basis = st_.rotation(seed, 9)
    spread = np.array([np.cos(angle), np.sin(angle) * 0.6, np.sin(angle) * 0.8])
    blocks = [
        concepts.simplex(k) @ basis[i : i + k] * s
        for k, i, s in zip((2, 3, 4), (0, 2, 5), spread, strict=True)
    ]
    texts = decomposable(*(jnp.asarray(block, dtype) for block in blocks))
    holds(texts.shape == (2, 3, 4, 9), "one vector for each combination")
    oracle = [[[a + b + c for c in blocks[2]] for b in blocks[1]] for a in blocks[0]]
    close(texts, np.array(oracle), ulps=4, scale=3, why="two additions")
    close(
        jnp.linalg.norm(texts, axis=-1),
        np.ones((2, 3, 4)),
        ulps=16,
        scale=1,
        why="orthogonal parts of 1",
    )
    for corners in (texts[:, 1:, 2], texts[1, 1:, 2:], texts[:, 0, :2]):
        close(
            analogy_cosine(corners),
            np.asarray(1.0),
            ulps=64,
            scale=1 / spread.min(),
            why="a hat is a hat on anybody",
        )
        close(
            parallelogram_defect(corners), np.zeros(9), ulps=8, scale=3, why="a sum has no defect"
        )


def interaction_bends(dtype, base):
    """p(x, z) grows by exp(eps z1 z2 x-dependent): the cosine is that of edges |a|, |b| and a third
    side of CON-01.
    """
    cosines = []
    for eps in (0.0, 0.5, 2.0):
        joint = base.copy()
        joint[1, 1] *= np.exp(eps * np.array([1.0, -1.0, 0.5, -0.5, 1.0, -1.0]))
        joint /= joint.sum()
        rows = concepts.pmi_rows(joint)
        a, b = (np.linalg.norm(rows[i] - rows[j]) for i, j in ((3, 2), (1, 0)))
        assume(min(a, b) > 0.1)
        third = concepts.log_odds_ratio(joint) - concepts.log_odds_ratio(joint.sum(-1))
        wanted = (a**2 + b**2 - third @ third) / (2 * a * b)
        texts = factorised(pmi(jnp.asarray(joint, dtype)).reshape(4, IMAGES), dim=4).texts.reshape(
            2, 2, 4
        )
        reach = (1 + np.abs(np.log(joint)).max()) * (1 / a + 1 / b)
        close(
            analogy_cosine(texts),
            np.asarray(wanted),
            ulps=128,
            scale=reach,
            why="edges of rounded tables over their length",
        )
        cosines.append(wanted)
    holds(
        cosines[0] > 1 - 1e-12 and cosines[1] < 1 - 1e-6 and cosines[2] < 1 - 1e-6,
        "without interaction 1, with it less",
    )


# --- directions and words -----------------------------------------------------------------------


PEOPLE, HEADS = 5, ("none", "hat", "cap", "crown")


def slots(rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people (rows) with each headwear, (5, 4, 9), and of the nine words, people
    first.
    """
    people, heads = rotation[:PEOPLE], rotation[PEOPLE:]
    return (people[:, None] + heads[None]) / np.sqrt(2), rotation


@claim(
    "CON-08",
    "Where vectors are sums of orthogonal concepts the mean difference is exactly the concept, "
    "whatever the lengths, and ranks its word first; if a word for 'without' is missing, a part "
    "of the person remains that falls as 1/n",
    of=("diffx.concepts.concept_direction", "diffx.concepts.rank_words"),
    source="derived here, for the mean of word differences of Mikolov et al. 2013, arXiv:1301.3781",
    grade="identity",
)
@given(
    rotation=st_.rotations(PEOPLE + len(HEADS)),
    lengths=st_.arrays((2, PEOPLE), st_.log_uniform(0.01, 100.0)),
    words=st_.points(7, 9),
)
@settings(max_examples=8)
def test_mean_difference_is_the_concept_and_ranks_its_word_first(dtype, rotation, lengths, words):
    images, vocabulary = slots(rotation)
    hat, none = PEOPLE + 1, PEOPLE
    with_, without = (jnp.asarray(images[:, i] * lengths[i, :, None], dtype) for i in (1, 0))
    direction = concept_direction(with_, without)
    why = "unit vectors round each number once or twice; sums of five and nine"
    close(direction, (rotation[hat] - rotation[none]) / np.sqrt(2), ulps=16, scale=1, why=why)
    order, scores = (
        np.asarray(value) for value in rank_words(direction, jnp.asarray(3 * vocabulary, dtype))
    )
    wanted = np.zeros(9)
    wanted[hat], wanted[none] = np.sqrt(0.5), -np.sqrt(0.5)
    close(scores, wanted, ulps=16, scale=1, why=why)
    holds(
        order[0] == hat and order[-1] == none and sorted(order) == list(range(9)),
        "hat first, its absence last",
    )
    for n in (
        1,
        PEOPLE,
    ):  # persons without a vector for 'no hat': a difference keeps (1 - sqrt 1/2) of the person
        bare = concept_direction(with_[:n], jnp.asarray(rotation[:n] * lengths[0, :n, None], dtype))
        close(
            bare @ jnp.asarray(rotation[hat], dtype),
            (1 + (np.sqrt(2) - 1) ** 2 / n) ** -0.5,
            ulps=16,
            scale=1,
            why=why,
        )
    ranks_by_cosine(dtype, words, rotation[:3])


def ranks_by_cosine(dtype, words, directions):
    """Raw and centred, for a batch of directions."""
    lengths = np.linalg.norm(words, axis=1)
    assume(lengths.min() > 0.5)
    units = words / lengths[:, None]
    gone = units - units.mean(0)
    assume(np.linalg.norm(gone, axis=1).min() > 0.1)
    for centre, vectors in ((False, units), (True, gone)):
        wanted = np.array(
            [[concepts.cosine(direction, vector) for vector in vectors] for direction in directions]
        )
        order, scores = rank_words(
            jnp.asarray(5 * directions, dtype), jnp.asarray(words, dtype), centre=centre
        )
        close(
            scores, wanted, ulps=128, scale=1, why="nine terms, over a length of .1 where centred"
        )
        falling = np.take_along_axis(np.asarray(scores), np.asarray(order), -1)
        holds(np.diff(falling, axis=-1) <= 0, "in falling order")


def test_words_are_ranked_raw_unless_centring_is_asked_for():
    words = jnp.asarray([[1.0, 0.0], [0.6, 0.8]])
    raw, centred = (rank_words(words[0], words, **how).scores for how in ({}, {"centre": True}))
    np.testing.assert_allclose(raw, [1, 0.6])
    np.testing.assert_allclose(centred, np.array([1, -1]) * 0.2 / np.hypot(0.2, 0.4))


def test_words_of_equal_score_keep_their_order_and_nan_stands_last():
    words = jnp.asarray([[0.0, 1.0], [1.0, 0.0], [0.0, -2.0], [3.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(rank_words(jnp.asarray([1.0, 0.0]), words).order, [1, 3, 0, 2, 4])
    broken = words.at[1, 0].set(jnp.nan)
    np.testing.assert_array_equal(
        rank_words(jnp.asarray([1.0, 0.0]), broken).order, [3, 0, 2, 4, 1]
    )


def test_half_precision_embeddings_are_ranked_in_float32():
    words = jax.ShapeDtypeStruct((3, 3), jnp.bfloat16)
    direction = jax.eval_shape(concept_direction, words, words)
    assert (
        direction.dtype == jax.eval_shape(rank_words, direction, words).scores.dtype == jnp.float32
    )


# --- projections --------------------------------------------------------------------------------


def gaussian_score(x, mean, cov, alpha, sigma):
    return -np.linalg.solve(alpha**2 * cov + sigma**2 * np.eye(len(mean)), x - alpha * mean)


@jax.jit
def score(mean, cov, x, t):
    return diffx.score(diffx.RectifiedFlow(), diffx.GaussianLaw(mean, cov))(x, t)


@claim(
    "CON-06",
    "A projector has P^2 = P = P' on the span; (I - P) s1 + P s2 is exactly the score with the "
    "attribute swapped, at every noise level, where concepts act on orthogonal independent blocks",
    of=("diffx.concepts.projector", "diffx.concepts.concept_projection"),
    source="Wang, Gui, Negrea and Veitch 2023, arXiv:2302.03693",
    grade="identity",
)
@given(
    basis=st_.rotations(4),
    means=st_.points(2, 2, 2),
    variances=st_.arrays(4, st_.log_uniform(0.1, 10.0)),
    x=st_.points(3, 4),
    t=st_.times(0.1, 0.9),
    mixing=st_.points(2, 2),
)
@settings(max_examples=8)
def test_projection_swaps_one_attribute_exactly(dtype, basis, means, variances, x, t, mixing):
    """Attribute values first[i], second[j]: from (0, 0) and (1, 1) to (0, 1)."""
    assume(abs(np.linalg.det(mixing)) > 1 and np.linalg.norm(means[1, 1] - means[1, 0]) > 0.5)
    law = lambda i, j: (
        basis.T @ np.concatenate([means[0, i], means[1, j]]),
        (basis.T * variances) @ basis,
    )
    cast = lambda *values: (jnp.asarray(value, dtype) for value in values)
    p = projector(*cast(mixing @ basis[2:]))
    size = np.linalg.cond(mixing)
    close(
        p,
        basis[2:].T @ basis[2:],
        ulps=64,
        scale=size,
        why="two directions of this condition number",
    )
    close(p @ p, np.asarray(p, np.float64), ulps=64, scale=1, why="P^2 = P")
    close(p.T, np.asarray(p, np.float64), ulps=16, scale=1, why="P' = P")
    repeated = projector(
        *cast(np.concatenate([mixing, mixing[:1] - mixing[1:], np.zeros((1, 2))]) @ basis[2:])
    )
    close(
        repeated,
        basis[2:].T @ basis[2:],
        ulps=128,
        scale=size,
        why="directions may depend on each other",
    )
    line = projector(*cast(np.array([[3.0], [-1.0], [0.7]]) * basis[:1]))
    close(
        line,
        np.outer(basis[0], basis[0]),
        ulps=64,
        scale=1,
        why="three directions on one line: small is by the largest",
    )
    tiny = projector(*cast(2.0**-40 * mixing @ basis[2:]))
    close(
        tiny, basis[2:].T @ basis[2:], ulps=64, scale=size, why="a length says nothing about a span"
    )
    first, second = (score(*cast(*law(*which), x, t)) for which in ((0, 0), (1, 1)))
    wanted = np.array([gaussian_score(point, *law(0, 1), 1 - t, t) for point in x])
    reach = (
        (np.abs(x).max() + np.abs(means).max() + 1)
        / (((1 - t) ** 2 * variances + t**2).min())
        * size
    )
    noise = "scores are of this size, and what P lets through of the other block is rounding"
    close(concept_projection(first, second, p), wanted, ulps=512, scale=reach, why=noise)
    one = projector((score(*cast(*law(0, 1), x, t)) - score(*cast(*law(0, 0), x, t)))[:1])
    gap = np.linalg.norm(
        gaussian_score(x[0], *law(0, 1), 1 - t, t) - gaussian_score(x[0], *law(0, 0), 1 - t, t)
    )
    only = score(*cast(*law(1, 1), x, t))
    close(
        concept_projection(first, only, one),
        wanted,
        ulps=512,
        scale=reach * (1 + reach / gap),
        why="their difference alone spans it",
    )


def test_projection_is_no_swap_where_blocks_depend_on_each_other():
    cov = np.array([[1.0, 0.8], [0.8, 1.0]])
    means = {key: np.array(key, np.float64) for key in ((0, 0), (1, 1), (0, 1))}
    x = np.array([0.3, -0.2])
    found = {key: gaussian_score(x, mean, cov, 0.8, 0.6) for key, mean in means.items()}
    edited = concept_projection(found[0, 0], found[1, 1], np.diag([0.0, 1.0]))
    assert np.abs(edited - found[0, 1]).max() > 0.3


def test_directions_of_zero_that_jit_cannot_refuse_span_nothing():
    np.testing.assert_array_equal(projector(jnp.zeros((2, 4))), np.zeros((4, 4)))


def test_projection_keeps_the_dtype_of_the_score_and_projector_that_of_its_directions():
    p = jax.eval_shape(projector, jax.ShapeDtypeStruct((2, 3), jnp.float32))
    half = jax.ShapeDtypeStruct((3,), jnp.bfloat16)
    assert (
        p.dtype == jnp.float32
        and jax.eval_shape(concept_projection, half, half, p).dtype == jnp.bfloat16
    )


def test_values_of_a_table_may_be_zero_and_are_honest():
    table = jnp.asarray([[0.5, 0.0], [0.25, 0.25]])
    np.testing.assert_array_equal(pmi(table)[0, 1], -np.inf)
    np.testing.assert_array_equal(log_odds_ratio(table), np.inf)
    assert np.isnan(pmi(jnp.asarray([[0.0, 0.0], [0.5, 0.5]]))[0]).all()


def test_interaction_lowers_the_cosine_of_unit_vectors_too():
    """Unit texts of two slots; adding eps to 'man hat' alone turns its edge by the angle of the
    right triangle.
    """
    texts = np.asarray(
        decomposable(
            *(jnp.asarray(block) for block in np.split(np.kron(np.eye(2), [[1], [-1]]), 2))
        )
    )
    bent = np.concatenate([texts, np.zeros((2, 2, 1))], -1) / np.sqrt(2)
    bent[1, 1, 2] = 0.75 * np.sqrt(2)
    close(
        analogy_cosine(jnp.asarray(bent)), np.asarray(0.8), ulps=4, why="sides 1 and 3/4 of sqrt 2"
    )
    below(float(analogy_cosine(jnp.asarray(bent))), 1 - 0.1, "bent")


# --- bad input ----------------------------------------------------------------------------------

V = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: diffx.concepts.concept_direction(V, V[:2]),
            ValueError,
            "one shape.*'with_': .3, 3., 'without': .2, 3.",
        ),
        (lambda: diffx.concepts.concept_direction(V, V[:, :2]), ValueError, "one shape"),
        (
            lambda: diffx.concepts.concept_direction(V[0], V[1]),
            ValueError,
            r"shape \(n, d\).*for one pair pass with_\[None\]",
        ),
        (lambda: diffx.concepts.concept_direction(V[:0], V[:0]), ValueError, "n >= 1 pairs"),
        (
            lambda: diffx.concepts.concept_direction(V, V),
            ValueError,
            "mean difference .* must not be zero, .* 1 of 1 are",
        ),
        (
            lambda: diffx.concepts.concept_direction(V, V * np.nan),
            ValueError,
            "without must be finite",
        ),
        (
            lambda: diffx.concepts.concept_direction(np.eye(3, dtype=int), V),
            TypeError,
            "array of floats",
        ),
        (
            lambda: diffx.concepts.rank_words(V[0], V[:, :2]),
            ValueError,
            "direction must be an event of shape",
        ),
        (lambda: diffx.concepts.rank_words(0 * V[0], V), ValueError, "direction must not be zero"),
        (
            lambda: diffx.concepts.rank_words(np.diag([1.0, 0.0, 0.0]), V),
            ValueError,
            "direction must not be zero.* 2 of 3 are",
        ),
        (lambda: diffx.concepts.rank_words(V[0], V[:0]), ValueError, "n >= 1 words"),
        (
            lambda: diffx.concepts.rank_words(V[0], V[0]),
            ValueError,
            r"text_vectors must have shape \(n, d\)",
        ),
        (
            lambda: diffx.concepts.rank_words(V[0], V + np.inf),
            ValueError,
            "text_vectors must be finite",
        ),
        (lambda: diffx.concepts.decomposable(), ValueError, "at least one"),
        (lambda: diffx.concepts.decomposable(V, V[:, :2]), ValueError, "one width d.*(3, 2)"),
        (lambda: diffx.concepts.decomposable(V[0]), ValueError, r"arrays \(k_i, d\)"),
        (
            lambda: diffx.concepts.parallelogram_defect(V),
            ValueError,
            r"shape \(2, 2, \.\.\.\), the two concepts first",
        ),
        (
            lambda: diffx.concepts.analogy_cosine(np.ones((2, 2))),
            ValueError,
            r"vectors must have shape \(2, 2, d\)",
        ),
        (
            lambda: diffx.concepts.analogy_cosine(np.ones((2, 2, 3))),
            ValueError,
            "an edge .* must not be zero",
        ),
        (
            lambda: diffx.concepts.projector(V[0]),
            ValueError,
            r"for one direction pass directions\[None\]",
        ),
        (
            lambda: diffx.concepts.projector(0 * V),
            ValueError,
            "span of directions must not be zero",
        ),
        (lambda: diffx.concepts.projector(V[:0]), ValueError, "k >= 1"),
        (lambda: diffx.concepts.concept_projection(V, V[:2], V), ValueError, "one shape"),
        (
            lambda: diffx.concepts.concept_projection(V, V, V[:2]),
            ValueError,
            r"projector must be \(d, d\)",
        ),
        (lambda: diffx.concepts.pmi(V[0]), ValueError, "table of at least 2 axes"),
        (lambda: diffx.concepts.pmi(V), ValueError, r"must sum to 1, got 3\.0; pass joint"),
        (
            lambda: diffx.concepts.pmi(np.array([[1.5, -0.5]])),
            ValueError,
            "joint must not be negative",
        ),
        (lambda: diffx.concepts.pmi(V * np.nan), ValueError, "joint must be finite"),
        (
            lambda: diffx.concepts.log_odds_ratio(-np.ones((2, 2))),
            ValueError,
            "table must not be negative",
        ),
        (lambda: diffx.concepts.log_odds_ratio(V), ValueError, "the two concepts first"),
        (
            lambda: diffx.concepts.pmi_embeddings(V[0], dim=1),
            ValueError,
            r"scores must have shape \(m, n\)",
        ),
        (
            lambda: diffx.concepts.pmi_embeddings(V[:2], dim=3),
            ValueError,
            r"dim must be at most 2 for scores \(2, 3\), got 3",
        ),
        (lambda: diffx.concepts.pmi_embeddings(V, dim=0), ValueError, "dim must be at least 1"),
        (
            lambda: diffx.concepts.pmi_embeddings(np.log(V + 0.0), dim=1),
            ValueError,
            "scores must be finite",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_wrong_vectors_and_tables_are_refused_with_the_way_out(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- composition --------------------------------------------------------------------------------


@claim(
    "CON-05",
    "uncond + sum w_i (cond_i - uncond) is exact at t = 0 for conditions that are independent "
    "given x_0, and at t > 0 for orthogonal blocks",
    of=("diffx.guidance.compose", "diffx.guidance.compose_net"),
    source="Liu et al. 2022, arXiv:2206.01714, for the method; where it holds: derived here",
    grade="identity",
)
@given(
    base=st_.points(D),
    branches=st_.points(3, D),
    weights=st_.arrays(3, st_.floats(-3.0, 5.0)),
    x=st_.points(2, D),
)
def test_scores_compose_where_conditions_stay_independent(dtype, base, branches, weights, x):
    total = (1 + np.abs(weights).sum()) * np.abs([base, *branches]).sum(0)
    wanted = base + sum(w * (branch - base) for w, branch in zip(weights, branches, strict=True))
    u, *conds = (jnp.asarray(value, dtype) for value in (base, *branches))
    for got in composed(u, conds, jnp.asarray(weights, dtype)):
        close(got, wanted, ulps=8, scale=total, why="a sum of seven rounded terms")
    orthogonal_blocks_compose_at_all_times(dtype, x, jnp.asarray(0.5, dtype))
    noisy_sights_do_not_compose(dtype)


@jax.jit
def composed(u, conds, weights):
    x = jnp.zeros_like(u)
    denoise = diffx.guidance.compose(
        Partial(constant, u), [Partial(constant, c) for c in conds], weights=weights
    )
    return denoise(x, 0.5), diffx.guidance.compose_net(lookup, u, conds, weights=weights)(x, 0.5)


def orthogonal_blocks_compose_at_all_times(dtype, x, t):
    """c_1 speaks of the first coordinate, c_2 of the second; both together of both."""
    broad, first, second, both = (
        [4.0, 2.0, 1.0],
        [0.5, 2.0, 1.0],
        [4.0, 0.25, 1.0],
        [0.5, 0.25, 1.0],
    )
    laws = [
        law(dtype, np.where(np.array(v) < broad, 1.0, 0.0), v) for v in (broad, first, second, both)
    ]
    got, exact = blocks(laws, jnp.asarray(x, dtype), t)
    close(
        got,
        np.asarray(exact, np.float64),
        ulps=16,
        scale=8 * (1 + np.abs(x)),
        why="each coordinate hears one of the two",
    )


@jax.jit
def blocks(laws, x, t):
    uncond, first, second, both = (diffx.denoiser(sub_vp(), part) for part in laws)
    return diffx.guidance.compose(uncond, [first, second], weights=jnp.ones(2, x.dtype))(
        x, t
    ), both(x, t)


def noisy_sights_do_not_compose(dtype):
    """x ~ N(0, 1), c_i = x + noise: exact at tau -> 0 (precision 3); at tau = 1 the true .75
    against .8333 composed.
    """
    at = lambda variance: law(dtype, [0.0], [variance])
    for t, true, guess in (
        (1.0, 3 / 4, 5 / 6),
        (0.125, 1 / (1 / 3 + 1 / 64), 2 / (1 / 2 + 1 / 64) - 64 / 65),
    ):
        got = precisions([at(1.0), at(0.5), at(1 / 3)], jnp.asarray(t, dtype))
        close(got, np.array([guess, true]), ulps=16, scale=2 / t**2, why="(1 - slope)/tau cancels")
    slopes = score_slopes([at(1.0), at(0.5), at(1 / 3)])
    close(slopes, np.array([-3.0, -3.0]), ulps=8, why="at t = 0 the scores add up: 2 + 2 - 1 = 3")


@jax.jit
def score_slopes(laws):
    """Of the composed score and of the true one at t = 0, where there is no noise."""
    x = jnp.asarray([[0.0], [1.0]], laws[0].mean.dtype)
    uncond, each, both = (diffx.score(sub_vp(), part) for part in laws)
    composed = diffx.guidance.compose(uncond, [each, each], weights=jnp.ones(2, x.dtype))
    return jnp.stack([(f(x, 0.0)[1] - f(x, 0.0)[0])[0] for f in (composed, both)])


@jax.jit
def precisions(laws, t):
    """Of the composed score of two conditions, and of the true one, in EDM coordinates."""
    process, x = diffx.EDM(1.0), jnp.asarray([[0.0], [1.0]], t.dtype)
    uncond, each, both = (diffx.denoiser(process, part) for part in laws)
    answers = jnp.stack(
        [
            f(x, t)[:, 0]
            for f in (
                diffx.guidance.compose(uncond, [each, each], weights=jnp.ones(2, t.dtype)),
                both,
            )
        ]
    )
    return (1 - (answers[:, 1] - answers[:, 0])) / t**2
