"""The ends of the time axis, and times in half precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffx.denoisers import denoiser
from diffx.grids import time_shift
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from diffx.processes.cosine import CosineVP
from diffx.processes.protocol import log_snr_density, perturb, transition
from diffx.reverse import posterior
from diffx.samplers.ddpm import ddpm
from diffx.samplers.run import fold
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import paths
from spec_tests.oracles.paths import PI, cosine_vp, evaluate
from spec_tests.support.paths import (
    EVERY_PROCESS,
    PROCESSES,
    classes,
    oracle,
    rectified_flow,
    ve,
    vp,
)
from spec_tests.support.schedules import log_snrs, paths_at, total


@claim(
    "NUM-03",
    "A path to pure noise never gives a negative alpha: alpha(1) = 0 exactly, log-SNR is finite or "
    "-inf, never NaN",
    of=classes(make for make in PROCESSES if make().pure_noise_at_1),
    source="cos(pi/2) in float32 is -4.37e-8",
    grade="identity",
)
def test_cosine_paths_end_at_zero_and_never_below(dtype):
    """Use sin(pi/2 (1 - t)): alpha >= 0 and relatively exact in the last ulps before t = 1."""
    below_one = [1 - k * float(np.finfo(dtype).eps) / 2 for k in (1, 2, 3, 100, 10**4)]
    ts = np.array([1.0, *below_one])
    offsets = (0.0, 0.0078125, 0.0625, 0.5)
    cases = [(make(), oracle(make)) for make in PROCESSES if make().pure_noise_at_1]
    cases += [(CosineVP(o), cosine_vp(o)) for o in offsets]
    for process, path in cases:
        alpha, sigma = paths_at(process, jnp.asarray(ts, dtype))
        close(
            alpha,
            path.alpha(ts),
            ulps=8,
            why="of the angle or time that is left, exact down to the last ulp of t",
        )
        close(sigma, path.sigma(ts), ulps=8, why="sigma(1) = 1")
        l, back = log_snrs(process, jnp.asarray(ts, dtype), jnp.full(6, -np.inf, dtype))
        holds(
            np.asarray(alpha)[0] == 0 and np.asarray(l)[0] == -np.inf,
            "pure noise: alpha is 0 and log-SNR -inf",
        )
        close(l[1:], path.log_snr(ts[1:]), ulps=8, why="finite before t = 1")
        close(back, np.ones(6), ulps=4, why="log-SNR -inf is t = 1")
    angle = evaluate(lambda t: PI / 2 * t, ts)
    holds(np.cos(angle.astype(np.float32))[0] < 0, "what the plain cosine gives in float32")


@jax.jit
def slopes_at_the_ends(process, x):
    """Derivatives in the parameters of the process, in x and in an inner time, on steps that touch
    t = 0 and t = 1.
    """
    half, one, zero = (jnp.full((), value, x.dtype) for value in (0.5, 1.0, 0.0))

    def ends(process, x, half):
        starts, stops = jnp.stack([half, one, one]), jnp.stack([zero, half, zero])
        # from transitions and sigmas
        bridges = jax.vmap(lambda t, s: posterior(process, t, s))(starts, stops)
        return total((perturb(process, x, x + 1, zero), bridges))

    return jax.grad(ends, argnums=(0, 1, 2))(process, x, half)


@jax.jit
def slopes_of_a_run(process, law, x, ts, zs):
    """Derivatives of a whole run from t = 1 to t = 0 exactly, in the process, the law and x."""

    def run(process, law, x):
        return total(fold(ddpm(process, denoiser(process, law)), x, ts, zs)[0])

    return jax.grad(run, argnums=(0, 1, 2))(process, law, x)


@jax.jit
def slopes_of_fields(process, law, x, ts):
    """Derivatives of the denoiser in x and t."""
    return jax.vmap(
        jax.grad(lambda x, t: denoiser(process, law)(x, t).sum(), argnums=(0, 1)), (None, 0)
    )(x, ts)


@claim(
    "NUM-10",
    "Derivatives are finite at t = 0, t = 1, x = 0, tied responsibilities and variance 0, in x, in "
    "the law and in the schedule",
    of=(
        *classes(EVERY_PROCESS),
        "diffx.transition",
        "diffx.perturb",
        "diffx.posterior",
        "diffx.denoiser",
    ),
    source=(
        "double where: 0 times an infinite derivative is NaN, and one NaN spoils a whole gradient"
    ),
    grade="identity",
    dtypes=(),
    why_dtypes=(
        "infinity times 0 is NaN in each; run in float32, for compilation is all the time "
        "this takes"
    ),
)
def test_no_derivative_is_nan_at_the_ends():
    """A grid ends at data and may start at pure noise; a schedule that is learned needs derivatives
    there.
    """
    dtype = np.dtype("float32")
    zeros, ts = jnp.zeros(2, dtype), jnp.asarray([1.0, 0.5, 0.0], dtype)
    for make in EVERY_PROCESS:
        process = jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf, dtype), make())
        holds(
            finite(slopes_at_the_ends(process, zeros)),
            f"{make.__name__}: {type(process).__name__}: parameters, x and times at the ends",
        )
        if make is vp:
            law = GaussianLaw(zeros, jnp.asarray([0.0, 1.0], dtype))
            holds(
                finite(slopes_of_a_run(process, law, zeros, ts, jnp.ones((2, 2), dtype))),
                f"{make.__name__}: DDPM from 1 to 0",
            )
    tied = jnp.asarray([[1.0, 0.0], [-1.0, 0.0]], dtype)
    laws = (
        GaussianLaw(zeros, LowRank(jnp.eye(2, 1, dtype=dtype), jnp.ones(1, dtype))),
        MixtureLaw(jnp.asarray([0.5, 0.5], dtype), tied, jnp.asarray(0.0, dtype)),
        PointSet(tied),
    )
    for law in laws:
        holds(
            finite(slopes_of_fields(rectified_flow(), law, zeros, ts[:2])),
            f"{type(law).__name__}: x = 0, t = 1 and 1/2",
        )


def test_derivatives_between_the_ends_are_those_of_the_schedule():
    """What keeps the ends finite must not stop derivatives between them: central differences of the
    exact paths.
    """
    for make, exact, at, h in (
        (vp, paths.vp, (0.3125, 12.0), 1e-4),
        (ve, paths.ve, (0.03125, 30.0), 1e-5),
    ):
        slopes = jax.tree_util.tree_leaves(
            jax.grad(lambda p: p.sigma(jnp.asarray(0.5, jnp.float32)))(make())
        )
        for i, slope in enumerate(slopes):
            up, down = (
                exact(*(v + sign * h * (i == j) for j, v in enumerate(at))) for sign in (1, -1)
            )
            wanted = float(up.sigma(0.5) - down.sigma(0.5)) / (2 * h)
            assert abs(float(slope) / wanted - 1) < 1e-4, "the derivative of sigma in a parameter"


def finite(tree):
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree_util.tree_leaves(tree))


@claim(
    "NUM-11",
    "Times in half precision are refused, whatever the dtype of x: in bfloat16 999/1000 and 1 are "
    "the same time",
    of=(
        "diffx.processes.Process",
        "diffx.perturb",
        "diffx.transition",
        "diffx.processes.log_snr_density",
    ),
    source="bfloat16 has 8 bits: its numbers near 1000 are 4 apart",
    grade="identity",
    dtypes=(),
    why_dtypes="about dtypes that are refused",
)
def test_half_precision_times_would_merge_neighbours_and_are_refused():
    """x may be bfloat16, its time may not: every door says so and how to go on."""
    index = jnp.asarray([997.0, 998.0, 999.0, 1000.0])
    merged = np.unique(np.asarray((index).astype(jnp.bfloat16), np.float64))
    holds(len(merged) == 2, f"four indices of a 1000-step grid become {merged}")
    holds(
        len(np.unique(np.asarray((index / 1000).astype(jnp.bfloat16), np.float64))) == 2,
        "and so do their times",
    )
    x = jnp.ones(2, jnp.bfloat16)
    doors = (
        *(
            lambda t, name=name: getattr(vp(), name)(t)
            for name in ("alpha", "sigma", "f", "g", "log_snr", "time_of_log_snr")
        ),
        *(
            lambda t: perturb(vp(), x, x, t),
            lambda t: transition(vp(), t, 0.25),
            lambda t: transition(vp(), 0.75, t),
        ),
        *(lambda t: log_snr_density(vp(), t), lambda t: time_shift(t, 3.0)),
    )
    for narrow in (jnp.bfloat16, jnp.float16):
        for door in doors:
            with pytest.raises(
                TypeError, match="half precision merges neighbours; give it as float32"
            ):
                door(jnp.asarray(0.5, narrow))
            holds(True, "refused, with a way out")
    holds(
        perturb(vp(), x, x, jnp.float32(0.5)).dtype == jnp.bfloat16,
        "a bfloat16 x goes with a float32 time",
    )
