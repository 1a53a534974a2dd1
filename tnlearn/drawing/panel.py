"""One contraction as the diagram a physicist draws: tensors as boxes, indices as lines.

An index on two tensors is a line with its name on it, one on three or more is a dot where the
lines meet, and an index of the result has a free end.  The batch and the channel, which stand
on many tensors at once, are bars inside their boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import networkx as nx

from tnlearn.drawing.scene import (
    BODY,
    MARKS,
    MUTED,
    WHITE,
    Box,
    Point,
    Scene,
    Text,
    box_size,
    text_width,
)
from tnlearn.networks.graph import Contraction, Node

__all__ = ["contraction_title", "panel"]

HANG, PITCH, ROOM = 0.46, 0.36, 0.13
Vertex = tuple[str, int | str]  # ("tensor", number) or ("index", name)


class _Diagram:
    """The tensors and indices of one contraction as a graph, and where they stand."""

    def __init__(self, node: Contraction, nodes: Mapping[str, Node]) -> None:
        self.node = node
        self.labels = [f"{part.node}*" if part.conj else part.node for part in node.parts]
        self.kinds = [nodes[part.node].kind for part in node.parts]
        self.marks = [[mark for mark in MARKS if mark in part.inds] for part in node.parts]
        self.graph = nx.Graph()
        for number, part in enumerate(node.parts):
            self.graph.add_node(("tensor", number))
            for ind in part.inds:
                if ind not in MARKS:
                    self.graph.add_edge(("tensor", number), ("index", ind))
        self.at: dict[Vertex, Point] = {}
        # Direction in which the name of an index or its free end is written.
        self.side: dict[Vertex, str] = {}

    def is_open(self, vertex: Vertex) -> bool:
        return vertex[0] == "index" and vertex[1] in self.node.inds

    def has_dot(self, vertex: Vertex) -> bool:
        return vertex[0] == "index" and self.graph.degree(vertex) + self.is_open(vertex) > 2

    def size(self, vertex: Vertex) -> Point:
        if vertex[0] == "tensor":
            i = int(vertex[1])
            return box_size(self.kinds[i], [self.labels[i]], self.marks[i])
        return text_width(str(vertex[1])) + 0.16, 0.16

    def fan(self, leaves: Sequence[Vertex]) -> float:
        """Width of leaves that hang side by side, each with room about it."""
        return sum(self.size(leaf)[0] + ROOM for leaf in leaves)


def panel(node: Contraction, nodes: Mapping[str, Node]) -> Scene:
    """The diagram of a contraction in a frame with its left upper corner at (0, 0)."""
    diagram = _Diagram(node, nodes)
    if not _as_rows(diagram):
        _as_springs(diagram)
    return _framed(_drawn(diagram), node)


def contraction_title(node: Contraction) -> str:
    """The name of a contraction and the number it is multiplied by."""
    return node.name if node.scale == 1.0 else f"{node.name}  × {node.scale:.4g}".replace("-", "−")


# ------------------------------------------------------------------ where things stand


def _as_rows(diagram: _Diagram) -> bool:
    """Two ends joined by paths that run side by side, as traces and convolutions are."""
    graph = diagram.graph
    if not nx.is_connected(graph):
        return False
    core = nx.k_core(graph, 2)
    if len(core):
        ends, paths = _parallel_paths(core, {v for v in core if diagram.has_dot(v)})
    else:
        path = _longest_path(graph)
        ends, paths = (path[0], path[-1]), [path[1:-1]]
        core = graph.subgraph(path)
    if not ends or ends[0] == ends[1]:
        return False
    hung: dict[Vertex, list[Vertex]] = {}
    for vertex in graph:
        if vertex not in core:
            near = list(graph[vertex])
            if len(near) != 1 or near[0] not in core:
                return False
            hung.setdefault(near[0], []).append(vertex)
    for vertex in core:
        if diagram.is_open(vertex):
            hung.setdefault(vertex, []).append(("free", str(vertex[1])))
    _place_rows(diagram, ends, paths, hung)
    return True


def _parallel_paths(
    core: nx.Graph, dots: set[Vertex]
) -> tuple[tuple[Vertex, ...], list[list[Vertex]]]:
    """The two ends and the paths between them, or nothing if the core is not like that."""
    knots = [vertex for vertex in core if core.degree(vertex) > 2]
    if not knots:
        order = [edge[0] for edge in nx.find_cycle(core)]
        half = len(order) // 2
        # Opposite each other, and dots where there are any.
        start = max(range(half), key=lambda i: ((order[i] in dots) + (order[i + half] in dots), -i))
        knots = [order[start], order[start + half]]
    if len(knots) != 2:
        return (), []
    rest = core.subgraph([vertex for vertex in core if vertex not in knots])
    paths: list[list[Vertex]] = [[]] if core.has_edge(*knots) else []
    for piece in nx.connected_components(rest):
        starts = [vertex for vertex in piece if core.has_edge(vertex, knots[0])]
        stops = [vertex for vertex in piece if core.has_edge(vertex, knots[1])]
        if len(starts) != 1 or len(stops) != 1:
            return (), []
        paths.append(nx.shortest_path(rest.subgraph(piece), starts[0], stops[0]))
    paths.sort(key=lambda path: (-len(path), [str(v) for v in path]))
    # The two longest are the outermost.
    return tuple(knots), [paths[0], *paths[2:], paths[1]] if len(paths) > 1 else paths


def _longest_path(tree: nx.Graph) -> list[Vertex]:
    first = next(iter(tree))
    for _ in range(2):
        lengths = nx.single_source_shortest_path(tree, first)
        path = max(lengths.values(), key=len)
        first = path[-1]
    return list(path)


def _place_rows(
    diagram: _Diagram,
    ends: Sequence[Vertex],
    paths: Sequence[Sequence[Vertex]],
    hung: Mapping[Vertex, Sequence[Vertex]],
) -> None:
    def widest(vertex: Vertex) -> float:
        return max(diagram.size(vertex)[0], diagram.fan(hung.get(vertex, ())))

    inner = max(0.9, *(sum(widest(v) + 2 * ROOM for v in path) for path in paths))
    heights = [0.0]
    for lower in paths[1:]:
        hanging = lower is not paths[-1] and any(v in hung for v in lower)
        least = 0.95 if len(paths) == 2 else 0.62
        heights.append(heights[-1] + least + (HANG if hanging else 0.0))
    middle = heights[-1] / 2
    for path, y in zip(paths, heights, strict=True):
        spare = (inner - sum(widest(v) for v in path)) / (len(path) + 1)
        left = -inner / 2
        up = y <= middle or path is not paths[-1]
        for vertex in path:
            left += spare
            x = left + widest(vertex) / 2
            diagram.at[vertex] = (x, y)
            diagram.side[vertex] = "below" if up else "above"
            leaves = hung.get(vertex, ())
            at = x - (diagram.fan(leaves) - ROOM) / 2
            for leaf in leaves:
                width = diagram.size(leaf)[0]
                diagram.at[leaf] = (at + width / 2, y - HANG if up else y + HANG)
                diagram.side[leaf] = "above" if up else "below"
                at += width + ROOM
            left += widest(vertex)
    for end, way in zip(ends, (-1.0, 1.0), strict=True):
        x = way * (inner / 2 + 0.3 + diagram.size(end)[0] / 2)
        diagram.at[end] = (x, middle)
        diagram.side[end] = "end"
        leaves = hung.get(end, ())
        reach = diagram.size(end)[0] / 2 if end[0] == "tensor" else 0.1
        for number, leaf in enumerate(leaves):
            width = diagram.size(leaf)[0]
            y = middle + (number - (len(leaves) - 1) / 2) * PITCH
            diagram.at[leaf] = (x + way * (reach + 0.28 + width / 2), y)
            diagram.side[leaf] = "left" if way < 0 else "right"


def _as_springs(diagram: _Diagram) -> None:
    """Any other network: each connected piece by its distances, pieces side by side."""
    left = 0.0
    for piece in nx.connected_components(diagram.graph):
        part = diagram.graph.subgraph(sorted(piece, key=str))
        places = nx.kamada_kawai_layout(part) if len(part) > 1 else {next(iter(part)): (0.0, 0.0)}
        scale = 0.5
        for (a, (ax, ay)), (b, (bx, by)) in combinations(places.items(), 2):
            (aw, ah), (bw, bh) = diagram.size(a), diagram.size(b)
            across, down = max(abs(ax - bx), 1e-6), max(abs(ay - by), 1e-6)
            scale = max(scale, min(((aw + bw) / 2 + 0.1) / across, ((ah + bh) / 2 + 0.1) / down))
        shift = left - min(x * scale - diagram.size(v)[0] / 2 for v, (x, _) in places.items())
        for vertex, (x, y) in places.items():
            diagram.at[vertex] = (x * scale + shift, y * scale)
        left = max(diagram.at[v][0] + diagram.size(v)[0] / 2 for v in places) + 0.4
    for vertex in list(diagram.graph):
        diagram.side[vertex] = "above"
        if diagram.is_open(vertex) and diagram.graph.degree(vertex) > 1:
            x, y = diagram.at[vertex]
            diagram.at[("free", str(vertex[1]))] = (x + 0.25, y + 0.25)
            diagram.side[("free", str(vertex[1]))] = "right"


# ------------------------------------------------------------------ drawing it


def _drawn(diagram: _Diagram) -> Scene:
    scene = Scene()
    for a, b in diagram.graph.edges:
        scene.line(diagram.at[a], diagram.at[b])
    for vertex, (x, y) in diagram.at.items():
        if vertex[0] == "free":
            scene.line(diagram.at["index", vertex[1]], (x, y))
    for vertex, (x, y) in diagram.at.items():
        name, side = str(vertex[1]), diagram.side.get(vertex, "above")
        if vertex[0] == "tensor":
            i = int(vertex[1])
            node = diagram.node.parts[i].node
            scene.box(x, y, diagram.kinds[i], [diagram.labels[i]], node, marks=diagram.marks[i])
        elif vertex[0] == "free" or diagram.graph.degree(vertex) == 1:
            scene.clear(_end_name(x, y, name, side))
        elif not diagram.has_dot(vertex):
            scene.clear(Text(x, y, name))
        else:
            scene.disc(x, y, 0.04)
            if diagram.is_open(vertex):
                continue  # its name stands at its free end
            if side == "end":  # lines leave to both sides
                scene.label(x, y - 0.17, name)
            else:
                scene.label(x + 0.06, y + (0.12 if side == "below" else -0.12), name, "start")
    return scene


def _end_name(x: float, y: float, name: str, side: str) -> Text:
    half = text_width(name) / 2
    if side == "left":
        return Text(x + half - 0.02, y, name, align="end")
    return Text(x - half + 0.02, y, name, align="start") if side == "right" else Text(x, y, name)


def _framed(diagram: Scene, node: Contraction) -> Scene:
    left, top, right, bottom = diagram.bounds
    title = contraction_title(node)
    summed = {ind for part in node.parts for ind in part.inds} - set(node.inds)
    order = sorted(summed, key=lambda ind: (len(ind), ind))  # i9 before i10
    note = f"sum over {', '.join(order)}" if summed else "no sum: a product, entry by entry"
    note += f" → ({', '.join(node.inds)})"
    least = text_width(title, BODY, True) + text_width(note) + 0.5
    width = max(right - left + 0.4, least)
    height = bottom - top + 0.54
    frame = Scene(width, height)
    edge = (width / 2, height / 2, width, height)
    frame.shapes.append(Box(*edge, WHITE, MUTED, 0.8, 0.06, node.name))
    frame.add(diagram, (width - left - right) / 2, 0.36 - top)
    frame.shapes.append(Text(0.1, 0.13, title, BODY, True, "start", node=node.name))
    frame.label(width - 0.1, 0.13, note, "end", MUTED)
    return frame
