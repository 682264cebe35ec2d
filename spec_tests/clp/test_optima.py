"""CLP: the exact cases of contrastive learning. What its losses measure, and where they are least.

Populations are finite: every batch of a small alphabet, or of an m-point circle, is enumerated with
its probability.
"""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import diffx
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, contrast
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import arrays_of
from spec_tests.support.contrast import clip, siglip_of_pairs

SUMS = "log-sum-exp and weighted sums of numbers of this size"
PRINTED = 5e-7  # half a unit of the last of six decimals


def eps(dtype) -> float:
    return float(jnp.finfo(dtype).eps)


# --- directions ---------------------------------------------------------------------------------

SCALES = np.array([0.0, 2.0**-12, 0.5, 5.0, 1 / 0.07, 100.0, 256.0], np.float32).astype(np.float64)


@partial(jax.jit, static_argnames="dim")
def log_means(scales, dim):
    return jax.vmap(partial(diffx.contrast.log_sphere_mean, dim=dim))(scales)


@jax.jit
def slopes_and_bends(scales):
    """First and second derivatives in 4 dimensions."""
    slope = jax.grad(partial(diffx.contrast.log_sphere_mean, dim=4))
    return jax.vmap(lambda s: jax.jvp(slope, (s,), (jnp.ones_like(s),)))(scales)


@claim(
    "CLP-06",
    "N aligned points spread evenly over a circle have the loss log N + log I_0(scale) - scale, up "
    "to I_N(scale)",
    of=("diffx.clip_loss", "diffx.contrast.log_sphere_mean"),
    source=(
        "Wang and Isola 2020, arXiv:2005.10242: the limit of uniform, aligned embeddings; the "
        "Bessel functions: ours"
    ),
    grade="computed law",
)
def test_uniform_circle_has_the_bessel_value(dtype):
    why = "scores of this size, their exponentials and a sum of N"
    for n in (3, 32):
        for scale in (0.5, 5.0, 14.28125):
            points, l = arrays_of(dtype, contrast.circle(n, 0.25) * [[1.5]], np.log(scale))
            close(
                clip(points, 2 * points, l),
                contrast.aligned_circle(n, scale),
                ulps=8,
                scale=np.log(n) + 4 * scale,
                why=why,
            )
    points, l = arrays_of(dtype, contrast.circle(32), np.log(SCALES[3]))
    limit = np.log(32) + log_means(*arrays_of(dtype, SCALES), dim=2)[3] - SCALES[3]
    below(
        abs(float(clip(points, points, l)) - 1.7704176786),
        5e-11 + 64 * eps(dtype),
        "the figure, ten decimals",
    )
    below(
        abs(float(limit) - 1.7704176786),
        5e-11 + 64 * eps(dtype),
        "N = 32 is the limit: 2 I_32(5) is 1e-23",
    )


