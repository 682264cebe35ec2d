"""Log-likelihood by change of variables: along the probability flow, through a sampler's steps;
traces by probes.
"""

import math
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import diffx
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles.change import flow_density
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import FEW, cast
from spec_tests.support.paths import oracle as path_of, rectified_flow, ve, vp

MEAN = np.array([0.5, -1.0, 2.0])
VARIANCES = np.array([0.0625, 1.0, 4.0])
WEIGHTS, MEANS = np.array([0.25, 0.25, 0.5]), np.array([[-1.0, 0.0], [1.0, 0.5], [0.0, -1.0]])
COVS = np.array(
    [
        [[0.125, 0.0625], [0.0625, 0.125]],
        [[0.0625, 0.0], [0.0, 0.25]],
        [[0.25, -0.125], [-0.125, 0.125]],
    ]
)


def mixture(dtype):
    return diffx.MixtureLaw(*cast(dtype, WEIGHTS, MEANS, COVS))


def mixture_points(n):
    """n points of the mixture that float32 holds, and their log-density by numpy."""
    rng = np.random.default_rng(0)
    which, z = rng.choice(3, n, p=WEIGHTS), rng.standard_normal((n, 2))
    x = MEANS[which] + np.einsum("nij,nj->ni", np.linalg.cholesky(COVS)[which], z)
    return x.astype(np.float32).astype(np.float64)


def mixture_log_density(x):
    off = x[:, None] - MEANS
    squares = np.einsum("nki,kij,nkj->nk", off, np.linalg.inv(COVS), off)
    parts = WEIGHTS / (2 * np.pi * np.sqrt(np.linalg.det(COVS))) * np.exp(-squares / 2)
    return np.log(parts.sum(1))


# --- along the probability flow -----------------------------------------------------------------

PRIOR_VARIANCE = np.array([1.5, 0.75, 1.0])


@jax.jit
def exact_density(process, basis, mean, x, prior_variance, ts):
    """log p of points of Gaussian data with the given eigenvectors."""
    law = diffx.GaussianLaw(basis @ mean, diffx.LowRank(basis, jnp.asarray(VARIANCES, mean.dtype)))
    prior = diffx.GaussianLaw(jnp.zeros(3, mean.dtype), diffx.LowRank(basis, prior_variance))
    return diffx.log_prob_ode(process, diffx.denoiser(process, law), x, prior=prior, ts=ts)


@jax.jit
def density_and_slopes(process, *rest):
    """The same and its derivative in the process."""
    both = lambda process: (exact_density(process, *rest),) * 2
    slopes, value = jax.jacfwd(both, has_aux=True)(process)
    return value, slopes


@jax.jit
def probed_density(process, basis, mean, x, prior_variance, ts, probes):
    law = diffx.GaussianLaw(basis @ mean, diffx.LowRank(basis, jnp.asarray(VARIANCES, mean.dtype)))
    prior = diffx.GaussianLaw(jnp.zeros(3, mean.dtype), diffx.LowRank(basis, prior_variance))
    return diffx.log_prob_ode(
        process, diffx.denoiser(process, law), x, prior=prior, ts=ts, probes=probes
    )


def single_precision(*values):
    return [np.asarray(v, np.float32).astype(np.float64) for v in values]


