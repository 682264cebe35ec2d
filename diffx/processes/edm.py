"""Variance exploding with sigma proportional to time."""

from typing import Any

import jax.numpy as jnp

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, with_infinite_increment
from diffx.processes.protocol import f_of_path, g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class EDM:
    """alpha = 1, sigma = sigma_max t; f = 0, g^2 = 2 sigma_max^2 t.

    Karras' own time is sigma = sigma_max t.

    Units: sigma in data units.
    Domain: t in [0, 1], sigma_max > 0.
    Source: Karras et al. 2022, arXiv:2206.00364, Table 1.
    Also called: EDM, Karras et al. parametrisation, sigma as time, variance exploding, VE.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, NUM-02, NUM-10.

    >>> float(diffx.EDM(sigma_max=80.0).sigma(0.5))
    40.0
    """

    sigma_max: Scalar = 80.0

    variance_preserving = False
    pure_noise_at_1 = False
    finite_rates_at_0 = True
    finite_rates_at_1 = True
    f, g, log_snr = f_of_path, g_of_path, log_snr_of_path

    def __post_init__(self) -> None:
        _arguments.positive(sigma_max=self.sigma_max)

    def alpha(self, t: Any) -> Floats:
        return jnp.ones_like(_arguments.times(t))

    def sigma(self, t: Any) -> Floats:
        return self.sigma_max * _arguments.times(t)

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = finite_increment(self, t, s)
        return with_infinite_increment(whole, -2 * jnp.log1p((t - s) / s))

    def time_of_log_snr(self, l: Any) -> Floats:
        return jnp.exp(-_arguments.log_snrs(l) / 2) / self.sigma_max
