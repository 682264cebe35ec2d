r"""
Add a process
=============

*A noise schedule from a paper becomes a process of its own: four formulas, four facts, and the
checks that it must pass.*

A process is a path :math:`x_t = \alpha(t)\, x_0 + \sigma(t)\, \varepsilon` from data at
:math:`t = 0` to noise at :math:`t = 1`. This page makes one in the order in which
``diffx.processes.SigmoidVP`` was made. The class below is complete and works with every sampler of
the library, wherever it stands; the last section says what it takes to contribute one.

The schedule is that of Jabri et al. 2022 (arXiv:2212.11972). Its noise rises along a piece of the
sigmoid :math:`S`, from :math:`a = \mathrm{start}/\tau` to :math:`b = \mathrm{end}/\tau`:

.. math::

   \alpha^2 = \frac{S(b) - S(u)}{S(b) - S(a)}, \qquad
   \sigma^2 = 1 - \alpha^2 = \frac{S(u) - S(a)}{S(b) - S(a)}, \qquad
   u = a + (b - a)\, t .

From formulas to code
---------------------
As printed, both are differences of nearly equal numbers, :math:`\sigma` near data and
:math:`\alpha` near noise. A difference of two sigmoids is a product, which loses nothing, and with
:math:`w = (b - a)/2` so is everything else:

.. math::

   S(v) - S(u) = \frac{\sinh\frac{v - u}{2}}{2 \cosh\frac{u}{2} \cosh\frac{v}{2}}
   \quad\Rightarrow\quad
   \frac{\alpha^2}{\sigma^2} = \frac{\cosh\frac{a}{2}}{\cosh\frac{b}{2}}\,
   \frac{\sinh w (1 - t)}{\sinh w t} .

The class owes four methods: :math:`\alpha`, :math:`\sigma`, the increment :math:`l_t - l_s` of the
log-SNR :math:`l = \log(\alpha^2/\sigma^2)` in closed form, and the inverse :math:`t(l)`. It says
what it is in four attributes, and ``gaussian_path`` derives :math:`f`, :math:`g` and the log-SNR.
"""

# %%

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, GREEN, ORANGE, RED, begin, by_mode

begin(float64=True)
cosh, sinh = jnp.cosh, jnp.sinh


@diffx.processes.gaussian_path
class MySigmoid:
    start: float = -3.0
    end: float = 3.0
    tau: float = 1.0

    variance_preserving = True
    pure_noise_at_1 = True  # alpha(1) = 0
    finite_rates_at_0 = False  # sigma begins as sqrt(t)
    finite_rates_at_1 = False  # alpha ends as sqrt(1 - t)

    def numbers(self):
        return self.start / self.tau, self.end / self.tau, (self.end - self.start) / self.tau / 2

    def alpha(self, t):
        a, _, w = self.numbers()
        return jnp.sqrt(sinh(w * (1 - t)) * cosh(a / 2) / (sinh(w) * cosh(a / 2 + w * t)))

    def sigma(self, t):
        a, b, w = self.numbers()
        return jnp.sqrt(sinh(w * t) * cosh(b / 2) / (sinh(w) * cosh(a / 2 + w * t)))

    def log_snr_step(self, t, s):
        w = self.numbers()[-1]
        return -jnp.log1p(sinh(w) * sinh(w * (t - s)) / (sinh(w * (1 - t)) * sinh(w * s)))

    def time_of_log_snr(self, l):
        a, b, w = self.numbers()
        ratio = jnp.exp(l) * cosh(b / 2) / cosh(a / 2)  # sinh(w (1 - t))/sinh(w t)
        return jnp.log1p(2 * sinh(w) / (ratio + jnp.exp(-w))) / (2 * w)


# Any, because a type checker does not see what the decorator adds
process: Any = MySigmoid(start=-2.0, end=3.0, tau=0.7)
print(
    f"f, g and l at t = 1/2: {process.f(0.5):.4f}, {process.g(0.5):.4f}, {process.log_snr(0.5):.4f}"
)

