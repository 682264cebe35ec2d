"""CFG++: the guided answer with the noise of the unconditional one."""

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
    """x_s = alpha_s D_w + sigma_s eps_u, D_w = D_u + w (D_c - D_u).

    eps_u = (x - alpha_t D_u)/sigma_t. In one step it is `ddim` with `guide` of weight w/(1 - e^-h),
    h = lambda_s - lambda_t: derived here. Two denoisers per step; info.x0 is D_w.

    Domain: sigma(t) > 0.
    Source: Chung et al. 2025, arXiv:2406.08070.
    Also called: CFG++, manifold-constrained classifier-free guidance, cfgpp.
    Claims: CFG-20.
    """
    d_u = uncond(x, t)
    d_w = cfg(cond(x, t), d_u, w=w)
    eps_u = (x - process.alpha(t) * d_u) / process.sigma(t)
    return process.alpha(s) * d_w + process.sigma(s) * eps_u, d_w


def cfg_pp(process: Process, cond: Denoiser, uncond: Denoiser, *, w: Scalar) -> Sampler:
    """The CFG++ sampler of two denoisers.

    See `cfg_pp_step`. Every step pulls by w once more, however small it is: w has no meaning apart
    from the grid. On finer grids the guided mean leaves the data in proportion to the number of
    steps, and the variance is exponential in it. `ddim` with `guide` has a limit.

    Units: cond and uncond denoisers (x, t) -> x0, where a negative prompt is another uncond; w a
        scalar, the lambda of the paper, from 0 (DDIM on uncond) to 1.
    Raises: TypeError unless both denoisers are callable; ValueError for a w that is not one finite
        number.
    Source: Chung et al. 2025, arXiv:2406.08070.
    Also called: CFG++, manifold-constrained classifier-free guidance, cfgpp.
    Claims: CFG-20, CFG-21, CFG-22.

    >>> sampler = diffx.samplers.cfg_pp(process, denoise, denoise, w=0.6)
    """
    return sampler_of_step(
        cfg_pp_step, process=process, cond=cond, uncond=uncond, w=_arguments.number("w", w)
    )
