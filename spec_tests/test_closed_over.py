"""Arrays that a jitted function closes over pass every door, although they are concrete and jnp
makes tracers of them.
"""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import diffx
from spec_tests.house import by_short_name

VP, PUBLIC = diffx.VP(), by_short_name()
PREDICTIONS = ("x0", "eps", "score", "v", "velocity")
CONVERSIONS = [f"{to}_of_{given}" for to in PREDICTIONS for given in PREDICTIONS if to != given]


def arrays():
    """Every argument that a door looks at."""
    number, square = jnp.float32, jnp.eye(3) + 0.5
    law = diffx.GaussianLaw(jnp.ones(3), square)
    return SimpleNamespace(
        **{
            "t": number(0.5),
            "s": number(0.25),
            "one": number(1.0),
            "top": number(0.9),
            "low": number(0.125),
        },
        **{
            "ts": jnp.linspace(0.9, 0.1, 5),
            "from_one": jnp.linspace(1.0, 0.1, 5),
            "curve": jnp.linspace(1.0, 2.0, 5),
        },
        **{
            "weights": jnp.full(4, 0.25),
            "mean": jnp.ones(3),
            "means": jnp.ones((4, 3)),
            "x": jnp.ones((4, 3)),
        },
        **{
            "square": square,
            "squares": jnp.stack([square] * 4),
            "variances": jnp.ones(3),
            "four": jnp.ones(4),
        },
        **{
            "basis": jnp.eye(3)[:, :2],
            "two": jnp.ones(2),
            "bases": jnp.stack([jnp.eye(3)[:, :2]] * 4),
            "twos": jnp.ones((4, 2)),
        },
        **{
            "points": jnp.ones((4, 2, 2)),
            "law": law,
            "set": diffx.PointSet(jnp.ones((4, 2, 2)), jnp.full(4, 0.25)),
        },
        sampler=diffx.ddim(VP, diffx.denoiser(VP, law)),
    )


def halve(x, t):
    return x / 2


def log_h(x, t):
    return -(x**2).sum(-1)


def net(u, c_noise):
    return u


def mixture(a, covs):
    return diffx.MixtureLaw(a.weights, a.means, covs).log_prob(a.x)


