"""One look for every picture, and axes that show themselves in a notebook.

Made with matplotlib's object interface (no pyplot, no global settings), so that a picture can be
drawn inside a user's own plotting session.  Colours are those of Okabe and Ito, told apart with
every form of colour blindness.  The style is a sheet of matplotlib, ``tnlearn.look``.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tnlearn.errors import check_choice
from tnlearn.files import replace_file

__all__ = [
    "BLACK", "COLOURS", "DIVERGING", "EDGE", "GREY", "MARKERS", "WIDTH", "Figure", "ShownAxes",
    "canvas", "panels", "png", "tidy", "write_figure",
]  # fmt: skip

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F5539", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
BLACK, GREY = "#222222", "#8A8A8A"
# Blue to red through white: the sign survives every form of colour blindness.
DIVERGING = "RdBu_r"
# From the bulk of a chain to its ends.
EDGE = LinearSegmentedColormap.from_list(
    "edge", [(0, "#AEB8C0"), (0.3, "#AEB8C0"), (0.65, "#E69F00"), (1, "#B23A00")]
)
WIDTH = 10.0
_STYLE = Path(__file__).with_name("look.mplstyle")
# Nothing that changes from run to run goes into a file: the same figure gives the same bytes.
_PLAIN: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


class ShownAxes(Axes):
    """Axes that a notebook shows as the picture they belong to, when a cell ends with them."""

    def save(self, path: str | Path) -> Path:
        """Write the picture to a .png, .svg or .pdf file, whole or not at all."""
        write_figure(self._whole(), Path(path))
        return Path(path)

    def _whole(self) -> Any:
        """The figure, also of axes in a part of one."""
        return self.figure.figure

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {
            "image/png": base64.b64encode(png(self._whole())).decode(),
            "image/svg+xml": _svg(self._whole()),
        }


def panels(
    count: int, across: int, height: float, *, width: float = WIDTH, ax: Any = None, **grid: Any
) -> tuple[Figure, list[Any]]:
    """A figure of `count` axes, `across` in a row, each `height` inches high; `grid` of `subplots`.

    They are listed row by row; or they are the one that is given.
    """
    if ax is not None:
        return ax.figure, [ax]
    rows, kind = -(-count // across), {"axes_class": ShownAxes}
    with matplotlib.rc_context(fname=_STYLE):
        figure = Figure((width, height * rows))
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, across, squeeze=False, subplot_kw=kind, **grid).flat)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


@contextmanager
def canvas(ax: Any = None, *, width: float = 5.2, height: float = 3.2) -> Iterator[Any]:
    """Axes to draw on: a user's own in the user's style, or new ones in the style of this package.

    The style holds while something is drawn on them; nothing of it is left behind.
    """
    if ax is not None:
        yield ax
        return
    with matplotlib.rc_context(fname=_STYLE):
        yield panels(1, 1, height, width=width)[1][0]


def tidy(
    ax: Any, *, title: str = "", x: str = "", y: str = "", grid: str = "y", letters: int = 100
) -> None:
    """Title, names of the axes, and a faint grid along `grid` (x, y, both or none).

    Titles are broken so that `letters` stand in the width of the figure.
    """
    place = ax.get_subplotspec()
    across = place.get_gridspec().ncols if place else 1
    with matplotlib.rc_context(fname=_STYLE):  # where a title stands, and its size
        ax.set(title=textwrap.fill(title, letters // across), xlabel=x, ylabel=y)
    ax.grid(False)
    if grid != "none":
        ax.grid(axis=grid)


def png(figure: Figure) -> bytes:
    """A figure as PNG of at most 256 colours: the same picture gives the same bytes, and few."""
    from PIL import Image

    stream, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(stream, format="png", metadata=_PLAIN[".png"])
    picture = Image.open(stream).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_PLAIN[".svg"])
    return buffer.getvalue()


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a .png, .svg or .pdf file, whole or not at all.

    Raises
    ------
    UnknownNameError, FileError
        For another kind of picture; if the file cannot be written.
    """
    kind = check_choice("kind of picture", path.suffix.lower(), _PLAIN)
    replace_file(path, lambda f: figure.savefig(f, format=kind[1:], metadata=_PLAIN[kind]))
