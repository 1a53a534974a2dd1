"""Drawings as figures, as files and as a page to explore: three media for one scene.

Figures are made with the object interface of matplotlib (no pyplot, nothing is shown), at the
size their type needs: 8 points for names, 7 for indices and numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.drawing.graph import cost_lines, graph_scene
from tnlearn.drawing.scene import Box, Line, Point, Scene, Shape, Text
from tnlearn.drawing.tree import LEGEND, group_of, tree_scene
from tnlearn.errors import check_choice
from tnlearn.files import write_bytes
from tnlearn.networks.evaluate import node_values
from tnlearn.networks.export import chosen_contraction
from tnlearn.networks.graph import Contraction, Function, Graph, Node, Operand, Parameter
from tnlearn.networks.plan import cost, find_plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["draw", "draw_tree", "picture", "svg", "to_html"]

DPI = 150
POINTS = 72  # an inch, of SVG
BATCHES = (1, 16, 64, 256, 1024)
LISTED = 40_000  # the values of larger arrays are summarised only


def draw(
    graph: Graph, path: str | Path | None = None, *, title: str = "", ax: Axes | None = None
) -> Axes:
    """A picture of the graph of a network.

    Inputs are blue, constants grey, parameters orange, functions green with round
    corners; a small circle is a contraction of two tensors, a frame one of more,
    drawn out as a tensor network.  In a frame a dot is an index on three or more tensors,
    a star a complex conjugation, and a bar in a box the index of the batch (at the left)
    or of the channel (at the right).

    Parameters
    ----------
    graph
        The network.
    path
        Where to write it: a name that ends in .png, .svg or .pdf.
    title
        What stands above it.
    ax
        Axes to draw it on, scaled to fit; by default it gets a figure of its own.

    Returns
    -------
    The axes it was drawn on, `ax` or those of a figure of its own, in which one inch of the
    drawing is one inch; a notebook shows them.

    Raises
    ------
    UnknownNameError
        For another kind of file.
    FileError
        If the file cannot be written; a file that was there stays as it was.
    """
    return _finished(graph_scene(graph, title), path, ax)


def draw_tree(
    graph: Graph,
    path: str | Path | None = None,
    *,
    contraction: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A picture of the tree of a contraction, from the tensors at the bottom to the result.

    Every step is drawn once, with its indices, its flops and its entries for a batch
    of 64; one that the tree uses several times is marked ``shared``.  Blue steps are
    folded once for a data set, orange ones depend on a parameter, grey ones are constant.

    Parameters
    ----------
    graph, path, title, ax
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
    return _finished(tree_scene(graph, contraction, title), path, ax)


def picture(graph: Graph) -> str:
    """The graph of a network as SVG, without a title, for a notebook."""
    return svg(graph_scene(graph, ""), "Graph of the network")


def _finished(scene: Scene, path: str | Path | None, ax: Axes | None) -> Axes:
    """A scene on axes of its own or of the user; written to a file if one is given."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tnlearn.look import ShownAxes, write_figure

    figure = Figure(figsize=(scene.width, scene.height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    whole = figure.add_axes((0.0, 0.0, 1.0, 1.0), axes_class=ShownAxes)
    _draw_on(whole, scene)
    if path is not None and Path(path).suffix.lower() == ".svg":
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{svg(scene)}\n'
        write_bytes(Path(path), text.encode())
    elif path is not None:
        write_figure(figure, Path(path))
    if ax is None:
        return whole
    _draw_on(ax, scene)
    return ax


# ------------------------------------------------------------------ one scene, two media


def _draw_on(ax: Axes, scene: Scene) -> None:
    """A scene on matplotlib axes, as large as they allow."""
    from matplotlib.patches import Polygon

    ax.set(xlim=(0, scene.width), ylim=(scene.height, 0), aspect="equal")
    ax.set_axis_off()
    room = ax.get_window_extent()
    scale = min(room.width / scene.width, room.height / scene.height) / ax.figure.dpi
    for order, shape in enumerate(scene.shapes):
        if isinstance(shape, Text):
            ax.text(
                shape.x,
                shape.y,
                shape.text,
                fontsize=shape.size * scale,
                fontweight="bold" if shape.bold else "normal",
                fontfamily="DejaVu Sans",
                color=shape.colour,
                ha={"start": "left", "middle": "center", "end": "right"}[shape.align],
                va="center_baseline",
                parse_math=False,
                zorder=order,
            )
            continue
        patch = Polygon(_outline(shape), closed=bool(shape.fill), fill=bool(shape.fill))
        patch.set(facecolor=shape.fill or "none", edgecolor=shape.stroke, zorder=order)
        patch.set(linewidth=shape.line * scale, joinstyle="round" if not shape.fill else "miter")
        ax.add_patch(patch)


def _outline(shape: Box | Line) -> Sequence[Point]:
    """The points round a shape, of a round corner nine."""
    if isinstance(shape, Line):
        return shape.points
    left, top, right, bottom = shape.bounds
    r = shape.radius
    if not r:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    centres = [(right - r, bottom - r), (left + r, bottom - r), (left + r, top + r)]
    return [
        (x + r * math.cos(turn), y + r * math.sin(turn))
        for corner, (x, y) in enumerate([*centres, (right - r, top + r)])
        for turn in ((corner + step / 8) * math.pi / 2 for step in range(9))
    ]


def svg(scene: Scene, label: str = "", *, live: bool = False) -> str:
    """A scene as an SVG element; with `live`, nodes are buttons under their names."""
    wide, high = f"{scene.width * POINTS:.1f}", f"{scene.height * POINTS:.1f}"
    role = f' role="{"group" if live else "img"}" aria-label="{escape(label)}"' if label else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}pt" height="{high}pt" '
        f'viewBox="0 0 {wide} {high}" font-family="DejaVu Sans, Verdana, sans-serif"{role}>'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *(_element(shape, live) for shape in scene.shapes), "</svg>"])


