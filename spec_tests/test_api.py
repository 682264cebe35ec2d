"""API: what jax's transformations and a sampler's user may rely on."""

import inspect
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.tree_util import Partial

import diffx
from diffx.noise import standard_normal
from diffx.samplers.protocol import step
from spec_tests import strategies as st_
from spec_tests.close import close, holds
from spec_tests.paths import EVERY_PROCESS
from spec_tests.registry import claim

ROOT = Path(__file__).parent.parent
N, D = 4, 2  # steps, dimensions
MEAN, COV = np.array([0.5, -1.0]), np.array([[1.0, 0.25], [0.25, 0.5]])
grids = st_.grids(N, 0.05, 0.95)


def law(dtype) -> diffx.GaussianLaw:
    return diffx.GaussianLaw(jnp.asarray(MEAN, dtype), jnp.asarray(COV, dtype))


def ddpm(dtype, beta_max: Any = 12.0) -> diffx.Sampler:
    process = diffx.VP(jnp.asarray(0.3, dtype), jnp.asarray(beta_max, dtype))
    return diffx.ddpm(process, diffx.denoiser(process, law(dtype)))


@jax.jit
def one_step(sampler, state, t, s, z):
    return sampler.step(state, t, s, z)


@jax.jit
def many(sampler, xs, ts, zs):
    return jax.vmap(lambda x, z: diffx.fold(sampler, x, ts, z)[0], (0, 1))(xs, zs)


STEPPED = (
    "the same operations, fused or not: each of 4 steps rounds some ten numbers of the size "
    "of x, gains below 3"
)


@claim(
    "API-01",
    "a compiled run, an eager run, vmap of single runs and a Python loop over the steps agree to "
    "rounding, step by step",
    of=tuple(
        f"diffx.{name}"
        for name in ("fold", "sample", "Sampler", "State", "Info", "keep_x", "keep_x0")
    ),
    source="jax's contract for pure functions",
)
@given(xs=st_.points(3, D), zs=st_.normals(N, 3, D), ts=grids)
@settings(max_examples=5)
def test_jit_eager_vmap_and_a_loop_over_steps_agree(dtype, xs, zs, ts):
    sampler = ddpm(dtype)
    xs, zs, ts = (jnp.asarray(value, dtype) for value in (xs, zs, ts))
    size = 5 * (np.abs(np.asarray(xs)).max() + np.abs(np.asarray(zs)).max() + 1)
    agree = lambda a, b: close(a, np.asarray(b, np.float64), ulps=40, scale=size, why=STEPPED)
    last, trajectory = diffx.fold(sampler, xs, ts, zs, keep=diffx.keep_x)
    alone, answers = diffx.fold(sampler, xs, ts, zs, keep=diffx.keep_x0)
    state = sampler.init(xs)
    for i, (t, s, z) in enumerate(zip(ts[:-1], ts[1:], zs, strict=True)):
        state, info = one_step(sampler, state, t, s, z)
        agree(state.x, trajectory[i])
        agree(info.x0, answers[i])
    agree(last, state.x)
    agree(alone, state.x)
    agree(many(sampler, xs, ts, zs), state.x)
    eager, answer = sampler.step(sampler.init(xs), ts[0], ts[1], zs[0])
    agree(eager.x, trajectory[0])
    agree(answer.x0, answers[0])


def test_nothing_is_kept_unless_asked_for():
    assert diffx.fold(ddpm(np.float64), jnp.ones((3, D)), jnp.linspace(0.9, 0.1, N + 1))[1] is None


def echo_step(state, t, s, z):
    """A sampler that leaves x alone and answers with its noise."""
    return state, diffx.Info(z)


def echo() -> diffx.Sampler:
    return diffx.Sampler(diffx.State, echo_step, standard_normal)


