r"""The mean of the posterior of a step, which every DDPM shares."""

from jaxtyping import Array

from diffx.reverse import Posterior


def posterior_mean(weights: Posterior, x: Array, x0: Array) -> Array:
    """of_x x + of_x0 x0: the mean of q(x_s | x_t, x_0)."""
    return weights.of_x * x + weights.of_x0 * x0
