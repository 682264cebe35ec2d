"""The seven processes of diffx with parameters that are no defaults, beside their oracles.

Each is a function, so that nothing is built at import. float32 holds every parameter exactly.
`for make in PROCESSES: process, path = make(), oracle(make)`; path is numpy float64, see oracles/paths.py.
"""

from typing import Any

from diffx.processes.cosine import CosineVP
from diffx.processes.edm import EDM
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.sub_vp import SubVP
from diffx.processes.trig import Trig
from diffx.processes.ve import VE
from diffx.processes.vp import VP
from spec_tests.oracles import paths

Maker = Any  # () -> a process of diffx


def vp() -> VP:
    return VP(0.3125, 12.0)


def sub_vp() -> SubVP:
    return SubVP(0.375, 10.0)


def cosine_vp() -> CosineVP:
    return CosineVP(0.0625)


def ve() -> VE:
    return VE(0.03125, 30.0)


def edm() -> EDM:
    return EDM(40.0)


def rectified_flow() -> RectifiedFlow:
    return RectifiedFlow()


def trig() -> Trig:
    return Trig()


PROCESSES: tuple[Maker, ...] = (vp, sub_vp, cosine_vp, ve, edm, rectified_flow, trig)
VARIANCE_PRESERVING: tuple[Maker, ...] = (vp, cosine_vp, trig)  # alpha^2 + sigma^2 = 1
NOISELESS_MEAN: tuple[Maker, ...] = (cosine_vp, rectified_flow, trig)  # alpha(1) = 0

_ORACLES = {
    vp: paths.vp(0.3125, 12.0),
    sub_vp: paths.sub_vp(0.375, 10.0),
    cosine_vp: paths.cosine_vp(0.0625),
    ve: paths.ve(0.03125, 30.0),
    edm: paths.edm(40.0),
    rectified_flow: paths.rectified_flow(),
    trig: paths.trig(),
}


def oracle(make: Maker) -> paths.Path:
    """The same path as the textbooks write it."""
    return _ORACLES[make]
