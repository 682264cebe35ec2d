r"""
Sculpting noise
===============

*Chapter 1. A model predicts and removes noise, step after step, until a structure appears. What
does it see on the way?*

Take the 1,797 handwritten digits of scikit-learn as *all* the pictures there are. Then no network
is needed: the best guess of the clean picture is a formula. With
:math:`x_t = \alpha(t)\,x_0 + \sigma(t)\,\varepsilon`,

.. math::

   D(x, t) = E[x_0 \mid x_t = x] = \sum_i p_i\, x^{(i)}, \qquad
   p_i \propto \exp\!\left(-\frac{|x - \alpha(t)\, x^{(i)}|^2}{2\,\sigma(t)^2}\right),

by Bayes' rule: an average of all digits, weighted by how well each explains what is seen (DEN-06).
"""

# %%
# Into the noise
# --------------
# One digit is noised more and more (upper strip). Below each noisy picture stands the guess
# :math:`D(x_t, t)` made from that picture alone.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import begin, by_mode, strip
from diffx.data import digits

begin()
process = diffx.VP()
data = diffx.PointSet(digits().images)
denoise = jax.jit(diffx.denoiser(process, data))

# noise-to-signal ratio sigma/alpha
levels = jnp.array([0.1, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 8.0, 20.0, 100.0])
ts = process.time_of_log_snr(-2 * jnp.log(levels))
x0, eps = data.points[7], jax.random.normal(jax.random.key(3), (8, 8))
noised = jnp.stack([diffx.perturb(process, x0, eps, t) for t in ts])
guesses = jnp.stack([denoise(x, t) for x, t in zip(noised, ts, strict=True)])


def two_strips(upper, lower, labels, titles):
    _, axes = plt.subplots(2, 1, figsize=(8.4, 2.5))
    strip(axes[0], upper, titles[0])
    strip(axes[1], lower, titles[1])
    axes[1].set_xticks(10 * np.arange(len(labels)) + 4.5, labels)
    axes[1].tick_params(length=0)
    return axes


axes = two_strips(
    noised,
    guesses,
    [f"{level:g}" for level in levels],
    ["noisy picture $x_t$", "the best guess of the clean picture, $D(x_t, t)$"],
)
axes[1].set_xlabel(r"noise-to-signal ratio $\sigma(t)/\alpha(t)$  (ink has size 1)")
plt.show()

# %%
# The guess is the right digit long after the eye has lost it, then it hesitates between several,
# and in the end it is a grey blur: the mean of all digits. No other answer is better there. In the
# noise all pictures look alike, so each is as likely as any other (DEN-12, PTS-01); with little
# noise one picture explains all that is seen (PTS-02).
#
# Out of the noise
# ----------------
# A sampler turns this around. At each step it asks for the whole clean picture, not for one that is
# a little cleaner, and moves a little way towards the answer; then it asks again. Here DDIM does so
# from pure noise, three times.

steps = by_mode(100, 40)
grid = jnp.append(diffx.grids.uniform_log_snr(process, steps, t_max=0.999, t_min=1e-3), 0.0)
start = jax.random.normal(jax.random.key(11), (3, 8, 8))
end, (xs, answers) = diffx.sample(
    diffx.ddim(process, denoise), None, start, grid, keep=lambda state, info: (state.x, info.x0)
)

ratio = np.exp(-np.asarray(process.log_snr(grid[:-1])) / 2)
shown = np.array(
    [int(np.argmin(np.abs(np.log(ratio / level)))) for level in np.geomspace(12, 0.15, 10)]
)
seen = jnp.concatenate([start[None], xs])[:-1]  # what the denoiser was shown before each step
figure, rows = plt.subplots(6, 1, figsize=(8.4, 6.6))
for picture in range(3):
    strip(
        rows[2 * picture],
        seen[shown, picture],
        "$x_t$, from pure noise" if picture == 0 else "$x_t$",
    )
    strip(rows[2 * picture + 1], answers[shown, picture], "$D(x_t, t)$")
rows[-1].set_xticks(10 * np.arange(len(shown)) + 4.5, [f"{ratio[i]:.2g}" for i in shown])
rows[-1].tick_params(length=0)
rows[-1].set_xlabel(
    r"noise-to-signal ratio $\sigma(t)/\alpha(t)$, from left to right as the sampler sees it"
)
plt.show()

# %%
# The structure appears early and in the answers first; :math:`x_t` follows. What is left at the end
# is one of the 1,797 pictures itself: an *exact* denoiser of finitely many pictures can only
# remember (PTS-04). That networks invent new pictures is owed to what they fail to learn.
#
# What this page asserts
# ----------------------
# Far in the noise the guess is the mean picture, within the bound :math:`2R\tanh(\mathrm{osc}/4)`
# of PTS-01, where :math:`R` is the largest distance of a digit from the mean and osc the largest
# difference of two exponents; near the data it is the picture itself; and each sample is a digit of
# the data.

mean = data.points.mean(0)
distances = jnp.sqrt(((data.points - mean) ** 2).sum((1, 2)))
centred = noised[-1] / process.alpha(ts[-1]) - mean
osc = (2 * distances.max() * jnp.linalg.norm(centred) + distances.max() ** 2 / 2) / levels[-1] ** 2
assert jnp.linalg.norm(guesses[-1] - mean) <= 2 * distances.max() * jnp.tanh(osc / 4)
assert jnp.abs(guesses[0] - x0).max() < 1e-5

nearest = jnp.sqrt(((end[:, None] - data.points) ** 2).sum((2, 3))).min(1)
assert nearest.max() < 1e-3, nearest  # two digits are 7 apart on average
print(f"distance of each sample from the nearest digit: {np.round(np.asarray(nearest), 4)}")
