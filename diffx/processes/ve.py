"""Variance exploding."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Floats, Scalar
from diffx.processes._increments import finite_increment, fixed_where, with_infinite_increment
from diffx.processes._variance_preserving import vp_log_snr_step
from diffx.processes.protocol import f_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class VE:
    """alpha = 1, sigma^2 = sigma_min^2 ((sigma_max/sigma_min)^(2t) - 1): variance exploding.

    f = 0, g^2 = 2 log(r) sigma_min^2 r^(2t), r = sigma_max/sigma_min. The -1 makes sigma(0) = 0:
    without it the kernel is not the solution of the SDE started at x_0.

    Units: sigma in data units.
    Domain: t in [0, 1], 0 < sigma_min < sigma_max.
    Source: Song et al. 2021, arXiv:2011.13456, eqs. (9), (29).
    Also called: VE SDE, VESDE, NCSN, geometric noise schedule.
    Claims: FWD-01, FWD-02, FWD-03, FWD-04, FWD-05, FWD-09, FWD-15, NUM-02, NUM-10.

    >>> float(diffx.VE().sigma(0.0))
    0.0
    """

    sigma_min: Scalar = 0.01
    sigma_max: Scalar = 50.0

    variance_preserving = False
    pure_noise_at_1 = False
    finite_rates_at_0 = False
    finite_rates_at_1 = True
    f, log_snr = f_of_path, log_snr_of_path

    def __post_init__(self) -> None:
        _arguments.positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        if _arguments.is_concrete(self.sigma_min, self.sigma_max):
            _arguments.require(
                self.sigma_max > self.sigma_min,
                f"sigma_max must exceed sigma_min, got sigma_min={self.sigma_min} and "
                f"sigma_max={self.sigma_max}",
            )

    def _growth(self, t: Array) -> Array:
        return 2 * jnp.log(self.sigma_max / self.sigma_min) * t

    def alpha(self, t: Any) -> Floats:
        return jnp.ones_like(_arguments.times(t))

    def sigma(self, t: Any) -> Floats:
        t = _arguments.times(t)
        steady = fixed_where(self, t == 0)
        return steady.sigma_min * jnp.sqrt(jnp.expm1(steady._growth(t)))

    def g(self, t: Any) -> Floats:
        """g written out for t = 0, where sigma is 0 and sigma' infinite."""
        growth = self._growth(_arguments.times(t))
        return (
            self.sigma_min
            * jnp.exp(growth / 2)
            * jnp.sqrt(2 * jnp.log(self.sigma_max / self.sigma_min))
        )

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = finite_increment(self, t, s)
        return with_infinite_increment(whole, vp_log_snr_step(self._growth(s), self._growth(t - s)))

    def time_of_log_snr(self, l: Any) -> Floats:
        l = _arguments.log_snrs(l)
        growth = jax.nn.softplus(-l - 2 * jnp.log(self.sigma_min))  # log(1 + sigma^2/sigma_min^2)
        return growth / (2 * jnp.log(self.sigma_max / self.sigma_min))
