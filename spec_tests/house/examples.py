"""One small call of every public function, ready to be traced: `function, args = EXAMPLES[name]()`.

A name is the public name, then perhaps a method after a dot and a variation after a comma:
"VP.alpha", "GaussianLaw.sample, low rank". Every array in `args`, process parameters included, is
float32 and may be traced; what fixes a shape is bound inside the function. Nothing is computed
before an example is called.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from diffx import samplers
from spec_tests.support.paths import EVERY_PROCESS
from spec_tests.support.rooms import by_short_name

Example = tuple[Callable, tuple]
EXAMPLES: dict[str, Callable[[], Example]] = {}

# Public names without an example of their own, and why.
HOST_SIDE = {
    "SD3": "settings of published models, by name",
    "WAN": "settings of published models, by name",
    "FlowSettings": "a tuple of numbers",
    "Pairs": "a tuple of arrays, which reflow_pairs fills",
    "Discriminant": "a tuple of arrays, which discriminant fills",
    "Factors": "a tuple of arrays, which pmi_embeddings fills",
    "Ranking": "a tuple of arrays, which rank_words fills",
    "Retrieval": "a tuple of numbers, which retrieval_metrics fills",
    "RetrievalMetrics": "a tuple of numbers, which retrieval_metrics fills",
    "check_contrastive_loss": "asks foreign code on the host",
    "check_guidance": "asks foreign code on the host",
    "check_log_prob": "asks foreign code on the host",
    "gaussian_path": "a class decorator; the examples of every process run what it derives",
    "check_process": "asks foreign code on the host",
    "Finding": "a tuple of words, which the checks fill",
    "check_sampler": "asks foreign code on the host",
    "check_samples": "asks foreign code on the host",
    "require_holds": "raises for a test; nothing is computed",
    "ot_coupling": "an assignment that scipy solves on the host",
    "ErrorBudget": "a tuple of numbers, which error_budget fills",
    "Info": "a tuple of arrays, which a step fills",
    "LossWeights": "a tuple of numbers, which loss_weights fills",
    "Preconditioning": "a tuple of numbers, which preconditioning fills",
    "Process": "a Protocol: it says what a process offers",
    "Sampler": "a tuple of functions, which fold and sample call",
    "State": "a tuple of arrays, which a step fills",
    "GaussianStep": "a tuple of arrays, which gaussian_step fills",
    "Posterior": "a tuple of arrays, which posterior fills",
    "standard_normal": "the examples of stochastic samplers run it",
    "adams_weights": "the examples of lms run it",
    "churn": "the examples of edm_stochastic run it",
    "reverse_drift_of_x0": "the example of reverse_drift runs it",
    **dict.fromkeys(
        ("gaussian_denoise", "mixture_denoise", "points_denoise"), "the examples of denoiser run it"
    ),
    **dict.fromkeys(
        ("gaussian_score", "mixture_score", "points_score"), "the examples of score run it"
    ),
}

N, D = 2, 3  # a batch of two points in three dimensions
STEPS = 2


def example(name: str, function: Callable, *arguments: Callable[[], Any]) -> None:
    """Declare an example; each argument is a function that makes it."""
    assert name not in EXAMPLES, f"two examples are called {name}"
    EXAMPLES[name] = lambda: (function, tuple(make() for make in arguments))


def method(name: str) -> Callable:
    """The function (object, *args) -> object.name(*args)."""
    return lambda value, *args: getattr(value, name)(*args)


# --- arguments ----------------------------------------------------------------------------------


def normals(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def single(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.float32)


def number(value: float) -> Callable[[], jax.Array]:
    return lambda: single(value)


def x() -> jax.Array:
    return normals(N, D)


def other() -> jax.Array:
    return normals(N, D, seed=1)


def grid() -> jax.Array:
    return single([0.9, 0.5, 0.1])


def noises() -> jax.Array:
    return normals(STEPS, N, D, seed=2)


def seed() -> jax.Array:
    return jnp.zeros(2, jnp.uint32)  # the raw data of a key, as a plain array


t, s = number(0.7), number(0.4)


def traced(make: Callable[[], Any]) -> Callable[[], Any]:
    """The process with parameters in float32 that may be traced."""
    return lambda: jax.tree_util.tree_map(single, make())


PROCESSES = {make.__name__: traced(make) for make in EVERY_PROCESS}
vp = PROCESSES["VP"]


def betas() -> jax.Array:
    return single(np.linspace(0.05, 0.4, 10))


def rotation() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(3).standard_normal((D, D)))[0]


def mean() -> jax.Array:
    return single([1.0, -0.5, 0.2])


VARIANCES = [0.5, 1.0, 2.0]
COVARIANCES: dict[str, Callable[[], Any]] = {
    "scalar": number(0.7),
    "diagonal": lambda: single(VARIANCES),
    "full": lambda: single((rotation() * VARIANCES) @ rotation().T),
    "low rank": lambda: diffx.LowRank(
        single(rotation()[:, :2]), single(VARIANCES[:2]), single(0.1)
    ),
    "all eigenvectors": lambda: diffx.LowRank(single(rotation()), single(VARIANCES), single(0.0)),
}
MIXED: dict[str, Callable[[], Any]] = {
    "one variance": number(0.7),
    "scalar": lambda: single([0.7, 1.2]),
    "diagonal": lambda: single([VARIANCES, VARIANCES[::-1]]),
    "full": lambda: jnp.stack([COVARIANCES["full"](), 2 * COVARIANCES["full"]()]),
    "low rank": lambda: jax.tree_util.tree_map(
        lambda a: jnp.stack([a, a]), COVARIANCES["low rank"]()
    ),
    "low rank, one rest": lambda: stacked_low_rank(),
}


def stacked_low_rank() -> Any:
    """Bases and variances for each component, one rest for all."""
    part = COVARIANCES["low rank"]()
    return jax.tree_util.tree_unflatten(
        jax.tree_util.tree_structure(part),
        [jnp.stack([part.basis] * 2), jnp.stack([part.variances] * 2), part.rest],
    )


def gaussian(kind: str) -> Callable[[], Any]:
    return lambda: diffx.GaussianLaw(mean(), COVARIANCES[kind]())


def mixture(kind: str) -> Callable[[], Any]:
    return lambda: diffx.MixtureLaw(single([0.25, 0.75]), normals(2, D, seed=4), MIXED[kind]())


def equal_points() -> Any:
    return diffx.PointSet(normals(5, D, seed=5))


def weighted_points() -> Any:
    # more than one chunk
    return diffx.PointSet(normals(70, D, seed=6), single(np.full(70, 1 / 70)))


def pictures() -> Any:
    return diffx.PointSet(normals(5, 2, D, seed=5))


LAWS: dict[str, Callable[[], Any]] = {
    **{f"GaussianLaw, {kind}": gaussian(kind) for kind in COVARIANCES},
    **{f"MixtureLaw, {kind}": mixture(kind) for kind in MIXED},
    "PointSet, equal weights": equal_points,
    "PointSet, given weights": weighted_points,
}
law = gaussian("full")


# --- processes, chain, grids --------------------------------------------------------------------

for _name, _process in PROCESSES.items():
    for _method in ("alpha", "sigma", "f", "g", "log_snr"):
        example(f"{_name}.{_method}", method(_method), _process, lambda: single([0.2, 0.5, 0.9]))
    example(f"{_name}.log_snr_step", method("log_snr_step"), _process, t, s)
    example(
        f"{_name}.time_of_log_snr",
        method("time_of_log_snr"),
        _process,
        lambda: single([-3.0, 0.0, 2.0]),
    )
    example(f"rates, {_name}", diffx.processes.rates, _process, t)
    example(f"transition, {_name}", diffx.transition, _process, t, s)

example("perturb", diffx.perturb, vp, x, other, t)

example("alpha_bar", diffx.processes.alpha_bar, betas)
example(
    "linear_betas",
    lambda a, b: diffx.processes.linear_betas(10, first=a, last=b),
    number(1e-3),
    number(0.1),
)
example(
    "scaled_linear_betas",
    lambda a, b: diffx.processes.scaled_linear_betas(10, first=a, last=b),
    number(1e-3),
    number(0.1),
)
example(
    "cosine_betas",
    lambda o, most: diffx.processes.cosine_betas(10, offset=o, largest=most),
    number(0.008),
    number(0.999),
)
example("zero_terminal_snr", diffx.processes.zero_terminal_snr, betas)
example("respace", diffx.processes.respace, betas, lambda: jnp.array([2, 5, 10]))

example("uniform", lambda a, b: diffx.uniform(4, t_max=a, t_min=b), number(0.9), number(0.1))
example(
    "uniform_log_snr",
    lambda p, a, b: diffx.grids.uniform_log_snr(p, 4, t_max=a, t_min=b),
    vp,
    number(0.9),
    number(0.1),
)
example(
    "karras",
    lambda p, low, high, rho: diffx.karras(p, 4, sigma_min=low, sigma_max=high, rho=rho),
    *(PROCESSES["EDM"], number(0.01), number(40.0), number(7.0)),
)
example("leading", lambda: diffx.grids.leading(4, 10))
example("linspace", lambda: diffx.grids.linspace(4, 10))
example("trailing", lambda: diffx.trailing(4, 10))
example(
    "equal_angle",
    lambda p, std, a, b: diffx.grids.equal_angle(p, 4, std=std, t_max=a, t_min=b),
    *(vp, number(0.6), number(0.9), number(0.1)),
)
example("time_shift", diffx.time_shift, grid, number(3.0))


# --- conversions and losses ---------------------------------------------------------------------

PREDICTIONS = ("x0", "eps", "score", "v", "velocity")
for _to in PREDICTIONS:
    for _from in PREDICTIONS:
        if _to != _from:
            example(f"{_to}_of_{_from}", by_short_name()[f"{_to}_of_{_from}"], vp, x, other, t)


def linear(x, t):
    """A prediction that depends on everything it is given."""
    return 0.3 * x + t


def denoise_with(name: str) -> Callable:
    return lambda p, x, t: by_short_name()[name](p, linear)(x, t)


def loss_of(name: str) -> Callable:
    return lambda p, x0, eps, t: by_short_name()[name](p, linear, x0, eps, t)


for _from in PREDICTIONS[1:]:
    example(f"denoiser_of_{_from}", denoise_with(f"denoiser_of_{_from}"), vp, x, t)

for _from in PREDICTIONS:
    example(f"{_from}_loss", loss_of(f"{_from}_loss"), vp, x, other, t)
    for _kind in ("full", "low rank"):
        example(
            f"optimal_{_from}_loss, {_kind}",
            by_short_name()[f"optimal_{_from}_loss"],
            vp,
            gaussian(_kind),
            t,
        )


# --- laws ---------------------------------------------------------------------------------------


def draw(law, seed):
    return law.sample(jax.random.wrap_key_data(seed), (4,))


for _name, _law in LAWS.items():
    _kind, _, _form = _name.partition(", ")
    example(f"{_kind}.sample, {_form}", draw, _law, seed)
    example(f"{_kind}.log_prob, {_form}", method("log_prob"), _law, x)
    example(f"marginal, {_name}", diffx.marginal, vp, _law, t)
    example(f"gaussian_of, {_name}", diffx.laws.gaussian_of, _law)
    example(f"denoiser, {_name}", lambda p, law, x, t: diffx.denoiser(p, law)(x, t), vp, _law, x, t)
    example(f"score, {_name}", lambda p, law, x, t: diffx.score(p, law)(x, t), vp, _law, x, t)

for _form, _cov in COVARIANCES.items():
    example(f"GaussianLaw, {_form}", diffx.GaussianLaw, mean, _cov)
for _form, _cov in MIXED.items():
    example(
        f"MixtureLaw, {_form}",
        diffx.MixtureLaw,
        lambda: single([0.25, 0.75]),
        lambda: normals(2, D),
        _cov,
    )
    example(f"MixtureLaw.components, {_form}", method("components"), mixture(_form))

example(
    "LowRank",
    diffx.LowRank,
    *(lambda: single(rotation()[:, :2]), lambda: single(VARIANCES[:2]), number(0.1)),
)
example("PointSet, constructor", diffx.PointSet, lambda: normals(5, D))
example("PointSet.log_weights", method("log_weights"), weighted_points)
example(
    "denoiser, pictures",
    lambda p, law, x, t: diffx.denoiser(p, law)(x, t),
    vp,
    pictures,
    lambda: normals(2, 2, D),
    t,
)
example("prior, GaussianLaw", diffx.prior, vp, law)
example("prior, MixtureLaw", diffx.prior, vp, mixture("full"))
example("prior, PointSet", diffx.prior, vp, weighted_points)

for _distance in ("w2", "kl"):
    for _p, _q in (
        ("scalar", "diagonal"),
        ("full", "low rank"),
        ("low rank", "full"),
        ("scalar", "full"),
    ):
        example(
            f"{_distance}, {_p} and {_q}", by_short_name()[_distance], gaussian(_p), gaussian(_q)
        )


# --- the way back -------------------------------------------------------------------------------


def shrink(x, t):
    """A denoiser that is no pytree."""
    return x / (1 + t)


example("posterior", diffx.posterior, vp, t, s)
example(
    "probability_flow", lambda p, x, t: diffx.reverse.probability_flow(p, shrink, x, t), vp, x, t
)
example(
    "reverse_drift",
    lambda p, x, t, eta: diffx.reverse.reverse_drift(p, shrink, x, t, eta=eta),
    vp,
    x,
    t,
    number(0.6),
)
example(
    "gaussian_step",
    lambda p, v, t, s, eta: diffx.reverse.gaussian_step(p, v, t, s, eta=eta),
    *(vp, lambda: single(VARIANCES), t, s, number(0.6)),
)

# Each sampler as a function of (process, data law, parameter): parameters that a method lacks are
# not used.
SAMPLERS: dict[str, Callable[[Any, Any, Any], diffx.Sampler]] = {
    "ddim": lambda p, law, eta: diffx.ddim(p, diffx.denoiser(p, law)),
    "ddim, eta": lambda p, law, eta: diffx.ddim(p, diffx.denoiser(p, law), eta=eta),
    "ddpm": lambda p, law, eta: diffx.ddpm(p, diffx.denoiser(p, law)),
    "ddpm_beta": lambda p, law, eta: diffx.samplers.ddpm_beta(p, diffx.denoiser(p, law)),
    "ddpm_optimal": lambda p, law, eta: diffx.samplers.ddpm_optimal(
        p, diffx.denoiser(p, law), law=law
    ),
    "euler": lambda p, law, eta: diffx.euler(p, diffx.denoiser(p, law)),
    "euler_maruyama": lambda p, law, eta: diffx.euler_maruyama(p, diffx.denoiser(p, law)),
    "exact_flow": lambda p, law, eta: diffx.samplers.exact_flow(p, law),
    "exact_flow, eta": lambda p, law, eta: diffx.samplers.exact_flow(p, law, eta=eta),
    "flow_euler": lambda p, law, eta: diffx.flow_euler(
        partial(diffx.reverse.probability_flow, p, diffx.denoiser(p, law))
    ),
    "heun": lambda p, law, eta: diffx.heun(p, diffx.denoiser(p, law)),
}
STOCHASTIC = ("ddim, eta", "ddpm", "ddpm_beta", "ddpm_optimal", "euler_maruyama", "exact_flow, eta")


def run_fold(name: str, keep: Callable | None = None) -> Callable:
    return lambda p, law, eta, x, ts, zs=None: diffx.fold(
        SAMPLERS[name](p, law, eta), x, ts, zs, keep=keep
    )


def run_sample(name: str) -> Callable:
    def run(p, law, eta, seed, x, ts):
        return diffx.sample(SAMPLERS[name](p, law, eta), jax.random.wrap_key_data(seed), x, ts)

    return run


for _name in SAMPLERS:
    example(f"{_name}, fold", run_fold(_name), vp, law, number(0.6), x, grid)
    example(
        f"exact_law, {_name}",
        lambda p, law, eta, ts, name=_name: diffx.exact_law(SAMPLERS[name](p, law, eta), law, ts),
        *(vp, law, number(0.6), grid),
    )
for _name in STOCHASTIC:
    example(f"{_name}, fold with noise", run_fold(_name), vp, law, number(0.6), x, grid, noises)
    example(f"{_name}, sample", run_sample(_name), vp, law, number(0.6), seed, x, grid)

example("fold, nothing kept", run_fold("ddpm"), vp, law, number(0.6), x, grid, noises)
example("sample, deterministic", run_sample("ddim"), vp, law, number(0.6), seed, x, grid)
example("sample, stochastic", run_sample("ddpm"), vp, law, number(0.6), seed, x, grid)
example("keep_x", run_fold("ddim", diffx.keep_x), vp, law, number(0.6), x, grid)
example("keep_x0", run_fold("ddim", diffx.keep_x0), vp, law, number(0.6), x, grid)


def hashed(seed, x):
    return diffx.noise.hashed_normal(jax.random.wrap_key_data(seed), x)


example("hashed_normal", hashed, seed, x)
example(
    "hashed_normal, float64 where it is on",
    hashed,
    seed,
    lambda: x().astype(jax.dtypes.canonicalize_dtype("float64")),
)


def cfg_pp(p: Any, cond: Any, uncond: Any, w: Any) -> diffx.Sampler:
    return diffx.samplers.cfg_pp(p, diffx.denoiser(p, cond), diffx.denoiser(p, uncond), w=w)


def of_formula(p: Any, law: Any) -> diffx.Sampler:
    """A step function of one's own, which draws noise."""
    formula = lambda x, t, s, z, *, denoise: (denoise(x, t) + p.sigma(s) * z, x)
    return diffx.samplers.sampler_of_step(formula, denoise=diffx.denoiser(p, law))


