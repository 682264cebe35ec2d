"""The exact solution of the reverse family on Gaussian data: the limit of every sampler.

It is the yardstick of error budgets.
"""

from jaxtyping import Array

from diffx import _arguments
from diffx._types import Scalar
from diffx.denoisers import gaussian_denoise
from diffx.laws.covariance import Covariance, apply_to_eigenvalues, diagonalise
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.processes.protocol import Process
from diffx.reverse import gaussian_step
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def exact_flow_step(
    x: Array, t: Array, s: Array, *, process: Process, law: tuple[Array, Covariance]
) -> tuple[Array, Array]:
    """x_s = alpha_s m + gain (x - alpha_t m) along every eigenvector of the data.

    It is exact at any step size. See `diffx.reverse.gaussian_step`.

    Units: law (m, C), C diagonalised.
    Source: as for `diffx.reverse.gaussian_step`.
    Also called: exact probability flow of a Gaussian.
    Claims: REV-02.
    """
    mean, cov = law
    away = apply_to_eigenvalues(
        cov, x - process.alpha(t) * mean, lambda v: gaussian_step(process, v, t, s).gain
    )
    return process.alpha(s) * mean + away, gaussian_denoise(process, law, x, t)


@step
def exact_flow_eta_step(
    x: Array,
    t: Array,
    s: Array,
    z: Array,
    *,
    process: Process,
    law: tuple[Array, Covariance],
    eta: Scalar,
) -> tuple[Array, Array]:
    """x_s = alpha_s m + gain (x - alpha_t m) + sigma z: the same with diffusion eta g.

    See `diffx.reverse.gaussian_step`.

    Units: law (m, C), C diagonalised.
    Source: as for `diffx.reverse.gaussian_step`.
    Also called: exact reverse SDE of a Gaussian.
    Claims: REV-03.
    """
    mean, cov = law
    along = lambda v: gaussian_step(process, v, t, s, eta=eta)
    away = apply_to_eigenvalues(cov, x - process.alpha(t) * mean, lambda v: along(v).gain)
    noise = apply_to_eigenvalues(cov, z, lambda v: along(v).sigma)
    return process.alpha(s) * mean + away + noise, gaussian_denoise(process, law, x, t)


def exact_flow(process: Process, law: GaussianLaw, *, eta: Scalar | None = None) -> Sampler:
    """The probability flow, or the SDE with diffusion eta g, solved exactly for Gaussian data.

    One step over any distance is exact; eta = 1 is the reverse SDE, eta=None the flow.

    Domain: eta >= 0.
    Raises: TypeError unless law is a GaussianLaw.
    Source: as for `diffx.reverse.gaussian_step`.
    Also called: exact sampler, analytic sampler, closed-form flow.
    Claims: REV-02, REV-03, REV-23, REV-24, FM-05.

    >>> sampler = diffx.samplers.exact_flow(process, law)
    """
    require_gaussian(law, "exact_flow")
    prepared = (law.mean, diagonalise(law.cov))
    if eta is None:
        return sampler_of_step(exact_flow_step, process=process, law=prepared)
    _arguments.not_negative(eta=eta)
    return sampler_of_step(exact_flow_eta_step, process=process, law=prepared, eta=eta)