def steps_are_runge_kutta_steps(dtype, x, slopes):
    """VP from 1 down to 0, where sigma' is infinite, and the derivative in beta by differences of
    the recursion.
    """
    (ts,) = single_precision([1.0, 0.7, 0.4, 0.15, 0.0])
    basis = st_.rotation(3, 3)
    turned = np.asarray(x @ basis.T, dtype)
    given_ = cast(dtype, basis, MEAN, turned, PRIOR_VARIANCE, ts)
    got, rates = (
        density_and_slopes(vp(), *given_) if slopes else (exact_density(vp(), *given_), None)
    )
    along = turned.astype(np.float64) @ basis

    def wanted(low, high):
        b = ts * (low + (high - low) * ts / 2)
        levels = np.exp(-b / 2), np.sqrt(-np.expm1(-b))
        return np.array(
            [flow_density(*levels, row, MEAN, VARIANCES, PRIOR_VARIANCE) for row in along]
        )

    low, high, scale = vp().beta_min, vp().beta_max, 20 + 4 * np.abs(x).sum(1) ** 2
    close(
        got,
        wanted(low, high),
        ulps=32,
        scale=scale,
        why="4 steps, each a sum of 4 fields over sines down to 0.1",
    )
    if rates is not None:
        step = 1e-5
        by_low = (wanted(low + step, high) - wanted(low - step, high)) / (2 * step)
        by_high = (wanted(low, high + step) - wanted(low, high - step)) / (2 * step)
        below(
            np.abs(rates.beta_min - by_low) / (1 + np.abs(by_low)),
            1e-7,
            "finite where sigma(0) = 0; differences of 1e-5",
        )
        below(
            np.abs(rates.beta_max - by_high) / (1 + np.abs(by_high)),
            1e-7,
            "finite where sigma(0) = 0; differences of 1e-5",
        )


def probes_estimate_the_divergence_of_the_denoiser(dtype, x, z):
    """VE from 1 to 0.125, radii 30 and 0.07; three normal probes for every point, the same on the
    whole path.
    """
    (ts,) = single_precision([1.0, 0.7, 0.4, 0.125])
    basis, path = st_.rotation(4, 3), path_of(ve)
    turned, probes = (np.asarray(v @ basis.T, dtype) for v in (x, z))
    got = probed_density(ve(), *cast(dtype, basis, MEAN, turned, 900 * PRIOR_VARIANCE, ts, probes))
    along, seen = (v.astype(np.float64) @ basis for v in (turned, probes))
    levels = path.alpha(ts), path.sigma(ts)
    wanted = [
        flow_density(*levels, row, MEAN, VARIANCES, 900 * PRIOR_VARIANCE, seen[:, i])
        for i, row in enumerate(along)
    ]
    scale = (20 + 4 * np.abs(x).sum(1) ** 2 + (z**2).sum((0, 2))) / np.arctan2(*levels[::-1]).min()
    close(
        got,
        np.array(wanted),
        ulps=32,
        scale=scale,
        why="probes weigh the gain of the denoiser over the least sine",
    )


@jax.jit
def mixture_density(law, x, ts, probes):
    process = rectified_flow()
    start = diffx.marginal(process, law, ts[0])
    return diffx.log_prob_ode(
        process, diffx.denoiser(process, law), x, prior=start, ts=ts, probes=probes
    )


SIDE = 71  # of a square grid: as many points as are drawn, so that one program does for both


def mixture_has_its_density(dtype):
    """5,041 points from alpha = 0 down to sigma = 0, and the integral by the trapezoid rule,
    spectrally accurate here.
    """
    law, truth = mixture(dtype), mixture_log_density(x := mixture_points(SIDE**2))
    ts = diffx.grids.equal_angle(rectified_flow(), 48, std=jnp.asarray(0.35, dtype)).astype(dtype)
    exact = mixture_density(law, *cast(dtype, x), ts, None)
    below(np.abs(exact - truth), 4e-5, "48 steps of order 4; float32 alone errs by 2e-5")
    line = np.linspace(-4.5, 4.5, SIDE)
    square = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    whole = (
        np.exp(np.asarray(mixture_density(law, *cast(dtype, square), ts, None), np.float64)).sum()
        * (line[1] - line[0]) ** 2
    )
    below(abs(whole - 1), 3e-6, "a density integrates to one, up to the same errors")
    if dtype == np.float64:
        one_probe_errs_by_a_nat(law, x, ts, truth, exact)


