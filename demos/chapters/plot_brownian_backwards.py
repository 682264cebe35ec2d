r"""
Brownian motion, run backwards
==============================

*Beyond the chapters. The field that a sampler follows is what Brownian motion looks like to someone
who watches the film from its end.*

Drop ink at a few places and let every particle do a random walk :math:`dy = dw`. After a time
:math:`\tau` the cloud is :math:`y_\tau = x_0 + \sqrt{\tau}\,\varepsilon`: data plus noise, with
:math:`\tau = (\sigma/\alpha)^2`. Nothing else is in a forward process; a schedule only says when
which :math:`\tau` is met (FWD-06). Now run the film backwards. The particles walk as randomly as
before, but on the whole they assemble: there is a drift towards where they came from,

.. math::

   \nabla \log p_\tau(y) = -\,\frac{y - D(y, \tau)}{\tau}, \qquad
   D(y, \tau) = E[x_0 \mid y_\tau = y] .

The left side is the *score*, learned by diffusion models; the right side is the pull that a walker
feels who must be home after a time :math:`\tau`, and does not know more about home than :math:`D`
(BRN-01).
"""

# %%
# A film and its reverse
# ----------------------
# Two clouds of ink on the left, 30 walkers in the colour of their home, each followed for a time of
# 4. On the right new walkers start in the wide cloud of :math:`\tau = 4` and take the drift above
# plus fresh noise; their colour says where they will end. The arrows point along the field.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, ORANGE, begin, by_mode

begin(float64=True)
T = 4.0
process = diffx.EDM(sigma_max=2.0)  # sigma = 2 t: Brownian motion with the clock tau = 4 t^2
ink = diffx.MixtureLaw(jnp.array([0.65, 0.35]), jnp.array([[-1.0], [1.5]]), jnp.array(0.04))
field = diffx.denoiser(process, ink)
clock = lambda tau: jnp.sqrt(jnp.asarray(tau) / T)

n, walkers = by_mode(800, 200), by_mode(20_000, 4_000)
taus = np.linspace(T, 0, n + 1)
keys = jax.random.split(jax.random.key(0), 6)
home = ink.sample(keys[0], (walkers,))
walk = jnp.cumsum(jax.random.normal(keys[1], (n, walkers, 1)) * np.sqrt(T / n), axis=0)
forth = np.concatenate([home[None], home + walk])[::-1, :, 0]  # in the order of taus
start = diffx.marginal(process, ink, 1.0).sample(keys[2], (walkers,))
_, back = diffx.sample(diffx.ddpm(process, field), keys[3], start, clock(taus), keep=diffx.keep_x)
back = np.concatenate([start[None], back])[..., 0]


@jax.jit
def scores(law, ts, y):
    return jax.vmap(lambda t: diffx.score(process, law)(y, t))(ts)


@jax.jit
def log_density(y, t):
    return diffx.marginal(process, ink, t).log_prob(y)


def arrows(axes, law, times, places):
    """The drift of the reversed walk at a grid of times and places."""
    pull = np.array(scores(law, clock(times), jnp.asarray(places)[:, None]))[..., 0].T
    # about the same on the page for all: what counts is where they point
    length = 3 * np.hypot(4.0, pull)
    axes.quiver(
        times,
        places,
        -1 / length,
        pull / length,
        color=BLACK,
        angles="xy",
        scale=2.6,
        width=0.0032,
        zorder=3,
    )


def plane(axes, title, left=0.0, right=T):
    axes.grid(False)
    axes.set(
        title=title,
        xlabel=r"Brownian time $\tau$ (data units$^2$)",
        xlim=(left, right),
        ylim=(-6, 6),
    )


figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.9), sharey=True)
plane(panels[0], r"the film: ink spreads $\rightarrow$")
plane(panels[1], r"$\leftarrow$ in reverse: it assembles")
arrows(panels[1], ink, np.linspace(0.25, T - 0.05, 15), np.linspace(-5.4, 5.4, 13))
for axes, paths in zip(panels, (forth, back), strict=True):
    ends = paths[-1, :30] > 0.25
    for color, width, chosen in ((BLUE, 0.5, ~ends), (ORANGE, 0.8, ends)):
        axes.plot(taus, paths[:, :30][:, chosen], "-", marker="", lw=width, color=color, alpha=0.6)
