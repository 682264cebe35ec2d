r"""Contrastive losses of image and text embeddings: dense, tiled, sharded."""

from diffx.contrastive.dense import clip_loss, info_nce, siglip_loss, sigmoid_nce
from diffx.contrastive.information import (
    gaussian_information,
    gaussian_pmi,
    info_nce_bound,
    log_sphere_mean,
    von_mises_information,
)
from diffx.contrastive.scores import clamp_log_scale, normalised
from diffx.contrastive.sharded import sharded_clip_loss, sharded_siglip_loss
from diffx.contrastive.tiled import tiled_clip_loss, tiled_siglip_loss

__all__ = [
    "clamp_log_scale",
    "clip_loss",
    "gaussian_information",
    "gaussian_pmi",
    "info_nce",
    "info_nce_bound",
    "log_sphere_mean",
    "normalised",
    "sharded_clip_loss",
    "sharded_siglip_loss",
    "siglip_loss",
    "sigmoid_nce",
    "tiled_clip_loss",
    "tiled_siglip_loss",
    "von_mises_information",
]