def step_example(name: str, *parameters: Callable[[], Any], **bound: Callable) -> None:
    """Example of `name`_step; the parameters are traced, `bound` makes keyword arguments from
    (process, *parameters).
    """
    step = getattr(samplers, f"{name}_step")

    def call(p, x, t, s, z, *values):
        return step(
            diffx.State(x), t, s, z, **{key: make(p, *values) for key, make in bound.items()}
        )

    example(f"{name}_step", call, vp, x, t, s, other, *parameters)


_of_law = {"process": lambda p, law, *_: p, "denoise": lambda p, law, *_: diffx.denoiser(p, law)}
for _name in ("ddim", "ddpm", "ddpm_beta", "euler", "euler_maruyama", "heun"):
    step_example(_name, law, **_of_law)
step_example("ddim_eta", law, number(0.6), **_of_law, eta=lambda p, law, eta: eta)
step_example("ddpm_optimal", gaussian("diagonal"), **_of_law, cov=lambda p, law: law.cov)
step_example("flow_euler", velocity=lambda p: partial(diffx.reverse.probability_flow, p, shrink))
_prepared = {"process": lambda p, law, *_: p, "law": lambda p, law, *_: (law.mean, law.cov)}
step_example("exact_flow", gaussian("diagonal"), **_prepared)
step_example(
    "exact_flow_eta", gaussian("diagonal"), number(0.6), **_prepared, eta=lambda p, law, eta: eta
)

