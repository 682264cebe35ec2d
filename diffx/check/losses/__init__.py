"""`check_contrastive_loss`: value and gradients."""
