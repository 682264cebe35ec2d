r"""
The trap of the mean
====================

*Chapter 7. Take the noise out of DDPM's sampler, and it heads for the mean: the empty middle, a
blurred picture. Why?*

A step of DDPM draws :math:`x_s` from the Gaussian :math:`q(x_s \mid x_t, x_0)` at the predicted
:math:`x_0 = D(x_t, t)`. It seems wasteful to add fresh noise while removing noise. So let us keep
each step's mean and drop its noise.
"""

# %%
# On a Gaussian: exact
# --------------------
# For data :math:`N(\mu, L)` every step is affine, so ``exact_law`` gives what really comes out,
# without a sample. The chain is that of the DDPM paper, :math:`\beta` from 0.0001 to 0.02 in 1,000
# steps, and the data are :math:`N(0, 1)`.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLUE, GREY, ORANGE, bare, begin, by_mode, strip
from diffx.data import digits, spiral

begin(float64=True)
process = diffx.DDPMChain(diffx.processes.linear_betas(1000))


def noise_free_ddpm(process, denoise):
    return diffx.ddpm(process, denoise)._replace(noise=None)  # its steps then take only the mean


law = diffx.GaussianLaw(jnp.zeros(1), jnp.ones(1))
denoise = diffx.denoiser(process, law)
counts = by_mode([1, 4, 20, 100, 1000], [1, 10, 1000])


def deviation(method, n):
    """The standard deviation of what n steps give; the truth is 1."""
    output = diffx.exact_law(method(process, denoise), diffx.prior(process, law), diffx.trailing(n))
    return float(jnp.sqrt(output.cov[0, 0]))


methods = {
    "DDPM": (diffx.ddpm, "o-", "black"),
    "DDIM": (diffx.ddim, "s--", BLUE),
    "DDPM without its noise": (noise_free_ddpm, "^:", ORANGE),
}
deviations = {
    name: np.array([deviation(method, n) for n in counts])
    for name, (method, _, _) in methods.items()
}

figure, axes = plt.subplots(figsize=(6.2, 3.4))
for name, (_, line, color) in methods.items():
    axes.loglog(counts, deviations[name], line, color=color, label=name)
axes.axhline(1, color=GREY, lw=1, zorder=0)
axes.annotate("data: 1", (1.05, 1.1), color="0.4")
axes.annotate("0.006353, whatever the number of steps", (4, 0.0078))
axes.set(xlabel="number of steps", ylabel="standard deviation of the samples", ylim=(2e-3, 3))
axes.legend(loc="center right")
plt.show()

# %%
# More steps do not help at all. The reason fits on a line: along an eigenvector of variance
# :math:`L` the posterior mean multiplies the deviation from the mean by
# :math:`(\alpha_t/\alpha_s)\,v_s/v_t` with :math:`v_t = \alpha_t^2 L + \sigma_t^2`, and a product
# of such factors telescopes. Whatever the grid, the whole run is one jump to the first guess,
#
# .. math:: x_1 \;\mapsto\; \mu + \frac{\alpha_1 L}{v_1}\,(x_1 - \alpha_1 \mu) = E[x_0 \mid x_1] ,
#
# and from pure noise the first guess is the mean (REV-09; the telescoping was derived here). For
# :math:`L = 1` the factor is :math:`\alpha_1 = 0.006353`, the number above.
#
# *"So smaller steps, interesting. With DDPM step sizes we overshoot"*, notes the author of the
# lecture in his notebook. Measured in :math:`\sigma/\alpha`, DDIM goes the share
# :math:`1 - \sigma_s/\sigma_t` of the way to :math:`D`, and DDPM's mean the share
# :math:`1 - \sigma_s^2/\sigma_t^2`: for small steps exactly twice as far. DDPM walks two steps home
# and lets the noise carry it one step back. Without the noise nothing carries it back; DDIM takes
# the single step from the start (REV-11).
#
# On the spiral
# -------------

data = diffx.PointSet(spiral(last=7 * np.pi / 2, std=1))
field = diffx.denoiser(process, data)
start = jax.random.normal(jax.random.key(0), (by_mode(600, 300), 2))
spread = {}
sizes = by_mode((64, 256), (64,))
figure, panels = plt.subplots(len(sizes), 3, figsize=(8.6, 3.1 * len(sizes)), squeeze=False)
for row, n in zip(panels, sizes, strict=True):
    for panel, (name, (method, _, _)) in zip(row, methods.items(), strict=True):
        x, _ = diffx.sample(method(process, field), jax.random.key(1), start, diffx.trailing(n))
        spread[name, n] = float(x.var(0).sum() / data.points.var(0).sum())
        bare(panel)
        panel.scatter(*data.points.T, s=8, color="0.7", label="data")
        panel.scatter(*x.T, s=7, color="black", marker="x", lw=0.9, label="samples", zorder=3)
        panel.plot(
            *data.points.mean(0), "+", color=ORANGE, ms=13, mew=2.5, label="mean of the data", ls=""
        )
        panel.set_title(f"{name}\n{n} steps")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# All samples go to the middle, where there are no data, and then to what lies nearest to it: for
# finitely many points the last guesses are data points, so that the run ends on the few that are
# nearest to the mean (PTS-05). It passes by the mean; only for Gaussians does it stay there.
#
# On pictures
# -----------
# The same denoiser of all digits as in :doc:`plot_sculpting_noise`. The upper strip shows what the
# run without noise takes for clean pictures at :math:`\sigma/\alpha = 4`: ten times the mean of all
# digits, a blur that nobody wrote.

pictures = diffx.PointSet(digits().images.astype(float))
paint = diffx.denoiser(process, pictures)
noise = jax.random.normal(jax.random.key(4), (10, 8, 8))
grid = diffx.trailing(by_mode(128, 50))
runs = {}
for name, (method, _, _) in methods.items():
    runs[name] = diffx.sample(
        method(process, paint), jax.random.key(2), noise, grid, keep=diffx.keep_x0
    )
ratio = np.exp(-np.asarray(process.log_snr(grid[:-1])) / 2)
early = int(np.argmin(np.abs(ratio - 4)))

figure, rows = plt.subplots(4, 1, figsize=(8.0, 4.6))
strip(
    rows[0],
    runs["DDPM without its noise"][1][early],
    r"without noise: the guesses at $\sigma/\alpha$ = 4",
)
strip(rows[1], runs["DDPM without its noise"][0], "without noise: the samples")
strip(rows[2], runs["DDPM"][0], "DDPM")
strip(rows[3], runs["DDIM"][0], "DDIM")
plt.show()

# %%
# What this page asserts
# ----------------------
# On the Gaussian the standard deviation is :math:`\alpha_1` to 12 digits at every number of steps,
# while DDIM's and DDPM's reach 1; on the spiral less than a thousandth of the variance survives; on
# pictures the guesses without noise are one blur, ten times over.

alpha = float(process.alpha(1.0))
np.testing.assert_allclose(deviations["DDPM without its noise"], alpha, rtol=1e-12)
np.testing.assert_allclose([deviations["DDPM"][-1], deviations["DDIM"][-1]], 1, atol=0.02)
assert all(spread["DDPM without its noise", n] < 1e-3 for n in sizes), spread
assert all(spread[name, n] > 0.8 for name in ("DDPM", "DDIM") for n in sizes), spread
blur = runs["DDPM without its noise"][1][early]
assert blur.std(0).mean() < 0.1 * pictures.points.std(0).mean(), blur.std(0).mean()
print(
    f"without noise: standard deviation {alpha:.6f}; "
    f"share of the spiral's variance {spread['DDPM without its noise', sizes[-1]]:.1e}"
)
