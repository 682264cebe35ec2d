"""Networks in flax.nnx. `import diffx` never imports this package."""

from diffx.nn.dual_encoder import DualEncoder
from diffx.nn.time_mlp import LabelledTimeMLP, TimeMLP, noise_features

__all__ = ["DualEncoder", "LabelledTimeMLP", "TimeMLP", "noise_features"]
