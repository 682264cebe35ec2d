"""Exact log-densities, in nats, of what a process makes of data: a mixture of Gaussians, one
component where it is Gaussian.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import diffx
from spec_tests.vectors.plain import EDM, FLOW, VP, process_of

LINE = {"weights": [0.35, 0.65], "means": [[-0.9], [0.8]], "covs": [[[0.3]], [[0.1]]]}
PLANE = {"weights": [1.0], "means": [[0.6, -0.4]], "covs": [[[1.3, 0.5], [0.5, 0.5]]]}
POINTS = {
    1: [[-3.0], [-0.9], [0.0], [0.8], [2.5]],
    2: [[0.6, -0.4], [0.0, 0.0], [2.0, 1.0], [-1.0, 1.5]],
}


def cases() -> Iterator[dict]:
    for data in (LINE, PLANE):
        for spec, t in ((VP, 0.0), (VP, 0.3), (FLOW, 0.5), (EDM, 0.02)):
            xs = POINTS[len(data["means"][0])]
            log_prob = jax.jit(lambda p, t, x, law: diffx.marginal(p, law, t).log_prob(x))
            values = log_prob(
                process_of(spec), jnp.float64(t), jnp.array(xs, jnp.float64), _law(data)
            )
            yield {
                "checked": False,
                "process": spec,
                "data": data,
                "t": t,
                "x": xs,
                "log_prob": values,
            }


def _law(data: dict) -> Any:
    return diffx.MixtureLaw(
        *(jnp.array(data[key], jnp.float64) for key in ("weights", "means", "covs"))
    )