@claim(
    "API-02",
    "sample is fold with the noises of fold_in(key, i), bit for bit",
    of=("diffx.sample", "diffx.fold", "diffx.Sampler"),
    source="jax.random.fold_in: one stream for each step",
)
@given(seed=st_.seeds(), ts=grids)
@settings(max_examples=5)
def test_keyed_run_is_the_explicit_run_with_folded_keys(dtype, seed, ts):
    key, ts = jax.random.key(seed), jnp.asarray(ts, dtype)
    x = jnp.ones((3, D), dtype)
    zs = jnp.stack(
        [jax.random.normal(jax.random.fold_in(key, i), x.shape, x.dtype) for i in range(N)]
    )
    _, drawn = diffx.sample(echo(), key, x, ts, keep=diffx.keep_x0)
    holds(
        np.array_equal(drawn, zs),
        "the noise of step i is the normal of fold_in(key, i), bit for bit",
    )
    (run, _), (given_noise, _) = (
        diffx.sample(ddpm(dtype), key, x, ts),
        diffx.fold(ddpm(dtype), x, ts, zs),
    )
    close(run, np.asarray(given_noise, np.float64), ulps=40, scale=20, why=STEPPED)
    still = diffx.ddim(diffx.VP(), diffx.denoiser(diffx.VP(), law(dtype)))
    with_key, without = (diffx.sample(still, which, x, ts)[0] for which in (key, None))
    holds(np.array_equal(with_key, without), "a deterministic method draws nothing")


@claim(
    "API-03",
    "every step has noise of its own, and a longer run begins with the same noises",
    of="diffx.sample",
    source="claims of the specification: one key for all steps correlates them",
)
@given(seed=st_.seeds())
@settings(max_examples=5)
def test_noise_differs_between_steps_and_depends_on_the_step_index_alone(dtype, seed):
    key, x = jax.random.key(seed), jnp.zeros((3, D), dtype)
    short, long = (
        diffx.sample(echo(), key, x, jnp.linspace(1, 0, n + 1, dtype=dtype), keep=diffx.keep_x0)[1]
        for n in (N, 2 * N)
    )
    flat = np.asarray(long).reshape(-1)
    holds(len(np.unique(flat)) == flat.size, "no number occurs twice in the noise of eight steps")
    holds(
        np.array_equal(short, long[:N]),
        "the noise of step i does not know how many steps there are",
    )


DTYPES = ("float64", "float32", "bfloat16")


def output_dtypes() -> dict[str, str]:
    """The dtype that every kind of run gives for x of each dtype, with a law and a grid of the
    widest dtype.
    """
    wide = jnp.result_type(float)
    found = {}
    for name in DTYPES:
        x = jnp.zeros(D, name)
        if x.dtype != name:
            continue  # float64 where x64 is off
        found |= {f"{name} {kind}": str(out.dtype) for kind, out in outputs(x, wide).items()}
    return found


def outputs(x, wide) -> dict:
    """Results that must have the dtype of x, by abstract evaluation alone."""
    process, ts = diffx.VP(), jnp.linspace(0.9, 0.1, N + 1, dtype=wide)
    exact = diffx.denoiser(process, law(wide))
    run = lambda method: jax.eval_shape(
        lambda x: diffx.sample(method(process, exact), jax.random.key(0), x, ts)[0], x
    )
    methods = {
        "ddim": diffx.ddim,
        "ddim eta": partial(diffx.ddim, eta=0.5),
        "ddpm": diffx.ddpm,
        "ddpm_beta": diffx.samplers.ddpm_beta,
        "ddpm_optimal": partial(diffx.samplers.ddpm_optimal, law=law(wide)),
        "euler": diffx.euler,
        "euler_maruyama": diffx.euler_maruyama,
        "heun": diffx.heun,
        "exact_flow": lambda p, d: diffx.samplers.exact_flow(p, law(wide), eta=1.0),
        "flow_euler": lambda p, d: diffx.flow_euler(partial(diffx.reverse.probability_flow, p, d)),
    }
    points = diffx.PointSet(jnp.zeros((3, D), wide))
    mixture = diffx.MixtureLaw(jnp.ones(1, wide), jnp.zeros((1, D), wide), jnp.ones((), wide))
    pointwise = {
        "perturb": lambda x: diffx.perturb(process, x, x, ts[0]),
        "cfg": lambda x: diffx.cfg(x, x, w=ts[0]),
        "eps_of_v": lambda x: diffx.predictions.eps_of_v(process, x, x, ts[0]),
        "score_of_eps": lambda x: diffx.predictions.score_of_eps(process, x, x, ts[0]),
        "eps_of_score": lambda x: diffx.predictions.eps_of_score(process, x, x, ts[0]),
        "probability_flow": lambda x: diffx.reverse.probability_flow(process, exact, x, ts[0]),
        "reverse_drift": lambda x: diffx.reverse.reverse_drift(process, exact, x, ts[0]),
        **{
            f"denoiser {type(p).__name__}": lambda x, p=p: diffx.denoiser(process, p)(x, ts[0])
            for p in (law(wide), mixture, points)
        },
        **{
            f"score {type(p).__name__}": lambda x, p=p: diffx.score(process, p)(x, ts[0])
            for p in (law(wide), mixture, points)
        },
    }
    found = {name: jax.eval_shape(function, x) for name, function in pointwise.items()}
    return found | {name: run(method) for name, method in methods.items()}