@claim(
    "CLP-07",
    "The loss of random unit embeddings is log N + log[Gamma(d/2) (2/s)^(d/2-1) I_(d/2-1)(s)], "
    "about s^2/(2d) above log N: 10.596429 at the start of CLIP",
    of=("diffx.clip_loss", "diffx.contrast.log_sphere_mean"),
    source=(
        "derived here: the mean of exp(s cos) over the sphere; Radford et al. 2021, "
        "arXiv:2103.00020 (1/.07, 32,768, 512)"
    ),
    grade="computed law",
)
def test_random_embeddings_begin_at_the_mean_over_the_sphere(dtype):
    for dim in (1, 2, 512):
        values = log_means(*arrays_of(dtype, SCALES), dim=dim)
        wanted = np.array([contrast.sphere_log_mean(s, dim) for s in SCALES])
        close(
            values,
            wanted,
            ulps=8,
            scale=wanted + SCALES / 8,
            why="sums of up to 256 logarithms; the quadrature's exp",
        )
        excess = wanted[2] - SCALES[2] ** 2 / (2 * dim)
        below(abs(excess), SCALES[2] ** 4 / (4 * dim**2 * (dim + 2)), "s^2/(2d) to the next term")
    below(abs(float(values[-3]) - 0.199221), PRINTED, "CLIP's first scale, in 512 dimensions")
    below(
        abs(float(np.log(32768) + values[-3]) - 10.596429),
        PRINTED + 16 * eps(dtype),
        "and its batch",
    )
    slopes, bends = slopes_and_bends(*arrays_of(dtype, SCALES))
    wanted = np.array([mean_cosine(s, 4) for s in SCALES])
    close(
        slopes,
        wanted,
        ulps=8,
        scale=wanted + SCALES / 64,
        why="a continued fraction of positive terms; the quadrature",
    )
    close(bends[0], 1 / 4, ulps=4, why="the second moment of a cosine: s^2/(2d) at the start")
    circle = contrast.circle(16)
    losses = [clip(*arrays_of(dtype, circle, np.roll(circle, k, 0), -0.5)) for k in range(16)]
    wanted = np.log(16) + contrast.sphere_log_mean(np.exp(np.float64(dtype.type(-0.5))), 2)
    close(
        np.mean(losses),
        wanted,
        ulps=8,
        why="every text as likely a partner: cosines of mean 0, and I_16(.6) is 1e-22",
    )


def mean_cosine(scale: float, dim: int) -> float:
    cosines, p = contrast.cosine_law(dim)
    return float((p * cosines) @ np.sinh(scale * cosines) / (p @ np.cosh(scale * cosines)))


# --- finite alphabets ---------------------------------------------------------------------------


def expected(loss):
    """The expectation of a loss over all batches xs, ys (batches, n) with these weights, as a
    function of the critic.
    """

    def of(critic, xs, ys, weights):
        return weights @ jax.vmap(lambda x, y: loss(critic[x][:, y]))(xs, ys)

    return jax.jit(jax.value_and_grad(of))


info_nce, sigmoid_nce = expected(diffx.contrast.info_nce), expected(diffx.contrast.sigmoid_nce)
alphabets = st_.weights(6).map(lambda w: (w / w.sum()).reshape(2, 3))
critics = st_.arrays((2, 3), st_.floats(-2.0, 2.0))


def least_at(loss, best, other, batches, size, dtype) -> tuple:
    """Losses of the best critic and another: there the derivative vanishes, which for a convex loss
    is the least.
    """
    (value, slope), (more, _) = (
        loss(*arrays_of(dtype, critic), *batches) for critic in (best, other)
    )
    close(
        slope,
        np.zeros((2, 3)),
        ulps=32,
        scale=size,
        why="no critic does better than the optimal one: derivative 0",
    )
    below(float(value) - float(more), 32 * eps(dtype) * size, "another critic does no better")
    return value, more


@claim(
    "CLP-08",
    "InfoNCE is least where the scores are the pointwise mutual information plus a constant; log "
    "N - loss stays below I and log N and grows with N",
    of=("diffx.contrast.info_nce", "diffx.contrast.info_nce_bound"),
    source="van den Oord et al. 2018, arXiv:1807.03748; Poole et al. 2019, arXiv:1905.06922",
    grade="bounded",
)
@given(joint=alphabets, other=critics)
@settings(max_examples=4)
def test_optimal_critic_is_pointwise_mutual_information(dtype, joint, other):
    pmi = np.log(joint / np.outer(joint.sum(1), joint.sum(0)))
    size = 4 + np.abs(pmi).max()
    bounds = []
    for n in (2, 3, 4):
        xs, ys, weights = contrast.of_alphabet(joint, n)
        batches = xs, ys, *arrays_of(dtype, weights)
        least, more = least_at(info_nce, pmi, other, batches, size, dtype)
        close(
            least,
            contrast.doubt(joint, n),
            ulps=32,
            scale=size,
            why="the doubt which text belongs to x, by Bayes' rule",
        )
        wanted = contrast.population(joint, other, n)
        close(more, wanted, ulps=32, scale=size, why=SUMS)
        shifted, _ = info_nce(*arrays_of(dtype, pmi + 1.5), *batches)
        close(shifted, least, ulps=32, scale=size, why="a constant drops out")
        bounds += [
            diffx.contrast.info_nce_bound(least, n=n),
            diffx.contrast.info_nce_bound(more, n=n),
        ]
        close(bounds[-1], np.log(n) - wanted, ulps=32, scale=size, why=SUMS)
        below(max(bounds[-2:]), np.log(n), "a cross-entropy is not negative")
    below(max(bounds), contrast.information(joint) + 32 * eps(dtype) * size, "I >= log N - loss")
    for fewer, larger in pairwise(bounds[::2]):
        below(float(fewer) - float(larger), 32 * eps(dtype) * size, "more negatives say more")


