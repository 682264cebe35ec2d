"""The discrete chain of DDPM as a process, t = i/T."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import with_fields
from diffx._types import Floats
from diffx.processes._increments import finite_increment, with_infinite_increment
from diffx.processes._variance_preserving import vp_log_snr_step, vp_sigma
from diffx.processes.betas import require_betas
from diffx.processes.protocol import g_of_path, gaussian_path, log_snr_of_path


@gaussian_path
class DDPMChain:
    """The chain with variances beta_1..beta_T: B(i/T) = -sum_{j <= i} log(1 - beta_j).

    It is exact at its nodes. Between two nodes B grows linearly, so that f = -rate/2 and g^2 = rate
    with rate = -T log(1 - beta_i). A last beta of 1 (zero terminal SNR) makes every time after (T -
    1)/T pure noise.

    Units: betas (T,), 1.
    Raises: ValueError for betas outside (0, 1).
    Source: Ho et al. 2020, arXiv:2006.11239, eqs. (2), (4).
    Also called: DDPM, discrete-time diffusion, noise schedule from betas, trained_betas,
        DiscreteSchedule.
    Claims: FWD-10, FWD-11, FWD-18, NUM-09, NUM-10, LIT-01.

    >>> chain = diffx.DDPMChain(diffx.processes.linear_betas(1000))
    """

    betas: Array

    variance_preserving = True
    finite_rates_at_0 = False
    g, log_snr = g_of_path, log_snr_of_path

    def __post_init__(self) -> None:
        with_fields(self, betas=require_betas(self.betas))

    @property
    def pure_noise_at_1(self) -> Any:
        """The last beta is 1: a bool, or a traced one where the betas are traced."""
        return self._last_beta() == 1

    @property
    def finite_rates_at_1(self) -> Any:
        return self._last_beta() != 1

    def _last_beta(self) -> Any:
        return (np.asarray(self.betas) if _arguments.is_concrete(self.betas) else self.betas)[-1]

    def _gains(self, dtype: Any) -> Array:
        return -jnp.log1p(-self.betas).astype(dtype)  # the growth of B over each link

    def _place(self, t: Array) -> Array:
        """t in links.

        A time that rounding moved off a node goes back: 999/1000 * 1000 must not enter the last
        link.
        """
        place = t * self.betas.shape[0]
        node = jnp.round(place)
        near = jnp.abs(place - node) <= 4 * jnp.finfo(t.dtype).eps * node
        return place + jnp.where(near, jax.lax.stop_gradient(node - place), 0)

    def _growth(self, t: Array, s: Array) -> Array:
        """B(t) - B(s), summed over the links between.

        The difference of two sums of 10 would lose 3 digits of float32.
        """
        links = jnp.arange(self.betas.shape[0], dtype=t.dtype)
        share = _passed(self._place(t)[..., None] - links) - _passed(
            self._place(s)[..., None] - links
        )
        # the last gain may be infinite
        return (share * jnp.where(share > 0, self._gains(t.dtype), 0)).sum(-1)

    def _integral(self, t: Array) -> Array:
        return self._growth(t, jnp.zeros_like(t))

    def _rate(self, t: Array) -> Array:
        link = jnp.ceil(self._place(t)).astype(int) - 1  # the link that ends at t
        return self.betas.shape[0] * self._gains(t.dtype)[jnp.maximum(link, 0)]

    def alpha(self, t: Any) -> Floats:
        return jnp.exp(-self._integral(_arguments.times(t)) / 2)

    def sigma(self, t: Any) -> Floats:
        return vp_sigma(self._integral(_arguments.times(t)))

    def f(self, t: Any) -> Floats:
        """-rate/2 of the link that ends at t.

        At t = 0 it is that of the first link, where alpha' is 0; -inf where alpha is 0.
        """
        return -self._rate(_arguments.times(t)) / 2

    def log_snr_step(self, t: Any, s: Any) -> Floats:
        t, s, whole = finite_increment(self, t, s)
        return with_infinite_increment(
            whole, vp_log_snr_step(self._integral(s), self._growth(t, s))
        )

    def time_of_log_snr(self, l: Any) -> Floats:
        l = _arguments.log_snrs(l)
        b, gains = jax.nn.softplus(-l)[..., None], self._gains(l.dtype)
        before = jnp.concatenate([jnp.zeros_like(gains[:1]), jnp.cumsum(gains[:-1])])
        t = jnp.clip((b - before) / gains, 0, 1).sum(-1) / gains.shape[0]
        return jnp.where(l == -jnp.inf, 1, t)


def _passed(place: Array) -> Array:
    """The share of a link [0, 1] that lies before `place`.

    Its derivative at a node is that of the link that ends there.
    """
    return jnp.where(place > 0, jnp.where(place <= 1, place, 1), 0)
