"""Settings of published flow-matching models: steps, shift and guidance of their sampling."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx import _arguments
from diffx._types import Floats, Number, Scalar
from diffx.grids import time_shift, uniform


class FlowSettings(NamedTuple):
    """Steps, shift and guidance with which a published model samples.

    Units: steps of the sampler; shift the S of `time_shift`; guidance the w of `cfg`; n_train: the
        model receives the time n_train t.
    Source: the repositories named beside each entry.
    Also called: inference settings, num_inference_steps, flow_shift, guidance_scale, WAN settings.
    Claims: FM-12.

    >>> diffx.flow_matching.WAN["t2v"].shift
    5.0
    """

    steps: int
    shift: float
    guidance: float
    n_train: int = 1000


# Wan-Video/Wan2.1, generate.py (_validate_args, _parse_args) and wan/configs/shared_config.py. CFG
# is the house's uncond + w (cond - uncond) with the negative prompt as uncond (wan/text2video.py).
WAN = {
    "t2v": FlowSettings(50, 5.0, 5.0),
    "i2v": FlowSettings(40, 5.0, 5.0),
    "i2v-480p": FlowSettings(40, 3.0, 5.0),
    "flf2v": FlowSettings(50, 16.0, 5.0),
    "vace": FlowSettings(50, 16.0, 5.0),
}

# Stability-AI/sd3.5, sd3_infer.py (CONFIGS) and sd3_impls.py (ModelSamplingDiscreteFlow).
SD3 = {
    "sd3_medium": FlowSettings(50, 1.0, 5.0),
    "sd3.5_medium": FlowSettings(50, 3.0, 5.0),
    "sd3.5_large": FlowSettings(40, 3.0, 4.5),
    "sd3.5_large_turbo": FlowSettings(4, 3.0, 1.0),
}


def flow_grid(settings: FlowSettings, *, t_max: Scalar = 1.0) -> Array:
    """time_shift(uniform(steps), shift): the grid of a published model.

    The last time is 0 and the shift is applied once. For settings of your own see `time_shift`.
    WAN's dpm++ starts at 1; its default, unipc, at the shift of t_max = 0.999.

    Units: settings of a published model, such as `WAN["t2v"]`; the grid (steps + 1,).
    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py (get_sampling_sigmas), fm_solvers_unipc.py
        (set_timesteps).
    Also called: WAN schedule, WAN shift, flow_shift, get_sampling_sigmas, diffusers
        FlowMatchEulerDiscreteScheduler (sigmas).
    Claims: FM-11, FM-12, FM-15, LIT-12.

    >>> diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"]).shape
    (51,)
    """
    return time_shift(uniform(settings.steps, t_max=t_max), settings.shift)


def model_time(settings: FlowSettings, t: Scalar) -> Floats:
    """n_train t, the time that the model receives.

    WAN cuts it to an integer.

    Units: t any shape.
    Domain: t in [0, 1].
    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py.
    Also called: timestep, num_train_timesteps, model timestep.
    Claims: FM-12.
    """
    return settings.n_train * _arguments.times(t)


def resolution_shift(m: Scalar, n: Scalar) -> Number:
    """S = sqrt(m/n): the shift from n pixels to m.

    With it the mean of a constant image stays as uncertain as it was.

    Units: m and n numbers of pixels.
    Raises: ValueError unless both are positive.
    Source: Esser et al. 2024, arXiv:2403.03206, eq. (23).
    Also called: resolution-dependent shift, SD3 timestep shift, dynamic shifting.
    Claims: FM-11.
    """
    _arguments.positive(m=m, n=n)
    return jnp.sqrt(jnp.asarray(m / n, jnp.result_type(float)))
