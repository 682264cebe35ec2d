"""scipy: solve_ivp with a compiled drift, as score-based libraries evaluate likelihoods."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.by_hand import vp_flow_and_divergence
from benchmarks.problem import DENSITY, density_points, log_density, vp

NAME = "scipy"


def likelihood(tolerance=1e-6):
    law, x = jax.tree.map(jnp.asarray, DENSITY), density_points()
    n = len(x)

    @jax.jit
    def drift(law, t, state):
        u, divergence = vp_flow_and_divergence(law, state[: 2 * n].reshape(n, 2), t)
        return jnp.concatenate([u.ravel(), divergence])

    begin = np.concatenate([x.ravel(), np.zeros(n, np.float32)])

    def run():
        step = lambda t, state: np.asarray(
            drift(law, np.float32(t), state.astype(np.float32)), np.float64
        )
        end = solve_ivp(step, (0.0, 1.0), begin, method="RK45", rtol=tolerance, atol=tolerance).y[
            :, -1
        ]
        return log_density(end[: 2 * n].reshape(n, 2), *vp(1.0)) + end[2 * n :]

    return {f"scipy, RK45, rtol {tolerance:g}": run}
