"""Brownian motion run backwards, from a known law and from a known point."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

import diffx
from spec_tests import strategies as st_
from spec_tests.close import close
from spec_tests.paths import PROCESSES, edm, ve
from spec_tests.paths import oracle as path_of
from spec_tests.registry import claim
from spec_tests.test_reverse import FEW, cast, covariances

posterior = jax.jit(diffx.posterior)
gaussian_step = jax.jit(diffx.gaussian_step)


@jax.jit
def reverse_drift(process, mean, cov, x, t):
    return diffx.reverse_drift(process, diffx.denoiser(process, diffx.GaussianLaw(mean, cov)), x, t, eta=1.0)


def conditioned(joint, known):
    """Gaussian conditioning by the Schur complement: (gain, covariance) of the other coordinates given the known ones."""
    known, other = np.array(known), np.setdiff1d(np.arange(len(joint)), known)
    gain = np.linalg.solve(joint[np.ix_(known, known)], joint[np.ix_(known, other)]).T
    return gain, joint[np.ix_(other, other)] - gain @ joint[np.ix_(known, other)]


@claim(
    "BRN-01",
    "Brownian motion from N(m, L), run backwards in tau = sigma^2, drifts to m as (y - m)/(L + tau) and ends in N(m, L)",
    of=("diffx.reverse.reverse_drift", "diffx.reverse.gaussian_step"),
    source="Anderson 1982; derived here for Gaussians",
)
@FEW
@given(
    mean=st_.points(3),
    cov=covariances(),
    x=st_.points(2, 3),
    variances=st_.variances(3),
    ts=st_.grids(1, 0.0625, 1.0, gap=0.0625),
)
def test_reversed_brownian_motion_returns_to_its_law(dtype, mean, cov, x, variances, ts):
    """Cov(y_s, y_t) = L + min(tau_s, tau_t): both the drift per tau and the law of y_s given y_t follow from it."""
    t, s = ts
    for make in (ve, edm):
        tau = path_of(make).variance(t)
        wanted = path_of(make).g2(t) * np.linalg.solve(cov + tau * np.eye(3), (x - mean).T).T
        scale = path_of(make).g2(t) / tau * (np.abs(x).max() + np.abs(mean).max()) * np.linalg.cond(cov)
        got = reverse_drift(make(), *cast(dtype, mean, cov, x, t))
        close(got, wanted, ulps=8, scale=scale, why="g^2 (x - D)/tau, D by the eigenvectors of the covariance")
        for end in (s, 0.0):
            goes_back_to_its_law(make, dtype, variances, t, end)


def goes_back_to_its_law(make, dtype, variances, t, s):
    now, then = path_of(make).variance(t), path_of(make).variance(s)
    got = gaussian_step(make(), *cast(dtype, variances, t, s), eta=jnp.asarray(1.0, dtype))
    for i, L in enumerate(variances):
        gain, rest = conditioned(np.array([[L + now, L + then], [L + then, L + then]]), [0])
        close(got.gain[i], gain[0, 0], ulps=32, why="a ratio of variances")
        # the oracle subtracts: its error is that of L + tau_s
        close(got.sigma[i], np.sqrt(rest[0, 0]), ulps=32, scale=(L + then) / np.sqrt(rest[0, 0]), why="sqrt of the rest")
        law = np.asarray(got.gain, np.float64)[i] ** 2 * (L + now) + np.asarray(got.sigma, np.float64)[i] ** 2
        close(law.astype(dtype), L + then, ulps=64, why="the law of y_s is N(m, L + tau_s), at s = 0 the data's own")


@claim(
    "BRN-02",
    "In y = x/alpha and tau = (sigma/alpha)^2 the posterior is the Brownian bridge: mean on the chord, covariance s (t - s)/t",
    of="diffx.reverse.posterior",
    source="Ho et al. 2020, arXiv:2006.11239, eqs. (6), (7), as a Brownian bridge",
)
@FEW
@given(ts=st_.grids(2, 0.0625, 0.96875, gap=0.0625))
def test_posterior_is_the_brownian_bridge(dtype, ts):
    """Brownian motion has Cov(y_s, y_t) = min(tau_s, tau_t); two posteriors in a row are the bridge at two times."""
    for make in PROCESSES:
        path = path_of(make)
        alpha, tau = path.alpha(ts), path.variance(ts) / path.alpha(ts) ** 2
        gain, cov = conditioned(np.minimum.outer(tau, tau), [0])
        steps = [posterior(make(), *cast(dtype, t, s)) for t, s in ((ts[0], ts[1]), (ts[1], ts[2]))]
        first, second = (np.array(step, np.float64) for step in steps)
        on_y = [first[0] * alpha[0] / alpha[1], second[0] * alpha[1] / alpha[2]]
        spread = [first[2] / alpha[1], second[2] / alpha[2]]
        got_gain = np.array([on_y[0], on_y[1] * on_y[0]])
        got_cov = np.array([[1, on_y[1]], [on_y[1], on_y[1] ** 2]]) * spread[0] ** 2
        got_cov[1, 1] += spread[1] ** 2
        close(got_gain.astype(dtype), gain[:, 0], ulps=64, why="two ratios of tau, each behind an exponential")
        # the Schur complement subtracts tau_s^2/tau_t from tau_s
        close(got_cov.astype(dtype), cov, ulps=64, scale=np.minimum.outer(tau, tau)[1:, 1:], why="the bridge's covariance")
        close((first[0] * alpha[0] + first[1]).astype(dtype), alpha[1], ulps=64, why="x_t = alpha_t x_0 has x_s = alpha_s x_0")
