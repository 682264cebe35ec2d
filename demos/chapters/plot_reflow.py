r"""
Reflow
======

*Beyond chapter 8. Draw lines from noise to data at random, and the flow that is learned bends. Pair
noise and data by that flow, draw the lines again, and it is straight.*

*"Isn't this literally a straight line from x_1 to x_0? My mental image of this is the same as DDPM.
What's different here?"*, asks the author of the lecture of flow matching. Each pair's line is
straight, :math:`x_t = (1-t)\, x_0 + t\, \varepsilon`. But the pairs are drawn at random, their
lines cross, and where they cross a field has one velocity for all, the mean
:math:`u(x, t) = E[\varepsilon - x_0 \mid x_t = x]`. Its roads cannot cross, so they bend, and one
long step along a bent road ends in the wrong place. What would be different are pairs whose lines
do not cross.
"""

# %%
# Lines, roads, and lines that are roads
# --------------------------------------
# Above left, pairs at random. Right of it the roads of their mean field, which is known exactly for
# these clouds (FM-01). They end somewhere: each noise now has a data point of its own. *Reflow*
# takes these as the pairs of a second flow (Liu et al. 2023). Its field is a conditional mean too,
# and needs a regression on pairs. Here that is no network but a local linear fit: at :math:`x` a
# plane is fitted to the velocities of the nearest pairs. Below left, its roads.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, bare, begin, by_mode

begin(float64=True)
process = diffx.RectifiedFlow()
angles = 2 * jnp.pi * jnp.arange(5) / 5
clouds = diffx.MixtureLaw(
    jnp.full(5, 0.2), 2.2 * jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1), jnp.array(0.04)
)

n, walkers = by_mode(4000, 1000), by_mode(400, 200)
rng = np.random.default_rng(0)
data = np.asarray(jax.jit(lambda key: clouds.sample(key, (n,)))(jax.random.key(0)))
noise, fresh = rng.standard_normal((n, 2)), rng.standard_normal((walkers, 2))
bandwidth = by_mode(0.07, 0.12)


def fitted(pairs, x, t):
    """The velocity at x: a plane fitted to the velocities eps - x0 of the pairs, weighted by how
    near x_t is to x.
    """
    at, velocities = (1 - t) * pairs.x0 + t * pairs.eps, pairs.eps - pairs.x0
    off = at - x[..., None, :]
    far = (off**2).sum(-1)
    nearest = far.min(-1, keepdims=True)
    # wider where pairs are rare
    weights = jnp.exp((nearest - far) / (2 * (bandwidth**2 + nearest)))
    ones = jnp.ones_like(off[..., :1])
    design = jnp.concatenate([ones, off], -1)
    normal = jnp.einsum("...n,...ni,...nj->...ij", weights, design, design)
    right = jnp.einsum("...n,...ni,nj->...ij", weights, design, velocities)
    # for the last lonely pair
    ridge = 1e-3 * bandwidth**2 * normal[..., :1, :1] * jnp.diag(jnp.array([0.0, 1.0, 1.0]))
    return jnp.linalg.solve(normal + ridge, right)[..., 0, :]


def matched(x0, eps, size):
    """eps reordered within batches of this size so that pairs lie near: minibatch optimal
    transport.
    """
    batches = [slice(i, i + size) for i in range(0, len(x0), size)]
    return np.concatenate(
        [eps[b][np.asarray(diffx.flow_matching.ot_coupling(x0[b], eps[b]))] for b in batches]
    )


fine, coarse, single = (
    diffx.uniform(by_mode(200, 100)),
    diffx.uniform(by_mode(25, 10)),
    diffx.uniform(1),
)
first = diffx.flow_euler(diffx.flow_matching.marginal_velocity(process, clouds))
pairs = diffx.flow_matching.reflow_pairs(first, jnp.asarray(noise), fine)
near = diffx.flow_matching.Pairs(jnp.asarray(data), jnp.asarray(matched(data, noise, 250)))
flows = {
    "the flow of random pairs": (first, fine),
    "after one reflow": (diffx.flow_euler(Partial(fitted, pairs)), coarse),
    "pairs matched in batches of 250": (diffx.flow_euler(Partial(fitted, near)), coarse),
}


