r"""Variants of guidance: an interval of times, rescaling, projection, a classifier's gradient,
label dropout.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from diffx import _arguments
from diffx._pytrees import as_pytree
from diffx._types import Denoiser, Points, Scalar
from diffx.guidance.combine import cfg
from diffx.processes.protocol import Process


def guide_interval(
    cond: Denoiser, uncond: Denoiser, *, w: Scalar, t_min: Scalar, t_max: Scalar
) -> Partial:
    r"""The denoiser uncond + w (cond - uncond) for t_min < t <= t_max, cond at all other times.

    t_min, t_max: scalar times; a step from t_max down to t_min, both on the grid, is guided. For an
    interval in log-SNR use `process.time_of_log_snr`.  Both denoisers are asked at all times.
    Returns a pytree.
    Source: Kynkaanniemi et al. 2024, arXiv:2404.07724.  Raises ValueError if t_max < t_min.
    Claims: CFG-11.
    """
    w, t_min, t_max = (
        _arguments.number("w", w),
        _arguments.time(t_min, "t_min"),
        _arguments.time(t_max, "t_max"),
    )
    upside_down = lambda a, b: (
        f"guidance acts from t_max (noisier) down to t_min, got t_min={a} and t_max={b}; swap them"
    )
    _arguments.require_that(lambda t_min, t_max: t_min <= t_max, upside_down, t_min, t_max)
    return Partial(_interval_guidance, as_pytree(cond), as_pytree(uncond), w, t_min, t_max)


def _interval_guidance(
    cond: Denoiser, uncond: Denoiser, w: Scalar, t_min: Array, t_max: Array, x: Array, t: Scalar
) -> Array:
    answer = cond(x, t)
    return jnp.where((t > t_min) & (t <= t_max), cfg(answer, uncond(x, t), w=w), answer)


def rescale(guided: Points, cond: Points, *, phi: Scalar, event_ndim: int) -> Points:
    r"""phi guided std(cond)/std(guided) + (1 - phi) guided, std over the event.

    guided, cond: predictions of one kind and shape, (*batch, *event).  phi: scalar in [0, 1].
    event_ndim: how many of the last axes make one event; the std of an event knows nothing of the
    batch.  Unlike `cfg` it depends on the kind of prediction.  Source: Lin et al. 2024,
    arXiv:2305.08891, eqs. (15), (16). Raises ValueError for unequal shapes, phi outside [0, 1] or
    other axes.  Domain: std(guided) > 0.  Claims: CFG-15.
    """
    guided, cond = _arguments.same_shape(guided=guided, cond=cond)
    _check_share("phi", phi)
    axes = _event_axes(guided, event_ndim)
    ratio = jnp.std(cond, axes, keepdims=True) / jnp.std(guided, axes, keepdims=True)
    return (phi * ratio * guided + (1 - phi) * guided).astype(guided.dtype)


def guide_rescaled(
    cond: Denoiser, uncond: Denoiser, *, w: Scalar, phi: Scalar, event_ndim: int
) -> Partial:
    r"""The denoiser `rescale` of uncond + w (cond - uncond), on predictions of x0.

    See `rescale`, its source too.  Returns a pytree.  Raises ValueError for phi outside [0, 1].
    Claims: CFG-15.
    """
    w, event = _arguments.number("w", w), _event(event_ndim)
    _check_share("phi", phi)
    return Partial(_rescale_guidance, as_pytree(cond), as_pytree(uncond), w, phi, event)


def _rescale_guidance(
    cond: Denoiser, uncond: Denoiser, w: Scalar, phi: Scalar, event: Any, x: Array, t: Scalar
) -> Array:
    answer = cond(x, t)
    return rescale(cfg(answer, uncond(x, t), w=w), answer, phi=phi, event_ndim=len(event))


def _check_share(name: str, share: Any) -> None:
    _arguments.number(name, share)
    _arguments.unit_interval(name, share, "0 changes nothing, 1 all")


def _event(event_ndim: int) -> tuple[None, ...]:
    """One None for each axis of an event: a number that a pytree holds in its structure, where jit
    does not trace it.
    """
    return (None,) * _arguments.count("event_ndim", event_ndim)


def _event_axes(x: Array, event_ndim: int) -> tuple[int, ...]:
    n = len(_event(event_ndim))
    _arguments.require(
        n <= x.ndim, f"an event of event_ndim={n} axes does not fit predictions of shape {x.shape}"
    )
    return tuple(range(-n, 0))


def apg(
    cond: Points,
    uncond: Points,
    *,
    w: Scalar,
    event_ndim: int,
    eta: Scalar = 0.0,
    radius: Scalar | None = None,
) -> Points:
    r"""cond + (w - 1) (d - (1 - eta) d_par): guidance without the part d_par of d = cond - uncond
    along cond.

    cond, uncond: predictions of x0 of one shape, (*batch, *event).  event_ndim: how many of the
    last axes make one event. eta: how much of d_par stays; eta = 1 is `cfg`.  radius: the largest
    norm of d, data units; None: any. Projected guidance of Sadat et al. 2024, arXiv:2410.02416,
    without its momentum, which would make a denoiser remember. Raises ValueError for unequal shapes
    or other axes.  Domain: cond not 0.  Claims: CFG-16.
    """
    cond, uncond = _arguments.same_shape(cond=cond, uncond=uncond)
    axes = _event_axes(cond, event_ndim)
    inner = lambda a, b: (a * b).sum(axes, keepdims=True)
    d = cond - uncond
    if radius is not None:
        _arguments.positive(radius=radius)
        d = d * jnp.minimum(1, radius / jnp.sqrt(inner(d, d)))
    parallel = inner(d, cond) / inner(cond, cond) * cond
    guided = cond + (_arguments.number("w", w) - 1) * (
        d - (1 - _arguments.number("eta", eta)) * parallel
    )
    return guided.astype(cond.dtype)


def guide_apg(
    cond: Denoiser,
    uncond: Denoiser,
    *,
    w: Scalar,
    event_ndim: int,
    eta: Scalar = 0.0,
    radius: Scalar | None = None,
) -> Partial:
    r"""The denoiser `apg` of two denoisers.  Returns a pytree.  Claims: CFG-16."""
    numbers = {
        "w": _arguments.number("w", w),
        "eta": _arguments.number("eta", eta),
        "radius": radius,
    }
    return Partial(_apg_guidance, as_pytree(cond), as_pytree(uncond), numbers, _event(event_ndim))


def _apg_guidance(
    cond: Denoiser, uncond: Denoiser, numbers: dict, event: Any, x: Array, t: Scalar
) -> Array:
    return apg(cond(x, t), uncond(x, t), event_ndim=len(event), **numbers)


def classifier_guidance(
    process: Process,
    denoise: Denoiser,
    log_classifier: Callable[[Array, Scalar], Array],
    *,
    w: Scalar,
) -> Partial:
    r"""The denoiser D + w (sigma^2/alpha) grad log p(c | x_t): the score of p(x_t) p(c | x_t)^w.

    log_classifier: (x, t) -> log p(c | x_t = x) in nats, of the noisy x, one number for each event
    (their sum is differentiated).  w = 1: the conditional denoiser, by Bayes; `guide` of it with
    weight w for every w.
    Source: Dhariwal and Nichol 2021, arXiv:2105.05233.  Domain: alpha(t) > 0.  Returns a pytree.
    Claims: CFG-14.
    """
    log_classifier = as_pytree(log_classifier, "log_classifier (x, t) -> log p(c | x_t)")
    return Partial(
        _classifier_denoiser, process, as_pytree(denoise), log_classifier, _arguments.number("w", w)
    )


def _classifier_denoiser(
    process: Process, denoise: Denoiser, log_classifier: Callable, w: Scalar, x: Array, t: Scalar
) -> Array:
    pull = jax.grad(lambda x: log_classifier(x, t).sum())(x)
    return (denoise(x, t) + w * process.sigma(t) ** 2 / process.alpha(t) * pull).astype(x.dtype)


def drop_labels(key: Array, labels: Array, *, null: Any, rate: Scalar) -> Array:
    r"""labels, each replaced by `null` with probability `rate`, independently along the first axis.

    The optimal network of the loss then answers `null` with the unconditional denoiser and every
    label with its conditional one, whatever the rate in (0, 1): the loss is rate L_uncond + (1 -
    rate) L_cond. labels: (n, ...), numbers or embeddings.  null: what stands for no label, of the
    shape of one label.
    Source: Ho and Salimans 2022, arXiv:2207.12598, Algorithm 1.  Raises ValueError for a rate
    outside [0, 1] or a null of another shape.  Claims: CFG-19.
    """
    labels, null = jnp.asarray(labels), jnp.asarray(null)
    _arguments.key(key)
    _check_share("rate", rate)
    _arguments.require(
        labels.ndim >= 1,
        "labels must have a leading axis, one entry for each example, got one number",
    )
    one = labels.shape[1:]
    _arguments.require(
        null.shape == one, f"null must have the shape of one label, {one}, got {null.shape}"
    )
    dropped = jax.random.bernoulli(key, rate, labels.shape[:1])
    return jnp.where(dropped.reshape(-1, *(1,) * len(one)), null.astype(labels.dtype), labels)
