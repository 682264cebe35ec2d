"""Numbers in JAX: dtypes, gradients, and no new trace for a new number."""

import json
from functools import partial

import jax.flatten_util
import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.support.running import COV, MEAN, D, N, ddpm, law, own_step, run_python

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
    "Results have the dtype of x, be it float64, float32 or bfloat16, with x64 on or off and "
    "whatever the dtype of the law",
    of=("diffx.fold", "diffx.sample"),
    source="claims of the specification: x decides",
    grade="identity",
    dtypes=(),
    why_dtypes="all dtypes are covered at once, by abstract evaluation",
)
def test_results_have_the_dtype_of_x():
    with_x64 = output_dtypes()
    program = (
        "import json; from spec_tests.api.test_numbers import output_dtypes; "
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
    "New numbers do not retrace: betas, w, eta, keys, laws, grids of equal length; a new length "
    "traces once more",
    of=("diffx.fold", "diffx.sample"),
    source="jax.jit: parameters of a pytree are traced, not baked in",
    grade="identity",
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
    "jax.grad goes through whole samplers: it agrees with central differences, and J J' is the "
    "covariance that exact_law gives",
    of=("diffx.fold", "diffx.exact_law"),
    source="reverse-mode differentiation of lax.scan",
    grade="computed law",
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
    # of DDPM, in x and in the noises
    rows = np.concatenate([slopes[1, :, 4 : 4 + D], slopes[1, :, -N * D :]], 1)
    start = diffx.GaussianLaw(jnp.zeros(D), jnp.ones(()))
    exact = np.asarray(diffx.exact_law(ddpm(np.float64), start, at[2]).cov)
    close(
        rows @ rows.T,
        exact,
        ulps=64,
        scale=np.abs(exact).max(),
        why="Cov = J J' + sum_k J_k J_k', two ways to sum 4 steps",
    )


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
