r"""
Check your own
==============

*A sampler from a paper, a schedule of your own, a line of code from the net. Is it right? Fifteen
lines give the exact answer.*

A sampler is a step from :math:`t` to :math:`s`. Write it as a function and give it a Gaussian, for
which the right answer is known. ``exact_law`` differentiates *your code* and returns the mean and
the covariance of what it really outputs. No sample is drawn, so that an error of :math:`10^{-6}` is
seen as easily as one of :math:`10^{-1}`.
"""

# %%
# Fifteen lines
# -------------
# The step under test is DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927, Algorithm 1): in the
# half-log-SNR :math:`\lambda = \log(\alpha/\sigma)` go half of a DDIM step, ask the denoiser again
# there, and take the whole step with the second answer. It claims order 2: half the step, a quarter
# of the error.

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import diffx
from demos.chapters._settings import BLACK, BLUE, ORANGE, RED, begin, by_mode

begin(float64=True)


def my_step(state, t, s, z=None, *, process, denoise, middle):
    half = lambda t: process.log_snr(t) / 2
    between = process.time_of_log_snr(2 * (half(t) + middle * (half(s) - half(t))))
    x_between = go(state.x, t, between, denoise(state.x, t), process)
    eps = (x_between - process.alpha(between) * denoise(x_between, between)) / process.sigma(
        between
    )
    x0 = (state.x - process.sigma(t) * eps) / process.alpha(t)
    return diffx.State(go(state.x, t, s, x0, process)), diffx.Info(x0)


def go(x, t, s, x0, process):
    return process.alpha(s) * x0 + process.sigma(s) / process.sigma(t) * (x - process.alpha(t) * x0)


def errors(middle):
    """The exact W2 error of the method at each number of steps."""
    step = Partial(my_step, process=process, denoise=diffx.denoiser(process, law), middle=middle)
    sampler = diffx.Sampler(Partial(diffx.State), step)
    return np.array(
        [float(diffx.w2(diffx.exact_law(sampler, start, grid), limit)) for grid in grids]
    )


process = diffx.VP()
law = diffx.GaussianLaw(jnp.array([1.0, -2.0]), jnp.array([[2.0, 0.6], [0.6, 0.5]]))
counts = by_mode([8, 16, 32, 64, 128], [16, 32, 64])
grids = [diffx.grids.uniform_log_snr(process, n, t_max=0.99, t_min=1e-3) for n in counts]
start, limit = (diffx.marginal(process, law, t) for t in (0.99, 1e-3))
right, slipped = errors(0.5), errors(1.0)

# %%
# ``limit`` is the true law at the last time of the grid, so that stopping early is not counted
# against the method.
#
# The verdict is a slope
# ----------------------
# Beside it runs the same code with a slip that no picture would show: the middle taken at the end
# of the step, ``middle=1``, as it happens when the log-SNR and *half* the log-SNR are mixed up.

figure, axes = plt.subplots(figsize=(6.4, 3.8))
axes.loglog(counts, right, "o-", color=BLACK, label="my_step")
axes.loglog(counts, slipped, "s--", color=ORANGE, label="my_step with the slip")
for order, errors_of, color in ((2, right, BLUE), (1, slipped, RED)):
    axes.loglog(
        counts[-3:],
        0.6 * errors_of[-1] * (counts[-1] / np.array(counts[-3:])) ** order,
        ":",
        marker="",
        color=color,
    )
    axes.annotate(
        f"order {order}",
        (counts[-2], 0.5 * errors_of[-1] * 2.0**order),
        color=color,
        va="top",
        ha="right",
    )
axes.set(xlabel="number of steps $N$", ylabel="exact $W_2$ error (data units)")
axes.set_xticks(counts, [str(n) for n in counts])
axes.minorticks_off()
axes.legend()
plt.show()

# %%
# Both converge, and their samples look alike; the slope tells them apart. Orders, and DDIM's error
# constant too, are held this way for the samplers of diffx (REV-12, REV-19).
#
# A schedule of your own
# ----------------------
# A process is :math:`\alpha` and :math:`\sigma`; drift and diffusion must follow from them,
# :math:`f = \alpha'/\alpha` and :math:`g^2 = (\sigma^2)' - 2 f \sigma^2` (FWD-02). This is the
# check, by automatic differentiation, on a schedule from memory: the "sub-VP" path, whose
# :math:`g^2 = \beta\,(1 - e^{-2B})` is easily remembered with :math:`e^{-B}`.


