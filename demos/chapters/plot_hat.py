r"""
The hat
=======

*Chapter 4. A man with a hat, minus the same man without one: which word is the difference nearest
to?*

A network learnt to match pictures with captions, and no more than that. Take the vectors of two
pictures that differ in a hat, subtract, and rank a few hundred words by the cosine with what is
left. In the lecture, with OpenAI's CLIP, *hat* comes first among 198 words, then *cap* and
*helmet*. One pair of pictures, one list: is it luck? Here the same question is asked of a small
network, of hundreds of pairs that it cannot know, and of five controls.

The weights ship with diffx. The pictures are drawn by ``diffx.data.world``, and so every word is
true or false of each of them, by construction.
"""

# %%
# Men who were never seen with a hat
# ----------------------------------
# Training showed beards and it showed headwear, but never a bearded man with headwear. All pairs
# here are just that: if *hat* is found, it was not remembered.

import json

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

import diffx
from demos.chapters._settings import bare, begin, by_mode
from demos.chapters.hat_experiment import (
    CHANCE,
    OTHERS,
    RESULTS,
    SCENES,
    judge_of,
    of_random_pairs,
    others,
)
from diffx.contrast import normalise
from diffx.data.world import HEADWEAR_WORDS, render, with_headwear, without_headwear
from diffx.nn import report

begin()
count = by_mode(256, 64)
judge = judge_of(None, "none")  # the shipped weights
men, strangers = (report.draw_held_out(jax.random.key(seed), count) for seed in (SCENES, OTHERS))
bald, hats = judge.see(without_headwear(men)), judge.see(with_headwear(men, "hat"))
direction = diffx.concepts.concept_direction(hats, bald)
found = report.first_words(direction, judge.words, 8)

# cited: ViT-B/32, 198 words
LECTURE = {
    "hat": 0.165,
    "cap": 0.113,
    "helmet": 0.106,
    "the next one": 0.061,
}


def look(word):
    """Black: the word asked for. Hatched: other headwear. White: anything else."""
    if word == "hat":
        return {"facecolor": "black"}
    return (
        {"facecolor": "0.8", "hatch": "////"} if word in HEADWEAR_WORDS else {"facecolor": "white"}
    )


def bars(panel, cosines, **changes):
    for row, (word, cosine) in enumerate(cosines.items()):
        panel.barh(row, cosine, edgecolor="black", lw=0.8, **look(word) | changes)
    panel.set_yticks(range(len(cosines)), list(cosines))
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)


def key(figure):
    entries = {"hat": "hat", "other headwear": "cap", "any other word": ""}
    patches = [
        Patch(edgecolor="black", label=label, **look(word)) for label, word in entries.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, handleheight=1.1)


large = jax.jit(jax.vmap(lambda scene: render(scene, size=64)))
# portraits
shown = jax.tree.map(lambda leaf: leaf[np.flatnonzero(np.asarray(men.view) == 1)[:4]], men)
figure = plt.figure(figsize=(9.8, 4.1))
grid = figure.add_gridspec(2, 6, width_ratios=[1, 1, 1, 1, 1.9, 1.9])
for row, (scenes, name) in enumerate(
    ((without_headwear(shown), "without"), (with_headwear(shown, "hat"), "with a hat"))
):
    for column, picture in enumerate(np.asarray(large(scenes))):
        panel = figure.add_subplot(grid[row, column])
        panel.imshow(np.clip((picture + 1) / 2, 0, 1), interpolation="nearest")
        bare(panel)
        if column == 0:
            panel.set_ylabel(name)
panel = figure.add_subplot(grid[:, 4])
bars(panel, found)
panel.set(title=f"ours: {count} pairs, {len(judge.words)} words", xlabel="cosine (1)")
panel = figure.add_subplot(grid[:, 5])
bars(panel, LECTURE, facecolor="none", hatch="", ls="--")
panel.set(title="cited: CLIP, 198 words", xlabel="cosine (1)")
key(figure)
plt.show()

# %%
# The pictures are shown at 64 pixels; the network sees them at 32. Cosines of two networks are not
# on one scale (each has a temperature and a vocabulary of its own): what can be compared is the
# order.
#
# Five controls
# -------------
# The list is worth something only where it can fail. *No subtraction*: the mean of the pictures
# with a hat, nothing taken off. *Random pairs*: the difference of two men who both wear nothing.
# *Cap in a corner*: another network, trained on the same captions, but every cap is drawn as a bar
# in a corner of the picture and not on the head. *Captions shuffled*: another network, each picture
# with the caption of a different one. And each with *centred* text vectors too, the mean of all
# words taken off, which removes what every word shares.

