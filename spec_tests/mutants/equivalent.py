"""Edits that change nothing: those that trace to the original's jaxpr, and those listed with a
reason.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

Example = Callable[[], tuple[Callable, tuple]]


def fingerprint(example: Example) -> str:
    """A digest of the program that an example traces to, constants, arguments and structure of the
    result included.
    """
    jax.clear_caches()  # what is traced already would not show the edit
    function, arguments = example()
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", f"{closed} {shape}").encode())
    for leaf in [*jax.tree_util.tree_leaves(arguments), *_constants(closed)]:
        digest.update(_content(leaf))
    return digest.hexdigest()


def read_list(path: Path) -> dict[str, str]:
    """Key and reason of every edit that was shown to change nothing."""
    if not path.exists():
        return {}
    entries = tomllib.loads(path.read_text()).get("equivalent", [])
    reasons = {entry["mutant"]: entry["reason"].strip() for entry in entries}
    if len(reasons) < len(entries) or not all(reasons.values()):
        raise ValueError(f"{path}: every mutant stands there once and has a reason")
    return reasons


def _content(leaf) -> bytes:
    is_key = isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return repr(np.asarray(jax.random.key_data(leaf) if is_key else leaf).tolist()).encode()


def _constants(value) -> list:
    """Constants of a jaxpr and of the jaxprs inside it; printing shows their shapes alone."""
    if isinstance(value, (list, tuple)):
        return [constant for item in value for constant in _constants(item)]
    if isinstance(value, ClosedJaxpr):
        inside = [parameter for eqn in value.jaxpr.eqns for parameter in eqn.params.values()]
        return [*value.consts, *_constants(inside)]
    if hasattr(value, "eqns"):
        return _constants([parameter for eqn in value.eqns for parameter in eqn.params.values()])
    return []
