r"""Contrastive losses of image and text embeddings: dense, tiled and sharded; information."""

from diffx.contrast.dense import (
    clip_loss as clip_loss,
    info_nce as info_nce,
    siglip_loss as siglip_loss,
    sigmoid_nce as sigmoid_nce,
)
from diffx.contrast.information import (
    gaussian_information as gaussian_information,
    gaussian_pmi as gaussian_pmi,
    info_nce_bound as info_nce_bound,
    log_sphere_mean as log_sphere_mean,
    von_mises_information as von_mises_information,
)
from diffx.contrast.scores import clamp_log_scale as clamp_log_scale, normalise as normalise
from diffx.contrast.sharded import (
    sharded_clip_loss as sharded_clip_loss,
    sharded_siglip_loss as sharded_siglip_loss,
)
from diffx.contrast.tiled import (
    tiled_clip_loss as tiled_clip_loss,
    tiled_siglip_loss as tiled_siglip_loss,
)