@claim(
    "CLP-12",
    "SigLIP is least where the scores are the pointwise mutual information minus log(N - 1); its "
    "best constant score costs N Hb(1/N), and it starts at 11.487631",
    of=("diffx.contrast.sigmoid_nce", "diffx.siglip_loss"),
    source=(
        "Zhai et al. 2023, arXiv:2303.15343, section 3.2 and Algorithm 1; the optimal critic is "
        "derived here"
    ),
    grade="bounded",
)
def test_siglip_learns_information_minus_log_of_negatives(dtype):
    siglip_populations(dtype)
    constants_of_siglip(dtype)


@given(joint=alphabets, other=critics)
@settings(max_examples=4)
def siglip_populations(dtype, joint, other):
    pmi = np.log(joint / np.outer(joint.sum(1), joint.sum(0)))
    for n in (2, 3):
        xs, ys, weights = contrast.of_alphabet(joint, n)
        size = n * (4 + np.abs(pmi).max())
        best = pmi - np.log(n - 1)
        least, more = least_at(
            sigmoid_nce, best, other, (xs, ys, *arrays_of(dtype, weights)), size, dtype
        )
        close(least, contrast.sigmoid_population(joint, best, n), ulps=32, scale=size, why=SUMS)
        close(more, contrast.sigmoid_population(joint, other, n), ulps=32, scale=size, why=SUMS)


of_constant = jax.jit(jax.value_and_grad(lambda b, zeros: diffx.contrast.sigmoid_nce(zeros + b)))
siglip_start = jax.jit(
    jax.value_and_grad(
        lambda x, y, l, b, mask: siglip_of_pairs(x, y, l, b, jnp.eye(4, dtype=bool), mask), (3, 2)
    )
)


def constants_of_siglip(dtype):
    n = 8
    logit, zeros = jnp.asarray(-np.log(n - 1), dtype), jnp.zeros((n, n), dtype)
    value, slope = of_constant(logit, zeros)
    close(value, n * contrast.binary_entropy(1 / n), ulps=16, why="N binary entropies of 1/N")
    close(slope, 0.0, ulps=16, scale=1.0, why="the best constant is the log-odds of a partner")
    # affine in N where all cosines are 0: batches of 1 and 4 tell those of 32,768
    image, text = np.tile([1.0, 0.0, 0.0], (4, 1)), np.tile([0.0, 2.0, 0.0], (4, 1))
    arrays = arrays_of(dtype, image, text, np.log(10))

    def at(bias):
        (one, slopes), (four, more) = (
            siglip_start(*arrays, *arrays_of(dtype, bias), np.arange(4) < count) for count in (1, 4)
        )
        close(slopes[1], 0.0, ulps=1, scale=1.0, why="no cosine, no derivative in the scale")
        ends = np.array([[one, four], [slopes[0], more[0]]], np.float64)
        return ends[:, 0] + 32767 / 3 * (ends[:, 1] - ends[:, 0]), 4 * 32768 * eps(dtype) * np.abs(
            ends
        ).max()

    for bias, value, slope in ((-np.log(32767), 11.397192, 0.0), (-10.0, 11.487631, 0.487597)):
        found, rounding = at(bias)
        below(
            np.abs(found - [value, slope]),
            PRINTED + rounding,
            "N Hb(1/N) at log-odds -10.397; and what b = -10 starts with",
        )
    below(abs(np.log(32767) - 10.397), 5e-4, "which explains b = -10")


