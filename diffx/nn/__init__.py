"""Networks in flax.nnx. `import diffx` never imports this package."""

from diffx.nn.encoders import DualEncoder as DualEncoder
from diffx.nn.time_mlp import (
    LabelledTimeMLP as LabelledTimeMLP,
    TimeMLP as TimeMLP,
    noise_features as noise_features,
)
from diffx.nn.weights import (
    dual_encoder as dual_encoder,
    load_provenance as load_provenance,
    load_weights as load_weights,
    save_weights as save_weights,
)