example(
    "sampler_of_step", lambda p, law, x, ts: diffx.fold(of_formula(p, law), x, ts), vp, law, x, grid
)

example(
    "cfg_pp",
    lambda p, c, u, w, x, ts: diffx.fold(cfg_pp(p, c, u, w), x, ts),
    vp,
    law,
    gaussian("full"),
    number(0.6),
    x,
    grid,
)

example(
    "error_budget", lambda p, law, ts: diffx.error_budget(diffx.ddim, p, law, ts), vp, law, grid
)
example(
    "error_budget, everything given",
    lambda p, law, start, ts, eta: diffx.error_budget(
        diffx.ddpm, p, law, ts, start=start, denoise=diffx.denoiser(p, start), eta=eta
    ),
    *(vp, law, gaussian("diagonal"), grid, number(0.6)),
)


# --- guidance and contrast ----------------------------------------------------------------------


def network(x, t, c):
    """A network of a condition c, which is a vector."""
    return x * c.mean() + t


example("cfg", lambda c, u, w: diffx.cfg(c, u, w=w), x, other, number(3.0))
example(
    "guide",
    lambda p, c, u, w, x, t: diffx.guide(diffx.denoiser(p, c), diffx.denoiser(p, u), w=w)(x, t),
    *(vp, law, gaussian("diagonal"), number(3.0), x, t),
)
example(
    "guide_net",
    lambda c, u, w, x, t: diffx.guide_net(network, c, u, w=w)(x, t),
    *(lambda: normals(4), lambda: normals(4, seed=1), number(3.0), x, t),
)


