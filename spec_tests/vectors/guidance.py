"""uncond + w (cond - uncond), with the same weight in the other convention."""

from collections.abc import Iterator

import jax.numpy as jnp

import diffx

COND, UNCOND = [0.7, -1.2, 0.05], [0.1, 0.4, -0.3]


def cases() -> Iterator[dict]:
    for w in (0.0, 0.5, 1.0, 1.5, 7.5, -2.0):
        guided = diffx.cfg(jnp.array(COND, jnp.float64), jnp.array(UNCOND, jnp.float64), w=w)
        yield {
            "checked": True,
            "function": "cfg",
            "w": w,
            "w_of_one_plus_w": w - 1,
            "cond": COND,
            "uncond": UNCOND,
            "guided": guided,
        }
