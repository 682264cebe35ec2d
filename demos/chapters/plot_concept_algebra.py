r"""
The algebra of concepts
=======================

*Chapter 4. v(man with hat) - v(man) is nearly v(hat). Why should it be, and what bends it?*

A contrastive loss, trained to its end, gives a picture :math:`x` and a text :math:`z` the score

.. math:: \langle v(z), x\rangle = \operatorname{PMI}(x; z) = \log\frac{p(x, z)}{p(x)\,p(z)},

up to a constant (van den Oord et al. 2018, arXiv:1807.03748). So what the difference of two text
vectors means is settled before anything is trained: by how often things are seen together. On a
table of probabilities everything can be computed, and a "hat" is a hat on anybody exactly where the
table says so.
"""

# %%
# A table of pictures
# -------------------
# A picture here shows one of three bodies and one of three heads: nine pictures. A text says
# whether it is about a *man* and whether it is about a *hat*: four texts. ``pmi`` gives their
# scores.

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, RED, bare, begin

begin(float64=True)
texts = ("(nothing)", "hat", "man", "man, hat")
bodies, heads = ("cat", "child", "man"), ("bare", "cap", "hat")
of_body = np.array([[0.30, 0.20, 0.10], [0.02, 0.08, 0.30]])  # p(is it said "man"?, body)
of_head = np.array([[0.34, 0.12, 0.06], [0.04, 0.16, 0.28]])  # p(is it said "hat"?, head)
# who is said to wear what, together
habit = np.array([1.0, -1.0, 1.5])[:, None] * np.array([-1.0, 0.5, 1.0])


def joint(eps):
    """p(man?, hat?, picture) (2, 2, 9): independent halves at eps = 0, else 'man, hat' said of
    habitual pictures.
    """
    table = np.einsum("ax,by->abxy", of_body, of_head)
    table[1, 1] *= np.exp(eps * habit)
    return jnp.asarray((table / table.sum()).reshape(2, 2, 9))


scores = {eps: diffx.concepts.pmi(joint(eps)) for eps in (0.0, 1.0)}
edges = {eps: (s[1, 1] - s[1, 0], s[0, 1] - s[0, 0]) for eps, s in scores.items()}

figure, panels = plt.subplots(1, 2, figsize=(9.8, 3.9), sharey=True)
pictures = [f"{body}\n{head}" for body in bodies for head in heads]
for panel, (eps, (on_man, alone)) in zip(panels, edges.items(), strict=True):
    panel.plot(on_man, "o-", color=BLACK, label="v(man, hat) - v(man)")
    panel.plot(alone, "s--", color=ORANGE, mfc="white", ms=6.5, label="v(hat) - v(nothing)")
    panel.fill_between(range(9), on_man, alone, color=GREY, alpha=0.4, lw=0, label="the defect")
    panel.set(title="concepts independent" if eps == 0 else "men have hats of their own")
    panel.set_xticks(range(9), pictures, fontsize=8.5)
panels[0].set_ylabel("score of the picture (nats)")
figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# Left, the two concepts are independent, of each other and given the picture, and the two
# differences are one: adding *hat* to a text adds the same to all scores, whatever the text was
# (CON-02). Right, texts about men mention hats in other pictures than texts about nobody do.
#
# What bends it
# -------------
# How far apart the two differences are is an identity (CON-01):
#
# .. math::
#
#    \operatorname{PMI}(x; 11) - \operatorname{PMI}(x; 10) - \operatorname{PMI}(x; 01)
#    + \operatorname{PMI}(x; 00)
#    = \log\operatorname{OR}(z_1, z_2 \mid x) - \log\operatorname{OR}(z_1, z_2).
#
# Analogy is independence: the odds ratio of the two words in each picture against that over all
# pictures. Where the words are independent given the picture, but not in the mean of all pictures,
# every score is shifted by one number, which no ranking sees.
#
# The singular value decomposition of the table gives vectors whose products are these scores to the
# last digit, so that what holds for rows of the table holds for vectors (CON-03). Here they are,
# seen along their two largest directions.

unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.6), width_ratios=[1, 1, 1.15])
for panel, eps in zip(panels, (0.0, 1.0), strict=False):
    vectors = diffx.concepts.pmi_embeddings(scores[eps].reshape(4, 9), dim=4).texts
    seen = vectors - vectors.mean(0)
    flat = np.asarray(seen @ np.linalg.svd(seen)[2][:2].T)
    panel.set(
        title=(
            f"$\\epsilon$ = {eps:g}: cosine "
            f"{float(diffx.concepts.analogy_cosine(vectors.reshape(2, 2, 4))):.4f}"
        )
    )
    bare(panel)
    for start, end, color, line in (
        (2, 3, BLACK, "-"),
        (0, 1, ORANGE, "--"),
        (0, 2, GREY, ":"),
        (1, 3, GREY, ":"),
    ):
        arrow = {
            "arrowstyle": "-|>",
            "color": color,
            "ls": line,
            "lw": 1.8,
            "shrinkA": 3,
            "shrinkB": 3,
        }
        panel.annotate("", flat[end], flat[start], arrowprops=arrow)
    reach = 1.6 * np.abs(flat).max()
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach))
    for point, name in zip(flat, texts, strict=True):
        panel.plot(*point, "o", color=BLACK)
        side = (
            "center" if abs(point[0]) < 0.5 * abs(point[1]) else "left" if point[0] > 0 else "right"
        )
        # outside, where no arrow goes
        panel.annotate(name, point + 0.11 * reach * unit(point), ha=side, va="center")

