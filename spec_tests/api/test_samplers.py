"""API: what jax's transformations and a sampler's user may rely on."""

import inspect
import json

import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.tree_util import Partial

import diffx
from diffx.noise import standard_normal
from diffx.samplers.protocol import step
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.support import strategies as st_
from spec_tests.support.paths import EVERY_PROCESS
from spec_tests.support.running import D, N, ddpm, law, own_step, run_python

grids = st_.grids(N, 0.05, 0.95)


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
    "A compiled run, an eager run, vmap of single runs and a Python loop over the steps agree to "
    "rounding at every step",
    of=tuple(
        f"diffx.{name}"
        for name in ("fold", "sample", "Sampler", "State", "Info", "keep_x", "keep_x0")
    ),
    source="jax's contract for pure functions",
    grade="identity",
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
    grade="identity",
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
    "Every step has its own noise, and a longer run begins with the same noises",
    of="diffx.sample",
    source="claims of the specification: one key for all steps correlates them",
    grade="sampled",
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
    pairs, grid = flat.size * (flat.size - 1) / 2, 2.0 ** -np.finfo(dtype).nmant
    holds(
        len(np.unique(flat)) == flat.size,
        "no number occurs twice in the noise of eight steps",
        false_alarm=pairs * grid,  # normals come from uniform numbers on a grid of this spacing
    )
    holds(
        np.array_equal(short, long[:N]),
        "the noise of step i does not know how many steps there are",
    )


SHARDED = """
import json
import numpy as np
import jax, jax.numpy as jnp
from functools import partial
from jax.sharding import Mesh, PartitionSpec as P
import diffx
from spec_tests.support.running import D, N, ddpm, law
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
    "A batch that shard_map splits over devices gives what one device gives, trajectory included",
    of="diffx.fold",
    source="jax.shard_map; a sampler never looks across the batch",
    grade="identity",
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
    "One call turns a step function (x, t, s, z) -> (x_s, x0) into a sampler, bit for bit the one "
    "that is written out, and deterministic if the function has no z",
    of="diffx.samplers.sampler_of_step",
    source="the contract of Sampler",
    grade="identity",
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


@claim(
    "API-08",
    "t = 0 is data and t = 1 is noise for every process: x_0 is the data, and the signal-to-noise "
    "ratio only falls",
    of=("diffx.processes.Process", "diffx.perturb"),
    source=(
        "the convention of this library; g^2 = -sigma^2 l' is not negative, so that the log-SNR l "
        "falls (FWD-02)"
    ),
    grade="bounded",
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
            why=f"{make.__name__}: {name}: x_0 is the data, alpha(0) = 1",
        )
        holds(noise[0] == 0, f"{make.__name__}: {name}: no noise at t = 0")
        holds(np.diff(signal) <= 0, f"{make.__name__}: {name}: the signal never grows")
        holds(np.diff(noise) > 0, f"{make.__name__}: {name}: the noise grows")
        holds(np.diff(log_snr[1:]) < 0, f"{make.__name__}: {name}: the log-SNR falls with t")
        holds(log_snr[-1] < -1.0, f"{make.__name__}: {name}: t = 1 is mostly noise")


@jax.jit
def path(process, x0, eps, ts):
    return (
        diffx.perturb(process, x0, eps, ts[0]),
        process.alpha(ts),
        process.sigma(ts),
        process.log_snr(ts),
    )