@jax.jit
def info_of_names(scores, names):
    return diffx.contrast.info_nce(scores, positives=names)


@jax.jit
def sigmoid_of_names(scores, names):
    return diffx.contrast.sigmoid_nce(scores, positives=names)


@jax.jit
def clip_of_copies(images, log_scale, names):
    """Without partners, with names and with a table."""
    kinds = (None, names, names[:, None] == names)
    return jnp.stack(
        [diffx.clip_loss(images, images, log_scale=log_scale, positives=kind) for kind in kinds]
    )


@claim(
    "CLP-14",
    "m copies of one caption cost at least log m each, with a target that is uniform over them or "
    "without; SigLIP pays m Hb(1/m) for its false negatives, and nothing once the copies are named",
    of=(
        "diffx.clip_loss",
        "diffx.contrast.info_nce",
        "diffx.contrast.sigmoid_nce",
    ),
    source="derived here: the cross-entropy of a uniform target is at least its entropy",
    grade="bounded",
)
def test_duplicate_captions_cost_their_entropy(dtype):
    names = np.array([0, 0, 0, 1, 1, 1])
    ends = np.array([[1.0, 0.0], [-2.0, 0.0]])[names]
    losses = clip_of_copies(*arrays_of(dtype, ends, np.log(16.0)), names)
    close(
        losses,
        np.full(3, 1.0986122886681098),
        ulps=4,
        scale=16.0,
        why="log 3: three captions are one, exp(-32) is nothing",
    )
    alone = np.arange(6)
    scores = np.random.default_rng(0).standard_normal((6, 6)) * 3
    copied = jnp.asarray(scores[:, [0, 0, 0, 3, 3, 3]], dtype)  # captions alike, pictures not
    plain, named = info_of_names(copied, alone), info_of_names(copied, names)
    close(
        named,
        np.asarray(plain, np.float64),
        ulps=8,
        scale=10.0,
        why="exact copies: the diagonal or all partners, one mean",
    )
    sizes = np.array([0, 0, 0, 1, 2, 2])
    floor = np.log([3, 3, 3, 1, 2, 2]).mean()
    below(floor - info_of_names(jnp.asarray(scores, dtype), sizes), 0.0, "entropy of the target")
    perfect = jnp.asarray(np.where(sizes[:, None] == sizes, 0.0, -60.0), dtype)
    close(
        info_of_names(perfect, sizes),
        floor,
        ulps=8,
        why="reached where partners alone have a score",
    )
    below(
        info_of_names(jnp.asarray(60 * np.eye(6), dtype), alone),
        1e-20,
        "six different captions can be told apart",
    )
    copies = jnp.full((6, 6), -np.log(5), dtype)
    close(
        sigmoid_of_names(copies, alone),
        6 * contrast.binary_entropy(1 / 6),
        ulps=8,
        why="one partner in m, all alike",
    )
    below(
        sigmoid_of_names(copies + 60, 0 * alone),
        1e-20,
        "all are partners: nothing to be wrong about",
    )


# --- the temperature of directions --------------------------------------------------------------


KAPPAS = np.array([0.25, 1.3, 14.25, 100.0], np.float32).astype(np.float64)


@partial(jax.jit, static_argnames="dim")
def informations(kappas, dim):
    return jax.vmap(partial(diffx.contrast.von_mises_information, dim=dim))(kappas)


