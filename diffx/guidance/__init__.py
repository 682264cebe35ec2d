"""Guidance: several denoisers combined as one, its variants, and the laws it samples."""

from diffx.guidance.combine import (
    cfg as cfg,
    compose as compose,
    compose_net as compose_net,
    guide as guide,
    guide_net as guide_net,
)
from diffx.guidance.guided_laws import (
    guided_flow_law as guided_flow_law,
    guided_sde_law as guided_sde_law,
    tilted_law as tilted_law,
)
from diffx.guidance.variants import (
    apg as apg,
    classifier_guidance as classifier_guidance,
    drop_labels as drop_labels,
    guide_apg as guide_apg,
    guide_interval as guide_interval,
    guide_rescaled as guide_rescaled,
    rescale as rescale,
)
