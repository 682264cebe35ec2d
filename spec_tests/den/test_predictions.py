"""predictions.py: the way from each prediction to each other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.tree_util import Partial

from diffx import predictions
from diffx.processes.cosine import CosineVP
from diffx.processes.edm import EDM
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.trig import Trig
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import conversions
from spec_tests.support import strategies as st_
from spec_tests.support.level import level
from spec_tests.support.paths import PROCESSES, oracle, rectified_flow

KINDS = ("x0", "eps", "score", "v", "velocity")
PAIRS = tuple((wanted, given) for wanted in KINDS for given in KINDS if wanted != given)
DENOISERS = ("eps", "score", "v", "velocity")
NAMES = (
    *(f"diffx.predictions.{wanted}_of_{given}" for wanted, given in PAIRS),
    *(f"diffx.predictions.denoiser_of_{given}" for given in DENOISERS),
)


def every_conversion(process, x, values, t):
    return {
        (wanted, given): getattr(predictions, f"{wanted}_of_{given}")(process, x, values[given], t)
        for wanted, given in PAIRS
    }


def network(offset, x, t):
    """A prediction that is the wanted one only where it is asked at x and t, in this order."""
    return offset + (x + 2 * t)


def every_denoiser(process, x, values, t):
    return {
        given: getattr(predictions, f"denoiser_of_{given}")(
            process, Partial(network, values[given] - (x + 2 * t))
        )(x, t)
        for given in DENOISERS
    }


def everything(process, x, values, t):
    return every_conversion(process, x, values, t), every_denoiser(process, x, values, t)


compiled = jax.jit(everything)


def check_all(function, process, t, numbers, x0, eps, dtype, ulps):
    """All conversions and denoisers at one noise level against the definitions, and against the 2 x
    2 system.
    """
    combos = conversions.rows(*numbers)
    exact = {kind: of_x0 * x0 + of_eps * eps for kind, (of_x0, of_eps) in combos.items()}
    sizes = {kind: abs(of_x0 * x0) + abs(of_eps * eps) for kind, (of_x0, of_eps) in combos.items()}
    values = {kind: jnp.asarray(value, dtype) for kind, value in exact.items()}
    rounded = {kind: np.asarray(value, np.float64) for kind, value in values.items()}
    found, denoisers = function(process, values["x"], values, t)
    for wanted, known in PAIRS:
        p, q = conversions.amplified(combos, wanted, known)
        scale = p * sizes["x"] + q * sizes[known]
        close(
            found[wanted, known],
            exact[wanted],
            ulps=ulps,
            scale=scale,
            why=f"{wanted} of {known}: inputs are rounded",
        )
        solved = conversions.convert(combos, wanted, known, rounded["x"], rounded[known])
        close(
            found[wanted, known],
            solved,
            ulps=ulps,
            scale=scale,
            why=f"{wanted} of {known}: a few products of a system",
        )
    for known in DENOISERS:
        p, q = conversions.amplified(combos, "x0", known)
        # the network adds and subtracts x + 2t
        scale = p * sizes["x"] + q * (sizes[known] + sizes["x"] + 2 * t)
        close(
            denoisers[known],
            exact["x0"],
            ulps=ulps,
            scale=scale,
            why=f"denoiser_of_{known}: inputs are rounded",
        )


LOGS = st.floats(-2.0, 2.0).map(lambda u: float(np.float32(np.exp(u))))


@claim(
    "DEN-01",
    "x0, eps, score, v and velocity determine each other, whether alpha^2 + sigma^2 = 1 or not, "
    "and at the ends of time",
    of=NAMES,
    source=(
        "Salimans and Ho 2022, arXiv:2202.00512, Appendix D; Karras et al. 2022, "
        "arXiv:2206.00364, eq. (3)"
    ),
    grade="identity",
)
def test_five_predictions_are_affine_bijections(dtype):
    """Each of the 20 conversions and 4 denoisers recovers its prediction, defined by x0 and eps,
    from another and x.
    """
    at_drawn_levels(dtype)
    on_every_process(dtype)
    at_the_ends_of_time(dtype)
    where_the_literature_slips(dtype)
    in_the_dtype_of_x(dtype)


@given(a=LOGS, s=LOGS, da=LOGS, ds=LOGS, x0=st_.points(2, 3), eps=st_.normals(2, 3))
def at_drawn_levels(dtype, a, s, da, ds, x0, eps):
    process, t = level(a, s, dtype, rates=(-da, ds))
    check_all(compiled, process, t, (a, s, -da, ds), x0, eps, dtype, ulps=4)


X0, EPS = np.array([[1.5, -0.25]]), np.array([[-0.75, 2.0]])


def on_every_process(dtype):
    """At their alpha, sigma and rates; one of them also as it is and eagerly, so that the checks of
    values run.
    """
    for make in PROCESSES:
        for t in (0.375, 0.8125):
            path = oracle(make)
            numbers: Any = tuple(
                float(f(t)) for f in (path.alpha, path.sigma, path.alpha_rate, path.sigma_rate)
            )
            process, now = level(numbers[0], numbers[1], dtype, rates=numbers[2:])
            check_all(compiled, process, now, numbers, X0, EPS, dtype, ulps=4)
            if t == 0.375 and make is rectified_flow:
                check_all(
                    everything, make(), jnp.asarray(t, dtype), numbers, X0, EPS, dtype, ulps=4
                )


def at_the_ends_of_time(dtype):
    """alpha(1) = 0: v and velocity still give x0, and v is -x0 (Lin et al. 2023, section 3.2, has
    the other sign).
    """
    x0, eps = jnp.asarray(X0, dtype), jnp.asarray(EPS, dtype)
    one, zero = jnp.ones((), dtype), jnp.zeros((), dtype)
    for process, rate in (
        (RectifiedFlow(), (-1.0, 1.0)),
        (Trig(), (-np.pi / 2, 0.0)),
        (CosineVP(0.0), (-np.pi / 2, 0.0)),
    ):
        velocity = jnp.asarray(rate[0] * X0 + rate[1] * EPS, dtype)
        found = {
            "x0 of v": (predictions.x0_of_v(process, eps, -x0, one), X0),
            "v of x0": (predictions.v_of_x0(process, eps, x0, one), -X0),
            "x0 of velocity": (predictions.x0_of_velocity(process, eps, velocity, one), X0),
            "denoiser of v": (
                predictions.denoiser_of_v(process, Partial(network, -x0 - (eps + 2)))(eps, one),
                X0,
            ),
        }
        for name, (value, exact) in found.items():
            close(
                value,
                exact,
                ulps=4,
                scale=np.abs(X0) + np.abs(EPS),
                why=f"{name} at alpha = 0: x is eps",
            )
    flow = RectifiedFlow()
    at_data = {
        "x0 of eps": (predictions.x0_of_eps(flow, x0, eps, zero), X0),
        "x0 of velocity": (predictions.x0_of_velocity(flow, x0, eps - x0, zero), X0),
        "eps of velocity": (predictions.eps_of_velocity(flow, x0, eps - x0, zero), EPS),
        "eps of v": (predictions.eps_of_v(flow, x0, eps, zero), EPS),
        "velocity of eps": (predictions.velocity_of_eps(EDM(40.0), x0, eps, zero), 40 * EPS),
    }
    for name, (value, exact) in at_data.items():
        close(
            value,
            exact,
            ulps=4,
            scale=np.abs(X0) + np.abs(exact),
            why=f"{name} at sigma = 0: x is x0",
        )


def where_the_literature_slips(dtype):
    """For the rectified flow eps = x + (1 - t) u; a minus, as in WAN's solver, is off by 2 (1 - t)
    u.
    """
    t = jnp.asarray(0.25, dtype)
    x, u = 0.75 * X0 + 0.25 * EPS, EPS - X0
    eps = predictions.eps_of_velocity(
        RectifiedFlow(), jnp.asarray(x, dtype), jnp.asarray(u, dtype), t
    )
    close(eps, x + 0.75 * u, ulps=4, scale=np.abs(x) + np.abs(u), why="eps = x + (1 - t) u")
    close(eps, EPS, ulps=4, scale=np.abs(x) + np.abs(u), why="which is the noise that was put in")
    holds(np.abs(eps - (x - 0.75 * u)) > 1, "with a minus it is another number")


def in_the_dtype_of_x(dtype):
    """x decides, not the times: float32 of float64 times, bfloat16 of float32 times."""
    process, t = level(1.0, 2.0, dtype)
    narrow = jnp.float32 if dtype == np.float64 else jnp.bfloat16
    x = jax.ShapeDtypeStruct((2,), narrow)
    for result in jax.tree_util.tree_leaves(
        jax.eval_shape(every_conversion, process, x, dict.fromkeys(KINDS, x), t)
    ):
        holds(result.dtype == narrow, "a conversion keeps the dtype of x")


def test_conversions_take_their_arguments_by_name_too():
    process, x, v = CosineVP(), jnp.asarray([1.0, -2.0]), jnp.asarray([0.5, 0.25])
    by_name = predictions.x0_of_v(process, x, v=v, t=0.5)
    np.testing.assert_array_equal(by_name, predictions.x0_of_v(process, x, v, 0.5))
    with pytest.raises(TypeError, match="missing a required argument: 'v'"):
        predictions.x0_of_v(process, x, eps=v, t=0.5)
    with pytest.raises(TypeError, match="missing a required argument: 't'"):
        predictions.x0_of_v(process, x, v)