DOORS = {
    **{name: lambda a, name=name: PUBLIC[name](VP, a.x, a.x, a.t) for name in CONVERSIONS},
    **{
        f"{p}_loss": lambda a, p=p: PUBLIC[f"{p}_loss"](VP, halve, a.x, a.x, a.t)
        for p in PREDICTIONS
    },
    **{
        f"optimal_{p}_loss": lambda a, p=p: PUBLIC[f"optimal_{p}_loss"](VP, a.law, a.t)
        for p in PREDICTIONS
    },
    "loss_weights": lambda a: diffx.losses.loss_weights(VP, a.t),
    "min_snr_weight": lambda a: diffx.losses.min_snr_weight(VP, a.t, gamma=a.one),
    "preconditioning": lambda a: diffx.preconditioning.preconditioning(a.weights, std=a.one),
    "edm_weight": lambda a: diffx.preconditioning.edm_weight(a.weights, std=a.one),
    "denoiser_of_network": lambda a: diffx.preconditioning.denoiser_of_network(VP, net, std=a.one)(
        a.x, a.t
    ),
    "uniform": lambda a: diffx.uniform(4, t_max=a.top, t_min=a.low),
    "uniform_log_snr": lambda a: diffx.grids.uniform_log_snr(VP, 4, t_max=a.top, t_min=a.low),
    "karras": lambda a: diffx.karras(VP, 4, sigma_min=a.low, sigma_max=a.one, rho=a.one),
    "equal_angle": lambda a: diffx.grids.equal_angle(VP, 4, std=a.one, t_max=a.top, t_min=a.low),
    "time_shift": lambda a: diffx.time_shift(a.ts, a.one),
    "perturb": lambda a: diffx.perturb(VP, a.x, a.x, a.t),
    "transition": lambda a: diffx.transition(VP, a.t, a.s),
    "posterior": lambda a: diffx.posterior(VP, a.t, a.s),
    "gaussian_step": lambda a: diffx.reverse.gaussian_step(VP, a.variances, a.t, a.s, eta=a.one),
    "probability_flow": lambda a: diffx.reverse.probability_flow(VP, halve, a.x, a.t),
    "reverse_drift": lambda a: diffx.reverse.reverse_drift(VP, halve, a.x, a.t, eta=a.one),
    "conditioned_drift": lambda a: diffx.reverse.conditioned_drift(VP, log_h, a.x, a.t),
    "consistency": lambda a: diffx.distillation.consistency(VP, a.law, a.x, a.t),
    "progressive_target": lambda a: diffx.distillation.progressive_target(VP, a.x, a.x, a.t, a.s),
    "GaussianLaw": lambda a: diffx.GaussianLaw(a.mean, a.square).log_prob(a.x),
    "GaussianLaw, diagonal": lambda a: diffx.GaussianLaw(a.mean, a.variances).log_prob(a.x),
    "GaussianLaw, low rank": lambda a: diffx.GaussianLaw(
        a.mean, diffx.LowRank(a.basis, a.two, a.one)
    ).log_prob(a.x),
    "MixtureLaw": lambda a: mixture(a, a.four),
    "MixtureLaw, full": lambda a: mixture(a, a.squares),
    "MixtureLaw, low rank": lambda a: mixture(a, diffx.LowRank(a.bases, a.twos, a.four)),
    "PointSet": lambda a: diffx.PointSet(a.points, a.weights).log_prob(a.points),
    "marginal": lambda a: diffx.marginal(VP, a.law, a.t).mean,
    "prior": lambda a: diffx.prior(VP, a.law).mean,
    "w2": lambda a: diffx.w2(a.law, a.law),
    "kl": lambda a: diffx.kl(a.law, a.law),
    "denoiser": lambda a: diffx.denoiser(VP, a.law)(a.x, a.t),
    "denoiser of points": lambda a: diffx.denoiser(VP, a.set)(a.points, a.t),
    "score of points": lambda a: diffx.score(VP, a.set)(a.points, a.t),
    "exact_law": lambda a: diffx.exact_law(a.sampler, a.law, a.ts).mean,
    "error_budget": lambda a: diffx.error_budget(diffx.ddim, VP, a.law, a.ts),
    "mmse": lambda a: diffx.likelihood.mmse(VP, halve, a.x, a.x, a.t, weights=a.weights),
    "mmse_curve": lambda a: diffx.likelihood.mmse_curve(
        VP, halve, a.x, a.x, a.ts, weights=a.weights
    ),
    "mutual_information": lambda a: diffx.likelihood.mutual_information(VP, a.curve, a.ts, dim=300),
    "entropy": lambda a: diffx.likelihood.entropy(VP, a.curve, a.ts, dim=300),
    "surprisal": lambda a: diffx.likelihood.surprisal(VP, a.curve, a.ts, dim=300),
    "mmse_gap": lambda a: diffx.likelihood.mmse_gap(VP, a.curve, a.curve, a.ts),
    "kl_rate": lambda a: diffx.likelihood.kl_rate(
        VP, halve, halve, a.x, a.x, a.t, weights=a.weights
    ),
    "entropy_rate": lambda a: diffx.likelihood.entropy_rate(
        VP, halve, a.x, a.x, a.t, weights=a.weights
    ),
    "path_kl": lambda a: diffx.likelihood.path_kl(
        VP, halve, halve, a.x, a.x, a.ts, eta=a.one, weights=a.weights
    ),
    "frozen_score_kl": lambda a: diffx.likelihood.frozen_score_kl(VP, a.law, a.ts),
    "elbo_gap": lambda a: diffx.likelihood.elbo_gap(VP, a.law, a.ts),
    "vlb_term": lambda a: diffx.likelihood.vlb_term(VP, halve, a.x, a.x, a.t, a.s),
    "nelbo": lambda a: diffx.likelihood.nelbo(VP, halve, a.x, a.x, a.from_one, variance=a.one),
    "log_prob_ode": lambda a: diffx.log_prob_ode(VP, halve, a.x, prior=a.law, ts=a.ts),
    "log_prob_discrete": lambda a: diffx.likelihood.log_prob_discrete(
        a.sampler, a.x, prior=a.law, ts=a.ts
    ),
    "bits_per_dim": lambda a: diffx.likelihood.bits_per_dim(a.weights, 3, scale=a.one),
}


@pytest.mark.parametrize("name", DOORS)
def test_arrays_that_a_jitted_function_closes_over_pass_every_door(name):
    known, call = arrays(), DOORS[name]
    call(known)  # the values are good
    jax.eval_shape(jax.jit(lambda: call(known)))
