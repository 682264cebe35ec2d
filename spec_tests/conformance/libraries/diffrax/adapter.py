"""diffrax: its solvers with fixed steps, on the probability flow and on the reverse SDE in
log(sigma), where both are smooth.

With y = x/alpha and tau = sigma/alpha the flow is dy/d log tau = y - D(y, tau); in s = -log tau the
reverse SDE is dy = 2 (D - y) ds + sqrt(2) tau dW, of additive noise (Song et al. 2021, eq. 6, for
the variance-exploding process).
"""
# pyright: reportMissingImports=false

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import version as installed
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix

from spec_tests.conformance.libraries._jax import array
from spec_tests.conformance.target import Target

LIBRARY = "diffrax"
HIGH, LOW = 40.0, 0.05  # tau at the ends
EXPLICIT = {
    diffrax.Euler: 1,
    diffrax.Heun: 2,
    diffrax.Midpoint: 2,
    diffrax.Ralston: 2,
    diffrax.ReversibleHeun: 2,
    diffrax.LeapfrogMidpoint: 2,
    diffrax.Bosh3: 3,
    diffrax.Tsit5: 5,
    diffrax.Dopri5: 5,
}
IMPLICIT = {diffrax.ImplicitEuler: 1, diffrax.Kvaerno3: 3, diffrax.Kvaerno4: 4, diffrax.Kvaerno5: 5}
SPLIT = {diffrax.Sil3: 2, diffrax.KenCarp3: 3, diffrax.KenCarp4: 4, diffrax.KenCarp5: 5}
NOISY = {  # strong orders for additive noise, which the order of the law is not below
    diffrax.Euler: 1,
    diffrax.EulerHeun: 1,
    diffrax.Heun: 1,
    diffrax.ItoMilstein: 1,
    diffrax.StratonovichMilstein: 1,
    diffrax.SEA: 1,
    diffrax.SRA1: 1.5,
    diffrax.ShARK: 1.5,
    diffrax.GeneralShARK: 1.5,
    diffrax.SlowRK: 1.5,
    diffrax.SPaRK: 1.5,
}
# no Levy area
PLAIN = (
    diffrax.Euler,
    diffrax.EulerHeun,
    diffrax.Heun,
    diffrax.ItoMilstein,
    diffrax.StratonovichMilstein,
)
# FINE for those of a small region of stability
FEW, COARSE, FINE = (
    (16, 32, 64),
    (8, 16, 32),
    (128, 256, 512, 1024),
)


def version() -> str:
    return installed("diffrax")


def samplers() -> Iterator[Target]:
    for solver, order in (EXPLICIT | IMPLICIT | SPLIT).items():
        steps = (
            {"steps": FINE} if solver in (diffrax.ReversibleHeun, diffrax.LeapfrogMidpoint) else {}
        )
        yield Target(
            f"{solver.__name__}()",
            {"run": partial(_flow, solver), "nodes": _nodes, "order": order, **steps},
        )
    eighth = {"run": partial(_flow, diffrax.Dopri8), "nodes": _nodes, "order": 5, "steps": COARSE}
    # the kit's problem has no more smoothness to show
    yield Target("Dopri8(), asked for order 5", eighth)
    for solver, order in NOISY.items():
        arguments = {
            "run": partial(_reverse, solver),
            "nodes": _nodes,
            "order": order,
            "noise": True,
            "steps": FEW,
        }
        yield Target(f"{solver.__name__}() on the reverse SDE", arguments)


def _nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(n + 1), np.geomspace(HIGH, LOW, n + 1)