@jax.jit
def walked(sampler, x, ts):
    """Where the roads pass, how bent they are on these steps, and where one step from their
    beginning ends.
    """
    _, xs = diffx.fold(sampler, x, ts, keep=diffx.keep_x)
    return (
        jnp.concatenate([x[None], xs]),
        diffx.flow_matching.straightness(sampler, x, ts),
        diffx.fold(sampler, x, single)[0],
    )


roads = {
    name: [np.asarray(value) for value in walked(sampler, fresh, ts)]
    for name, (sampler, ts) in flows.items()
}

figure, panels = plt.subplots(2, 2, figsize=(8.2, 8.2))
for panel in panels.flat:
    bare(panel)
    panel.plot(*data[:600].T, ".", ms=2.5, color=ORANGE, ls="")
    panel.set(xlim=(-2.9, 2.9), ylim=(-2.7, 3.0))
shown = 45
for i in range(shown):
    panels[0, 0].plot(*np.stack([noise[i], data[i]]).T, "-", marker="", color=BLACK, lw=0.7)
panels[0, 0].plot(*noise[:shown].T, "x", ms=4, color=BLUE, ls="")
panels[0, 0].set_title("random pairs: lines cross")
for panel, (name, (xs, bend, _)) in zip(panels.flat[1:], roads.items(), strict=True):
    for i in range(shown):
        panel.plot(*xs[:, i].T, "-", marker="", color=BLACK, lw=0.7)
    panel.plot(*xs[0, :shown].T, "x", ms=4, color=BLUE, ls="")
    panel.set_title(f"{name}: $S$ = {bend:.3f}")
plt.show()

# %%
# Crosses are noise, dots are data. In the titles
# :math:`S = E\int_0^1 |(\text{chord}) - dx/dt|^2\, dt`, the bend of the roads in squared data units
# (FM-07): 0 is straight at constant speed. The reflowed roads are nearly straight; what is left is
# the error of the fit on a few thousand pairs. Below right the other way to pairs whose lines
# hardly cross: match each batch of noise and data by *minibatch optimal transport*, before any flow
# is learned.
#
# One step
# --------
# What straightness is good for: a straight road can be walked in one step.

figure, panels = plt.subplots(1, 3, figsize=(9.8, 4.0))
missed = {}
for panel, (name, (xs, _, jump)) in zip(panels, roads.items(), strict=True):
    missed[name] = float(np.sqrt(((jump - xs[-1]) ** 2).sum(-1).mean()))
    bare(panel)
    panel.plot(*data[:600].T, ".", ms=2.5, color=ORANGE, ls="")
    panel.plot(*jump.T, "x", ms=4, color=BLACK, ls="", mew=0.9)
    panel.set(
        title=f"{name}\none step, off by {missed[name]:.3f}", xlim=(-2.9, 2.9), ylim=(-2.7, 3.0)
    )
plt.show()

# %%
# From pure noise one step of the first flow takes everything to the mean of the data (FM-06), where
# there are none. After reflow, one step makes data. "Off by" is the root mean square distance, in
# data units, from where the road itself ends.
#
# What of the points between the clouds? They are the fit's fault. At :math:`t = 1` one sees
# :math:`x_1 = \varepsilon` itself, and for pairs :math:`(T(\varepsilon), \varepsilon)` the best
# field there is :math:`\varepsilon - T(\varepsilon)`: one step gives :math:`T(\varepsilon)`, the
# answer of the first flow, for any data. But :math:`T` has cliffs, where neighbouring noises go to
# different clouds, and whatever is learned from examples, by a fit or by a network, makes slopes of
# them.
#
# Exactly, on a Gaussian
# ----------------------
# For Gaussian noise and data everything is a formula. Here the noise is
# :math:`N(0, \operatorname{diag}(4, 0.3))` and the data have unit variances and a correlation of
# 0.9. After one reflow the field is straight and one Euler step is exact to rounding (FM-08). Is it
# then the shortest way? No: straight and short are two things.

