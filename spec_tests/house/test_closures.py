"""Arrays that a jitted function closes over pass every door, although they are concrete and jnp
makes tracers of them.
"""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from diffx import concepts, contrast, flow_matching, guidance
from spec_tests.instrument.close import close
from spec_tests.support.rooms import handed_on, modules

PREDICTIONS = ("x0", "eps", "score", "v", "velocity")
CONVERSIONS = [f"{to}_of_{given}" for to in PREDICTIONS for given in PREDICTIONS if to != given]


@cache
def arrays() -> SimpleNamespace:
    """Made once, outside jit: rows of a batch, their partners, two laws with commuting covariances,
    a coupling of them, all that stands for a covariance.
    """
    p, q = (
        diffx.GaussianLaw(jnp.asarray([m, 0.5]), scale * jnp.asarray([[2.0, 0.5], [0.5, 1.0]]))
        for m, scale in TWO
    )
    x, y = (
        jnp.asarray([[1.0, 0.2], [0.3, -1.0], [0.4, 0.9]]),
        jnp.asarray([[0.8, 0.1], [0.2, -1.0], [0.9, 0.7]]),
    )
    table, numbers = (
        jnp.asarray([[0.1, 0.2, 0.1], [0.3, 0.2, 0.1]]),
        {"half": 0.5, "two": 2.0, "low": 0.2, "nought": 0.0, "unit": 1.0, "top": 0.9},
    )
    cov = jnp.eye(3) + 0.5
    law = diffx.GaussianLaw(jnp.ones(3), cov)
    return SimpleNamespace(
        **{name: jnp.asarray(number) for name, number in numbers.items()},
        **{
            "x": x,
            "y": y,
            "p": p,
            "q": q,
            "joint": flow_matching.independent_coupling(p, q),
            "table": table,
        },
        **{
            "mask": jnp.asarray([True, True, False]),
            "first": jnp.asarray([True, False, False]),
            "none": jnp.zeros(3, bool),
        },
        **{
            "partners": jnp.eye(3, dtype=bool),
            "strangers": ~jnp.eye(3, dtype=bool),
            "nobody": jnp.zeros((3, 3), bool),
        },
        **{
            "scores": x @ y.T,
            "minus": jnp.asarray(-2.0),
            "one": jnp.ones(1),
            "zero": jnp.zeros(1),
            "double": 2 * table,
        },
        **{
            "times": jnp.asarray([0.2, 0.5, 0.7]),
            "ts": diffx.uniform(2),
            "ids": jnp.asarray([0, 1, 1]),
        },
        **{
            "square": jnp.asarray([[[0.5, 0.5], [1.0, 2.0]], [[1.0, 1.5], [1.0, 3.0]]]),
            "key": jax.random.key(0),
        },
        **{
            "std": flow_matching.Interpolant(jnp.asarray(0.5)),
            "flat": flow_matching.Interpolant(jnp.asarray(0.0)),
        },
        **{
            "rows": jnp.ones((4, 3)),
            "weights": jnp.full(4, 0.25),
            "points": jnp.ones((4, 2, 2)),
            "mean": jnp.ones(3),
            "means": jnp.ones((4, 3)),
        },
        **{
            "cov": cov,
            "squares": jnp.stack([cov] * 4),
            "variances": jnp.ones(3),
            "four": jnp.ones(4),
        },
        **{
            "basis": jnp.eye(3)[:, :2],
            "pair": jnp.ones(2),
            "bases": jnp.stack([jnp.eye(3)[:, :2]] * 4),
            "twos": jnp.ones((4, 2)),
        },
        **{
            "inner": jnp.linspace(0.9, 0.1, 5),
            "from_one": jnp.linspace(1.0, 0.1, 5),
            "curve": jnp.linspace(1.0, 2.0, 5),
        },
        **{
            "law": law,
            "set": diffx.PointSet(jnp.ones((4, 2, 2)), jnp.full(4, 0.25)),
            "sampler": diffx.ddim(VP, diffx.denoiser(VP, law)),
        },
        singular=diffx.GaussianLaw(jnp.zeros(2), jnp.ones((2, 2))),
        other=diffx.GaussianLaw(jnp.zeros(2), jnp.asarray([[1.0, -0.5], [-0.5, 3.0]])),
    )


TWO = ((1.0, 1.0), (0.0, 3.0))
VP, FLOW = diffx.VP(), diffx.RectifiedFlow()


