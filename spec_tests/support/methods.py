"""Every method of sampling with its order: what the tests and the demos of orders go through.

A new method that solves the probability flow is one more line here. Functions, so that nothing is
built at import.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import diffx


class Method(NamedTuple):
    """make: (process, denoise) -> Sampler.  start: the exact points that it needs to show its order
    from the first step.
    """

    make: Callable
    order: int
    evaluations: int = 1  # a step
    start: int = 0


# Methods that see nothing of a process but log(alpha/sigma): on one grid of log-SNRs they are one
# map for all processes.
EXPONENTIAL: dict[str, Method] = {
    "DDIM": Method(diffx.ddim, 1),
    "DPM-Solver-2": Method(partial(diffx.samplers.dpm_solver, order=2), 2, evaluations=2),
    "DPM-Solver-3": Method(partial(diffx.samplers.dpm_solver, order=3), 3, evaluations=3),
    "DPM-Solver++(2S)": Method(
        partial(diffx.samplers.dpm_solver_pp_single, order=2), 2, evaluations=2
    ),
    "DPM-Solver++(3S)": Method(
        partial(diffx.samplers.dpm_solver_pp_single, order=3), 3, evaluations=3
    ),
    "DPM-Solver++(2M)": Method(partial(diffx.dpm_solver_pp, order=2), 2, start=1),
    "DPM-Solver++(3M)": Method(partial(diffx.dpm_solver_pp, order=3), 3, start=2),
    "DEIS-2": Method(partial(diffx.samplers.deis, order=2), 2, start=1),
    "DEIS-3": Method(partial(diffx.samplers.deis, order=3), 3, start=2),
    "DEIS-4": Method(partial(diffx.samplers.deis, order=4), 4, start=3),
    "UniPC-1": Method(partial(diffx.unipc, order=1), 2),
    "UniPC-2": Method(partial(diffx.unipc, order=2), 3, start=2),
    "UniPC-3": Method(partial(diffx.unipc, order=3), 4, start=3),
    "UniPC-1 (bh1)": Method(partial(diffx.samplers.unipc_bh1, order=1), 2),
    "UniPC-2 (bh1)": Method(partial(diffx.samplers.unipc_bh1, order=2), 3, start=2),
    "UniPC-3 (bh1)": Method(partial(diffx.samplers.unipc_bh1, order=3), 4, start=3),
    "LMS-2": Method(partial(diffx.samplers.lms, order=2), 2, start=1),
    "LMS-3": Method(partial(diffx.samplers.lms, order=3), 3, start=2),
    "LMS-4": Method(partial(diffx.samplers.lms, order=4), 4, start=3),
    "DPM-2 (ancestral, eta = 0)": Method(
        partial(diffx.samplers.dpm2_ancestral, eta=0.0), 2, evaluations=2
    ),
    "EDM Heun": Method(partial(diffx.samplers.edm_stochastic, gamma=0.0), 2, evaluations=2),
}
METHODS: dict[str, Method] = {
    **EXPONENTIAL,
    "Euler": Method(diffx.euler, 1),
    "Heun": Method(diffx.heun, 2, evaluations=2),
}
