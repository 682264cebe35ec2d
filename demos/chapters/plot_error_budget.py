r"""
The error budget
================

*Chapter 8, the bill itemised. Where does the error of a sampler come from, and what is it worth to
buy more steps?*

A picture that comes out of a sampler is wrong for four reasons (Pierret and Galerne 2024,
arXiv:2405.14250):

- **truncation**: the way back stops at :math:`t_{\min} > 0`, where a little noise is left;
- **initialisation**: it starts at :math:`N(0, I)` and not at the exact law of :math:`x_1`;
- **discretisation**: it goes in :math:`N` steps;
- **score**: the network's denoiser is not the right one.

For Gaussian data each is an exact distance :math:`W_2` between two laws that differ in one thing,
and the whole is at most their sum (REV-43, REV-45). ``error_budget`` returns them.
"""

# %%
# Where to stop
# -------------
# The data have 256 directions with variances :math:`k^{-2}`, a falling spectrum like that of
# pictures; their spread is 1.28. The method gets the exact denoiser and 20 steps, equal in time.
# How far down should it go?

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, GREEN, GREY, ORANGE, RED, begin, by_mode

begin(float64=True)
process = diffx.VP()
variances = 1 / jnp.arange(1.0, 257.0) ** 2


@partial(jax.jit, static_argnums=0)
def budget(method, ts, wrong):
    """The error budget from N(0, I) with the denoiser (1 + wrong) D: direction by direction, for
    they do not mix.
    """

    def one(variance):
        law = diffx.GaussianLaw(jnp.zeros(1), variance[None])
        exact = diffx.denoiser(process, law)
        network = lambda x, t: (1 + wrong) * exact(x, t)
        start = diffx.GaussianLaw(jnp.zeros(1), jnp.ones(1))
        return diffx.error_budget(method, process, law, ts, start=start, denoise=network)

    return jax.tree.map(lambda parts: jnp.sqrt((parts**2).sum()), jax.vmap(one)(variances))


def budgets(method, grids, wrong=0.0):
    """The budget of each grid, as arrays."""
    return diffx.exact.ErrorBudget(*np.array([budget(method, ts, wrong) for ts in grids]).T)


def lowest(panel, ends, total, where):
    """A ring around the best place to stop."""
    i = total.argmin()
    panel.plot(ends[i], total[i], "o", ms=11, mfc="none", mec="black", mew=1.3)
    panel.annotate(
        f"best: {total[i]:.2g}", (ends[i], total[i]), where, textcoords="offset points", ha="center"
    )


ends = np.geomspace(1e-5, 0.1, by_mode(33, 13))
methods = {"DDIM": diffx.ddim, "Heun": diffx.heun}
stops, more = {}, by_mode(80, 40)
for name, method in methods.items():
    for n in (20, more):
        stops[name, n] = budgets(method, [diffx.uniform(n, t_min=float(t)) for t in ends])

figure, panels = plt.subplots(1, 2, figsize=(9.8, 4.4), sharey=True)
for panel, name in zip(panels, methods, strict=True):
    parts = stops[name, 20]
    panel.loglog(ends, parts.truncation, ls="--", marker="", color=ORANGE, label="truncation")
    panel.loglog(ends, parts.discretisation, ls="-.", marker="", color=BLUE, label="discretisation")
    panel.loglog(ends, parts.initialisation, ls=":", marker="", color=GREEN, label="initialisation")
    panel.loglog(ends, parts.total, ls="-", marker="", color=BLACK, lw=2.4, label="total")
    panel.loglog(
        ends,
        stops[name, more].total,
        ls="-",
        marker="",
        color=GREY,
        lw=1.2,
        label=f"total, {more} steps",
    )
    lowest(panel, ends, parts.total, {"DDIM": (0, 12), "Heun": (44, -36)}[name])
    lowest(panel, ends, stops[name, more].total, {"DDIM": (36, -20), "Heun": (-6, -20)}[name])
    panel.set(
        title=f"{name}, 20 steps",
        xlabel="the last time $t_{\\min}$ (1: noise, 0: data)",
        ylim=(6e-6, 30),
    )
panels[0].set_ylabel("exact $W_2$ (data units)")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
plt.show()

# %%
# To stop earlier leaves more noise, to go on makes the last steps stiffer, and in between lies the
# best :math:`t_{\min}`. Heun's method pays dearly for going too far: along the small variances its
# last long step amplifies (REV-29). More steps move the best place towards the data. The initial
# error is no matter here, thanks to :math:`\alpha(1) = 0.0066`; but the way back treats it
# differently:

