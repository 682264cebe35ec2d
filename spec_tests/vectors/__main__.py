"""python -m spec_tests.vectors --out DIR: write the vectors, their schema, their README and their
checker into DIR.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import jax

import diffx
from spec_tests.vectors import (
    VERSION,
    chains,
    densities,
    grids,
    guidance,
    losses,
    samplers,
    schedules,
)
from spec_tests.vectors.plain import plain

TOPICS: dict[str, Callable[[], Iterable[dict]]] = {
    module.__name__.rpartition(".")[2]: module.cases
    for module in (schedules, chains, grids, samplers, losses, guidance, densities)
}
BESIDE = ("README.md", "schema.json", "check_vectors.py")


def main(arguments: list[str] | None = None) -> int:
    jax.config.update("jax_enable_x64", True)  # vectors are float64
    parser = argparse.ArgumentParser(prog="python -m spec_tests.vectors", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the folder to write into; files of other names stay",
    )
    folder = parser.parse_args(arguments).out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in BESIDE:
            shutil.copyfile(Path(__file__).parent / name, folder / name)
        for topic, cases in TOPICS.items():
            (folder / f"{topic}.json").write_text(text(topic, cases()))
    except OSError as error:
        print(f"cannot write into {folder}: {error.strerror or error}", file=sys.stderr)
        return 2
    print(
        f"{len(TOPICS)} files of vectors written; to check them: python "
        f"{folder / 'check_vectors.py'} {folder}"
    )
    return 0


def text(topic: str, cases: Iterable[dict]) -> str:
    """One file: a case a line, numbers with the digits that give the same float64 back."""
    head = {
        "format": "diffx-vectors",
        "version": VERSION,
        "diffx": diffx.__version__,
        "topic": topic,
    }
    lines = ",\n".join(json.dumps(plain(case), allow_nan=False) for case in cases)
    return f'{json.dumps(head)[:-1]}, "cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    raise SystemExit(main())
