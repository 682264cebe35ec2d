r"""
The spiral
==========

*Chapter 6. All pictures lie on a spiral in the plane. A network learns which way is home, at every
noise level.*

Two numbers instead of a million pixels: then the whole field can be drawn. The setting is the
lecture's: 100 points on a spiral, noise levels log-uniform from 0.01 to 10, a small network that is
told the noise level, 15,000 steps of AdamW. Since the data are 100 points, the field that the
network *should* learn is known exactly, and can be drawn beside it.
"""

# %%
# Training
# --------
# The path is :math:`x_t = x_0 + \sigma(t)\,\varepsilon` (:math:`\alpha = 1`: the variance
# explodes). The network predicts the noise, and its loss is
#
# .. math:: L = E\,\tfrac{1}{2}\,|\hat\varepsilon(x_t, t) - \varepsilon|^2 ,
#
# a mean over both coordinates, all points and all noise levels.

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from jax.tree_util import Partial

import diffx
from demos.chapters._settings import BLUE, GREY, ORANGE, bare, begin, by_mode
from diffx.data import spiral
from diffx.nn import TimeMLP
from diffx.training import train

begin()
process = diffx.VE(0.01, 10.0)
data = diffx.PointSet(spiral(100))
network, untrained = nnx.split(TimeMLP(dim=2, rngs=nnx.Rngs(0)))


def predict_eps(params, x, t):
    return nnx.merge(network, params)(x, process.sigma(t))


def loss(points, params, key):
    for_levels, for_noise = jax.random.split(key)
    log_sigma = jax.random.uniform(
        for_levels, (len(points),), minval=np.log(0.01), maxval=np.log(10.0)
    )
    ts = process.time_of_log_snr(-2 * log_sigma)
    eps = jax.random.normal(for_noise, points.shape)
    at_one_time = lambda x0, eps, t: diffx.losses.eps_loss(
        process, Partial(predict_eps, params), x0, eps, t
    )
    return jax.vmap(at_one_time)(points, eps, ts).mean()


steps = by_mode(15_000, 3_000)
trained = train(
    Partial(loss, data.points),
    untrained,
    optax.adamw(1e-3),
    steps=steps,
    key=jax.random.key(0),
    ema=0.999,
)

# %%
# Two fields
# ----------
# An arrow starts at :math:`x` and points to the guess
# :math:`D(x, t) = x - \sigma\,\hat\varepsilon`: the way home. Above, the exact field of the 100
# points (DEN-06); below, the network's. The arrows are drawn at one length; their true lengths grow
# with :math:`\sigma`.

exact = diffx.denoiser(process, data)
learned = diffx.denoiser_of_eps(process, Partial(predict_eps, trained.ema))
sigmas = [2.0, 0.2, 0.1, 0.04]
axis = jnp.linspace(-1.3, 1.3, 15)
mesh = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)


def time_of(sigma):
    return process.time_of_log_snr(-2 * jnp.log(jnp.asarray(sigma)))


figure, panels = plt.subplots(2, 4, figsize=(9.6, 5.1))
for row, (name, denoise) in zip(panels, (("exact", exact), ("learned", learned)), strict=True):
    for panel, sigma in zip(row, sigmas, strict=True):
        way = jax.jit(denoise)(mesh, time_of(sigma)) - mesh
        way = way / jnp.linalg.norm(way, axis=-1, keepdims=True)
        bare(panel)
        panel.scatter(*data.points.T, s=4, color=ORANGE, zorder=3, label="data")
        panel.quiver(*mesh.T, *way.T, color="black", scale=19, width=0.006)
        panel.set_title(rf"{name}, $\sigma$ = {sigma:g}")
plt.show()

# %%
# From afar every arrow points to the middle, where no data are: seen through much noise the best
# guess is the mean (DEN-12). As the noise falls the field unfolds into the arms of the spiral, and
# at last each arrow points to one point.
#
# How far from exact?
# -------------------
# No network has a smaller loss than the exact field's: no one can know the noise that was added,
# and what cannot be known costs :math:`E\,\mathrm{Var}(\varepsilon \mid x_t)`. What a network loses
# on top is its squared distance from the exact field:
#
# .. math::
#
#    L(\hat\varepsilon) = L(\varepsilon^*)
#    + E\,\tfrac{1}{2}\,|\hat\varepsilon - \varepsilon^*|^2 .
#
# (The left side compares with the noise, which training can do; the right with the truth, DEN-08.)


