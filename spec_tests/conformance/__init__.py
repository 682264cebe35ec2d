"""The conformance kit: the claims of diffx, asked of other people's diffusion code.

    python -m spec_tests.conformance --library diffusers
    python -m spec_tests.conformance --adapter my_module

target.py what an adapter offers; run.py adapter -> records; notes.py what was declared or checked
by hand; table.py for people; libraries/ a folder for each library: its adapter, snippets, notes
and kept record.
"""
