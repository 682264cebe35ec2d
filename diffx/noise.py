"""The source of a step's noise: jax's own generator (the default) or a cheap counter hash."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import erfinv
from jaxtyping import Array

from diffx import _arguments

GOLDEN = (
    0x9E3779B9  # 2^32 divided by the golden ratio, odd: i -> GOLDEN i permutes the 32-bit numbers
)


def hashed_normal(key: Array, x: Array) -> Array:
    """z_i = sqrt(2) erfinv(u_i), u_i = (h(h(GOLDEN i + key_0) xor key_1) - 2^31)/2^31.

    u_i is rounded to odd multiples of 2^-24; h is the mixer `lowbias32`. One standard normal for
    each entry of x, for `sampler._replace(noise=Partial(hashed_normal))`: on CPU it is 4 times as
    fast as the default, threefry. It is a generator for simulations and of no use in cryptography.

    Units: key a jax random key (`sample` gives fold_in(key, i)); x fewer than 2^32 entries; float64
        takes 52 bits.
    Source: Wellons 2018, "Prospecting for Hash Functions"; the inverse of the normal distribution
        function.
    Also called: counter-based random numbers, fast random normal.
    """
    x = _arguments.floats("x", x)
    wide = jnp.finfo(x.dtype).bits == 64
    words = jax.random.key_data(key)
    counter = sum(
        (
            jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis)
            * jnp.uint32(math.prod(x.shape[axis + 1 :]))
            for axis in range(x.ndim)
        ),
        jnp.zeros((), jnp.uint32),
    )
    first = _mix(counter * jnp.uint32(GOLDEN) + words[..., 0])
    high = _mix(first ^ words[..., -1])
    if not wide:
        centred = (high >> 8).astype(jnp.int32) - 2**23
        return (math.sqrt(2) * erfinv((centred.astype(jnp.float32) + 0.5) * 2.0**-23)).astype(
            x.dtype
        )
    low = _mix(high + jnp.uint32(GOLDEN))
    centred = (high >> 6).astype(jnp.float64) * 2.0**26 + (low >> 6).astype(jnp.float64) - 2.0**51
    return math.sqrt(2) * erfinv((centred + 0.5) * 2.0**-51)


def _mix(h: Array) -> Array:
    """The permutation `lowbias32` of 32-bit numbers.

    Flipping a bit of h flips each bit of the result half the time.
    """
    h = (h ^ (h >> 16)) * jnp.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x846CA68B)
    return h ^ (h >> 16)


def standard_normal(key: Array, x: Array) -> Array:
    """One standard normal for each entry of x."""
    return jax.random.normal(key, x.shape, x.dtype)