@jax.jit
def of_scale(scale, images, texts, weights):
    """Expected clip_loss, its first and second derivative in the scale, over batches (batches, n,
    d).
    """

    def loss(s):
        return weights @ jax.vmap(lambda a, b: diffx.clip_loss(a, b, log_scale=jnp.log(s)))(
            images, texts
        )

    return loss(scale), jax.grad(loss)(scale), jax.grad(jax.grad(loss))(scale)


@claim(
    "CLP-09",
    "For von Mises-Fisher pairs the expected loss is convex in the scale and least at scale = "
    "kappa, for any N: the temperature is a concentration; on a circle I = kappa I_1/I_0 - log I_0",
    of=("diffx.clip_loss", "diffx.contrast.von_mises_information"),
    source=(
        "derived here: the scores kappa cos are the pointwise mutual information plus a constant"
    ),
    grade="bounded",
)
def test_learnt_scale_is_the_concentration(dtype):
    points = contrast.circle(4)
    for n, kappa in ((2, 1.25), (3, 1.25), (2, 4.0)):
        joint = np.exp(kappa * (points @ points.T))
        xs, ys, weights = contrast.of_alphabet(joint / joint.sum(), n)
        batches = arrays_of(dtype, 2 * points[xs], 3 * points[ys], weights)
        near, at, far = (
            of_scale(jnp.asarray(s, dtype), *batches) for s in (1 / kappa, kappa, 2 * kappa)
        )
        close(at[1], 0.0, ulps=16, scale=2.0, why="a mean of differences of cosines")
        holds(
            near[1] < -0.01 and far[1] > 0.001,
            "below kappa a larger scale helps, above a smaller one",
        )
        holds(min(near[2], at[2], far[2]) > 1e-4, "convex in the scale")
        bound = contrast.information(joint / joint.sum()) - (np.log(n) - float(at[0]))
        below(-bound, 0.0, "log N - loss is below the information of the pairs")
    for dim in (1, 2, 8):
        wanted = np.array([contrast.sphere_information(k, dim) for k in KAPPAS])
        found = informations(*arrays_of(dtype, KAPPAS), dim=dim)
        close(found, wanted, ulps=4, scale=1 + KAPPAS, why="a difference of numbers of this size")
    circle = informations(*arrays_of(dtype, KAPPAS), dim=2)
    below(
        abs(float(circle[1]) - 0.320697),
        PRINTED + 2 * eps(dtype),
        "on a circle, at 1.3, six decimals",
    )
    below(
        abs(float(diffx.contrast.von_mises_information(0.0))),
        0.0,
        "no concentration, no information; a circle unless told otherwise",
    )
    close(
        diffx.contrast.von_mises_information(KAPPAS[1]),
        np.float64(circle[1]),
        ulps=4 * eps(dtype) / eps(np.float64),
        why="dim = 2",
    )


# --- Gaussian pairs -----------------------------------------------------------------------------

# between white u (2,) and white v (3,)
CORRELATIONS = np.array([[0.25, -0.5, 0.25], [0.0, 0.75, 0.25]])


@jax.jit
def gaussian_pairs(mean, cov, x, y):
    joint = diffx.GaussianLaw(mean, cov)
    return diffx.contrast.gaussian_pmi(joint, x, y), diffx.contrast.gaussian_information(
        joint, split=x.shape[1]
    )


def joint_law(seed: int, dtype) -> tuple:
    """Mean and covariance of (x, y) = (m + A u, n + B v), rounded to the dtype; A and B well
    conditioned.
    """
    rng = np.random.default_rng(seed)
    mix = np.zeros((5, 5))
    mix[:2, :2], mix[2:, 2:] = (
        st_.rotation(seed, d) @ np.diag(rng.uniform(0.5, 2, d)) for d in (2, 3)
    )
    white = np.eye(5)
    white[:2, 2:], white[2:, :2] = CORRELATIONS, CORRELATIONS.T
    cov = mix @ white @ mix.T
    rounded = (np.asarray((cov + cov.T) / 2, dtype), np.asarray(rng.standard_normal(5), dtype))
    return rounded[1].astype(np.float64), rounded[0].astype(np.float64)


