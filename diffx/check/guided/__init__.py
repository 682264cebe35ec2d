"""`check_guidance`: the combination of two predictions."""
