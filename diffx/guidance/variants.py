"""Variants of guidance: intervals, rescaling, projection, a classifier, label dropout."""

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
    """The denoiser uncond + w (cond - uncond) for t_min < t <= t_max, cond at all other times.

    A step from t_max down to t_min, both on the grid, is guided. For an interval in log-SNR use
    `process.time_of_log_snr`. Both denoisers are called at all times. The result is a pytree.

    Units: t_min and t_max scalar times; w a scalar, 1.
    Raises: ValueError if t_max < t_min.
    Source: Kynkaanniemi et al. 2024, arXiv:2404.07724.
    Also called: guidance interval, limited-interval guidance.
    Claims: CFG-11.

    >>> diffx.guidance.guide_interval(denoise, denoise, w=3.0, t_min=0.2, t_max=0.8)(x, 0.5).shape
    (2,)
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
    """phi guided std(cond)/std(guided) + (1 - phi) guided, std over the event.

    The std of an event does not depend on the batch. Unlike `cfg` the result depends on the kind of
    prediction.

    Units: guided and cond predictions of one kind and shape, (*batch, *event); event_ndim the
        number of last axes that make one event; phi a scalar, 1.
    Domain: std(guided) > 0.
    Raises: ValueError for unequal shapes, phi outside [0, 1] or more axes than there are.
    Source: Lin et al. 2024, arXiv:2305.08891, eqs. (15), (16).
    Also called: CFG rescale, guidance rescale, diffusers guidance_rescale, diffusers
        rescale_noise_cfg.
    Claims: CFG-15.
    """
    guided, cond = _arguments.same_shape(guided=guided, cond=cond)
    _check_share("phi", phi)
    axes = _event_axes(guided, event_ndim)
    ratio = jnp.std(cond, axes, keepdims=True) / jnp.std(guided, axes, keepdims=True)
    return (phi * ratio * guided + (1 - phi) * guided).astype(guided.dtype)


def guide_rescaled(
    cond: Denoiser, uncond: Denoiser, *, w: Scalar, phi: Scalar, event_ndim: int
) -> Partial:
    """The denoiser `rescale` of uncond + w (cond - uncond), on predictions of x0.

    The result is a pytree.

    Raises: ValueError for phi outside [0, 1].
    Source: Lin et al. 2024, arXiv:2305.08891, eqs. (15), (16).
    Also called: CFG rescale, guidance rescale.
    Claims: CFG-15.

    >>> guided = diffx.guidance.guide_rescaled(denoise, denoise, w=3.0, phi=0.7, event_ndim=1)
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
    """One None for each axis of an event.

    A pytree holds this number in its structure, where jit does not trace it.
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
    """cond + (w - 1) (d - (1 - eta) d_par): d = cond - uncond, d_par its part along cond.

    Guidance without the part along cond; eta is how much of d_par stays, and eta = 1 is `cfg`. The
    momentum of the source is left out, because it would make a denoiser remember.

    Units: cond and uncond predictions of x0 of one shape, (*batch, *event); event_ndim the number
        of last axes that make one event; radius the largest norm of d, data units, None for no
        limit.
    Domain: cond not 0.
    Raises: ValueError for unequal shapes or more axes than there are.
    Source: Sadat et al. 2024, arXiv:2410.02416.
    Also called: adaptive projected guidance, APG, projected guidance.
    Claims: CFG-16.
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
    """The denoiser `apg` of two denoisers.

    The result is a pytree.

    Source: Sadat et al. 2024, arXiv:2410.02416.
    Also called: adaptive projected guidance, APG, diffusers AdaptiveProjectedGuidance.
    Claims: CFG-16.

    >>> diffx.guidance.guide_apg(denoise, denoise, w=3.0, event_ndim=1)(x, 0.5).shape
    (2,)
    """
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
    """The denoiser D + w (sigma^2/alpha) grad log p(c | x_t): the score of p(x_t) p(c | x_t)^w.

    With w = 1 it is the conditional denoiser, by Bayes, and for every w it equals `guide` with
    weight w of that. The result is a pytree.

    Units: log_classifier (x, t) -> log p(c | x_t = x) of the noisy x, in nats, one number for each
        event (their sum is differentiated); w a scalar, 1.
    Domain: alpha(t) > 0.
    Source: Dhariwal and Nichol 2021, arXiv:2105.05233.
    Also called: classifier guidance, guided diffusion.
    Claims: CFG-14.

    >>> log_classifier = lambda x, t: -jnp.sum(x**2, -1)
    >>> guided = diffx.guidance.classifier_guidance(process, denoise, log_classifier, w=2.0)
    >>> guided(x, 0.5).shape
    (2,)
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
    """labels, each replaced by `null` with probability `rate`, independently along the first axis.

    The optimal network of the loss then answers `null` with the unconditional denoiser and every
    label with its conditional one, whatever the rate in (0, 1): the loss is rate L_uncond + (1 -
    rate) L_cond.

    Units: labels (n, ...), numbers or embeddings; null stands for no label and has the shape of one
        label; rate a probability.
    Raises: ValueError for a rate outside [0, 1] or a null of another shape.
    Source: Ho and Salimans 2022, arXiv:2207.12598, Algorithm 1.
    Also called: label dropout, condition dropout, unconditional training, class_dropout_prob,
        p_uncond.
    Claims: CFG-19.
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
