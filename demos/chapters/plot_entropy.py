r"""
What is left to know
====================

*Beyond the chapters. A denoiser that knows its data also knows how much there is to know in them,
in bits.*

See a point of a data set through noise, :math:`x_t = \alpha x_0 + \sigma\varepsilon`. How wrong is
the best guess :math:`D(x_t, t)`? Its mean squared error, the *mmse*, depends only on the
signal-to-noise ratio :math:`g = \alpha^2/\sigma^2`, and half its integral is the information that
the noisy picture has about the clean one:

.. math::

   I(x_0; x_t) = \frac{1}{2} \int_0^{g(t)} E\,|x_0 - D|^2 \, dg
   = \int_{-\infty}^{\log g(t)} \frac{1}{2}\, g\, E\,|x_0 - D|^2 \; d\log g .

On the right the axis is the log-SNR, and the integrand reads: *nats that become known per unit of
log-SNR* (LIK-03; Guo, Shamai and Verdu 2005).
"""

# %%
# Points on a spiral
# ------------------
# When all noise is gone one of :math:`n` equal points is known: the area under the curve must be
# :math:`\log n`. Nobody told the denoiser how many points there are.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, GREY, ORANGE, bare, begin, by_mode, strip
from diffx.data import digits, spiral

begin(float64=True)
process = diffx.RectifiedFlow()  # any path has the same curve over the log-SNR
levels = np.linspace(-8, 14, by_mode(67, 45))
times = process.time_of_log_snr(jnp.asarray(levels))


def bell(nodes, reach):
    """Nodes and weights that stand for a standard normal number."""
    z = np.linspace(-reach, reach, nodes)
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()


z, w = bell(17, 4.5)
noise, chance = jnp.stack(jnp.meshgrid(z, z), -1).reshape(-1, 2), jnp.outer(w, w).ravel()


def errors_of(points, x0):
    """The mmse at every level where the data are `points` and x0 are those that are looked at, all
    alike.
    """
    draws = jnp.repeat(x0, len(noise), 0), jnp.tile(noise, (len(x0), 1))
    denoise = diffx.denoiser(process, points)
    return diffx.likelihood.mmse_curve(
        process, denoise, *draws, times, weights=jnp.tile(chance, len(x0)) / len(x0)
    )


per_level = lambda errors, levels=levels: np.exp(levels) * np.asarray(errors) / 2

sizes = by_mode((10, 30, 100), (10, 30))
spirals = {n: diffx.PointSet(spiral(n, last=7 * np.pi / 2, std=1)) for n in sizes}
curves = {n: errors_of(data, data.points) for n, data in spirals.items()}
known = {
    n: float(diffx.likelihood.mutual_information(process, errors, times, dim=2))
    for n, errors in curves.items()
}

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), width_ratios=(1, 2.1))
bare(left)
left.plot(*spirals[sizes[-1]].points.T, ".", ms=4, color=GREY, ls="")
left.plot(*spirals[sizes[0]].points.T, "o", ms=5, color=BLACK, ls="", mfc="none")
left.set_title(f"{sizes[-1]} points; circled: {sizes[0]}")
for n, color, line in zip(sizes, (BLACK, BLUE, ORANGE), ("-", "--", "-."), strict=False):
    label = f"n = {n}: area {known[n]:.4f}, log n = {np.log(n):.4f}"
    right.plot(levels, per_level(curves[n]), line, marker="", color=color, label=label)
right.fill_between(levels, per_level(curves[sizes[0]]), color="0.9", lw=0)
right.axhline(0.5, color=GREY, lw=0.8, ls=":")
right.annotate("1/2: one dimension", (14, 0.51), ha="right", va="bottom", color="0.4")
right.set(xlabel="log-SNR", ylabel="nats per unit of log-SNR", ylim=(0, 1.0))
right.legend(loc="upper left")
plt.show()

# %%
# It is (LIK-06, PTS-06). The curve tells a story from left to right. Under heavy noise nothing is
# learned; then it is decided which part of the spiral the point is on, and all curves agree. What
# comes after depends on how many points there are: neighbours must be told apart, and more
# neighbours take more light. In between lies a plateau at one half. A Gaussian in :math:`d`
# dimensions has the integrand :math:`\tfrac{1}{2} d\, g L/(1 + g L)`, which tends to :math:`d/2`:
# twice the height counts dimensions. At these noise levels the points look like a curve, which has
# one; further right like points, which have none.
#
# Handwritten digits
# ------------------
# The same on pictures of 64 numbers, with four random noises a picture, two and their opposites,
# instead of a quadrature. Above the curve, one of the pictures at the noise levels on the axis.

images = digits().images[: by_mode(300, 150)].astype(float)
pictures, spans = diffx.PointSet(images), np.linspace(-8, 8, 33)
moments = process.time_of_log_snr(jnp.asarray(spans))
eps = jax.random.normal(jax.random.key(0), (2, *images.shape)).reshape(-1, 8, 8)
draws = jnp.tile(images, (4, 1, 1)), jnp.concatenate([eps, -eps])
missed = diffx.likelihood.mmse_curve(process, diffx.denoiser(process, pictures), *draws, moments)
found = float(diffx.likelihood.mutual_information(process, missed, moments, dim=64))

