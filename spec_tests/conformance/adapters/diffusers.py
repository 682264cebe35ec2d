"""diffusers: every scheduler, its processes and its guiders."""
# pyright: reportMissingImports=false

from collections.abc import Iterator

import diffusers

from spec_tests.conformance.adapters import _diffusers_sigma
from spec_tests.conformance.adapters._diffusers_chain import chain_samplers
from spec_tests.conformance.adapters._diffusers_exponential import exponential_samplers
from spec_tests.conformance.adapters._diffusers_other import missing, other_samplers
from spec_tests.conformance.adapters._diffusers_process import chain_processes, guider_targets
from spec_tests.conformance.adapters._diffusers_snippets import snippet
from spec_tests.conformance.target import Target

LIBRARY = "diffusers"


def version() -> str:
    return diffusers.__version__


def samplers() -> Iterator[Target]:
    seen = []
    for offer in (chain_samplers, exponential_samplers, other_samplers, _diffusers_sigma.samplers):
        for target in offer():
            seen.append(target.name)
            yield target._replace(snippet=target.snippet or snippet(target.name))
    yield from missing(seen)


def processes() -> Iterator[Target]:
    yield from chain_processes()
    yield from getattr(_diffusers_sigma, "processes", list)()


def guidances() -> Iterator[Target]:
    yield from guider_targets()