spread, target = np.diag([4.0, 0.3]), np.array([[1.0, 0.9], [0.9, 1.0]])
# x0 and x1
before, after = (diffx.GaussianLaw(jnp.zeros(2), jnp.asarray(cov)) for cov in (target, spread))
straight = diffx.flow_matching.Interpolant(0.0)
# mean 0, covariance 1: exact means of squares
corners = np.sqrt(2) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1.0]])
root = np.sqrt(spread)
white = diffx.GaussianLaw(
    jnp.zeros(2), jnp.asarray(target / np.sqrt(np.outer(np.diag(spread), np.diag(spread))))
)
to_data = np.asarray(diffx.fold(diffx.samplers.exact_flow(process, white), jnp.eye(2), single)[0])
# the first flow, exactly: eps -> matrix eps; the flow commutes with scaling
matrix = root @ to_data.T @ np.linalg.inv(root)
both = np.block([[target, matrix @ spread], [spread @ matrix.T, spread]])
apart = diffx.flow_matching.independent_coupling(before, after)
joint = diffx.GaussianLaw(jnp.zeros(4), jnp.asarray((both + both.T) / 2))
bent, flat = (
    diffx.flow_euler(diffx.flow_matching.interpolant_velocity(straight, pair))
    for pair in (apart, joint)
)

ends = corners @ root
chol = np.linalg.cholesky(target)
x0_all, eps_all = np.repeat(corners @ chol.T, 4, axis=0), np.tile(ends, (4, 1))
costs = {
    "independent pairs": float(diffx.flow_matching.transport_cost(x0_all, eps_all)),
    "the flow's own pairs": float(diffx.flow_matching.transport_cost(ends @ matrix.T, ends)),
    "optimal transport": float(diffx.w2(before, after)) ** 2,
}
nodes, shares = np.polynomial.legendre.leggauss(24)
moments, shares = (nodes + 1) / 2, shares / 2
rows = [np.repeat(x0_all, 24, axis=0), np.repeat(eps_all, 24, axis=0), np.tile(moments, 16)]
field = diffx.flow_matching.interpolant_velocity(straight, apart)
loss = 2 * float(
    diffx.flow_matching.cfm_loss(
        process, field, *map(jnp.asarray, rows), weights=jnp.asarray(np.tile(24 * shares, 16))
    )
)

ring = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(a)], -1) @ root * 1.5
(roads_before, *_), (roads_after, still, leap) = (
    walked(sampler, ring, fine) for sampler in (bent, flat)
)
_, along = diffx.fold(
    diffx.samplers.exact_flow(process, white), jnp.asarray(corners), fine, keep=diffx.keep_x
)
slopes = np.diff(np.concatenate([corners[None], along]) @ root, axis=0) * (len(fine) - 1)
curvature = float(((slopes - slopes.mean(0)) ** 2).sum(-1).mean())

figure, (left, right) = plt.subplots(1, 2, figsize=(9.8, 3.6), width_ratios=(1, 1.25))
bare(left)
for xs, color, line, name in (
    (roads_before, GREY, "--", "first flow"),
    (roads_after, BLACK, "-", "after one reflow"),
):
    for i in range(len(ring)):
        left.plot(
            *np.asarray(xs)[:, i].T,
            line,
            marker="",
            color=color,
            lw=1.2,
            label=name if i == 0 else None,
        )
