"""Weights of the parts of a law: components, or points."""

from typing import Any

from jaxtyping import Array

from diffx import _arguments


def require_weights(weights: Any, k: int) -> Array:
    """Weights (k,), not negative, summing to 1."""
    weights = _arguments.finite("weights", weights)
    _arguments.require(
        weights.shape == (k,),
        f"weights must have shape ({k},), one for each component, got {weights.shape}",
    )
    _arguments.none_negative("weights", weights)
    _arguments.sum_to_one("weights", weights)
    return weights