def one_probe_errs_by_a_nat(law, x, ts, truth, exact):
    """All four signs of the plane give the exact trace; one pair of signs for each point is a
    coarse instrument.
    """
    signs = np.broadcast_to(np.array(list(product((-1.0, 1.0), repeat=2)))[:, None], (4, *x.shape))
    by_all = mixture_density(law, x, ts, signs)
    close(by_all, np.asarray(exact), ulps=64, scale=20, why="all signs weigh the diagonal alone")
    own = np.random.default_rng(1).choice([-1.0, 1.0], (1, *x.shape))
    by_one = mixture_density(law, x, ts, np.repeat(own, 4, axis=0))
    rms = lambda got: float(np.sqrt(np.mean((got - truth) ** 2)))
    holds(
        rms(exact) < 1e-6 < 0.3 < rms(by_one) < 1.5,
        "one probe beside the exact trace",
        measured=rms(by_one),
        bound=1.5,
    )


@claim(
    "LIK-01",
    "log p(x) is the log prior at the point to which the probability flow carries x, plus the "
    "integral of the divergence of the field",
    of=(
        "diffx.log_prob_ode",
        "diffx.likelihood.divergence",
        "diffx.likelihood.hutchinson",
    ),
    source=(
        "Chen et al. 2018, Theorem 1; Runge-Kutta in plain numpy on Gaussians, closed form of a "
        "mixture, quadrature"
    ),
    grade="computed law",
)
def test_log_density_follows_the_flow_and_its_divergence(dtype):
    rng = np.random.default_rng(0)
    x, z = (
        v.astype(np.float32).astype(np.float64)
        for v in (rng.normal(0, 2, (4, 3)), rng.normal(0, 1, (3, 4, 3)))
    )
    steps_are_runge_kutta_steps(dtype, x, slopes=dtype == np.float64)
    probes_estimate_the_divergence_of_the_denoiser(dtype, x, z)
    mixture_has_its_density(dtype)


# --- through a sampler's steps ------------------------------------------------------------------


@jax.jit
def ddim_density(basis, mean, variances, x, ts):
    law = diffx.GaussianLaw(basis @ mean, diffx.LowRank(basis, variances))
    start = diffx.marginal(vp(), law, ts[0])
    return diffx.likelihood.log_prob_discrete(
        diffx.ddim(vp(), diffx.denoiser(vp(), law)), x, prior=start, ts=ts
    )


def ddim_has_the_product_of_cosines(dtype, x, d):
    """x_0 - m = gain (x - alpha m), log gain = log(rho_0/rho_T) + sum log cos(phi steps) along each
    eigenvector.
    """
    (ts,) = single_precision([1.0, 0.6, 0.3, 0.0])
    basis, path = st_.rotation(5, d), path_of(vp)
    mean, variances = np.linspace(-1.0, 1.0, d), 2.0 ** np.arange(d - 3, -3, -1)
    turned = np.asarray(x @ basis.T, dtype)
    (end, got), along = (
        ddim_density(*cast(dtype, basis, mean, variances, turned, ts)),
        turned.astype(np.float64) @ basis,
    )
    alpha, sigma = path.alpha(ts)[:, None], path.sigma(ts)[:, None]
    phi, rho = (
        np.arctan2(sigma, alpha * np.sqrt(variances)),
        np.sqrt(alpha**2 * variances + sigma**2),
    )
    gain = rho[-1] / rho[0] * np.cos(np.diff(phi, axis=0)).prod(0)
    off = along - alpha[0] * mean
    prior = -((off / rho[0]) ** 2 / 2 + np.log(rho[0]) + math.log(2 * math.pi) / 2).sum(1)
    size = 8 + np.abs(x).max()
    close(
        end,
        (mean + gain * off) @ basis.T,
        ulps=16 * d,
        scale=size,
        why="three steps, products in a rotated basis",
    )
    close(
        got,
        prior - np.log(gain).sum(),
        ulps=32 * d,
        scale=size**2,
        why="a determinant of condition at most 8",
    )


