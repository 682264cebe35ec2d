"""`python -m benchmarks [NAME ...] [--write]`: times diffx beside what is installed; outputs must
agree first.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.contrastive import contrastive
from benchmarks.exact import exact
from benchmarks.likelihood import likelihood
from benchmarks.sampling import sampling
from benchmarks.spiral import spiral
from benchmarks.startup import startup
from benchmarks.timing import Row, machine, versions

os.environ["TQDM_DISABLE"] = "1"  # a peer's progress bar is no part of its speed
HERE = Path(__file__).parent
WORKLOADS = {
    "sampling": sampling,
    "exact": exact,
    "likelihood": likelihood,
    "contrastive": contrastive,
    "spiral": spiral,
    "startup": startup,
}
PACKAGES = (
    "jax",
    "torch",
    "diffusers",
    "k-diffusion",
    "smalldiffusion",
    "azula",
    "diffrax",
    "scipy",
    "flow_matching",
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(WORKLOADS) + "; none: all"
    )
    parser.add_argument(
        "--write", action="store_true", help="write README.md and results.json beside this file"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in WORKLOADS]
    if unknown:
        parser.error(
            f"no workload is called {', '.join(unknown)}; there are {', '.join(WORKLOADS)}"
        )
    if options.write and options.names:
        parser.error("--write wants a run of all workloads: leave the names out")
    found = versions(PACKAGES)
    about = machine() | found
    print(" | ".join(f"{key} {value}" for key, value in about.items()), file=sys.stderr)
    rows = []
    for name in options.names or WORKLOADS:
        for row in WORKLOADS[name]():
            if not rows or rows[-1].line != row.line:
                print(f"\n{row.line}")
            print(
                f"  {row.name:32} {row.best_ms:10.3f} ms  median {row.median_ms:10.3f}  x "
                f"{row.ratio:8.2f}  "
                f"off {row.difference:.1e}",
                flush=True,
            )
            rows.append(row)
    if options.write:
        write(rows, about)


def write(rows: list[Row], about: dict) -> None:
    text = (HERE / "README.template.md").read_text()
    facts = "\n".join(f"| {key} | {value} |" for key, value in about.items())
    (HERE / "README.md").write_text(
        text.replace("{{facts}}", facts).replace("{{table}}", table(rows))
    )
    (HERE / "results.json").write_text(
        json.dumps({"about": about, "rows": [row._asdict() for row in rows]}, indent=1) + "\n"
    )


def table(rows: list[Row]) -> str:
    head = (
        "| | | best, ms | median, ms | best / diffx's best | difference "
        "|\n|---|---|---:|---:|---:|---:|\n"
    )
    cell = lambda row: (
        f"| {row.line} | {row.name} | {row.best_ms:.3f} | {row.median_ms:.3f} | {row.ratio:.2f} | "
        f"{row.difference:.1e} |"
    )
    return head + "\n".join(cell(row) for row in rows)


if __name__ == "__main__":
    main()
