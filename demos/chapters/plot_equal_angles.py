r"""
Equal angles
============

*Beyond chapter 8. What a step of DDIM loses is a cosine, and the best grid of N steps is the one
that divides an angle equally.*

*"So smaller steps, interesting"*, notes the author of the lecture. Yes, but smaller in what? In
time, in noise, in its logarithm? There is an answer, and it is a picture. Take data of standard
deviation :math:`\sqrt{L}`. At time :math:`t` the sample has a part from the data, of deviation
:math:`\alpha\sqrt{L}`, and at right angles to it a part of noise, of deviation :math:`\sigma`.
Together they are an arrow, and what matters of it is its angle:

.. math::

   \phi(t) = \operatorname{atan2}\left(\sigma,\; \alpha\sqrt{L}\right), \qquad
   \text{noise: } \phi = \pi/2, \quad \text{data: } \phi = 0 .
"""

# %%
# A step is a projection
# ----------------------
# DDIM splits a sample into its guess of the data and its guess of the noise, and mixes them anew.
# For Gaussian data the guesses are projections, and so is the step: what arrives on the next ray is
# the foot of a perpendicular, :math:`\cos(\phi_t - \phi_s)` times as long as it should be (REV-11).
# Lengths in the picture are shares of the true deviation. It should be 1 all the way.

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, GREEN, GREY, ORANGE, bare, begin, by_mode

begin(float64=True)
flow = diffx.RectifiedFlow()


# N(0, .25), from sigma/alpha = 80 to .002: Karras' range
C, NOISIEST, CLEANEST = (
    0.5,
    80 / 81,
    0.002 / 1.002,
)
rows = {
    "equal angles": (
        BLACK,
        "o-",
        lambda n: diffx.grids.equal_angle(flow, n, std=C, t_max=NOISIEST, t_min=CLEANEST),
    ),
    "equal steps of $t$": (
        GREEN,
        "^-.",
        lambda n: diffx.uniform(n, t_max=NOISIEST, t_min=CLEANEST),
    ),
    "log-linear": (
        BLUE,
        "s--",
        lambda n: diffx.grids.uniform_log_snr(flow, n, t_max=NOISIEST, t_min=CLEANEST),
    ),
    r"Karras, $\rho = 7$": (ORANGE, "D:", lambda n: diffx.karras(flow, n + 1, sigma_max=80.0)[:-1]),
}
widths = [0.25, 1.0, 4.0]


@jax.jit
def shares(grids, variances):
    """The exact deviation of DDIM's output on N(0, variance), over the true one, for every grid and
    its variance.
    """

    def share(ts, variance):
        law = diffx.GaussianLaw(jnp.zeros(1), variance)
        output = diffx.exact_law(
            diffx.ddim(flow, diffx.denoiser(flow, law)), diffx.marginal(flow, law, ts[0]), ts
        )
        return jnp.sqrt(
            output.cov[0, 0] / (flow.alpha(ts[-1]) ** 2 * variance + flow.sigma(ts[-1]) ** 2)
        )

    return jax.vmap(share)(grids, variances)


@partial(jax.jit, static_argnums=0)
def grids(n):
    """The four grids, and from pure noise to clean data: equal steps of t, equal angles of L =
    1.
    """
    return jnp.stack(
        [grid(n) for *_, grid in rows.values()]
        + [diffx.uniform(n)] * 3
        + [diffx.grids.equal_angle(flow, n)]
    )


variances = jnp.array([C**2] * 4 + [*widths, 1.0])
counts = by_mode((2, 4, 10, 16, 64, 256), (2, 4, 10, 16))
kept = {n: np.asarray(shares(grids(n), variances)) for n in counts}


def angles(ts, std):
    return np.asarray(jnp.arctan2(flow.sigma(ts), flow.alpha(ts) * std))


def quarter(panel):
    """The quarter circle of angles."""
    bare(panel)
    turn = np.linspace(0, np.pi / 2, 100)
    panel.plot(np.cos(turn), np.sin(turn), "-", marker="", color=GREY, lw=1)
    panel.set(xlim=(-0.06, 1.1), ylim=(-0.2, 1.1))


def rays(panel, phi):
    for angle in phi:
        panel.plot([0, np.cos(angle)], [0, np.sin(angle)], "-", marker="", color=GREY, lw=0.7)


few = (2, 4, 16)
figure, panels = plt.subplots(1, 3, figsize=(9.8, 3.7))
for panel, n in zip(panels, few, strict=True):
    quarter(panel)
    phi = angles(grids(n)[-1], 1.0)
    length = np.cumprod(np.append(1, np.cos(np.diff(phi))))
    feet = length * np.array([np.cos(phi), np.sin(phi)])
    rays(panel, phi)
    panel.plot(*feet, "-", marker="o", ms=3.5, color=BLACK)
    panel.plot([0, length[-1]], [0, 0], "-", marker="", color=ORANGE, lw=3.5, solid_capstyle="butt")
    panel.annotate(f"{kept[n][-1]:.6f} of 1", (length[-1] / 2, -0.03), ha="center", va="top")
    panel.annotate(f"$N$ = {n}", (0.98, 0.93), ha="right", fontsize=12)
panels[0].annotate("noise", (0.03, 1.02), color="0.35")
panels[0].annotate("data", (1.0, 0.03), color="0.35", ha="left", rotation=90, va="bottom")
plt.show()

