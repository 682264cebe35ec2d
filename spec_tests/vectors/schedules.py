"""alpha, sigma and log-SNR of continuous processes at given times."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp

from spec_tests.vectors.plain import COSINE, EDM, FLOW, VE, VP, process_of

TIMES = [0.0, 1e-4, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]


def cases() -> Iterator[dict]:
    ts = jnp.array(TIMES, jnp.float64)
    for spec in (
        VP,
        {**VP, "beta_min": 0.3, "beta_max": 12.0},
        COSINE,
        {**COSINE, "offset": 0.0},
        FLOW,
        EDM,
        VE,
    ):
        process = process_of(spec)
        values = jax.jit(
            lambda ts, p: {"alpha": p.alpha(ts), "sigma": p.sigma(ts), "log_snr": p.log_snr(ts)}
        )(ts, process)
        yield {"checked": True, "process": spec, "t": TIMES, **values}
