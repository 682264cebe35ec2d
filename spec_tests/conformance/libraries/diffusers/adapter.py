"""diffusers: every scheduler, its processes and its guiders."""
# pyright: reportMissingImports=false

from collections.abc import Iterator

import diffusers

from spec_tests.conformance.libraries.diffusers import sigma, snippets
from spec_tests.conformance.libraries.diffusers.chain import chain_samplers
from spec_tests.conformance.libraries.diffusers.exponential import exponential_samplers
from spec_tests.conformance.libraries.diffusers.other import missing, other_samplers
from spec_tests.conformance.libraries.diffusers.process import chain_processes, guider_targets
from spec_tests.conformance.target import Target

LIBRARY = "diffusers"


def version() -> str:
    return diffusers.__version__


def samplers() -> Iterator[Target]:
    seen = []
    for offer in (chain_samplers, exponential_samplers, other_samplers, sigma.samplers):
        for target in offer():
            seen.append(target.name)
            yield target._replace(snippet=target.snippet or snippets.of_chain(target.name))
    yield from missing(seen)


def processes() -> Iterator[Target]:
    yield from chain_processes()
    yield from sigma.processes()


def guidances() -> Iterator[Target]:
    yield from guider_targets()