@claim(
    "CLP-10",
    "For Gaussian pairs the pointwise mutual information is a quadratic form with mean I = -sum "
    "log(1 - r^2)/2, which log N - loss approaches from below until it saturates at log N",
    of=(
        "diffx.contrast.gaussian_pmi",
        "diffx.contrast.gaussian_information",
        "diffx.contrast.info_nce_bound",
    ),
    source=(
        "Gelfand and Yaglom 1957; van den Oord et al. 2018, arXiv:1807.03748; Poole et al. "
        "2019, arXiv:1905.06922"
    ),
    grade="bounded",
)
def test_gaussian_pairs_have_a_quadratic_critic_and_a_bound_that_saturates(dtype):
    critic_of_vectors(dtype)
    ones = arrays_of(dtype, np.zeros(5), np.arange(1.0, 6.0), np.ones((36, 2)), np.ones((36, 3)))
    apart, information = gaussian_pairs(*ones)  # a diagonal covariance
    close(
        apart,
        np.zeros((36, 36)),
        ulps=1,
        scale=1.0,
        why="independent: no pair is likelier than another",
    )
    close(information, 0.0, ulps=1, scale=1.0, why="and no information")
    finite_bounds(dtype)


@given(seed=st_.seeds(), at=st_.arrays((4, 5), st_.floats(-2.0, 2.0)))
@settings(max_examples=8)
def critic_of_vectors(dtype, seed, at):
    mean, cov = joint_law(seed, dtype)
    nodes, weights = bayes.hermite(2, 5)  # exact for the degrees that a quadratic form has
    points = np.concatenate([mean + at, mean + nodes @ bayes.root_of(cov).T]).astype(np.float32)
    x, y = points[:, :2], points[:, 2:]
    found, information = gaussian_pairs(*arrays_of(dtype, mean, cov, x, y))
    wanted = contrast.gaussian_pmi(mean, cov, x.astype(np.float64), y.astype(np.float64))
    away = np.abs(points - mean).max() ** 2 + np.abs(mean).max() ** 2
    size = 1 + away * np.linalg.norm(np.linalg.inv(cov), 2)
    why = "quadratic forms of whitened vectors of this size; scipy's eigenvalues"
    close(found, wanted, ulps=16 + 2**-43 / eps(dtype), scale=size, why=why)
    exact = -np.log1p(-(np.linalg.svd(CORRELATIONS)[1] ** 2)).sum() / 2
    close(
        information,
        exact,
        ulps=8,
        scale=np.linalg.cond(cov),
        why="the correlations of a rounded covariance",
    )
    mean_pmi = (weights @ np.diag(found)[4:].astype(np.float64)).astype(dtype)
    close(
        mean_pmi,
        exact,
        ulps=16 + 2**-20 / eps(dtype),
        scale=size,
        why="E[PMI] = I by moments, of nodes rounded to float32",
    )


@jax.jit
def of_correlation(r, u, v, weights, grid):
    """I; E[log 2 - loss] over draws x = u, y = r u + sqrt(1 - r^2) v, nodes of a quadrature; the
    bound of a batch x = y.
    """
    one = jnp.ones_like(r)
    joint = diffx.GaussianLaw(
        jnp.zeros_like(u, shape=2), jnp.stack([jnp.stack([one, r]), jnp.stack([r, one])])
    )
    table = diffx.contrast.gaussian_pmi(
        joint, u[:, None], (r * u + jnp.sqrt(1 - r**2) * v)[:, None]
    )
    own, across = jnp.broadcast_to(jnp.diag(table), table.shape), table
    two = jnp.stack([jnp.stack([own.T, across], -1), jnp.stack([across.T, own], -1)], -2)
    losses = jax.vmap(jax.vmap(diffx.contrast.info_nce))(two)
    batch = diffx.contrast.info_nce(diffx.contrast.gaussian_pmi(joint, grid, grid))
    bounds = (
        diffx.contrast.info_nce_bound(weights @ losses @ weights, n=2),
        diffx.contrast.info_nce_bound(batch, n=grid.shape[0]),
    )
    return diffx.contrast.gaussian_information(joint, split=1), *bounds


