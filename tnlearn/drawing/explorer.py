"""A network as one self-contained HTML page to explore: graph, nodes, trees, code and costs."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.drawing.graph import graph_scene
from tnlearn.drawing.page import caption
from tnlearn.drawing.scene import Scene, arrow_head, text_width
from tnlearn.drawing.show import write_whole
from tnlearn.drawing.tree import tree_scene
from tnlearn.errors import check_choice
from tnlearn.networks.export import chosen_contraction, node_values
from tnlearn.networks.nodes import Contraction, Function, Node, Operand, Parameter

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["to_html"]

BATCHES = (1, 16, 64, 256, 1024)
SHOWN = 40_000  # arrays of more entries are summarised only
SCALE = 96  # pixels an inch


def to_html(network: Network, path: str | Path) -> Path:
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
    target = Path(path)
    check_choice("kind of page", target.suffix.lower(), (".html", ".htm"))
    page = _page(network)

    def write(partial: Path) -> None:
        partial.write_text(page, encoding="utf-8")

    return write_whole(target, write)


def _page(network: Network) -> str:
    title, lines = caption(network)
    contractions = [n.name for n in network.nodes.values() if isinstance(n, Contraction)]
    trees = "\n".join(
        f'<figure class="paper" data-tree="{html.escape(name)}"'
        f"{'' if number == 0 else ' hidden'}>{_svg(tree_scene(network, name), f'Tree of {name}')}"
        "</figure>"
        for number, name in enumerate(_dearest_first(network, contractions))
    )
    parts = {
        "title": html.escape(title),
        "summary": html.escape("; ".join(lines)),
        "graph": _svg(graph_scene(network, tall=math.inf), "Graph of the network", live=True),
        "options": "".join(
            f"<option>{html.escape(name)}</option>"
            for name in _dearest_first(network, contractions)
        ),
        "trees": trees,
        "costs": _cost_rows(network),
        "code": html.escape(network.module().graph.code.strip()),
        "data": _as_json({node.name: _described(network, node) for node in network.nodes.values()}),
        "output": html.escape(network.output),
    }
    text = files("tnlearn.drawing").joinpath("explorer.html").read_text(encoding="utf-8")
    head, *rest = text.split("{{")
    pieces = [head]
    for piece in rest:
        name, after = piece.split("}}", 1)
        pieces += [parts[name], after]
    return "".join(pieces)


def _dearest_first(network: Network, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    first = chosen_contraction(network).name
    return [first, *(name for name in names if name != first)]


def _cost_rows(network: Network) -> str:
    rows = []
    for batch in BATCHES:
        cost = network.cost(batch)
        cells = (cost.naive, cost.path, cost.shared, cost.peak)
        numbers = "".join(f"<td>{number:,}</td>" for number in cells)
        rows.append(f"<tr><th scope='row'>{batch:,}</th>{numbers}</tr>")
    return "\n".join(rows)


def _as_json(data: Any) -> str:
    """JSON that may stand in a script element: no tag can end it, and no NaN is in it."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# ------------------------------------------------------------------ nodes


def _described(network: Network, node: Node) -> dict[str, Any]:
    value = network.plan().values[node.name]
    entry: dict[str, Any] = {
        "kind": node.kind,
        "inds": list(node.inds),
        "shape": ["batch" if size is None else size for size in node.shape],
        "formula": _formula(node),
        "group": _group(value.term.live, value.term.data),
        "uses": list(dict.fromkeys(part.node for part in node.operands)),
        "users": [
            other.name
            for other in network.nodes.values()
            if any(part.node == node.name for part in other.operands)
        ],
    }
    if isinstance(node, Parameter):
        noise = f", scale {node.init.scale:g}" if node.init.scale else ""
        entry["init"] = f"{node.init.kind}{noise}"
    term = value.term
    if not term.data:  # it can be shown without states
        entry |= _values(node_values(network, [node.name])[node.name])
    return entry


def _group(live: bool, data: bool) -> str:
    if live:
        return "live: depends on a parameter"
    return "frozen: depends on the states only" if data else "constant"


