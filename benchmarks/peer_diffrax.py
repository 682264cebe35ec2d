"""diffrax: the same ODEs with fixed steps; DDIM is Euler in x/alpha against sigma/alpha."""
# pyright: reportMissingImports=false

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.by_hand import plain_field, straight
from benchmarks.problem import LAWS, START, vp

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