def images() -> jax.Array:
    return normals(4, D)


def texts() -> jax.Array:
    return normals(4, D, seed=1)


def positives() -> jax.Array:
    return jnp.eye(4, dtype=bool) | jnp.zeros((4, 4), bool).at[0, 1].set(True)


def mask() -> jax.Array:
    return jnp.array([True, True, True, False])


example("clip_loss", lambda a, b, l: diffx.clip_loss(a, b, log_scale=l), images, texts, number(2.0))
example(
    "clip_loss, all given",
    lambda a, b, l, p, m: diffx.clip_loss(a, b, log_scale=l, positives=p, mask=m),
    *(images, texts, number(2.0), positives, mask),
)
example(
    "siglip_loss",
    lambda a, b, l, bias: diffx.siglip_loss(a, b, log_scale=l, bias=bias),
    *(images, texts, number(2.0), number(-3.0)),
)
example(
    "siglip_loss, all given",
    lambda a, b, l, bias, p, m: diffx.siglip_loss(
        a, b, log_scale=l, bias=bias, positives=p, mask=m
    ),
    *(images, texts, number(2.0), number(-3.0), positives, mask),
)


# --- densities of log-SNR, exchange rates of losses, preconditioning ----------------------------

for _name, _process in PROCESSES.items():
    example(
        f"log_snr_density, {_name}",
        diffx.processes.log_snr_density,
        _process,
        lambda: single([-1.0, 0.0, 2.0]),
    )
example("loss_weights", diffx.losses.loss_weights, vp, t)
example(
    "min_snr_weight",
    lambda p, t, gamma: diffx.losses.min_snr_weight(p, t, gamma=gamma),
    vp,
    t,
    number(3.0),
)
example(
    "preconditioning",
    lambda s, d: diffx.preconditioning.preconditioning(s, std=d),
    grid,
    number(0.5),
)
example("edm_weight", lambda s, d: diffx.preconditioning.edm_weight(s, std=d), grid, number(0.5))
example(
    "denoiser_of_network",
    lambda p, x, t, d: diffx.preconditioning.denoiser_of_network(p, linear, std=d)(x, t),
    vp,
    x,
    t,
    number(0.5),
)


# --- conditioning -------------------------------------------------------------------------------

example(
    "conditioned_drift",
    lambda p, y, x, t: diffx.reverse.conditioned_drift(
        p, lambda x, t: -((x - y) ** 2).sum(-1) / t, x, t
    ),
    *(vp, other, x, t),
)


def public_name(name: str) -> str:
    """The public name that an example is about."""
    return name.partition(",")[0].partition(".")[0]


# --- flow matching ------------------------------------------------------------------------------


