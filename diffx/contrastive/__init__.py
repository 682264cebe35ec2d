r"""Contrastive losses of image and text embeddings: dense, tiled, sharded."""

from diffx.contrastive.dense import clip_loss, info_nce, siglip_loss, sigmoid_nce
from diffx.contrastive.scores import clamp_log_scale, normalised

__all__ = ["clamp_log_scale", "clip_loss", "info_nce", "normalised", "siglip_loss", "sigmoid_nce"]