def history_is_part_of_the_map(dtype):
    """A multi-step method on a mixture against central differences of its own run."""
    process, law = rectified_flow(), mixture(dtype)
    sampler = diffx.dpm_solver_pp(process, diffx.denoiser(process, law))
    x, ts, h = mixture_points(8), jnp.asarray([0.9375, 0.7, 0.45, 0.2], dtype), 2.0**-13
    start = diffx.GaussianLaw(*cast(dtype, np.zeros(2), 1.0))
    moved = np.concatenate([x, *(x + sign * h * axis for axis in np.eye(2) for sign in (1, -1))])
    end, got = diffx.likelihood.log_prob_discrete(sampler, jnp.asarray(moved), prior=start, ts=ts)
    runs = np.asarray(end).reshape(5, 8, 2)
    jacobian = np.stack([(runs[1] - runs[2]) / (2 * h), (runs[3] - runs[4]) / (2 * h)], -1)
    wanted = -(x**2).sum(1) / 2 - math.log(2 * math.pi) - np.log(np.abs(np.linalg.det(jacobian)))
    below(np.abs(got[:8] - wanted), 1e-6, "differences of 1e-4 of a smooth map")


@claim(
    "LIK-02",
    "The density of the output of a deterministic sampler is the prior's over the determinant of "
    "the sampler's own Jacobian",
    of="diffx.likelihood.log_prob_discrete",
    source=(
        "change of variables; DDIM's product of cosines on Gaussians, central differences with "
        "a multi-step method"
    ),
    grade="computed law",
)
@FEW
@given(x=st_.points(2, 3), wide=st_.points(2, 5))
def test_sampler_output_has_the_density_of_its_jacobian(dtype, x, wide):
    ddim_has_the_product_of_cosines(dtype, x, 3)
    ddim_has_the_product_of_cosines(dtype, wide, 5)
    if dtype == np.float64:
        history_is_part_of_the_map(dtype)


# --- bits ---------------------------------------------------------------------------------------


@claim(
    "LIK-14",
    "Bits per dimension are -log p/(d log 2) plus log2 of the number of levels in one unit: "
    "6.994353, 7 and 8 for the usual pixels",
    of="diffx.likelihood.bits_per_dim",
    source="a uniform law on [-1, 1]^d or [0, 1]^d costs 8 bits a pixel of 256 levels",
    grade="computed law",
)
@given(d=st_.seeds().map(lambda seed: 1 + seed % 4096), log_p=st_.floats(-5000.0, 5000.0))
def test_bits_count_the_levels_in_a_unit(dtype, d, log_p):
    for scale, offset in ((127.5, 6.994353), (128.0, 7.0), (256.0, 8.0)):
        got = diffx.likelihood.bits_per_dim(jnp.zeros(2, dtype), d, scale=scale)
        below(
            np.abs(np.asarray(got, np.float64) - offset),
            1e-6,
            "the offsets of the literature, to six digits",
        )
    flat = jnp.asarray([-d * math.log(2)], dtype)  # the uniform law on [-1, 1]^d
    close(
        diffx.likelihood.bits_per_dim(flat, d, scale=128.0),
        np.array([8.0]),
        ulps=4,
        why="256 equal levels cost 8 bits",
    )
    got = diffx.likelihood.bits_per_dim(jnp.asarray(log_p, dtype), d, scale=0.5)
    close(
        got,
        np.asarray(-1 - log_p / d / math.log(2)),
        ulps=8,
        scale=1 + abs(log_p / d) * 2,
        why="a sum of two",
    )


# --- bad input ----------------------------------------------------------------------------------


def ask(**changes):
    """log_prob_ode of two points of the mixture, with some arguments changed."""
    process, law = vp(), mixture(np.float64)
    given = {
        "denoise": diffx.denoiser(process, law),
        "x": jnp.ones((2, 2)),
        "prior": law,
        "ts": diffx.uniform(2),
    } | changes
    denoise, x = given.pop("denoise"), given.pop("x")
    return diffx.log_prob_ode(process, denoise, x, **given)


def test_sampler_in_place_of_a_denoiser_is_refused():
    sampler = diffx.ddpm(vp(), diffx.denoiser(vp(), mixture(np.float64)))
    with pytest.raises(
        TypeError,
        match="got a Sampler: a stochastic sampler's density is not a change of variables",
    ):
        ask(denoise=sampler)


