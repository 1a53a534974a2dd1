"""Pictures of a network and of its contraction trees, as matplotlib figures.

Figures are made with the object interface (no pyplot, nothing is shown), at the
size their type needs: 8 points for names, 7 for indices and numbers.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnlearn.drawing.scene import Scene, arrow_head
from tnlearn.errors import FileError, check_choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tnlearn.networks.network import Network

__all__ = ["SUFFIXES", "draw", "draw_tree", "write_whole"]

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150


def draw(network: Network, path: str | Path | None = None) -> Figure:
    """A picture of the graph of a network.

    Inputs are blue, constants grey, parameters orange, functions green with round
    corners; a small circle is a contraction of two tensors, a frame one of more,
    drawn out as a tensor network.  A dot is an index on three or more tensors,
    a star a complex conjugation.

    Parameters
    ----------
    network
        The network.
    path
        Where to write it: a name that ends in .png, .svg or .pdf.

    Raises
    ------
    UnknownNameError
        For another kind of file.
    FileError
        If the file cannot be written; a file that was there stays as it was.
    """
    from tnlearn.drawing.graph import graph_scene

    _check_suffix(path)
    return _finished(graph_scene(network), path)


def draw_tree(
    network: Network, path: str | Path | None = None, *, contraction: str | None = None
) -> Figure:
    """A picture of the tree of a contraction, from the tensors at the bottom to the result.

    Every step is drawn once, with its indices, its flops and its entries for a batch
    of 64; one that the tree uses several times is marked ``shared``.  Blue steps are
    folded once for a data set, orange ones depend on a parameter, grey ones are constant.

    Parameters
    ----------
    network, path
        As in `draw`.
    contraction
        Name of a contraction; by default the one that computes the invariant.

    Raises
    ------
    UnknownNameError
        For another kind of file, or a contraction that does not exist.
    FileError
        If the file cannot be written.
    """
    from tnlearn.drawing.tree import tree_scene

    _check_suffix(path)
    return _finished(tree_scene(network, contraction), path)


def _check_suffix(path: str | Path | None) -> None:
    if path is not None:
        check_choice("kind of picture", Path(path).suffix.lower(), SUFFIXES)


def _finished(scene: Scene, path: str | Path | None) -> Figure:
    figure = render(scene)
    if path is not None:
        kind = Path(path).suffix.lower()[1:]
        # Without dates and versions in it, the same network gives the same file.
        stamp = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}[kind]

        def write(partial: Path) -> None:
            figure.savefig(partial, format=kind, dpi=DPI, metadata={stamp: None})

        write_whole(Path(path), write)
    return figure


def write_whole(path: Path, write: Any) -> Path:
    """Write a file under another name and move it into place, so that it is whole or not there.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written.
    """
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the name of a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(0o666 & ~_umask())
        os.replace(partial, path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def render(scene: Scene) -> Figure:
    """A scene as a matplotlib figure of exactly its size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, FancyBboxPatch, Polygon

    figure = Figure(figsize=(scene.width, scene.height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0, scene.width)
    ax.set_ylim(scene.height, 0)
    ax.set_axis_off()
    frames = [r for r in scene.rects if r.frame]
    for order, rects in ((0, frames), (2, [r for r in scene.rects if not r.frame])):
        for r in rects:
            ax.add_patch(
                FancyBboxPatch(
                    (r.x - r.width / 2, r.y - r.height / 2),
                    r.width,
                    r.height,
                    boxstyle=f"round,pad=0,rounding_size={r.radius}"
                    if r.radius
                    else "square,pad=0",
                    facecolor=r.fill,
                    edgecolor=r.stroke,
                    linewidth=r.line,
                    zorder=order,
                )
            )
    for line in scene.lines:
        xs, ys = zip(*line.points, strict=True)
        ax.plot(xs, ys, color=line.stroke, linewidth=line.line, zorder=1, solid_joinstyle="round")
        if line.arrow:
            head = Polygon(arrow_head(line), closed=True, zorder=1)
            head.set(facecolor=line.stroke, edgecolor="none")
            ax.add_patch(head)
    for dot in scene.dots:
        circle = Circle((dot.x, dot.y), dot.radius, zorder=3)
        circle.set(facecolor=dot.fill, edgecolor=dot.stroke, linewidth=1.0)
        ax.add_patch(circle)
    for text in scene.texts:
        halo = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if text.halo else None
        ax.text(
            text.x,
            text.y,
            text.text,
            fontsize=text.size,
            fontweight="bold" if text.bold else "normal",
            fontfamily="DejaVu Sans",
            color=text.colour,
            ha={"start": "left", "middle": "center", "end": "right"}[text.align],
            va="center_baseline",
            bbox=halo,
            parse_math=False,
            zorder=4,
        )
    return figure