def _element(shape: Shape, live: bool) -> str:
    left, top, right, bottom = (edge * POINTS for edge in shape.bounds)
    name = escape(getattr(shape, "node", "")) if live else ""
    if isinstance(shape, Text):
        weight = ' font-weight="bold"' if shape.bold else ""
        owner = f' data-label="{name}"' if name else ""
        return (
            f'<text x="{shape.x * POINTS:.1f}" y="{shape.y * POINTS:.1f}" dy="0.35em" '
            f'font-size="{shape.size:g}" text-anchor="{shape.align}" '
            f'textLength="{right - left:.1f}" lengthAdjust="spacingAndGlyphs" '
            f'fill="{shape.colour}"{weight}{owner}>{escape(shape.text)}</text>'
        )
    paint = f'fill="{shape.fill or "none"}" stroke="{shape.stroke}" stroke-width="{shape.line:g}"'
    if isinstance(shape, Line):
        points = " ".join(f"{x * POINTS:.1f},{y * POINTS:.1f}" for x, y in shape.points)
        return f'<{"polygon" if shape.fill else "polyline"} points="{points}" {paint}/>'
    button = f' data-node="{name}" tabindex="0" role="button" aria-label="{name}"' if name else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{bottom - top:.1f}" rx="{shape.radius * POINTS:.1f}" {paint}{button}/>'
    )


# ------------------------------------------------------------------ a page to explore


def to_html(graph: Graph, path: str | Path, *, title: str = "") -> Path:
    """Write a page to explore a network in: it works without a connection.

    Choose a node of the graph (with the mouse, or Tab and Enter) to see its kind,
    indices, shape, formula and values; below stand the contraction trees, the cost
    for several batch sizes and the generated torch code.  Parameters are shown at
    their initial values of seed 0.

    Raises
    ------
    UnknownNameError
        If the name does not end in .html.
    FileError
        If the file cannot be written; a file that was there stays as it was.
    """
    from jinja2 import Environment, StrictUndefined

    from tnlearn.networks.compiled import NetworkModule  # torch, only where it is needed

    target = Path(path)
    check_choice("kind of page", target.suffix.lower(), (".html", ".htm"))
    contractions = [n.name for n in graph.nodes.values() if isinstance(n, Contraction)]
    first = chosen_contraction(graph).name if contractions else ""
    contractions.sort(key=lambda name: name != first)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    template = files("tnlearn.drawing").joinpath("page.html").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        title=title or f"Network of {graph.output}",
        summary="; ".join(cost_lines(graph)),
        graph=svg(graph_scene(graph, title, tall=math.inf), "Graph of the network", live=True),
        trees={n: svg(tree_scene(graph, n, title), f"Tree of {n}") for n in contractions},
        costs=[cost(find_plan(graph), batch) for batch in BATCHES],
        code=NetworkModule(graph).graph.code.strip(),
        nodes=_described(graph),
        output=graph.output,
    )
    return write_bytes(target, page.encode())


def _described(graph: Graph) -> dict[str, dict[str, Any]]:
    """What the page says of each node; the values of those that need no states to be known."""
    terms = {name: value.term for name, value in find_plan(graph).values.items()}
    values = node_values(graph, [name for name in graph.nodes if not terms[name].data])
    users: dict[str, list[str]] = {name: [] for name in graph.nodes}
    described: dict[str, dict[str, Any]] = {}
    for name, node in graph.nodes.items():
        uses = list(dict.fromkeys(part.node for part in node.operands))
        for use in uses:
            users[use].append(name)
        described[name] = {
            "kind": node.kind,
            "inds": node.inds,
            "shape": ["batch" if size is None else size for size in node.shape],
            "formula": _formula(node),
            "group": LEGEND[group_of(terms[name])],
            "uses": uses,
            "users": users[name],
        }
        if isinstance(node, Parameter):
            noise = f", scale {node.init.scale:g}" if node.init.scale else ""
            described[name]["init"] = f"{node.init.kind}{noise}"
        if name in values:
            described[name] |= _values(values[name])
    return described


def _formula(node: Node) -> str:
    uses = [_use(part) for part in node.operands]
    if isinstance(node, Contraction):
        summed = dict.fromkeys(i for p in node.parts for i in p.inds if i not in node.inds)
        scale = "" if node.scale == 1.0 else f"{node.scale:.6g} "
        sigma = f"Σ_{{{', '.join(summed)}}} " if summed else ""
        right = f"{scale}{sigma}{' '.join(uses)}"
    elif isinstance(node, Function):
        options = [
            f"{key}={', '.join(map(str, value)) if isinstance(value, (tuple, list)) else value}"
            for key, value in node.options.items()
        ]
        right = f"{node.op}({', '.join([*uses, *options])})"
    else:
        return ""
    return f"{_use(Operand(node.name, node.inds))} = {right}"


def _use(part: Operand) -> str:
    return f"{part.node}{'*' if part.conj else ''}[{', '.join(part.inds)}]"


def _values(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "entries": int(values.size),
        "nonzero": int(np.count_nonzero(values)),
        "low": float(values.real.min()),
        "high": float(values.real.max()),
    }
    if values.size <= LISTED:
        entry["values"] = [float(f"{x:.5g}") for x in values.real.ravel()]
        if values.dtype.kind == "c":
            entry["imaginary"] = [float(f"{x:.5g}") for x in values.imag.ravel()]
    return entry