left.plot(*ring.T, "x", ms=5, color=BLUE, ls="", label="noise")
left.plot(*(ring @ matrix.T).T, "o", ms=4, color=ORANGE, ls="", label="data")
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
flow_cost = costs["the flow's own pairs"]
right.barh(list(costs), list(costs.values()), color="0.75", height=0.6)
right.barh(
    ["independent pairs"],
    [curvature],
    left=flow_cost,
    color="white",
    hatch="////",
    ec=BLACK,
    height=0.6,
    label="bend of the first flow",
)
right.barh(
    ["independent pairs"],
    [loss],
    left=flow_cost + curvature,
    color="white",
    hatch="....",
    ec=BLACK,
    height=0.6,
    label="loss that no model removes",
)
for row, cost in enumerate(costs.values()):
    right.annotate(f"{cost:.6f}", (cost + 0.05, row), va="center")
right.invert_yaxis()
right.legend(loc="lower right")
right.grid(axis="y")
right.set(
    xlabel=r"mean squared length of the lines, $E|x_0 - x_1|^2$ (squared data units)", xlim=(0, 7.4)
)
plt.show()
print(
    f"{costs['independent pairs']:.6f} = {flow_cost:.6f} + bend {curvature:.6f} + least loss "
    f"{loss:.6f}"
)

# %%
# The roads end where they ended before, and the pairs are what they were: a second reflow changes
# nothing. (Two roads may pass through one place, at different times.) Between the random pairs and
# the flow's own the lines become shorter by two things, the bend of the first flow and the loss
# that the best model has on random pairs (FM-07). Shortest are the pairs of the optimal map. The
# flow finds these only where the two covariances share their axes.
#
# The price of matching
# ---------------------
# Minibatch optimal transport pairs each batch at its own least cost. A batch is not its law, and on
# average it costs more than the true transport (FM-10), with small batches much more; the work of
# matching grows like the cube of the size.

sizes = by_mode((1, 4, 16, 64, 256), (1, 4, 16, 64))
means, errors = [], []
for size in sizes:
    some = max(by_mode(2048, 256) // size, 4)
    x0, x1 = (
        rng.standard_normal((some * size, 2)) @ chol.T,
        rng.standard_normal((some * size, 2)) @ root,
    )
    lengths = ((x0 - matched(x0, x1, size)) ** 2).sum(1).reshape(some, size).mean(1)
    means.append(lengths.mean())
    errors.append(lengths.std(ddof=1) / np.sqrt(some))

figure, axes = plt.subplots(figsize=(6.6, 3.7))
axes.errorbar(sizes, means, errors, fmt="o-", color=BLACK, capsize=3, label="matched in batches")
for (name, cost), line, color in zip(
    costs.items(), (":", "--", "-"), (GREY, BLUE, ORANGE), strict=True
):
    axes.axhline(cost, ls=line, color=color, label=f"{name}: {cost:.3f}")
axes.set(
    xscale="log",
    xlabel="pairs in a batch",
    ylabel="$E|x_0 - x_1|^2$ (squared data units)",
    ylim=(0, 7.4),
)
axes.set_xticks(sizes, [str(size) for size in sizes])
axes.minorticks_off()
axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.62))
plt.show()

# %%
# What this page asserts
# ----------------------
# Reflow takes the bend out of the roads of the five clouds, and most of the error of one step; on
# the Gaussian one step after reflow is exact, the three costs are 6.3, 2.753272 and 1.715248, and
# they differ by bend and least loss; matching in batches comes down towards the optimal cost and
# stays above it.

names = list(flows)
assert max(roads[name][1] for name in names[1:]) < by_mode(0.2, 0.4) * roads[names[0]][1]
assert max(missed[name] for name in names[1:]) < by_mode(0.3, 0.45) * missed[names[0]], missed
assert np.abs(roads[names[0]][2] - np.asarray(clouds.means).mean(0)).max() < 1e-12
assert np.abs(np.asarray(leap) - ring @ matrix.T).max() < 1e-12 and still < 1e-20
assert np.abs(np.array(list(costs.values())) - [6.3, 2.753272, 1.715248]).max() < 1e-6
assert abs(costs["independent pairs"] - flow_cost - curvature - loss) < by_mode(2e-4, 1e-3)
assert np.all(np.diff(means) < 0) and means[-1] + 4 * errors[-1] > costs["optimal transport"]
