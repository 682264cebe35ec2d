"""Networks in flax.nnx. `import diffx` never imports this package."""

from diffx.nn.time_mlp import LabelledTimeMLP, TimeMLP, noise_features

__all__ = ["LabelledTimeMLP", "TimeMLP", "noise_features"]
