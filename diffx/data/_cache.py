"""Arrays kept on disk between runs, each file with its checksum."""

import hashlib
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def directory(cache: str | os.PathLike | None) -> Path:
    """cache itself, or else $XDG_CACHE_HOME/diffx, or else ~/.cache/diffx."""
    if cache is not None:
        return Path(cache).expanduser()
    # the XDG specification ignores paths that are not absolute
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache") / "diffx"


def keep(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in the file, made and written anew where it is missing or its checksum is
    wrong.
    """
    try:
        return read(path)
    except OSError:
        pass  # nothing there, or nothing that may be read
    except ValueError as error:
        warnings.warn(f"{error}; it will be made again", stacklevel=2)
    arrays = make()
    try:
        write(path, arrays)
    except OSError as error:  # a read-only home costs time, not the data
        warnings.warn(
            f"cannot keep {path.name} in {path.parent} ({error}); pass a folder as cache=",
            stacklevel=2,
        )
    return arrays


def read(path: Path) -> Arrays:
    """The arrays of a file; ValueError unless its first line is the SHA-256 of the rest."""
    digest, _, payload = path.read_bytes().partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ValueError(
            f"the cached file {path} is damaged: its SHA-256 is not the one in its first line"
        )
    with np.load(io.BytesIO(payload), allow_pickle=False) as file:
        return dict(file)


def write(path: Path, arrays: Arrays) -> None:
    """Write under another name first, so that no reader ever sees half a file."""
    payload = io.BytesIO()
    np.savez_compressed(payload, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(
        hashlib.sha256(payload.getvalue()).hexdigest().encode() + b"\n" + payload.getvalue()
    )
    unfinished.replace(path)
