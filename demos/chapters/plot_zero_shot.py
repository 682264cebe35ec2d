r"""
Zero-shot classification
========================

*Chapters 2 and 3. A picture is named by the text whose vector has the largest product with its own.
When is that right?*

A dual encoder classifies without having been trained to: it turns the names of the classes into
vectors :math:`w_c` and gives a picture :math:`x` the class of the largest
:math:`\langle x, w_c\rangle`. A straight rule like this is not a makeshift. If the pictures of each
class are a Gaussian cloud of one shape :math:`C` around a mean :math:`\mu_c`, the best rule that
there is, Bayes' own, is of just this form:

.. math:: \log p(c \mid x) = \langle x, w_c\rangle + b_c + \text{what is the same for all classes},
    \qquad w_c = C^{-1}\mu_c, \quad b_c = -\tfrac12\, \mu_c^\top C^{-1} \mu_c + \log \pi_c.

Fisher found it in 1936. So the vector that a *text* should have is not the mean of its pictures but
:math:`C^{-1}\mu_c`: what matters is where the classes differ more than the pictures of one class do
among themselves.
"""

# %%
# Three classes and one shape
# ---------------------------
# Pictures of three kinds of headwear, as points of a plane. Within a class they vary most along one
# direction (say, the size of the head), which tells nothing about the headwear.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, MARKERS, ORANGE, bare, begin, by_mode

begin(float64=True)
names, colors = ("hat", "cap", "crown"), (BLACK, ORANGE, BLUE)
means = jnp.array([[-1.4, -0.1], [0.1, 0.1], [1.5, -0.1]])
cov = jnp.array([[1.6, 1.25], [1.25, 1.3]])
count = by_mode(20000, 4000)


def pictures(key, means, cov, count):
    """`count` draws of each class, and their labels."""
    keys = jax.random.split(key, len(means))
    x = [
        diffx.GaussianLaw(mean, cov).sample(k, (count,))
        for k, mean in zip(keys, means, strict=True)
    ]
    return jnp.concatenate(x), jnp.repeat(jnp.arange(len(means)), count)


x, labels = pictures(jax.random.key(0), means, cov, count)
rounded, fitted = diffx.concepts.discriminant(means, 1.0), diffx.concepts.discriminant(means, cov)
titles = ["the means as vectors: clouds taken as round", r"the discriminant: $w_c = C^{-1}\mu_c$"]


def right_share(rule):
    """The mean over the classes of the share that is named rightly."""
    return float(
        diffx.concepts.mean_class_recall(
            diffx.concepts.zero_shot(x, rule.weights, biases=rule.biases), labels, classes=3
        )
    )


axis = jnp.linspace(-4.2, 4.2, 421)
plane = jnp.stack(jnp.meshgrid(axis, axis), -1)
figure, panels = plt.subplots(1, 2, figsize=(9.8, 4.9))
for panel, title, rule in zip(panels, titles, (rounded, fitted), strict=True):
    bare(panel)
    regions = diffx.concepts.zero_shot(plane, rule.weights, biases=rule.biases)
    panel.contourf(
        axis, axis, regions, levels=[-0.5, 0.5, 1.5, 2.5], colors=["0.98", "0.86", "0.93"]
    )
    for c, (name, color) in enumerate(zip(names, colors, strict=True)):
        panel.contour(axis, axis, regions == c, levels=[0.5], colors="0.35", linewidths=1.0)
        some = x[labels == c][:110]
        panel.plot(
            *some.T, ls="", marker=MARKERS[c], ms=3.6, color=color, mfc="none", mew=0.8, label=name
        )
        panel.plot(*means[c], marker=MARKERS[c], ms=10, color=color, mec="white", mew=1.2)
    for vector, color in zip(
        rule.weights / jnp.linalg.norm(rule.weights, axis=1).max() * 3.2, colors, strict=True
    ):
        panel.annotate(
            "", vector, (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.8}
        )
    panel.set(
        title=f"{title}\n{right_share(rule):.1%} are named rightly",
        xlim=(-4.2, 4.2),
        ylim=(-4.2, 4.2),
    )
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# Both rules are zero-shot classifiers: three vectors (the arrows), three numbers, the largest
# product wins. The left one takes the means for the vectors. The right one knows :math:`C`: its
# vectors stand across the direction that says nothing. It is the rule of the nearest mean too, but
# in Mahalanobis' distance (CLP-13).
#
# No rule is better
# -----------------
# For two classes the error has a closed form. The difference of their scores is a number with
# variance :math:`\Delta^2` and mean :math:`\pm\Delta^2/2`, where :math:`\Delta` is Mahalanobis'
# distance of the two means; half of it is the wrong side of zero with probability
# :math:`\Phi(-\Delta/2)`.

pair, shape = jnp.array([[0.5, 1.0], [1.5, -1.0]]), jnp.array([[1.0, 0.3], [0.3, 0.7]])
rule = diffx.concepts.discriminant(pair, shape)
exact = float(diffx.concepts.discriminant_error(pair, shape))
delta = -2 * norm.ppf(exact)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.7))
score = np.linspace(-16, 16, 400)
for side, color, line, name in ((-1, BLACK, "-", "without a hat"), (1, ORANGE, "--", "with a hat")):
    density = norm.pdf(score, side * delta**2 / 2, delta)
    left.plot(score, density, ls=line, color=color, marker="", label=name)
    left.fill_between(score, density, where=side * score < 0, color=GREY, alpha=0.6, lw=0)
