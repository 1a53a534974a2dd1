"""The look shared by all figures: sizes, colours, axes.

Figures are made with matplotlib's object interface (`Figure` on an Agg canvas)
and every property is set on the object: no pyplot, no global settings, so that
a report can be written inside a user's own plotting session.

Colours are those of Okabe and Ito (told apart with every form of colour
blindness, 2008); lines differ in marker as well as in colour.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "BLACK",
    "COLOURS",
    "DIVERGING",
    "GREY",
    "MARKERS",
    "WIDTH",
    "figure",
    "save",
    "tidy",
    "wrapped",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F5539", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BLACK = "#222222"
GREY = "#8A8A8A"
# Blue to red through white: the sign survives every form of colour blindness.
DIVERGING = "RdBu_r"

WIDTH = 10.0
_DPI = 150
_SMALL = 9


def figure(
    rows: int, columns: int, height: float, *, width: float = WIDTH, **grid: Any
) -> tuple[Figure, list[Any]]:
    """A figure of `width` × `height` inches and its axes, row by row.

    `grid` goes to `Figure.subplots` (sharex, sharey, width_ratios, …).
    """
    made = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(made)
    axes = made.subplots(rows, columns, squeeze=False, **grid)
    return made, [axes[row][column] for row in range(rows) for column in range(columns)]


def tidy(ax: Any, *, title: str = "", x: str = "", y: str = "", grid: str = "y") -> None:
    """Quiet axes: two spines, small type, a faint grid along `grid` (x, y, both or none)."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(labelsize=_SMALL, color=GREY, labelcolor=BLACK, width=0.8, length=3)
    if title:
        ax.set_title(title, fontsize=10, color=BLACK, loc="left")
    if x:
        ax.set_xlabel(x, fontsize=_SMALL, color=BLACK)
    if y:
        ax.set_ylabel(y, fontsize=_SMALL, color=BLACK)
    ax.set_axisbelow(True)
    if grid != "none":
        ax.grid(axis=grid, color="#E6E6E6", linewidth=0.8)


def wrapped(title: str, width: int = 30) -> str:
    """A title in lines of at most `width` letters, so that it stays within its place."""
    return textwrap.fill(title, width)


def save(made: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path."""
    partial = path.with_name(f".{path.name}.partial")
    # Without the version of matplotlib in it, the same results give the same file.
    made.savefig(partial, format="png", metadata={"Software": None})
    os.replace(partial, path)
    return path
