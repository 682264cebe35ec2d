r"""
The guided spiral
=================

*Chapters 9 to 11. A network is told which part of the spiral to draw. It listens, mostly; guidance
makes it listen.*

The lecture's spiral is cut into three classes: an inner, a middle and an outer stretch. The network
of `The spiral <plot_spiral.html>`_ is now told a label too, and in one example of ten it is told
nothing. That gives two fields in one network, which guidance can play against each other:

.. math:: D_w(x, t) = D_u(x, t) + w\,\left(D_c(x, t) - D_u(x, t)\right).

What :math:`w` does to two Gaussians is exact (`Guidance <plot_guidance.html>`_). Here it meets a
network that makes mistakes, beside the exact field of the same 100 points, which makes none.
"""

# %%
# Training with dropped labels
# ----------------------------
# Whatever the rate at which labels are dropped, the loss is least where the network answers each
# label with its conditional field and the missing label with the unconditional one (CFG-19). The
# lecture trains for 30,000 steps; a second network is stopped early, to make mistakes.

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from jax.tree_util import Partial
from scipy.stats import norm

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, bare, begin, by_mode
from diffx.data import spiral_classes
from diffx.nn import LabelledTimeMLP
from diffx.training import train

begin()
process = diffx.VE(0.01, 10.0)
data = spiral_classes(100)
points, labels = np.asarray(data.points), np.asarray(data.labels)
INNER, MIDDLE, OUTER, NONE = range(4)
network, untrained = nnx.split(LabelledTimeMLP(classes=3, rngs=nnx.Rngs(0)))


def predict_eps(params, label, x, t):
    return nnx.merge(network, params)(x, process.sigma(t), label)


def loss(data, params, key):
    for_levels, for_noise, for_labels = jax.random.split(key, 3)
    log_sigma = jax.random.uniform(
        for_levels, data.labels.shape, minval=np.log(0.01), maxval=np.log(10.0)
    )
    ts = process.time_of_log_snr(-2 * log_sigma)
    eps = jax.random.normal(for_noise, data.points.shape)
    told = diffx.guidance.drop_labels(for_labels, data.labels, null=NONE, rate=0.1)
    of_one = lambda x0, eps, t, label: diffx.losses.eps_loss(
        process, Partial(predict_eps, params, label), x0, eps, t
    )
    return jax.vmap(of_one)(data.points, eps, ts, told).mean()


def taught(steps):
    average = 1 - 20 / steps  # over the last twentieth of the steps
    return train(
        Partial(loss, data),
        untrained,
        optax.adamw(1e-3),
        steps=steps,
        key=jax.random.key(0),
        ema=average,
    ).ema


early_steps, all_steps = by_mode((2_000, 30_000), (1_000, 3_000))
early, late = taught(early_steps), taught(all_steps)

# %%
# Three fields
# ------------
# The exact field for a label is that of the points which carry it, and for no label that of all
# (DEN-06). So it is a function of a point, a time and a label, as the network is, and ``guide_net``
# takes either: it asks for both labels in one call.

likely = np.stack(
    [(labels == k) / (labels == k).sum() for k in range(3)] + [np.full(100, 0.01)]
).astype(np.float32)


def exact(x, t, label):
    return diffx.denoiser(process, diffx.PointSet(data.points, jnp.asarray(likely)[label]))(x, t)


def learned(params, x, t, label):
    return diffx.denoiser_of_eps(process, Partial(predict_eps, params, label))(x, t)


nets = {
    "exact": Partial(exact),
    "learned": Partial(learned, late),
    "stopped early": Partial(learned, early),
}


@jax.jit
def guess(net, cond, uncond, w, x, t):
    return diffx.guide_net(net, cond, uncond, w=w)(x, t)


def time_of(sigma):
    return process.time_of_log_snr(-2 * jnp.log(jnp.asarray(sigma)))