def pair_of_laws() -> tuple[Any, Any]:
    return diffx.GaussianLaw(mean(), single(VARIANCES)), diffx.GaussianLaw(
        -mean(), COVARIANCES["full"]()
    )


def joint() -> Any:
    return diffx.flow_matching.independent_coupling(*pair_of_laws())


def interpolant() -> Any:
    return diffx.flow_matching.Interpolant(single(0.5))


def batch_times() -> jax.Array:
    return single([0.25, 0.75])


def field(x: Any, t: Any) -> Any:
    """A velocity."""
    return x * t


rf, z = diffx.RectifiedFlow, lambda: normals(N, D, seed=5)

example("snr_rate", diffx.likelihood.snr_rate, vp, t)
example("normalise", diffx.contrast.normalise, x)
example("conditional_velocity", diffx.flow_matching.conditional_velocity, vp, x, other, t)
example(
    "marginal_velocity",
    lambda p, law, x, t: diffx.flow_matching.marginal_velocity(p, law)(x, t),
    rf,
    mixture("full"),
    x,
    t,
)
example(
    "cfm_loss",
    lambda x, e, ts: diffx.flow_matching.cfm_loss(diffx.RectifiedFlow(), field, x, e, ts),
    x,
    other,
    batch_times,
)
example(
    "cfm_loss, weighted",
    lambda p, x, e, ts, w: diffx.flow_matching.cfm_loss(p, field, x, e, ts, weights=w),
    *(vp, x, other, batch_times, batch_times),
)
example("optimal_cfm_loss", diffx.flow_matching.optimal_cfm_loss, gaussian("diagonal"))
example("uniform_times", lambda key: diffx.flow_matching.uniform_times(key, (N,)), seed)
example(
    "logit_normal_times",
    lambda key, m, s: diffx.flow_matching.logit_normal_times(key, (N,), mean=m, std=s),
    seed,
    t,
    s,
)
example(
    "logit_normal_density",
    lambda ts, m, s: diffx.flow_matching.logit_normal_density(ts, mean=m, std=s),
    batch_times,
    t,
    s,
)
example(
    "shift_density",
    lambda ts, s: diffx.flow_matching.shift_density(ts, shift=s),
    batch_times,
    number(3.0),
)
example("transport_cost", diffx.flow_matching.transport_cost, x, other)
example(
    "gaussian_ot_map",
    lambda laws, x: diffx.flow_matching.gaussian_ot_map(*laws, x),
    pair_of_laws,
    x,
)
example(
    "independent_coupling",
    lambda laws: diffx.flow_matching.independent_coupling(*laws),
    pair_of_laws,
)
example(
    "gaussian_ot_coupling",
    lambda laws: diffx.flow_matching.gaussian_ot_coupling(*laws),
    pair_of_laws,
)
example(
    "entropic_coupling",
    lambda laws, s: diffx.flow_matching.entropic_coupling(*laws, std=s),
    pair_of_laws,
    s,
)
example(
    "foellmer_drift",
    lambda law, x, t: diffx.flow_matching.foellmer_drift(law)(x, t),
    mixture("diagonal"),
    x,
    t,
)
example(
    "reflow_pairs",
    lambda x, ts: diffx.flow_matching.reflow_pairs(diffx.flow_euler(field), x, ts),
    x,
    grid,
)
example(
    "straightness",
    lambda x, ts: diffx.flow_matching.straightness(diffx.flow_euler(field), x, ts),
    x,
    grid,
)
example("Interpolant.gamma", method("gamma"), interpolant, batch_times)
example("Interpolant.gamma_rate", method("gamma_rate"), interpolant, batch_times)
example("interpolate", diffx.flow_matching.interpolate, interpolant, x, other, z, t)
example("interpolant_target", diffx.flow_matching.interpolant_target, interpolant, x, other, z, t)
example("score_of_latent", diffx.flow_matching.score_of_latent, interpolant, z, t)
example("interpolant_law", diffx.flow_matching.interpolant_law, interpolant, joint, t)
example(
    "interpolant_velocity",
    lambda i, j, x, t: diffx.flow_matching.interpolant_velocity(i, j)(x, t),
    interpolant,
    joint,
    x,
    t,
)
example(
    "interpolant_latent",
    lambda i, j, x, t: diffx.flow_matching.interpolant_latent(i, j)(x, t),
    interpolant,
    joint,
    x,
    t,
)
example(
    "flow_grid", lambda t: diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"], t_max=t), t
)
example(
    "model_time", lambda t: diffx.flow_matching.model_time(diffx.flow_matching.WAN["t2v"], t), t
)
example("resolution_shift", diffx.flow_matching.resolution_shift, number(4096.0), number(1024.0))


# --- variants of guidance, and the laws of guided samplers --------------------------------------


def narrow() -> Any:
    return diffx.GaussianLaw(mean(), single([0.25, 0.5, 1.0]))


def wide() -> Any:
    return diffx.GaussianLaw(-mean(), single(1.5))


def two_denoisers(function: Callable, **static: int) -> Callable:
    """function of the denoisers of two laws, asked at x and t; keyword arguments are numbers that
    may be traced.
    """

    def ask(p, c, u, numbers, x, t):
        return function(diffx.denoiser(p, c), diffx.denoiser(p, u), **numbers, **static)(x, t)

    return ask


def numbers(**values: float) -> Callable[[], dict[str, jax.Array]]:
    return lambda: {name: single(value) for name, value in values.items()}


