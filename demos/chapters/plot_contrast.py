r"""
Two encoders, one space
=======================

*Chapters 2 and 3. A picture and its caption become two vectors of length 512. What makes them
meet?*

One network reads pictures, another reads sentences, and both answer with a unit vector of
:math:`\mathbb R^{512}`. At first the two know nothing of each other. Then they are shown :math:`N`
pictures with their captions at a time, and one thing is asked of them: that among all :math:`N^2`
cosines those of the :math:`N` true pairs be the largest of their row and of their column.
``clip_loss`` says how far they are from it, in nats:

.. math::

   \mathcal L = -\frac1{2N}\sum_i \left(
   \log\frac{e^{s\,x_i\cdot y_i}}{\sum_j e^{s\,x_i\cdot y_j}}
   + \log\frac{e^{s\,x_i\cdot y_i}}{\sum_j e^{s\,x_j\cdot y_i}}\right).

Who knows nothing pays :math:`\log N` (CLP-01). The scale :math:`s` is learned too.
"""

# %%
# Pictures that no training showed
# --------------------------------
# These people are drawn by ``miniworld``. Training never shows headwear together with a beard; the
# split "test" shows nothing else. Of many captions those are kept that say most, for "a man" would
# be true of half of all pictures.

import textwrap

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

import diffx
from demos.chapters._settings import BLACK, ORANGE, bare, begin
from diffx.data import miniworld
from diffx.nn import DualEncoder
from diffx.nn.weights import dual_encoder

begin()
count, shown = 256, 12
world = miniworld(4 * count, split="test")
chosen = jnp.argsort(-(world.tokens > 0).sum(1))[:count]  # the longest captions
pictures, tokens = world.images[chosen], world.tokens[chosen]
captions = [world.captions[i] for i in np.asarray(chosen)]

figure, panels = plt.subplots(1, 6, figsize=(9.8, 2.6))
for panel, picture, caption in zip(panels, pictures, captions, strict=False):
    bare(panel)
    panel.imshow((picture + 1) / 2)
    panel.set_xlabel("\n".join(textwrap.wrap(caption, 22)), fontsize=8)
plt.show()

# %%
# Before and after
# ----------------
# The cosine of every caption with every picture. Left: the same two networks with the random
# numbers that they begin with. Right: the weights that ship with diffx. One scale of greys for
# both.

after = dual_encoder()
before = DualEncoder(**after.architecture(), rngs=nnx.Rngs(0))
encode = nnx.jit(lambda encoder: (encoder.encode_image(pictures), encoder.encode_text(tokens)))
vectors = {"before training": encode(before), "after training": encode(after)}
cosines = {name: np.asarray(texts @ images.T) for name, (images, texts) in vectors.items()}

largest = max(np.abs(table[:shown, :shown]).max() for table in cosines.values())
figure, panels = plt.subplots(1, 2, figsize=(11, 5.2))
for panel, (name, table) in zip(panels, cosines.items(), strict=True):
    drawn = panel.imshow(table[:shown, :shown], vmin=-largest, vmax=largest)
    for i in range(shown):
        panel.imshow((pictures[i] + 1) / 2, extent=(i - 0.46, i + 0.46, -0.65, -1.57))
    panel.set(xlim=(-0.5, shown - 0.5), ylim=(shown - 0.5, -1.6), title=name)
    panel.set(xticks=[], yticks=range(shown), yticklabels=[])
    panel.tick_params(length=0)
    panel.grid(False)
    panel.spines[:].set_visible(False)
panels[0].set_yticklabels(
    ["\n".join(textwrap.wrap(caption, 46)) for caption in captions[:shown]], fontsize=7.5
)
figure.colorbar(drawn, ax=panels, label="cosine (1)", shrink=0.8, pad=0.01)
plt.show()

# %%
# After training the diagonal is dark: each caption has found its picture. But it is far from 1. The
# loss never asked for that; it sees only differences, times :math:`s`, which training has driven up
# to 100, where the recipe holds it.
#
# What the loss says
# ------------------
# The same in numbers, for 256 pictures. R@1 is the share of pictures that put their own caption
# first, and of captions that put their own picture first. Ties count against the model (CON-07):
# one that answers the same to everything has 0.

scales = {"before training": before.log_scale[...], "after training": after.log_scale[...]}
loss = {name: float(diffx.clip_loss(*vectors[name], log_scale=scales[name])) for name in vectors}
found = {name: diffx.concepts.retrieval_metrics(*pair) for name, pair in vectors.items()}
first = {
    name: [float(way.recall_at_1) for way in (metrics.image_to_text, metrics.text_to_image)]
    for name, metrics in found.items()
}

figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 2.7), width_ratios=(1, 1.4))
names, fills = list(vectors), ("white", "0.7")
bars = left.barh(names, list(loss.values()), color=fills, edgecolor=BLACK, height=0.55)
left.bar_label(bars, fmt="%.2f", label_type="center")
left.axvline(np.log(count), ls="--", color=ORANGE)
left.annotate(
    f"log {count} = {np.log(count):.2f}",
    (np.log(count) - 0.12, 1.0),
    color="0.3",
    ha="right",
    va="center",
)
left.set(xlabel=f"loss of {count} pairs (nats)", ylim=(1.5, -0.5))
for i, (name, fill) in enumerate(zip(names, fills, strict=True)):
    bars = right.bar(
        np.arange(2) + 0.36 * (i - 0.5), first[name], 0.34, color=fill, edgecolor=BLACK, label=name
    )
    right.bar_label(bars, fmt="{:.1%}", fontsize=9, padding=1)
right.set(
    xticks=[0, 1],
    xticklabels=["picture finds caption", "caption finds picture"],
    ylabel="R@1 (1)",
    ylim=(0, 1.1),
)
right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
for panel, axis in ((left, "y"), (right, "x")):
    panel.grid(axis=axis, visible=False)
plt.show()

# %%
# What this page asserts
# ----------------------
# Untrained the loss is :math:`\log N` up to a quarter of a nat (CLP-07 says what it is for vectors
# that are truly random), and guessing finds one in 256. Trained, most pairs find each other, with
# cosines that are far below 1.

assert abs(loss["before training"] - np.log(count)) < 0.25 and max(first["before training"]) < 0.03
assert loss["after training"] < 0.4 * np.log(count) and min(first["after training"]) > 0.6
own, mean = np.diag(cosines["after training"]).mean(), cosines["after training"].mean()
assert mean + 0.15 < own < 0.5, "the cosines of the pairs are small, the differences are not"