down = [diffx.uniform(20, t_min=1e-3)]
start_ode, start_sde = (
    budgets(method, down).initialisation[0] for method in (diffx.ddim, diffx.ddpm)
)
print(f"what is left of the wrong start: {start_ode:.1e} by the ODE, {start_sde:.1e} by the SDE")

# %%
# The SDE forgets, the ODE does not (REV-23).
#
# What more steps cannot buy
# --------------------------
# Now the network: its answer is 1% too small, at every noise. The grid is uniform in log-SNR and
# goes down to :math:`t = 10^{-4}`.

counts = by_mode([5, 10, 20, 40, 80, 160], [20, 40])
grids = [diffx.grids.uniform_log_snr(process, n, t_min=1e-4) for n in counts]
faulty = {name: budgets(method, grids, -0.01) for name, method in methods.items()}
exact = {name: budgets(method, grids) for name, method in methods.items()}

figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.4))
parts, floor = faulty["DDIM"], np.zeros(len(counts))
shades = (("discretisation", BLUE, "///"), ("score", RED, "..."), ("truncation", ORANGE, ""))
for name, color, hatch in shades:
    height = getattr(parts, name)
    left.bar(
        range(len(counts)),
        height,
        0.7,
        floor,
        color=color,
        alpha=0.75,
        hatch=hatch,
        ec="white",
        label=name,
    )
    floor = floor + height
left.plot(range(len(counts)), parts.total, ls="", marker="D", ms=6, color=BLACK, label="total")
left.set_xticks(range(len(counts)), [str(n) for n in counts])
left.set(
    title="DDIM, a denoiser that is 1% too small",
    xlabel="number of steps $N$",
    ylabel="exact $W_2$ (data units)",
)
left.legend()
for name, color, mark in (("DDIM", BLACK, "o"), ("Heun", BLUE, "v")):
    right.loglog(
        counts, faulty[name].total, color=color, ls="-", marker=mark, label=f"{name}, 1% too small"
    )
    right.loglog(
        counts,
        exact[name].total,
        color=color,
        ls="--",
        marker=mark,
        mfc="white",
        label=f"{name}, exact denoiser",
    )
right.axhline(
    exact["DDIM"].truncation[0], ls=":", marker="", color=ORANGE, label="truncation alone"
)
right.set_xticks(counts, [str(n) for n in counts])
right.minorticks_off()
right.set(title="totals", xlabel="number of steps $N$", ylabel="exact $W_2$ (data units)")
right.legend()
plt.show()

# %%
# Steps buy discretisation error and nothing else. Heun's method is at the floor of this network
# after 20 steps; eight times as many take it from 0.072 to 0.066. That floor is six times the error
# of stopping early: an answer 1% too small counts at every noise on the way. Two things ask for
# care. With the exact denoiser Heun's total at 20 steps lies *below* the truncation error, since
# what is missing in one part is too much in the other. And a denoiser 1% too *large* would make
# DDIM better at 40 steps, for DDIM's own error is to shrink: a budget is an upper bound, and errors
# that cancel are luck.

lucky = budgets(diffx.ddim, grids, 0.01)
for n, right_one, too_large in zip(counts, exact["DDIM"].total, lucky.total, strict=True):
    print(
        f"DDIM, {n:3} steps: {right_one:.3f} with the exact denoiser, {too_large:.3f} with one 1% "
        "too large"
    )

# %%
# What this page asserts
# ----------------------
# The total is at most the sum of its parts; the best place to stop lies inside, and no farther from
# the data for more steps; the SDE forgets a wrong start. With the wrong denoiser Heun's method
# gains nothing beyond 20 steps, and stays far above what it reaches with the exact one; and at 40
# steps of DDIM the other wrong denoiser would be better than the exact.

for parts in (*stops.values(), *faulty.values(), *exact.values(), lucky):
    assert (parts.total <= sum(parts[:4]) * (1 + 1e-9)).all()
best = {which: int(parts.total.argmin()) for which, parts in stops.items()}
for name in methods:
    assert 0 < best[name, more] <= best[name, 20] < len(ends) - 1
assert start_sde < 1e-4 * start_ode
twenty, forty = counts.index(20), counts.index(40)
assert faulty["Heun"].total[-1] > 0.9 * faulty["Heun"].total[twenty]
assert faulty["Heun"].total[-1] > 5 * exact["Heun"].total[-1]
assert lucky.total[forty] < 0.5 * exact["DDIM"].total[forty]