# %%
# The thick line is the deviation of the samples after :math:`N` steps from pure noise, read by
# ``exact_law`` off the sampler's code: :math:`\cos^N(\pi/2N)`, one cosine a step. With one step it
# would be :math:`\cos(\pi/2) = 0`: the mean.
#
# Where to put the rays
# ---------------------
# The whole angle is given, and a product of cosines whose angles have a given sum is largest when
# all are equal (the logarithm of the cosine is concave). So the best grid has
# :math:`\sigma_i/\alpha_i = \sqrt{L}\, \tan\phi_i` with equal steps of :math:`\phi` (REV-13).
# Sabour et al. 2024 found the same grid as the best in Kullback-Leibler divergence. Below, ten
# steps from :math:`\sigma/\alpha = 80` to 0.002 for data of standard deviation 0.5, on this grid
# and three that are in use.

figure, panels = plt.subplots(1, 4, figsize=(10.4, 3.3))
for i, (panel, (name, *_), ts) in enumerate(zip(panels, rows.items(), grids(10), strict=False)):
    quarter(panel)
    phi = angles(ts, C)
    rays(panel, phi)
    panel.plot(np.cos(phi), np.sin(phi), "o", ms=4.5, color=BLACK, ls="")
    panel.plot(
        [0, kept[10][i]], [0, 0], "-", marker="", color=ORANGE, lw=3.5, solid_capstyle="butt"
    )
    panel.annotate(f"{kept[10][i]:.6f} of 1", (kept[10][i] / 2, -0.04), ha="center", va="top")
    panel.set_title(name)
plt.show()

# %%
# Karras' grid and the log-linear one spend many steps where the angle hardly turns, near pure noise
# or near clean data, and pay for it in the middle with wide steps. Equal steps of the rectified
# flow's time are close to the best.
#
# All lose like :math:`1/N`, with different constants. And what is best for one width of data is not
# for another: on the right the same ten steps, for data of any width. Real data have a wide range
# of widths, large along a few directions and small along most, each with an angle of its own. The
# grids that look wasteful here insure against that.

spreads = np.geomspace(0.004, 40, by_mode(61, 25))
repeated = jnp.repeat(grids(10)[:4], len(spreads), axis=0)
insured = np.asarray(shares(repeated, jnp.asarray(np.tile(spreads**2, 4)))).reshape(4, -1)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.7))
for i, (name, (color, line, _)) in enumerate(rows.items()):
    left.loglog(counts, [1 - kept[n][i] for n in counts], line, color=color, label=name)
    right.semilogx(spreads, insured[i], ls=line[1:], marker="", color=color, label=name)
left.set(xlabel="number of steps $N$", ylabel="share of the deviation that is lost")
left.set_xticks(counts, [str(n) for n in counts])
left.minorticks_off()
left.legend(loc="lower left")
right.axvline(C, color=GREY, lw=0.8)
right.annotate("made for\nthis width", (C * 0.88, 0.12), color="0.35", ha="right")
right.set(
    xlabel="standard deviation of the data (data units)",
    ylabel="share that is kept, $N$ = 10",
    ylim=(0, 1.03),
)
plt.show()
for i, name in enumerate(rows):
    print(
        f"{name.translate({36: None, 92: None}):22s} ten steps keep {kept[10][i]:.6f} of the "
        "deviation"
    )

# %%
# Small steps, exactly
# --------------------
# For many steps the loss is
# :math:`1 - \prod \cos \Delta\phi_i \approx \frac{1}{2}\sum \Delta\phi_i^2`, so that :math:`N`
# times the loss tends to :math:`\frac{1}{2}\int (d\phi/du)^2\, du`, where :math:`u` counts the
# share of the steps. For the rectified flow in equal steps of time that is
# :math:`\frac{1}{2}\left[1 + \frac{\pi}{4}\, (1 + L)/\sqrt{L}\right]` (REV-12), and for equal
# angles :math:`\pi^2/8`, the least there is.

constants = [(1 + np.pi / 4 * (1 + L) / np.sqrt(L)) / 2 for L in widths] + [np.pi**2 / 8]
figure, axes = plt.subplots(figsize=(7.4, 3.7))
lines = {  # L = 4 mirrors L = 1/4: the rows agree to rounding
    "equal steps of $t$, $L$ = 1/4 or 4": (4, ORANGE, "^-."),
    "equal steps of $t$, $L$ = 1": (5, BLUE, "s--"),
    "equal angles": (7, BLACK, "o-"),
}
for name, (row, color, line) in lines.items():
    constant = constants[row - 4]
    axes.semilogx(
        counts,
        [n * (1 - kept[n][row]) for n in counts],
        line,
        color=color,
        label=f"{name}: to {constant:.6f}",
    )
    axes.axhline(constant, color=color, lw=0.8, ls=line[1:])
axes.set(
    xlabel="number of steps $N$", ylabel=r"$N \times$ the share that is lost", ylim=(0.9, 1.55)
)
axes.set_xticks(counts, [str(n) for n in counts])
axes.minorticks_off()
axes.legend(loc="lower right")
plt.show()

# %%
# So, smaller in what? In angle. A schedule has no say in it: it only decides which times belong to
# these angles (REV-14).
#
# What this page asserts
# ----------------------
# For every grid and every number of steps ``exact_law`` of the sampler is the product of the
# cosines; equal angles keep most of all four; the three numbers of the ten-step comparison; and
# :math:`N` times the loss tends to its constants.

for n in counts:
    products = [
        np.cos(np.diff(angles(ts, std))).prod()
        for ts, std in zip(grids(n), np.sqrt(variances), strict=True)
    ]
    assert np.abs(kept[n] - products).max() < 1e-12, n
    assert abs(kept[n][-1] - np.cos(np.pi / 2 / n) ** n) < 1e-12
    assert np.argmax(kept[n][:4]) == 0
    assert abs(kept[n][4] - kept[n][6]) < 1e-12
assert np.abs(kept[10][[0, 3, 2]] - [0.884916, 0.752777, 0.767349]).max() < 1e-6
last = counts[-1]
assert np.abs(last * (1 - kept[last][4:]) - constants).max() < 1.5 / last