@claim(
    "API-04",
    "what comes in as float64, float32 or bfloat16 goes out as that, with x64 on and off, whatever "
    "the law's dtype",
    of=("diffx.fold", "diffx.sample"),
    source="claims of the specification: x decides",
    dtypes=(),
    why_dtypes="all dtypes are covered at once, by abstract evaluation",
)
def test_results_have_the_dtype_of_x():
    with_x64 = output_dtypes()
    program = (
        "import json; from spec_tests.test_api import output_dtypes; "
        "print(json.dumps(output_dtypes()))"
    )
    environment = {"JAX_ENABLE_X64": "0", "JAX_PLATFORMS": "cpu"}
    without = json.loads(run_python(program, environment))
    for found, widest in ((with_x64, "float64"), (without, "float32")):
        wrong = {name: dtype for name, dtype in found.items() if name.split()[0] != dtype}
        holds(not wrong, f"the dtype of x is kept, {widest} being the widest: {wrong}")
        holds(any(name.startswith(widest) for name in found), f"{widest} was among them")
    holds(
        not any(name.startswith("float64") for name in without), "without x64 there is no float64"
    )


def run_python(program: str, environment: dict[str, str]) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def test_host_tables_are_not_narrowed_to_float32():
    for grid in (diffx.uniform(7), diffx.trailing(7), diffx.karras(diffx.EDM(), 7)):
        assert grid.dtype == jnp.float64
    assert abs(diffx.uniform(3)[1] - 2 / 3) < 1e-15
    assert diffx.processes.linear_betas(10).dtype == jnp.float64


class Count:
    """A denoiser's body that counts how often it is traced."""

    traced = 0


def counting(process, x, t):
    Count.traced += 1
    return x * process.alpha(t)


@claim(
    "API-05",
    "new numbers do not retrace: betas, w, eta, keys, laws, grids of one length; a new length "
    "traces once",
    of=("diffx.fold", "diffx.sample"),
    source="jax.jit: parameters of a pytree are traced, not baked in",
    dtypes=(),
    why_dtypes="tracing does not look at numbers",
)
def test_new_numbers_trace_nothing_anew():
    def run(beta_max, w, eta, seed, shift, n=N):
        process = diffx.VP(0.1, beta_max)
        denoise = jax.tree_util.Partial(counting, process)
        guided = diffx.guide(denoise, diffx.denoiser(process, law(np.float64)), w=w)
        ts = diffx.time_shift(jnp.linspace(0.9, 0.1, n + 1), shift)
        for sampler in (diffx.ddim(process, guided), diffx.ddim(process, guided, eta=eta)):
            diffx.sample(sampler, jax.random.key(seed), jnp.ones(D), ts)
            diffx.fold(sampler, jnp.ones(D), ts)
        return Count.traced

    first = run(12.0, 2.0, 0.5, 0, 1.0)
    again = [run(20.0, 2.0, 0.5, 0, 1.0), run(12.0, 7.5, 0.25, 1, 3.0), run(9.0, 0.0, 1.0, 2, 5.0)]
    holds(
        again == [first] * 3,
        f"the denoiser was traced {again} times after {first} times at first",
        again[-1],
        first,
    )
    longer = run(12.0, 2.0, 0.5, 0, 1.0, n=2 * N)
    holds(
        longer == run(20.0, 3.0, 0.5, 1, 2.0, n=2 * N),
        "a new length traces once more, and only once",
    )


