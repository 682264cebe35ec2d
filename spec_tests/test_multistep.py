"""The linear multi-step method: exact weights by numpy's polynomials, its start, and its exact
start.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.close import close
from spec_tests.oracles import gauge
from spec_tests.paths import oracle as path_of, rectified_flow, vp
from spec_tests.test_reverse import cast, single
from spec_tests.test_sampler import MEAN, VARIANCES, grid, law_of, mixture, nodes

MULTISTEP = ("diffx.samplers.lms", "diffx.samplers.lms_step", "diffx.samplers.adams_weights")


@jax.jit
def lms_runs(process, mean, cov, x, ts):
    """Where the methods of order 1 and 4 end."""
    denoise = diffx.denoiser(process, diffx.GaussianLaw(mean, cov))
    return [
        diffx.fold(sampler, x, ts)[0]
        for sampler in (
            diffx.samplers.lms(process, denoise, order=1),
            diffx.samplers.lms(process, denoise),
        )
    ]


def multistep_follows_adams(dtype):
    """Six uneven steps down to t = 0, order 4 by way of 1, 2 and 3; a start at alpha = 0; an exact
    start; the exact law.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.8, 0.6, 0.45, 0.25, 0.125, 0.0)
    alpha, variance = nodes(path_of(vp), ts)
    x = single([1.0, -2.0, 3.0])
    for order, got in zip(
        (1, 4), lms_runs(vp(), *cast(dtype, MEAN, VARIANCES, x), ts_), strict=True
    ):
        wanted = MEAN + gauge.adams(alpha, variance, VARIANCES, order) * (x - alpha[0] * MEAN)
        scale = (np.abs(MEAN) + np.abs(x)) / alpha[0]  # y = x/alpha, and weights up to 10
        close(got, wanted, ulps=64, scale=scale, why="six steps")
    if dtype == np.float64:
        start_without_signal_leaves_no_memory()
        law_of_the_output_is_carried(ts_)


def start_without_signal_leaves_no_memory():
    """On the rectified flow from t = 1: DDIM's step, then a start of its own; with two points
    given, the same end.
    """
    _, ts = grid(np.float64, 1.0, 0.7, 0.4, 0.2, 0.1)
    denoise = diffx.denoiser(rectified_flow(), mixture(np.float64))
    x, sampler = jnp.array([[-1.0], [0.5]]), diffx.samplers.lms(rectified_flow(), denoise, order=3)
    whole, path = diffx.fold(sampler, x, ts, keep=diffx.keep_x)
    first = diffx.fold(diffx.ddim(rectified_flow(), denoise), x, ts[:2])[0]
    close(
        whole,
        np.asarray(diffx.fold(sampler, first, ts[1:])[0]),
        ulps=64,
        scale=2.0,
        why="the same steps",
    )
    known = diffx.samplers.with_past(sampler, path[:2], ts[1:4])
    close(
        whole,
        np.asarray(diffx.fold(known, path[2], ts[3:])[0]),
        ulps=64,
        scale=2.0,
        why="the memory of the same points",
    )


def law_of_the_output_is_carried(ts):
    """The history too: from N(b, V) the exact law is that of one gain."""
    law = law_of(np.float64, MEAN, VARIANCES)
    sampler = diffx.samplers.lms(vp(), diffx.denoiser(vp(), law), order=2)
    got = diffx.exact_law(sampler, law_of(np.float64, np.zeros(3), np.array([0.5, 1.0, 2.0])), ts)
    alpha, variance = nodes(path_of(vp), np.asarray(ts))
    gain = gauge.adams(alpha, variance, VARIANCES, 2)
    close(
        got.mean,
        MEAN - gain * alpha[0] * MEAN,
        ulps=1024,
        scale=np.abs(MEAN).max(),
        why="six steps",
    )
    close(
        got.cov,
        np.diag(gain**2 * np.array([0.5, 1.0, 2.0])),
        ulps=1024,
        scale=2.0 / alpha[0],
        why="six steps",
    )


@pytest.mark.parametrize("order", [0, 5])
def test_lms_refuses_orders_that_it_lacks(order):
    with pytest.raises(ValueError, match="order"):
        diffx.samplers.lms(
            vp(), diffx.denoiser(vp(), law_of(np.float64, MEAN, VARIANCES)), order=order
        )


def test_weights_of_adams_keep_their_digits_on_fine_grids():
    """Steps of 1e-4 in time: exp - 1 in place of expm1 would leave 4 digits in float32."""
    times = np.array([0.5, 0.4999, 0.5001, 0.5002], np.float32)
    float32, float64 = (
        diffx.samplers.adams_weights(diffx.VP(), *at[:2], jnp.asarray(at[2:]), jnp.ones(2, bool))
        for at in (times, times.astype(np.float64))
    )
    np.testing.assert_allclose(float32, float64, rtol=1e-5)
