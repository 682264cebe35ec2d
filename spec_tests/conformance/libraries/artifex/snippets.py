"""Ten lines that show each failure with artifex alone."""

SCORE = """
from artifex.generative_models.core import configuration as c
from artifex.generative_models.models.diffusion.score import ScoreDiffusionModel
from flax import nnx
unet = c.UNetBackboneConfig(name="u", hidden_dims=(8,), activation="relu", in_channels=1, out_channels=1)
given = c.ScoreDiffusionConfig(name="m", backbone=unet, noise_schedule=c.NoiseScheduleConfig(name="s"), input_shape=(1,))
model = ScoreDiffusionModel(given, rngs=nnx.Rngs(0))
s = lambda t: model._get_sigma(t)[:, None]
model.backbone = lambda y, t: -y * s(t) ** 2 / (1 + s(t) ** 2)  # data N(0, 1): score -x/(1 + sigma^2), at y = x/sigma
print(model.sample(10000, num_steps=1000).std(), "wanted 1")
"""


def of(name: str) -> str:
    """The text for a target, empty where none is needed."""
    return SCORE if name.startswith("Score") else ""
