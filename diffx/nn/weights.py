r"""Weights in files: named, checked, with their provenance inside (safetensors)."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from diffx import _arguments
from diffx.data.world.words import VOCABULARY
from diffx.nn.encoders import DualEncoder

# the file, and weights.toml: its name, its sha256 and the command that made it
SHIPPED = Path(__file__).parent / "shipped"
Tensors = dict[str, np.ndarray]


def save_weights(
    path: str | Path,
    module: nnx.Module,
    *,
    provenance: Mapping[str, Any],
    vocabulary: Sequence[str] | None = None,
    half: bool = False,
) -> None:
    r"""Write a module's parameters to one safetensors file, each under its path.

    Such a path is image.blocks.0.up.kernel. Beside the parameters stand the module's architecture
    and the sha256 of all tensors. With half=True matrices are stored as float16 (a relative error
    of at most 2^-11), the rest as float32.

    Units: provenance what made the weights (command, date, versions, device, steps, data, licence),
        kept as JSON in the file; vocabulary the words behind a dual encoder's ids, kept as a hash.
    Raises: ValueError for parameters that are not finite or too large for float16; TypeError for
        provenance that cannot be written as JSON.
    Also called: save checkpoint, export weights, safetensors.
    """
    tensors = {name: _as_stored(name, value, half) for name, value in _parameters(module).items()}
    facts = {
        "architecture": _architecture(module),
        "provenance": dict(provenance),
        "sha256": digest(tensors),
        "vocabulary": None if vocabulary is None else vocabulary_digest(vocabulary),
    }
    metadata = {name: json.dumps(fact) for name, fact in facts.items()}
    Path(path).write_bytes(safetensors.numpy.save(tensors, metadata))


def load_weights(path: str | Path, module: nnx.Module) -> nnx.Module:
    r"""Put the parameters of a file into the module (in place), as float32, and return the module.

    Raises: FileNotFoundError; ValueError for a corrupt file, tensors that differ from their
        checksum, or another architecture, listing the parameters that are missing, unexpected or of
        another shape.
    Also called: load checkpoint, restore weights.
    """
    tensors, _ = _read(Path(path))
    wanted = _parameters(module)
    _check_names(Path(path), tensors, wanted)
    state = nnx.to_flat_state(nnx.state(module, nnx.Param))
    loaded = [
        (at, leaf.replace(jnp.asarray(tensors[_name(at)], wanted[_name(at)].dtype)))
        for at, leaf in state
    ]
    nnx.update(module, nnx.from_flat_state(loaded))
    return module


def load_provenance(path: str | Path) -> dict[str, Any]:
    r"""The provenance that a file of weights records.

    Raises: FileNotFoundError or ValueError as `load_weights` does.
    """
    return _read(Path(path))[1]["provenance"]


def dual_encoder(path: str | Path | None = None) -> DualEncoder:
    r"""The dual encoder of the miniworld: the weights that ship with diffx, or those of a file.

    A file brings its own architecture; its words must be those of `diffx.data.world`. Make one with
    `python -m diffx.nn.recipe --out FILE`. The shipped file must have the sha256 that
    diffx/nn/shipped/weights.toml pins.

    Raises: FileNotFoundError or ValueError as `load_weights` does; ValueError for another
        vocabulary.
    Also called: pretrained weights, pretrained model, checkpoint.
    """
    path = shipped_path() if path is None else Path(path)
    facts = _read(path)[1]
    _check_vocabulary(path, facts["vocabulary"])
    _arguments.require(
        facts["architecture"],
        f"{path} does not hold a dual encoder: it names no architecture; use load_weights",
    )
    module = DualEncoder(**facts["architecture"], rngs=nnx.Rngs(0))
    load_weights(path, module)
    return module


def shipped_path() -> Path:
    """The path of the shipped weights, whose sha256 has been verified against the pinned one."""
    _check_there(
        SHIPPED / "weights.toml",
        f"python -m diffx.nn.recipe --half --pin --out {SHIPPED / 'dual_encoder.safetensors'}",
    )
    pinned = tomllib.loads((SHIPPED / "weights.toml").read_text())["dual_encoder"]
    path = SHIPPED / pinned["file"]
    _check_there(path, pinned["command"])
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    message = (
        f"{path} has the sha256 {found}, but {pinned['sha256']} is pinned: install diffx again, "
        "or pass the path of your own file"
    )
    _arguments.require(found == pinned["sha256"], message)
    return path


def pin(path: str | Path) -> Path:
    """Write weights.toml beside a file: its sha256, and the command that made it."""
    path = Path(path)
    entries = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    entries["command"] = load_provenance(path).get("command", "unknown")
    lines = [f"{name} = {json.dumps(value)}" for name, value in entries.items()]
    written = path.with_name("weights.toml")
    written.write_text("\n".join(["[dual_encoder]", *lines, ""]))
    return written


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """sha256 over names, dtypes, shapes and bytes of the tensors, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name} {value.dtype} {value.shape}\n".encode())
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()


