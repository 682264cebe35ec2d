r"""
The likelihood of a mixture
===========================

*Beyond the chapters. A sampler turns noise into data; the same road walked the other way says how
likely a point is.*

The flow that takes noise to data without fresh noise, :math:`dx/dt = u(x, t)`, is a change of
variables. Follow it from a point up to the noise, where the density is known, and keep the books of
how much space was squeezed on the way:

.. math:: \log p(x) = \log p_T(x_T) + \int_0^T \operatorname{div} u(x_t, t)\, dt .

The field is made of the denoiser :math:`D(x, t) = E[x_0 \mid x_t = x]` alone (LIK-01; Chen et al.
2018, Song et al. 2021). Nobody tells it the density.
"""

# %%
# A map of the density
# --------------------
# Three clouds in the plane. Left the density from the denoiser, in the middle the formula of the
# mixture, which the computation never sees. Each is drawn in nats below the highest point.

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, bare, begin, by_mode

begin(float64=True)
process = diffx.RectifiedFlow()
covs = jnp.array(
    [[[0.2, 0.12], [0.12, 0.15]], [[0.12, 0.0], [0.0, 0.25]], [[0.05, -0.02], [-0.02, 0.1]]]
)
law = diffx.MixtureLaw(
    jnp.array([0.5, 0.3, 0.2]), jnp.array([[1.2, 0.6], [-1.3, 0.8], [0.1, -1.4]]), covs
)
denoise = diffx.denoiser(process, law)
# about the deviation of one cloud: the angles of the grid are fine where the clouds appear
std = 0.35


@jax.jit
def change_of_variables(x, ts, probes):
    return diffx.log_prob_ode(
        process, denoise, x, prior=diffx.marginal(process, law, ts[0]), ts=ts, probes=probes
    )


def log_density(x, n, probes=None, std=std):
    """log p from the denoiser in n steps of Runge and Kutta, 4 answers of the denoiser each."""
    return np.asarray(change_of_variables(x, grid(n, std=std), probes))


@partial(jax.jit, static_argnums=0)
def grid(n, std=std):
    return diffx.grids.equal_angle(process, n, std=std)


truth = jax.jit(lambda x: law.log_prob(x))
points = jax.jit(lambda key: law.sample(key, (by_mode(1024, 256),)))(jax.random.key(0))
side, reach, depth = by_mode(111, 71), 3.6, 12
line = np.linspace(-reach, reach, side)
plane = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
# the map, and points of the mixture for the next figure
everywhere = np.concatenate([plane, points])
(found, traced), (true, exact) = (
    np.split(f(everywhere), [side**2]) for f in (lambda x: log_density(x, 32), truth)
)
gap = np.where(true > true.max() - depth, np.abs(found - true), 0)

figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.7))
square = lambda values, side=side: values.reshape(side, side)
for panel, values, title in zip(
    panels, (found, true), ("from the denoiser alone", "the formula"), strict=False
):
    below = panel.imshow(
        square(values - true.max()), origin="lower", extent=(-reach, reach) * 2, vmin=-depth, vmax=0
    )
    panel.contour(
        line,
        line,
        square(values - true.max()),
        [-9, -6, -3, -1],
        colors="0.5",
        linewidths=0.7,
        linestyles="-",
    )
    panel.set_title(title)
shown = np.where(gap > 0, np.maximum(gap, 1e-8), np.nan)
off = panels[2].imshow(
    square(shown), origin="lower", extent=(-reach, reach) * 2, norm=LogNorm(1e-8, 1e-3)
)
panels[2].set_title("how far apart they are")
for panel in panels:
    bare(panel)
figure.colorbar(
    below,
    ax=panels[:2],
    location="bottom",
    shrink=0.6,
    aspect=30,
    label="nats below the highest point",
)
figure.colorbar(
    off, ax=panels[2], location="bottom", shrink=0.9, aspect=20, label="difference, nats"
)
plt.show()
whole = np.exp(found).sum() * (line[1] - line[0]) ** 2
print(f"largest difference {gap.max():.1e} nats; the density from the denoiser sums to {whole:.6f}")

