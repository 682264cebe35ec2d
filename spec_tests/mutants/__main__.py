"""python -m spec_tests.mutants: does the specification notice small wrong edits of the formulas?"""

import argparse
import os
import sys
from pathlib import Path

# Before jax and numpy are imported: one thread for each child, on the host.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
for _name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

from spec_tests.mutants import choice, equivalent, report  # noqa: E402
from spec_tests.mutants.edits import Mutant, sample  # noqa: E402
from spec_tests.mutants.engine import PROFILE, Engine, Plan  # noqa: E402
from spec_tests.mutants.trials import Limits  # noqa: E402

HERE = Path(__file__).parent


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m spec_tests.mutants", description=__doc__)
    add = parser.add_argument
    add(
        "--most",
        type=int,
        default=900,
        metavar="N",
        help="draw at most N edits, each function its share (900)",
    )
    add("--seed", type=int, default=0, help="of the draw (0)")
    add(
        "--only",
        default="*",
        metavar="GLOB",
        help="functions by dotted name: 'diffx.laws.*', 'diffx.check.*'",
    )
    add(
        "--since", metavar="REV", help="only functions whose lines have changed since this revision"
    )
    add("--jobs", type=int, default=2, help="children at once (2)")
    add("--minutes", type=float, default=60.0, help="after which nothing new is started (60)")
    add(
        "--patience",
        type=float,
        default=90.0,
        help="seconds of tests that a survivor has to meet (90)",
    )
    add(
        "--grace",
        type=float,
        default=30.0,
        help="seconds beyond five times its tests until an edit counts as a hang",
    )
    add("--json", type=Path, metavar="FILE", help="write every edit and what became of it")
    add("--list", action="store_true", help="print the edits and stop")
    add("--recheck", action="store_true", help="judge those in the list of equivalent edits too")
    add("--package", default="diffx", help="what is mutated (diffx)")
    add(
        "--tests",
        nargs="+",
        default=["spec_tests"],
        metavar="PATH",
        help="what has to notice (spec_tests)",
    )
    add(
        "--examples",
        default="spec_tests.house.examples",
        help="the module with EXAMPLES; '' for none",
    )
    add(
        "--equivalent",
        type=Path,
        default=HERE / "equivalent.toml",
        help="the list of equivalent edits",
    )
    add("--cache", type=Path, default=HERE.parent.parent / ".cache" / "mutants", help="a directory")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 if at least 97% of the edits that change something are noticed, else 1."""
    options = arguments(words)
    sys.path.insert(0, os.getcwd())
    matching = choice.mutants(options.package, options.only)
    chosen = sample(
        choice.choose(matching, options.only, options.since), options.most, options.seed
    )
    if not chosen:
        raise SystemExit("no function with an edit matches --only and --since")
    if options.list:
        print("\n".join(f"{mutant.line:4} {mutant.key}" for mutant in chosen))
        return 0
    engine = judge(options, chosen)
    generated = choice.mutants(options.package)
    print("\n".join(report.summary(engine, generated)))
    if options.json:
        report.write(options.json, engine, generated)
    return int(report.score(engine.verdicts) < report.WANTED)


def judge(options: argparse.Namespace, chosen: list[Mutant]) -> Engine:
    """Run the chosen edits under pytest."""
    import pytest

    listed = {} if options.recheck else equivalent.read_list(options.equivalent)
    modules, package = choice.formula_modules(options.package), choice.modules(options.package)
    limits = Limits(options.jobs, options.minutes, options.patience, options.grace)
    cache = options.cache.resolve()
    engine = Engine(Plan(chosen, modules, package, listed, options.examples, cache, limits))
    quiet = [
        "-qq",
        "--no-header",
        "--no-summary",
        "--capture=no",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
    ]
    pytest.main([*options.tests, *quiet, "--spec-profile", PROFILE], plugins=[engine])
    if not engine.complete:
        raise SystemExit("no edit was judged, for the reason above")
    return engine


if __name__ == "__main__":
    raise SystemExit(main())
