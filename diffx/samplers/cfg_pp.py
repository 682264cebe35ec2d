r"""CFG++: guide the answer, and keep the noise of the unconditional one.     Chung et al. 2025,
arXiv:2406.08070.
"""

from jaxtyping import Array

from diffx import _arguments
from diffx._types import Denoiser, Scalar
from diffx.guidance.combine import cfg
from diffx.processes.protocol import Process
from diffx.samplers.protocol import Sampler, sampler_of_step, step


@step
def cfg_pp_step(
    x: Array, t: Array, s: Array, *, process: Process, cond: Denoiser, uncond: Denoiser, w: Scalar
) -> tuple[Array, Array]:
    r"""x_s = alpha_s D_w + sigma_s eps_u, D_w = D_u + w (D_c - D_u), eps_u = (x - alpha_t
    D_u)/sigma_t.

    Of one step it is `ddim` with `guide` of weight w/(1 - e^-h), h = lambda_s - lambda_t: derived
    here.
    Source: Chung et al. 2025, arXiv:2406.08070.  Two denoisers a step; info.x0 is D_w.
    Domain: sigma(t) > 0.  Claims: CFG-20.
    """
    d_u = uncond(x, t)
    d_w = cfg(cond(x, t), d_u, w=w)
    eps_u = (x - process.alpha(t) * d_u) / process.sigma(t)
    return process.alpha(s) * d_w + process.sigma(s) * eps_u, d_w


def cfg_pp(process: Process, cond: Denoiser, uncond: Denoiser, *, w: Scalar) -> Sampler:
    r"""The CFG++ sampler of two denoisers. See `cfg_pp_step`.

    cond, uncond: (x, t) -> x0; a negative prompt is another uncond.  w: lambda in the paper, from 0
    (DDIM on uncond) to
    1. Every step pulls by w once more, however small it is: w has no meaning apart from the grid,
       and on finer grids
    the guided mean leaves the data in proportion to the number of steps, and the variance is
    exponential in it. `ddim` with `guide` has a limit.
    Raises TypeError unless both denoisers are callable, ValueError for a w that is not one finite
    number.
    Also called: manifold-constrained classifier-free guidance, cfgpp.  Claims: CFG-20, CFG-21,
    CFG-22.
    """
    return sampler_of_step(
        cfg_pp_step, process=process, cond=cond, uncond=uncond, w=_arguments.number("w", w)
    )