def finite_bounds(dtype):
    """Two pairs by 10^4 nodes of Gauss and Hermite; and the saturation, on one batch of five."""
    nodes, weights = bayes.hermite(10, 2)
    arrays = arrays_of(dtype, nodes[:, 0], nodes[:, 1], weights, np.arange(-2.0, 3)[:, None])
    before = 0.0
    for r in (0.5, -0.75, 0.9375):
        information, bound, _ = of_correlation(*arrays_of(dtype, r), *arrays)
        close(information, -np.log(1 - r**2) / 2, ulps=4, why="one dimension")
        below(float(bound), min(float(information), np.log(2)), "log N - loss is below I and log N")
        below(before + 0.02 - float(bound), 0.0, "and grows with I")
        before = float(bound)
    information, _, bound = of_correlation(*arrays_of(dtype, 1 - 2.0**-14), *arrays)
    close(bound, np.log(5), ulps=4, why="every pair is told apart: log N to rounding")
    holds(float(information) > 4.5 > 2 * np.log(5), "while I is three times as much")


# --- bad input ----------------------------------------------------------------------------------


def pair(**more):
    return diffx.clip_loss(jnp.ones((2, 3)), jnp.ones((2, 3)), **{"log_scale": 1.0, **more})


def gaussian(cov, dim=2):
    return diffx.GaussianLaw(jnp.zeros(dim), jnp.asarray(cov, jnp.float32))


