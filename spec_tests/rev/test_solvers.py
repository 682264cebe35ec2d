"""Solvers of the probability flow: maps of their papers, and their orders."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.integrate import solve_ivp

import diffx
from diffx.samplers.multistep import History
from spec_tests.instrument.close import close, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import solvers
from spec_tests.support.arrays import single
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
from spec_tests.support.paths import oracle as path_of, vp
from spec_tests.support.samplers import MEAN, VARIANCES, law_of

NOISY_OF = tuple(f"diffx.samplers.sde_dpm_solver_pp_{which}_step" for which in ("2m", "2s"))


# --- what the papers write -----------------------------------------------------------------------

LU = "Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095"
KINDS = some_methods(np.float32)
GRIDS = {  # half log-SNRs, and the scale of the numbers that are rounded
    # divided differences divide the rounding of an answer by the step; a step stretches errors up
    # to 5-fold
    "six steps": (KS, 4 * np.abs(START).max()),
    # eps is multiplied by e^h
    "two long steps": (np.array([-3.0, -0.5, 2.5]), 4 * np.abs(START).max() * np.exp(2.5)),
}


def is_as_written(dtype, name, grid):
    """On a mixture, against plain numpy: polynomials by Lagrange and quadrature, UniPC by its
    linear system.
    """
    ks, scale = GRIDS[grid]
    ts, ks = grid_of(vp, ks, dtype)
    sampler = EXPONENTIAL[name].make(vp(), diffx.denoiser(vp(), mixture(dtype)))
    got, wanted = walk(sampler, START.astype(dtype), ts), TEXTBOOK[name](answer, START, ks)
    close(got.astype(dtype), wanted, ulps=64, scale=scale, why=f"{grid} of {name}")


@claim(
    "REV-20",
    "Six uneven steps of a solver in Newton's form are the map of its paper",
    of=OF,
    source=f"{LU}; Zhao et al. 2023, arXiv:2302.04867",
    grade="identity",
    dtypes=("float64",),
    why_dtypes="in float32 REV-53 holds one method of each kind: each would be compiled again",
)
@pytest.mark.parametrize("name", TEXTBOOK)
def test_solvers_are_the_maps_of_their_papers(dtype, name):
    is_as_written(dtype, name, "six steps")


@claim(
    "REV-53",
    "A solver of each kind is the map of its paper in short steps and in steps beyond the series "
    "of phi_k",
    of=names_of(EXPONENTIAL[name] for name in KINDS),
    source=f"{LU}; Zhao et al. 2023, arXiv:2302.04867",
    grade="identity",
)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", KINDS)
def test_solvers_are_their_maps_in_short_and_long_steps(dtype, name, grid):
    """Steps of 2.5 and 3 in lambda are the long ones."""
    is_as_written(dtype, name, grid)


def one_noise(zs):
    return zs[0]


def no_noise(zs):
    return None


NOISY = {  # (constructor, the noise that it takes, the textbook on x, half log-SNRs, noises)
    "2M": (
        Partial(diffx.samplers.sde_dpm_solver_pp, order=2),
        one_noise,
        lambda x, ks, zs: solvers.sde_2m(answer, x, ks, zs[0]),
    ),
    "2S": (
        diffx.samplers.sde_dpm_solver_pp_2s,
        tuple,
        lambda x, ks, zs: solvers.sde_2s(answer, x, ks, zs.swapaxes(0, 1)),
    ),
    "2S without noise": (
        diffx.samplers.sde_dpm_solver_pp_2s,
        no_noise,
        lambda x, ks, zs: solvers.sde_2s(answer, x, ks, 0 * zs.swapaxes(0, 1)),
    ),
}


@claim(
    "REV-54",
    "Six noisy steps of SDE-DPM-Solver++ are those of its paper, both noises of 2S being of one "
    "Brownian path",
    of=NOISY_OF,
    source=LU,
    grade="identity",
)
@pytest.mark.parametrize("name", NOISY)
def test_noisy_solvers_are_the_maps_of_their_paper(dtype, name):
    """Without noise they are the mean of their step."""
    make, noise_of, textbook = NOISY[name]
    ts, ks = grid_of(vp, KS, dtype)
    zs = single(np.random.default_rng(0).standard_normal((2, len(ks) - 1, len(START))))
    sampler = make(vp(), diffx.denoiser(vp(), mixture(dtype)))
    got = walk(sampler, START.astype(dtype), ts, noise_of(zs.astype(dtype)))
    scale = 4 * (np.abs(START).max() + np.abs(zs).max())
    wanted = textbook(START, ks, zs)
    close(got.astype(dtype), wanted, ulps=64, scale=scale, why=f"six steps of {name}")


@claim(
    "REV-55",
    "The prediction of UniPC from its corrected point is a step of DPM-Solver++ (2M) or (3M)",
    of=("diffx.unipc", "diffx.samplers.unipc_step"),
    source="Zhao et al. 2023, arXiv:2302.04867; derived here",
    grade="identity",
)
@pytest.mark.parametrize("order", [2, 3])
def test_predictor_of_unipc_is_a_multistep_method(dtype, order):
    """For an answer that depends on time alone, which a corrector leaves as it is."""
    ts, _ = grid_of(vp, KS, dtype)
    denoise = Partial(of_time_alone)
    method, multi = (
        diffx.unipc(vp(), denoise, order=order),
        diffx.dpm_solver_pp(vp(), denoise, order=order),
    )
    before = state = begin(method, START.astype(dtype)[:, None])
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


@claim(
    "REV-56",
    "A multi-step method that is given its last points goes on as if it had come from them",
    of=("diffx.samplers.with_past", "diffx.dpm_solver_pp"),
    source="the memory of a multi-step method is the model's answers at its last points; here",
    grade="identity",
)
def test_given_points_are_remembered_like_visited_ones(dtype):
    ts, _ = grid_of(vp, KS, dtype)
    sampler = diffx.dpm_solver_pp(vp(), diffx.denoiser(vp(), mixture(dtype)), order=3)
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

LU_3 = "Lu et al. 2022, arXiv:2206.00927, Theorem 3.2, and arXiv:2211.01095"
IN_FLOAT64 = {
    "dtypes": ("float64",),
    "why_dtypes": "an order is seen in errors down to 1e-9",
}
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
    "On a mixture every solver has its order",
    of=names_of(METHODS.values()),
    source=f"{LU_3}; Zhao et al. 2023, arXiv:2302.04867",
    grade="order",
    **IN_FLOAT64,
)
@pytest.mark.parametrize("name", METHODS)
def test_every_solver_has_its_order(dtype, name):
    """Against DOP853 in sigma/alpha, multi-step methods after an exact start."""
    order = METHODS[name].order
    ns = [32, 64, 128] if order < 4 else [64, 128, 256]
    errors = [error(name, n) for n in ns]
    slope(ns, errors, order=order, within=0.25, why=f"{name} against DOP853")


SDE_SOLVERS = {  # and their orders
    "first order": (Partial(diffx.samplers.sde_dpm_solver_pp, order=1), 1),
    "2M": (diffx.samplers.sde_dpm_solver_pp, 2),
    "2S": (diffx.samplers.sde_dpm_solver_pp_2s, 2),
}


@claim(
    "REV-51",
    "On Gaussian data the variance that an SDE solver ends with has the order of the solver",
    of=SDE_OF,
    source=LU_3,
    grade="order",
    **IN_FLOAT64,
)
@pytest.mark.parametrize("name", SDE_SOLVERS)
def test_law_of_sde_solvers_has_their_order(dtype, name):
    make, order = SDE_SOLVERS[name]
    errors = [law_error(make, n) for n in LAW_NS]
    slope(LAW_NS, errors, order=order, why="the variance of Gaussian data")


@claim(
    "REV-52",
    "The third-order multi-step update of released code has order 2",
    of="diffx.dpm_solver_pp",
    source=LU_3,
    grade="order",
    **IN_FLOAT64,
)
def test_released_third_order_is_second(dtype):
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


# --- their orders when nothing is said -----------------------------------------------------------


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
    weights = jax.jit(diffx.samplers.adams_weights)
    float32, float64 = (
        weights(diffx.VP(), *at[:2], jnp.asarray(at[2:]), jnp.ones(2, bool))
        for at in (times, times.astype(np.float64))
    )
    np.testing.assert_allclose(float32, float64, rtol=1e-5)


# --- noise and gradients -------------------------------------------------------------------------


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
