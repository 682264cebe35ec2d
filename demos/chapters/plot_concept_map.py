r"""
A map of the space
==================

*Chapter 4. Put a hat on many people: does every picture's vector move the same way?*

If a hat is a direction :math:`h` of the space, then v(man with hat) - v(man) is :math:`h` for every
man. Here this is looked at directly: the same people with and without a hat, drawn by ``miniworld``
and read by the encoder that ships with diffx. All of them have beards, and training never showed
headwear together with a beard.
"""

# %%
# The hat arrows
# --------------
# A plane through 512 dimensions. Nobody chose it: it is spanned by the two directions along which
# the vectors of these pictures vary most (principal components). Each arrow goes from a person
# without to the same person with a hat.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, begin, by_mode
from diffx.data.world import (
    HEADWEAR_WORDS,
    VOCABULARY,
    render_many,
    with_headwear,
    without_headwear,
)
from diffx.nn import report
from diffx.nn.weights import dual_encoder

begin()
count, drawn = by_mode(1024, 256), 80
people = report.draw_held_out(jax.random.key(4), count)
encoder = dual_encoder()
encode = nnx.jit(lambda encoder, pictures: encoder.encode_image(pictures))
plain = np.asarray(encode(encoder, render_many(without_headwear(people))))
hatted = np.asarray(encode(encoder, render_many(with_headwear(people, "hat"))))
words = nnx.jit(lambda encoder: encoder.encode_text(jnp.arange(1, len(VOCABULARY))[:, None]))(
    encoder
)
words = np.asarray(words)

middle = np.concatenate([plain, hatted]).mean(0)
_, singular, rows = np.linalg.svd(np.concatenate([plain, hatted]) - middle, full_matrices=False)
hat = np.asarray(diffx.concepts.concept_direction(hatted, plain))
# a component has no sign: let hats go right and up
axes = rows[:2] * np.sign(rows[:2] @ hat)[:, None]
share = singular[:2] ** 2 / (singular**2).sum()
length = np.linalg.norm((hatted - plain).mean(0))

figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 5.0))
for i in range(drawn):
    ends = (plain[i] - middle) @ axes.T, (hatted[i] - middle) @ axes.T
    left.annotate(
        "",
        ends[1],
        ends[0],
        arrowprops={"arrowstyle": "->", "color": "0.65", "lw": 0.8, "shrinkA": 0, "shrinkB": 2},
    )
left.plot(
    *((plain[:drawn] - middle) @ axes.T).T,
    "o",
    mfc="white",
    color=BLACK,
    ms=5,
    label="without a hat",
)
left.plot(
    *((hatted[:drawn] - middle) @ axes.T).T, "^", color=ORANGE, mec=BLACK, ms=6, label="with a hat"
)
tail, head = (plain.mean(0) - middle) @ axes.T, (hatted.mean(0) - middle) @ axes.T
left.annotate(
    "",
    head,
    tail,
    arrowprops={"arrowstyle": "-|>", "color": BLACK, "lw": 3, "shrinkA": 0, "shrinkB": 0},
)
left.set_title(f"{drawn} people; thick: the mean of {count}")
left.legend(loc="lower left")

spread = (words - words.mean(0)) @ axes.T
others = ("portrait", "bald", "cars")
right.plot(*spread.T, ".", color="0.75", ms=4, label="all other words")
for names, marker, color in ((HEADWEAR_WORDS, "^", ORANGE), (others, "s", BLUE)):
    at = spread[[VOCABULARY.index(name) - 1 for name in names]]
    right.plot(*at.T, marker, color=color, mec=BLACK, ms=6)
    for name, place in zip(names, at, strict=True):
        # horns are beside it
        where, side = ((-5, -3), "right") if name == "helmet" else ((5, 3), "left")
        right.annotate(name, place, where, textcoords="offset points", fontsize=8, ha=side)