def dots(panel, label, **style):
    """The data: full circles for the class that is meant, open ones for the others."""
    meant = labels == label
    panel.scatter(*points[~meant].T, s=9, facecolors="none", edgecolors=GREY, lw=0.7, **style)
    panel.scatter(*points[meant].T, s=11, color=ORANGE, **style)
    bare(panel)


axis = np.linspace(-1.3, 1.3, 14, dtype=np.float32)
mesh = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
figure, rows = plt.subplots(2, 3, figsize=(9.2, 6.2))
ways = {}
for row, name in zip(rows, ("exact", "learned"), strict=True):
    for panel, w in zip(row, (0, 1, 3), strict=True):
        way = ways[name, w] = (
            np.asarray(guess(nets[name], MIDDLE, NONE, float(w), mesh, time_of(0.2))) - mesh
        )
        way = way / np.linalg.norm(way, axis=-1, keepdims=True)
        dots(panel, MIDDLE if w else None, zorder=3)
        panel.quiver(*mesh.T, *way.T, color="black", scale=19, width=0.006)
        said = {0: "told nothing, $w$ = 0", 1: "told the middle, $w$ = 1", 3: "guided, $w$ = 3"}[w]
        panel.set_title(f"{name}, {said}")
plt.show()

near = np.linalg.norm(mesh, axis=-1) < 1.2
off = {
    w: np.sqrt(((ways["exact", w] - ways["learned", w])[near] ** 2).sum(-1).mean())
    for w in (0, 1, 3)
}
print("rms distance of the learned guess from the exact one, |x| < 1.2, in data units:")
print(", ".join(f"{value:.3f} at w = {w}" for w, value in off.items()))

# %%
# The noise level is 0.2, where the classes part. Told nothing, an arrow points to what is near;
# told the middle stretch (full circles), to that; guided, past it, away from the rest. Guidance
# multiplies one error of the network by :math:`w`, another by :math:`1 - w`: from :math:`w = 1` to
# 3 the printed distance grows.
#
# What w = 1 misses
# -----------------
# :math:`w = 1` is the conditional field and no more (CFG-07). The exact one ends at points of its
# class, always (PTS-04; here up to the last noise level, 0.01). A network need not: a sample that
# ends nearer to another class is a desert without the tree.

t_grid = diffx.grids.uniform_log_snr(
    process, by_mode(50, 30), t_max=1.0, t_min=float(time_of(0.01))
)
start = process.sigma(1.0) * jax.random.normal(jax.random.key(5), (by_mode(400, 200), 2))
weights = np.array([1, 1.5, 2, 3, 4, 6, 8], np.float32)


@jax.jit
def swept(net, cond, uncond, weights):
    """Samples of DDIM under the guided field at each weight, shape (weights, n, 2)."""
    sampler = lambda w: diffx.ddim(process, diffx.guide_net(net, cond, uncond, w=w))
    return jax.vmap(lambda w: diffx.sample(sampler(w), None, start, t_grid)[0])(weights)


def nearest(x):
    """The number of the nearest data point and its distance."""
    distance = np.linalg.norm(x[:, None] - points, axis=-1)
    return distance.argmin(1), distance.min(1)


samples = {
    (name, k): np.asarray(swept(nets[name], k, NONE, weights)) for name in nets for k in range(3)
}


def over_classes(quantity, name):
    """The mean over the classes of quantity(samples, class), at each weight."""
    return np.array([[quantity(x, k) for x in samples[name, k]] for k in range(3)]).mean(0)


def miss(x, label):
    return 100 * (labels[nearest(x)[0]] != label).mean()