panels[0].set_ylabel("place $y$ (data units)")
plt.show()

# %%
# Near the end the arrows are two fans, one for each home; far from it there is one fan, towards the
# mean: from afar the best guess of home is the average of all homes.
#
# At every time both films show the same cloud (REV-01). The line is the exact density, the steps
# are histograms.

cuts = [T, 0.5, 0.02]
figure, panels = plt.subplots(1, 3, figsize=(8.6, 2.9))
gaps = []
for axes, tau in zip(panels, cuts, strict=True):
    row = int(np.argmin(np.abs(taus - tau)))
    bins = np.linspace(*np.quantile(forth[row], [0.0005, 0.9995]), 41)
    density = np.exp(log_density(jnp.asarray(bins)[:, None], clock(taus[row])))
    axes.hist(forth[row], bins, density=True, histtype="step", color=BLUE, lw=1.2, label="film")
    axes.hist(
        back[row],
        bins,
        density=True,
        histtype="step",
        color=ORANGE,
        ls="--",
        lw=1.2,
        label="reverse",
    )
    axes.plot(bins, density, "-", marker="", color=BLACK, lw=0.8, label="exact")
    axes.set(title=rf"$\tau$ = {taus[row]:.2g}", xlabel="$y$ (data units)", yticks=[])
    found = np.sort(back[row])
    gaps.append(
        np.abs(
            np.searchsorted(np.sort(forth[row]), found) / walkers - np.arange(walkers) / walkers
        ).max()
    )
panels[0].set_ylabel("density")
panels[-1].legend(loc="upper right", handlelength=1.4)
plt.show()
print("largest difference of the two distribution functions:", [f"{gap:.4f}" for gap in gaps])

# %%
# One home: the Brownian bridge
# -----------------------------
# If all ink was dropped at one place :math:`x_0`, there is nothing to guess: :math:`D = x_0`, and
# the reversed walk is Brownian motion tied down at both ends. Its mean is the chord, its variance
# :math:`\tau (T - \tau)/T` (BRN-02): this is the posterior of DDPM (REV-05). Walkers that *start*
# at home and know where they must be at :math:`T` give the same picture. They are conditioned on
# their future, which adds :math:`g^2\,\nabla \log h`, where :math:`h(y, \tau)` is the likelihood of
# arriving (Doob; BRN-03).

place, arrival, many = 1.5, -2.0, by_mode(4_000, 1_000)
point = diffx.PointSet(jnp.array([[place]]))
ends = jnp.full((many, 1), arrival)
_, tied = diffx.sample(
    diffx.ddpm(process, diffx.denoiser(process, point)),
    keys[4],
    ends,
    clock(taus),
    keep=diffx.keep_x,
)
tied = np.concatenate([ends[None], tied])[..., 0]


def log_h(y, t):
    """Of being at `arrival` at t = 1."""
    return -((y[..., 0] - arrival) ** 2) / (2 * diffx.transition(process, 1.0, t).sigma ** 2)


def stride(y, given):
    """One step of Brownian time T/n: drift per t, over g^2 = d tau/dt, is drift per tau."""
    tau, z = given
    t = clock(tau)
    drift = diffx.reverse.conditioned_drift(process, log_h, y, t) / process.g(t) ** 2
    y = y + drift * T / n + jnp.sqrt(T / n) * z
    return y, y


noise = jax.random.normal(keys[5], (n - 1, many, 1))
first = jnp.full((many, 1), place)
_, led = jax.lax.scan(stride, first, (jnp.asarray(taus[:1:-1]) + T / n / 2, noise))
led = np.concatenate([ends[None], led[::-1], first[None]])[..., 0]

chord = arrival + (place - arrival) * (T - taus) / T
spread = np.sqrt(taus * (T - taus) / T)
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.7), sharey=True)
plane(panels[0], r"$\leftarrow$ backwards to a known home")
plane(panels[1], r"forwards to a known arrival $\rightarrow$")
arrows(panels[0], point, np.linspace(0.25, T - 0.05, 15), np.linspace(-5.4, 5.4, 13))
for axes, paths in zip(panels, (tied, led), strict=True):
    axes.plot(taus, paths[:, :25], "-", marker="", lw=0.5, color=BLUE, alpha=0.8)
    axes.plot(taus, chord, "-", marker="", color=BLACK, label="chord")
    axes.plot(
        taus,
        chord + 2 * spread,
        ":",
        marker="",
        color=BLACK,
        label=r"$\pm 2$ standard deviations, exact",
    )
    axes.plot(taus, chord - 2 * spread, ":", marker="", color=BLACK)
