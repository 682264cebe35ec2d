"""What all demos share: the quick mode, read here and nowhere else, and one look for all
figures.
"""

import os

import jax
import matplotlib.pyplot as plt
from cycler import cycler

QUICK_VARIABLE = "DIFFX_DEMOS_QUICK"

# Okabe and Ito's colours, told apart by colour-blind readers; lines differ in dashes and markers
# too, for greyscale.
BLACK, ORANGE, BLUE, GREEN, RED, GREY = (
    "#000000",
    "#e69f00",
    "#0072b2",
    "#009e73",
    "#d55e00",
    "#999999",
)
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "x"]

STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "image.cmap": "gray_r",
    "animation.writer": "pillow",
    "axes.prop_cycle": cycler(color=[BLACK, ORANGE, BLUE, GREEN, RED, GREY])
    + cycler(linestyle=DASHES)
    + cycler(marker=MARKERS),
}


def begin(*, float64: bool = False) -> None:
    """The first line of every demo: the figures' look, and float64 where exact answers are compared
    to many digits.
    """
    jax.config.update("jax_enable_x64", float64)
    plt.rcParams.update(STYLE)


def by_mode(full, quick):
    """The first value, or the second in quick mode (`python -m demos --quick`)."""
    return quick if os.environ.get(QUICK_VARIABLE) == "1" else full


def bare(axes) -> None:
    """A panel for a picture or a plane: no grid, no ticks, equal scales."""
    axes.grid(False)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


def strip(axes, pictures, title: str = "") -> None:
    """Pictures (n, 8, 8) in [-1, 1] side by side in one panel, clipped to that range for display
    only.
    """
    import numpy as np

    framed = np.pad(
        np.clip(np.asarray(pictures), -1, 1), ((0, 0), (1, 1), (1, 1)), constant_values=-1
    )
    axes.imshow(np.concatenate(list(framed), axis=1), vmin=-1, vmax=1, interpolation="nearest")
    bare(axes)
    axes.set_title(title, loc="left")