def still(x: Any, t: Any) -> Any:
    """A denoiser, a velocity, or the logarithm of a classifier."""
    return x / 2


def net(x: Any, t: Any, c: Any) -> Any:
    return x + c


def network(u: Any, c_noise: Any) -> Any:
    return u


def log_h(x: Any, t: Any) -> Any:
    return -(x**2).sum(-1)


def mixture_log_prob(g: SimpleNamespace, covs: Any) -> Any:
    return diffx.MixtureLaw(g.weights, g.means, covs).log_prob(g.rows)


def walk(g: SimpleNamespace) -> diffx.Sampler:
    return diffx.flow_euler(flow_matching.marginal_velocity(FLOW, g.p))


DOORS: dict[str, Callable[[SimpleNamespace], Any]] = {
    **{
        f"predictions.{name}": lambda g, name=name: getattr(diffx.predictions, name)(
            VP, g.rows, g.rows, g.half
        )
        for name in CONVERSIONS
    },
    **{
        f"losses.{p}_loss": lambda g, p=p: getattr(diffx.losses, f"{p}_loss")(
            VP, still, g.rows, g.rows, g.half
        )
        for p in PREDICTIONS
    },
    **{
        f"losses.optimal_{p}_loss": lambda g, p=p: getattr(diffx.losses, f"optimal_{p}_loss")(
            VP, g.law, g.half
        )
        for p in PREDICTIONS
    },
    "losses.loss_weights": lambda g: diffx.losses.loss_weights(VP, g.half),
    "losses.min_snr_weight": lambda g: diffx.losses.min_snr_weight(VP, g.half, gamma=g.unit),
    "preconditioning.preconditioning": lambda g: diffx.preconditioning.preconditioning(
        g.weights, std=g.unit
    ),
    "preconditioning.edm_weight": lambda g: diffx.preconditioning.edm_weight(g.weights, std=g.unit),
    "preconditioning.denoiser_of_network": lambda g: diffx.preconditioning.denoiser_of_network(
        VP, network, std=g.unit
    )(g.rows, g.half),
    "uniform": lambda g: diffx.uniform(4, t_max=g.top, t_min=g.low),
    "grids.uniform_log_snr": lambda g: diffx.grids.uniform_log_snr(VP, 4, t_max=g.top, t_min=g.low),
    "karras": lambda g: diffx.karras(VP, 4, sigma_min=g.low, sigma_max=g.unit, rho=g.unit),
    "grids.equal_angle": lambda g: diffx.grids.equal_angle(
        VP, 4, std=g.unit, t_max=g.top, t_min=g.low
    ),
    "time_shift": lambda g: diffx.time_shift(g.inner, g.unit),
    "perturb": lambda g: diffx.perturb(VP, g.rows, g.rows, g.half),
    "transition": lambda g: diffx.transition(VP, g.half, g.low),
    "posterior": lambda g: diffx.posterior(VP, g.half, g.low),
    "reverse.gaussian_step": lambda g: diffx.reverse.gaussian_step(
        VP, g.variances, g.half, g.low, eta=g.unit
    ),
    "reverse.probability_flow": lambda g: diffx.reverse.probability_flow(VP, still, g.rows, g.half),
    "reverse.reverse_drift": lambda g: diffx.reverse.reverse_drift(
        VP, still, g.rows, g.half, eta=g.unit
    ),
    "reverse.conditioned_drift": lambda g: diffx.reverse.conditioned_drift(
        VP, log_h, g.rows, g.half
    ),
    "distillation.consistency": lambda g: diffx.distillation.consistency(VP, g.law, g.rows, g.half),
    "distillation.progressive_target": lambda g: diffx.distillation.progressive_target(
        VP, g.rows, g.rows, g.half, g.low
    ),
    "GaussianLaw": lambda g: diffx.GaussianLaw(g.mean, g.cov).log_prob(g.rows),
    "GaussianLaw, diagonal": lambda g: diffx.GaussianLaw(g.mean, g.variances).log_prob(g.rows),
    "GaussianLaw, low rank": lambda g: diffx.GaussianLaw(
        g.mean, diffx.LowRank(g.basis, g.pair, g.unit)
    ).log_prob(g.rows),
    "MixtureLaw": lambda g: mixture_log_prob(g, g.four),
    "MixtureLaw, full": lambda g: mixture_log_prob(g, g.squares),
    "MixtureLaw, low rank": lambda g: mixture_log_prob(g, diffx.LowRank(g.bases, g.twos, g.four)),
    "PointSet": lambda g: diffx.PointSet(g.points, g.weights).log_prob(g.points),
    "marginal": lambda g: diffx.marginal(VP, g.law, g.half).mean,
    "prior": lambda g: diffx.prior(VP, g.law).mean,
    "w2": lambda g: diffx.w2(g.law, g.law),
    "kl": lambda g: diffx.kl(g.law, g.law),
    "denoiser": lambda g: diffx.denoiser(VP, g.law)(g.rows, g.half),
    "denoiser of points": lambda g: diffx.denoiser(VP, g.set)(g.points, g.half),
    "score of points": lambda g: diffx.score(VP, g.set)(g.points, g.half),
    "exact_law": lambda g: diffx.exact_law(g.sampler, g.law, g.inner).mean,
    "error_budget": lambda g: diffx.error_budget(diffx.ddim, VP, g.law, g.inner),
    "likelihood.mmse": lambda g: diffx.likelihood.mmse(
        VP, still, g.rows, g.rows, g.half, weights=g.weights
    ),
    "likelihood.mmse_curve": lambda g: diffx.likelihood.mmse_curve(
        VP, still, g.rows, g.rows, g.inner, weights=g.weights
    ),
    "likelihood.mutual_information": lambda g: diffx.likelihood.mutual_information(
        VP, g.curve, g.inner, dim=300
    ),
    "likelihood.entropy": lambda g: diffx.likelihood.entropy(VP, g.curve, g.inner, dim=300),
    "likelihood.surprisal": lambda g: diffx.likelihood.surprisal(VP, g.curve, g.inner, dim=300),
    "likelihood.mmse_gap": lambda g: diffx.likelihood.mmse_gap(VP, g.curve, g.curve, g.inner),
    "likelihood.kl_rate": lambda g: diffx.likelihood.kl_rate(
        VP, still, still, g.rows, g.rows, g.half, weights=g.weights
    ),
    "likelihood.entropy_rate": lambda g: diffx.likelihood.entropy_rate(
        VP, still, g.rows, g.rows, g.half, weights=g.weights
    ),
    "likelihood.path_kl": lambda g: diffx.likelihood.path_kl(
        VP, still, still, g.rows, g.rows, g.inner, eta=g.unit, weights=g.weights
    ),
    "likelihood.frozen_score_kl": lambda g: diffx.likelihood.frozen_score_kl(VP, g.law, g.inner),
    "likelihood.elbo_gap": lambda g: diffx.likelihood.elbo_gap(VP, g.law, g.inner),
    "likelihood.vlb_term": lambda g: diffx.likelihood.vlb_term(
        VP, still, g.rows, g.rows, g.half, g.low
    ),
    "likelihood.nelbo": lambda g: diffx.likelihood.nelbo(
        VP, still, g.rows, g.rows, g.from_one, variance=g.unit
    ),
    "log_prob_ode": lambda g: diffx.log_prob_ode(VP, still, g.rows, prior=g.law, ts=g.inner),
    "likelihood.log_prob_discrete": lambda g: diffx.likelihood.log_prob_discrete(
        g.sampler, g.rows, prior=g.law, ts=g.inner
    ),
    "likelihood.bits_per_dim": lambda g: diffx.likelihood.bits_per_dim(g.weights, 3, scale=g.unit),
    "guidance.cfg": lambda g: guidance.cfg(g.x, g.y, w=g.two),
    "guidance.guide": lambda g: guidance.guide(still, still, w=g.two)(g.x, g.half),
    "guidance.guide_net": lambda g: guidance.guide_net(net, g.half, g.two, w=g.two)(g.x, g.half),
    "guidance.compose": lambda g: guidance.compose(still, [still], weights=g.one)(g.x, g.half),
    "guidance.compose_net": lambda g: guidance.compose_net(net, g.half, [g.two], weights=g.one)(
        g.x, g.half
    ),
    "guidance.tilted_law": lambda g: guidance.tilted_law(g.p, g.q, w=g.two),
    "guidance.guided_flow_law": lambda g: guidance.guided_flow_law(
        VP, g.p, g.q, w=g.two, t=g.half, s=g.low
    ),
    "guidance.guided_sde_law": lambda g: guidance.guided_sde_law(
        VP, g.p, g.q, w=g.two, start=g.q, t=g.half, s=g.low
    ),
    "guidance.rescale": lambda g: guidance.rescale(g.x, g.y, phi=g.half, event_ndim=1),
    "guidance.guide_rescaled": lambda g: guidance.guide_rescaled(
        still, still, w=g.two, phi=g.half, event_ndim=1
    )(g.x, g.half),
    "guidance.guide_interval": lambda g: guidance.guide_interval(
        still, still, w=g.two, t_min=g.low, t_max=g.half
    )(g.x, g.half),
    "guidance.apg": lambda g: guidance.apg(
        g.x, g.y, w=g.two, event_ndim=1, eta=g.half, radius=g.half
    ),
    "guidance.guide_apg": lambda g: guidance.guide_apg(
        still, still, w=g.two, event_ndim=1, radius=g.half
    )(g.x, g.half),
    "guidance.classifier_guidance": lambda g: guidance.classifier_guidance(
        VP, still, still, w=g.two
    )(g.x, g.half),
    "guidance.drop_labels": lambda g: guidance.drop_labels(g.key, g.ids, null=-1, rate=g.half),
    "flow_matching.foellmer_drift": lambda g: flow_matching.foellmer_drift(g.p)(g.x, g.half),
    "flow_matching.entropic_coupling": lambda g: flow_matching.entropic_coupling(
        g.p, g.q, std=g.half
    ),
    "flow_matching.gaussian_ot_coupling": lambda g: flow_matching.gaussian_ot_coupling(g.p, g.q),
    "flow_matching.gaussian_ot_map": lambda g: flow_matching.gaussian_ot_map(g.p, g.q, g.x),
    "flow_matching.independent_coupling": lambda g: flow_matching.independent_coupling(g.p, g.q),
    "flow_matching.ot_coupling": lambda g: flow_matching.ot_coupling(g.x, g.y),
    "flow_matching.transport_cost": lambda g: flow_matching.transport_cost(g.x, g.y),
    "flow_matching.Interpolant": lambda g: flow_matching.Interpolant(g.half).gamma(g.half),
    "flow_matching.interpolate": lambda g: flow_matching.interpolate(g.std, g.x, g.y, g.y, g.half),
    "flow_matching.interpolant_target": lambda g: flow_matching.interpolant_target(
        g.std, g.x, g.y, g.y, g.half
    ),
    "flow_matching.score_of_latent": lambda g: flow_matching.score_of_latent(g.std, g.x, g.half),
    "flow_matching.interpolant_law": lambda g: flow_matching.interpolant_law(
        g.std, g.joint, g.half
    ),
    "flow_matching.interpolant_velocity": lambda g: flow_matching.interpolant_velocity(
        g.std, g.joint
    )(g.x, g.half),
    "flow_matching.interpolant_latent": lambda g: flow_matching.interpolant_latent(g.std, g.joint)(
        g.x, g.half
    ),
    "flow_matching.flow_grid": lambda g: flow_matching.flow_grid(
        flow_matching.FlowSettings(4, g.two, g.two)
    ),
    "flow_matching.model_time": lambda g: flow_matching.model_time(
        flow_matching.WAN["t2v"], g.half
    ),
    "flow_matching.resolution_shift": lambda g: flow_matching.resolution_shift(g.two, g.half),
    "flow_matching.reflow_pairs": lambda g: flow_matching.reflow_pairs(walk(g), g.x, g.ts),
    "flow_matching.straightness": lambda g: flow_matching.straightness(walk(g), g.x, g.ts),
    "flow_matching.uniform_times": lambda g: flow_matching.uniform_times(g.key, (2,)),
    "flow_matching.logit_normal_times": lambda g: flow_matching.logit_normal_times(
        g.key, mean=g.half, std=g.half
    ),
    "flow_matching.logit_normal_density": lambda g: flow_matching.logit_normal_density(
        g.times, mean=g.half, std=g.half
    ),
    "flow_matching.shift_density": lambda g: flow_matching.shift_density(g.times, shift=g.two),
    "flow_matching.cfm_loss": lambda g: flow_matching.cfm_loss(
        FLOW, still, g.x, g.y, g.times, weights=g.times
    ),
    "flow_matching.conditional_velocity": lambda g: flow_matching.conditional_velocity(
        FLOW, g.x, g.y, g.half
    ),
    "flow_matching.marginal_velocity": lambda g: flow_matching.marginal_velocity(FLOW, g.p)(
        g.x, g.half
    ),
    "flow_matching.optimal_cfm_loss": lambda g: flow_matching.optimal_cfm_loss(g.p),
    "contrast.info_nce": lambda g: contrast.info_nce(g.scores, positives=g.partners, mask=g.mask),
    "contrast.sigmoid_nce": lambda g: contrast.sigmoid_nce(g.scores, positives=g.ids, mask=g.mask),
    "contrast.clip_loss": lambda g: contrast.clip_loss(
        g.x, g.y, log_scale=g.half, positives=g.partners, mask=g.mask
    ),
    "contrast.siglip_loss": lambda g: contrast.siglip_loss(
        g.x, g.y, log_scale=g.half, bias=g.two, mask=g.mask
    ),
    "contrast.tiled_clip_loss": lambda g: contrast.tiled_clip_loss(
        g.x, g.y, log_scale=g.half, tile=2, positives=g.partners
    ),
    "contrast.tiled_siglip_loss": lambda g: contrast.tiled_siglip_loss(
        g.x, g.y, log_scale=g.half, bias=g.two, tile=2, positives=g.ids, mask=g.mask
    ),
    "contrast.sharded_clip_loss": lambda g: contrast.sharded_clip_loss(
        g.x, g.y, log_scale=g.half, axis_name="i", mesh=mesh(), positives=g.partners, mask=g.mask
    ),
    "contrast.sharded_siglip_loss": lambda g: contrast.sharded_siglip_loss(
        g.x, g.y, log_scale=g.half, bias=g.two, axis_name="i", mesh=mesh(), mask=g.mask
    ),
    "contrast.normalise": lambda g: contrast.normalise(g.x),
    "contrast.clamp_log_scale": lambda g: contrast.clamp_log_scale(g.two, largest=g.two),
    "contrast.info_nce_bound": lambda g: contrast.info_nce_bound(g.half, n=3),
    "contrast.gaussian_information": lambda g: contrast.gaussian_information(g.p, split=1),
    "contrast.gaussian_pmi": lambda g: contrast.gaussian_pmi(g.p, g.x[:, :1], g.y[:, :1]),
    "contrast.log_sphere_mean": lambda g: contrast.log_sphere_mean(g.two, dim=3),
    "contrast.von_mises_information": lambda g: contrast.von_mises_information(g.two),
    "concepts.concept_direction": lambda g: concepts.concept_direction(g.x, g.y),
    "concepts.rank_words": lambda g: concepts.rank_words(g.x[0], g.y),
    "concepts.decomposable": lambda g: concepts.decomposable(g.x, g.y),
    "concepts.parallelogram_defect": lambda g: concepts.parallelogram_defect(g.square),
    "concepts.analogy_cosine": lambda g: concepts.analogy_cosine(g.square),
    "concepts.projector": lambda g: concepts.projector(g.x),
    "concepts.concept_projection": lambda g: concepts.concept_projection(g.x, g.y, g.p.cov),
    "concepts.discriminant": lambda g: concepts.discriminant(g.x, g.p.cov, priors=g.times),
    "concepts.discriminant_error": lambda g: concepts.discriminant_error(g.x[:2], g.p.cov),
    "concepts.mean_class_recall": lambda g: concepts.mean_class_recall(g.ids, g.ids, classes=2),
    "concepts.zero_shot": lambda g: concepts.zero_shot(g.x, g.y, biases=g.times),
    "concepts.zero_shot_weights": lambda g: concepts.zero_shot_weights(
        lambda texts: g.x, ["a", "b", "c"], ["{}"]
    ),
    "concepts.log_odds_ratio": lambda g: concepts.log_odds_ratio(g.square),
    "concepts.pmi": lambda g: concepts.pmi(g.table),
    "concepts.pmi_embeddings": lambda g: concepts.pmi_embeddings(g.table, dim=1),
    "concepts.partner_ranks": lambda g: concepts.partner_ranks(g.scores, positives=g.partners),
    "concepts.retrieval_metrics": lambda g: concepts.retrieval_metrics(
        g.x, g.y, positives=g.partners
    ),
}
ROOMS = ("guidance", "flow_matching", "contrast", "concepts")
NO_DOORS = {
    "Discriminant",
    "Factors",
    "FlowSettings",
    "Pairs",
    "Ranking",
    "Retrieval",
    "RetrievalMetrics",
    "SD3",
    "WAN",
}