panels[0].set_ylabel("place $y$ (data units)")
panels[1].legend(loc="lower left")
plt.show()

# %%
# Forgetting the score
# --------------------
# The film's own drift is zero. Whoever reverses it by walking on with that drift and fresh noise,
# without the score, gets no reverse at all: the ink goes on spreading. The price of the forgotten
# score is a divergence between the two laws of *paths*,
# :math:`\frac{1}{2}\int_0^T E|\nabla \log p_\tau|^2\,d\tau`, and it equals the entropy that the
# spreading made (BRN-07): what the film lost is what the score knows.

naive = np.array(start)[:, 0] + np.concatenate([np.zeros((1, walkers)), np.asarray(walk)[..., 0]])
figure, axes = plt.subplots(figsize=(6.2, 3.7))
plane(axes, r"$\leftarrow$ reversed with the score, and without")
for paths, color, dashes, name in (
    (back, BLUE, "-", "with the score"),
    (naive, ORANGE, "--", "without"),
):
    axes.plot(taus, paths[:, :12], dashes, marker="", lw=0.6, color=color, alpha=0.8)
    axes.plot(
        taus,
        2 * paths.std(1),
        dashes,
        marker="",
        lw=2.2,
        color=color,
        label=f"{name}; thick: twice the standard deviation",
    )
axes.set(ylabel="place $y$ (data units)", ylim=(-9, 9))
axes.legend(loc="lower left")
plt.show()

places = jnp.linspace(-16, 16, 4001)[:, None]
levels = np.append(0, np.geomspace(1e-4, T, by_mode(400, 200)))


@jax.jit
def entropy_and_pull(t):
    """The entropy of the cloud, and E|score|^2."""
    log_p = log_density(places, t)
    p, pull = jnp.exp(log_p), diffx.score(process, ink)(places, t)[:, 0]
    return -jnp.trapezoid(p * log_p, places[:, 0]), jnp.trapezoid(p * pull**2, places[:, 0])


made, pulls = np.array([entropy_and_pull(clock(tau)) for tau in levels]).T
price, entropy = np.trapezoid(pulls, levels) / 2, made[-1] - made[0]
print(
    f"price of the forgotten score: {price:.4f} nats; entropy made by spreading: {entropy:.4f} nats"
)

# %%
# What this page asserts
# ----------------------
# The score is the pull of the unknown home and, per unit of :math:`\tau`, the drift of the reverse
# SDE; film and reverse have one law at each of the three times; both bridges have the variance
# :math:`\tau (T - \tau)/T` in the middle; without the score the variance grows by another
# :math:`T`; and the price of that is the entropy made.


@jax.jit
def three_ways(y, tau):
    """The same field as a pull, as a score and as a reverse drift per tau; backwards in time the
    sign turns.
    """
    t = clock(tau)
    reverse = diffx.reverse.reverse_drift(process, field, y, t) / process.g(t) ** 2
    return -(y - field(y, t)) / tau, diffx.score(process, ink)(y, t), -reverse


ways = np.array(three_ways(jnp.linspace(-5, 5, 41)[:, None], 0.7))
assert np.abs(ways - ways[0]).max() < 1e-12
# Kolmogorov and Smirnov: 2.5 sqrt(2/walkers) is passed once in 1e5
assert max(gaps) < 3.5 / np.sqrt(walkers), gaps
for paths in (tied, led):
    assert abs(paths[n // 2].var() - T / 4) < 6 * T / 4 * np.sqrt(2 / many)
    assert abs(paths[n // 2].mean() - (place + arrival) / 2) < 6 * np.sqrt(T / 4 / many)
assert abs(naive[-1].var() / (start.var() + T) - 1) < 6 * np.sqrt(2 / walkers)
assert abs(price - entropy) < 2e-3 * entropy