def _flow(
    solver: Any, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    ends = np.log(_nodes(n)[1][[0, stop]])
    with _asked(denoise):
        return array(_solve(solver)(jnp.asarray(x), *ends, (ends[1] - ends[0]) / stop))


@cache
def _solve(kind: Any) -> Callable:
    """Compiled once for each shape of x."""
    # VeryChord, the default, gives up at steps as long as the first
    newton = optimistix.Newton(rtol=1e-11, atol=1e-11)
    solver = kind(root_finder=newton) if kind in IMPLICIT or kind in SPLIT else kind()
    whole = diffrax.ODETerm(lambda u, y, args: y - _network(y, jnp.exp(u)))
    parts = (
        diffrax.ODETerm(lambda u, y, args: -_network(y, jnp.exp(u))),
        diffrax.ODETerm(lambda u, y, args: y),
    )
    return jax.jit(
        partial(_integrate, diffrax.MultiTerm(*parts) if kind in SPLIT else whole, solver)
    )


def _integrate(terms: Any, solver: Any, x: Any, start: Any, end: Any, step: Any) -> Any:
    forward = diffrax.ForwardMode()
    solved = diffrax.diffeqsolve(
        terms, solver, start, end, step, x, adjoint=forward, max_steps=None
    )
    assert solved.ys is not None
    return solved.ys[-1]


def _reverse(
    solver: Any, denoise: Callable, x: np.ndarray, n: int, stop: int, normal: Callable | None
) -> np.ndarray:
    assert normal is not None
    ends, draws = -np.log(_nodes(n)[1][[0, stop]]), 1 if solver in PLAIN else 2
    # room for the most steps, so that less is compiled
    normals = np.zeros((max(FEW), draws, *x.shape))
    normals[:stop] = [[normal(x.shape) for _ in range(draws)] for _ in range(stop)]
    with _asked(denoise):
        return array(
            _solve_sde(solver)(
                jnp.asarray(x), *ends, (ends[1] - ends[0]) / stop, jnp.asarray(normals)
            )
        )


@cache
def _solve_sde(kind: Any) -> Callable:
    def solve(x: Any, start: Any, end: Any, step: Any, normals: Any) -> Any:
        spread = lambda s, y, args: lx.DiagonalLinearOperator(
            jnp.sqrt(2.0) * jnp.exp(-s) * jnp.ones_like(y)
        )
        drift = diffrax.ODETerm(lambda s, y, args: 2 * (_network(y, jnp.exp(-s)) - y))
        noise = diffrax.ControlTerm(spread, Given(normals, start, step))
        return _integrate(diffrax.MultiTerm(drift, noise), kind(), x, start, end, step)

    return jax.jit(solve)


class Given(diffrax.AbstractBrownianPath):
    """A Brownian path of given normals, one or two a step: its increments and its space-time Levy
    areas.
    """

    normals: Any
    start: Any
    step: Any
    levy_area = diffrax.SpaceTimeLevyArea

    @property
    def t0(self) -> Any:
        return -jnp.inf

    @property
    def t1(self) -> Any:
        return jnp.inf

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True, use_levy: bool = False) -> Any:
        assert t1 is not None
        drawn = self.normals[jnp.round((t0 - self.start) / self.step).astype(int)]
        increment = jnp.sqrt(t1 - t0) * drawn[0]
        if not use_levy:
            return increment
        return diffrax.SpaceTimeLevyArea(
            dt=t1 - t0, W=increment, H=jnp.sqrt((t1 - t0) / 12) * drawn[-1]
        )


ASKED: list[Callable] = []  # the denoiser of the moment: compiled code calls back for it


class _asked:
    def __init__(self, denoise: Callable):
        self.denoise = denoise

    def __enter__(self) -> None:
        ASKED.append(self.denoise)

    def __exit__(self, *_: Any) -> None:
        ASKED.pop()


@jax.custom_jvp
def _network(y: Any, tau: Any) -> Any:
    return jax.pure_callback(_answer, jax.ShapeDtypeStruct(y.shape, jnp.float64), y, tau)


@_network.defjvp
def _slope(given: Any, tangents: Any) -> Any:
    """For Newton's iterations of the implicit solvers alone: a difference is near enough, and time
    stands still in them.
    """
    (y, tau), (v, _) = given, tangents
    return _network(y, tau), _network_slope(y, tau, v)


def _network_slope(y: Any, tau: Any, v: Any) -> Any:
    return jax.pure_callback(
        _difference, jax.ShapeDtypeStruct(y.shape, jnp.float64), y, tau, v, vmap_method="sequential"
    )


def _answer(y: Any, tau: Any) -> np.ndarray:
    return np.asarray(ASKED[-1](np.asarray(y, np.float64), 1.0, float(tau)), np.float64)


def _difference(y: Any, tau: Any, v: Any) -> np.ndarray:
    y, v = np.asarray(y, np.float64), 1e-6 * np.asarray(v, np.float64)
    return (_answer(y + v, tau) - _answer(y - v, tau)) / 2e-6
