"""The specification of diffx: claims about the mathematics, each held by one test.  Run from a
clone; not installed.
"""
