r"""
Every sampler, exactly
======================

*Chapter 8, the bill. What is the error of each method, for what it costs?*

The cost of a picture is the number of times that the denoiser is asked. The error is usually
estimated, from many samples and a network that has errors of its own. For Gaussian data nothing
needs to be estimated: every sampler is an affine map of its noise, ``exact_law`` reads mean and
covariance of its output off its code (REV-36), and the distance of two Gaussians is a formula
(REV-40).
"""

# %%
# One figure
# ----------
# The data have five directions, with variances from 1 down to :math:`10^{-4}`: like pictures, which
# vary much in a few ways and hardly in most. All methods get the exact denoiser, the same grid,
# uniform in log-SNR from :math:`t = 1` to :math:`t = 10^{-3}` of the usual VP process, and start at
# the exact law, so that the steps are all that is wrong. A method that asks twice a step gets half
# of the steps.

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from matplotlib.lines import Line2D
from scipy.integrate import solve_ivp

import diffx
from demos.chapters._settings import BLACK, BLUE, GREEN, GREY, ORANGE, RED, begin, by_mode

begin(float64=True)
process = diffx.VP()
law = diffx.GaussianLaw(jnp.zeros(5), jnp.array([1.0, 1e-1, 1e-2, 1e-3, 1e-4]))
field = diffx.denoiser(process, law)
# by order; 0: exact
LOOK = {
    1: (BLACK, "-"),
    2: (BLUE, "--"),
    3: (ORANGE, "-."),
    4: (GREEN, ":"),
    0: (RED, "-"),
}
DARK = {3: "#9a6400", 4: "#00704f"}  # for words


class Method(NamedTuple):
    make: Callable  # (process, denoise, number of steps) -> Sampler
    order: int
    asks: int  # evaluations of the denoiser in a step
    mark: str
    quick: bool = False  # drawn in quick mode too


def of(method, **settings):
    return lambda process, denoise, n: method(process, denoise, **settings)


def churned(process, denoise, n):
    # the paper's S_churn = 4
    return diffx.samplers.edm_stochastic(process, denoise, gamma=min(4 / n, 2**0.5 - 1))


without_noise = {
    "DDIM": Method(of(diffx.ddim), 1, 1, "o", True),
    "Euler": Method(of(diffx.euler), 1, 1, "s"),
    "Heun": Method(of(diffx.heun), 2, 2, "v", True),
    "EDM's Heun": Method(of(diffx.samplers.edm_stochastic, gamma=0.0), 2, 2, "^"),
    "DPM-Solver-2": Method(of(diffx.samplers.dpm_solver, order=2), 2, 2, "s"),
    "DPM-Solver++(2S)": Method(of(diffx.samplers.dpm_solver_pp_single, order=2), 2, 2, "D"),
    "DPM-Solver++(2M)": Method(of(diffx.dpm_solver_pp, order=2), 2, 1, "o"),
    "DPM-Solver-3": Method(of(diffx.samplers.dpm_solver, order=3), 3, 3, "s"),
    "DPM-Solver++(3M)": Method(of(diffx.dpm_solver_pp, order=3), 3, 1, "o"),
    "DEIS-3": Method(of(diffx.samplers.deis, order=3), 3, 1, "^"),
    "UniPC-2": Method(of(diffx.unipc, order=2), 3, 1, "v"),
    "UniPC-3": Method(of(diffx.unipc, order=3), 4, 1, "v"),
    "LMS-4": Method(of(diffx.samplers.lms, order=4), 4, 1, "x"),
}
with_noise = {
    "DDPM": Method(of(diffx.ddpm), 1, 1, "o", True),
    "DDPM, variance beta": Method(of(diffx.samplers.ddpm_beta), 1, 1, "v"),
    "DDPM, optimal variance": Method(of(diffx.samplers.ddpm_optimal, law=law), 0, 1, "*", True),
    "Euler-Maruyama": Method(of(diffx.euler_maruyama), 1, 1, "s"),
    "exponential SDE": Method(of(diffx.samplers.exponential_sde), 1, 1, "^"),
    "EDM with churn": Method(churned, 2, 2, "^"),
    "DPM2 ancestral": Method(of(diffx.samplers.dpm2_ancestral), 2, 2, "s"),
    "SDE-DPM-Solver++(2S)": Method(of(diffx.samplers.sde_dpm_solver_pp_2s), 2, 2, "D"),
    "SDE-DPM-Solver++(2M)": Method(of(diffx.samplers.sde_dpm_solver_pp), 2, 1, "o"),
}


def joint_init(x):
    return diffx.State(x)


