"""python -m spec_tests.conformance --library NAME | --adapter MODULE [--path DIR] [--only PATTERN]
[--all] [--json FILE].
"""

import argparse
import datetime
import importlib
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from diffx.check.finding import FAILS, NOT_PROVIDED
from spec_tests.conformance.libraries import FOLDER, INSTALL, libraries
from spec_tests.conformance.notes import annotated, read_notes
from spec_tests.conformance.run import Record, records_of
from spec_tests.conformance.table import table


def main(arguments: list[str] | None = None) -> int:
    """0 where every failure is declared, 1 where one is not, 2 for a wrong command."""
    options = _parser().parse_args(arguments)
    # before the run, not after it
    if options.json and not Path(options.json).absolute().parent.is_dir():
        _refuse(f"there is no folder to write {options.json} to")
    if options.path:
        sys.path.insert(0, options.path)
    records, stale = _records(options)
    if not records:
        print(f"no target matches {options.only!r}", file=sys.stderr)
        return 2
    print(table(records, everything=options.all))
    for line in stale if options.only == "*" else []:
        print(f"stale note: {line}")
    if options.keep:
        _keep(records, options.library or options.adapter)
    if options.json:
        Path(options.json).write_text(
            json.dumps([record._asdict() for record in records], indent=1) + "\n"
        )
    return int(any(record.verdict == FAILS for record in records))


def _records(options: argparse.Namespace) -> tuple[list[Record], list[str]]:
    name = options.adapter or f"spec_tests.conformance.libraries.{options.library}.adapter"
    try:
        adapter = importlib.import_module(name)
    except Exception as error:  # a library may raise anything on import, if versions do not match
        if options.library not in libraries():
            _refuse(_no_adapter(name, error))
        how = (
            f"not installed here ({_said(error)}); to install it: "
            f"{INSTALL.get(options.library, 'see the adapter')}"
        )
        return [Record(options.library, "-", "-", "-", NOT_PROVIDED, "-", "-", how)], []
    say = partial(print, file=sys.stderr, flush=True) if options.verbose else lambda line: None
    try:
        notes = read_notes(notes_of(adapter))
    except ValueError as error:
        _refuse(f"the notes cannot be read: {error}")
    return annotated(records_of(adapter, only=options.only, say=say), notes)


def notes_of(adapter: ModuleType) -> Path:
    """notes.toml beside an adapter of this kit, my_module.toml beside a module of yours."""
    path = Path(str(adapter.__file__))
    ours = path.is_relative_to(FOLDER)
    return path.with_name("notes.toml") if ours else path.with_suffix(".toml")


def _refuse(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    raise SystemExit(2)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"


def _no_adapter(name: str, error: Exception) -> str:
    return (
        f"the adapter {name} cannot be imported: {_said(error)}; --library takes one of: "
        f"{', '.join(libraries())}"
    )


def _keep(records: list[Record], name: str) -> None:
    """For the gallery's table: a record a line, with the day."""
    lines = ",\n".join(json.dumps(record._asdict()) for record in records)
    text = f'{{"date": "{datetime.date.today()}", "records": [\n{lines}\n]}}\n'
    folder = FOLDER / name.removesuffix(".adapter").rpartition(".")[2]
    folder.mkdir(exist_ok=True)
    (folder / "record.json").write_text(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spec_tests.conformance", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--library", help=f"one of: {', '.join(libraries())}")
    which.add_argument(
        "--adapter", help="a module of yours that offers samplers(), processes(), guidances(), ..."
    )
    parser.add_argument("--path", help="the folder of a library that no package registry has")
    parser.add_argument("--only", default="*", help="a pattern of target names, such as 'DDIM*'")
    parser.add_argument("--all", action="store_true", help="print what holds, too")
    parser.add_argument("--json", metavar="FILE", help="write the records")
    parser.add_argument(
        "--keep", action="store_true", help="keep the records for the table of the gallery"
    )
    parser.add_argument("--verbose", action="store_true", help="say each target as it is done")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
