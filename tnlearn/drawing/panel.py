"""One contraction as the diagram a physicist draws: tensors as boxes, indices as lines.

An index on two tensors is a line with its name on it, one on three or more is a
dot where the lines meet, and an index of the result has a free end.  The batch
and the channel, which stand on many tensors, run round the diagram as a bus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx

from tnlearn.drawing.bus import BUS, Leg, add_buses, bounds
from tnlearn.drawing.scene import (
    BODY,
    INK,
    MUTED,
    SMALL,
    Dot,
    Point,
    Rect,
    Scene,
    Text,
    box_size,
    text_width,
)
from tnlearn.networks.nodes import Contraction, Node

__all__ = ["panel"]

HANG, PITCH, ROOM = 0.46, 0.36, 0.13
Vertex = tuple[str, int | str]  # ("tensor", number) or ("index", name)


@dataclass
class _Diagram:
    """The tensors and indices of one contraction, and where they stand."""

    node: Contraction
    labels: list[str]
    kinds: list[str]
    graph: nx.Graph = field(default_factory=nx.Graph)
    at: dict[Vertex, Point] = field(default_factory=dict)
    # Direction in which the name of an index or its free end is written.
    side: dict[Vertex, str] = field(default_factory=dict)

    def is_open(self, vertex: Vertex) -> bool:
        return vertex[0] == "index" and vertex[1] in self.node.inds

    def has_dot(self, vertex: Vertex) -> bool:
        return vertex[0] == "index" and self.graph.degree(vertex) + self.is_open(vertex) > 2

    def boxes(self) -> list[tuple[Point, Point]]:
        """The middle and the size of every tensor's box."""
        vertices: list[Vertex] = [("tensor", i) for i in range(len(self.labels))]
        return [(self.at[vertex], self.size(vertex)) for vertex in vertices]

    def size(self, vertex: Vertex) -> Point:
        if vertex[0] == "tensor":
            number = int(vertex[1])
            return box_size(self.kinds[number], [self.labels[number]])
        return text_width(str(vertex[1]), SMALL) + 0.16, 0.16


def panel(node: Contraction, nodes: Mapping[str, Node]) -> tuple[Scene, float]:
    """The diagram of a contraction in a frame with its left upper corner at (0, 0).

    The number is where, from the left, its result leaves the frame at the bottom.
    """
    diagram = _Diagram(
        node,
        [f"{part.node}*" if part.conj else part.node for part in node.parts],
        [nodes[part.node].kind for part in node.parts],
    )
    for number, part in enumerate(node.parts):
        diagram.graph.add_node(("tensor", number))
        for ind in part.inds:
            if ind not in BUS:
                diagram.graph.add_edge(("tensor", number), ("index", ind))
    if not _as_rows(diagram):
        _as_springs(diagram)
    scene = _drawn(diagram)
    legs = add_buses(scene, [part.inds for part in node.parts], diagram.boxes(), node.inds)
    return _framed(scene, node, legs)


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
    hung: Mapping[Vertex, list[Vertex]],
) -> None:
    def widest(vertex: Vertex) -> float:
        fan = sum(diagram.size(leaf)[0] + ROOM for leaf in hung.get(vertex, ()))
        return max(diagram.size(vertex)[0], fan)

    inner = max(sum(widest(v) + 2 * ROOM for v in path) for path in paths)
    inner = max(inner, 0.9)
    heights = [0.0]
    for lower in paths[1:]:
        hanging = lower is not paths[-1] and any(v in hung for v in lower)
        least = 0.95 if len(paths) == 2 else 0.62
        heights.append(heights[-1] + least + (HANG if hanging else 0.0))
    middle = heights[-1] / 2
    # Tensors between the outer rows need a free way to the buses above or below them.
    enclosed = [v for path in paths[1:-1] for v in path if v[0] == "tensor"]
    outer = inner
    if len(enclosed) > 1 and any(
        ind in diagram.node.parts[int(v[1])].inds for v in enclosed for ind in BUS
    ):
        inner += 1.5
    for path, y in zip(paths, heights, strict=True):
        room = outer if y in (heights[0], heights[-1]) else inner
        spare = (room - sum(widest(v) for v in path)) / (len(path) + 1)
        x = -room / 2
        up = -1.0 if y <= middle or path is not paths[-1] else 1.0
        for vertex in path:
            x += spare
            diagram.at[vertex] = (x + widest(vertex) / 2, y)
            diagram.side[vertex] = "below" if up < 0 else "above"
            fan = sum(diagram.size(leaf)[0] + ROOM for leaf in hung.get(vertex, ())) - ROOM
            left = x + widest(vertex) / 2 - fan / 2
            for leaf in hung.get(vertex, ()):
                width = diagram.size(leaf)[0]
                diagram.at[leaf] = (left + width / 2, y + up * HANG)
                diagram.side[leaf] = "above" if up < 0 else "below"
                left += width + ROOM
            x += widest(vertex)
    for end, way in zip(ends, (-1.0, 1.0), strict=True):
        x = way * (inner / 2 + 0.3 + diagram.size(end)[0] / 2)
        diagram.at[end] = (x, middle)
        diagram.side[end] = "end"
        leaves = hung.get(end, [])
        for number, leaf in enumerate(leaves):
            width = diagram.size(leaf)[0]
            y = middle + (number - (len(leaves) - 1) / 2) * PITCH
            reach = diagram.size(end)[0] / 2 if end[0] == "tensor" else 0.1
            diagram.at[leaf] = (x + way * (reach + 0.28 + width / 2), y)
            diagram.side[leaf] = "left" if way < 0 else "right"


