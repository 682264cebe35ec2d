"""From arrays to what JSON holds, and from the JSON's name of a process to the process."""

from typing import Any

import jax.numpy as jnp
import numpy as np

import diffx

BETAS = {
    "linear": diffx.processes.linear_betas,
    "scaled_linear": diffx.processes.scaled_linear_betas,
    "cosine": diffx.processes.cosine_betas,
}
VP = {"name": "VP", "beta_min": 0.1, "beta_max": 20.0}
COSINE = {"name": "CosineVP", "offset": 0.008}
FLOW = {"name": "RectifiedFlow"}
EDM = {"name": "EDM", "sigma_max": 80.0}
VE = {"name": "VE", "sigma_min": 0.01, "sigma_max": 50.0}
LINEAR = {"name": "DDPMChain", "betas": "linear", "n": 1000, "first": 1e-4, "last": 0.02}
SCALED_LINEAR = {
    "name": "DDPMChain",
    "betas": "scaled_linear",
    "n": 1000,
    "first": 0.00085,
    "last": 0.012,
}
COSINE_CHAIN = {
    "name": "DDPMChain",
    "betas": "cosine",
    "n": 1000,
    "offset": 0.008,
    "largest": 0.999,
}


def plain(value: Any) -> Any:
    """Lists of Python floats; null where a number is infinite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    array = np.asarray(value)
    return plain(list(array)) if array.ndim else _number(array)


def _number(value: np.ndarray) -> int | float | None:
    if value.dtype.kind in "iu":
        return int(value)
    if value.dtype != np.float64:
        raise TypeError(
            f"vectors are computed in float64, got {value.dtype}: is jax_enable_x64 on?"
        )
    return float(value) if np.isfinite(value) else None


def process_of(spec: dict) -> Any:
    """The diffx process that {"name": ..., parameters} names."""
    if spec["name"] == "DDPMChain":
        return diffx.DDPMChain(betas_of(spec))
    return getattr(diffx.processes, spec["name"])(
        **{key: value for key, value in spec.items() if key != "name"}
    )


def betas_of(spec: dict) -> Any:
    parameters = {
        key: value
        for key, value in spec.items()
        if key not in ("name", "betas", "n", "zero_terminal_snr")
    }
    betas = jnp.asarray(BETAS[spec["betas"]](spec["n"], **parameters), jnp.float64)
    return diffx.processes.zero_terminal_snr(betas) if spec.get("zero_terminal_snr") else betas
