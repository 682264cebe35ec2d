"""Targets of a student of fewer steps: progressive distillation, the consistency function."""

from jaxtyping import Array

from diffx import _arguments
from diffx._types import Scalar
from diffx.laws.covariance import apply_to_eigenvalues, diagonalise
from diffx.laws.gaussian import GaussianLaw, require_gaussian
from diffx.processes.protocol import Process
from diffx.reverse import gaussian_step


def progressive_target(process: Process, x: Array, x_s: Array, t: Scalar, s: Scalar) -> Array:
    """(x_s - (sigma_s/sigma_t) x)/(alpha_s - (sigma_s/sigma_t) alpha_t): x0 of one DDIM step.

    The x0 whose single DDIM step takes x from t to x_s, where the teacher arrived in several steps.

    Units: x and x_s of one shape, data units.
    Domain: sigma(t) > 0.
    Source: Salimans and Ho 2022, arXiv:2202.00512.
    Also called: progressive distillation, student target.
    Claims: REV-27.
    """
    x, x_s = _arguments.same_shape(x=x, x_s=x_s)
    t, s = _arguments.step_times(t, s)
    share = process.sigma(s) / process.sigma(t)
    return ((x_s - share * x) / (process.alpha(s) - share * process.alpha(t))).astype(x.dtype)


def consistency(process: Process, law: GaussianLaw, x: Array, t: Scalar) -> Array:
    """f(x, t) = m + sqrt(L/(alpha^2 L + sigma^2)) (x - alpha m) along each eigenvector.

    The data at the end of x's flow line: the same for all points of a line of the probability flow;
    f(x, 0) = x.

    Units: x (..., d), data units.
    Raises: TypeError unless law is a GaussianLaw.
    Source: Song et al. 2023, arXiv:2303.01469, for the notion; for Gaussians it is derived here.
    Also called: consistency function, consistency model, flow map to data.
    Claims: REV-28.
    """
    require_gaussian(law, "consistency")
    x, t = _arguments.events("x", x, law.mean.shape), _arguments.time(t)
    away = x - process.alpha(t) * law.mean
    return (
        law.mean
        + apply_to_eigenvalues(
            diagonalise(law.cov), away, lambda v: gaussian_step(process, v, t, 0.0).gain
        )
    ).astype(x.dtype)