ON_THE_HOST = ("flow_matching.ot_coupling",)  # a call back to scipy


def mesh() -> jax.sharding.Mesh:
    """One device, whatever this machine has."""
    return jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("i",))


def test_every_door_of_these_rooms_is_in_the_table():
    listed = {name for name in DOORS if name.partition(".")[0] in ROOMS}
    offered = {
        f"{room}.{name}"
        for room in ROOMS
        for name in handed_on(modules()[f"diffx.{room}"])
        if name not in NO_DOORS
    }
    assert listed == offered


@cache
def closed_over(room: str) -> dict[str, Any]:
    """What the doors of a room answer in one program that closes over the arrays; where it cannot
    be traced, in one program each, which finds the door that refuses.
    """
    names, given = in_room(room), arrays()
    try:
        return jax.jit(lambda: {name: DOORS[name](given) for name in names})()
    except Exception:
        return {}


@cache
def handed_over(room: str) -> dict[str, Any]:
    """The same in one program whose arguments the arrays are."""
    names = in_room(room)
    given = vars(arrays())
    return jax.jit(lambda g: {name: DOORS[name](SimpleNamespace(**g)) for name in names})(given)


def in_room(room: str) -> list[str]:
    return [name for name in DOORS if name.partition(".")[0] == room and name not in ON_THE_HOST]