# %%
# The facts are read where it matters: ``variance_preserving`` makes :math:`g^2 = -2f`, which has
# its limit at :math:`t = 0`, and the tests ask each process only for what it has.
#
# It works everywhere
# -------------------
# A law, its exact denoiser, a sampler, and the exact law of what the sampler gives. DDIM has order
# 1: twice the steps, half the error.

law = diffx.GaussianLaw(jnp.array([1.0, -2.0]), jnp.array([[2.0, 0.6], [0.6, 0.5]]))
sampler = diffx.ddim(process, diffx.denoiser(process, law))
start, limit = (diffx.marginal(process, law, t) for t in (0.99, 1e-3))


def error(n):
    grid = diffx.grids.uniform_log_snr(process, n, t_max=0.99, t_min=1e-3)
    return float(diffx.w2(diffx.exact_law(sampler, start, grid), limit))


counts = by_mode([32, 64, 128, 256], [64, 128])
errors = [error(n) for n in counts]
print(
    "exact error of DDIM:",
    ", ".join(f"{value:.4f} with {n} steps" for n, value in zip(counts, errors, strict=True)),
)

# %%
# Other processes beside it
# -------------------------
# In time they differ; how far a sampler gets depends on the log-SNR. The sigmoid falls as a square
# root at the end, so that :math:`\alpha'(1)` is infinite: a method that steps in the process's own
# time, such as Heun, has to start before :math:`t = 1`.

shown = {
    "VP": (diffx.VP(), BLUE, "--"),
    "CosineVP": (diffx.CosineVP(), ORANGE, "-."),
    "RectifiedFlow": (diffx.RectifiedFlow(), GREEN, ":"),
    "MySigmoid()": (MySigmoid(), BLACK, "-"),
    r"MySigmoid(tau=0.4)": (MySigmoid(tau=0.4), RED, (0, (5, 1, 1, 1))),
}
ts = jnp.linspace(0, 1, 401)
figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.2))
for name, (one, color, dashes) in shown.items():
    for panel, values in zip(panels, (one.alpha(ts), one.sigma(ts), one.log_snr(ts)), strict=True):
        panel.plot(ts, values, color=color, linestyle=dashes, marker="", label=name)
for panel, label in zip(
    panels, (r"$\alpha(t)$", r"$\sigma(t)$", r"log-SNR $\log(\alpha^2/\sigma^2)$"), strict=True
):
    panel.set(xlabel="time $t$", title=label)
panels[2].set_ylim(-12, 12)
panels[0].legend()
plt.show()

# %%
# Is it right?
# ------------
# No check repeats the formulas of the class: the printed differences in numpy; the variance
# equation by quadrature, :math:`\sigma(t)^2 = \int_0^t g(r)^2\, \alpha(t)^2/\alpha(r)^2\, dr`,
# which ties :math:`g` and :math:`f` to the path (FWD-02); the inverse on the log-SNR (FWD-05); the
# increments added up (FWD-04).

inner = jnp.linspace(0.02, 0.98, 49)


def printed(t, start, end, tau):
    s = lambda u: 1 / (1 + np.exp(-u / tau))
    share = (s(end) - s(start + (end - start) * np.asarray(t))) / (s(end) - s(start))
    return np.sqrt(share), np.sqrt(1 - share)


def variance_by_quadrature(process, t, nodes=40):
    x, weights = np.polynomial.legendre.leggauss(nodes)
    r = t * (x + 1) / 2
    return t / 2 * weights @ np.asarray(process.g(r) * process.alpha(t) / process.alpha(r)) ** 2


far = lambda got, wanted: float(np.abs(np.asarray(got) - np.asarray(wanted)).max())
off = {
    "the printed formulas": far(
        [process.alpha(inner), process.sigma(inner)], printed(inner, -2.0, 3.0, 0.7)
    ),
    "the variance equation": far(process.sigma(0.9) ** 2, variance_by_quadrature(process, 0.9)),
    "time of the log-SNR": far(process.time_of_log_snr(process.log_snr(inner)), inner),
    "the sum of the increments": far(
        process.log_snr_step(inner[1:], inner[:-1]).sum(),
        process.log_snr(inner[-1]) - process.log_snr(inner[0]),
    ),
}