# %%
# The two maps cannot be told apart; the third has a logarithmic scale, and white lines where the
# error changes its sign.
#
# Steps, and probes
# -----------------
# Two things cost accuracy. One is the number of steps: the error falls like :math:`1/N^4`, and
# soonest on a grid of angles that knows how wide a cloud is. The other is the divergence of
# :math:`D`. Exactly, it takes one derivative per dimension. Large models cannot afford that and
# take Hutchinson's estimate: for random signs :math:`z_i = \pm 1` the number
# :math:`z^\top (\partial D/\partial x)\, z` has the divergence as its mean, and one derivative is
# enough. Its variance is :math:`2 \sum_{i \ne j} S_{ij}^2`, where :math:`S` is the symmetric part
# of :math:`\partial D/\partial x`; for standard normal numbers in place of signs it is
# :math:`2 \sum_{ij} S_{ij}^2` (DEN-17).
#
# One probe serves the whole way, so :math:`S` may as well be the weighted integral along the way,
# and three fixed probes read it off: :math:`e_1`, :math:`e_2` and :math:`e_1 + e_2`. The lines on
# the right are DEN-17's formula for that matrix; the marks are random probes, :math:`K` for each
# point.

rms = lambda values: float(np.sqrt(np.mean((values - exact) ** 2)))
steps = by_mode([8, 16, 32], [8, 16])
by_steps = {wide: [rms(log_density(points, n, std=wide)) for n in steps] for wide in (std, 1.0)}
floor = rms(traced)

along = lambda *direction: log_density(points, 32, np.broadcast_to(direction, (1, *points.shape)))
cross = (along(1.0, 1.0) - traced) / 2
matrices = np.moveaxis([[traced - along(0.0, 1.0), cross], [cross, traced - along(1.0, 0.0)]], 2, 0)

most = by_mode(32, 8)
counts = 2 ** np.arange(by_mode(6, 4))
rng = np.random.default_rng(1)
draws = {
    "signs": (
        lambda shape: rng.choice([-1.0, 1.0], shape),
        diffx.likelihood.sign_probe_variance,
        "o",
        BLUE,
        "-",
    ),
    "normal numbers": (
        rng.standard_normal,
        diffx.likelihood.normal_probe_variance,
        "s",
        ORANGE,
        "--",
    ),
}
probed, predicted, singles = {}, {}, {}
for name, (draw, variance, *_) in draws.items():
    each = [log_density(points, 32, draw((1, *points.shape))) for _ in range(most)]
    singles[name] = each[0]
    # log p is linear in the estimate
    means = np.cumsum(each, axis=0) / np.arange(1, most + 1)[:, None]
    probed[name] = np.array([rms(means[k - 1]) for k in counts])
    predicted[name] = np.sqrt(float(jax.jit(jax.vmap(variance))(matrices).mean()) / counts)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.7), sharey=True)
left.loglog(steps, by_steps[std], "o-", color=BLACK, label="angles for the width of a cloud")
left.loglog(steps, by_steps[1.0], "s--", color=BLUE, label="angles for width 1")
slope = by_steps[1.0][0] * (np.array(steps) / steps[0]) ** -4.0
left.loglog(steps, slope, ":", marker="", color=GREY, label=r"$\propto 1/N^4$")
left.set(
    xlabel="number of steps $N$ (4 denoiser calls each)",
    ylabel="rms error of $\\log p$ (nats)",
    title="exact trace",
)
left.set_xticks(steps, [str(n) for n in steps])
for name, (_, _, mark, color, dashes) in draws.items():
    right.loglog(counts, predicted[name], dashes, marker="", color=color, label=f"{name}: formula")
    right.loglog(counts, probed[name], mark, ls="", color=color, label=f"{name}: measured")
right.axhline(floor, color=BLACK, lw=1.2)
right.annotate(f"exact trace, 2 derivatives: {floor:.0e} nats", (1, floor * 1.4))
right.annotate(
    f"one probe: {probed['signs'][0]:.2f} nats", (1.2, probed["signs"][0] / 12), color=BLUE
)
right.set(xlabel="number of probes $K$", title="Hutchinson's probes, 32 steps")
right.set_xticks(counts, [str(k) for k in counts])
for panel in (left, right):
    panel.minorticks_off()
left.legend(loc="upper right")
right.legend(loc="center right")
plt.show()

