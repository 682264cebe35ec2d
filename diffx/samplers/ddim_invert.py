"""DDIM run upwards: from a data point to the noise that DDIM brings back near it."""

from typing import Any

import jax
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Scalar
from diffx.processes.protocol import Process
from diffx.samplers._exponential import ddim_update


def ddim_inversion_step(
    x: Array, t: Scalar, s: Scalar, *, process: Process, denoise: Denoiser
) -> Array:
    """x_s = alpha_s x0 + sigma_s eps at a later time s >= t, with x0 and eps predicted at t.

    It is the formula of DDIM, upwards.

    Domain: sigma(t) > 0.
    Source: Song, Meng and Ermon 2021, arXiv:2010.02502, section 5.4 (eq. (14) reversed).
    Also called: DDIM inversion, DDIM encoding.
    Claims: REV-18.
    """
    return ddim_update(process, x, _arguments.answer(denoise, x, t), t, s).astype(x.dtype)


def ddim_invert(process: Process, denoise: Denoiser, x: Array, ts: Array) -> Array:
    """x at the time ts[-1] taken up to ts[0] by `ddim_inversion_step`, ts read backwards.

    `fold(ddim(process, denoise), ddim_invert(process, denoise, x, ts), ts)` comes back near x: on
    Gaussian data it multiplies the deviation from the mean by prod cos^2 of DDIM's angles, never by
    more than 1. Jitted.

    Units: x any shape, data units; ts (N + 1,), decreasing, as for `fold`; the result has the shape
        and dtype of x.
    Raises: ValueError where sigma(ts[-1]) = 0: data without noise do not determine eps.
    Source: Song, Meng and Ermon 2021, arXiv:2010.02502, section 5.4.
    Also called: DDIM inversion, DDIM encoding, image inversion, diffusers DDIMInverseScheduler.
    Claims: REV-18.
    """
    x, ts, denoise = _arguments.floats("x", x), _arguments.grid(ts), as_pytree(denoise)
    _arguments.require_that(lambda sigma, t: sigma > 0, _no_noise, process.sigma(ts[-1]), ts[-1])
    return _invert(process, denoise, x, ts)


def _no_noise(sigma: Any, t: Any) -> str:
    return (
        f"at ts[-1] = {t} sigma is 0 and x does not tell eps; end the grid above 0, for example "
        "at t = 1e-3"
    )


@jax.jit
def _invert(process: Process, denoise: Denoiser, x: Array, ts: Array) -> Array:
    up = lambda x, times: (ddim_inversion_step(x, *times, process=process, denoise=denoise), None)
    return jax.lax.scan(up, x, (ts[::-1][:-1], ts[::-1][1:]))[0]