missed = {name: over_classes(miss, name) for name in nets}

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.8, 3.5), width_ratios=(1, 1, 1.15))
for panel, i in ((left, 0), (middle, 3)):
    x = samples["stopped early", MIDDLE][i]
    wrong = labels[nearest(x)[0]] != MIDDLE
    dots(panel, MIDDLE)
    panel.scatter(*x[~wrong].T, s=4, color=BLACK, label="nearest to the middle stretch")
    panel.scatter(*x[wrong].T, s=26, marker="x", color=BLUE, lw=1.2, label="nearer to another")
    panel.set(
        title=f"stopped early, $w$ = {weights[i]:g}: {wrong.mean():.0%} miss",
        xlim=(-1.25, 1.25),
        ylim=(-1.25, 1.25),
    )
figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=2)
for name, (color, line, marker) in {
    "stopped early": (BLUE, "-.", "^"),
    "learned": (BLACK, "-", "o"),
    "exact": (ORANGE, "--", "s"),
}.items():
    steps = {
        "stopped early": f"{early_steps:,} steps",
        "learned": f"{all_steps:,} steps",
        "exact": "exact field",
    }[name]
    right.plot(weights, missed[name], color=color, ls=line, marker=marker, label=steps)
right.set(
    xlabel="guidance weight $w$ (1)", ylabel="samples that miss their class (%)", ylim=(-0.3, None)
)
right.legend()
plt.show()

# %%
# The less a network has learned, the more it misses, and the more guidance mends, up to a point. A
# perfect network would need no mending: with the exact field :math:`w = 1` is already right.
#
# What w > 1 overshoots
# ---------------------
# The price is variety. Count how many different data points the samples end at: the exponential of
# the entropy of the nearest point's number, divided by the number of points in the class. And
# compare the spread with Gaussians of the same means and mean variances: there the guided flow
# samples :math:`L_c^w L_u^{1-w}`, the geometric mean (CFG-03), and not the harmonic one of
# :math:`p_c^w p_u^{1-w}`, whose score is the guided one at a single noise level only (CFG-01,
# CFG-13).


def variety(x, label):
    number, _ = nearest(x)
    share = np.bincount(number[labels[number] == label]) / (labels[number] == label).sum()
    share = share[share > 0]
    return 100 * np.exp(-(share * np.log(share)).sum()) / (labels == label).sum()


def gaussian(label):
    """Mean and mean variance of a class, or of all points."""
    chosen = points if label == NONE else points[labels == label]
    return diffx.GaussianLaw(jnp.asarray(chosen.mean(0)), jnp.full(2, chosen.var(0).mean()))


kept = {name: over_classes(variety, name) for name in ("learned", "exact")}
away = {
    name: over_classes(lambda x, k: np.median(nearest(x)[1]), name) for name in ("learned", "exact")
}
spread = {
    name: np.array([x.var(0).mean() for x in samples[name, INNER]]) for name in ("learned", "exact")
}
fine = np.linspace(1, 8, 33, dtype=np.float32)


def flow_law(process, cond, uncond, w):
    return diffx.guidance.guided_flow_law(process, cond, uncond, w=w)


