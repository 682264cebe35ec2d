r"""
Guidance
========

*Chapters 10 and 11. Result = unconditional + scale (conditional - unconditional). What does that
do, exactly?*

A model that knows the caption :math:`c` gives :math:`D_c(x, t)`, and without caption
:math:`D_u(x, t)`. Guidance goes on past the first, in the direction in which the caption changed
the mind:

.. math:: D_w(x, t) = D_u(x, t) + w\,\left(D_c(x, t) - D_u(x, t)\right).

Here :math:`w = 0` is unconditional, :math:`w = 1` conditional. (Papers that write
:math:`(1 + w')D_c - w' D_u` mean :math:`w = 1 + w'`.) With two Gaussians everything about it can be
computed.
"""

# %%
# Three fields
# ------------
# All pictures are the wide cloud, those with the caption the narrow one. An arrow points from
# :math:`x` to the guess of the clean picture.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, bare, begin, by_mode

begin(float64=True)
process = diffx.VP()
everything = diffx.GaussianLaw(jnp.zeros(2), jnp.array([2.0, 1.0]))
captioned = diffx.GaussianLaw(jnp.array([1.5, 0.5]), jnp.array([0.5, 0.4]))
uncond, cond = (diffx.denoiser(process, law) for law in (everything, captioned))


def at(law):
    return float(law.mean[0]), float(law.mean[1])


def ellipse(panel, law, color, line, label):
    """The region within two standard deviations."""
    values, vectors = np.linalg.eigh(np.asarray(law.cov if law.cov.ndim == 2 else np.diag(law.cov)))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    size = 4 * np.sqrt(values)
    panel.add_patch(
        Ellipse(
            at(law), size[1], size[0], angle=angle, fill=False, ec=color, ls=line, lw=2, label=label
        )
    )


t = process.time_of_log_snr(jnp.asarray(0.0))  # as much noise as signal
axis = jnp.linspace(-3.4, 3.4, 12)
mesh = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.7))
titles = ["unconditional, $w = 0$", "conditional, $w = 1$", "guided, $w = 3$"]
for panel, w, title in zip(panels, (0.0, 1.0, 3.0), titles, strict=True):
    bare(panel)
    way = diffx.guide(cond, uncond, w=w)(mesh, t) - mesh
    way = way / jnp.linalg.norm(way, axis=-1, keepdims=True)
    panel.quiver(*mesh.T, *way.T, scale=19, width=0.006, color="black")
    ellipse(panel, everything, GREY, "--", "everything")
    ellipse(panel, captioned, ORANGE, "-", "with the caption")
    panel.set(title=title, xlim=(-4, 4), ylim=(-4, 4))
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# The arrows of :math:`w = 3` do not meet at the middle of the captioned cloud but beyond it, on the
# side that is farthest from all the rest.
#
# The scale swept
# ---------------
# What comes out of DDIM at each :math:`w`? A guided denoiser of two Gaussians is affine:
# ``exact_law`` answers.

steps = by_mode(200, 60)
ts = diffx.grids.equal_angle(process, steps)
start = diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2))


@jax.jit
def output(w, cond, uncond):
    return diffx.exact_law(diffx.ddim(process, diffx.guide(cond, uncond, w=w)), start, ts)


weights = jnp.linspace(0.0, 8.0, 33)
laws = jax.vmap(output, (0, None, None))(weights, cond, uncond)
product = lambda a, b: a**weights * b ** (1 - weights)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.8, 3.4))
for w, line, color in ((1, "-", ORANGE), (2, "-.", BLUE), (4, ":", BLACK)):
    i = int(np.argmin(np.abs(weights - w)))
    ellipse(left, diffx.GaussianLaw(laws.mean[i], jnp.diag(laws.cov[i])), color, line, f"$w$ = {w}")
