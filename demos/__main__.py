"""`python -m demos [NAME] [--quick]`: run the story, or one of its demos."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

CHAPTERS = Path(__file__).parent / "chapters"
# In the order of the story.
NAMES = (
    "sculpting_noise",
    "contrast",
    "temperature",
    "information_bound",
    "zero_shot",
    "hat",
    "concept_map",
    "concept_algebra",
    "spiral",
    "trap_of_the_mean",
    "two_roads",
    "equal_angles",
    "reflow",
    "every_sampler",
    "error_budget",
    "guidance",
    "guided_spiral",
    "entropy",
    "likelihood",
    "brownian_backwards",
    "check_your_own",
    "add_a_process",
    "break_a_formula",
    "add_a_sampler",
)


class Refusal(Exception):
    """A sentence for the person at the command line."""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        name = _known(arguments.name)
        folder = _writable(Path(arguments.gallery))
        _installed()
    except Refusal as refusal:
        print(f"demos: {refusal}", file=sys.stderr)
        return 2
    from demos.chapters._settings import QUICK_VARIABLE

    os.environ[QUICK_VARIABLE] = "1" if arguments.quick else "0"
    if name:
        return _run_one(name, folder)
    from demos.site import gallery

    return gallery.build(folder, NAMES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demos", description="Run the story and leave a gallery to browse."
    )
    parser.add_argument(
        "name", nargs="?", help=f"run this demo alone and save its figures: {', '.join(NAMES)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer steps and points, to see that everything runs"
    )
    parser.add_argument(
        "--gallery", default="gallery", metavar="DIR", help="where to write (default: ./gallery)"
    )
    return parser


def _known(name: str | None) -> str | None:
    """The demo's name, with or without the plot_ and .py of its file."""
    if name is None:
        return None
    short = Path(name).name.removesuffix(".py").removeprefix("plot_")
    if short not in NAMES:
        raise Refusal(f"there is no demo called {name!r}; the demos are {', '.join(NAMES)}")
    return short


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        way_out = "give a folder that you may write to: --gallery DIR"
        raise Refusal(
            f"the gallery {folder} cannot be written ({error.strerror}); {way_out}"
        ) from error
    return folder


def _installed() -> None:
    missing = []
    for module in ("matplotlib", "sphinx", "sphinx_gallery", "sklearn"):
        try:
            __import__(module)
        except ImportError:
            missing.append(module)
    if missing:
        raise Refusal(
            f"{', '.join(missing)} must be installed; the extra has it: python -m pip install "
            "'.[demos]'"
        )


def _run_one(name: str, folder: Path) -> int:
    """The demo as a plain script; its figures and animations go to folder/NAME-*."""
    import runpy

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.animation import Animation

    begun = time.perf_counter()
    made = runpy.run_path(str(CHAPTERS / f"plot_{name}.py"), run_name="__main__")
    files = []
    for animation in (value for value in made.values() if isinstance(value, Animation)):
        files.append(folder / f"{name}-{len(files) + 1}.gif")
        animation.save(files[-1], writer="pillow")
        plt.close(animation._fig)  # pyright: ignore[reportAttributeAccessIssue]
    for number in plt.get_fignums():
        files.append(folder / f"{name}-{len(files) + 1}.png")
        plt.figure(number).savefig(files[-1])
    print(
        f"{name}: {time.perf_counter() - begun:.0f} s, its point asserted; "
        f"{', '.join(map(str, files))}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
