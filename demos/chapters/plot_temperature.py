r"""
What the temperature does
=========================

*Chapter 2. A contrastive loss multiplies its cosines by a scale, one over the temperature, and
learns it. What is learnt?*

The scores of a contrastive loss are :math:`s\,\cos(x_i, y_j)`, with a learnt scale :math:`s`. It
sets how much attention near misses get, and what it converges to is a property of the data: if the
captions of a picture :math:`x` scatter around it like a von Mises-Fisher law,
:math:`p(y \mid x) \propto \exp(\kappa \cos(x, y))`, the scale that costs least is :math:`\kappa`,
exactly, for every batch size.
"""

# %%
# Who is pushed away
# ------------------
# The text of a picture is at angle 0, and 63 other texts are spread evenly over the circle. The
# weight of each in the gradient is its probability under the softmax: the share of the push that it
# gets.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, DASHES, GREY, MARKERS, ORANGE, begin, by_mode

begin(float64=True)
colors = (BLACK, ORANGE, BLUE, GREY)


def circle(n):
    angles = 2 * jnp.pi * jnp.arange(n) / n
    return jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1)


count = 64
points = circle(count)
degrees = np.rad2deg(2 * np.pi * np.arange(count) / count)
degrees = np.where(degrees > 180, degrees - 360, degrees)
order = np.argsort(degrees)


@jax.jit
def push(scale):
    """Shares of the push on the first picture: minus the derivative of the loss in its row of
    scores, its own text left out.
    """
    slopes = jax.grad(diffx.contrast.info_nce)(scale * points @ points.T)[0].at[0].set(0)
    return slopes / slopes.sum()


figure, panel = plt.subplots(figsize=(8.6, 4.2))
for scale, color, dash, mark in zip((1.0, 10.0, 100.0), colors, DASHES, MARKERS, strict=False):
    share = 100 * np.asarray(push(scale))
    shown = order[np.abs(degrees[order]) > 0]
    panel.plot(
        degrees[shown],
        share[shown],
        ls=dash,
        marker=mark,
        ms=3.5,
        color=color,
        label=f"scale {scale:g}",
    )
panel.axvline(0, color="0.6", lw=0.8, ls=":", zorder=0)
panel.annotate("its own text", (3, 47), color="0.35")
panel.set(
    xlabel="angle of a wrong text to the picture (degrees)",
    ylabel="share of the push (%)",
    ylim=(0, 52),
)
panel.set(xticks=np.arange(-180, 181, 60))
panel.legend()
plt.show()

# %%
# At scale 1 even the farthest text is pushed. At 100, CLIP's cap, the two nearest get four fifths:
# only near misses teach.
#
# The scale that the data wants
# -----------------------------
# Now captions that scatter. Pictures and texts are 8 points of a circle, and
# :math:`p(y \mid x) \propto \exp(\kappa\cos)`. All batches of two pairs can be listed with their
# probabilities, so this is the expected loss itself.

side = 8
ring = circle(side)
pairs = np.array([(x, y) for x in range(side) for y in range(side)])
first, second = (
    index.ravel() for index in np.meshgrid(np.arange(side**2), np.arange(side**2), indexing="ij")
)
pictures, texts = (
    jnp.stack([ring[pairs[first, k]], ring[pairs[second, k]]], axis=1) for k in (0, 1)
)


def expected_loss(log_scale, kappa):
    joint = jax.nn.softmax(kappa * (ring @ ring.T).ravel())
    losses = jax.vmap(lambda a, b: diffx.clip_loss(a, b, log_scale=log_scale))(pictures, texts)
    return joint[first] * joint[second] @ losses


loss_and_slope = jax.jit(jax.vmap(jax.value_and_grad(expected_loss), (0, None)))
kappas = (1.0, 3.0, 10.0)
scales = np.geomspace(0.1, 100, by_mode(121, 61))
curves = {kappa: np.asarray(loss_and_slope(jnp.log(scales), kappa)[0]) for kappa in kappas}

figure, panel = plt.subplots(figsize=(8.6, 4.4))
for (kappa, losses), color, dash, mark in zip(
    curves.items(), colors, DASHES, MARKERS, strict=False
):
    panel.plot(scales, losses, ls=dash, marker="", color=color, label=rf"$\kappa$ = {kappa:g}")
    least = loss_and_slope(jnp.log(jnp.array([kappa])), kappa)[0]
    panel.plot([kappa], least, ls="", marker=mark, ms=9, color=color)
