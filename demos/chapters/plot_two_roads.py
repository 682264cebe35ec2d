r"""
Two roads
=========

*Chapter 8. DDPM is a random walk and slow; DDIM and flow matching follow a curve and are fast. Both
use one field.*

A denoiser :math:`D(x, t)` gives the score of every noise level, and from the same score leave two
roads back to the data:

.. math::

   \text{with noise:}\quad dx = \left[f x - g^2\, \nabla\log p_t\right] dt + g\, dw, \qquad
   \text{without:}\quad \frac{dx}{dt} = f x - \tfrac{1}{2}\, g^2\, \nabla\log p_t .

At every time both have the same law (REV-03); note the factor :math:`\tfrac{1}{2}`. Without the
noise one must go half as fast.
"""

# %%
# One field, two roads
# --------------------
# The data are three small clouds; the denoiser is exact (DEN-05). Left DDPM, right DDIM, from the
# same noise.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

import diffx
from demos.chapters._settings import BLACK, BLUE, GREEN, GREY, ORANGE, RED, bare, begin, by_mode

begin(float64=True)
process = diffx.VP()
angles = jnp.pi * (jnp.array([0.0, 2.0, 4.0]) / 3 + 0.5)
means = 1.6 * jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1)
clouds = diffx.MixtureLaw(jnp.ones(3) / 3, means, jnp.array(0.02))
field = diffx.denoiser(process, clouds)

frames = by_mode(40, 20)
grid = diffx.grids.equal_angle(process, frames, t_max=0.999)
start = jax.random.normal(jax.random.key(0), (300, 2))
roads = {}
for name, method in (("DDPM: a random walk", diffx.ddpm), ("DDIM: a curve", diffx.ddim)):
    _, xs = diffx.sample(method(process, field), jax.random.key(1), start, grid, keep=diffx.keep_x)
    roads[name] = np.concatenate([start[None], xs])

figure, panels = plt.subplots(1, 2, figsize=(7.6, 4.0))
marks, trails = [], []
for panel, (name, xs) in zip(panels, roads.items(), strict=True):
    bare(panel)
    panel.set(title=name, xlim=(-3, 3), ylim=(-3, 3))
    trails.append([panel.plot([], [], ls="-", marker="", lw=1, color=ORANGE)[0] for _ in range(3)])
    marks.append(panel.plot(*xs[0].T, ".", ms=3.5, color="black", ls="")[0])
clock = figure.supxlabel(" ")
figure.canvas.draw()
figure.set_layout_engine("none")  # laid out once, not for every frame


def draw(frame):
    for mark, lines, xs in zip(marks, trails, roads.values(), strict=True):
        mark.set_data(*xs[frame].T)
        for i, line in enumerate(lines):
            line.set_data(*xs[: frame + 1, i].T)
    clock.set_text(f"t = {float(grid[frame]):.3f}   (1: noise, 0: data)")


animation = FuncAnimation(figure, draw, frames=[*range(frames + 1), *[frames] * 8], interval=90)
plt.show()

# %%
# The points arrive together, though each goes its own way: three are followed in orange.
#
# How fast? An exact answer
# -------------------------
# For Gaussian data each of these samplers is an affine map of its noise, and ``exact_law`` reads
# mean and covariance of its output off its code. The distance to the data is then a formula too,
# the Wasserstein distance of two Gaussians (REV-40).

law = diffx.GaussianLaw(jnp.array([1.0, -0.5]), jnp.array([[1.0, 0.4], [0.4, 0.25]]))
flow = diffx.RectifiedFlow()


def error(method, process, ts):
    sampler = method(process, diffx.denoiser(process, law))
    begin = diffx.marginal(process, law, ts[0])
    return float(diffx.w2(diffx.exact_law(sampler, begin, ts), law))


counts = by_mode([2, 8, 32, 128, 512], [8, 32])
uniform = lambda n: diffx.uniform(n)
shifted = lambda n: diffx.time_shift(diffx.uniform(n), 5.0)
angles = lambda n: diffx.grids.equal_angle(process, n)
lines = {
    "DDPM": (diffx.ddpm, process, uniform, BLACK, "o-"),
    "DDIM": (diffx.ddim, process, uniform, BLUE, "s-"),
    "Heun on the ODE": (diffx.heun, process, uniform, RED, "v:"),
    "flow matching (Euler)": (diffx.euler, flow, uniform, GREEN, "^--"),
    "flow matching, WAN's shift 5": (diffx.euler, flow, shifted, GREY, "D-."),
    "DDIM, equal angles": (diffx.ddim, process, angles, ORANGE, "x-"),
    "DDPM, optimal variance": (
        lambda p, d: diffx.samplers.ddpm_optimal(p, d, law=law),
        process,
        uniform,
        BLACK,
        "*:",
    ),
}
errors = {
    name: [error(method, path, grid_of(n)) for n in counts]
    for name, (method, path, grid_of, _, _) in lines.items()
}

figure, axes = plt.subplots(figsize=(8.2, 4.2))
for name, (_, _, _, color, line) in lines.items():
    axes.loglog(counts, np.maximum(errors[name], 2e-5), line, color=color, label=name)
