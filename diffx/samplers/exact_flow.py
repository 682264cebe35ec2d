r"""The exact solution of the reverse family on Gaussian data: the limit of every sampler, and the yardstick of budgets."""

from typing import Any

from jaxtyping import Array

from diffx import _arguments
from diffx._types import Scalar
from diffx.denoisers import gaussian_denoise
from diffx.laws.covariance import Covariance, apply_to_eigenvalues, diagonalise
from diffx.laws.gaussian import GaussianLaw
from diffx.processes.protocol import Process
from diffx.reverse import gaussian_step
from diffx.samplers.protocol import Info, Sampler, State, one_step


def exact_flow_step(
    state: State, t: Scalar, s: Scalar, z: Any = None, *, process: Process, law: tuple[Array, Covariance], eta: Scalar
) -> tuple[State, Info]:
    r"""x_s = alpha_s m + gain (x - alpha_t m) + sigma z along every eigenvector of the data: exact at any step size.

    law: (m, C), C diagonalised.  See `diffx.reverse.gaussian_step`, its source too.  Claims: REV-02, REV-03.
    """
    t, s = _arguments.step_times(t, s)
    mean, cov = law
    moved = apply_to_eigenvalues(
        cov, state.x - process.alpha(t) * mean, lambda v: gaussian_step(process, v, t, s, eta=eta).gain
    )
    x = process.alpha(s) * mean + moved
    if z is not None:
        x = x + apply_to_eigenvalues(cov, z, lambda v: gaussian_step(process, v, t, s, eta=eta).sigma)
    return State(x.astype(state.x.dtype)), Info(gaussian_denoise(process, law, state.x, t))


def exact_flow(process: Process, law: GaussianLaw, *, eta: Scalar | None = None) -> Sampler:
    r"""The probability flow, or for a given eta >= 0 the SDE with diffusion eta g, solved exactly for Gaussian data.

    One step over any distance is exact; eta = 1 is the reverse SDE.  Raises TypeError unless law is a GaussianLaw.
    Claims: REV-02, REV-03, REV-23, REV-24, FM-05.
    """
    if not isinstance(law, GaussianLaw):
        raise TypeError(f"exact_flow is a closed form for a GaussianLaw, got {type(law).__name__}")
    if eta is not None:
        _arguments.not_negative(eta=eta)
    parameters = {"process": process, "law": (law.mean, diagonalise(law.cov))}
    return one_step(exact_flow_step, stochastic=eta is not None, eta=0.0 if eta is None else eta, **parameters)
