"""Small wrong edits of the formulas, made mechanically: the specification has to notice every one
of them.

`python -m spec_tests.mutants --help`.  What is changed: edits, choice, equivalent. How a change
gets into a running process: patch, forks. Tests that may execute a function, from the sources:
mentions, sources; those that do: reach, kept between runs, witnesses. The run: engine, trials,
programs; the score: report.
"""
