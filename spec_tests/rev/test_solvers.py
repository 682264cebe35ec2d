"""Solvers of the probability flow: exact where they must be, maps of their papers, orders."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.tree_util import Partial
from scipy.integrate import solve_ivp

import diffx
from diffx.samplers.multistep import History
from spec_tests.instrument.close import close, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import solvers
from spec_tests.support import exact_starts, strategies as st_
from spec_tests.support.arrays import FEW, cast, single
from spec_tests.support.exact_starts import (
    KS,
    OF,
    SDE_OF,
    START,
    TEXTBOOK,
    answer,
    begin,
    grid_of,
    mixture,
    names_of,
    one_step,
    some_methods,
    walk,
)
from spec_tests.support.methods import EXPONENTIAL, METHODS
from spec_tests.support.paths import oracle as path_of, rectified_flow, vp
from spec_tests.support.samplers import MEAN, VARIANCES, law_of

NOISY_OF = tuple(f"diffx.samplers.sde_dpm_solver_pp_{which}_step" for which in ("2m", "2s"))


# --- what the papers write -----------------------------------------------------------------------


@claim(
    "REV-20",
    "Solvers in Newton's form are the maps of their papers; UniPC predicts as 2M and 3M do; both "
    "noises of 2S come from one Brownian path",
    of=(*OF, *NOISY_OF, "diffx.samplers.with_past"),
    source=(
        "Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095; Zhao et al. 2023, arXiv:2302.04867"
    ),
    grade="identity",
)
def test_solvers_are_the_maps_of_their_papers(dtype):
    """Six uneven steps on a mixture in plain numpy; polynomials by Lagrange and quadrature, UniPC
    by its linear system.
    """
    ts, ks = grid_of(vp, KS, dtype)
    law = mixture(dtype)
    for name in TEXTBOOK if dtype == np.float64 else some_methods(dtype):
        got = walk(EXPONENTIAL[name].make(vp(), diffx.denoiser(vp(), law)), START.astype(dtype), ts)
        # divided differences divide the rounding of an answer by the step; a step stretches errors
        # up to 5-fold
        wanted = TEXTBOOK[name](answer, START, ks)
        close(
            got.astype(dtype),
            wanted,
            ulps=64,
            scale=4 * np.abs(START).max(),
            why=f"six steps of {name}",
        )
    long_steps_are_as_written(dtype, law)
    noisy_steps_are_as_written(dtype, ts, ks, law)
    predictors_are_multistep_methods(dtype, ts)
    begin_after_given_points(dtype, ts, law)


def long_steps_are_as_written(dtype, law):
    """Steps of 2.5 and 3 in lambda, beyond the series of phi_k."""
    ts, ks = grid_of(vp, np.array([-3.0, -0.5, 2.5]), dtype)
    for name in some_methods(np.float32):
        got = walk(EXPONENTIAL[name].make(vp(), diffx.denoiser(vp(), law)), START.astype(dtype), ts)
        wanted = TEXTBOOK[name](answer, START, ks)
        scale = 4 * np.abs(START).max() * np.exp(2.5)  # eps is multiplied by e^h
        close(got.astype(dtype), wanted, ulps=64, scale=scale, why=f"two long steps of {name}")


def noisy_steps_are_as_written(dtype, ts, ks, law):
    """Both noises of a step of 2S come from one Brownian path; without noise they are its mean."""
    zs = single(np.random.default_rng(0).standard_normal((2, len(ks) - 1, len(START))))
    x, denoise = START.astype(dtype), diffx.denoiser(vp(), law)
    two_m, two_s = (
        diffx.samplers.sde_dpm_solver_pp(vp(), denoise, order=2),
        diffx.samplers.sde_dpm_solver_pp_2s(vp(), denoise),
    )
    scale = 4 * (np.abs(START).max() + np.abs(zs).max())
    got = walk(two_m, x, ts, zs[0].astype(dtype))
    close(
        got.astype(dtype),
        solvers.sde_2m(answer, START, ks, zs[0]),
        ulps=64,
        scale=scale,
        why="six noisy steps of 2M",
    )
    got = walk(two_s, x, ts, tuple(zs.astype(dtype)))
    close(
        got.astype(dtype),
        solvers.sde_2s(answer, START, ks, zs.swapaxes(0, 1)),
        ulps=64,
        scale=scale,
        why="and of 2S",
    )
    got = walk(two_s, x, ts)
    quiet = solvers.sde_2s(answer, START, ks, 0 * zs.swapaxes(0, 1))
    close(got.astype(dtype), quiet, ulps=64, scale=scale, why="no noise is noise zero")


def predictors_are_multistep_methods(dtype, ts):
    """An answer that depends on time alone: what UniPC predicts from its corrected point is a step
    of 2M, of 3M.
    """
    denoise = Partial(of_time_alone)
    for order in (2, 3):
        method, multi = (
            diffx.unipc(vp(), denoise, order=order),
            diffx.dpm_solver_pp(vp(), denoise, order=order),
        )
        state = begin(method, START.astype(dtype)[:, None])
        for i in range(4):
            before = state
            state, _ = one_step(method, state, ts[i], ts[i + 1], None)
        history = History(
            state.corrected,
            np.asarray(before.past)[:-1],
            np.asarray(before.times)[:-1],
            before.missing,
        )
        same, _ = one_step(multi, history, ts[3], ts[4], None)
        close(
            state.x,
            np.asarray(same.x, np.float64),
            ulps=16,
            scale=np.abs(START).max(),
            why="one map, twice evaluated",
        )


def of_time_alone(x, t):
    return jnp.broadcast_to(jnp.sin(3 * t), x.shape).astype(x.dtype)


def begin_after_given_points(dtype, ts, law):
    """A start with given points remembers the model's answers there: it goes on as if it had come
    by them.
    """
    sampler = diffx.dpm_solver_pp(vp(), diffx.denoiser(vp(), law), order=3)
    x = START.astype(dtype)
    whole = walk(sampler, x, ts)
    points = np.stack([x, whole[0]])[..., None]
    rest = walk(diffx.samplers.with_past(sampler, points, ts[:3]), whole[1], ts[2:])
    close(
        rest.astype(dtype),
        whole[2:].astype(np.float64),
        ulps=16,
        scale=4 * np.abs(START).max(),
        why="the same steps",
    )


# --- orders -------------------------------------------------------------------------------------

FIRST, LAST = -2.0, 2.0


def nodes(n):
    """n + 1 half log-SNRs, and their times on VP(0.3125, 12): B = log(1 + e^-2k) is quadratic
    in t.
    """
    ks = np.linspace(FIRST, LAST, n + 1)
    low, rise = 0.3125, 12.0 - 0.3125
    return ks, (np.sqrt(low**2 + 2 * rise * np.log1p(np.exp(-2 * ks))) - low) / rise


@cache
def solution(n):
    """The probability flow of the mixture from START at the n + 1 nodes, in y = x/alpha and r =
    sigma/alpha = e^-k.
    """
    ks, _ = nodes(n)
    rs = np.exp(-ks)
    rhs = lambda r, y: (y - answer(y, 1.0, r)) / r
    y = solve_ivp(
        rhs,
        (rs[0], rs[-1]),
        START / solvers.alpha(ks[0]),
        method="DOP853",
        t_eval=rs,
        rtol=1e-13,
        atol=1e-14,
    ).y
    return y.T * np.array([solvers.alpha(k) for k in ks])[:, None]


def error(name, n):
    """The largest error of n steps, uniform in k, after an exact start."""
    method = METHODS[name]
    (_, ts), exact = nodes(n), solution(n)
    sampler = method.make(vp(), diffx.denoiser(vp(), mixture(jnp.float64)))
    state = begin(sampler, START[:, None])
    for i in range(n):
        if i <= method.start:  # what `with_past` does, by the compiled step
            state = at_the_true_point(state, exact[i], exact[i - 1])
        state, _ = one_step(sampler, state, ts[i], ts[i + 1], None)
    return np.abs(np.asarray(state.x)[:, 0] - exact[-1]).max()


def at_the_true_point(state, x, before):
    state = state._replace(x=x[:, None])
    return state._replace(corrected=before[:, None]) if hasattr(state, "corrected") else state


@claim(
    "REV-19",
    "On a mixture every solver has its order; the third-order multi-step update of released code "
    "has order 2",
    of=(*names_of(METHODS.values()), *SDE_OF),
    source=(
        "Lu et al. 2022, arXiv:2206.00927, Theorem 3.2, and arXiv:2211.01095; Zhao et al. 2023, "
        "arXiv:2302.04867"
    ),
    grade="order",
    dtypes=("float64",),
    why_dtypes="an order is seen in errors down to 1e-9",
)
def test_every_solver_has_its_order(dtype):
    """Against DOP853 in sigma/alpha, multi-step methods after an exact start; SDE methods by their
    law on Gaussian data.
    """
    for name, method in METHODS.items():
        ns = [32, 64, 128] if method.order < 4 else [64, 128, 256]
        slope(
            ns,
            [error(name, n) for n in ns],
            order=method.order,
            within=0.25,
            why=f"{name} against DOP853",
        )
    released_third_order_is_second()
    for order, make in (
        (1, Partial(diffx.samplers.sde_dpm_solver_pp, order=1)),
        (2, diffx.samplers.sde_dpm_solver_pp),
        (2, diffx.samplers.sde_dpm_solver_pp_2s),
    ):
        slope(
            LAW_NS,
            [law_error(make, n) for n in LAW_NS],
            order=order,
            why="the variance of Gaussian data",
        )


def released_third_order_is_second():
    """Half of the parabola's weight is missing: with exact answers before the start the order is 2,
    and 3 with all of it.
    """
    errors, ns = [], [64, 128, 256]
    for n in ns:
        (ks, _), exact = nodes(n), solution(n)
        begin = [solvers.data(answer, x, k) for x, k in zip(exact[:2], ks[:2], strict=True)]
        errors.append(np.abs(solvers.released_3m(answer, exact[2], ks, begin) - exact[-1]).max())
    slope(ns, errors, order=2, why="phi_3 D_2 where the parabola needs 2 phi_3 D_2")


LAW_NS = [32, 64, 128]


def law_error(make, n):
    """The error of the final variance on N(0, 1/4): how x and the memory depend on the start and on
    every noise.

    The real step is asked for its coefficients: four points are the directions of x, the memory and
    the noises.
    """
    ts, L = nodes(n)[1], 0.25
    sampler = make(vp(), diffx.denoiser(vp(), diffx.GaussianLaw(jnp.zeros(1), jnp.array([L]))))
    directions, two = np.eye(4)[:, :, None], "2s" in str(sampler.step.func)
    state, x = begin(sampler, directions[0]), np.eye(1, 2 * n + 1)[0]
    past = 0 * x
    for i in range(n):
        if hasattr(state, "past"):
            state = state._replace(past=directions[1][None])
        z = (directions[2], directions[3]) if two else directions[2]
        state, info = one_step(sampler, state._replace(x=directions[0]), ts[i], ts[i + 1], z)
        of_x, of_past, of_z, of_second = np.asarray(state.x)[:, 0]
        x, past = of_x * x + of_past * past, float(np.asarray(info.x0)[0, 0]) * x
        x[1 + 2 * i : 3 + 2 * i] = of_z, of_second
    alpha, sigma = (
        path(np.array([ts[0], ts[-1]])) for path in (path_of(vp).alpha, path_of(vp).sigma)
    )
    (start, wanted) = alpha**2 * L + sigma**2
    return abs(start * x[0] ** 2 + (x[1:] ** 2).sum() - wanted)


def test_defaults_are_the_orders_that_people_use():
    process, denoise = vp(), Partial(of_time_alone)
    for make, order in (
        (diffx.samplers.dpm_solver, 2),
        (diffx.dpm_solver_pp, 2),
        (diffx.samplers.dpm_solver_pp_single, 2),
        (diffx.samplers.deis, 3),
    ):
        assert same_method(make(process, denoise), make(process, denoise, order=order))
    for make, order in (
        (diffx.unipc, 3),
        (diffx.samplers.unipc_bh1, 3),
        (diffx.samplers.sde_dpm_solver_pp, 2),
    ):
        assert same_method(make(process, denoise), make(process, denoise, order=order))


def same_method(one, other):
    """One structure, and memories of one length."""
    shapes = [
        [np.shape(leaf) for leaf in jax.tree_util.tree_leaves(sampler)] for sampler in (one, other)
    ]
    return (
        jax.tree_util.tree_structure(one) == jax.tree_util.tree_structure(other)
        and shapes[0] == shapes[1]
    )


# --- bad input ----------------------------------------------------------------------------------


def test_orders_that_a_method_lacks_are_refused():
    process, denoise = vp(), Partial(of_time_alone)
    for make, most in (
        (diffx.samplers.dpm_solver, 3),
        (diffx.dpm_solver_pp, 3),
        (diffx.samplers.dpm_solver_pp_single, 3),
        (diffx.samplers.deis, 4),
    ):
        with pytest.raises(ValueError, match=f"has the orders 1 to {most}, got order={most + 1}"):
            make(process, denoise, order=most + 1)
    for make, most in (
        (diffx.unipc, 3),
        (diffx.samplers.unipc_bh1, 3),
        (diffx.samplers.sde_dpm_solver_pp, 2),
    ):
        with pytest.raises(ValueError, match=f"has the orders 1 to {most}, got order={most + 1}"):
            make(process, denoise, order=most + 1)
    with pytest.raises(ValueError, match="order must be at least 1"):
        diffx.samplers.deis(process, denoise, order=0)


def test_multistep_methods_refuse_grids_too_short_to_start():
    sampler = diffx.dpm_solver_pp(vp(), Partial(of_time_alone), order=3)
    x = jnp.zeros((2, 1))
    for run in (
        lambda ts: diffx.fold(sampler, x, ts),
        lambda ts: diffx.sample(sampler, None, x, ts),
    ):
        with pytest.raises(ValueError, match="needs at least 3 steps, but the grid has 2"):
            run(diffx.uniform(2))
    assert diffx.fold(sampler, x, diffx.uniform(3))[0].shape == x.shape
    assert (
        diffx.fold(diffx.unipc(vp(), Partial(of_time_alone), order=2), x, diffx.uniform(2))[0].shape
        == x.shape
    )


def test_exact_start_refuses_points_that_do_not_fit():
    sampler = diffx.dpm_solver_pp(vp(), Partial(of_time_alone), order=2)
    with pytest.raises(ValueError, match="ts must hold the times of the"):
        diffx.samplers.with_past(sampler, jnp.zeros((1, 2, 1)), diffx.uniform(3))
    begun = diffx.samplers.with_past(sampler, jnp.zeros((1, 2, 1)), diffx.uniform(1, t_min=0.5))
    with pytest.raises(ValueError, match="must have the shape of x"):
        diffx.fold(begun, jnp.zeros((3, 1)), diffx.uniform(2, t_max=0.5))


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


# --- where they are exact -----------------------------------------------------------------------


def constant_answer(point, x, t):
    return jnp.broadcast_to(point, x.shape)


def constant_noise(process, eps, x, t):
    """The denoiser of a constant eps."""
    return (x - process.sigma(t) * eps) / process.alpha(t)


@claim(
    "REV-17",
    "DDIM and exponential solvers are exact on any grid where the predicted x_0 or the predicted "
    "noise is constant",
    of=("diffx.ddim", "diffx.samplers.ddim_step", *exact_starts.OF, *exact_starts.SDE_OF),
    source="Song, Meng and Ermon 2021, arXiv:2010.02502, section 4; derived here",
    grade="identity",
)
def test_solvers_are_exact_where_the_prediction_is_constant(dtype):
    """DDIM for drawn points and grids; every solver once."""
    ddim_keeps_a_constant_prediction(dtype)
    exact_starts.keep_a_constant_answer(dtype)


@FEW
@given(x=st_.points(3), point=st_.points(3), ts=st_.grids(3, 0.0625, 0.9375, gap=0.0625))
def ddim_keeps_a_constant_prediction(dtype, x, point, ts):
    """x_s = alpha_s p + (sigma_s/sigma_t)(x - alpha_t p), and x_s = (alpha_s/alpha_t)(x - sigma_t
    e) + sigma_s e.
    """
    for make in (vp, rectified_flow):
        process, path = make(), path_of(make)
        (a_t, a_s), (s_t, s_s) = path.alpha(ts[[0, -1]]), path.sigma(ts[[0, -1]])
        numbers = np.abs(x) + np.abs(point)
        wanted = a_s * point + s_s / s_t * (x - a_t * point)
        mass = diffx.GaussianLaw(jnp.asarray(point, dtype), jnp.zeros((), dtype))
        for denoise in (
            Partial(constant_answer, jnp.asarray(point, dtype)),
            diffx.denoiser(process, mass),
        ):
            got, _ = diffx.fold(diffx.ddim(process, denoise), *cast(dtype, x, ts))
            close(got, wanted, ulps=32, scale=numbers, why="three steps that scale and shift")
        wanted = a_s / a_t * (x - s_t * point) + s_s * point
        steady = Partial(constant_noise, process, jnp.asarray(point, dtype))
        got, _ = diffx.fold(diffx.ddim(process, steady), *cast(dtype, x, ts))
        close(
            got,
            wanted,
            ulps=32,
            scale=numbers * (1 + a_s / a_t),
            why="the signal grows by alpha_s/alpha_t",
        )


def test_only_stochastic_methods_ask_for_noise():
    """A method that draws what it does not use costs 30 times the step; one that must draw and does
    not is not itself.
    """
    process, law = vp(), law_of(np.float64, MEAN, VARIANCES)
    denoise = diffx.denoiser(process, law)
    quiet = [method(process, denoise) for method in (diffx.ddim, diffx.euler, diffx.heun)]
    quiet += [diffx.flow_euler(denoise), diffx.samplers.exact_flow(process, law)]
    noisy = [
        method(process, denoise)
        for method in (diffx.ddpm, diffx.samplers.ddpm_beta, diffx.euler_maruyama)
    ]
    noisy += [
        diffx.samplers.ddpm_optimal(process, denoise, law=law),
        diffx.ddim(process, denoise, eta=0.0),
    ]
    noisy += [diffx.samplers.exact_flow(process, law, eta=1.0)]
    assert all(sampler.noise is None for sampler in quiet)
    assert all(sampler.noise is not None for sampler in noisy)


def test_gradient_of_heun_to_time_zero_is_finite():
    """The field is not defined at sigma = 0: where Euler's step is taken it must not be evaluated
    there.
    """
    law = law_of(np.float64, MEAN, VARIANCES)
    sampler, ts = diffx.heun(vp(), diffx.denoiser(vp(), law)), diffx.uniform(3)
    slope = jax.grad(lambda x: diffx.fold(sampler, x, ts)[0].sum())(jnp.ones(3))
    assert jnp.isfinite(slope).all()