# from pure noise, alpha(1) = 0: no trace of the data is left in the start
straight = diffx.RectifiedFlow()
flow_laws = jax.jit(jax.vmap(partial(flow_law, straight), (None, None, 0)))
inner, everything = gaussian(INNER), gaussian(NONE)
of_flow = flow_laws(inner, everything, fine).cov[:, 0]
of_tilt = jax.jit(jax.vmap(lambda w: diffx.guidance.tilted_law(inner, everything, w=w).cov[0]))(
    fine
)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.8, 3.4), width_ratios=(1, 1.1, 1.1))
dots(left, MIDDLE)
left.scatter(*samples["learned", MIDDLE][-1].T, s=5, color=BLACK)
left.set(title="told the middle, $w$ = 8", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
middle.plot(weights, kept["learned"], color=BLACK, label="learned")
middle.plot(weights, kept["exact"], color=ORANGE, ls="--", marker="s", label="exact field")
middle.set(
    xlabel="guidance weight $w$ (1)", ylabel="points reached (% of the class)", ylim=(0, 105)
)
middle.legend()
right.semilogy(weights, spread["learned"], color=BLACK, label="learned")
right.semilogy(weights, spread["exact"], color=ORANGE, ls="--", marker="s", label="exact field")
right.semilogy(fine, of_tilt, color=GREY, ls=":", marker="", label="Gaussian: $p_c^w p_u^{1-w}$")
right.semilogy(fine, of_flow, color=BLUE, ls="-.", marker="", label="Gaussian: $L_c^w L_u^{1-w}$")
right.set(
    xlabel="guidance weight $w$ (1)",
    ylabel="variance, inner class (squared data units)",
    ylim=(1e-8, 0.2),
)
right.legend(fontsize=8.5, loc="lower left")
plt.show()

# %%
# The typical sample does not leave the spiral, whatever :math:`w`: the samples crowd on a part of
# their class. The points are no Gaussian, and their spread is not the geometric mean; it falls
# slower than the tilted law's at first and faster in the end. The network, whose field is smooth,
# gives up its variety sooner than the exact one: of the inner class a single point is left.
#
# Negative prompts
# ----------------
# Ask for anything, and put an unwanted class in place of the unconditional branch:
# :math:`D_n + w\,(D_u - D_n)` (CFG-09). At :math:`w = 1` it does nothing; beyond, it steers away.
# First with the exact field; full circles are the unwanted class:

shifts = np.array([0, 0.5, 1, 1.5, 2, 3, 4], np.float32)
steered = {
    (name, n): np.asarray(swept(nets[name], NONE, n, shifts))
    for name in ("exact", "learned")
    for n in (INNER, OUTER)
}
figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.7))
for panel, (unwanted, i, reach) in zip(
    panels, ((OUTER, 2, 1.3), (OUTER, 5, 1.3), (INNER, 5, 3.2)), strict=True
):
    dots(panel, unwanted)
    panel.scatter(*steered["exact", unwanted][i].T, s=4, color=BLACK)
    called = "outer" if unwanted == OUTER else "inner"
    panel.set(
        title=f"anything but the {called}, $w$ = {shifts[i]:g}",
        xlim=(-reach, reach),
        ylim=(-reach, reach),
    )
plt.show()

share = {
    name: np.array([100 - miss(x, OUTER) for x in steered[name, OUTER]])
    for name in ("exact", "learned")
}
width = {
    name: np.array([np.sqrt(x.var(0).mean()) for x in steered[name, INNER]])
    for name in ("exact", "learned")
}
apart = 2.0  # standard deviations between two Gaussians of one shape
wanted, unwanted = (diffx.GaussianLaw(jnp.array([m, 0.0]), jnp.ones(2)) for m in (apart, 0.0))
sweep = np.linspace(0, 4, 33, dtype=np.float32)
means = np.asarray(flow_laws(wanted, unwanted, sweep).mean[:, 0])
still_there = 100 * norm.cdf(apart / 2 - means)
wide = np.sqrt(flow_laws(everything, inner, sweep).cov[:, 0])

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.5))
left.plot(shifts, share["learned"], color=BLACK, label="learned")
left.plot(shifts, share["exact"], color=ORANGE, ls="--", marker="s", label="exact field")
left.plot(
    sweep, still_there, color=BLUE, ls="-.", marker="", label="Gaussians of one shape, 2 sd apart"
)
left.set(
    xlabel="guidance weight $w$ (1)",
    ylabel="nearest to the unwanted (%)",
    title="unwanted: the outer stretch",
)
left.legend()
right.semilogy(shifts, width["learned"], color=BLACK, label="learned")
right.semilogy(shifts, width["exact"], color=ORANGE, ls="--", marker="s", label="exact field")
right.semilogy(
    sweep, wide, color=BLUE, ls="-.", marker="", label=r"Gaussians, $L_u^{w/2} L_n^{(1-w)/2}$"
)
right.axhline(1, color=GREY, ls=":", lw=1)
right.annotate("radius of the spiral", (0.05, 1.06), color="0.4", fontsize=9)
right.set(
    xlabel="guidance weight $w$ (1)",
    ylabel="standard deviation (data units)",
    title="unwanted: the inner stretch",
)
right.legend(loc="lower right")
plt.show()

