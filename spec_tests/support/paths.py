"""The processes of diffx with parameters that are not their defaults, beside their oracles: one
line each.

Each is a function, so that nothing is built at import. float32 holds every parameter exactly.
`for make in PROCESSES: process, path = make(), oracle(make)`; path is numpy float64, see
oracles/paths.py. What a process is, it says itself: `make().pure_noise_at_1`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax.numpy as jnp

from diffx import processes
from spec_tests.oracles import paths
from spec_tests.support.rooms import public


@dataclass(frozen=True)
class Maker:
    """() -> a process, with the oracle that takes the same parameters."""

    cls: Callable[..., Any]
    path: Callable[..., paths.Path] | None
    parameters: tuple[Any, ...] = ()

    def __call__(self) -> Any:
        return self.cls(*(jnp.asarray(p) if isinstance(p, tuple) else p for p in self.parameters))

    @property
    def __name__(self) -> str:
        return self.cls.__name__


# A new line here joins every claim about processes.
vp = Maker(processes.VP, paths.vp, (0.3125, 12.0))
sub_vp = Maker(processes.SubVP, paths.sub_vp, (0.375, 10.0))
cosine_vp = Maker(processes.CosineVP, paths.cosine_vp, (0.0625,))
ve = Maker(processes.VE, paths.ve, (0.03125, 30.0))
edm = Maker(processes.EDM, paths.edm, (40.0,))
rectified_flow = Maker(processes.RectifiedFlow, paths.rectified_flow)
trig = Maker(processes.Trig, paths.trig)
sigmoid_vp = Maker(processes.SigmoidVP, paths.sigmoid_vp, (-2.5, 3.0, 0.75))

PROCESSES = tuple(value for value in list(globals().values()) if isinstance(value, Maker))


# The chain is exact at its nodes alone: its oracle is oracles/chains.py, and claims of its own hold
# it.
ddpm_chain = Maker(processes.DDPMChain, None, (tuple((i + 1) / 32 for i in range(10)),))
EVERY_PROCESS = (*PROCESSES, ddpm_chain)


@cache
def oracle(make: Maker) -> paths.Path:
    """The same path as the textbooks write it."""
    assert make.path, f"{make.__name__} has no oracle here"
    return make.path(*make.parameters)


def classes(makers: Any = PROCESSES) -> tuple[str, ...]:
    """The dotted public names of their classes, for the `of` of a claim."""
    return tuple(name for make in makers for name, value in public().items() if value is make.cls)
