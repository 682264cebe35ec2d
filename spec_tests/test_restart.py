"""Restart: the errors that a way down from noise brings along shrink with every restart, those of
the interval stay.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.close import close
from spec_tests.oracles import recursions
from spec_tests.paths import edm, oracle as path_of, rectified_flow, vp
from spec_tests.registry import claim
from spec_tests.test_sampler import MEAN, VARIANCES, grid, has_law, law_of, nodes


@claim(
    "REV-31",
    "n restarts multiply an error of the variance by c^n and one of the mean by c^(n/2), c = "
    "(alpha_b/alpha_a)^2 v_a/v_b, "
    "where the way down from b to a is exact; with DDIM they are those of a recursion",
    of=("diffx.samplers.restart", "diffx.samplers.restart_step"),
    source=(
        "Xu et al. 2023, arXiv:2306.14878, Algorithm 1, for the method; the factor: derived here"
    ),
)
def test_restarts_contract_the_errors_of_the_start(dtype):
    """From N(0, I) instead of the marginal: exact flow from b = .7 to a = .4, no grid in between,
    then DDIM in two steps.
    """
    ts, ts_ = grid(dtype, 0.9, 0.7, 0.5, 0.4, 0.1)
    law, begin = law_of(dtype, MEAN, VARIANCES), law_of(dtype, 0 * MEAN, 1 + 0 * MEAN)
    for make, n in ((vp, 1), (edm, 2), (rectified_flow, 3)):
        alpha, variance = nodes(path_of(make), ts)
        v = alpha[:, None] ** 2 * VARIANCES + variance[:, None]
        shrink = ((alpha[1] / alpha[3]) ** 2 * v[3] / v[1]) ** n
        along = np.sqrt(v[-1] / v[0])  # what is left of a deviation from .9 to .1 without restarts
        mean = alpha[-1] * MEAN - along * alpha[0] * MEAN * np.sqrt(shrink)
        spread = v[-1] + (1 - v[0]) * along**2 * shrink
        got = diffx.exact_law(
            diffx.samplers.restart(make(), diffx.samplers.exact_flow(make(), law), ts_[1:4:2], n=n),
            begin,
            ts_,
        )
        why = f"four exact steps, and {n} times up and down"
        close(got.mean, mean, ulps=16, scale=np.abs(MEAN).max(), why=why)
        close(got.cov, np.diag(spread), ulps=16, scale=(v[-1] + along**2).max(), why=why)
        ddim = diffx.ddim(make(), diffx.denoiser(make(), law))
        got = diffx.exact_law(diffx.samplers.restart(make(), ddim, ts_[1:4], n=n), begin, ts_)
        has_law(
            got,
            recursion(alpha, variance, n),
            f"four steps, and {n} times up and two steps down",
            ulps=32,
        )


def recursion(alpha, variance, n):
    """DDIM over the grid, with n restarts between its second and its fourth time."""
    gain = alpha[1] / alpha[3]
    up = [part + 0 * VARIANCES for part in (gain, 0, variance[1] - gain**2 * variance[3], gain)]
    rows = [
        [part + 0 * VARIANCES for part in row]
        for row in zip(*recursions.ddim(alpha, variance, VARIANCES), strict=True)
    ]
    rows[3:3] = [up, *rows[1:3]] * n
    at = [0, 1, 2, 3, *([1, 2, 3] * n), 4]
    steps = recursions.Steps(*(np.stack(part) for part in zip(*rows, strict=True)))
    return recursions.run(steps, alpha[at], 0 * MEAN, 1 + 0 * MEAN, MEAN)


def test_a_restart_draws_its_own_noises_and_keeps_dtype_and_gradients():
    process, law = rectified_flow(), law_of(np.float32, MEAN, VARIANCES)
    ddim, ts = diffx.ddim(process, diffx.denoiser(process, law)), diffx.uniform(4)
    sampler, x = diffx.samplers.restart(process, ddim, ts[1:4], n=3), jnp.ones(3, jnp.float32)
    noises = np.asarray(sampler.noise(jax.random.key(0), x))  # pyright: ignore[reportOptionalCall]
    assert noises.shape == (3, 3) and len(set(noises.ravel())) == 9
    run = lambda x: diffx.sample(sampler, jax.random.key(0), x, ts)[0]
    assert run(x).dtype == jnp.float32 and jnp.isfinite(jax.grad(lambda x: run(x).sum())(x)).all()
    batch = jnp.stack([ts, ts**2])  # under vmap both ways of every step are taken
    slopes = jax.vmap(jax.grad(lambda ts: diffx.fold(sampler, x, ts)[0].sum()))(batch)
    assert jnp.isfinite(slopes).all()


def test_a_restart_of_a_multistep_method_begins_it_anew():
    """The first step down from t_max has no memory of the way before: with two steps a way, lms of
    order 2 from scratch.
    """
    process, law = vp(), law_of(np.float64, MEAN, VARIANCES)
    lms, ts = (
        diffx.samplers.lms(process, diffx.denoiser(process, law), order=2),
        diffx.uniform(3, t_max=0.9, t_min=0.3),
    )
    zs = np.random.default_rng(0).standard_normal((3, 1, 3))
    got = diffx.fold(
        diffx.samplers.restart(process, lms, ts[1:], n=1), jnp.ones(3), ts, jnp.asarray(zs)
    )[0]
    up = diffx.transition(process, ts[1], ts[3])
    x = up.alpha * diffx.fold(lms, jnp.ones(3), ts)[0] + up.sigma * zs[2, 0]
    np.testing.assert_allclose(got, diffx.fold(lms, x, ts[1:])[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p, d, ts: diffx.samplers.restart(p, d, ts), TypeError, "sampler must be a Sampler"),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddpm(p, d), ts),
            ValueError,
            "give it a deterministic sampler",
        ),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddim(p, d), ts[::-1]),
            ValueError,
            "ts must decrease",
        ),
        (
            lambda p, d, ts: diffx.samplers.restart(p, diffx.ddim(p, d), ts, n=0),
            ValueError,
            "n must be at least 1",
        ),
    ],
)
def test_bad_arguments_of_restart_are_answered_at_the_door(make, error, words):
    with pytest.raises(error, match=words):
        make(
            vp(), diffx.denoiser(vp(), law_of(np.float64, MEAN, VARIANCES)), jnp.array([0.5, 0.25])
        )
