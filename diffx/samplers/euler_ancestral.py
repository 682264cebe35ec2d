"""Euler's method down to sigma_down, then fresh noise sigma_up: DDIM with noise."""

from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers.ddim import ddim
from diffx.samplers.protocol import Sampler


def euler_ancestral(process: Process, denoise: Denoiser, *, eta: Scalar = 1.0) -> Sampler:
    """y_s = y + (r_down - r_t) eps + r_up z: DDIM with noise eta.

    At eta = 1 it is DDPM with beta-tilde. See `ddim_eta_step`.

    Raises: ValueError for eta outside [0, 1]: above 1 sigma_up would exceed sigma.
    Source: k-diffusion, sampling.py, sample_euler_ancestral; the identity is derived here.
    Also called: Euler a, k-diffusion sample_euler_ancestral, diffusers
        EulerAncestralDiscreteScheduler.
    Claims: REV-33, REV-34, REV-35.

    >>> sampler = diffx.samplers.euler_ancestral(process, denoise)
    """
    return ddim(process, denoise, eta=eta)