strengths = np.linspace(0, 2.5, 26)
cosines, predicted = [], []
for eps in strengths:
    table = joint(eps)
    rows = diffx.concepts.pmi(table)
    cosines.append(
        diffx.concepts.analogy_cosine(
            diffx.concepts.pmi_embeddings(rows.reshape(4, 9), dim=4).texts.reshape(2, 2, 4)
        )
    )
    a, b = (float(jnp.linalg.norm(rows[i, 1] - rows[i, 0])) for i in (1, 0))
    third = float(
        (
            (diffx.concepts.log_odds_ratio(table) - diffx.concepts.log_odds_ratio(table.sum(-1)))
            ** 2
        ).sum()
    )
    predicted.append((a**2 + b**2 - third) / (2 * a * b))
panels[2].plot(strengths, cosines, "-", marker="", color=BLACK, label="of the vectors")
panels[2].plot(
    strengths, predicted, ls="", marker="o", markevery=3, color=BLUE, label="from log odds ratios"
)
panels[2].set(
    xlabel=r"interaction $\epsilon$ (1)", ylabel="cosine of the two hats (1)", ylim=(None, 1.03)
)
panels[2].legend()
plt.show()

# %%
# Finding the word
# ----------------
# In a picture model the difference is taken between *pictures*, and the words are ranked by their
# cosine with it. One pair keeps something of the person, many pairs average it out (CON-08). In 512
# dimensions, with unit vectors that are a person plus headwear, and a vocabulary of 200 words,
# headwear words sharing a part:

rng = np.random.default_rng(0)
vocabulary = unit(rng.standard_normal((200, 512)))
common = unit(rng.standard_normal(512))
names = ["hat", "cap", "helmet", "crown"] + [f"word {i}" for i in range(4, 200)]
for i, share in enumerate((0.9, 0.75, 0.65, 0.5)):
    vocabulary[i] = share * common + np.sqrt(1 - share**2) * vocabulary[i]
people = unit(rng.standard_normal((256, 512)))
noise = lambda: 1.1 * unit(rng.standard_normal((256, 512)))
with_, without = people + 0.7 * vocabulary[0] + noise(), people + noise()

figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.1), sharex=True)
cases = {
    "one pair": (with_[:1], without[:1]),
    "the mean of 256 pairs": (with_, without),
    "control: no hat in either": (people + noise(), without),
}
tops = {}
for panel, (title, pair) in zip(panels, cases.items(), strict=True):
    ranking = diffx.concepts.rank_words(
        diffx.concepts.concept_direction(*map(jnp.asarray, pair)), jnp.asarray(vocabulary)
    )
    best = np.asarray(ranking.order[:6])
    tops[title] = [names[i] for i in best]
    colors = [RED if i == 0 else "0.45" if i < 4 else "0.85" for i in best]
    panel.barh(range(6), np.asarray(ranking.scores)[best], color=colors, edgecolor=BLACK, lw=0.6)
    panel.set_yticks(range(6), tops[title])
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.set(title=title, xlabel="cosine (1)")
plt.show()

# %%
# These vectors were made by hand: the page shows what the algebra can do where its premises hold,
# not that a trained model has them.
#
# What this page asserts
# ----------------------
# Without interaction the parallelogram closes to rounding (CON-02, CON-03); with it the defect is
# the gap of log odds ratios (CON-01), and the cosine falls as that predicts (CON-04); many pairs
# find the word and its kin, the control does not (CON-08).

np.testing.assert_allclose(diffx.concepts.parallelogram_defect(scores[0.0]), 0, atol=1e-14)
gap = diffx.concepts.log_odds_ratio(joint(1.0)) - diffx.concepts.log_odds_ratio(joint(1.0).sum(-1))
np.testing.assert_allclose(diffx.concepts.parallelogram_defect(scores[1.0]), gap, atol=1e-13)
np.testing.assert_allclose(cosines, predicted, atol=1e-12)
assert cosines[0] > 1 - 1e-12 and np.all(np.diff(cosines) < 0)
assert (
    tops["the mean of 256 pairs"][:4] == names[:4]
    and "hat" not in tops["control: no hat in either"]
)
