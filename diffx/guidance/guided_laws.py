"""The laws that guided samplers really sample from Gaussians, and the tilted law of folklore."""

import jax.numpy as jnp
import numpy as np

from diffx import _arguments
from diffx._types import Scalar
from diffx.guidance._commuting import commuting_pair, door, push_forward, turn_back
from diffx.guidance._integrals import expm1_over, flow_pull, log1p_over
from diffx.laws.gaussian import GaussianLaw
from diffx.processes.protocol import Process


def tilted_law(cond: GaussianLaw, uncond: GaussianLaw, *, w: Scalar) -> GaussianLaw:
    """p_c^w p_u^(1-w), normalised: precision P = w/L_c + (1 - w)/L_u.

    The mean is (w m_c/L_c + (1 - w) m_u/L_u)/P. The law is proper where P > 0: for L_c > L_u only
    below w = L_c/(L_c - L_u), for L_c < L_u only above it. Its score is the guided one at t = 0;
    guided samplers do not sample it, see `guided_flow_law` and `guided_sde_law`. Traced, an
    improper law is NaN.

    Domain: commuting covariances of full rank.
    Raises: ValueError where the law is improper or the covariances do not commute.
    Source: Bradley and Nakkiran 2024, arXiv:2408.09000, for the distinction; the boundary is
        derived here.
    Also called: gamma-powered distribution, sharpened distribution, tilted distribution of
        guidance.
    Claims: CFG-02, CFG-13, LIT-04.
    """
    pair, w = commuting_pair(cond, uncond, w)
    mixed = w * pair.v_u + (1 - w) * pair.v_c  # P_w L_c L_u
    _arguments.require_that(
        lambda mixed, *_: mixed > 0, _say_improper, mixed, w, pair.v_c, pair.v_u
    )
    mixed = jnp.where(mixed > 0, mixed, jnp.nan)
    mean = pair.m_u + w * pair.v_u / mixed * (pair.m_c - pair.m_u)
    return turn_back(pair, mean, pair.v_c * pair.v_u / mixed, cond.mean.dtype)


def _say_improper(mixed: np.ndarray, w: np.ndarray, v_c: np.ndarray, v_u: np.ndarray) -> str:
    i = int(np.argmin(mixed))
    l_c, l_u = float(v_c[i]), float(v_u[i])
    bound = l_c / (l_c - l_u) if l_c != l_u else np.nan
    return (
        f"p_c^w p_u^(1-w) has no finite integral at w = {w:g}: the precision w/L_c + (1 - w)/L_u "
        "must be positive, but along "
        f"direction {i} L_c = {l_c:g} and L_u = {l_u:g}; there w must stay "
        f"{'below' if l_c > l_u else 'above'} {bound:g}"
    )


def guided_flow_law(
    process: Process,
    cond: GaussianLaw,
    uncond: GaussianLaw,
    *,
    w: Scalar,
    start: GaussianLaw | None = None,
    t: Scalar = 1.0,
    s: Scalar = 0.0,
) -> GaussianLaw:
    """The law at time s of the guided probability flow: variance L_c^w L_u^(1-w) from alpha(1) = 0.

    Along every eigenvector x_s - alpha_s m_u = gain (x_t - alpha_t m_u) + alpha_s pull (m_c - m_u),
    with gain = (v_c(s)/v_c(t))^(w/2) (v_u(s)/v_u(t))^((1-w)/2), v = alpha^2 L + sigma^2. The
    variance from alpha(1) = 0 is a geometric mean; that of the tilted law is harmonic. The pull is
    (w/tanh y_s) int (cosh y/cosh y_s)^w dy from y_t to y_s, sinh^2 y = alpha^2 (L_u - L_c)/v_c, by
    64 Gauss nodes: to 1e-13 of its size for w y_s < 200. From alpha(1) = 0 it is w F((1-w)/2, 1;
    3/2; 1 - L_c/L_u), Gauss's 2F1.

    Units: start the law at time t, by default the marginal of cond.
    Domain: covariances of full rank, s < t, alpha(s) > 0.
    Raises: ValueError for covariances that do not commute.
    Source: Bradley and Nakkiran 2024, arXiv:2408.09000, for 2^(1-w); Xia et al. 2024,
        arXiv:2410.18737, for its mean; the general form is derived here.
    Also called: law of CFG with DDIM, guided DDIM distribution.
    Claims: CFG-03, CFG-05, CFG-11, CFG-17, LIT-04, LIT-05.
    """
    pair, way, w, start = door(process, cond, uncond, w, start, t, s)
    gain = way.ratio_c ** (w / 2) * way.ratio_u ** ((1 - w) / 2)
    return push_forward(pair, way, start, gain, flow_pull(way), jnp.zeros_like(gain))


def guided_sde_law(
    process: Process,
    cond: GaussianLaw,
    uncond: GaussianLaw,
    *,
    w: Scalar,
    start: GaussianLaw | None = None,
    t: Scalar = 1.0,
    s: Scalar = 0.0,
) -> GaussianLaw:
    """The law at time s of the guided reverse SDE: variance L_u (r - r^(2w))/((2w - 1)(1 - r)).

    r = L_c/L_u, and the start is where alpha(1) = 0; half the tilted variance as w grows. In
    general x_s - alpha_s m_u = gain (x_t - alpha_t m_u) + alpha_s pull (m_c - m_u) + noise along
    every eigenvector, with gain = (v_c(s)/v_c(t))^w (v_u(s)/v_u(t))^(1-w) alpha_t/alpha_s, v =
    alpha^2 L + sigma^2. From alpha(1) = 0 the pull is (1 - r^w)/(1 - r).

    Units: start the law at time t, by default the marginal of cond.
    Domain: covariances of full rank, s < t, alpha(s) > 0.
    Raises: ValueError for covariances that do not commute.
    Source: Bradley and Nakkiran 2024, arXiv:2408.09000, for (2 - 2^(2-2w))/(2w - 1); the general
        form is derived here.
    Also called: law of CFG with DDPM, guided DDPM distribution.
    Claims: CFG-04, LIT-04.
    """
    pair, way, w, start = door(process, cond, uncond, w, start, t, s)
    gain = way.ratio_c**w * way.ratio_u ** (1 - w) * way.alpha_t / way.alpha_s
    grown = way.gap * way.fresh / way.narrow  # v_narrow/v_wide at t, over that at s, less 1
    common = way.fresh * log1p_over(grown)
    pull = way.w * way.wide / way.narrow * common * expm1_over(-way.w * jnp.log1p(grown))
    noise = way.wide * common * expm1_over((1 - 2 * way.w) * jnp.log1p(grown))
    return push_forward(pair, way, start, gain, pull, noise)