example(
    "guide_interval",
    two_denoisers(diffx.guidance.guide_interval),
    vp,
    narrow,
    wide,
    numbers(w=3.0, t_min=0.2, t_max=0.8),
    x,
    t,
)
example(
    "rescale",
    lambda g, c, p: diffx.guidance.rescale(g, c, phi=p, event_ndim=1),
    x,
    other,
    number(0.7),
)
example(
    "guide_rescaled",
    two_denoisers(diffx.guidance.guide_rescaled, event_ndim=1),
    vp,
    narrow,
    wide,
    numbers(w=3.0, phi=0.7),
    x,
    t,
)
example("apg", lambda c, u, w: diffx.guidance.apg(c, u, w=w, event_ndim=1), x, other, number(3.0))
example(
    "apg, all given",
    lambda c, u, w, e, r: diffx.guidance.apg(c, u, w=w, event_ndim=1, eta=e, radius=r),
    *(x, other, number(3.0), number(0.5), number(0.7)),
)
example(
    "guide_apg",
    two_denoisers(diffx.guidance.guide_apg, event_ndim=1),
    vp,
    narrow,
    wide,
    numbers(w=3.0, eta=0.5, radius=1.0),
    x,
    t,
)
example(
    "classifier_guidance",
    lambda p, u, w, x, t: diffx.guidance.classifier_guidance(
        p, diffx.denoiser(p, u), lambda x, t: -t * (x**2).sum(-1), w=w
    )(x, t),
    *(vp, wide, number(3.0), x, t),
)
example(
    "compose",
    lambda p, u, c, d, w, x, t: diffx.guidance.compose(
        diffx.denoiser(p, u), [diffx.denoiser(p, c), diffx.denoiser(p, d)], weights=w
    )(x, t),
    *(vp, wide, narrow, law, lambda: single([1.0, -0.5]), x, t),
)
example(
    "compose_net",
    lambda u, c, d, w, x, t: diffx.guidance.compose_net(network, u, [c, d], weights=w)(x, t),
    *(
        lambda: normals(4),
        lambda: normals(4, seed=1),
        lambda: normals(4, seed=2),
        lambda: single([1.0, -0.5]),
        x,
        t,
    ),
)
example(
    "drop_labels",
    lambda key, labels, r: diffx.guidance.drop_labels(key, labels, null=-jnp.ones(D), rate=r),
    *(seed, x, number(0.3)),
)
example(
    "tilted_law", lambda c, u, w: diffx.guidance.tilted_law(c, u, w=w), narrow, wide, number(3.0)
)
for _law in ("guided_flow_law", "guided_sde_law"):
    _exact = by_short_name()[_law]
    example(_law, lambda p, c, u, w, f=_exact: f(p, c, u, w=w), vp, narrow, wide, number(3.0))
    example(f"{_law}, full", lambda p, c, w, f=_exact: f(p, c, c, w=w), vp, law, number(3.0))
    example(
        f"{_law}, all given",
        lambda p, c, u, w, b, t, s, f=_exact: f(p, c, u, w=w, start=b, t=t, s=s),
        *(vp, narrow, wide, number(3.0), law, t, s),
    )


# --- likelihood by change of variables ----------------------------------------------------------


def log_prob_of(p, law, x, ts, probes=None):
    return diffx.log_prob_ode(p, diffx.denoiser(p, law), x, prior=law, ts=ts, probes=probes)


def moving(x, t):
    """A field whose components mix."""
    return t * x[..., ::-1] + x**2


example("log_prob_ode", log_prob_of, vp, law, x, grid)
example("log_prob_ode, probes", log_prob_of, vp, law, x, grid, noises)
example(
    "log_prob_discrete",
    lambda p, law, x, ts: diffx.likelihood.log_prob_discrete(
        diffx.ddim(p, diffx.denoiser(p, law)), x, prior=law, ts=ts
    ),
    *(vp, law, x, grid),
)
example(
    "bits_per_dim",
    lambda l, scale: diffx.likelihood.bits_per_dim(l, D, scale=scale),
    number(-3.0),
    number(127.5),
)
example("divergence", lambda x, t: diffx.likelihood.divergence(moving, x, t), x, t)
example("hutchinson", lambda x, t, z: diffx.likelihood.hutchinson(moving, x, t, z), x, t, noises)
for _variance in ("sign_probe_variance", "normal_probe_variance"):
    example(_variance, by_short_name()[_variance], lambda: normals(D, D))


# --- information, the variational bound, KL of paths --------------------------------------------


def shares() -> jax.Array:
    return single([0.25, 0.75])  # the weights of two draws


def errors() -> jax.Array:
    return single([2.0, 1.0, 0.25])  # a curve of mmse along grid()


def whole_grid() -> jax.Array:
    return single([1.0, 0.5, 0.1])


for _name in ("mmse", "entropy_rate", "vlb_term", "vdm_loss"):
    _function, _times = by_short_name()[_name], (t, s) if _name == "vlb_term" else (t,)
    example(
        _name,
        lambda p, law, x, z, *ts, f=_function: f(p, diffx.denoiser(p, law), x, z, *ts),
        *(vp, law, x, other, *_times),
    )
for _name in ("mmse", "entropy_rate"):
    _function = by_short_name()[_name]
    example(
        f"{_name}, weights",
        lambda p, law, x, z, w, t, f=_function: f(p, diffx.denoiser(p, law), x, z, t, weights=w),
        *(vp, law, x, other, shares, t),
    )
example(
    "mmse_curve",
    lambda p, law, x, z, ts: diffx.likelihood.mmse_curve(p, diffx.denoiser(p, law), x, z, ts),
    vp,
    law,
    x,
    other,
    grid,
)
example(
    "mmse_curve, weights",
    lambda p, law, x, z, w, ts: diffx.likelihood.mmse_curve(
        p, diffx.denoiser(p, law), x, z, ts, weights=w
    ),
    *(vp, law, x, other, shares, grid),
)
for _name in ("mutual_information", "entropy", "surprisal"):
    _function = by_short_name()[_name]
    example(_name, lambda p, e, ts, f=_function: f(p, e, ts, dim=D), vp, errors, grid)