axes.set(
    xlabel="number of steps $N$", ylabel="exact $W_2$ to the data (data units)", ylim=(1e-5, 3)
)
axes.set_xticks(counts, [str(n) for n in counts])
axes.minorticks_off()
axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %%
# All of them are right in the end, and all but Heun's method approach the truth like :math:`1/N`:
# DDPM's extra noise costs a constant factor, not an order. Three lines stand out. DDIM on equal
# angles :math:`\arctan(\sigma/\alpha)` is the best that DDIM can do for unit variance (a product of
# cosines is largest when the angles are equal, REV-11); flow matching in equal time steps comes
# close to it without being asked. WAN's shift spends its steps in the noise, which pays for large
# pictures and not here. And DDPM with the *optimal* variance has no error at any number of steps,
# one included (REV-07; drawn at the rim): for Gaussian data the only thing DDPM gets wrong is how
# much noise to add.
#
# *"Isn't this literally a straight line from x_1 to x_0? What's different here?"*
# --------------------------------------------------------------------------------
# In flow matching the path of *one pair* :math:`(x_0, \varepsilon)` is the line
# :math:`x_t = (1-t)\,x_0 + t\,\varepsilon`, with velocity :math:`\varepsilon - x_0`. But many lines
# pass through one point. The network can only learn their mean,
# :math:`u(x, t) = E[\varepsilon - x_0 \mid x_t = x]`, and the roads of that mean field bend.

flow_field = diffx.denoiser(flow, clouds)
pairs = clouds.sample(jax.random.key(8), (14,)), jax.random.normal(jax.random.key(9), (14, 2))
fine = diffx.uniform(by_mode(200, 100))
_, bent = diffx.sample(diffx.euler(flow, flow_field), None, pairs[1], fine, keep=diffx.keep_x)
bent = np.concatenate([pairs[1][None], bent])

figure, panels = plt.subplots(1, 2, figsize=(7.6, 3.7))
for panel, title in zip(
    panels,
    ("what is trained on: lines of pairs", "what is learned: roads of the mean field"),
    strict=True,
):
    bare(panel)
    panel.set(title=title, xlim=(-2.8, 2.8), ylim=(-2.8, 2.8))
    panel.scatter(*clouds.sample(jax.random.key(2), (300,)).T, s=3, color=ORANGE, label="data")
    panel.scatter(*pairs[1].T, s=26, marker="x", lw=1.2, color="black", label="noise")
for x0, eps in zip(*pairs, strict=True):
    panels[0].plot(*np.stack([x0, eps]).T, color="black", ls="-", marker="", lw=0.9)
for i in range(bent.shape[1]):
    panels[1].plot(*bent[:, i].T, color="black", ls="-", marker="", lw=0.9)
panels[0].legend(loc="lower left", handletextpad=0.1)
plt.show()

# %%
# *"There's no noise schedule? How are they able to get rid of it?"*
# ------------------------------------------------------------------
# It is there: :math:`\alpha = 1 - t,\ \sigma = t`. A schedule only says *when* a noise level is
# met. Divide a road by :math:`\alpha` and label it by :math:`\sigma/\alpha`, and it is the same
# road under every schedule (REV-14); one Euler step of flow matching *is* one step of DDIM
# (REV-15). Below: DDIM on the VP path and Euler on the flow, through the same noise levels.

ratios = jnp.geomspace(50.0, 0.01, 21)
times = {path: path.time_of_log_snr(-2 * jnp.log(ratios)) for path in (process, flow)}
origin = jax.random.normal(jax.random.key(3), (5, 2))
ends = []
for path, method in ((process, diffx.ddim), (flow, diffx.euler)):
    first, last = path.alpha(times[path][0]), path.alpha(times[path][-1])
    x = first * jnp.sqrt(1 + ratios[0] ** 2) * origin  # the same point in units of alpha
    end, _ = diffx.sample(method(path, diffx.denoiser(path, clouds)), None, x, times[path])
    ends.append(end / last)
print(f"largest difference after 20 steps: {float(jnp.abs(ends[0] - ends[1]).max()):.1e}")

# %%
# What this page asserts
# ----------------------
# The two roads above end in the same points; from N = 8 on DDIM beats DDPM at every number of
# steps; DDPM's error falls like :math:`1/N`; the optimal variance is exact; the roads of the mean
# field are longer than straight lines.

assert jnp.abs(ends[0] - ends[1]).max() < 1e-11
assert all(
    ddim < ddpm
    for n, ddim, ddpm in zip(counts, errors["DDIM"], errors["DDPM"], strict=True)
    if n >= 8
)
rate = np.log(errors["DDPM"][-2] / errors["DDPM"][-1]) / np.log(counts[-1] / counts[-2])
assert abs(rate - 1) < by_mode(0.15, 0.3), rate
assert max(errors["DDPM, optimal variance"]) < 1e-6
lengths = np.linalg.norm(np.diff(bent, axis=0), axis=-1).sum(0)
assert (lengths / np.linalg.norm(bent[-1] - bent[0], axis=-1)).mean() > 1.02
