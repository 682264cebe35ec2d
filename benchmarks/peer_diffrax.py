"""diffrax: the same ODEs with fixed steps; DDIM is Euler in x/alpha against sigma/alpha."""
# pyright: reportMissingImports=false

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.by_hand import plain_field, straight, vp_flow_and_divergence
from benchmarks.problem import DENSITY, LAWS, START, density_points, log_density, vp

NAME = "diffrax"


def _run(solver, field, law, nodes, start):
    """dx/dnode = field(law, x, node) along the given nodes."""
    controller, n = diffrax.StepTo(jnp.asarray(nodes, jnp.float32)), len(nodes)
    law = jax.tree.map(jnp.asarray, LAWS[law])

    @jax.jit
    def solve(law, x):
        term = diffrax.ODETerm(lambda t, y, law: field(law, y, t))
        return diffrax.diffeqsolve(
            term,
            solver,
            t0=float(nodes[0]),
            t1=float(nodes[-1]),
            dt0=None,
            y0=x,
            args=law,
            stepsize_controller=controller,
            max_steps=n,
            adjoint=diffrax.ForwardMode(),
        ).ys[-1]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]

    x = jnp.asarray(start, jnp.float32)
    return lambda: solve(law, x).block_until_ready()


def _noise(law, x, sigma):
    return (x - plain_field(law, x, 1.0, sigma)) / sigma


def ddim(law, n):
    alpha, sigma = vp(np.linspace(1, 0, n + 1))
    return _run(diffrax.Euler(), _noise, law, sigma / alpha, START / alpha[0])


def flow(law, n):
    velocity = lambda law, x, t: (x - plain_field(law, x, *straight(t))) / t
    return _run(diffrax.Euler(), velocity, law, np.linspace(1, 0, n + 1), START)


def likelihood(tolerance=1e-6):
    """Tsit5 with the exact trace, one step size for all points or one for each."""
    law, x = jax.tree.map(jnp.asarray, DENSITY), jnp.asarray(density_points())
    term = diffrax.ODETerm(lambda t, state, law: vp_flow_and_divergence(law, state[0], t))

    def solve(law, x):
        return diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            t0=0.0,
            t1=1.0,
            dt0=0.01,
            y0=(x, jnp.zeros(len(x))),
            args=law,
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            adjoint=diffrax.ForwardMode(),
        ).ys

    def run(solve):
        def whole():
            end, gained = (np.asarray(v[-1], np.float64) for v in solve(law, x))  # pyright: ignore[reportOptionalIterable]
            return log_density(end.reshape(-1, 2), *vp(1.0)) + gained.ravel()

        return whole

    single = jax.jit(lambda law, x: [v[:, -1] for v in jax.vmap(solve, (None, 0))(law, x[:, None])])  # pyright: ignore
    return {
        f"diffrax, Tsit5, rtol {tolerance:g}": run(jax.jit(solve)),
        f"diffrax, Tsit5, rtol {tolerance:g}, vmap": run(
            lambda law, x: [v[None] for v in single(law, x)]
        ),
    }
