"""What holds for every exponential solver, for the claims about DDIM and the
solvers: on one mixture in one dimension.
"""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.instrument.close import close
from spec_tests.oracles import bayes, solvers as textbook
from spec_tests.support.methods import EXPONENTIAL, Method
from spec_tests.support.paths import oracle as path_of, rectified_flow
from spec_tests.support.rooms import public

WEIGHTS, CENTRES, SPREADS = np.array([0.25, 0.75]), np.array([[-1.0], [1.5]]), np.array([0.25, 0.5])
START = np.array([-1.25, 0.25, 0.75, 1.125])
KS = np.array([-2.5, -1.875, -1.0, -0.25, 0.125, 1.0, 2.0])  # half log-SNRs, uneven

SAMPLER = "diffx.samplers"
OF = (
    *("diffx.dpm_solver_pp", "diffx.unipc"),
    *(f"{SAMPLER}.{name}" for name in ("dpm_solver", "dpm_solver_2_step", "dpm_solver_3_step")),
    *(f"{SAMPLER}.{name}" for name in ("dpm_solver_pp_2m_step", "dpm_solver_pp_3m_step")),
    f"{SAMPLER}.dpm_solver_pp_single",
    f"{SAMPLER}.dpm_solver_pp_2s_step",
    f"{SAMPLER}.dpm_solver_pp_3s_step",
    *(f"{SAMPLER}.{name}" for name in ("deis", "deis_step")),
    *(f"{SAMPLER}.{name}" for name in ("unipc_bh1", "unipc_step")),
)
SDE_OF = tuple(
    f"{SAMPLER}.{name}"
    for name in (
        "sde_dpm_solver_pp",
        "sde_dpm_solver_pp_1_step",
        "sde_dpm_solver_pp_2m_step",
        "sde_dpm_solver_pp_2s",
        "sde_dpm_solver_pp_2s_step",
    )
)
FIRST_ORDER_OF = (
    f"{SAMPLER}.dpm_solver",
    "diffx.dpm_solver_pp",
    f"{SAMPLER}.dpm_solver_pp_single",
    f"{SAMPLER}.deis",
)


def names_of(methods: Iterable[Method]) -> tuple[str, ...]:
    """The public names of the constructors and steps that these methods run: what a claim on all of
    them is about.
    """
    run = []
    for method in methods:
        step = jax.eval_shape(
            partial(method.make, diffx.VP(), lambda x, t: x)
        ).step  # nothing is computed at import
        formula = getattr(step, "keywords", {}).get("formula")
        run += [
            getattr(method.make, "func", method.make),
            step.func if formula is None else formula.func,
        ]
    return tuple(
        name
        for name, value in public().items()
        if any(value is f or getattr(value, "formula", None) is f for f in run)
    )


TEXTBOOK = {
    "DDIM": partial(textbook.single, textbook.dpm_1),
    "DPM-Solver-2": partial(textbook.single, textbook.dpm_2),
    "DPM-Solver-3": partial(textbook.single, textbook.dpm_3),
    "DPM-Solver++(2S)": partial(textbook.single, textbook.pp_2s),
    "DPM-Solver++(3S)": partial(textbook.single, textbook.pp_3s),
    "DPM-Solver++(2M)": textbook.pp_2m,
    "DPM-Solver++(3M)": partial(textbook.adams, order=3, of_noise=False),
    **{f"DEIS-{order}": partial(textbook.adams, order=order, of_noise=True) for order in (2, 3, 4)},
    **{f"UniPC-{order}": partial(textbook.unipc, order=order, bh2=True) for order in (1, 2, 3)},
    **{
        f"UniPC-{order} (bh1)": partial(textbook.unipc, order=order, bh2=False)
        for order in (1, 2, 3)
    },
}

# One method for each step function and each kind of memory: what a test goes through where
# compiling all would be long.
EACH_STEP = (
    *(
        "DDIM",
        "DPM-Solver-2",
        "DPM-Solver-3",
        "DPM-Solver++(2S)",
        "DPM-Solver++(3S)",
        "DPM-Solver++(2M)",
    ),
    *("DPM-Solver++(3M)", "DEIS-4", "UniPC-3", "UniPC-1 (bh1)"),
)


def some_methods(dtype):
    """All of EACH_STEP in float64; in float32, where each would be compiled again, one of each
    kind.
    """
    return (
        EACH_STEP
        if dtype == np.float64
        else ("DPM-Solver-3", "DPM-Solver++(3S)", "DPM-Solver++(3M)", "UniPC-3")
    )