def mismatch(process, g_squared, t):
    """g^2 as remembered, minus g^2 as it must be."""
    variance = lambda t: process.sigma(t) ** 2
    f = jax.grad(lambda t: jnp.log(process.alpha(t)))(t)
    return g_squared(t) - (jax.grad(variance)(t) - 2 * f * variance(t))


path = diffx.SubVP()
beta = lambda t: 0.1 + 19.9 * t
integral = lambda t: 0.1 * t + 19.9 * t**2 / 2
remembered = {
    r"$\beta\,(1 - e^{-2B})$": lambda t: beta(t) * -jnp.expm1(-2 * integral(t)),
    r"$\beta\,(1 - e^{-B})$": lambda t: beta(t) * -jnp.expm1(-integral(t)),
}
times = jnp.linspace(0.01, 0.99, 99)
off = {name: jax.vmap(lambda t, g=g: mismatch(path, g, t))(times) for name, g in remembered.items()}

figure, axes = plt.subplots(figsize=(6.4, 2.8))
for (name, values), line in zip(off.items(), ("-", "--"), strict=True):
    axes.plot(times, values, line, marker="", label=name)
axes.set(xlabel="time $t$", ylabel=r"$g^2$ off by (1/time)")
axes.legend()
plt.show()

# %%
# Not in JAX
# ----------
# Code in torch, in numpy or behind a wall is asked from outside: ``check_sampler`` is given a
# function from a denoiser and a batch to a batch. Below stands the third-order multi-step update of
# DPM-Solver++ in plain numpy, once with the weight of its last term as it is found in released
# code, once with twice that. A multi-step method must first fill its history by steps of lower
# order, which would hide its order; the check closes its denoiser over those steps (all data at one
# point, where every method is exact), and so no start needs to be handed over.


def third_order(denoise, x, n, stop, normal, *, weight):
    alpha, sigma = nodes(n)
    lam, answers = np.log(alpha / sigma), []
    for k in range(stop):
        answers.append(denoise(x, alpha[k], sigma[k]))
        h, slope, bend = lam[k + 1] - lam[k], 0.0, 0.0
        if k >= 2:
            near = (answers[k] - answers[k - 1]) / (lam[k] - lam[k - 1])
            far = (answers[k - 1] - answers[k - 2]) / (lam[k - 1] - lam[k - 2])
            bend = (near - far) / (lam[k] - lam[k - 2])
            slope = near + bend * (lam[k] - lam[k - 1])
        phi_1, phi_2 = -np.expm1(-h), h + np.expm1(-h)
        phi_3 = h**2 / 2 - phi_2
        step = phi_1 * answers[k] + phi_2 * slope + weight * phi_3 * bend
        x = sigma[k + 1] / sigma[k] * x + alpha[k + 1] * step
    return x


def nodes(n):
    grid = diffx.grids.uniform_log_snr(process, n, t_max=0.99, t_min=1e-2)
    return np.asarray(process.alpha(grid)), np.asarray(process.sigma(grid))


for weight in (1, 2):
    findings = diffx.check.check_sampler(
        partial(third_order, weight=weight), nodes, order=3, exact_on_points=True
    )
    print(f"weight {weight}:")
    print("\n".join(f"  {found.claim} {found.verdict}: {found.detail}" for found in findings))
    verdicts = {found.claim: found.verdict for found in findings}
    assert verdicts.pop("REV-19") == ("fails" if weight == 1 else "holds")
    assert set(verdicts.values()) == {"holds"}, verdicts

# %%
# Both are functions, converge and are exact on a point; the order tells them apart.
# ``check_process``, ``check_guidance``, ``check_contrastive_loss`` and ``check_log_prob`` ask the
# other parts of a library in the same way; what they say of the libraries in use is the page
# :doc:`/conformance/index`.
#
# What this page asserts
# ----------------------

slope = lambda errors: np.log2(errors[-2] / errors[-1])
assert abs(slope(right) - 2) < 0.15, slope(right)
assert abs(slope(slipped) - 1) < by_mode(0.15, 0.3), slope(slipped)
right_formula, wrong_formula = off.values()
assert jnp.abs(right_formula).max() < 1e-12 < 0.5 < jnp.abs(wrong_formula).max()
print(f"order of my_step {slope(right):.3f}, with the slip {slope(slipped):.3f}")
