"""open_clip: its losses, in one process and over several, with every way to share the rows."""
# pyright: reportMissingImports=false

import importlib.util
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from spec_tests.conformance.libraries._gloo import Loss, over_processes, value_and_gradients
from spec_tests.conformance.libraries.open_clip import snippets
from spec_tests.conformance.target import Target

LIBRARY = "open_clip"


def _losses() -> Any:
    """open_clip/loss.py without the package around it, which needs torchvision."""
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        raise ImportError("No module named 'open_clip'")
    spec = importlib.util.spec_from_file_location(
        "open_clip_loss", Path(package.submodule_search_locations[0]) / "loss.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOSSES = _losses()


def version() -> str:
    return installed("open_clip_torch")


def losses() -> Iterator[Target]:
    yield _target("ClipLoss", {}, 1)
    yield _target("ClipLoss", {"cache_labels": True}, 1)
    yield _target("SigLipLoss", {}, 1)
    for local in (False, True):
        for grad in (False, True):
            yield _target("ClipLoss", {"local_loss": local, "gather_with_grad": grad}, 2)
    for world in (2, 3):
        for how in ("bidir", "shift", "reduce", "gather"):
            yield _target("SigLipLoss", {"dist_impl": how}, world)


def _target(kind: str, options: dict[str, Any], world: int) -> Target:
    make, siglip = partial(_make, kind, options), kind == "SigLipLoss"
    loss = (
        partial(value_and_gradients, make(0, 1))
        if world == 1
        else partial(over_processes, make, world)
    )
    shown = {"world_size": world} | options if world > 1 else options
    name = f"{kind}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"
    arguments = {
        "loss": loss,
        "kind": "siglip" if siglip else "clip",
        "bias": siglip,
        "shards": world,
    }
    return Target(name, arguments, partial(snippets.of, name))


def _make(kind: str, options: dict[str, Any], rank: int, world: int) -> Loss:
    return getattr(LOSSES, kind)(rank=rank, world_size=world, **options)