ellipse(left, everything, GREY, "--", "everything")
left.set(xlim=(-3.1, 3.4), ylim=(-4.4, 2.2), title="what DDIM samples")
bare(left)
left.legend(loc="lower center", fontsize=9, ncols=2)
middle.plot(weights, laws.mean[:, 0], "-", marker="", color="black")
middle.axhline(1.5, ls="--", color=ORANGE, lw=1.2)
middle.annotate("with the caption: 1.5", (3.1, 1.62), color="0.3")
middle.set(
    xlabel="guidance weight $w$ (1)", ylabel="mean (data units)", title="the mean overshoots"
)
right.semilogy(weights, laws.cov[:, 0, 0], "-", marker="", color="black", label="DDIM, exact")
right.semilogy(
    weights,
    product(0.5, 2.0),
    ls="",
    marker="o",
    markevery=4,
    color=ORANGE,
    label=r"$L_c^w\,L_u^{1-w}$",
)
right.semilogy(
    weights,
    1 / (weights / 0.5 + (1 - weights) / 2.0),
    ls=":",
    marker="",
    color=BLUE,
    label="of $p_c^w p_u^{1-w}$",
)
right.set(
    xlabel="guidance weight $w$ (1)",
    ylabel="variance (squared data units)",
    title="and the variety dies",
)
right.legend(fontsize=8.5)
plt.show()

# %%
# Guidance is often explained as sampling from :math:`p_c(x)^w\, p_u(x)^{1-w}`. At one noise level
# that is what its score says (CFG-01); of what comes out it is false: the samples are far narrower
# than that density (dotted), by the geometric instead of the harmonic mean of the two variances
# (Bradley and Nakkiran 2024, arXiv:2408.09000). More of the caption, less of everything else.
#
# A negative prompt
# -----------------
# To steer *away* from something, put it in place of the unconditional branch. For clouds of one
# shape the answer is simple (CFG-06, CFG-09): the shape stays, and the mean goes to
# :math:`\mu_n + w\,(\mu_c - \mu_n)`, away from the unwanted :math:`\mu_n`.

wanted = diffx.GaussianLaw(jnp.array([1.0, 1.0]), jnp.array([0.5, 0.5]))
unwanted = diffx.GaussianLaw(jnp.array([1.0, -1.0]), jnp.array([0.5, 0.5]))
uncaptioned = diffx.GaussianLaw(jnp.array([-0.5, 0.0]), jnp.array([0.5, 0.5]))
yes, no, none = (diffx.denoiser(process, law) for law in (wanted, unwanted, uncaptioned))
w = 2.0
steered = output(w, yes, no)
plain = output(w, yes, none)

figure, panel = plt.subplots(figsize=(8.6, 4.4))
bare(panel)
for law, color, line, label in (
    (wanted, ORANGE, "-", "wanted"),
    (unwanted, BLUE, "--", "unwanted"),
    (uncaptioned, GREY, ":", "no caption"),
    (plain, BLACK, "-.", "guided from no caption, $w$ = 2"),
    (steered, BLACK, "-", "guided from the unwanted, $w$ = 2"),
):
    ellipse(panel, law, color, line, label)
    panel.plot(*law.mean, "+", color=color, ms=9, mew=1.5)
panel.annotate("", at(wanted), at(unwanted), arrowprops={"arrowstyle": "->", "color": "0.4"})
panel.annotate("", at(steered), at(wanted), arrowprops={"arrowstyle": "->", "color": "0.4"})
panel.set(xlim=(-2.2, 4.2), ylim=(-2.6, 4.6))
figure.legend(loc="outside right center")
plt.show()

# %%
# What this page asserts
# ----------------------
# One shape: the mean is the extrapolation and the covariance stays that of an unguided run. Two
# shapes: the variance follows :math:`L_c^w L_u^{1-w}` (up to the steps) and not the product
# density; and :math:`w = 1` is the conditional model.

# N(0, I) at the start ignores that alpha(1) is not 0 but 0.0066
np.testing.assert_allclose(
    steered.mean, unwanted.mean + w * (wanted.mean - unwanted.mean), atol=0.03
)
np.testing.assert_allclose(steered.cov, output(0.0, yes, no).cov, atol=1e-12)
np.testing.assert_allclose(laws.cov[:, 0, 0], product(0.5, 2.0), rtol=by_mode(0.2, 0.6))
assert laws.cov[12, 0, 0] < 0.6 / (3 / 0.5 - 2 / 2.0), (
    "at w = 3 far narrower than the product density"
)
np.testing.assert_allclose(laws.mean[4], captioned.mean, atol=0.03)
