"""The reverse SDE with its linear part solved exactly, and the score held fixed over the step.

x_s = (alpha_s/alpha_t) x + [alpha_s int_s^t g^2/alpha du] score + noise of variance
(alpha_s/alpha_t)^2 sigma_{t|s}^2. Three methods differ in what is held fixed: the score (here), eps
(`sde_dpm_solver`), or x0 (`ddpm`).
"""

from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser
from diffx.predictions import score_of_x0
from diffx.processes.protocol import Process, transition
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def exponential_sde_step(
    x: Array, t: Array, s: Array, z: Array, *, process: Process, denoise: Denoiser
) -> tuple[Array, Array]:
    """x_s = (x + 2 (1 - a) score + sigma_{t|s} z)/a, a = alpha_t/alpha_s: the score held fixed.

    It holds for alpha^2 + sigma^2 = 1.

    Domain: alpha(t) > 0, sigma(t) > 0.
    Source: the exponential integrator of Pierret and Galerne 2024, arXiv:2405.14250.
    Also called: exponential integrator step.
    Claims: REV-33, REV-34, REV-35, REV-42.
    """
    x0 = denoise(x, t)
    score = score_of_x0(process, x, x0, t)
    gone = transition(process, t, s)
    # 1 - a, as (1 - a^2)/(1 + a): 1 - a loses 3 digits at 1000 steps
    lost = gone.sigma**2 / (1 + gone.alpha)
    return (x + 2 * lost * score) / gone.alpha + gone.sigma / gone.alpha * z, x0


def exponential_sde(process: Process, denoise: Denoiser) -> Sampler:
    """The exponential integrator of the reverse SDE with the score held fixed.

    See `exponential_sde_step`. For alpha = 1 (VE, EDM) it would be `ddpm_beta`; for any process
    `sde_dpm_solver` holds eps fixed and `ddpm` x0.

    Raises: ValueError unless alpha^2 + sigma^2 = 1: for other processes int g^2/alpha has no one
        form.
    Source: the exponential integrator of Pierret and Galerne 2024, arXiv:2405.14250.
    Also called: exponential integrator, EI scheme of the reverse SDE.
    Claims: REV-33, REV-34, REV-35, REV-42.

    >>> sampler = diffx.samplers.exponential_sde(process, denoise)
    """
    _arguments.require(
        process.variance_preserving,
        "exponential_sde needs a process with alpha^2 + sigma^2 = 1, which "
        f"{type(process).__name__} is not; "
        "use sde_dpm_solver, which holds eps fixed, or ddpm, which holds x0 fixed",
    )
    return sampler_of_step(exponential_sde_step, process=process, denoise=denoise)
