"""Vectors for people in other languages: what diffx says, as versioned JSON.

    python -m spec_tests.vectors --out DIR

One module a file that is written: schedules.py, chains.py, grids.py, samplers.py, losses.py,
guidance.py, densities.py, each with cases() -> plain dictionaries of numbers.  README.md tells the
format, schema.json fixes it, and check_vectors.py, plain Python that imports neither jax nor diffx,
recomputes them by its own formulas; all three are written into DIR too.
"""

VERSION = 1  # of the format: a change that breaks a reader is a new number