def test_samplers_can_be_batched_in_their_parameters():
    x, ts = jnp.asarray([0.3, -0.7]), jnp.linspace(0.9, 0.1, N + 1)
    maxima = jnp.asarray([8.0, 12.0, 20.0])
    batched = jax.vmap(partial(ddpm, jnp.float64))(maxima)
    zs = jnp.asarray(np.random.default_rng(1).standard_normal((N, D)))
    together = jax.vmap(lambda sampler: diffx.fold(sampler, x, ts, zs)[0])(batched)
    one_by_one = jnp.stack([diffx.fold(ddpm(np.float64, float(b)), x, ts, zs)[0] for b in maxima])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-13)


JACOBIANS = "central differences of step 2^-17 are right to 1e-10, and to 1e-11 of rounding"


def runs(at):
    """The outputs of a deterministic and a stochastic method, by schedule, guidance, data, start,
    grid and noise.
    """
    (beta_max, w, mean), x, ts, zs = at
    process = diffx.VP(0.3, beta_max)
    exact = diffx.denoiser(process, diffx.GaussianLaw(mean, jnp.asarray(COV)))
    guided = diffx.guide(
        exact, diffx.denoiser(process, diffx.GaussianLaw(jnp.zeros(D), jnp.ones(()))), w=w
    )
    return jnp.stack(
        [
            diffx.fold(diffx.ddim(process, guided), x, ts)[0],
            diffx.fold(diffx.ddpm(process, guided), x, ts, zs)[0],
        ]
    )


@jax.jit
def slopes_and_differences(at, h):
    """Reverse mode, and central differences in every number of `at`: (2, D, numbers) both."""
    flat, unravel = jax.flatten_util.ravel_pytree(at)
    run = lambda flat: runs(unravel(flat))
    steps = h * jnp.eye(flat.size)
    ahead, behind = (jax.vmap(run)(flat + step) for step in (steps, -steps))
    return jax.jacrev(run)(flat), jnp.moveaxis(ahead - behind, 0, -1) / (2 * h)


@claim(
    "API-07",
    "jax.grad goes through whole samplers: central differences agree, and J J' is the covariance "
    "that exact_law gives",
    of=("diffx.fold", "diffx.exact_law"),
    source="reverse-mode differentiation of lax.scan",
    dtypes=("float64",),
    why_dtypes="central differences need digits to lose",
)
def test_gradients_through_samplers_are_central_differences(dtype):
    """In beta_max, w, the data's mean, the start, the grid and the noise; at w = 1 DDPM has the
    exact law of its data.
    """
    rng = np.random.default_rng(7)
    at = (
        (jnp.asarray(12.0), jnp.asarray(1.0), jnp.asarray(MEAN)),
        *(
            jnp.asarray(v)
            for v in (
                rng.standard_normal(D),
                np.linspace(0.9, 0.1, N + 1),
                rng.standard_normal((N, D)),
            )
        ),
    )
    slopes, differences = (np.asarray(v) for v in slopes_and_differences(at, 2.0**-17))
    scale = (1 + np.abs(slopes).max()) * 1e-9 / np.finfo(dtype).eps
    close(slopes, differences, ulps=1, scale=scale, why=JACOBIANS)
    holds(np.abs(slopes).max((0, 1)) > 1e-6, "every number moves an output")
    rows = np.concatenate(
        [slopes[1, :, 4 : 4 + D], slopes[1, :, -N * D :]], 1
    )  # of DDPM, in x and in the noises
    start = diffx.GaussianLaw(jnp.zeros(D), jnp.ones(()))
    exact = np.asarray(diffx.exact_law(ddpm(np.float64), start, at[2]).cov)
    close(
        rows @ rows.T,
        exact,
        ulps=64,
        scale=np.abs(exact).max(),
        why="Cov = J J' + sum_k J_k J_k', two ways to sum 4 steps",
    )


