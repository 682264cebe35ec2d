"""alphas_cumprod of the discrete chain at chosen nodes."""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

import diffx
from spec_tests.vectors.plain import COSINE_CHAIN, LINEAR, SCALED_LINEAR, betas_of

NODES = [1, 2, 10, 100, 250, 500, 501, 750, 999, 1000]


def cases() -> Iterator[dict]:
    zero = {"zero_terminal_snr": True}
    for spec in (
        LINEAR,
        {**LINEAR, **zero},
        SCALED_LINEAR,
        {**SCALED_LINEAR, **zero},
        COSINE_CHAIN,
    ):
        bars = jax.jit(diffx.processes.alpha_bar)(jax.jit(partial(betas_of, spec))())
        checked = spec["betas"] != "cosine" and "zero_terminal_snr" not in spec
        yield {
            "checked": checked,
            "chain": spec,
            "node": NODES,
            "alphas_cumprod": np.asarray(bars)[np.array(NODES) - 1],
        }
