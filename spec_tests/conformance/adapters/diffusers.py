"""diffusers: every scheduler. Those that name their levels by timesteps stand here, those by sigmas in _diffusers_sigma."""
# pyright: reportMissingImports=false

from collections.abc import Iterator

import diffusers

from spec_tests.conformance.adapters._diffusers_chain import chain_samplers
from spec_tests.conformance.adapters._diffusers_exponential import exponential_samplers
from spec_tests.conformance.target import Target

LIBRARY = "diffusers"


def version() -> str:
    return diffusers.__version__


def samplers() -> Iterator[Target]:
    yield from chain_samplers()
    yield from exponential_samplers()
