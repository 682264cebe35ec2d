r"""
Break a formula
===============

*For a class: put one wrong symbol into a sampler, and find the statement that falls.*

A wrong sampler often draws good pictures. Exact statements are less polite. Below, four of them
judge the right step of DDPM or DDIM and six with a slip, each of which has been seen in the wild.
Every entry of the table is a measured error; a statement either holds to rounding or it does not
hold.
"""

# %%
# The step, and six slips
# -----------------------
# One step of the eta family (:math:`\eta = 0`: DDIM, :math:`\eta = 1`: DDPM) goes to
#
# .. math::
#
#    x_s = \alpha_s\, D + \sqrt{\sigma_s^2 - \sigma_\eta^2}\; \hat\varepsilon + \sigma_\eta\, z,
#    \qquad \hat\varepsilon = \frac{x_t - \alpha_t D}{\sigma_t}, \qquad
#    \sigma_\eta = \eta\,\frac{\sigma_s}{\sigma_t}\,
#    \sqrt{\sigma_t^2 - \frac{\alpha_t^2}{\alpha_s^2}\,\sigma_s^2} .

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import diffx
from demos.chapters._settings import begin

begin(float64=True)
process = diffx.VP()
law = diffx.GaussianLaw(jnp.array([1.0, -0.5]), jnp.array([1.0, 0.25]))
denoise = diffx.denoiser(process, law)


slips = (
    "no slip",
    "alpha forgotten",
    "square forgotten",
    "off by one",
    "eta squared",
    "noise counted twice",
    "DDPM's mean as DDIM",
)


def step(state, t, s, z=None, *, eta, slip):
    slipped = lambda name, wrong, right: jnp.where(slip == slips.index(name), wrong, right)
    (a_t, s_t), (a_s, s_s) = ((process.alpha(u), process.sigma(u)) for u in (t, s))
    x0 = denoise(state.x, t)
    eps = (state.x - slipped("alpha forgotten", 1.0, a_t) * x0) / s_t
    between = s_t**2 - (a_t / a_s) ** slipped("square forgotten", 1, 2) * s_s**2
    noise = (
        slipped("eta squared", eta**2, eta)
        * slipped("off by one", 1.0, s_s / s_t)
        * jnp.sqrt(between)
    )
    kept = slipped("noise counted twice", s_s**2, s_s**2 - noise**2)
    if z is None:
        kept = slipped("DDPM's mean as DDIM", (a_t * s_s**2 / (a_s * s_t)) ** 2, kept)
    x = a_s * x0 + jnp.sqrt(jnp.maximum(kept, 0)) * eps + (0 if z is None else noise * z)
    return diffx.State(x), diffx.Info(x0)


def sampler(eta, slip):
    noise = diffx.ddpm(process, denoise).noise if eta else None
    return diffx.Sampler(
        Partial(diffx.State), Partial(step, eta=eta, slip=slips.index(slip)), noise
    )


# %%
# Four statements
# ---------------
# Each compares what the sampler outputs with a number from elsewhere: a theorem, not the code.

ts = diffx.uniform(6, t_max=0.9, t_min=0.1)
start = diffx.marginal(process, law, ts[0])
variances = np.asarray(law.cov)
alpha, sigma = np.asarray(process.alpha(ts)), np.asarray(process.sigma(ts))
deviation = np.sqrt(alpha[:, None] ** 2 * variances + sigma[:, None] ** 2)


def output(eta, slip, grid=ts):
    return diffx.exact_law(sampler(eta, slip), start, grid)


def ddim_is_a_product_of_cosines(slip):
    """REV-11: one step multiplies by rho_s/rho_t times the cosine of the angle between."""
    phi = np.arctan2(sigma[:, None], alpha[:, None] * np.sqrt(variances))
    gain = deviation[-1] / deviation[0] * np.cos(np.diff(phi, axis=0)).prod(0)
    return np.abs(np.diag(output(0.0, slip).cov) - (gain * deviation[0]) ** 2).max()


def the_mean_arrives(slip):
    """REV-30: started at the mean of x_t, the run ends at the mean of x_s."""
    return np.abs(output(1.0, slip).mean - alpha[-1] * np.asarray(law.mean)).max()


def ddpm_draws_from_the_posterior(slip):
    """REV-05: one step has the variance of the Brownian bridge, and its mean follows x_t as the
    bridge's does.
    """
    one = output(1.0, slip, ts[:2])
    (a_t, a_s), (s_t, s_s) = alpha[:2], sigma[:2]
    bridge = s_s**2 * (s_t**2 - (a_t / a_s) ** 2 * s_s**2) / s_t**2
    # Cov(x_s, x_t)/Var(x_t): how E[x_s | x_t] follows x_t
    slope = a_t / a_s * (deviation[1] / deviation[0]) ** 2
    return np.abs(np.diag(one.cov) - (slope**2 * deviation[0] ** 2 + bridge)).max()


def eta_enters_linearly(slip):
    """REV-16: at eta = 1/2 the fresh noise has a quarter of the variance that it has at eta = 1."""
    t, s = ts[0], ts[1]
    fresh = [
        float(sampler(e, slip).step(diffx.State(jnp.zeros(2)), t, s, jnp.ones(2))[0].x[0])
        for e in (0.5, 1.0)
    ]
    still = [
        float(sampler(e, slip).step(diffx.State(jnp.zeros(2)), t, s, jnp.zeros(2))[0].x[0])
        for e in (0.5, 1.0)
    ]
    half, whole = np.subtract(fresh, still)
    return abs(half - whole / 2)


statements = {
    "product of\ncosines\nREV-11": ddim_is_a_product_of_cosines,
    "the mean\narrives\nREV-30": the_mean_arrives,
    "posterior\nof DDPM\nREV-05": ddpm_draws_from_the_posterior,
    "linear\nin eta\nREV-16": eta_enters_linearly,
}
table = np.array([[float(judge(slip)) for judge in statements.values()] for slip in slips])

# %%
# The table
# ---------

figure, axes = plt.subplots(figsize=(6.6, 4.0))
falls = table > 1e-12
axes.imshow(falls, cmap="gray_r", vmin=0, vmax=1.6, aspect="auto")
axes.grid(False)
axes.set_xticks(range(len(statements)), list(statements))
axes.set_yticks(range(len(slips)), list(slips))
axes.tick_params(length=0)
axes.xaxis.tick_top()
for i, j in np.ndindex(table.shape):
    text = f"off by {table[i, j]:.2g}" if falls[i, j] else "holds"
    axes.text(j, i, text, ha="center", va="center", color="white" if falls[i, j] else "black")
plt.show()

# %%
# The right step passes all; each slip falls to at least one, and most to exactly one, which names
# the symbol that is wrong. *DDPM's mean as DDIM* is the classic: DDPM with its noise switched off
# (:doc:`plot_trap_of_the_mean`).
#
# To do this with every formula of diffx and every claim: ``python -m spec_tests.mutants`` makes
# hundreds of such slips by machine and reports those that no claim notices. With your own: change a
# symbol in ``diffx/samplers/ddim.py``, run ``pytest spec_tests --claims``, read which claim fails
# and by how much, and change it back.
#
# What this page asserts
# ----------------------

assert not falls[0].any(), table[0]
assert falls[1:].any(1).all(), "a slip that no statement notices would be a missing claim"