# %%
# Left: how often the outer stretch is still drawn when it is unwanted. The curve beside it is
# exact: for Gaussians of one shape the mean goes to :math:`\mu_n + w\,(\mu_u - \mu_n)` and the
# shape stays (CFG-06), so the part that is nearer to the unwanted mean is
# :math:`\Phi((1/2 - w)\,d)`, at a distance of :math:`d = 2` standard deviations.
#
# Right: what to beware of. The inner stretch is *narrower* than what is asked for, and to flee from
# it has no end: the variance :math:`L_u^w L_n^{1-w}` grows with :math:`w` (CFG-03), the samples
# leave the spiral for a ring that is far from all data, and :math:`p_u^w p_n^{1-w}` cannot even be
# normalised for :math:`w` above the boundary that is printed below (CFG-02). A negative prompt
# should be wider than the positive one, or :math:`w` small.
#
# What this page asserts
# ----------------------
# With the exact field nothing is missed; the networks miss the more the less they have learned, and
# less at :math:`w = 3`. Variety falls, the network's faster, and the median distance to the data
# stays small. An unwanted outer stretch vanishes while the samples stay near the data; an unwanted
# inner one drives them away. The Gaussian laws are the formulas.

three, inside = (
    list(weights).index(3),
    [float(np.median(nearest(x)[1])) for x in (steered["exact", n][5] for n in (OUTER, INNER))],
)
for name in nets:
    print(
        f"{name}: {missed[name][0]:.1f}% miss their class at w = 1, {missed[name][three]:.1f}% at "
        "w = 3"
    )
for name in ("exact", "learned"):
    print(
        f"{name}: {kept[name][0]:.0f}% of the points reached at w = 1, {kept[name][-1]:.0f}% at w "
        "= 8",
        end="; ",
    )
    print(f"median distance to the data {away[name][0]:.3f} and {away[name][-1]:.3f}", end="; ")
    print(
        f"unwanted outer: {share[name][2]:.0f}% at w = 1, {share[name][4]:.0f}% at w = 2, "
        f"{share[name][6]:.0f}% at w = 4"
    )
boundary = float(everything.cov[0] / (everything.cov[0] - inner.cov[0]))
print(
    f"anything but the inner, w = 3: {inside[1]:.2f} from the data; no tilted law above w = "
    f"{boundary:.2f}"
)

assert off[3] > off[1], "guidance multiplies the network's errors"
assert missed["exact"].max() == 0 < missed["learned"][0] < missed["stopped early"][0]
assert all(missed[name][three] < 0.5 * missed[name][0] for name in ("learned", "stopped early"))
assert all(kept[name][-1] < 0.6 * kept[name][0] and away[name].max() < 0.05 for name in kept)
assert kept["learned"][-1] < kept["exact"][-1] and spread["learned"][-1] < by_mode(1e-6, 0.1)
assert spread["exact"][2] > np.interp(2, fine, of_tilt), "slower than the tilted law at first"
assert of_flow[-1] < spread["exact"][-1] < of_tilt[-1] and (np.diff(spread["exact"]) < 0).all()
assert share["exact"][6] < 2 and share["learned"][4] < by_mode(0.4, 0.8) * share["learned"][2]
assert inside[0] < 0.15 and inside[1] > 1 and width["exact"][5] > 1
np.testing.assert_allclose(means, apart * sweep, atol=1e-4)
np.testing.assert_allclose(
    of_flow, inner.cov[0] ** fine * everything.cov[0] ** (1 - fine), rtol=1e-3
)
np.testing.assert_allclose(
    wide**2, everything.cov[0] ** sweep * inner.cov[0] ** (1 - sweep), rtol=1e-3
)