panel.axhline(np.log(2), color="0.6", lw=0.9, ls=":")
panel.annotate(r"guessing: $\log 2$", (30, np.log(2) + 0.02), color="0.35")
panel.set(
    xscale="log", xlabel="scale = 1/temperature (1)", ylabel="expected loss (nats)", ylim=(0, 1.25)
)
panel.legend(title="concentration of the captions", loc="upper left")
panel.set_title(r"marked: scale = $\kappa$, the lowest point of each curve", loc="left")
plt.show()

# %%
# Both sides of the minimum cost: a scale that is too small does not believe its eyes, one that is
# too large is sure of what chance decides. The best scores are pointwise mutual information plus a
# constant, and here that is :math:`\kappa\cos`: hence :math:`s = \kappa` to the last digit. A scale
# that runs into its cap of 100 says that the captions of the training set are seldom confused.
#
# Learning it, and the cap
# ------------------------
# Gradient descent on :math:`\log s` from CLIP's start, 1/0.07, for captions of :math:`\kappa = 3`.
# And once more from 150, with a cap of 100: put on the parameter after each step it lets the scale
# come back; put inside the loss it has derivative 0, and nothing ever moves.


def inside(log_scale, kappa):
    return expected_loss(diffx.contrast.clamp_log_scale(log_scale), kappa)


def descent(loss, project, start, steps):
    """The scale after each step; the gradient is cut at 0.25, as training recipes do."""

    def step(log_scale, _):
        log_scale = project(log_scale - jnp.clip(jax.grad(loss)(log_scale, 3.0), -0.25, 0.25))
        return log_scale, jnp.exp(log_scale)

    return jnp.concatenate(
        [jnp.array([start]), jax.lax.scan(step, jnp.log(start), None, length=steps)[1]]
    )


steps = by_mode(60, 40)
runs = {
    "from 1/0.07": jax.jit(
        lambda: descent(expected_loss, diffx.contrast.clamp_log_scale, 1 / 0.07, steps)
    )(),
    "from 150, capped after the step": jax.jit(
        lambda: descent(expected_loss, diffx.contrast.clamp_log_scale, 150.0, steps)
    )(),
    "from 150, capped inside the loss": jax.jit(
        lambda: descent(inside, lambda l: l, 150.0, steps)
    )(),
}

figure, panel = plt.subplots(figsize=(8.6, 4.2))
for (label, scale), color, dash, mark in zip(runs.items(), colors, DASHES, MARKERS, strict=False):
    panel.plot(scale, ls=dash, marker=mark, markevery=5, color=color, label=label)
panel.axhline(3, color="0.6", lw=0.9, ls=":")
panel.annotate(r"$\kappa$ = 3", (steps * 0.93, 3.25), color="0.35")
panel.set(
    yscale="log",
    xlabel="step",
    ylabel="scale (1)",
    ylim=(2, 400),
    yticks=[3, 10, 30, 100],
    yticklabels=[3, 10, 30, 100],
)
panel.minorticks_off()
panel.legend(loc="center right")
plt.show()

# %%
# What this page asserts
# ----------------------
# The expected loss is stationary at :math:`s = \kappa` and higher elsewhere (CLP-09); descent
# arrives there; a clamp in the forward pass traps the scale, a projection does not (CLP-04); and
# the gradient's weights are those of the softmax (CLP-02).

for kappa, losses in curves.items():
    least, slope = loss_and_slope(jnp.log(jnp.array([kappa])), kappa)
    assert abs(slope[0]) < 1e-12 and losses.min() > least[0] - 1e-12
free, capped, trapped = (np.asarray(run) for run in runs.values())
np.testing.assert_allclose([free[-1], capped[-1]], 3, rtol=by_mode(1e-3, 1e-2))
assert (trapped[1:] == trapped[1]).all() and (capped[1:] < 100.001).all()
assert (
    0.75 < float(push(100.0)[jnp.array([1, count - 1])].sum()) <= 1
    and float(push(1.0).max()) < 0.05
)