SHARDED = """
import json
import numpy as np
import jax, jax.numpy as jnp
from functools import partial
from jax.sharding import Mesh, PartitionSpec as P
import diffx
from spec_tests.test_api import D, N, ddpm, law
mesh = Mesh(np.array(jax.devices()), ("batch",))
found = {"devices": len(jax.devices())}
for dtype in (np.dtype("float64"), np.dtype("float32")):
    draw = lambda *shape: jnp.asarray(np.random.default_rng(8).standard_normal(shape), dtype)
    xs, zs = draw(8, D), draw(N, 8, D)
    ts = jnp.linspace(0.9, 0.1, N + 1, dtype=dtype)
    process = diffx.VP(jnp.asarray(0.3, dtype), jnp.asarray(12.0, dtype))
    deterministic = diffx.heun(process, diffx.denoiser(process, law(dtype)))
    for name, sampler, noise in (("ddpm", ddpm(dtype), zs), ("heun", deterministic, None)):
        run = lambda sampler, x, ts, zs: diffx.fold(sampler, x, ts, zs, keep=diffx.keep_x)
        specs = (P(), P("batch"), P(), None if noise is None else P(None, "batch"))
        outs = (P("batch"), P(None, "batch"))
        split = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=outs))
        whole, pieces = run(sampler, xs, ts, noise), split(sampler, xs, ts, noise)
        spread = len(pieces[0].sharding.device_set)
        flat = lambda v: np.asarray(v, np.float64).ravel().tolist()
        numbers = [[flat(v) for v in pair] for pair in (whole, pieces)]
        found[f"{name} {dtype}"] = [spread, *numbers]
print(json.dumps(found))
"""


@claim(
    "API-06",
    "A batch split over devices by shard_map gives what one device gives, trajectory and all",
    of="diffx.fold",
    source="jax.shard_map; a sampler never looks across the batch",
    dtypes=(),
    why_dtypes="both dtypes run in one process of four virtual devices",
)
def test_sharded_samplers_say_what_one_device_says():
    environment = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
    }
    found = json.loads(run_python(SHARDED, environment))
    holds(found.pop("devices") == 4, "four virtual devices")
    for name, (spread, whole, pieces) in found.items():
        holds(spread == 4, f"{name}: the result lies on all four")
        for one_device, four in zip(whole, pieces, strict=True):
            dtype = np.dtype(name.split()[1])
            close(
                np.asarray(four, dtype),
                np.asarray(one_device),
                ulps=40,
                scale=5,
                why=f"{name}: {STEPPED}",
            )


def own_step(x, t, s, z, *, process, denoise, eta):
    """DDIM with noise eta as a stranger would write it."""
    x0 = denoise(x, t)
    eps = (x - process.alpha(t) * x0) / process.sigma(t)
    fresh = -jnp.expm1(process.log_snr_step(t, s))
    mean = process.alpha(s) * x0 + process.sigma(s) * jnp.sqrt(1 - eta**2 * fresh) * eps
    return mean + process.sigma(s) * eta * jnp.sqrt(fresh) * z, x0


def own_quiet_step(x, t, s, *, process, denoise):
    x0 = denoise(x, t)
    eps = (x - process.alpha(t) * x0) / process.sigma(t)
    return process.alpha(s) * x0 + process.sigma(s) * eps, x0


def written_out(state, t, s, z, *, formula, **parameters):
    """The whole contract, by hand."""
    noise = () if z is None else (z,)
    x, x0 = formula(state.x, t, s, *noise, **parameters)
    return diffx.State(x), diffx.Info(x0)


