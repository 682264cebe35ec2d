"""Times of sampling, from noise to data."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.vectors.plain import EDM, VP, process_of


def cases() -> Iterator[dict]:
    for ends in ({"t_max": 1.0, "t_min": 0.0}, {"t_max": 0.99, "t_min": 0.01}):
        yield _case("uniform", {"n": 7, **ends})
    for name in ("leading", "trailing", "linspace"):
        for n in (7, 30):  # do not divide 1000
            case = _case(name, {"n": n, "n_train": 1000})
            yield {**case, "node": np.round(np.asarray(case["t"]) * 1000).astype(int)}
    for spec, n, low, high in ((EDM, 7, 0.002, 80.0), (EDM, 30, 0.01, 50.0), (VP, 7, 0.03, 14.6)):
        case = _case(
            "karras", {"process": spec, "n": n, "sigma_min": low, "sigma_max": high, "rho": 7.0}
        )
        yield {
            **case,
            "sigma_over_alpha": jax.jit(lambda p, t: p.sigma(t) / p.alpha(t))(
                process_of(spec), case["t"]
            ),
        }


def _case(name: str, parameters: dict) -> dict[str, Any]:
    counts = {key: value for key, value in parameters.items() if isinstance(value, int)}
    numbers = {
        key: jnp.float64(value) for key, value in parameters.items() if isinstance(value, float)
    }
    process = {"process": process_of(parameters["process"])} if "process" in parameters else {}
    make = jax.jit(partial(getattr(diffx.grids, name), **counts))
    return {
        "checked": True,
        "grid": name,
        "parameters": parameters,
        "t": make(**process, **numbers),
    }