@jax.jit
def errors(params, sigma, key):
    """The network's loss, the exact field's loss, and half the squared distance of the two fields,
    at one noise level.
    """
    t, (for_points, for_noise) = time_of(sigma), jax.random.split(key)
    x0 = data.sample(for_points, (20_000,))
    eps = jax.random.normal(for_noise, x0.shape)
    x = diffx.perturb(process, x0, eps, t)
    best = diffx.predictions.eps_of_x0(process, x, exact(x, t), t)
    guess = predict_eps(params, x, t)
    return ((guess - eps) ** 2).mean(), ((best - eps) ** 2).mean(), ((guess - best) ** 2).mean()


levels = np.geomspace(0.01, 10, 25)
network_loss, floor, distance = np.array(
    [errors(trained.ema, s, jax.random.key(i)) for i, s in enumerate(levels)]
).T

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4))
left.loglog(levels, network_loss, "o-", color="black", label="loss of the network")
left.loglog(
    levels, floor, "--", color=ORANGE, marker="", label="loss of the exact field: the floor"
)
left.loglog(levels, distance, ":", color=BLUE, marker="s", label="squared error of the network")
left.set(xlabel=r"noise level $\sigma$ (data units)", ylabel="mean square (1)", ylim=(1e-5, 3))
left.legend(loc="lower left")
smooth = trained.losses.reshape(-1, 100).mean(1)
right.plot(
    100 * np.arange(len(smooth)),
    smooth,
    "-",
    color="black",
    marker="",
    lw=1,
    label="training loss, means of 100 steps",
)
right.axhline(floor.mean(), color=ORANGE, ls="--", label="floor, mean over noise levels")
right.set(xlabel="step", ylabel="loss (1)", ylim=(0, None))
right.legend()
plt.show()

# %%
# The network is good where the loss can be small and at middle noise levels, where the shape of the
# spiral is decided. At :math:`\sigma` below 0.05 the exact field sees 100 separate points, the
# network a smooth curve: that is what makes it invent points between them.
#
# *"Scaling by sigma here matters a lot: why is that?"* asks the lecture's notebook. The network's
# output :math:`\hat\varepsilon` has size 1 at every noise level; the way home has size
# :math:`\sigma`, here 0.01 to 10, and the score :math:`-\hat\varepsilon/\sigma` has size
# :math:`1/\sigma`. Each differs from the next by a factor :math:`\sigma` (DEN-01): leave it out and
# every step is wrong by up to a factor 100.
#
# Home in 20 steps
# ----------------

t_grid = diffx.grids.uniform_log_snr(process, 20, t_max=1.0, t_min=float(time_of(0.01)))
start = diffx.prior(process, data).sample(jax.random.key(5), (by_mode(1000, 400),))
figure, panels = plt.subplots(1, 2, figsize=(7.6, 3.6))
distances = {}
for panel, (name, denoise) in zip(panels, (("exact", exact), ("learned", learned)), strict=True):
    x, _ = diffx.sample(diffx.ddim(process, denoise), None, start, t_grid)
    distances[name] = np.asarray(jnp.sqrt(((x[:, None] - data.points) ** 2).sum(-1)).min(1))
    bare(panel)
    panel.scatter(*data.points.T, s=14, color=GREY, label="data")
    panel.scatter(*x.T, s=3, color="black", label="samples")
    panel.set(title=f"DDIM in 20 steps, {name} field", xlim=(-1.25, 1.25), ylim=(-1.25, 1.25))
panels[0].legend(loc="upper left", bbox_to_anchor=(-0.12, 1.0))
plt.show()

# %%
# What this page asserts
# ----------------------
# The identity between the losses holds at every noise level; from :math:`\sigma = 0.1` on the
# network's error is a small part of its loss; half of its samples are nearer to the data than the
# data's outer points are to each other (0.17).

# 3 standard errors of the cross term
np.testing.assert_allclose(network_loss - floor, distance, atol=0.02)
coarse = levels >= 0.1
off, away = distance[coarse].mean(), np.median(distances["learned"])
print(
    f"for sigma >= 0.1: squared error {off:.4f} of a loss of {floor[coarse].mean():.4f}; samples "
    f"are {away:.3f} from the data"
)
assert off < by_mode(0.02, 0.1), off
assert away < by_mode(0.04, 0.12), away