left.axvline(0, color="0.4", lw=1)
box = {"fc": "white", "ec": "none", "pad": 1.5}
left.annotate(
    f"errors: {exact:.3%}",
    (0.4, 0.012),
    (3.5, 0.055),
    arrowprops={"arrowstyle": "->", "color": "0.4"},
    bbox=box,
)
left.set(
    xlabel="difference of the two scores (nats)",
    ylabel="density (1/nat)",
    title=f"two classes, $\\Delta$ = {delta:.4f}",
)
left.set_ylim(0, 0.17)
left.legend(loc="upper center", ncols=2)

stretches = jnp.linspace(0.0, 1.6, 9)[1:]


@jax.jit
def measured(stretch, key):
    """The share of errors between the two classes, their means moved apart by this factor."""
    means = stretch * pair
    x, labels = pictures(key, means, shape, count)
    rule = diffx.concepts.discriminant(means, shape)
    return (diffx.concepts.zero_shot(x, rule.weights, biases=rule.biases) != labels).mean()


errors = np.array([measured(s, jax.random.key(i)) for i, s in enumerate(stretches)])
predicted = np.array(
    jax.vmap(lambda s: diffx.concepts.discriminant_error(s * pair, shape))(stretches)
)
line = np.linspace(0, 5.2, 100)
right.semilogy(
    line, norm.cdf(-line / 2), "-", color=BLACK, marker="", label=r"$\Phi(-\Delta/2)$, exact"
)
right.semilogy(
    stretches * delta,
    errors,
    ls="",
    marker="o",
    color=ORANGE,
    mec=BLACK,
    ms=6,
    label=f"{2 * count:,} pictures each",
)
right.set(
    xlabel=r"distance of the classes $\Delta$ (1)",
    ylabel="share of errors (1)",
    title="the least error there is",
)
right.legend()
plt.show()

# %%
# Averaging prompts
# -----------------
# One text is a noisy name. CLIP averages the unit vectors of a class over many templates, "a photo
# of a {}", "a drawing of a {}", and makes the mean a unit vector again (CON-09). Here each template
# adds a direction of its own to a class's true vector, in 64 dimensions, and pictures are true
# vectors with noise.

templates = (
    "a photo of a {}",
    "a drawing of a {}",
    "someone with a {}",
    "my {}",
    "a {} on a head",
    "one {}",
    "the {}",
    "a small {}",
)
classes = tuple(f"thing {i}" for i in range(20))
rng = np.random.default_rng(0)
true = rng.standard_normal((len(classes), 64))
true /= np.linalg.norm(true, axis=1, keepdims=True)
wording = 0.4 * rng.standard_normal((len(classes), len(templates), 64))
book = {
    t.replace("{}", c): true[i] + wording[i, j]
    for i, c in enumerate(classes)
    for j, t in enumerate(templates)
}


def encode(texts):
    """What a text encoder would do."""
    return jnp.asarray([book[text] for text in texts])


truth = np.repeat(np.arange(len(classes)), by_mode(400, 100))
seen = jnp.asarray(true[truth] + 0.25 * rng.standard_normal((len(truth), 64)))
numbers = (1, 2, 4, 8)
shares = [
    float(
        diffx.concepts.mean_class_recall(
            diffx.concepts.zero_shot(
                seen, diffx.concepts.zero_shot_weights(encode, classes, templates[:n])
            ),
            truth,
            classes=len(classes),
        )
    )
    for n in numbers
]
best = float(
    diffx.concepts.mean_class_recall(
        diffx.concepts.zero_shot(seen, jnp.asarray(true)), truth, classes=len(classes)
    )
)

figure, panel = plt.subplots(figsize=(6.4, 3.2))
panel.bar([str(n) for n in numbers], shares, color="0.75", edgecolor=BLACK, width=0.55)
panel.axhline(best, ls="--", color=ORANGE)
panel.annotate("with the true vectors", (-0.36, best - 0.055), color="0.3")
for i, share in enumerate(shares):
    panel.annotate(f"{share:.0%}", (i, share - 0.07), ha="center")
panel.set(xlabel="templates averaged", ylabel="mean recall of a class (1)", ylim=(0, 1.0))
panel.grid(axis="x", visible=False)
plt.show()

# %%
# What this page asserts
# ----------------------
# The scores of the discriminant are Bayes' rule, class by class (CLP-13); the catalogue's error
# .0599727 comes out; what was measured agrees with :math:`\Phi(-\Delta/2)` within six standard
# deviations; and averaging templates helps.

scores = x @ fitted.weights.T + fitted.biases
logs = jnp.stack([diffx.GaussianLaw(mean, cov).log_prob(x) for mean in means], -1)
np.testing.assert_allclose(jax.nn.log_softmax(scores), jax.nn.log_softmax(logs), atol=1e-10)
np.testing.assert_allclose(exact, 0.0599727, atol=5e-8)
assert np.all(np.abs(errors - predicted) < 6 * np.sqrt(predicted / (2 * count)))
assert right_share(fitted) > right_share(rounded) + 0.05
assert shares[0] < shares[2] < shares[3] <= best + 0.02