def _formula(node: Node) -> str:
    left = f"{node.name}[{', '.join(node.inds)}]"
    if isinstance(node, Contraction):
        summed = dict.fromkeys(i for p in node.parts for i in p.inds if i not in node.inds)
        scale = "" if node.scale == 1.0 else f"{node.scale:.6g} "
        sigma = f"Σ_{{{', '.join(summed)}}} " if summed else ""
        return f"{left} = {scale}{sigma}{' '.join(_use(part) for part in node.parts)}"
    if isinstance(node, Function):
        options = [
            f"{key}={', '.join(map(str, value)) if isinstance(value, (tuple, list)) else value}"
            for key, value in node.options.items()
        ]
        inside = ", ".join([*(_use(part) for part in node.parts), *options])
        return f"{left} = {node.op}({inside})"
    return ""


def _use(part: Operand) -> str:
    return f"{part.node}{'*' if part.conj else ''}[{', '.join(part.inds)}]"


def _values(array: Any) -> dict[str, Any]:
    values = np.asarray(array)
    if values.dtype.kind == "c":
        parts = {"values": values.real, "imaginary": values.imag}
    else:
        parts = {"values": values}
    entry: dict[str, Any] = {
        "entries": int(values.size),
        "nonzero": int(np.count_nonzero(values)),
        "low": float(values.real.min()),
        "high": float(values.real.max()),
    }
    if values.size <= SHOWN:
        for name, part in parts.items():
            entry[name] = [float(f"{x:.5g}") for x in part.ravel()]
    return entry


# ------------------------------------------------------------------ SVG


def _svg(scene: Scene, label: str, *, live: bool = False) -> str:
    """A scene as an SVG element; with `live`, nodes are buttons."""
    wide, high = scene.width * SCALE, scene.height * SCALE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.1f} {high:.1f}" role="{"group" if live else "img"}" '
        f'aria-label="{html.escape(label)}">'
    ]
    out += [_rect(r, live) for r in scene.rects if r.frame]
    for line in scene.lines:
        points = " ".join(f"{x * SCALE:.1f},{y * SCALE:.1f}" for x, y in line.points)
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{line.stroke}" '
            f'stroke-width="{line.line * SCALE / 72:.2f}"/>'
        )
        if line.arrow:
            corners = " ".join(f"{x * SCALE:.1f},{y * SCALE:.1f}" for x, y in arrow_head(line))
            out.append(f'<polygon points="{corners}" fill="{line.stroke}"/>')
    out += [_rect(r, live) for r in scene.rects if not r.frame]
    for dot in scene.dots:
        out.append(
            f'<circle cx="{dot.x * SCALE:.1f}" cy="{dot.y * SCALE:.1f}" '
            f'r="{dot.radius * SCALE:.1f}" fill="{dot.fill}" stroke="{dot.stroke}" '
            f'stroke-width="1.3"{_button(dot.node, live)}/>'
        )
    for text in scene.texts:
        width = text_width(text.text, text.size, text.bold) * SCALE
        halo = ' stroke="#fff" stroke-width="5" paint-order="stroke"' if text.halo else ""
        weight = ' font-weight="bold"' if text.bold else ""
        owner = f' data-label="{html.escape(text.node)}"' if live and text.node else ""
        out.append(
            f'<text x="{text.x * SCALE:.1f}" y="{(text.y * SCALE):.1f}" dy="0.35em" '
            f'font-size="{text.size * SCALE / 72:.2f}" text-anchor="{text.align}" '
            f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs" fill="{text.colour}"'
            f"{weight}{halo}{owner}>{html.escape(text.text)}</text>"
        )
    out.append("</svg>")
    return "\n".join(out)


def _rect(r: Any, live: bool) -> str:
    return (
        f'<rect x="{(r.x - r.width / 2) * SCALE:.1f}" y="{(r.y - r.height / 2) * SCALE:.1f}" '
        f'width="{r.width * SCALE:.1f}" height="{r.height * SCALE:.1f}" '
        f'rx="{r.radius * SCALE:.1f}" fill="{r.fill}" stroke="{r.stroke}" '
        f'stroke-width="{r.line * SCALE / 72:.2f}"{_button(r.node, live)}/>'
    )


def _button(node: str, live: bool) -> str:
    if not live or not node:
        return ""
    name = html.escape(node)
    return f' data-node="{name}" tabindex="0" role="button" aria-label="{name}"'