@claim(
    "API-09",
    "A step function (x, t, s, z) -> (x_s, x0) is a sampler in one call, bit for bit the one that "
    "is written out, and "
    "deterministic where it has no z",
    of="diffx.samplers.sampler_of_step",
    source="the contract of Sampler",
)
@given(seed=st_.seeds(), ts=grids)
@settings(max_examples=3)
def test_step_functions_are_samplers_in_one_call(dtype, seed, ts):
    process, x, ts = diffx.VP(), jnp.ones((3, D), dtype), jnp.asarray(ts, dtype)
    denoise = diffx.denoiser(process, law(dtype))
    key, parts = jax.random.key(seed), {"process": process, "denoise": denoise}
    own = diffx.samplers.sampler_of_step(own_step, **parts, eta=0.5)
    quiet = diffx.samplers.sampler_of_step(own_quiet_step, **parts)
    noisy_by_hand = Partial(written_out, formula=Partial(own_step), **parts, eta=0.5)
    quiet_by_hand = Partial(written_out, formula=Partial(own_quiet_step), **parts)
    by_hand = (
        diffx.Sampler(diffx.State, noisy_by_hand, standard_normal),
        diffx.Sampler(diffx.State, quiet_by_hand),
    )
    for mine, theirs in zip((own, quiet), by_hand, strict=True):
        got, wanted = (
            diffx.sample(sampler, key, x, ts, keep=diffx.keep_x) for sampler in (mine, theirs)
        )
        holds(np.array_equal(got[1], wanted[1]), "the same trajectory, bit for bit")
    holds(quiet.noise is None and own.noise is not None, "whoever asks for z gets noise")
    state, info = own.step(own.init(x), ts[0], ts[1], None)
    holds(state.x.dtype == x.dtype and info.x0.shape == x.shape, "no noise is noise zero")


def test_a_decorated_formula_is_a_step_of_the_contract():
    made = step(own_quiet_step)
    assert str(inspect.signature(made)) == "(state, t, s, z=None, *, process, denoise)"
    process = diffx.VP()
    denoise = diffx.denoiser(process, law(np.float64))
    state, info = made(diffx.State(jnp.ones(D)), 0.75, 0.5, process=process, denoise=denoise)
    x, x0 = own_quiet_step(jnp.ones(D), 0.75, 0.5, process=process, denoise=denoise)
    np.testing.assert_array_equal([state.x, info.x0], [x, x0])
    with pytest.raises(ValueError, match="a step goes from t down to s"):
        made(diffx.State(jnp.ones(D)), 0.5, 0.75, process=process, denoise=denoise)
    with pytest.raises(ValueError, match=r"must answer in the shape of x, \(2,\), but gave \(1,\)"):
        made(diffx.State(jnp.ones(D)), 0.75, 0.5, process=process, denoise=lambda x, t: x[:1])


def test_a_step_function_is_compiled_once_for_all_numbers():
    def run(eta):
        process = diffx.VP()
        denoise = jax.tree_util.Partial(counting, process)
        sampler = diffx.samplers.sampler_of_step(
            own_step, process=process, denoise=denoise, eta=eta
        )
        diffx.sample(sampler, jax.random.key(0), jnp.ones(D), jnp.linspace(0.9, 0.1, N + 1))
        return Count.traced

    assert run(0.5) == run(0.25) == run(1.0)


@claim(
    "API-08",
    "t = 0 is data and t = 1 is noise for every process: x_0 is the data, the signal-to-noise "
    "ratio only falls",
    of=("diffx.processes.Process", "diffx.perturb"),
    source="claims of the specification: one documented time orientation",
)
@given(x0=st_.points(3, D), eps=st_.normals(3, D))
@settings(max_examples=3)
def test_time_zero_is_data_and_time_one_has_the_least_signal(dtype, x0, eps):
    ts = jnp.linspace(0, 1, 101, dtype=dtype)
    x0, eps = jnp.asarray(x0, dtype), jnp.asarray(eps, dtype)
    for make in EVERY_PROCESS:
        process = make()
        name = type(process).__name__
        x_0, signal, noise, log_snr = (
            np.asarray(value, np.float64) for value in path(process, x0, eps, ts)
        )
        close(
            x_0.astype(dtype),
            np.asarray(x0, np.float64),
            ulps=8,
            why=f"{name}: x_0 is the data, alpha(0) = 1",
        )
        holds(noise[0] == 0, f"{name}: no noise at t = 0")
        holds(np.diff(signal) <= 0, f"{name}: the signal never grows")
        holds(np.diff(noise) > 0, f"{name}: the noise grows")
        holds(np.diff(log_snr[1:]) < 0, f"{name}: the log-SNR falls with t")
        holds(log_snr[-1] < -1.0, f"{name}: t = 1 is mostly noise")


@jax.jit
def path(process, x0, eps, ts):
    return (
        diffx.perturb(process, x0, eps, ts[0]),
        process.alpha(ts),
        process.sigma(ts),
        process.log_snr(ts),
    )