example("pointwise_information", diffx.likelihood.pointwise_information, vp, errors, grid)
example(
    "mmse_gap", lambda p, e, ts: diffx.likelihood.mmse_gap(p, e, e**2 / 8, ts), vp, errors, grid
)
example(
    "kl_rate",
    lambda p, a, b, x, z, t: diffx.likelihood.kl_rate(
        p, diffx.denoiser(p, a), diffx.denoiser(p, b), x, z, t
    ),
    *(vp, law, gaussian("diagonal"), x, other, t),
)
example("prior_kl", lambda p, x: diffx.likelihood.prior_kl(p, x), vp, x)
example(
    "prior_kl, any prior", lambda p, law, x: diffx.likelihood.prior_kl(p, x, prior=law), vp, law, x
)
example(
    "reconstruction",
    lambda p, law, x, z, t, v: diffx.likelihood.reconstruction(
        p, diffx.denoiser(p, law), x, z, t, variance=v
    ),
    *(vp, law, x, other, t, number(0.5)),
)
example(
    "nelbo",
    lambda p, law, x, z, ts, v: diffx.likelihood.nelbo(
        p, diffx.denoiser(p, law), x, z, ts, variance=v
    ),
    *(vp, law, x, other, whole_grid, number(0.5)),
)
for _name in ("elbo_gap", "frozen_score_kl"):
    example(_name, by_short_name()[_name], vp, gaussian("diagonal"), grid)
    example(f"{_name}, full", by_short_name()[_name], vp, law, grid)
example(
    "path_kl",
    lambda p, a, b, x, z, ts, eta: diffx.likelihood.path_kl(
        p, diffx.denoiser(p, a), diffx.denoiser(p, b), x, z, ts, eta=eta
    ),
    *(vp, law, gaussian("diagonal"), x, other, grid, number(0.6)),
)


# --- churn, ancestral, multi-step, Langevin, exponential integrators, inversion, distillation ---


def run_method(make: Callable, *, noisy: bool = True) -> Callable:
    """fold of the sampler make(process, denoise, number)."""
    return lambda p, law, n, x, ts, zs: diffx.fold(
        make(p, diffx.denoiser(p, law), n), x, ts, zs if noisy else None
    )[0]


def two_noises() -> Any:
    return noises(), (normals(STEPS, N, D, seed=7),)


def corrected(p: Any, d: Any, n: Any) -> Any:
    return diffx.samplers.predictor_corrector(
        diffx.ddpm(p, d), diffx.samplers.langevin_corrector(p, d, snr=n)
    )


_method = lambda name, make, noisy=True: example(
    name, run_method(make, noisy=noisy), vp, law, number(0.4), x, grid, noises
)
_method("analytic_ddpm", lambda p, d, n: diffx.samplers.analytic_ddpm(p, d, mmse=lambda t: n * t))
_method("dpm2_ancestral", lambda p, d, n: diffx.samplers.dpm2_ancestral(p, d, eta=n))
_method("edm_stochastic", lambda p, d, n: diffx.samplers.edm_stochastic(p, d, gamma=n))
_method("euler_ancestral", lambda p, d, n: diffx.samplers.euler_ancestral(p, d, eta=n))
_method("exponential_sde", lambda p, d, n: diffx.samplers.exponential_sde(p, d))
_method("lms", lambda p, d, n: diffx.samplers.lms(p, d, order=2), noisy=False)
_method("sde_dpm_solver", lambda p, d, n: diffx.samplers.sde_dpm_solver(p, d))
example("predictor_corrector", run_method(corrected), vp, law, number(0.4), x, grid, two_noises)
_restarted = lambda p, d, n: diffx.samplers.restart(
    p, diffx.ddim(p, d), jnp.stack([1.5 * n, n, n / 2]), n=2
)
example(
    "restart",
    run_method(_restarted),
    vp,
    law,
    number(0.6),
    x,
    grid,
    lambda: normals(STEPS, 2, N, D, seed=10),
)
example(
    "langevin_corrector",
    lambda p, law, n, x, t, s, z: diffx.samplers.langevin_corrector(
        p, diffx.denoiser(p, law), snr=n
    )(x, t, s, z),
    *(vp, law, number(0.4), x, t, s, other),
)
example(
    "langevin_step",
    lambda p, law, x, t, z, e: diffx.samplers.langevin_step(
        p, diffx.denoiser(p, law), x, t, z, step_size=e
    ),
    *(vp, law, x, t, other, number(0.05)),
)
example(
    "ddim_invert",
    lambda p, law, x, ts: diffx.samplers.ddim_invert(p, diffx.denoiser(p, law), x, ts),
    vp,
    law,
    x,
    grid,
)
example("consistency", diffx.distillation.consistency, vp, law, x, t)
example("progressive_target", diffx.distillation.progressive_target, vp, x, other, t, s)


# --- exponential solvers ------------------------------------------------------------------------


def longer_grid() -> jax.Array:
    return single([0.9, 0.7, 0.5, 0.2, 0.0])


def solver(name: str, make: Callable, noises: Any = None) -> None:
    """fold of a solver over four steps, the last to data; without noise where it is None."""

    def run(p: Any, law: Any, x: Any, ts: Any, *zs: Any) -> Any:
        return diffx.fold(make(p, diffx.denoiser(p, law)), x, ts, zs[0] if zs else None)[0]

    example(name, run, vp, law, x, longer_grid, *([] if noises is None else [noises]))


def four_noises() -> jax.Array:
    return normals(4, N, D, seed=8)


for _order in (1, 2, 3):
    solver(f"dpm_solver, order {_order}", partial(diffx.samplers.dpm_solver, order=_order))
    solver(f"dpm_solver_pp, order {_order}", partial(diffx.dpm_solver_pp, order=_order))
    solver(
        f"dpm_solver_pp_single, order {_order}",
        partial(diffx.samplers.dpm_solver_pp_single, order=_order),
    )
    solver(f"unipc, order {_order}", partial(diffx.unipc, order=_order))