def test_stochastic_sampler_has_no_jacobian_density():
    sampler = diffx.ddpm(vp(), diffx.denoiser(vp(), mixture(np.float64)))
    with pytest.raises(ValueError, match="a stochastic sampler is not a change of variables"):
        diffx.likelihood.log_prob_discrete(
            sampler, jnp.ones((2, 2)), prior=mixture(np.float64), ts=diffx.uniform(2)
        )


def test_probes_shared_by_all_points_are_refused():
    for shape in ((2, 2), (3, 2), (0, 2, 2), (1, 3, 2)):
        with pytest.raises(
            ValueError, match=r"probes must have shape \(K, \*x.shape\) = \(K, 2, 2\)"
        ):
            ask(probes=jnp.ones(shape))
    with pytest.raises(TypeError, match="probes must be an array of floats, got int8"):
        ask(probes=jax.random.rademacher(jax.random.key(0), (1, 2, 2)).astype(jnp.int8))
    with pytest.raises(ValueError, match="probes must have shape"):
        diffx.likelihood.hutchinson(lambda x, t: x, jnp.ones((2, 3)), 0.5, jnp.ones((2, 3)))


def test_laws_grids_and_shapes_are_checked_at_the_door():
    with pytest.raises(TypeError, match="prior must be a law with log_prob"):
        ask(prior=lambda x: 0.0)
    with pytest.raises(ValueError, match="ts must decrease strictly"):
        ask(ts=jnp.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="must answer in the shape of x"):
        ask(denoise=lambda x, t: x[..., 0])
    with pytest.raises(ValueError, match="an event on its last axis, got one number"):
        ask(x=jnp.asarray(0.5))
    with pytest.raises(ValueError, match="matrix must be the square"):
        diffx.likelihood.normal_probe_variance(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="matrix must be the square"):
        diffx.likelihood.sign_probe_variance(jnp.ones(3))
    with pytest.raises(TypeError, match="prior must be a law"):
        sampler = diffx.ddim(vp(), diffx.denoiser(vp(), mixture(np.float64)))
        diffx.likelihood.log_prob_discrete(
            sampler, jnp.ones((2, 2)), prior=None, ts=diffx.uniform(2)
        )


def test_bits_want_a_dimension_and_a_positive_scale():
    with pytest.raises(ValueError, match="dims must be at least 1"):
        diffx.likelihood.bits_per_dim(jnp.zeros(()), 0, scale=1.0)
    with pytest.raises(ValueError, match="scale must be positive"):
        diffx.likelihood.bits_per_dim(jnp.zeros(()), 2, scale=0.0)


def test_law_that_is_no_pytree_serves_as_prior():
    """Any object with log_prob, such as another library's distribution."""

    class Standard:
        def log_prob(self, x):
            return -(x**2).sum(-1) / 2

    got = ask(prior=Standard(), ts=jnp.array([0.5, 0.25]))
    again = ask(prior=diffx.GaussianLaw(jnp.zeros(2), jnp.asarray(1.0)), ts=jnp.array([0.5, 0.25]))
    close(
        got - math.log(2 * math.pi),
        np.asarray(again),
        ulps=16,
        scale=8,
        why="the constant of a normal in two dimensions",
    )


def test_float32_points_stay_float32_beside_float64_times():
    """x decides, in every function."""
    law = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), mixture(np.float64))
    denoise, x, ts = diffx.denoiser(vp(), law), jnp.ones((2, 3, 2), jnp.float32), diffx.uniform(2)
    got = jax.eval_shape(lambda x: diffx.log_prob_ode(vp(), denoise, x, prior=law, ts=ts), x)
    end, other = jax.eval_shape(
        lambda x: diffx.likelihood.log_prob_discrete(
            diffx.ddim(vp(), denoise), x, prior=law, ts=ts
        ),
        x,
    )
    assert got.dtype == end.dtype == other.dtype == jnp.float32
    assert got.shape == other.shape == (2, 3) and end.shape == (2, 3, 2)
