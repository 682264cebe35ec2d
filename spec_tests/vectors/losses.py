"""Contrastive losses of small batches, with the gradients of everything that is learnt."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import diffx

IMAGES = [[0.9, -0.3, 0.2, 1.1], [-0.4, 0.8, 1.3, 0.1], [0.2, 0.5, -0.7, 0.6]]  # not normalised
TEXTS = [[0.7, 0.1, -0.2, 0.8], [-0.9, 0.4, 0.6, -0.1], [0.3, -0.2, -0.5, 0.9]]
SCALES = {"log_scale": math.log(1 / 0.07)}
BIASED = {"log_scale": math.log(10), "bias": -10.0}


def cases() -> Iterator[dict]:
    for loss, scalars in (
        ("clip_loss", SCALES),
        ("siglip_loss", BIASED),
        ("siglip_loss", {"log_scale": 0.4, "bias": 0.3}),
    ):
        yield _case(loss, scalars, [0, 1, 2])
        yield _case(loss, scalars, [0, 1, 0])  # rows 0 and 2 have one caption
    yield _scores([[2.0, 0.3, -1.0], [0.1, 1.5, 0.4], [-0.6, 0.2, 0.9]])


def _case(loss: str, scalars: dict, names: list[int]) -> dict[str, Any]:
    given = {"images": IMAGES, "texts": TEXTS, **scalars}
    call = partial(getattr(diffx.contrast, loss), positives=jnp.array(names))
    value, gradient = jax.jit(jax.value_and_grad(lambda learnt: call(**learnt)))(
        {key: jnp.array(one, jnp.float64) for key, one in given.items()}
    )
    checked = loss == "clip_loss" and names == [0, 1, 2]
    return {
        "checked": checked,
        "loss": loss,
        **given,
        "positives": names,
        **_answer(value, gradient),
    }


def _scores(table: list) -> dict[str, Any]:
    value, gradient = jax.jit(jax.value_and_grad(diffx.contrast.info_nce))(
        jnp.array(table, jnp.float64)
    )
    return {
        "checked": False,
        "loss": "info_nce",
        "scores": table,
        "positives": list(range(len(table))),
        **_answer(value, {"scores": gradient}),
    }


def _answer(value: Any, gradient: dict) -> dict[str, Any]:
    return {"value": value, "gradient": gradient}