BAD = {
    "a table that is not square": (
        ValueError,
        lambda: diffx.contrast.info_nce(jnp.ones((2, 3))),
        r"square table \(N, N\).*\(2, 3\)",
    ),
    "a row for a table": (
        ValueError,
        lambda: diffx.contrast.sigmoid_nce(jnp.ones(4)),
        r"square table \(N, N\).*\(4,\)",
    ),
    "an empty table": (ValueError, lambda: diffx.contrast.info_nce(jnp.ones((0, 0))), "N >= 1"),
    "a table of integers": (
        TypeError,
        lambda: diffx.contrast.info_nce(jnp.ones((2, 2), int)),
        "scores must be an array of floats",
    ),
    "embeddings without rows": (
        ValueError,
        lambda: diffx.clip_loss(jnp.ones((0, 3)), jnp.ones((0, 3)), log_scale=0.0),
        "N >= 1",
    ),
    "three names for two captions": (
        ValueError,
        lambda: pair(positives=jnp.arange(3)),
        r"must name one caption for each of 2 rows.*\(3,\)",
    ),
    "a table of integers for positives": (
        TypeError,
        lambda: pair(positives=jnp.eye(2, dtype=int)),
        "positives > 0",
    ),
    "a column of booleans": (
        ValueError,
        lambda: pair(positives=jnp.ones(2, bool)),
        r"positives must have shape \(2, 2\)",
    ),
    "floats for names": (TypeError, lambda: pair(positives=jnp.ones(2)), "booleans, got float"),
    "integers for a mask": (TypeError, lambda: pair(mask=jnp.ones(2, int)), "mask > 0"),
    "a mask of another length": (
        ValueError,
        lambda: pair(mask=jnp.ones(3, bool)),
        r"mask must have shape \(2,\)",
    ),
    "no row counted": (
        ValueError,
        lambda: pair(mask=jnp.zeros(2, bool)),
        "mask must count at least one row",
    ),
    "a partner who does not count": (
        ValueError,
        lambda: diffx.contrast.info_nce(
            jnp.ones((2, 2)), positives=jnp.eye(2, dtype=bool)[::-1], mask=jnp.array([True, False])
        ),
        r"rows \[0\] have none; add their pairs to positives, or leave them out with mask",
    ),
    "several scales to clamp": (
        ValueError,
        lambda: diffx.contrast.clamp_log_scale(jnp.ones(2)),
        "log_scale must be one number",
    ),
    "a cap of zero": (
        ValueError,
        lambda: diffx.contrast.clamp_log_scale(jnp.asarray(1.0), largest=0.0),
        "largest must be positive",
    ),
    "a batch of half a pair": (
        TypeError,
        lambda: diffx.contrast.info_nce_bound(jnp.ones(()), n=1.5),
        "n must be a Python integer",
    ),
    "a batch of nothing": (
        ValueError,
        lambda: diffx.contrast.info_nce_bound(jnp.ones(()), n=0),
        "n must be at least 1",
    ),
    "a loss of integers": (
        TypeError,
        lambda: diffx.contrast.info_nce_bound(1, n=2),
        "loss must be an array of floats",
    ),
    "nothing left for y": (
        ValueError,
        lambda: diffx.contrast.gaussian_information(gaussian(1.0), split=2),
        "split must be at most 1, to leave one of 2 dimensions to y, got 2",
    ),
    "nothing for x": (
        ValueError,
        lambda: diffx.contrast.gaussian_information(gaussian(1.0), split=0),
        "split must be at least 1",
    ),
    "points' information": (
        TypeError,
        lambda: diffx.contrast.gaussian_information(diffx.PointSet(jnp.ones((2, 2))), split=1),  # pyright: ignore[reportArgumentType]
        "needs a GaussianLaw, got PointSet",
    ),
    "points' scores": (
        TypeError,
        lambda: diffx.contrast.gaussian_pmi(
            diffx.PointSet(jnp.ones((2, 2))), jnp.ones((4, 1)), jnp.ones((4, 1))
        ),  # pyright: ignore[reportArgumentType]
        "needs a GaussianLaw, got PointSet",
    ),
    "y fixed by x": (
        ValueError,
        lambda: diffx.contrast.gaussian_information(gaussian([[1, 1], [1, 1]]), split=1),
        "full rank",
    ),
    "widths that do not add up": (
        ValueError,
        lambda: diffx.contrast.gaussian_pmi(gaussian(1.0), jnp.ones((4, 2)), jnp.ones((4, 1))),
        r"dx \+ dy = 2",
    ),
    "one x": (
        ValueError,
        lambda: diffx.contrast.gaussian_pmi(gaussian(1.0), jnp.ones(1), jnp.ones((4, 1))),
        r"\(n, dx\)",
    ),
    "NaN in y": (
        ValueError,
        lambda: diffx.contrast.gaussian_pmi(
            gaussian(1.0), jnp.ones((4, 1)), jnp.nan * jnp.ones((4, 1))
        ),
        "y must be finite",
    ),
    "a negative scale": (
        ValueError,
        lambda: diffx.contrast.log_sphere_mean(-1.0, dim=2),
        r"scale must lie in \[0, 256\]",
    ),
    "a concentration beyond the series": (
        ValueError,
        lambda: diffx.contrast.von_mises_information(257.0),
        r"kappa must lie in \[0, 256\]",
    ),
    "several concentrations": (
        ValueError,
        lambda: diffx.contrast.von_mises_information(jnp.ones(2)),
        "one number",
    ),
    "a sphere in no dimensions": (
        ValueError,
        lambda: diffx.contrast.log_sphere_mean(1.0, dim=0),
        "dim must be at least 1",
    ),
    "half a dimension": (
        TypeError,
        lambda: diffx.contrast.von_mises_information(1.0, dim=2.5),
        "dim must be a Python integer",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_contrastive_inputs_say_what_was_wanted(name):
    error, call, words = BAD[name]
    with pytest.raises(error, match=words):
        call()