def answer(x, a, s):
    """E[x_0 | a x_0 + s eps = x] of the mixture, x (n,)."""
    return bayes.gmm_posterior(WEIGHTS, CENTRES, SPREADS[:, None, None], a, s, x[:, None]).mean[
        :, 0
    ]


def mixture(dtype):
    return diffx.MixtureLaw(*(jnp.asarray(a, dtype) for a in (WEIGHTS, CENTRES, SPREADS)))


def grid_of(make, ks, dtype):
    """Times of a path at these half log-SNRs, as float32 holds them, and the half log-SNRs that
    they really have.
    """
    ts = (
        np.array([path_of(make).time_of_log_snr(2 * k) for k in ks])
        .astype(np.float32)
        .astype(np.float64)
    )
    return ts.astype(dtype), path_of(make).log_snr(ts) / 2


@jax.jit
def one_step(sampler, state, t, s, z):
    return sampler.step(state, t, s, z)


@jax.jit
def begin(sampler, x):
    return sampler.init(x)


def walk(sampler, x, ts, zs=None):
    """The trajectory (N, n) of a sampler on points (n,), step by step: a new number of steps
    compiles nothing.

    Everything is sliced in numpy: an eager slice of jax costs a compilation of its own.
    """
    x, ts = np.asarray(x), np.asarray(ts)
    zs = None if zs is None else jax.tree_util.tree_map(np.asarray, zs)
    state, out = begin(sampler, x[:, None]), []
    for i in range(len(ts) - 1):
        z = None if zs is None else jax.tree_util.tree_map(lambda z, i=i: z[i][:, None], zs)
        state, _ = one_step(sampler, state, ts[i], ts[i + 1], z)
        out.append(np.asarray(state.x)[:, 0])
    return np.array(out)


def do_not_see_the_schedule(dtype):
    """The textbook's variance-preserving trajectories, on the rectified flow."""
    ts, ks = grid_of(rectified_flow, KS, dtype)
    ratio = (1 - np.asarray(ts, np.float64)) / [textbook.alpha(k) for k in ks]
    x = (ratio[0] * START).astype(np.float32).astype(np.float64)
    for name in some_methods(dtype):
        method = EXPONENTIAL[name]
        got = walk(
            method.make(rectified_flow(), diffx.denoiser(rectified_flow(), mixture(dtype))),
            jnp.asarray(x, dtype),
            ts,
        )
        wanted = ratio[1:, None] * TEXTBOOK[name](answer, x / ratio[0], ks)
        close(
            got,
            wanted,
            ulps=64,
            scale=4 * np.abs(START).max(),
            why=f"six steps of {name}, which stretch errors",
        )


def of_order_one_are_ddim(dtype):
    """Every solver of order 1; and every solver in a step from alpha = 0 or to sigma = 0."""
    rf, x = rectified_flow(), START.astype(dtype)
    denoise = diffx.denoiser(rf, mixture(dtype))
    ts = np.array([1.0, 0.625, 0.25, 0.0], dtype)
    wanted = walk(diffx.ddim(rf, denoise), x, ts).astype(np.float64)
    close(
        wanted.astype(dtype),
        straight(x, ts),
        ulps=32,
        scale=4 * np.abs(START).max(),
        why="three steps of Euler by hand",
    )
    for make in (
        diffx.samplers.dpm_solver,
        diffx.dpm_solver_pp,
        diffx.samplers.dpm_solver_pp_single,
        diffx.samplers.deis,
    ):
        got = walk(make(rf, denoise, order=1), x, ts)
        close(got, wanted, ulps=16, scale=4 * np.abs(START).max(), why="three steps of one map")
    for name in some_methods(dtype):
        sampler = EXPONENTIAL[name].make(rf, denoise)
        state, _ = one_step(sampler, begin(sampler, x[:, None]), ts[0], ts[1], None)
        close(
            np.asarray(state.x)[:, 0],
            wanted[0],
            ulps=16,
            scale=4 * np.abs(START).max(),
            why=f"{name} from alpha = 0",
        )
        for t, s in ((ts[1], ts[2]), (ts[2], ts[3])):
            state, info = one_step(sampler, state, t, s, None)
        close(
            state.x,
            np.asarray(info.x0, np.float64),
            ulps=4,
            scale=4,
            why=f"{name} to sigma = 0 ends on its answer",
        )


def straight(x, ts):
    """Euler on dx/dt = (x - D)/t of the rectified flow in numpy."""
    x, ts, out = np.asarray(x, np.float64), np.asarray(ts, np.float64), []
    for t, s in pairwise(ts):
        x = x + (s - t) * (x - answer(x, 1 - t, t)) / t
        out.append(x)
    return np.array(out)
