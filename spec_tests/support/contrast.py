"""Contrastive losses of the tests."""

import jax

import diffx


@jax.jit
def clip(images, texts, log_scale):
    return diffx.clip_loss(images, texts, log_scale=log_scale)


@jax.jit
def siglip_of_pairs(images, texts, log_scale, bias, positives, mask):
    return diffx.siglip_loss(
        images, texts, log_scale=log_scale, bias=bias, positives=positives, mask=mask
    )


zero_shot = jax.jit(
    lambda images, weights, biases: diffx.concepts.zero_shot(images, weights, biases=biases)
)
