r"""
How much a contrastive loss can know
====================================

*Chapter 2. The loss of a batch of N pairs, taken from log N, is a bound of the information that
pictures and texts share. It cannot say more than log N.*

A contrastive loss asks: which of these :math:`N` texts belongs to this picture? Who guesses pays
:math:`\log N`, and what is saved is knowledge about the pair (van den Oord et al. 2018; Poole et
al. 2019):

.. math:: \log N - L \;\le\; I(x; y), \qquad\text{and}\qquad \log N - L \;\le\; \log N .

The second bound is a matter of counting: a question with :math:`N` answers is worth at most
:math:`\log N`. Which of the two binds? With Gaussian pairs nothing has to be learnt: the
information and the best scores are formulas.
"""

# %%
# The best scores
# ---------------
# Let :math:`x` and :math:`y` be standard normal with correlation :math:`r` in each of :math:`d`
# dimensions. They share :math:`I = -\frac d2 \log(1 - r^2)`, and the best score of a pair is its
# pointwise mutual information :math:`\log p(x, y) - \log p(x) - \log p(y)`, a quadratic form. One
# batch of eight pairs, and what each pair scores:

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import diffx
from demos.chapters._settings import BLACK, BLUE, DASHES, GREY, MARKERS, ORANGE, begin, by_mode

begin(float64=True)
DIM = 8
amounts = (1.0, 3.0, 6.0, 12.0)  # nats
colors = (BLACK, ORANGE, BLUE, GREY)


def pairs_that_share(information):
    """The law of (x, y) in which every dimension has its part of the information."""
    r = np.sqrt(1 - np.exp(-2 * information / DIM))
    eye = np.eye(DIM)
    return diffx.GaussianLaw(
        jnp.zeros(2 * DIM), jnp.asarray(np.block([[eye, r * eye], [r * eye, eye]]))
    )


def scores(law, draws):
    return diffx.contrast.gaussian_pmi(law, draws[..., :DIM], draws[..., DIM:])


laws = {amount: pairs_that_share(amount) for amount in amounts}
figure, panels = plt.subplots(1, 4, figsize=(9.8, 3.1))
for panel, (amount, law) in zip(panels, laws.items(), strict=True):
    table = scores(law, law.sample(jax.random.key(3), (8,)))
    shown = panel.imshow(jax.nn.softmax(table, axis=1), vmin=0, vmax=1)
    panel.grid(False)
    panel.set(title=f"I = {amount:g} nat{'s' * (amount != 1)}", xlabel="text", xticks=[], yticks=[])
panels[0].set(ylabel="picture")
figure.colorbar(shown, ax=panels, shrink=0.8, aspect=15, label="probability that it is the one")
plt.show()

# %%
# With more information the diagonal stands out. Once it is black, the batch is too easy a question:
# more information cannot make the answers better.
#
# The bound as the batch grows
# ----------------------------
# The average of :math:`\log N - L` over independent batches, for four amounts of information.

most, repeats = by_mode(4096, 512), by_mode(4, 2)
sizes = 2 ** np.arange(1, int(np.log2(most)) + 1)
table_of = jax.jit(lambda law, key: scores(law, law.sample(key, (most,))))


@jax.jit
def mean_bound(table, batches):
    """Over batches, (count, n): the numbers of the pairs in each."""
    one = lambda batch: diffx.contrast.info_nce_bound(
        diffx.contrast.info_nce(table[batch[:, None], batch]), n=batch.size
    )
    return jax.lax.map(one, batches).mean()


def mean_bounds(law):
    """For every batch size, from the same pairs."""
    tables = [table_of(law, key) for key in jax.random.split(jax.random.key(0), repeats)]
    batches = [jnp.arange(most).reshape(-1, n) for n in sizes]
    return np.mean(
        [[float(mean_bound(table, batch)) for batch in batches] for table in tables], axis=0
    )


bounds = {amount: mean_bounds(law) for amount, law in laws.items()}

figure, panel = plt.subplots(figsize=(8.6, 4.9))
panel.fill_between(sizes, np.log(sizes), 13.2, color="0.93", lw=0)
panel.plot(sizes, np.log(sizes), "-", marker="", color="0.4", lw=1.2)
panel.annotate("more than log N\ncannot be said", (sizes[1], 9.4), color="0.35")
for (amount, values), color, dash, mark in zip(
    bounds.items(), colors, DASHES, MARKERS, strict=False
):
    panel.axhline(amount, color=color, ls=dash, lw=0.9, alpha=0.7)
    panel.plot(sizes, values, ls=dash, marker=mark, color=color, label=f"I = {amount:g}")
panel.set_xscale("log", base=2)
panel.set(
    xlabel="batch size N (pairs)",
    ylabel=r"$\log N - L$ (nats)",
    ylim=(0, 13.2),
    xlim=(sizes[0], sizes[-1]),
)
panel.legend(title="nats shared", loc="center left", bbox_to_anchor=(1.0, 0.5))
panel.set_title(
    "horizontal: the information there is; marked: the information the loss can see", loc="left"
)
plt.show()
print("    N  " + "".join(f"  I = {amount:4g}" for amount in amounts) + "    log N")
for i, n in enumerate(sizes):
    print(
        f"{n:6d} "
        + "".join(f"{values[i]:10.3f}" for values in bounds.values())
        + f"{np.log(n):9.3f}"
    )

# %%
# Pairs that share 1 nat are measured to a hundredth by a batch of 512. Those that share 12 would
# need :math:`e^{12} \approx 160{,}000`: until then the loss measures the batch and not the pairs.
# That is a reason why contrastive training wants large batches, and why its loss should never be
# compared between batch sizes.
#
# What this page asserts
# ----------------------
# The bound stays below the information and below :math:`\log N` and grows with :math:`N` (CLP-08);
# for 1 nat it arrives; for 12 it follows :math:`\log N` (CLP-10).

for amount, values in bounds.items():
    np.testing.assert_allclose(
        diffx.contrast.gaussian_information(laws[amount], split=DIM), amount, rtol=1e-12
    )
    assert (values < np.log(sizes)).all()
    assert values.max() < amount + 0.1, "0.1 for the draws: a mean of thousands of pairs"
    assert (np.diff(values) > -0.1).all()
assert abs(bounds[1.0][-1] - 1) < by_mode(0.03, 0.1)
assert (np.log(sizes) - bounds[12.0] < 0.15)[: by_mode(9, 7)].all()
