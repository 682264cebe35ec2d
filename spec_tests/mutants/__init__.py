"""Small wrong edits of the formulas, made mechanically: the specification has to notice every one
of them.

`python -m spec_tests.mutants --help`.  edits: what is changed.  patch: how a change gets into a
running process. forks: one child for each piece of work.  reach: which test executes which
function.  engine: the run. equivalent: edits that change nothing.  report: the score.
"""
