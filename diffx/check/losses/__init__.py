"""A contrastive loss: its values and gradients."""

from diffx.check.losses.claims import check_contrastive_loss as check_contrastive_loss
