"""The gallery: sphinx and sphinx-gallery over the demos, readable offline."""

import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
CHAPTERS = HERE.parent / "chapters"
CAPTION = "Run this in a clone of diffx, after: python -m pip install '.[demos]'"
# An animation's buttons come from an icon font on another server; our style sheet draws them with
# ordinary letters.
REMOTE_ICONS = '<link rel="stylesheet"\nhref="https://maxcdn.bootstrapcdn.com/font-awesome/4.4.0/css/font-awesome.min.css">'


def build(folder: Path, names: tuple[str, ...]) -> int:
    """Run all demos in this order and write folder/index.html; 1 where a demo fails."""
    # new each time: a page may depend on any code that it imports
    with tempfile.TemporaryDirectory() as source:
        return _build(Path(source).resolve(), folder, names)


def _build(source: Path, folder: Path, names: tuple[str, ...]) -> int:
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError

    begun = time.perf_counter()
    (source / "_static").mkdir()
    shutil.copy(HERE / "front.rst", source / "index.rst")
    shutil.copy(HERE / "diffx.css", source / "_static")
    try:
        app = Sphinx(
            srcdir=source,
            confdir=None,
            outdir=folder.resolve(),
            doctreedir=source / "_doctrees",
            buildername="html",
            confoverrides=_configuration(names),
            status=None,
            warning=sys.stderr,
            freshenv=True,
        )
        app.build()
    except (SphinxError, ValueError) as error:
        print(f"demos: {error}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    _make_local(folder)
    print(
        f"all {len(names)} demos in {time.perf_counter() - begun:.0f} s: open "
        f"{folder / 'index.html'}"
    )
    return app.statuscode


def _configuration(names: tuple[str, ...]) -> dict:
    return {
        "project": "diffx",
        "author": "The diffx authors",
        "extensions": ["sphinx_gallery.gen_gallery", "demos.site.pages"],
        "exclude_patterns": ["_doctrees"],
        "html_theme": "alabaster",
        "html_theme_options": {
            "description": "The story, chapter by chapter",
            "page_width": "1200px",
            "sidebar_width": "210px",
            "fixed_sidebar": True,
            "show_powered_by": False,
        },
        "html_sidebars": {"**": ["about.html", "navigation.html", "searchbox.html"]},
        "html_static_path": ["_static"],
        "html_css_files": ["diffx.css"],
        "html_math_renderer": "mathml",
        "html_copy_source": False,
        "html_show_sphinx": False,
        "html_show_copyright": False,
        "suppress_warnings": ["config.cache"],
        "sphinx_gallery_conf": {
            "examples_dirs": str(CHAPTERS),
            "gallery_dirs": "story",
            "filename_pattern": r"plot_",
            "ignore_pattern": r"(^|/)(_\w+|hat_experiment)\.py$",
            "within_subsection_order": _Order(names),
            "reset_modules": ("matplotlib", _Progress(names)),
            "reset_modules_order": "both",
            "matplotlib_animations": (True, "jshtml"),
            "first_notebook_cell": f"# {CAPTION}\n%matplotlib inline",
            "abort_on_example_error": True,
            "show_memory": False,
            "min_reported_time": 0,
            "write_computation_times": False,
            "download_all_examples": False,
            "remove_config_comments": True,
            "image_srcset": ["2x"],
            "plot_gallery": True,
        },
    }


class _Order:
    """Files in the order of the story (sphinx-gallery calls it with a file's name)."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def __call__(self, filename: str) -> int:
        name = Path(filename).stem.removeprefix("plot_")
        return self.names.index(name) if name in self.names else len(self.names)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.names}"


class _Progress:
    """A line before and after each demo (sphinx-gallery calls it as one of its module
    resetters).
    """

    def __init__(self, names: tuple[str, ...]):
        self.names, self.begun = names, 0.0
        self.__name__ = type(self).__name__

    def __call__(self, gallery_conf: dict, fname: str, when: str) -> None:
        name = Path(fname).stem.removeprefix("plot_")
        if name not in self.names:
            return
        if when == "before":
            self.begun = time.perf_counter()
            print(
                f"[{self.names.index(name) + 1}/{len(self.names)}] {name} ...",
                end="",
                flush=True,
                file=sys.__stdout__,
            )
        else:
            print(f" {time.perf_counter() - self.begun:.0f} s", flush=True, file=sys.__stdout__)

    def __repr__(self) -> str:
        return type(self).__name__


def _make_local(folder: Path) -> None:
    """Leave nothing in the pages that a reader without a network would miss."""
    for page in (folder / "story").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        if REMOTE_ICONS in text:
            page.write_text(text.replace(REMOTE_ICONS, ""), encoding="utf-8")