solver("deis", partial(diffx.samplers.deis, order=4))
solver("unipc_bh1", diffx.samplers.unipc_bh1)
solver(
    "sde_dpm_solver_pp, order 1", partial(diffx.samplers.sde_dpm_solver_pp, order=1), four_noises
)
solver("sde_dpm_solver_pp", diffx.samplers.sde_dpm_solver_pp, four_noises)
solver(
    "sde_dpm_solver_pp_2s",
    diffx.samplers.sde_dpm_solver_pp_2s,
    lambda: (four_noises(), normals(4, N, D, seed=9)),
)
example(
    "with_past",
    lambda p, law, x, ts: diffx.fold(
        diffx.samplers.with_past(diffx.dpm_solver_pp(p, diffx.denoiser(p, law)), x[None], ts[:2]),
        x,
        ts[1:],
    )[0],
    *(vp, law, x, longer_grid),
)


# --- concepts, retrieval, zero-shot -------------------------------------------------------------


def table() -> jax.Array:
    """Probabilities (2, 2, 3): two concepts and an image."""
    weights = np.abs(np.random.default_rng(11).standard_normal((2, 2, 3))) + 0.1
    return single(weights / weights.sum())


def corners() -> jax.Array:
    return normals(2, 2, D, seed=12)


example("concept_direction", diffx.concepts.concept_direction, x, other)
example("rank_words", diffx.concepts.rank_words, x, lambda: normals(5, D, seed=13))
example(
    "rank_words, centred",
    partial(diffx.concepts.rank_words, centre=True),
    x,
    lambda: normals(5, D, seed=13),
)
example("decomposable", diffx.concepts.decomposable, x, other)
example("parallelogram_defect", diffx.concepts.parallelogram_defect, corners)
example("analogy_cosine", diffx.concepts.analogy_cosine, corners)
example("projector", diffx.concepts.projector, x)
example(
    "concept_projection",
    diffx.concepts.concept_projection,
    x,
    other,
    lambda: normals(D, D, seed=14),
)
example("pmi", diffx.concepts.pmi, table)
example("log_odds_ratio", diffx.concepts.log_odds_ratio, table)
example(
    "pmi_embeddings", partial(diffx.concepts.pmi_embeddings, dim=2), lambda: normals(4, D, seed=15)
)
example("partner_ranks", diffx.concepts.partner_ranks, lambda: normals(4, 4, seed=16))
example("retrieval_metrics", diffx.concepts.retrieval_metrics, x, other)
example(
    "zero_shot_weights",
    lambda vectors: diffx.concepts.zero_shot_weights(
        lambda texts: vectors, ("hat", "cap"), ("a {}", "one {}")
    ),
    lambda: normals(4, D, seed=17),
)
example(
    "zero_shot",
    lambda x, w, b: diffx.concepts.zero_shot(x, w, biases=b),
    x,
    other,
    lambda: normals(N, seed=18),
)
example(
    "mean_class_recall",
    partial(diffx.concepts.mean_class_recall, classes=3),
    *[lambda: jnp.arange(6) % 3] * 2,
)
example(
    "discriminant",
    lambda m, c, p: diffx.concepts.discriminant(m, c, priors=p),
    x,
    COVARIANCES["full"],
    lambda: single([0.4, 0.6]),
)
example("discriminant_error", diffx.concepts.discriminant_error, x, COVARIANCES["full"])


# --- losses of scores, and what they measure ----------------------------------------------------

_names = lambda: jnp.array([0, 0, 1, 2])


def square() -> jax.Array:
    return normals(4, 4, seed=19)


example("info_nce", diffx.contrast.info_nce, square)
example(
    "info_nce, all given",
    lambda s, p, m: diffx.contrast.info_nce(s, positives=p, mask=m),
    square,
    _names,
    mask,
)
example("sigmoid_nce", diffx.contrast.sigmoid_nce, square)
example(
    "sigmoid_nce, all given",
    lambda s, p, m: diffx.contrast.sigmoid_nce(s, positives=p, mask=m),
    square,
    positives,
    mask,
)
example("clamp_log_scale", diffx.contrast.clamp_log_scale, number(5.0))
example(
    "clamp_log_scale, another cap",
    lambda l, cap: diffx.contrast.clamp_log_scale(l, largest=cap),
    number(3.0),
    number(10.0),
)
example("info_nce_bound", partial(diffx.contrast.info_nce_bound, n=4), number(0.5))
example(
    "gaussian_information", partial(diffx.contrast.gaussian_information, split=1), gaussian("full")
)
example(
    "gaussian_pmi",
    diffx.contrast.gaussian_pmi,
    gaussian("full"),
    lambda: normals(4, 1, seed=20),
    lambda: normals(5, D - 1, seed=21),
)
example("log_sphere_mean", partial(diffx.contrast.log_sphere_mean, dim=D), number(5.0))
example("von_mises_information", diffx.contrast.von_mises_information, number(1.25))
example(
    "von_mises_information, on a sphere",
    partial(diffx.contrast.von_mises_information, dim=D),
    number(1.25),
)


# --- losses in blocks, and over devices ---------------------------------------------------------


def _one_device() -> dict:
    """A mesh of one device: what is traced holds the collectives of many."""
    return {
        "axis_name": "data",
        "mesh": jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",)),
        "tile": 3,
    }


for _where, _given in (("tiled", lambda: {"tile": 3}), ("sharded", _one_device)):
    _clip, _siglip = (by_short_name()[f"{_where}_{_kind}_loss"] for _kind in ("clip", "siglip"))
    example(
        _clip.__name__,
        lambda a, b, l, p, m, loss=_clip, given=_given: loss(
            a, b, log_scale=l, positives=p, mask=m, **given()
        ),
        *(images, texts, number(2.0), positives, mask),
    )
    example(
        _siglip.__name__,
        lambda a, b, l, c, p, m, loss=_siglip, given=_given: loss(
            a, b, log_scale=l, bias=c, positives=p, mask=m, **given()
        ),
        *(images, texts, number(2.0), number(-3.0), positives, mask),
    )

COVERED = {public_name(name) for name in EXAMPLES}
HOST_SIDE |= {
    name: "the examples of its sampler run it"
    for name in by_short_name()
    if name.endswith("_step") and name not in COVERED
}
