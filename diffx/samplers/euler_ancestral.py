r"""Euler's method down to sigma_down, then fresh noise sigma_up: DDIM with noise."""

from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers.ddim import ddim
from diffx.samplers.protocol import Sampler


def euler_ancestral(process: Process, denoise: Denoiser, *, eta: Scalar = 1.0) -> Sampler:
    r"""y_s = y + (r_down - r_t) eps + r_up z: this is DDIM with noise eta, and at eta = 1 DDPM with
    beta-tilde.

    Source: k-diffusion, sampling.py, sample_euler_ancestral; the identity: derived here.  See
    `ddim_eta_step`. Raises ValueError for eta outside [0, 1]: above 1 sigma_up would exceed sigma.
    Claims: REV-33, REV-34, REV-35.
    """
    return ddim(process, denoise, eta=eta)
