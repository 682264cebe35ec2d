r"""A draw from the posterior of a step, which every DDPM shares."""

from jaxtyping import Array

from diffx.reverse import Posterior
from diffx.samplers.protocol import Info, State, add_noise


def draw_from_posterior(state: State, x0: Array, weights: Posterior, sigma: Array, noise: Array | None) -> tuple[State, Info]:
    """x_s = of_x x + of_x0 x0 + sigma noise."""
    mean = weights.of_x * state.x + weights.of_x0 * x0
    return State(add_noise(mean, sigma, noise).astype(state.x.dtype)), Info(x0)