def vocabulary_digest(words: Sequence[str]) -> str:
    """sha256 of the words, one per line."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _parameters(module: nnx.Module) -> Tensors:
    """Every nnx.Param by its dotted path, on the host."""
    return {
        _name(at): np.asarray(leaf[...])
        for at, leaf in nnx.to_flat_state(nnx.state(module, nnx.Param))
    }


def _name(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))


def _architecture(module: nnx.Module) -> dict[str, Any] | None:
    return module.architecture() if isinstance(module, DualEncoder) else None


def _as_stored(name: str, value: np.ndarray, half: bool) -> np.ndarray:
    _arguments.require(
        np.isfinite(value).all(),
        f"{name} must be finite to be saved: train with a lower learning rate",
    )
    if not half or value.ndim < 2:
        return value.astype(np.float32)
    largest = np.abs(value).max(initial=0)
    _arguments.require(
        largest < 65504,
        f"{name} reaches {largest:g}, above 65504, the limit of float16: save with half=False",
    )
    return value.astype(np.float16)


def _read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and facts of a file, once the tensors match their checksum."""
    _check_there(path, f"python -m diffx.nn.recipe --out {path}")
    try:
        tensors = safetensors.numpy.load_file(path)
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is corrupt or not a safetensors file ({error}): copy or make it again"
        ) from error
    missing = {"architecture", "provenance", "sha256", "vocabulary"} - set(metadata)
    _arguments.require(
        not missing,
        f"{path} was not written by save_weights: its metadata lack {', '.join(sorted(missing))}",
    )
    facts = {name: json.loads(text) for name, text in metadata.items()}
    found = digest(tensors)
    message = (
        f"{path} is damaged: its tensors have the sha256 {found}, but "
        f"{facts['sha256']} was written; copy or make it again"
    )
    _arguments.require(found == facts["sha256"], message)
    return tensors, facts


def _check_there(path: Path, command: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path.absolute()}; make them with `{command}`, or pass the path of "
            "your own"
        )


def _check_names(path: Path, found: Tensors, wanted: Tensors) -> None:
    """Raise ValueError that lists every difference of names and shapes."""
    wrong = [f"missing {name} {wanted[name].shape}" for name in sorted(set(wanted) - set(found))]
    wrong += [f"unexpected {name} {found[name].shape}" for name in sorted(set(found) - set(wanted))]
    both = sorted(set(found) & set(wanted))
    wrong += [
        f"{name} is {found[name].shape}, wanted {wanted[name].shape}"
        for name in both
        if found[name].shape != wanted[name].shape
    ]
    _arguments.require(not wrong, f"{path} is for another architecture: {'; '.join(wrong)}")


def _check_vocabulary(path: Path, found: str | None) -> None:
    ours = vocabulary_digest(VOCABULARY)
    way_out = (
        "its word ids mean other words: train again with `python -m diffx.nn.recipe`, or use "
        "load_weights with your own words"
    )
    _arguments.require(
        found == ours,
        f"{path} was trained on another vocabulary ({found}) than diffx.data.world's ({ours}); "
        f"{way_out}",
    )
