"""Adaptive integration of the reverse family: closed flow maps, scipy's DOP853, the pathwise
solution of a linear SDE.
"""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import diffx
from spec_tests.oracles import bayes
from spec_tests.support.paths import oracle as path_of, rectified_flow, ve, vp
from spec_tests.support.rooms import ROOT

pytest.importorskip("diffrax", reason="adaptive integration is an extra")
from diffx import adaptive

MEAN, VARIANCES = np.array([0.5, -1.0]), np.array([1.5, 0.015625])
Z = np.random.default_rng(0).standard_normal((4, 2))
LAST = 2.0**-10


def gaussian(dtype="float64"):
    return diffx.GaussianLaw(jnp.asarray(MEAN, dtype), jnp.asarray(VARIANCES, dtype))


def closed_flow(make, x, t, s):
    """The map of REV-02, and the size of x where it ends."""
    path = path_of(make)
    rho_t, rho_s = (np.sqrt(path.alpha(r) ** 2 * VARIANCES + path.variance(r)) for r in (t, s))
    return path.alpha(s) * MEAN + rho_s / rho_t * (x - path.alpha(t) * MEAN)


def start(make):
    path = path_of(make)
    return (
        path.alpha(1.0) * MEAN + np.sqrt(path.alpha(1.0) ** 2 * VARIANCES + path.variance(1.0)) * Z
    )


@pytest.mark.parametrize("make", [vp, ve, rectified_flow])
def test_adaptive_flow_meets_the_closed_map_in_proportion_to_its_tolerance(make):
    """From pure noise, where f and g of a rectified flow are infinite, to t = 2^-10; a few times
    the tolerance remains.
    """
    process, law = make(), gaussian()
    x, errors = start(make), {}
    for tolerance in (1e-3, 1e-5, 1e-7, 1e-9):
        got = adaptive.solve_flow(
            process, diffx.denoiser(process, law), x, t_min=LAST, rtol=tolerance, atol=tolerance
        )
        errors[tolerance] = np.abs(np.asarray(got.x) - closed_flow(make, x, 1.0, LAST)).max()
        assert errors[tolerance] < 6 * tolerance
        assert int(got.rejected) < int(got.steps) < 64
    assert errors[1e-9] < 1e-4 * errors[1e-3], "and it is the tolerance that decides"


def test_adaptive_flow_of_a_mixture_agrees_with_dop853():
    """scipy's integrator on dy/dlog r = y - D in y = x/alpha, r = sigma/alpha, with D by Bayes'
    rule.
    """
    weights, means, variances = (
        np.array([0.25, 0.75]),
        np.array([[-1.0], [1.5]]),
        np.array([0.0625, 0.25]),
    )
    path, process = path_of(vp), vp()
    first, last = (float(path.sigma(t) / path.alpha(t)) for t in (1.0, LAST))

    def slope(log_r, y):
        posterior = bayes.gmm_posterior(
            weights, means, variances[:, None, None], 1.0, np.exp(log_r), y[:, None]
        )
        return y - posterior.mean[:, 0]

    y = first * np.array([-2.0, -0.25, 0.0, 1.0])
    wanted = solve_ivp(slope, (np.log(first), np.log(last)), y, "DOP853", rtol=1e-11, atol=1e-11).y[
        :, -1
    ]
    law = diffx.MixtureLaw(jnp.asarray(weights), jnp.asarray(means), jnp.asarray(variances))
    for tolerance in (1e-4, 1e-8):
        x = jnp.asarray(y[:, None]) * path.alpha(1.0)
        got = adaptive.solve_flow(
            process, diffx.denoiser(process, law), x, t_min=LAST, rtol=tolerance, atol=tolerance
        )
        off = np.abs(np.asarray(got.x)[:, 0] / path.alpha(LAST) - wanted).max()
        assert off < 20 * tolerance, (
            f"{off} at tolerance {tolerance}: between the peaks errors grow"
        )


def test_adaptive_flow_keeps_float32_and_its_digits():
    process, law, x = vp(), gaussian("float32"), start(vp).astype(np.float32)
    got = adaptive.solve_flow(
        process, diffx.denoiser(process, law), x, t_min=np.float32(LAST), rtol=1e-5, atol=1e-5
    )
    assert got.x.dtype == jnp.float32
    assert np.abs(np.asarray(got.x) - closed_flow(vp, x, 1.0, LAST)).max() < 1e-4


def test_a_new_number_is_no_new_program():
    """Tolerance, times, schedule and eta are arguments of one compiled function; solve_flow stands
    inside jit too.
    """
    traces = []

    def shrunk(x, t):
        traces.append(t)
        return 0.5 * x

    answers = []
    for beta_max, tolerance, t_min in ((12.0, 1e-3, 0.1), (16.0, 1e-5, 0.2)):
        got = adaptive.solve_flow(
            diffx.VP(0.25, beta_max),
            shrunk,
            jnp.ones(2),
            t_min=t_min,
            rtol=tolerance,
            atol=tolerance,
        )
        answers.append(float(got.x[0]))
        if len(answers) == 1:
            seen = len(traces)
    assert len(traces) == seen and answers[0] != answers[1]
    inside = jax.jit(
        lambda t: (
            adaptive.solve_flow(
                diffx.VP(0.25, 16.0), shrunk, jnp.ones(2), t_min=t, rtol=1e-5, atol=1e-5
            ).x
        )
    )
    assert abs(float(inside(0.2)[0]) - answers[1]) < 1e-9


