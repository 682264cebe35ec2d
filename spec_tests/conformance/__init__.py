"""The conformance kit: the claims of diffx, asked of other people's diffusion code.

    python -m spec_tests.conformance --library diffusers
    python -m spec_tests.conformance --adapter my_module

target.py what an adapter offers; run.py adapter -> records; notes.py what was declared or checked
by hand; table.py for people; adapters/ one short module a library, with a .toml of notes beside it.
"""
