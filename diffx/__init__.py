"""diffx: the functional reference implementation of diffusion mathematics in JAX.

Its tests are the specification. Everything is a Gaussian path x_t = alpha(t) x_0 + sigma(t) eps, a
denoiser D(x, t) = E[x_0 | x_t = x], and a step t -> s. The heart stands here; everything else is
one dot further, in the rooms: `diffx.samplers.deis`, `diffx.grids.equal_angle`,
`diffx.losses.v_loss`. `diffx.training`, `diffx.nn`, `diffx.data` and `diffx.adaptive` load at first
use.

Arguments that mean the same everywhere:

    x, x_t       the noisy state, any shape, data units; laws live on the last axis, and the axes
                 before it are a batch
    x0, eps      data and standard normal noise, of the shape of x
    t, s         scalar times in [0, 1], 0 is data and 1 is noise; a step goes from t down to s < t
    ts           a grid, (N + 1,) decreasing times
    z            the noise of a step, standard normal, of the shape of x; None stands for zero
    process      a forward process: alpha(t), sigma(t) and what follows from them
    denoise      any callable (x, t) -> x0
    key          a key of jax.random

Errors that every function shares: ValueError for unequal shapes (nothing is broadcast) and for a
batch of times against an x, TypeError for integers where floats are due and for times in half
precision.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from diffx import (
    check as check,
    concepts as concepts,
    contrast as contrast,
    denoisers as denoisers,
    distillation as distillation,
    exact as exact,
    flow_matching as flow_matching,
    grids as grids,
    guidance as guidance,
    laws as laws,
    likelihood as likelihood,
    losses as losses,
    noise as noise,
    preconditioning as preconditioning,
    predictions as predictions,
    processes as processes,
    reverse as reverse,
    samplers as samplers,
)
from diffx.contrast import clip_loss as clip_loss, siglip_loss as siglip_loss
from diffx.denoisers import denoiser as denoiser, score as score
from diffx.exact import error_budget as error_budget, exact_law as exact_law
from diffx.grids import (
    karras as karras,
    time_shift as time_shift,
    trailing as trailing,
    uniform as uniform,
)
from diffx.guidance import cfg as cfg, guide as guide, guide_net as guide_net
from diffx.laws import (
    GaussianLaw as GaussianLaw,
    LowRank as LowRank,
    MixtureLaw as MixtureLaw,
    PointSet as PointSet,
    kl as kl,
    marginal as marginal,
    prior as prior,
    w2 as w2,
)
from diffx.likelihood import log_prob_ode as log_prob_ode
from diffx.predictions import (
    denoiser_of_eps as denoiser_of_eps,
    denoiser_of_score as denoiser_of_score,
    denoiser_of_v as denoiser_of_v,
    denoiser_of_velocity as denoiser_of_velocity,
)
from diffx.processes import (
    EDM as EDM,
    VE as VE,
    VP as VP,
    CosineVP as CosineVP,
    DDPMChain as DDPMChain,
    RectifiedFlow as RectifiedFlow,
    SubVP as SubVP,
    Trig as Trig,
    perturb as perturb,
    transition as transition,
)
from diffx.reverse import posterior as posterior
from diffx.samplers import (
    Info as Info,
    Sampler as Sampler,
    State as State,
    ddim as ddim,
    ddpm as ddpm,
    dpm_solver_pp as dpm_solver_pp,
    euler as euler,
    euler_maruyama as euler_maruyama,
    flow_euler as flow_euler,
    fold as fold,
    heun as heun,
    keep_x as keep_x,
    keep_x0 as keep_x0,
    sample as sample,
    unipc as unipc,
)

if TYPE_CHECKING:
    from diffx import adaptive as adaptive, data as data, nn as nn, training as training

__version__ = "0.1.0"

AT_FIRST_USE = (
    "adaptive",
    "data",
    "nn",
    "training",
)  # flax, optax, diffrax: what the formulas do without


def __getattr__(name: str) -> Any:
    if name in AT_FIRST_USE:
        return importlib.import_module(f"diffx.{name}")
    rooms = [
        room
        for room, value in globals().items()
        if isinstance(value, ModuleType) and _defines(value, name)
    ]
    hint = f": it is diffx.{rooms[0]}.{name}" if rooms and not name.startswith("_") else ""
    raise AttributeError(f"module 'diffx' has no attribute '{name}'{hint}")


def _defines(room: ModuleType, name: str) -> bool:
    """Whether a room defines a name itself: it is neither a file nor taken from another room.

    A constant has no module.
    """
    value = vars(room).get(name)
    own = getattr(value, "__module__", room.__name__).startswith(room.__name__)
    return own and value is not None and not isinstance(value, ModuleType)


def __dir__() -> list[str]:
    return sorted([*globals(), *AT_FIRST_USE])