bits = lambda values: float(
    diffx.likelihood.bits_per_dim(jnp.asarray(values.mean()), 2, scale=256 / (2 * reach))
)
print(f"rms error in nats: exact trace {floor:.1e}, one probe of signs {probed['signs'][0]:.3f}")
one = bits(singles["signs"])
print(
    f"bits per dimension with 256 levels across the map: {bits(traced):.3f}, with one probe a "
    f"point {one:.3f}"
)

# %%
# Probes buy accuracy at the rate :math:`1/\sqrt{K}`: to get as far as the exact trace, which costs
# two derivatives here, would take more probes than anyone has. In two dimensions one should not
# estimate at all; in a million one must. What saves the papers is that they report an average over
# many pictures, of *bits per dimension*,
# :math:`-\log p/(d \log 2) + \log_2(\text{levels per unit})` (LIK-14): the probes' error has mean
# zero and averages out, as the second line printed above shows. The density of *one* picture is
# another matter.
#
# What comes out of a sampler
# ---------------------------
# So far the density was that of the flow, walked in steps that are fine enough. A sampler of a few
# steps makes something else. It is a change of variables too: the density of what it *really* puts
# out is that of its noise, divided by the determinant of the Jacobian of its own code (LIK-02).
# Below, a square mesh of noise carried by DDIM.

counted = by_mode([4, 8, 32], [4, 16])
mesh = by_mode(201, 81)
noise_line = np.linspace(-4.2, 4.2, mesh)
noise = np.stack(np.meshgrid(noise_line, noise_line), -1).reshape(-1, 2)
normal = diffx.GaussianLaw(jnp.zeros(2), jnp.ones(2))
mass = np.exp(-(noise**2).sum(1) / 2)
mass = mass / mass.sum()


@jax.jit
def carried(noise, ts):
    x, log_p = diffx.likelihood.log_prob_discrete(
        diffx.ddim(process, denoise), noise, prior=normal, ts=ts
    )
    return x, log_p, law.log_prob(x)


figure, panels = plt.subplots(1, len(counted) + 1, figsize=(2.6 * len(counted) + 2.6, 2.9))
divergences, look = [], {"shading": "gouraud", "vmin": 0, "vmax": 0.55, "rasterized": True}
for panel, n in zip(panels, counted, strict=False):
    x, log_p, wanted = map(np.asarray, carried(noise, grid(n)))
    divergences.append(float(mass @ (log_p - wanted)))
    panel.pcolormesh(*x.T.reshape(2, mesh, mesh), square(np.exp(log_p), mesh), **look)
    panel.set_title(f"DDIM, {n} steps\n{divergences[-1]:.3f} nats from the data")
panels[-1].pcolormesh(line, line, square(np.exp(true)), **look)
panels[-1].set_title("the data\n")
for panel in panels:
    bare(panel)
    panel.set(xlim=(-2.4, 2.6), ylim=(-2.3, 2.2))
plt.show()
print(
    "KL divergence of the output from the data:",
    dict(zip(counted, np.round(divergences, 3).tolist(), strict=True)),
)

# %%
# In few steps the clouds come out too small and too dense. The distance in the titles is the exact
# Kullback-Leibler divergence of the output from the data, an integral over the noise. It needs that
# no two noises end in one place, and they do not: a step of DDIM adds :math:`x_t` and
# :math:`D(x_t, t)` with factors :math:`\sigma_s/\sigma_t` and
# :math:`\alpha_s - \alpha_t \sigma_s/\sigma_t` that are not negative, and the Jacobian of :math:`D`
# is :math:`\alpha_t/\sigma_t^2` times a covariance. Such a step is the gradient of a strictly
# convex function.
#
# What this page asserts
# ----------------------
# The denoiser's density is the mixture's, and sums to one; the error falls at order four; random
# probes err as DEN-17 says, a hundred thousand times more than the exact trace; the sampler's own
# density approaches the data.

assert gap.max() < 2e-3 and abs(whole - 1) < 1e-5, (gap.max(), whole)
order = np.log2(by_steps[std][-2] / by_steps[std][-1])
assert 3.5 < order < 5.5, order
for name in draws:
    assert np.all(np.abs(probed[name] / predicted[name] - 1) < by_mode(0.2, 0.4)), (
        name,
        probed,
        predicted,
    )
assert 0.5 < probed["signs"][0] < 1.5 and probed["signs"][0] > 1e5 * floor
assert np.all(np.diff(divergences) < 0) and 0 < divergences[-1] < by_mode(0.02, 0.1), divergences