shown = np.linspace(-8, 8, 9)
figure, (top, panel) = plt.subplots(2, 1, figsize=(7.2, 4.2), height_ratios=(1, 2.6))
ratio = np.exp(-shown / 2)[:, None, None]
strip(top, (images[3] + ratio * eps[3]) / np.sqrt(1 + ratio**2))
panel.plot(spans, per_level(missed, spans), "-", marker="", color=BLACK)
panel.fill_between(spans, per_level(missed, spans), color="0.9", lw=0)
panel.set(
    xlabel="log-SNR",
    ylabel="nats per unit of log-SNR",
    xlim=(-8.9, 8.9),
    ylim=(0, None),
    xticks=shown,
)
wanted = np.log(len(images))
panel.annotate(
    f"area {found:.2f}\nlog {len(images)} = {wanted:.2f}", (0.03, 0.75), xycoords="axes fraction"
)
plt.show()

# %%
# Almost everything is learned between log-SNR -3 and 1: there one sees which picture it is. Noise
# levels elsewhere have nothing to tell.
#
# Unequal weights, and a density
# ------------------------------
# Held for one point :math:`x` at a time, half the integrated error is its *surprisal*:
# :math:`-\log w` for a point of weight :math:`w` (LIK-06). And where the data have a density, the
# area no longer ends. What is finite is the area between the curve and that of a standard normal,
# and it is the differential entropy (LIK-04):
#
# .. math::
#
#    h(x_0) = \tfrac{1}{2}\log 2\pi e
#    - \int \tfrac{1}{2} \left[ \frac{g}{1 + g} - g\, E\,|x_0 - D|^2 \right] d\log g .

weights = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
atoms = diffx.PointSet(spiral(len(weights), last=7 * np.pi / 2, std=1), jnp.asarray(weights))
surprisals = [
    diffx.likelihood.pointwise_information(process, errors_of(atoms, point[None]), times)
    for point in atoms.points
]

shares, centres, variances = np.array([0.3, 0.7]), np.array([-2.0, 1.0]), np.array([0.1, 0.5])
mixture = diffx.MixtureLaw(
    jnp.asarray(shares), jnp.asarray(centres[:, None]), jnp.asarray(variances)
)
nodes, mass = bell(65, 6.0)
x0 = np.broadcast_to(
    (centres[:, None] + np.sqrt(variances)[:, None] * nodes)[:, :, None], (2, 65, 65)
)
draws = (jnp.asarray(np.broadcast_to(value, x0.shape).reshape(-1, 1)) for value in (x0, nodes))
mixed = (shares[:, None, None] * mass[:, None] * mass).ravel()
left_over = diffx.likelihood.mmse_curve(
    process, diffx.denoiser(process, mixture), *draws, times, weights=jnp.asarray(mixed)
)
entropy = float(diffx.likelihood.entropy(process, left_over, times, dim=1))

line = np.linspace(-8, 8, 20_001)
log_density = np.asarray(mixture.log_prob(jnp.asarray(line[:, None])))
direct = float(-(np.exp(log_density) * log_density).sum() * (line[1] - line[0]))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), width_ratios=(1, 1.6))
left.plot([0, 3.5], [0, 3.5], "-", marker="", color=GREY, lw=0.9)
left.plot(-np.log(weights), surprisals, "o", color=BLACK, ls="")
left.set(xlabel=r"$-\log w$ (nats)", ylabel="half the integrated error (nats)", aspect="equal")
normal = np.exp(levels) / (1 + np.exp(levels)) / 2
right.plot(levels, normal, "--", marker="", color=BLUE, label="a standard normal")
right.plot(levels, per_level(left_over), "-", marker="", color=BLACK, label="the mixture")
right.fill_between(levels, normal, per_level(left_over), color="0.85", lw=0)
right.set(xlabel="log-SNR", ylabel="nats per unit of log-SNR", ylim=(0, None))
right.set_title(f"entropy from the denoiser {entropy:.6f}, from the density {direct:.6f}")
right.legend(loc="lower right")
plt.show()

# %%
# What this page asserts
# ----------------------
# The area under the denoiser's error is :math:`\log n` for every spiral, and for the digits up to
# the randomness of four noises each (a standard error of 0.1); it is :math:`-\log w` for every
# weighted point; the mixture's entropy is that of its density. The plateau of the densest spiral is
# that of one dimension.

for n in sizes:
    assert abs(known[n] - np.log(n)) < 1e-3, (n, known[n])
assert abs(found - wanted) < 0.5, found  # 4 standard errors: 0.13 for 150 pictures, less for more
np.testing.assert_allclose(surprisals, -np.log(weights), atol=2e-3)
assert abs(entropy - direct) < 3e-5, (entropy, direct)
if sizes[-1] == 100:
    plateau = per_level(curves[100])[(levels > 4.5) & (levels < 6)]
    assert np.all(np.abs(plateau - 0.5) < 0.05), plateau
print(
    f"log n to {max(abs(known[n] - np.log(n)) for n in sizes):.0e}; entropy of the mixture to "
    f"{abs(entropy - direct):.0e}"
)
