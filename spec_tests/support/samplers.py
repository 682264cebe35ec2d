"""Samplers on Gaussians: grids, moments of their output, answers of the denoiser."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import diffx
from diffx.samplers.protocol import State
from spec_tests.instrument.close import close, holds
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast
from spec_tests.support.paths import vp

MEAN = np.array([0.5, -1.0, 2.0])
VARIANCES = np.array([0.0625, 1.0, 4.0])
D, BATCH = 3, 2


def covariances():
    """(3, 3) in a rotated basis, condition number at most 100."""
    return st.builds(
        lambda q, v: st_.rotated(v, q), st_.rotations(D), st_.arrays(D, st_.log_uniform(0.05, 5.0))
    )


def grid(dtype, *ts):
    """A grid that float32 holds, in numpy and in dtype."""
    ts = np.array(ts, np.float32).astype(np.float64)
    return ts, jnp.asarray(ts, dtype)


def nodes(path, ts):
    return path.alpha(ts), path.variance(ts)


def law_of(dtype, mean, cov):
    return diffx.GaussianLaw(*cast(dtype, mean, cov))


def x_and_answer(state, info):
    """For `keep`: the trajectory and what the denoiser answered."""
    return state.x, info.x0


def steps_keep_the_dtype_of_x(sampler):
    """float32 data with float64 times stays float32: x decides."""
    x, t = jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((), jnp.float64)
    state, info = jax.eval_shape(sampler.step, State(x), t, t, None if sampler.noise is None else x)
    holds(
        state.x.dtype == jnp.float32 and info.x0.shape == (3,),
        "a step casts to the dtype of x once, at its end",
    )


def has_law(law, wanted, why, ulps=16, turned=None):
    """Mean and covariance of a sampler's output against a recursion, the axes turned where the
    data's are.
    """
    turned = np.eye(len(wanted.variance)) if turned is None else turned
    close(
        law.mean, turned @ wanted.mean, ulps=ulps, scale=np.abs(turned) @ wanted.mean_scale, why=why
    )
    scale = np.sqrt(np.outer(wanted.variance_scale, wanted.variance_scale))
    wanted_cov, scale = (
        turned @ np.diag(wanted.variance) @ turned.T,
        np.abs(turned) @ scale @ np.abs(turned).T,
    )
    close(law.cov, wanted_cov, ulps=ulps, scale=scale, why=why)


def answers_are_exact(dtype, path, ts, x, trajectory, answers, variances=VARIANCES):
    """Each step reports E[x_0 | x_t] of where it started, by Bayes' rule."""
    starts = np.concatenate([x[None], np.asarray(trajectory, np.float64)[:-1]])
    for t, start, answer in zip(ts[:-1], starts, answers, strict=True):
        root = np.diag(np.sqrt(variances))
        wanted = bayes.gaussian_posterior(MEAN, root, path.alpha(t), path.sigma(t), start).mean
        scale = np.abs(MEAN) + np.abs(wanted) + np.abs(start)
        close(
            answer.astype(dtype),
            wanted,
            ulps=16,
            scale=scale,
            why="the denoiser's answer at the start of the step",
        )


WEIGHTS, CENTRES, SPREADS = (
    np.array([0.25, 0.75]),
    np.array([[-1.0], [1.5]]),
    np.array([0.25, 0.0625]),
)


def mixture(dtype):
    return diffx.MixtureLaw(*cast(dtype, WEIGHTS, CENTRES, SPREADS))


def output_moments(sampler, ts, mean, variance, arrange, slots=3):
    """Mean and variance of the output, coordinate by coordinate, from the effect of each noise:
    rows of one batch.

    arrange: (slots, N, rows, d) standard normals as the sampler takes them.
    """
    n, (d,) = ts.shape[0] - 1, mean.shape
    x, z = np.tile(mean, (2 + slots * n, 1)), np.zeros((slots, n, 2 + slots * n, d))
    x[1] += np.sqrt(variance)
    for i in range(slots * n):
        z[i // n, i % n, 2 + i] = 1
    x, z = cast(ts.dtype, x, z)
    ends = np.asarray(diffx.fold(sampler, x, ts, arrange(z))[0])
    return ends[0], ((ends[1:] - ends[0]) ** 2).sum(0)


def one(z):
    """Noise of a deterministic predictor with one corrector."""
    return None, (z[1],)


# --- bad input ----------------------------------------------------------------------------------


def denoise(process=None):
    return diffx.denoiser(vp() if process is None else process, law_of(np.float64, MEAN, VARIANCES))
