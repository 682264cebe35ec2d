"""Every public function on every device: it lowers for CPU, CUDA and TPU, and under jit, vmap and
grad it says the same.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from spec_tests.house.examples import EXAMPLES, HOST_SIDE, public_name
from spec_tests.instrument.close import close
from spec_tests.support.rooms import by_short_name

PLATFORMS = ("cpu", "cuda", "tpu")
GROUP = 20  # examples a lowering: one for each would double the time
NAMES = sorted(EXAMPLES)
FIRST = [
    name
    for i, name in enumerate(NAMES)
    if "." in name or public_name(name) not in map(public_name, NAMES[:i])
]
VARIATIONS = [name for name in NAMES if name not in FIRST]


def groups(names: list, *marks) -> list:
    """Runs of GROUP names, as parameters."""
    runs = [names[first : first + GROUP] for first in range(0, len(names), GROUP)]
    return [pytest.param(run, id=f"{run[0]} to {run[-1]}", marks=marks) for run in runs]


# What runs as well as lowers: one example of each kind of computation; the claims run the rest.
RUN = (
    *("DDPMChain.log_snr_step", "rates, VP", "v_of_velocity"),
    *("zero_terminal_snr", "respace", "karras", "velocity_loss"),
    *(
        "GaussianLaw.log_prob, full",
        "MixtureLaw.log_prob, low rank",
        "PointSet.log_prob, given weights",
    ),
    *("denoiser, MixtureLaw, full", "denoiser, PointSet, given weights", "gaussian_step"),
    *("w2, full and low rank", "kl, full and low rank", "ddim, eta, sample"),
    *(
        "heun, fold",
        "exact_law, ddpm",
        "guide_net",
        "clip_loss, all given",
        "siglip_loss, all given",
    ),
)
LONG = {  # 3 to 5 s each
    *(
        "denoiser, MixtureLaw, full",
        "exact_law, ddpm",
        "heun, fold",
        "MixtureLaw.log_prob, low rank",
        "clip_loss, all given",
    ),
}


@pytest.fixture(autouse=True)
def float32():
    """What accelerators compute in."""
    with jax.enable_x64(False):
        yield


def test_every_public_name_has_an_example_or_a_reason():
    covered = {public_name(name) for name in EXAMPLES}
    assert covered | set(HOST_SIDE) >= set(by_short_name()), sorted(
        set(by_short_name()) - covered - set(HOST_SIDE)
    )
    assert not covered & set(HOST_SIDE), "an exception is no longer needed"
    assert set(HOST_SIDE) <= set(by_short_name()), "an exception is gone"


def test_every_public_function_of_a_process_and_a_law_has_an_example():
    for name, value in by_short_name().items():
        if inspect.isclass(value) and name not in HOST_SIDE:
            methods = [
                key
                for key, member in vars(value).items()
                if inspect.isfunction(member) and not key.startswith("_")
            ]
            missing = [
                key
                for key in methods
                if not any(found.startswith(f"{name}.{key}") for found in EXAMPLES)
            ]
            assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize("names", [*groups(FIRST), *groups(VARIATIONS, pytest.mark.slow)])
def test_every_public_function_lowers_for_cpu_cuda_and_tpu(names):
    functions, arguments = zip(*(EXAMPLES[name]() for name in names), strict=True)
    try:
        lowered = export.export(jax.jit(together(functions)), platforms=PLATFORMS)(arguments)
    except Exception as error:
        pytest.fail(f"{culprits(names)} do not lower: {error}")
    assert tuple(lowered.platforms) == PLATFORMS
    assert not any(aval.dtype == jnp.float64 for aval in lowered.out_avals)


def together(functions):
    """One function of all arguments."""
    return lambda arguments: [
        function(*own) for function, own in zip(functions, arguments, strict=True)
    ]


def culprits(names) -> list[str]:
    """Those that do not lower by themselves."""
    found = []
    for name in names:
        function, arguments = EXAMPLES[name]()
        try:
            export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
        except Exception:
            found.append(name)
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in RUN]
)
def test_functions_say_the_same_under_jit_and_vmap_and_have_finite_gradients(name):
    function, arguments = EXAMPLES[name]()
    calls = arguments, tuple(0.95 * value if is_floating(value) else value for value in arguments)
    batch = jax.tree_util.tree_map(lambda *pair: jnp.stack(pair), *calls)
    values, slopes = jax.jit(jax.vmap(lambda arguments: values_and_slopes(function, arguments)))(
        batch
    )
    for index, call in enumerate(calls):
        for got, wanted in zip(
            jax.tree_util.tree_leaves(values),
            jax.tree_util.tree_leaves(function(*call)),
            strict=True,
        ):
            wanted = np.asarray(wanted, np.float64)
            size = 1 + np.abs(wanted).max(initial=0)
            close(
                got[index],
                wanted,
                ulps=200,
                scale=size,
                why="the same operations, fused or not, some hundred in a row",
            )
    assert all(np.all(np.isfinite(slope)) for slope in jax.tree_util.tree_leaves(slopes))


def is_floating(value) -> bool:
    """A plain array of floats, not a law or a process."""
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating)


def values_and_slopes(function, arguments):
    """function(*arguments), and the gradient of the sum of all it gives, by every floating
    argument.
    """
    leaves, tree = jax.tree_util.tree_flatten(arguments)
    floating = [is_floating(leaf) for leaf in leaves]

    def total(moving):
        moving = iter(moving)
        every = [
            next(moving) if free else leaf for free, leaf in zip(floating, leaves, strict=True)
        ]
        values = function(*jax.tree_util.tree_unflatten(tree, every))
        return sum(jnp.sum(value) for value in jax.tree_util.tree_leaves(values)), values

    slopes, values = jax.grad(total, has_aux=True)(
        [leaf for free, leaf in zip(floating, leaves, strict=True) if free]
    )
    return values, slopes
