r"""
Add a sampler
=============

*For anyone with a method of their own: from the paper's line to a sampler whose output law is known
exactly.*

CFG++ (Chung et al. 2025, arXiv:2406.08070) guides the predicted picture and puts back the noise of
the *unconditional* prediction. That is one line of a paper. This page writes it as one step
function, makes it a sampler, asks what it really outputs, finds something that the paper does not
say, and shows the four files in which it joined the library.
"""

# %%
# One step is the formula
# -----------------------
# A step goes from x at time t down to time s < t. It returns the new x and the answer of the
# denoiser; what it needs besides stands behind the star. Shapes, times and dtypes are checked for
# you.

import inspect

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import begin

begin(float64=True)


def my_step(x, t, s, *, process, cond, uncond, w):
    d_u = uncond(x, t)
    d_w = d_u + w * (cond(x, t) - d_u)
    eps_u = (x - process.alpha(t) * d_u) / process.sigma(t)
    return process.alpha(s) * d_w + process.sigma(s) * eps_u, d_w


# %%
# One call makes it a sampler. A step with an argument ``z`` would be stochastic and get a standard
# normal there.

process = diffx.RectifiedFlow()
men = diffx.GaussianLaw(jnp.array([2.0]), jnp.array([0.49]))  # the condition
everybody = diffx.GaussianLaw(jnp.array([0.0]), jnp.array([0.49]))
cond, uncond = diffx.denoiser(process, men), diffx.denoiser(process, everybody)
mine = diffx.samplers.sampler_of_step(my_step, process=process, cond=cond, uncond=uncond, w=0.6)

x1 = jax.random.normal(jax.random.key(0), (1000, 1))
x0, _ = diffx.sample(mine, None, x1, diffx.uniform(20))
print(f"mean of 1000 samples, 20 steps: {float(x0.mean()):.3f}")

# %%
# What does it output?
# --------------------
# On Gaussian data no sample is needed: the law of the output follows from the step's own code. The
# condition has its mean at 2. Twenty steps overshoot, which guidance is known to do. Forty steps
# overshoot twice as much.

start = diffx.GaussianLaw(jnp.zeros(1), jnp.ones(1))
counts = np.array([5, 10, 20, 40, 80, 160])


def mean_after(sampler, n):
    return float(diffx.exact_law(sampler, start, diffx.uniform(int(n))).mean[0])


guided = diffx.ddim(process, diffx.guide(cond, uncond, w=3.0))  # plain guidance, for comparison
ours = np.array([mean_after(mine, n) for n in counts])
plain = np.array([mean_after(guided, n) for n in counts])

# %%
# Why? One line of algebra: a step of CFG++ *is* a step of DDIM whose guidance weight is
#
# .. math::
#
#    w' = \frac{w}{1 - e^{-h}}, \qquad
#    h = \log\frac{\alpha_s}{\sigma_s} - \log\frac{\alpha_t}{\sigma_t} .
#
# For a small step this is :math:`w/h`: halve the steps and the weight doubles. A scale in CFG++
# means something only together with the grid; the usual guidance has a limit (CFG-20, CFG-21).

# the last step, onto the data, has weight w itself
inner = lambda ts: 0.6 / -np.expm1(np.asarray(process.log_snr_step(ts[:-1], ts[1:])) / 2)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.2))
left.plot(counts, ours, label="CFG++, w = 0.6")
left.plot(counts, plain, label="DDIM with guide, w = 3")
left.axhline(2.0, color="#999999", lw=0.8, ls="-", marker="")
left.annotate("the condition's mean", (counts[-1], 2.0), ha="right", va="bottom", fontsize=8)
left.set(xlabel="steps", ylabel="mean of the output", xscale="log", yscale="log")
left.legend()
for n in (10, 20, 40):
    grid = diffx.uniform(n)[:-1]
    right.plot(np.asarray(grid[:-1]), inner(grid), label=f"{n} steps")
right.set(xlabel="time t of the step (1 is noise)", ylabel="weight in DDIM's terms", yscale="log")
right.legend()
plt.show()

# %%
# Four files
# ----------
# What makes it a method of the library:
#
# ``diffx/samplers/cfg_pp.py``
#     the step and its constructor, with source, domain and claims;
# ``diffx/samplers/__init__.py``
#     one line, which hands both on;
# ``spec_tests/cfg/test_cfg_pp.py``
#     its claims (for a solver of the probability flow: one line in
#     ``spec_tests/support/methods.py``, which makes its order a claim, REV-19);
# ``spec_tests/house/examples.py``
#     one small call: traced, exported to CPU, GPU and TPU, type-checked.
#
# The shipped step is the one above with a decorator, which turns ``(x, t, s)`` into the contract of
# all samplers, ``(state, t, s, z)``:

shipped = diffx.samplers.cfg_pp(process, cond, uncond, w=0.6)
print(*inspect.getsource(diffx.samplers.cfg_pp_step).splitlines()[-4:], sep="\n")

# %%
# A claim, and its fall
# ---------------------
# A claim compares the code with another route. Here that is DDIM, written in plain numpy in the
# noise's terms, with the weight :math:`w'`. Then break the formula on purpose: a claim that no slip
# can break says nothing.


def other_route(x, t, s, w):
    eps = [t * (x - (1 - t) * m) / ((1 - t) ** 2 * 0.49 + t**2) for m in (2.0, 0.0)]
    weight = w / (1 - (s / (1 - s)) / (t / (1 - t)))
    eps = eps[1] + weight * (eps[0] - eps[1])
    return (1 - s) / (1 - t) * (x - t * eps) + s * eps


def broken_step(x, t, s, *, process, cond, uncond, w):
    """The guided noise in place of the unconditional one: that is plain guidance."""
    d_w = uncond(x, t) + w * (cond(x, t) - uncond(x, t))
    return process.alpha(s) * d_w + process.sigma(s) * (x - process.alpha(t) * d_w) / process.sigma(
        t
    ), d_w


def off(step):
    sampler = diffx.samplers.sampler_of_step(step, process=process, cond=cond, uncond=uncond, w=0.6)
    x = jnp.linspace(-3, 3, 7)[:, None]
    got = sampler.step(sampler.init(x), 0.75, 0.5, None)[0].x
    return float(np.abs(np.asarray(got) - other_route(np.asarray(x), 0.75, 0.5, 0.6)).max())


print(f"right: {off(my_step):.1e}    broken: {off(broken_step):.2g}")

# %%
# What this page asserts
# ----------------------

again, _ = diffx.sample(shipped, None, x1, diffx.uniform(20))
assert np.array_equal(x0, again), "the shipped method is this page's step, bit for bit"
assert off(my_step) < 1e-14 and off(broken_step) > 0.1
assert abs(ours[-1] / ours[-2] - 2) < 0.05, "twice the steps, twice the way"
assert abs(plain[-1] / plain[-2] - 1) < 0.05, "plain guidance has a limit"
