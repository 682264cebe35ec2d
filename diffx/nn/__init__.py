"""Networks in flax.nnx. `import diffx` never imports this package."""

from diffx.nn.dual_encoder import DualEncoder
from diffx.nn.time_mlp import LabelledTimeMLP, TimeMLP, noise_features
from diffx.nn.weights import dual_encoder, load_provenance, load_weights, save_weights

__all__ = [
    "DualEncoder",
    "LabelledTimeMLP",
    "TimeMLP",
    "dual_encoder",
    "load_provenance",
    "load_weights",
    "noise_features",
    "save_weights",
]