def joint_step(sampler, like, state, t, s, z=None):
    """The step of the pair of point and memory, flat: its law can be put down after a few steps and
    taken up again.
    """
    _, unflatten = ravel_pytree(sampler.init(like))
    after, info = sampler.step(unflatten(state.x), t, s, z)
    return diffx.State(ravel_pytree(after)[0]), info


def joint_noise(sampler, like, key, flat):
    return sampler.noise(key, like)


asks = by_mode([6, 12, 24, 48, 96, 192], [6, 24, 96])
finest = np.asarray(diffx.grids.uniform_log_snr(process, asks[-1], t_min=1e-3))
start, end = (diffx.marginal(process, law, t) for t in (finest[0], finest[-1]))


def errors(method):
    """Exact W2 to the right law at the end, and the deviation too much in each direction, for each
    number of evaluations.

    Six evaluations at a time, so that one compilation serves every grid.
    """
    out, d, stride = [], law.mean.size, 6 // method.asks
    flat = lambda x: ravel_pytree(method.make(process, field, 1).init(x))[0]
    rows = jax.jacobian(flat)(start.mean)
    begin = diffx.GaussianLaw(flat(start.mean), rows @ jnp.diag(start.cov) @ rows.T)
    for n in (ask // method.asks for ask in asks):
        sampler, ts, joint = method.make(process, field, n), finest[:: asks[-1] // n], begin
        noise = sampler.noise and Partial(joint_noise, sampler, law.mean)
        pair = diffx.Sampler(Partial(joint_init), Partial(joint_step, sampler, law.mean), noise)
        for i in range(0, n, stride):
            joint = diffx.exact_law(pair, joint, ts[i : i + stride + 1])
        # the point comes first, then the memory
        got = diffx.GaussianLaw(joint.mean[:d], joint.cov[:d, :d])
        out.append([diffx.w2(got, end), *np.sqrt(np.diag(got.cov)) - np.sqrt(end.cov)])
    return np.array(out).T


chosen = {
    name: method
    for name, method in (without_noise | with_noise).items()
    if by_mode(True, method.quick)
}
with ThreadPoolExecutor() as pool:  # most of the time is XLA's, who compiles each method
    results = dict(zip(chosen, pool.map(errors, chosen.values()), strict=True))
law_errors = {name: result[0] for name, result in results.items()}


def draw(panel, methods, lines, xs, lowest):
    """The lines, each with its name at its end: spread so that none covers another, and led to it
    by a hair.
    """
    ends = {}
    for name in lines:
        (color, dashes), ys = LOOK[methods[name].order], np.maximum(lines[name], lowest)
        panel.loglog(
            xs, ys, color=color, ls=dashes, marker=methods[name].mark, clip_on=False, zorder=3
        )
        ends[name] = np.log10(ys[-1])
    names = sorted(ends, key=lambda name: ends[name])
    low, high = np.log10(panel.get_ylim())
    places = np.array([ends[name] for name in names])
    for _ in range(300):  # neighbours that are too close push each other apart
        push = np.maximum((high - low) / 27 - np.diff(places), 0) / 2
        places = np.maximum(places - np.append(push, 0) + np.append(0, push), low)
    for name, place in zip(names, places, strict=True):
        panel.annotate(
            name,
            (xs[-1] * 1.04, 10 ** ends[name]),
            (xs[-1] * 1.3, 10**place),
            color=DARK.get(methods[name].order, LOOK[methods[name].order][0]),
            fontsize=8.5,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.6, "shrinkA": 1, "shrinkB": 1},
        )
    panel.set_xticks(xs, [str(x) for x in xs])
    panel.minorticks_off()


def slopes(panel, x, y, reach):
    """Guide lines that fall like N^-p."""
    for p in (1, 2, 3, 4):
        panel.plot(
            [x, x * reach], [y, y / reach**p], ls="-", marker="", lw=1, color="0.6", zorder=1
        )
        panel.annotate(
            str(p),
            (x * reach, y / reach**p),
            (3, -3),
            textcoords="offset points",
            fontsize=9,
            color="0.4",
        )
    panel.annotate(
        "slopes", (x, y), (0, 4), textcoords="offset points", fontsize=9, color="0.4", ha="left"
    )


LOWEST = 1e-7
figure, panels = plt.subplots(1, 2, figsize=(11.4, 6.0), sharey=True)
for panel, methods, title in zip(
    panels, (without_noise, with_noise), ("without noise", "with noise"), strict=True
):
    panel.set(
        title=title,
        xlabel="evaluations of the denoiser",
        ylim=(LOWEST, 20),
        xscale="log",
        yscale="log",
    )
    draw(
        panel, methods, {name: law_errors[name] for name in methods if name in chosen}, asks, LOWEST
    )
panels[0].set_ylabel("exact $W_2$ to the right law (data units)")
slopes(panels[0], 6, 1e-4, 4)
keys = [
    Line2D([], [], color=LOOK[p][0], ls=LOOK[p][1], marker="", label=f"order {p}")
    for p in (1, 2, 3, 4)
]
panels[1].legend(handles=keys, loc="center left", bbox_to_anchor=(0.02, 0.3), handlelength=3.5)
panels[1].annotate(
    "no error at any number of steps",
    (6, LOWEST),
    (0, 7),
    textcoords="offset points",
    fontsize=9,
    color=RED,
)
plt.show()

# %%
# What to read off
# ----------------
# **The slope is the order.** Twice the evaluations divide the error by 2, 4, 8 or 16. The noise of
# DDPM costs a constant factor and no order; noise is no obstacle to order 2 either
# (SDE-DPM-Solver++, REV-51).
#
# **Higher order is not better at few steps.** At six evaluations Heun's method, EDM's and
# DPM-Solver-2 have errors above the spread of the data itself, 1.05, and the simplest ones, DDIM
# and Euler, beat them. Three steps are too long for them, each in its own way, as the deviations by
# direction show:

for name in [
    name for name in ("Heun", "EDM's Heun", "DPM-Solver-2", "DDIM", "Euler") if name in chosen
]:
    print(
        f"{name:12} too much: ",
        *(f"{off:+.2f}" for off in results[name][1:, 0]),
        " for variances 1, ..., 1e-4",
    )

# %%
# Heun's method fails along the small variances, where the field is stiff in the process's own time.
# (Along variance 1 the flow of this process stands still; Euler owes its good place to that.) So
# too on 256 directions of variances :math:`k^{-2}` in equal time steps: after 10 steps Heun, with
# 20 evaluations, is at 6.4, Euler at 0.54 and DDIM at 0.37 (REV-41; why: REV-29). Where answers of
# earlier steps are used again a higher order costs one evaluation a step, and a multi-step method
# leads at every budget.
#
# **What is wrong with DDPM is its variance.** With the optimal one (Bao et al. 2022,
# arXiv:2201.06503) it is exact at any number of steps, one included (REV-07): the line at the rim.
# That is a fact about Gaussians; for other data the variance that is best still depends on
# :math:`x`.
#
# **Names overlap.** The first-order SDE-DPM-Solver++ *is* DDPM and DDIM with :math:`\eta = 1`
# (REV-16), and so is the ancestral Euler method (REV-33). A dip in a line is an error that changes
# its sign.

# %%
# Orders on a mixture
# -------------------
# A mixture has no closed form to compare with, but its probability flow can be solved to 12 digits
# by other code, scipy's DOP853, and then every *path* has an error. Below, the largest among four
# of them, from log-SNR -4 to 4, where the roads bend. A multi-step method remembers answers of
# steps before. On the left it begins with true ones (``with_past``), and every order shows as it is
# (REV-19).

clouds = diffx.MixtureLaw(
    jnp.array([0.25, 0.75]), jnp.array([[-1.0], [1.5]]), jnp.array([0.25, 0.5])
)
two_clouds = diffx.denoiser(process, clouds)
points = np.array([[-1.25], [0.25], [0.75], [1.125]])
counts = by_mode([24, 48, 96, 192], [24, 96])
times = np.asarray(process.time_of_log_snr(jnp.linspace(-4.0, 4.0, counts[-1] + 1)))
alphas, ratios = (
    np.asarray(process.alpha(times)),
    np.exp(-np.linspace(-4.0, 4.0, counts[-1] + 1) / 2),
)
answer = jax.jit(two_clouds)


# dy/dr of y = x/alpha, r = sigma/alpha: the probability flow of every process (REV-14)
def slope_of(r, y):
    alpha = 1 / np.sqrt(1 + r**2)
    return (
        y - np.asarray(answer(alpha * y[:, None], process.time_of_log_snr(-2 * np.log(r))))[:, 0]
    ) / r


solved = solve_ivp(
    slope_of,
    ratios[[0, -1]],
    points[:, 0] / alphas[0],
    "DOP853",
    t_eval=ratios,
    rtol=1e-12,
    atol=1e-13,
)
roads = (alphas * solved.y).T[:, :, None]


def path_errors(method, pasts):
    """The largest error at the end, where the first 0, 1, ... steps are given exactly."""
    sampler, out = method.make(process, two_clouds, 1), []
    sampler = sampler._replace(step=jax.jit(sampler.step))
    for past in pasts:
        for every in (counts[-1] // (count // method.asks) for count in counts):
            ts, xs = times[::every], roads[::every]
            state = (
                diffx.samplers.with_past(sampler, xs[:past], ts[: past + 1]) if past else sampler
            ).init(jnp.asarray(xs[past]))
            for t, s in zip(ts[past:-1], ts[past + 1 :], strict=True):
                state, _ = sampler.step(state, t, s, None)
            out.append(float(np.abs(state.x - xs[-1]).max()))
    return np.split(np.array(out), len(pasts))


def released_3m():
    """The third-order multi-step update of released code, in numpy, after two exact steps."""
    out = []
    for n in counts:
        every = counts[-1] // n
        ts, k, xs = times[::every], -np.log(ratios[::every]), roads[::every]
        a, s = np.asarray(process.alpha(ts)), np.asarray(process.sigma(ts))
        told = [np.asarray(answer(xs[i], ts[i])) for i in (0, 1)]
        x, h = xs[2], k[1] - k[0]
        for i in range(2, n):
            told.append(np.asarray(answer(x, ts[i])))
            first, second = told[-1] - told[-2], (told[-1] - 2 * told[-2] + told[-3]) / 2
            phi_2 = np.expm1(-h) / h + 1
            # the parabola through all three has twice this
            bend = phi_2 * (first + second) - (phi_2 / h - 0.5) * second
            x = s[i + 1] / s[i] * x - a[i + 1] * np.expm1(-h) * told[-1] + a[i + 1] * bend
        out.append(float(np.abs(x - xs[-1]).max()))
    return np.array(out)


on_paths = [
    "DDIM",
    "Heun",
    "DPM-Solver++(3M)",
    *by_mode(["DPM-Solver++(2M)", "DPM-Solver-3", "UniPC-3", "LMS-4"], []),
]
memory = {"DPM-Solver++(2M)": 1, "DPM-Solver++(3M)": 2, "UniPC-3": 3, "LMS-4": 3}
both = {
    name: path_errors(without_noise[name], sorted({memory.get(name, 0), 0})) for name in on_paths
}
true_start = {name: lines[-1] for name, lines in both.items()}
lost = {
    f"{name}, no memory": both[name][0] for name in ("DPM-Solver++(3M)", "LMS-4") if name in both
}
lost["3M as released"] = released_3m()
looks = without_noise | {f"{name}, no memory": method for name, method in without_noise.items()}
looks["3M as released"] = Method(of(diffx.ddim), 3, 1, "s")

figure, panels = plt.subplots(1, 2, figsize=(11.4, 5.4), sharey=True)
for panel, lines, title in zip(
    panels, (true_start, lost), ("after a true start", "an order lost"), strict=True
):
    panel.set(
        title=title,
        xlabel="evaluations of the denoiser",
        ylim=(3e-9, 1),
        xscale="log",
        yscale="log",
    )
    draw(panel, looks, lines, counts, 3e-9)
    slopes(panel, counts[0], 8e-7, 2.2)
for name in set(true_start) & {"DPM-Solver++(3M)", "LMS-4"}:
    panels[1].plot(
        counts,
        true_start[name],
        color=GREY,
        ls=LOOK[looks[name].order][1],
        marker=looks[name].mark,
        ms=3.5,
    )
words = {
    "xytext": (10, 0),
    "textcoords": "offset points",
    "color": "0.4",
    "fontsize": 8.5,
    "va": "center",
}
panels[1].annotate(
    "the same, after a true start", (counts[-1], true_start["DPM-Solver++(3M)"][-1]), **words
)
panels[0].set_ylabel("largest error of a path (data units)")
plt.show()

# %%
# Right: how an order is lost. Begun without a memory, as implementations do, the first steps are of
# order 1 and 2, and their error stays: order 2 in the end. And the third-order multi-step update of
# released code takes half of the parabola that it needs: its order is 2 after a true start too
# (REV-52).
#
# What this page asserts
# ----------------------
# DDPM with the optimal variance has no error; at six evaluations DDIM beats Heun's method, at the
# most Heun DDIM; on the mixture the last slopes are the orders; and they are 2 without a memory and
# for the update as released.

assert law_errors["DDPM, optimal variance"].max() < 1e-12
assert (
    law_errors["Heun"][0] > law_errors["DDIM"][0]
    and law_errors["Heun"][-1] < law_errors["DDIM"][-1] / 10
)
last_slope = lambda line: np.log(line[-2] / line[-1]) / np.log(counts[-1] / counts[-2])
for name, line in true_start.items():
    assert abs(last_slope(line) - without_noise[name].order) < 0.15, (name, last_slope(line))
for name, line in lost.items():
    assert abs(last_slope(line) - 2) < 0.35, (name, last_slope(line))