def _as_springs(diagram: _Diagram) -> None:
    """Any other network: each connected piece by its distances, pieces side by side."""
    left = 0.0
    for piece in nx.connected_components(diagram.graph):
        part = diagram.graph.subgraph(sorted(piece, key=str))
        places = nx.kamada_kawai_layout(part) if len(part) > 1 else {next(iter(part)): (0.0, 0.0)}
        scale = 0.5
        while scale < 40 and _overlapping(diagram, places, scale):
            scale *= 1.1
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


def _overlapping(diagram: _Diagram, places: Mapping[Vertex, Point], scale: float) -> bool:
    items = list(places.items())
    for i, (a, (ax, ay)) in enumerate(items):
        for b, (bx, by) in items[i + 1 :]:
            wide = (diagram.size(a)[0] + diagram.size(b)[0]) / 2 + 0.1
            high = (diagram.size(a)[1] + diagram.size(b)[1]) / 2 + 0.1
            if abs(ax - bx) * scale < wide and abs(ay - by) * scale < high:
                return True
    return False


# ------------------------------------------------------------------ drawing it


def _drawn(diagram: _Diagram) -> Scene:
    scene = Scene()
    for a, b in diagram.graph.edges:
        scene.line(diagram.at[a], diagram.at[b])
    for vertex, (x, y) in diagram.at.items():
        name = str(vertex[1])
        if vertex[0] == "tensor":
            number = int(vertex[1])
            part = diagram.node.parts[number]
            scene.box(x, y, diagram.kinds[number], [diagram.labels[number]], part.node)
            continue
        side = diagram.side.get(vertex, "above")
        if vertex[0] == "free":
            scene.line(diagram.at[("index", name)], (x, y))
            scene.texts.append(_end_name(x, y, name, side))
            continue
        if diagram.has_dot(vertex):
            scene.dots.append(Dot(x, y, 0.04, INK))
            if diagram.is_open(vertex):
                continue  # its name stands at its free end
            scene.texts.append(_dot_name(x, y, name, side))
        elif diagram.graph.degree(vertex) == 1:
            scene.texts.append(_end_name(x, y, name, side))
        else:
            scene.texts.append(Text(x, y, name, SMALL, halo=True))
    return scene


def _dot_name(x: float, y: float, name: str, side: str) -> Text:
    if side == "end":  # lines leave to both sides
        return Text(x, y - 0.17, name, SMALL)
    return Text(x + 0.06, y + (0.12 if side == "below" else -0.12), name, SMALL, align="start")


def _end_name(x: float, y: float, name: str, side: str) -> Text:
    half = text_width(name, SMALL) / 2
    return {
        "left": Text(x + half - 0.02, y, name, SMALL, align="end", halo=True),
        "right": Text(x - half + 0.02, y, name, SMALL, align="start", halo=True),
        "above": Text(x, y, name, SMALL, halo=True),
        "below": Text(x, y, name, SMALL, halo=True),
    }[side]


def _framed(scene: Scene, node: Contraction, legs: Sequence[Leg]) -> tuple[Scene, float]:
    left, top, right, bottom = bounds(scene)
    title = node.name if node.scale == 1.0 else f"{node.name}  × {node.scale:.4g}"
    summed = sorted({i for p in node.parts for i in p.inds} - set(node.inds))
    note = "sum over " + ", ".join(summed) if summed else "no sum: a product, entry by entry"
    least = text_width(title, BODY, True) + text_width(note, SMALL) + 0.5
    width = max(right - left + 0.4, least)
    height = bottom - top + 0.48
    dx, dy = width / 2 - (left + right) / 2, 0.36 - top
    framed = Scene(width, height)
    framed.rects.append(
        Rect(
            *(width / 2, height / 2, width, height, "#FFFFFF", MUTED, 0.8, 0.06),
            node=node.name,
            frame=True,
        )
    )
    framed.add(scene, dx, dy)
    for x, y, colour in legs:
        framed.line((x + dx, y + dy), (x + dx, height), stroke=colour)
    framed.texts.append(Text(0.1, 0.13, title, BODY, True, "start", node=node.name))
    framed.texts.append(Text(width - 0.1, 0.13, note, SMALL, align="end", colour=MUTED))
    return framed, legs[-1][0] + dx if legs else width / 2
