"""Guidance: combine.py several denoisers as one, variants.py what people do to it, law.py what it samples from Gaussians."""

from diffx.guide.combine import cfg, compose, compose_net, guide, guide_net
from diffx.guide.law import guided_flow_law, guided_sde_law, tilted_law
from diffx.guide.variants import (
    apg,
    classifier_guidance,
    drop_labels,
    guide_apg,
    guide_interval,
    guide_rescaled,
    rescale,
)

__all__ = [
    "apg",
    "cfg",
    "classifier_guidance",
    "compose",
    "compose_net",
    "drop_labels",
    "guide",
    "guide_apg",
    "guide_interval",
    "guide_net",
    "guide_rescaled",
    "guided_flow_law",
    "guided_sde_law",
    "rescale",
    "tilted_law",
]