def pathwise(eta, x, t, s, places, walk):
    """The linear SDE of Gaussian data in VP, solved along a Brownian path: gain x + the sum of
    kernel dW.
    """
    middle = (places[1:] + places[:-1]) / 2
    alpha2, sigma2 = (1 / (1 + np.exp(sign * 2 * middle)) for sign in (-1, 1))
    a_t, a_s = path_of(vp).alpha(t), path_of(vp).alpha(s)
    v_t, v_s = (a**2 * VARIANCES[0] + 1 - a**2 for a in (a_t, a_s))
    power = (1 + eta**2) / 2
    kernel = (
        (v_s / (alpha2 * VARIANCES[0] + sigma2)) ** power
        * (alpha2 / a_s**2) ** (eta**2 / 2)
        * eta
        * np.sqrt(2 * sigma2)
    )
    gain = (v_s / v_t) ** power * (a_t / a_s) ** eta**2
    return (
        a_s * MEAN[0]
        + gain * (x - a_t * MEAN[0])
        + np.tensordot(kernel, np.diff(walk, axis=0), (0, 0))
    )


def test_adaptive_sde_converges_to_the_solution_along_its_own_brownian_path():
    """Drift, diffusion and gain together, for every eta: no sampling error.  Midpoints of 4096
    steps leave 1e-4.
    """
    process, key = vp(), jax.random.key(7)
    law = diffx.GaussianLaw(jnp.asarray(MEAN[:1]), jnp.asarray(VARIANCES[0]))
    x = np.linspace(-2, 2, 24).reshape(24, 1)
    places = np.linspace(*(float(path_of(vp).log_snr(r)) / 2 for r in (0.75, 0.0625)), 2**12 + 1)
    tree = adaptive._brownian(key, (places[0], places[-1]), jax.ShapeDtypeStruct(x.shape, x.dtype))
    walk = np.asarray(jax.jit(jax.vmap(tree.evaluate))(places))
    for eta in (1.0, 0.5):
        wanted = pathwise(eta, x, 0.75, 0.0625, places, walk)
        errors = []
        for tolerance in (0.1, 0.01, 0.001):
            tolerances = {"rtol": tolerance, "atol": tolerance, "t_max": 0.75, "t_min": 0.0625}
            got = adaptive.solve_sde(
                process, diffx.denoiser(process, law), key, x, eta=eta, **tolerances
            )
            errors.append(np.sqrt(((np.asarray(got.x) - wanted) ** 2).mean()))
            assert errors[-1] < tolerance
        assert errors[-1] < 0.1 * errors[0], "and it is the tolerance that decides"
    assert int(got.rejected) < int(got.steps)


# --- bad input ----------------------------------------------------------------------------------


def flow(**changes):
    arguments = {
        "process": diffx.VP(),
        "denoise": lambda x, t: x,
        "x": jnp.ones(2),
        "t_min": 0.1,
        "rtol": 0.1,
        "atol": 0.1,
    }
    arguments |= changes
    return adaptive.solve_flow(
        arguments.pop("process"), arguments.pop("denoise"), arguments.pop("x"), **arguments
    )


def sde(**changes):
    arguments = {
        "process": diffx.VP(),
        "key": jax.random.key(0),
        "t_max": 1.0,
        "t_min": 0.1,
        "rtol": 0.1,
        "atol": 0.1,
    }
    arguments |= changes
    process, key = arguments.pop("process"), arguments.pop("key")
    return adaptive.solve_sde(process, lambda x, t: x, key, jnp.ones(2), **arguments)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: flow(t_min=0.0), ValueError, "wanted 0 < t_min < t_max"),
        (lambda: flow(t_max=0.1, t_min=0.5), ValueError, "got t_min=0.5 and t_max=0.1"),
        (lambda: flow(t_min=jnp.array([0.1, 0.2])), ValueError, "t_min must be a scalar time"),
        (lambda: flow(rtol=0.0), ValueError, "rtol must be positive"),
        (lambda: flow(atol=-1.0), ValueError, "atol must be positive"),
        (lambda: flow(max_steps=0), ValueError, "max_steps must be at least 1"),
        (lambda: flow(x=jnp.ones(2, int)), TypeError, "x must be an array of floats"),
        (lambda: flow(denoise=lambda x, t: x[:1]), ValueError, "must answer in the shape of x"),
        (lambda: flow(denoise=3), TypeError, "must be callable"),
        (lambda: sde(eta=0.0), ValueError, "eta must be positive"),
        (lambda: sde(key=3), TypeError, "key must be a key of jax.random"),
        (
            lambda: sde(process=diffx.RectifiedFlow()),
            ValueError,
            "alpha\\(t_max\\) is 0 at t_max=1.0",
        ),
        (lambda: sde(t_min=0.0), ValueError, "wanted 0 < t_min < t_max"),
    ],
)
def test_bad_input_of_the_solvers_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_running_out_of_steps_is_an_error():
    with pytest.raises(RuntimeError, match="maximum number of solver steps"):
        flow(rtol=1e-9, atol=1e-9, max_steps=2).x.block_until_ready()


def test_without_diffrax_the_extra_is_named_and_the_rest_works():
    program = (
        "import sys; sys.modules['diffrax'] = None; import diffx; print(diffx.VP()); import "
        "diffx.adaptive"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "VP(" in run.stdout and run.returncode == 1
    assert (
        "ImportError: diffx.adaptive integrates by diffrax, which is an extra" in run.stderr
        and "[adaptive]" in run.stderr
    )