kept = json.loads(RESULTS.read_text())
runs = kept["runs"]
partners = judge.see(without_headwear(strangers))
random = of_random_pairs(bald, partners, judge.words)
lists = {
    "pairs": (direction, None),
    "no subtraction": (normalise(hats).mean(0), None),
    "random pairs": ((normalise(bald) - normalise(partners)).mean(0), None),
    "cap in a corner": (None, runs["corner"]["words"]["hat"]),
    "captions shuffled": (None, runs["shuffled"]["words"]["hat"]),
}
tops = {}
figure, panels = plt.subplots(2, 5, figsize=(9.8, 5.4), sharex="row")
for row, centre in enumerate((False, True)):
    for panel, (title, (way, stored)) in zip(panels[row], lists.items(), strict=True):
        if stored is None:
            six = report.first_words(way, judge.words, 6, centre=centre)
        else:
            six = dict(list(stored["first ten centred" if centre else "first ten"].items())[:6])
        tops[title, centre] = list(six)
        bars(panel, six)
        panel.set(title=title if row == 0 else "", xlabel="cosine (1)" if row else "")
    panels[row, 0].set_ylabel("centred text vectors" if centre else "raw text vectors")
key(figure)
plt.show()

# %%
# With the cap in a corner *cap* is gone from the list of *hat*, although the captions are the same.
# Words are numbers here and have no spelling: what makes *cap* a neighbour of *hat* is the picture
# of it. Its own list has no headwear any more.
#
# Without subtraction *hat* is first too, but barely: the man comes with it, no other headwear
# follows, and with centred vectors it is lost among words that are true of every picture. Random
# pairs must name something, and they name places and things, once a crown; *hat* has a cosine there
# that is as often negative. Shuffled captions taught the network to give all texts one vector (raw
# cosines near 0); centring leaves only what distinguishes texts by chance.
#
# Every word, three seeds
# -----------------------
# The table is made from ``demos/chapters/hat_results.json``: 256 pairs for each of nine words, all
# words of the vocabulary ranked. Seed 0 is the network that ships; seeds 1 and 2 had half as many
# steps, and so had the two controls. *mean*: the rank of the word by the mean difference, raw and
# centred. *one*: the share of single pairs that put the word first, with its 95% interval. *bare*:
# the same without subtraction.

seeds = [name for name in runs if name.startswith("seed")]
print(
    " " * 9,
    *(
        f"{name + ', ' + format(runs[name]['provenance']['steps'], ',') + ' steps':34}"
        for name in seeds
    ),
)
print(" " * 9, *(f"{'mean':6}{'one':18}{'bare':10}" for _ in seeds))
for word in HEADWEAR_WORDS:
    cells = [runs[name]["words"][word] for name in seeds]
    line = [
        f"{c['rank']}, {c['rank centred']}  {c['top-1']:.2f} "
        f"({c['top-1 95%'][0]:.2f}-{c['top-1 95%'][1]:.2f})"
        f"  {c['top-1 without subtraction']:.2f}"
        for c in cells
    ]
    print(f"{word:9}", *(f"{cell:34}" for cell in line))
caps = {
    name: facts["words"]["hat"]["places of headwear, raw and centred"]["cap"]
    for name, facts in runs.items()
}
print(
    "place of cap in hat's list, raw and centred:",
    "; ".join(f"{name} {a}, {b}" for name, (a, b) in caps.items()),
)
for name, criteria in kept["criteria"].items():
    failed = [
        f"{what} ({entry['value']:.2f}, wanted {entry['wanted']})"
        for what, entry in criteria.items()
        if not entry["pass"]
    ]
    print(
        f"{name}: {len(criteria) - len(failed)} of {len(criteria)} criteria hold"
        + ("; not: " if failed else "")
        + "; ".join(failed)
    )

# %%
# The mean of many pairs is safe long before a single pair is: the order of the words is there after
# half of the training, when a single pair is right about three times in five. Only the network that
# ships meets what was asked of single pairs.
#
# What is real, and what is ours
# ------------------------------
# *Real* is the mechanism. The network was given pictures and captions, in which attributes come and
# go at random; nobody told it that there is a direction for hats, or that a hat is like a cap. Move
# the cap in the pictures, and the word moves; cut the tie of words and pictures, and nothing is
# left.
#
# *Ours* is the world. We drew it, by signed-distance functions, and we wrote the grammar of its
# captions. That hat, cap, beanie and turban sit on one place of the head and share a dome is our
# choice, and so it is our choice that they are near to each other in pixels; the network found it,
# we put it there. It did not find all of it: a helmet and horns are headwear too, and stand near
# the end of *hat*'s list, for what tells two kinds apart is learnt as well. Nothing here says how
# well CLIP knows the hats of the world: for that, see the cited figures, which are the lecture's
# own and were not measured again.
#
# What this page asserts
# ----------------------
# The mean difference ranks *hat* first, raw and centred, with at least three other kinds of
# headwear in the six; random pairs do not put it first more often than chance; the cap in the
# corner has left; shuffled captions know nothing; and what was found here agrees with the stored
# results. The algebra itself, on vectors where it is exact, is CON-08.

assert tops["pairs", False][0] == tops["pairs", True][0] == "hat"
assert others(found, "hat") >= 3
assert random["top-1 95%"][0] <= CHANCE
for centre in (False, True):
    assert (
        "cap" not in tops["cap in a corner", centre]
        and "hat" not in tops["captions shuffled", centre]
    )
low, high = runs["seed 0"]["words"]["hat"]["cosine 95%"]
assert low - 0.03 < found["hat"] < high + 0.03