@pytest.mark.parametrize("name", DOORS)
def test_arrays_that_a_jitted_function_closes_over_pass_every_door(name):
    room, given = name.partition(".")[0], arrays()
    if name in ON_THE_HOST:
        assert jax.jit(lambda: DOORS[name](given))().shape == (3,)
        return
    got = closed_over(room).get(name)
    if got is None:
        got = jax.jit(lambda: DOORS[name](given))()
    wanted = handed_over(room)[name]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        close(a, b, ulps=64, scale=1 + np.abs(b).max(), why="constants are folded otherwise")


WRONG: dict[str, tuple[Callable[[SimpleNamespace], Any], str]] = {
    "interval upside down": (
        lambda g: guidance.guide_interval(still, still, w=g.two, t_min=g.half, t_max=g.low),
        "t_min=0.5 and t_max=0.2",
    ),
    "a share above 1": (
        lambda g: guidance.rescale(g.x, g.y, phi=g.two, event_ndim=1),
        "phi must lie in",
    ),
    "a latent at scale 0": (
        lambda g: flow_matching.score_of_latent(g.flat, g.x, g.half),
        "got t = 0.5 and a scale of 0",
    ),
    "a latent at time 0": (
        lambda g: flow_matching.score_of_latent(g.std, g.x, g.nought),
        "got t = 0.0",
    ),
    "nothing counts": (
        lambda g: contrast.clip_loss(g.x, g.y, log_scale=g.half, mask=g.none),
        "at least one row",
    ),
    "no partners": (
        lambda g: contrast.siglip_loss(g.x, g.y, log_scale=g.half, bias=g.half, positives=g.nobody),
        r"rows \[0 1 2\] have none",
    ),
    "no partners that count": (
        lambda g: contrast.tiled_clip_loss(
            g.x, g.y, log_scale=g.half, tile=2, positives=g.strangers, mask=g.first
        ),
        r"rows \[0\] have none",
    ),
    "no partners on a mesh": (
        lambda g: contrast.sharded_clip_loss(
            g.x, g.y, log_scale=g.half, axis_name="i", mesh=mesh(), positives=g.nobody, mask=g.mask
        ),
        r"rows \[0 1\] have none",
    ),
    "y fixes x": (lambda g: contrast.gaussian_information(g.singular, split=1), "full rank"),
    "a negative concentration": (
        lambda g: contrast.von_mises_information(g.minus),
        r"\[0, 256\], got -2",
    ),
    "labels beyond": (
        lambda g: concepts.mean_class_recall(g.ids, g.ids, classes=1),
        r"labels must lie in 0 to 0, got \[1\]",
    ),
    "a prior of 0": (
        lambda g: concepts.discriminant(g.x[:1], g.p.cov, priors=g.zero),
        "priors must be positive",
    ),
    "a table of weights": (lambda g: concepts.pmi(g.double), "joint must sum to 1, got "),
    "a query alone": (
        lambda g: concepts.partner_ranks(g.scores, positives=g.nobody),
        r"rows \[0 1 2\] of positives",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays_that_a_jitted_function_closes_over_are_refused(name):
    call, words = WRONG[name]
    given = arrays()
    with pytest.raises(ValueError, match=words):
        jax.jit(lambda: call(given))()
