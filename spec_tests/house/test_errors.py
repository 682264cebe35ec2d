"""Bad input: a sentence that says what was wanted, what came and the way out; never a silent
broadcast, clip or NaN.
"""

import jax
import jax.numpy as jnp
import pytest

import diffx
from diffx.noise import standard_normal
from spec_tests.support.level import level
from spec_tests.support.paths import EVERY_PROCESS
from spec_tests.support.rooms import by_short_name

VP = diffx.VP()
PUBLIC = by_short_name()
NAN, INF = float("nan"), float("inf")


def x():
    return jnp.ones((2, 3))


def y():
    return jnp.ones((2, 1))


def whole():
    return jnp.ones((2, 3), int)


def batch():
    return jnp.full(2, 0.5)


def law():
    return diffx.GaussianLaw(jnp.zeros(3), jnp.eye(3))


def mixture():
    return diffx.MixtureLaw(
        jnp.asarray([0.5, 0.5]), jnp.asarray([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), jnp.ones(())
    )


def ddim():
    return diffx.ddim(VP, diffx.denoiser(VP, law()))


def ddpm():
    return diffx.ddpm(VP, diffx.denoiser(VP, law()))


def shift_step(x, t, s, *, by):
    """A step of one's own."""
    return x + by, x


def first_row(x, t):
    """A denoiser whose answer would broadcast."""
    return x[:1]


def gaussian(mean, cov):
    return diffx.GaussianLaw(jnp.asarray(mean), jnp.asarray(cov))


def standstill():
    """Where alpha and sigma grow alike."""
    process, t = level(1.0, 1.0, jnp.float32, rates=(0.5, 0.5))
    return process, x(), x(), t


def two_components(weights, means=((0.0, 0.0), (1.0, 1.0)), covs=1.0):
    return diffx.MixtureLaw(jnp.asarray(weights), jnp.asarray(means), jnp.asarray(covs))


def clip(images, texts, log_scale=1.0, **more):
    return diffx.clip_loss(images, texts, log_scale=log_scale, **more)


def siglip(images, texts, log_scale=1.0, bias=0.0, **more):
    return diffx.siglip_loss(images, texts, log_scale=log_scale, bias=bias, **more)


PREDICTIONS = ("x0", "eps", "score", "v", "velocity")
CONVERSIONS = [f"{to}_of_{given}" for to in PREDICTIONS for given in PREDICTIONS if to != given]
LOSSES = [f"{name}_loss" for name in PREDICTIONS]
LEAST = [f"optimal_{name}_loss" for name in PREDICTIONS]


# Each function that takes one time, as a function of that time.
OF_TIME = {
    "perturb": lambda t: diffx.perturb(VP, x(), x(), t),
    "rates": lambda t: diffx.processes.rates(VP, t),
    "transition": lambda t: diffx.transition(VP, t, t),
    "posterior": lambda t: diffx.posterior(VP, t, t),
    "marginal": lambda t: diffx.marginal(VP, law(), t),
    "denoiser": lambda t: diffx.denoiser(VP, law())(x(), t),
    "mixture denoiser": lambda t: diffx.denoiser(VP, mixture())(x(), t),
    "points denoiser": lambda t: diffx.denoiser(VP, diffx.PointSet(x()))(x(), t),
    "score": lambda t: diffx.score(VP, law())(x(), t),
    "probability_flow": lambda t: diffx.reverse.probability_flow(VP, lambda x, t: x, x(), t),
    "reverse_drift": lambda t: diffx.reverse.reverse_drift(VP, lambda x, t: x, x(), t),
    "gaussian_step": lambda t: diffx.reverse.gaussian_step(VP, jnp.ones(3), t, t),
    "ddim step": lambda t: ddim().step(diffx.State(x()), t, t, None),
    "ddpm step": lambda t: ddpm().step(diffx.State(x()), t, t, x()),
    **{name: lambda t, name=name: PUBLIC[name](VP, x(), x(), t) for name in CONVERSIONS},
    **{name: lambda t, name=name: PUBLIC[name](VP, lambda x, t: x, x(), x(), t) for name in LOSSES},
    **{name: lambda t, name=name: PUBLIC[name](VP, law(), t) for name in LEAST},
}


# Each function of two arrays that must have one shape.
OF_TWO = {
    "perturb": lambda a, b: diffx.perturb(VP, a, b, 0.5),
    "cfg": lambda a, b: diffx.cfg(a, b, w=2.0),
    "clip_loss": clip,
    "siglip_loss": siglip,
    **{name: lambda a, b, name=name: PUBLIC[name](VP, a, b, 0.5) for name in CONVERSIONS},
    **{
        name: lambda a, b, name=name: PUBLIC[name](VP, lambda x, t: x, a, b, 0.5) for name in LOSSES
    },
}


def refused(error: type[Exception], call, *words: str) -> None:
    """The call raises this error, and its message has all the words."""
    with pytest.raises(error) as caught:
        call()
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


@pytest.mark.parametrize("name", OF_TIME)
def test_a_batch_of_times_is_refused_at_trace_time_with_a_hint_to_vmap(name):
    refused(ValueError, lambda: OF_TIME[name](batch()), "scalar time", "(2,)", "vmap")
    refused(
        ValueError, lambda: jax.eval_shape(OF_TIME[name], batch()), "scalar time", "(2,)", "vmap"
    )


@pytest.mark.parametrize("name", OF_TIME)
def test_times_that_are_no_floats_of_32_bits_in_the_unit_interval_are_refused(name):
    call = OF_TIME[name]
    for half in (jnp.bfloat16, jnp.float16):
        of_half = lambda half=half: jax.eval_shape(call, jnp.asarray(0.5, half))
        refused(TypeError, of_half, "float32", jnp.dtype(half).name)
    refused(TypeError, lambda: jax.eval_shape(call, jnp.asarray(1)), "floats", "int", "convert")
    refused(ValueError, lambda: call(500), "[0, 1]", "500", "i/T")
    for outside in (-0.1, NAN):
        refused(ValueError, lambda: call(outside), "[0, 1]", str(outside))  # noqa: B023
    refused(TypeError, lambda: call("0.5"), "floats", "str")


@pytest.mark.parametrize("name", OF_TWO)
def test_unequal_shapes_are_refused_rather_than_broadcast(name):
    refused(ValueError, lambda: OF_TWO[name](x(), y()), "one shape", "(2, 3)", "(2, 1)")
    refused(
        ValueError, lambda: jax.eval_shape(OF_TWO[name], x(), y()), "one shape", "(2, 3)", "(2, 1)"
    )


@pytest.mark.parametrize("name", OF_TWO)
def test_integer_arrays_are_refused_rather_than_promoted(name):
    refused(
        TypeError,
        lambda: jax.eval_shape(OF_TWO[name], whole(), whole()),
        "floats",
        "int",
        "jnp.float32",
    )


PROCESS_METHODS = ("alpha", "sigma", "f", "g", "log_snr", "log_snr_step", "time_of_log_snr")


@pytest.mark.parametrize("method", PROCESS_METHODS)
def test_every_method_of_a_process_refuses_half_precision_and_integer_times(method):
    for process in [make() for make in EVERY_PROCESS]:
        call = getattr(process, method)
        for bad, word in ((jnp.bfloat16(0.5), "bfloat16"), (jnp.arange(3), "int")):
            arguments = (bad, bad) if method == "log_snr_step" else (bad,)
            refused(TypeError, lambda: call(*arguments), word)  # noqa: B023
        if method != "time_of_log_snr":
            arguments = (2.0, 2.0) if method == "log_snr_step" else (2.0,)
            refused(ValueError, lambda: call(*arguments), "[0, 1]", "2")  # noqa: B023


VALUES = {
    "beta_min below 0": (ValueError, lambda: diffx.VP(-1.0, 2.0), "beta_min", "positive", "-1"),
    "beta_max NaN": (ValueError, lambda: diffx.SubVP(1.0, NAN), "beta_max", "finite"),
    "a batch of parameters": (
        ValueError,
        lambda: diffx.VP(jnp.ones(3), 2.0),
        "beta_min",
        "(3,)",
        "vmap",
    ),
    "a word for a number": (TypeError, lambda: diffx.VP("a", 2.0), "beta_min", "number", "str"),
    "sigma_max below sigma_min": (ValueError, lambda: diffx.VE(2.0, 1.0), "exceed", "2.0", "1.0"),
    "start above end": (
        ValueError,
        lambda: diffx.processes.SigmoidVP(3.0, -3.0),
        "start",
        "less",
        "3.0 and -3.0",
        "same path",
    ),
    "tau 0": (ValueError, lambda: diffx.processes.SigmoidVP(tau=0.0), "tau", "positive"),
    "end infinite": (
        ValueError,
        lambda: diffx.processes.SigmoidVP(end=float("inf")),
        "end",
        "finite",
    ),
    "start NaN": (ValueError, lambda: diffx.processes.SigmoidVP(NAN), "start", "finite"),
    "sigma_max 0": (ValueError, lambda: diffx.EDM(0.0), "sigma_max", "positive"),
    "negative offset": (ValueError, lambda: diffx.CosineVP(-0.1), "offset", "negative", "-0.1"),
    "beta above 1": (ValueError, lambda: diffx.DDPMChain(jnp.asarray([0.1, 1.2])), "(0, 1)", "1.2"),
    "beta NaN": (
        ValueError,
        lambda: diffx.DDPMChain(jnp.asarray([0.1, NAN])),
        "finite",
        "1 of its 2",
    ),
    "integer betas": (TypeError, lambda: diffx.DDPMChain(jnp.ones(2, int)), "betas", "floats"),
    "betas of rank 2": (
        ValueError,
        lambda: diffx.processes.alpha_bar(jnp.full((2, 2), 0.1)),
        "(T,)",
        "(2, 2)",
    ),
    "negative beta": (
        ValueError,
        lambda: diffx.processes.alpha_bar(jnp.asarray([-0.1, 0.2])),
        "(0, 1)",
        "-0.1",
    ),
    "no betas": (ValueError, lambda: diffx.processes.linear_betas(0), "n", "at least 1"),
    "a float for a count": (
        TypeError,
        lambda: diffx.processes.cosine_betas(10.0),
        "integer",
        "float",
    ),
    "linear betas above 1": (
        ValueError,
        lambda: diffx.processes.linear_betas(9, first=2.0, last=3.0),
        "(0, 1)",
        "3",
    ),
    "scaled betas above 1": (
        ValueError,
        lambda: diffx.processes.scaled_linear_betas(9, first=2.0, last=3.0),
        "(0, 1)",
    ),
    "cosine betas above 1": (
        ValueError,
        lambda: diffx.processes.cosine_betas(9, largest=-1.0),
        "(0, 1)",
    ),
    "one beta to rescale": (
        ValueError,
        lambda: diffx.processes.zero_terminal_snr(jnp.asarray([0.1])),
        "T >= 2",
    ),
    "steps as floats": (
        TypeError,
        lambda: diffx.processes.respace(jnp.full(5, 0.1), jnp.ones(2)),
        "integers",
        "round",
    ),
    "decreasing steps": (
        ValueError,
        lambda: diffx.processes.respace(jnp.full(5, 0.1), jnp.asarray([3, 2])),
        "increase",
        "[3 2]",
    ),
    "steps beyond the chain": (
        ValueError,
        lambda: diffx.processes.respace(jnp.full(5, 0.1), jnp.asarray([3, 6])),
        "1..5",
        "6",
    ),
    "a step upwards": (
        ValueError,
        lambda: diffx.transition(VP, 0.2, 0.5),
        "t=0.2",
        "s=0.5",
        "swap",
    ),
    "a posterior upwards": (
        ValueError,
        lambda: diffx.posterior(VP, 0.2, 0.5),
        "t=0.2",
        "s=0.5",
        "swap",
    ),
    "negative variance": (
        ValueError,
        lambda: diffx.reverse.gaussian_step(VP, -jnp.ones(2), 0.5, 0.2),
        "variance",
        "negative",
    ),
    "negative eta": (
        ValueError,
        lambda: diffx.reverse.gaussian_step(VP, jnp.ones(2), 0.5, 0.2, eta=-1.0),
        "eta",
        "negative",
    ),
    "eps at alpha 0": (
        ValueError,
        lambda: diffx.predictions.x0_of_eps(diffx.Trig(), x(), x(), 1.0),
        "eps",
        "x0",
        "v and velocity",
    ),
    "x0 at sigma 0": (
        ValueError,
        lambda: diffx.predictions.eps_of_x0(VP, x(), x(), 0.0),
        "x0",
        "eps",
        "sigma = 0",
    ),
    "score at sigma 0": (
        ValueError,
        lambda: diffx.predictions.score_of_eps(VP, x(), x(), 0.0),
        "score",
        "sigma",
        "x0 or v",
    ),
    "infinite rate": (
        ValueError,
        lambda: diffx.predictions.velocity_of_v(VP, x(), x(), 0.0),
        "velocity",
        "infinite",
        "t inside",
    ),
    "a standstill": (
        ValueError,
        lambda: diffx.predictions.x0_of_velocity(*standstill()),
        "log-SNR has derivative 0",
        "t = 0.25",
    ),
    "points at sigma 0": (
        ValueError,
        lambda: diffx.denoiser(VP, diffx.PointSet(x()))(x(), 0.0),
        "sigma",
        "t > 0",
    ),
    "no network": (TypeError, lambda: diffx.denoiser_of_eps(VP, None), "callable", "NoneType"),
    "a network that broadcasts": (
        ValueError,
        lambda: diffx.denoiser_of_v(VP, first_row)(x(), 0.5),
        "(1, 3)",
        "(2, 3)",
    ),
    "a loss that broadcasts": (
        ValueError,
        lambda: diffx.losses.x0_loss(VP, first_row, x(), x(), 0.5),
        "(1, 3)",
        "(2, 3)",
    ),
    "least loss of a mixture": (
        TypeError,
        lambda: diffx.losses.optimal_x0_loss(VP, mixture(), 0.5),
        "GaussianLaw",
        "gaussian_of",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_processes_chains_and_conversions_say_what_they_wanted(name):
    error, call, *words = VALUES[name]
    refused(error, call, *words)


LAWS = {
    "a batch of means": (ValueError, lambda: gaussian([[0.0, 0.0]], 1.0), "(d,)", "(1, 2)", "vmap"),
    "a covariance of another size": (
        ValueError,
        lambda: gaussian([0.0, 0.0, 0.0], jnp.eye(2)),
        "d = 3",
        "(2, 2)",
    ),
    "a covariance that is not square": (
        ValueError,
        lambda: gaussian([0.0, 0.0, 0.0], jnp.ones((3, 2))),
        "(d, d)",
        "(3, 2)",
    ),
    "not symmetric": (
        ValueError,
        lambda: gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]),
        "symmetric",
        "(cov + cov.T) / 2",
    ),
    "not positive": (
        ValueError,
        lambda: gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
        "positive semi-definite",
        "-1",
    ),
    "negative variance": (ValueError, lambda: gaussian([0.0, 0.0], [1.0, -2.0]), "negative", "-2"),
    "NaN in cov": (
        ValueError,
        lambda: gaussian([0.0, 0.0], [1.0, NAN]),
        "cov",
        "finite",
        "1 of its 2",
    ),
    "NaN in mean": (ValueError, lambda: gaussian([NAN, 0.0], 1.0), "mean", "finite"),
    "integers": (TypeError, lambda: gaussian([0, 0], 1.0), "mean", "floats", "jnp.float32"),
    "basis not orthonormal": (
        ValueError,
        lambda: diffx.LowRank(jnp.ones((3, 2)), jnp.ones(2)),
        "orthonormal",
        "qr",
    ),
    "negative variances": (
        ValueError,
        lambda: diffx.LowRank(jnp.eye(3)[:, :2], -jnp.ones(2)),
        "negative",
    ),
    "negative rest": (
        ValueError,
        lambda: diffx.LowRank(jnp.eye(3)[:, :2], jnp.ones(2), -1.0),
        "rest",
        "negative",
    ),
    "several rests": (
        ValueError,
        lambda: diffx.LowRank(jnp.eye(3)[:, :2], jnp.ones(2), jnp.ones(3)),
        "rest",
        "one number",
    ),
    "variances of another size": (
        ValueError,
        lambda: diffx.LowRank(jnp.eye(3)[:, :2], jnp.ones(3)),
        "(3, 2)",
        "(3,)",
    ),
    "negative weights": (
        ValueError,
        lambda: two_components([1.5, -0.5]),
        "weights",
        "negative",
        "-0.5",
    ),
    "weights that do not sum to 1": (
        ValueError,
        lambda: two_components([1.5, 0.5]),
        "sum to 1",
        "2.0",
        "weights.sum()",
    ),
    "weights of another length": (
        ValueError,
        lambda: two_components([0.5, 0.25, 0.25]),
        "(2,)",
        "(3,)",
    ),
    "means of rank 1": (
        ValueError,
        lambda: two_components([0.5, 0.5], [0.0, 1.0]),
        "(k, d)",
        "(2,)",
    ),
    "covs of another shape": (
        ValueError,
        lambda: two_components([0.5, 0.5], covs=[[1.0] * 3] * 2),
        "(k, d)",
        "(2, 3)",
    ),
    "a component not positive": (
        ValueError,
        lambda: two_components([0.5, 0.5], covs=[[[1.0, 2.0], [2.0, 1.0]]] * 2),
        "-1",
    ),
    "points of rank 1": (ValueError, lambda: diffx.PointSet(jnp.ones(3)), "(n, *event)", "(3,)"),
    "no points": (ValueError, lambda: diffx.PointSet(jnp.ones((0, 3))), "n >= 1", "(0, 3)"),
    "NaN in points": (
        ValueError,
        lambda: diffx.PointSet(x() * NAN),
        "points",
        "finite",
        "6 of its 6",
    ),
    "integer points": (TypeError, lambda: diffx.PointSet(whole()), "points", "floats"),
    "negative weights of points": (
        ValueError,
        lambda: diffx.PointSet(x(), jnp.asarray([2.0, -1.0])),
        "negative",
        "-1",
    ),
    "x of another dimension": (
        ValueError,
        lambda: law().log_prob(jnp.ones((2, 2))),
        "(3,)",
        "(2, 2)",
    ),
    "mixture at another dimension": (
        ValueError,
        lambda: mixture().log_prob(jnp.ones(2)),
        "(3,)",
        "(2,)",
    ),
    "points at another dimension": (
        ValueError,
        lambda: diffx.PointSet(x()).log_prob(jnp.ones(2)),
        "(3,)",
        "(2,)",
    ),
    "a number for a shape": (TypeError, lambda: law().sample(jax.random.key(0), 4), "tuple", "int"),
    "a number for a key": (
        TypeError,
        lambda: mixture().sample(0, (4,)),
        "jax.random.key(0)",
        "int",
    ),
    "points without a key": (
        TypeError,
        lambda: diffx.PointSet(x()).sample(None),
        "jax.random.key(0)",
    ),
    "marginal of no law": (TypeError, lambda: diffx.marginal(VP, "law", 0.5), "GaussianLaw", "str"),
    "prior of no law": (TypeError, lambda: diffx.prior(VP, None), "GaussianLaw", "NoneType"),
    "moments of no law": (TypeError, lambda: diffx.laws.gaussian_of(3), "GaussianLaw", "int"),
    "marginal of pictures": (
        ValueError,
        lambda: diffx.marginal(VP, diffx.PointSet(jnp.ones((2, 3, 3))), 0.5),
        "reshape",
    ),
    "w2 of a mixture": (
        TypeError,
        lambda: diffx.w2(law(), mixture()),
        "GaussianLaw",
        "gaussian_of",
    ),
    "w2 of two dimensions": (
        ValueError,
        lambda: diffx.w2(law(), gaussian([0.0], 1.0)),
        "(3,)",
        "(1,)",
    ),
    "kl of two dimensions": (
        ValueError,
        lambda: diffx.kl(law(), gaussian([0.0], 1.0)),
        "(3,)",
        "(1,)",
    ),
    "denoiser of no law": (TypeError, lambda: diffx.denoiser(VP, x()), "GaussianLaw"),
    "denoiser at another dimension": (
        ValueError,
        lambda: diffx.denoiser(VP, law())(jnp.ones(2), 0.5),
        "(3,)",
        "(2,)",
    ),
    "denoiser at integers": (
        TypeError,
        lambda: diffx.denoiser(VP, law())(whole(), 0.5),
        "x",
        "floats",
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws_say_what_they_wanted(name):
    error, call, *words = LAWS[name]
    refused(error, call, *words)


def grid():
    return jnp.linspace(0.9, 0.1, 5)


def run(ts):
    return diffx.fold(ddim(), x(), ts)


RUNS = {
    "increasing grid": (
        ValueError,
        lambda: run(grid()[::-1]),
        "decrease",
        "0.1",
        "0.3",
        "ts[::-1]",
    ),
    "grid of one time": (ValueError, lambda: run(grid()[:1]), "(N + 1,)", "(1,)", "diffx.uniform"),
    "grid of rank 2": (ValueError, lambda: run(grid()[None]), "(N + 1,)", "(1, 5)"),
    "grid of integers": (TypeError, lambda: run(jnp.asarray([3, 2, 1])), "floats", "int"),
    "grid of indices": (ValueError, lambda: run(1000 * grid()), "[0, 1]", "900"),
    "grid with NaN": (ValueError, lambda: run(grid() * NAN), "nan"),
    "half precision grid": (
        TypeError,
        lambda: run(grid().astype(jnp.bfloat16)),
        "float32",
        "bfloat16",
    ),
    "integer x": (TypeError, lambda: diffx.fold(ddim(), whole(), grid()), "x", "floats"),
    "noise for a deterministic method": (
        ValueError,
        lambda: diffx.fold(ddim(), x(), grid(), jnp.ones((4, 2, 3))),
        "leave zs",
    ),
    "noise for another number of steps": (
        ValueError,
        lambda: diffx.fold(ddpm(), x(), grid(), jnp.ones((3, 2, 3))),
        "4 steps",
    ),
    "noise that broadcasts": (
        ValueError,
        lambda: diffx.fold(ddpm(), x(), grid(), jnp.ones((4, 1, 3))),
        "(2, 3)",
        "(1, 3)",
    ),
    "no sampler": (TypeError, lambda: diffx.fold(diffx.ddim, x(), grid()), "Sampler", "function"),
    "a denoiser that broadcasts": (
        ValueError,
        lambda: diffx.fold(diffx.ddim(VP, first_row), x(), grid()),
        "(2, 3)",
        "(1, 3)",
    ),
    "keep is no function": (
        TypeError,
        lambda: diffx.fold(ddim(), x(), grid(), keep="x"),
        "keep",
        "callable",
    ),
    "no key": (TypeError, lambda: diffx.sample(ddpm(), None, x(), grid()), "jax.random.key(0)"),
    "a number for a key": (
        TypeError,
        lambda: diffx.sample(ddpm(), 0, x(), grid()),
        "jax.random.key(0)",
    ),
    "no denoiser": (TypeError, lambda: diffx.heun(VP, None), "denoiser", "callable", "NoneType"),
    "process and denoiser swapped": (
        TypeError,
        lambda: diffx.euler(ddim(), VP),
        "denoiser",
        "callable",
    ),
    "eta above 1": (ValueError, lambda: diffx.ddim(VP, first_row, eta=2.0), "[0, 1]", "2"),
    "optimal variance of a mixture": (
        TypeError,
        lambda: diffx.samplers.ddpm_optimal(VP, first_row, law=mixture()),
        "GaussianLaw",
    ),
    "a step that is not a function": (
        TypeError,
        lambda: diffx.samplers.sampler_of_step(3),
        "step must be a function",
        "int",
    ),
    "a step without its parameters": (
        TypeError,
        lambda: diffx.samplers.sampler_of_step(shift_step, process=VP),
        "shift_step is called as",
        "missing a required",
        "'by'",
    ),
    "a step with a parameter too many": (
        TypeError,
        lambda: diffx.samplers.sampler_of_step(shift_step, by=1.0, of=2.0),
        "unexpected keyword argument 'of'",
    ),
    "a step whose denoiser is none": (
        TypeError,
        lambda: diffx.samplers.sampler_of_step(shift_step, denoise=None),
        "a denoiser (x, t) -> x0 must be callable, got NoneType",
    ),
    "exact flow of a mixture": (
        TypeError,
        lambda: diffx.samplers.exact_flow(VP, mixture()),
        "GaussianLaw",
    ),
    "exact flow, eta below 0": (
        ValueError,
        lambda: diffx.samplers.exact_flow(VP, law(), eta=-1.0),
        "eta",
        "negative",
    ),
    "exact law from a mixture": (
        TypeError,
        lambda: diffx.exact_law(ddim(), mixture(), grid()),
        "GaussianLaw",
    ),
    "budget of a mixture": (
        TypeError,
        lambda: diffx.error_budget(diffx.ddim, VP, mixture(), grid()),
        "GaussianLaw",
    ),
    "no steps": (ValueError, lambda: diffx.uniform(0), "n", "at least 1"),
    "a float of steps": (TypeError, lambda: diffx.uniform(2.0), "integer", "float"),
    "ends swapped": (
        ValueError,
        lambda: diffx.uniform(4, t_max=0.1, t_min=0.5),
        "t_max=0.1",
        "t_min=0.5",
        "swap",
    ),
    "end beyond 1": (ValueError, lambda: diffx.uniform(4, t_max=2.0), "t_max", "[0, 1]"),
    "log-SNR at 0": (
        ValueError,
        lambda: diffx.grids.uniform_log_snr(VP, 4, t_min=0.0),
        "finite",
        "t_min",
    ),
    "log-SNR at alpha 0": (
        ValueError,
        lambda: diffx.grids.uniform_log_snr(diffx.Trig(), 4, t_max=1.0),
        "finite",
        "0.999",
    ),
    "sigma_max beyond": (
        ValueError,
        lambda: diffx.karras(diffx.EDM(1.0), 4, sigma_max=80.0),
        "80",
        "smaller sigma_max",
    ),
    "sigmas swapped": (
        ValueError,
        lambda: diffx.karras(diffx.EDM(), 4, sigma_min=9.0, sigma_max=1.0),
        "below",
        "swap",
    ),
    "more steps than the chain": (
        ValueError,
        lambda: diffx.grids.leading(11, 10),
        "10",
        "11",
        "n <= n_train",
    ),
    "linspace beyond the chain": (ValueError, lambda: diffx.grids.linspace(11, 10), "n <= n_train"),
    "trailing beyond the chain": (ValueError, lambda: diffx.trailing(11, 10), "n <= n_train"),
    "negative std": (
        ValueError,
        lambda: diffx.grids.equal_angle(VP, 4, std=-1.0),
        "std",
        "positive",
    ),
    "shift 0": (ValueError, lambda: diffx.time_shift(grid(), 0.0), "shift", "positive"),
    "shift of integers": (TypeError, lambda: diffx.time_shift(jnp.arange(3), 2.0), "floats"),
}


@pytest.mark.parametrize("name", RUNS)
def test_samplers_and_grids_say_what_they_wanted(name):
    error, call, *words = RUNS[name]
    refused(error, call, *words)


def net(x, t, c):
    return x


GUIDED = {
    "several weights": (ValueError, lambda: diffx.cfg(x(), x(), w=batch()), "w", "(2,)", "vmap"),
    "weight NaN": (ValueError, lambda: diffx.cfg(x(), x(), w=NAN), "w", "finite", "nan"),
    "weight infinite": (ValueError, lambda: diffx.guide(ddim, ddim, w=INF), "w", "finite", "inf"),
    "a word for a weight": (TypeError, lambda: diffx.cfg(x(), x(), w="2"), "w", "number", "str"),
    "an array for a denoiser": (
        TypeError,
        lambda: diffx.guide(x(), first_row, w=2.0),
        "denoiser",
        "callable",
    ),
    "conditions of two shapes": (
        ValueError,
        lambda: diffx.guide_net(net, jnp.ones(3), jnp.ones(2), w=2.0),
        "(3,)",
        "(2,)",
    ),
    "no second condition": (
        ValueError,
        lambda: diffx.guide_net(net, jnp.ones(3), None, w=2.0),
        "(3,)",
        "None",
    ),
    "one embedding": (ValueError, lambda: clip(jnp.ones(3), jnp.ones(3)), "(N, d)", "(3,)"),
    "several scales": (ValueError, lambda: clip(x(), x(), batch()), "log_scale", "(2,)"),
    "scale NaN": (ValueError, lambda: siglip(x(), x(), NAN), "log_scale", "finite"),
    "several biases": (ValueError, lambda: siglip(x(), x(), bias=batch()), "bias", "(2,)"),
    "no bias": (TypeError, lambda: siglip(x(), x(), bias=None), "bias", "number", "NoneType"),
    "NaN in images": (ValueError, lambda: clip(x() * NAN, x()), "images", "finite"),
    "NaN in texts": (ValueError, lambda: siglip(x(), x() * NAN), "texts", "finite"),
    "positives of another shape": (
        ValueError,
        lambda: clip(x(), x(), positives=jnp.eye(3) > 0),
        "(2, 2)",
        "(3, 3)",
    ),
    "positives as floats": (
        TypeError,
        lambda: clip(x(), x(), positives=jnp.eye(2)),
        "booleans",
        "positives > 0",
    ),
    "rows without partner": (
        ValueError,
        lambda: siglip(x(), x(), positives=jnp.zeros((2, 2), bool)),
        "partner",
        "[0 1]",
    ),
    "mask of another shape": (
        ValueError,
        lambda: clip(x(), x(), mask=jnp.ones(3, bool)),
        "(2,)",
        "(3,)",
    ),
    "nothing counted": (
        ValueError,
        lambda: siglip(x(), x(), mask=jnp.zeros(2, bool)),
        "mask",
        "at least one row",
    ),
}


@pytest.mark.parametrize("name", GUIDED)
def test_guidance_and_contrast_say_what_they_wanted(name):
    error, call, *words = GUIDED[name]
    refused(error, call, *words)


def clipped(x, t):
    """A denoiser that is not affine."""
    return jnp.clip(x, -0.1, 0.1)


def test_exact_law_refuses_what_is_not_affine_and_says_why():
    refused(
        ValueError,
        lambda: diffx.exact_law(diffx.ddim(VP, clipped), law(), grid()),
        "affine",
        "Gaussian",
        "clipping",
    )


def test_traced_values_are_not_looked_at_and_nan_is_an_honest_answer():
    negative = jax.jit(lambda b: diffx.VP(b, 2.0).alpha(0.5))(-1.0)
    assert jnp.isfinite(negative)
    beyond = jax.jit(lambda t: diffx.perturb(VP, x(), x(), t))(2.0)
    assert beyond.shape == (2, 3)
    assert jnp.isnan(jax.jit(lambda t: diffx.predictions.eps_of_x0(VP, x(), x(), t))(0.0)).all()


def test_noise_that_is_drawn_has_the_shape_of_x():
    assert standard_normal(jax.random.key(0), x()).shape == (2, 3)