right.set_title("words on the same plane, from their mean")
for panel in (left, right):
    panel.set(
        xlabel=f"component 1 ({share[0]:.1%} of the pictures' variance)",
        ylabel=f"component 2 ({share[1]:.1%})",
    )
    panel.set_aspect("equal")
plt.show()
print(
    f"The mean hat difference is {length:.2f} long; {np.linalg.norm(axes @ hat):.2f} of its "
    "direction lies in this plane."
)

# %%
# The other large difference on this plane are the two clouds: portraits above on the left, whole
# figures below on the right. Across both the hat points the same way, and so does the *word* hat,
# as *portrait* points to the portraits. (Words are drawn from the mean of all words, since texts
# lie apart from pictures.) A turban, a cap and a beanie lie near the hat; a helmet, a crown and
# horns do not, on this plane.
#
# One vector?
# -----------
# The arrows look parallel on the whole, not one by one. In all 512 dimensions the same: left the
# cosine of every two hat differences, beside that of differences between two people. So a single
# pair is a noisy hat. But what disagrees from person to person averages out: if two differences
# have the cosine :math:`\rho`, the means of two groups of :math:`n` have nearly
# :math:`\rho / (\rho + (1 - \rho)/n)` (derived here, for differences of one length). CON-08 has the
# case where nothing disagrees.


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def pairwise(differences):
    """The cosines of every two of them."""
    return (unit(differences) @ unit(differences).T)[np.triu_indices(len(differences), 1)]


half = count // 2
hats, strangers = hatted - plain, plain[:half] - plain[half:]
cosines = {"with hat - without": pairwise(hats), "one person - another": pairwise(strangers)}
sizes = 2 ** np.arange(int(np.log2(half // 2)) + 1)


def agreement(differences, n):
    """The mean cosine of the means of two groups of n, over as many groups as there are."""
    groups = unit(
        differences[: len(differences) // (2 * n) * 2 * n]
        .reshape(-1, 2, n, differences.shape[1])
        .mean(2)
    )
    return (groups[:, 0] * groups[:, 1]).sum(-1).mean()


figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.6))
bins = np.linspace(-1, 1, 61)
for (name, values), fill, line in zip(cosines.items(), (ORANGE, "none"), ("-", "--"), strict=True):
    left.hist(
        values,
        bins,
        density=True,
        histtype="stepfilled",
        fc=fill,
        ec=BLACK,
        ls=line,
        lw=1.2,
        alpha=0.8,
        label=f"{name}:\nmean {abs(values.mean()):.2f}",
    )
left.set(
    xlabel="cosine of two differences (1)",
    ylabel="density (1)",
    ylim=(0, 3.6),
    title="single pairs: not one common vector",
)
left.legend(loc="upper left")
rho = cosines["with hat - without"].mean()
right.semilogx(
    sizes,
    rho / (rho + (1 - rho) / sizes),
    "-",
    color=BLACK,
    marker="",
    label=r"$\rho/(\rho + (1-\rho)/n)$",
)
for differences, marker, color, name in (
    (hats, "^", ORANGE, "hats"),
    (strangers, "o", GREY, "two people"),
):
    measured = [agreement(differences, n) for n in sizes if 2 * n <= len(differences)]
    right.semilogx(
        sizes[: len(measured)], measured, marker, ls="", color=color, mec=BLACK, ms=6, label=name
    )
right.set(
    xlabel="pairs in each mean, $n$",
    ylabel="cosine of two means (1)",
    title="their mean: one vector",
)
right.legend(loc="center right")
plt.show()

# %%
# What this page asserts
# ----------------------
# Two hat differences agree by about a half, two differences of people by nothing; the means of 32
# pairs agree to more than nine tenths; and of all words the mean difference is nearest to *hat*.

assert 0.3 < rho < 0.8 and abs(cosines["one person - another"].mean()) < 0.05
assert agreement(hats, 32) > 0.9
assert report.ranks(jnp.asarray(hat), jnp.asarray(words), report.row_of("hat"), centre=False) == 1