# %%
# The process of the library writes the same path with other functions and has a closed form for
# :math:`f`. And steps of 1/1024 in float32 show why an increment is owed: a difference of two
# log-SNRs has lost its digits (NUM-02).

ours = diffx.processes.SigmoidVP(-2.0, 3.0, 0.7)
for name in ("alpha", "sigma", "f", "g", "log_snr"):
    off[f"{name} of SigmoidVP"] = far(getattr(process, name)(inner), getattr(ours, name)(inner))
for name, value in off.items():
    print(f"{name:26} off by {value:.1e}")

nodes = jnp.arange(100, 901) / 1024  # float32 holds them exactly
exact = process.log_snr_step(nodes[1:], nodes[:-1])
narrow, single = nodes.astype(jnp.float32), jax.tree_util.tree_map(jnp.float32, process)
increments = {
    "closed form": single.log_snr_step(narrow[1:], narrow[:-1]),
    "difference": jnp.diff(single.log_snr(narrow)),
}
lost = {name: float(jnp.abs(values / exact - 1).max()) for name, values in increments.items()}
print(
    "increments of steps of 1/1024 in float32:",
    ", ".join(f"{name} off by {value:.1e}" for name, value in lost.items()),
)

# %%
# ``check_process`` asks the same of code in any language, and says what is wrong: here with the
# square root of :math:`\alpha^2` forgotten.


def findings(alpha):
    parts = {"f": process.f, "g": process.g, "log_snr": process.log_snr}
    return diffx.check.check_process(alpha, process.sigma, np.linspace(0.05, 0.95, 7), **parts)


right, slipped = findings(process.alpha), findings(lambda t: process.alpha(t) ** 2)
for title, found in (("as above", right), ("without the root", slipped)):
    print(f"{title}:")
    print(
        "\n".join(
            f"  {one.claim} {one.verdict}: {one.detail}"
            for one in found
            if one.verdict != "not provided"
        )
    )

# %%
# Contribute it
# -------------
# Six files:
#
# 1. ``diffx/processes/sigmoid.py``: the class, with its formula, source and domain in the
#    docstring. Arguments pass ``_arguments.times`` and ``_arguments.log_snrs``; where
#    :math:`\alpha` or :math:`\sigma` is 0, ``_increments`` keeps derivatives finite and the
#    increment :math:`-\infty`. For a type checker the class body names what is derived:
#    ``g, log_snr = g_of_path, log_snr_of_path``.
# 2. ``diffx/processes/__init__.py``: the line that hands it on.
# 3. ``spec_tests/oracles/paths.py``: the path as its paper prints it, in 60 decimal digits, with
#    :math:`f` and :math:`g^2`.
# 4. ``spec_tests/support/paths.py``: one line with the class, its oracle and its parameters. It
#    joins every claim that speaks of all processes, among them FWD-01, FWD-02, FWD-03, FWD-04,
#    FWD-05, FWD-09, NUM-02 and NUM-10, and NUM-03 if it ends in pure noise; the docstring names
#    them.
# 5. ``spec_tests/house/test_errors.py``: a line for each argument that it refuses.
# 6. ``CHANGELOG.md``: a line.
#
# Then break the formula on purpose, drop a root, swap ``start`` and ``end``, forget :math:`\tau`,
# and see claims fall: ``pytest spec_tests/fwd/test_paths.py spec_tests/num``. Where a derived
# :math:`f`, :math:`g` or log-SNR is not within the bound of a claim, write it out and put the
# number beside it. ``SigmoidVP`` writes :math:`f`, since the derivative of a sigmoid near 1 is
# known to an ulp of 1 only.
#
# What this page asserts
# ----------------------

assert max(off.values()) < 1e-12, off
assert abs(np.log2(errors[-2] / errors[-1]) - 1) < 0.15, errors
assert lost["closed form"] < 2e-6 and lost["difference"] > 20 * lost["closed form"], lost
verdicts = [{one.claim: one.verdict for one in found} for found in (right, slipped)]
assert "fails" not in verdicts[0].values() and verdicts[0]["FWD-02"] == "holds", verdicts[0]
assert verdicts[1]["FWD-02"] == verdicts[1]["FWD-05"] == "fails", verdicts[1]
assert isinstance(process, diffx.processes.Process)
