"""Networks in flax.nnx. `import diffx` never imports this package."""

from diffx.nn.time_mlp import TimeMLP, noise_features

__all__ = ["TimeMLP", "noise_features"]
