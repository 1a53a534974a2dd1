"""One contraction as the diagram a physicist draws: tensors as boxes, indices as lines.

An index on two tensors is a line with its name on it, one on three or more is a
dot where the lines meet, and an index of the result has a free end.  The batch
and the channel, which stand on many tensors, run round the diagram as a bus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx

from tnlearn.networks.draw_scene import (
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
from tnlearn.networks.nodes import BATCH, CHANNEL, Contraction, Node

__all__ = ["panel"]

BUS = {BATCH: "#0072B2", CHANNEL: "#B85600"}
HANG, PITCH, ROOM = 0.46, 0.36, 0.13
Leg = tuple[float, float, str]  # x, y and colour of a line that leaves the frame below
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
    legs = _add_buses(scene, diagram)
    return _framed(scene, node, legs)


# ------------------------------------------------------------------ where things stand


def _as_rows(diagram: _Diagram) -> bool:
    """Two ends joined by paths that run side by side, as traces and convolutions are."""
    graph = diagram.graph
    if not nx.is_connected(graph):
        return False
    core = nx.k_core(graph, 2)
    if len(core):
        ends, paths = _parallel_paths(core)
    else:
        path = _longest_path(graph)
        ends, paths = (path[0], path[-1]), [path[1:-1]]
        core = graph.subgraph(path)
    if not ends or ends[0] == ends[1]:
        return False
    hung: dict[Vertex, list[Vertex]] = {}
    for vertex in graph:
        if vertex not in core:
            (host,) = graph[vertex] if graph.degree(vertex) == 1 else (None,)
            if host not in core:
                return False
            hung.setdefault(host, []).append(vertex)
    for vertex in core:
        if diagram.is_open(vertex):
            hung.setdefault(vertex, []).append(("free", str(vertex[1])))
    _place_rows(diagram, ends, paths, hung)
    return True


def _parallel_paths(core: nx.Graph) -> tuple[tuple[Vertex, ...], list[list[Vertex]]]:
    """The two ends and the paths between them, or nothing if the core is not like that."""
    knots = [vertex for vertex in core if core.degree(vertex) > 2]
    if not knots:
        ring = list(nx.find_cycle(core))
        order = [edge[0] for edge in ring]
        knots = [order[0], order[len(order) // 2]]
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
    for upper, lower in zip(paths, paths[1:], strict=False):
        hanging = lower is not paths[-1] and any(v in hung for v in lower)
        least = 0.95 if len(paths) == 2 else 0.62
        heights.append(heights[-1] + least + (HANG if hanging else 0.0) + 0.0 * len(upper))
    middle = heights[-1] / 2
    for path, y in zip(paths, heights, strict=True):
        spare = (inner - sum(widest(v) for v in path)) / (len(path) + 1)
        x = -inner / 2
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


def _bounds(scene: Scene) -> tuple[float, float, float, float]:
    boxes = [text.box for text in scene.texts]
    boxes += [_edges(rect) for rect in scene.rects]
    boxes += [(x, y, x, y) for line in scene.lines for x, y in line.points]
    lows, highs = zip(*(((a, b), (c, d)) for a, b, c, d in boxes), strict=True)
    return (
        min(x for x, _ in lows),
        min(y for _, y in lows),
        max(x for x, _ in highs),
        max(y for _, y in highs),
    )


def _edges(rect: Rect) -> tuple[float, float, float, float]:
    half, high = rect.width / 2, rect.height / 2
    return rect.x - half, rect.y - high, rect.x + half, rect.y + high


def _add_buses(scene: Scene, diagram: _Diagram) -> list[Leg]:
    """Batch and channel: a line round the diagram with a tap to every tensor that has it.

    Returned are the places at the bottom where one leaves, with their colours.
    """
    legs: list[Leg] = []
    for ind in sorted(BUS, reverse=True):  # the channel, if it is there, inside the batch
        colour = BUS[ind]
        holders = [i for i, part in enumerate(diagram.node.parts) if ind in part.inds]
        if not holders:
            continue
        places = [diagram.at[("tensor", i)] for i in holders]
        sizes = [box_size(diagram.kinds[i], [diagram.labels[i]]) for i in holders]
        if len(holders) == 1:
            _add_stub(scene, places[0], sizes[0], ind)
            continue
        left, top, right, bottom = _bounds(scene)
        frame = (left - 0.15, top - 0.15, right + 0.15, bottom + 0.15)
        taps = [_tap(scene, at, size, frame) for at, size in zip(places, sizes, strict=True)]
        for start, stop in taps:
            scene.line(start, stop, stroke=colour)
        ends = [stop for _, stop in taps]
        if ind in diagram.node.inds:
            middle = (frame[0] + frame[2]) / 2
            choices = [middle + 0.15 * step * way for step in range(9) for way in (1, -1)]
            used = [x for x, y in ends if y == frame[3]] + [leg[0] for leg in legs]
            name = text_width(ind, SMALL) + 0.12
            clear = [
                x
                for x in choices
                if all(abs(x - other) > 0.1 for other in used)
                and not any(-max(name, 0.6) < x - leg[0] < max(name, 0.6) for leg in legs)
            ]
            x = clear[0] if clear else middle
            ends.append((x, frame[3]))
            scene.texts.append(
                Text(x + 0.05, frame[3] + 0.13, ind, SMALL, align="start", colour=colour)
            )
            legs.append((x, frame[3], colour))
        else:
            scene.texts.append(
                Text(frame[2], frame[3] + 0.1, ind, SMALL, align="end", colour=colour)
            )
        _loop(scene, ends, frame, colour)
    return legs


def _add_stub(scene: Scene, at: Point, size: Point, ind: str) -> None:
    """A free leg of a single tensor, where there is room for it and its name."""
    (x, y), (half, high) = at, (size[0] / 2, size[1] / 2)
    away = text_width(ind, SMALL) + 0.2
    # Each way: where the leg ends, and the middle of its name.
    choices: list[tuple[Point, Point]] = []
    for length in (0.16, 0.3, 0.5):
        left, right = x - half - length, x + half + length
        choices += [((left, y), (left - away / 2 + 0.06, y))]
        choices += [((right, y), (right + away / 2 - 0.06, y))]
        for shift in (0.0, -half / 2, half / 2):
            for way in (-1, 1):
                end = y + way * (high + length)
                choices.append(((x + shift, end), (x + shift, end + 0.08 * way)))
    blocks = [_edges(rect) for rect in scene.rects if (rect.x, rect.y) != at]
    blocks += [text.box for text in scene.texts if (text.x, text.y) != at]

    def badness(choice: tuple[Point, Point]) -> float:
        (ex, ey), (tx, ty) = choice
        start = (ex if ey != y else x, y)
        low = (min(ex, tx - away / 2 + 0.05), min(ey, ty - 0.06))
        high = (max(ex, tx + away / 2 - 0.05), max(ey, ty + 0.06))
        hits = sum(
            low[0] < r and le < high[0] and low[1] < b and t < high[1] for le, t, r, b in blocks
        )
        corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        sides = [*zip(corners, [*corners[1:], corners[0]], strict=True), (start, (ex, ey))]
        for line in scene.lines:
            for p, q in _segments(line.points):
                if at not in (p, q) or ey == y:
                    hits += any(_cross(side, (p, q)) for side in sides)
        return hits + 0.1 * (abs(ex - x) + abs(ey - y))

    end, name = min(choices, key=badness)
    start = (end[0] if end[1] != y else x, y)
    scene.line(start, end, stroke=BUS[ind])
    scene.texts.append(Text(*name, ind, SMALL, colour=BUS[ind]))


def _tap(scene: Scene, at: Point, size: Point, frame: Sequence[float]) -> tuple[Point, Point]:
    """The shortest straight way from a tensor to the bus that runs over nothing."""
    x, y = at
    candidates: list[tuple[Point, Point]] = []
    for share in (0.0, -0.25, 0.25, -0.4, 0.4):
        across, along = x + share * size[0], y + share * size[1]
        candidates += [((across, y), (across, frame[1])), ((across, y), (across, frame[3]))]
        candidates += [((x, along), (frame[0], along)), ((x, along), (frame[2], along))]
    blocks = [_edges(rect) for rect in scene.rects if (rect.x, rect.y) != at]
    blocks += [text.box for text in scene.texts if abs(text.x - x) + abs(text.y - y) > 1e-9]

    def badness(way: tuple[Point, Point]) -> float:
        (ax, ay), (bx, by) = way
        low, high = (
            (min(ax, bx) - 0.03, min(ay, by) - 0.03),
            (max(ax, bx) + 0.03, max(ay, by) + 0.03),
        )
        hits = sum(
            low[0] < right and left < high[0] and low[1] < bottom and top < high[1]
            for left, top, right, bottom in blocks
        )
        crossed = sum(
            _cross(way, (p, q)) for line in scene.lines for p, q in _segments(line.points)
        )
        beside = sum(
            _beside(way, (p, q)) for line in scene.lines for p, q in _segments(line.points)
        )
        off = abs(ax - x) + abs(ay - y)
        return 100.0 * hits + 5.0 * beside + 0.4 * crossed + abs(ax - bx) + abs(ay - by) + 0.1 * off

    return min(candidates, key=badness)


def _segments(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    return zip(points, points[1:], strict=False)  # type: ignore[return-value]


def _beside(way: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether a horizontal or vertical way runs close along another line."""
    axis = 0 if way[0][1] == way[1][1] else 1
    if abs(other[0][1 - axis] - other[1][1 - axis]) > 1e-9:
        return False
    (low, high), (a, b) = (
        sorted((way[0][axis], way[1][axis])),
        sorted((other[0][axis], other[1][axis])),
    )
    return abs(way[0][1 - axis] - other[0][1 - axis]) < 0.1 and low < b and a < high


def _cross(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    def turn(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = first, second
    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0


def _loop(scene: Scene, ends: Sequence[Point], frame: Sequence[float], colour: str) -> None:
    left, top, right, bottom = frame
    wide, high = right - left, bottom - top

    def position(point: Point) -> float:
        x, y = point
        if y == top:
            return x - left
        if x == right:
            return wide + y - top
        if y == bottom:
            return wide + high + right - x
        return 2 * wide + high + bottom - y

    round_trip = 2 * (wide + high)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    marks = sorted({position(end): end for end in ends}.items())
    gaps = [
        ((marks[(i + 1) % len(marks)][0] - at) % round_trip or round_trip, i)
        for i, (at, _) in enumerate(marks)
    ]
    after = max(gaps)[1]  # the longest stretch without a tap is left out
    order = [*marks[after + 1 :], *marks[: after + 1]]
    start = order[0][0]
    stops = [((at - start) % round_trip, point) for at, point in order]
    length = stops[-1][0]
    stops += [
        ((position(corner) - start) % round_trip, corner)
        for corner in corners
        if (position(corner) - start) % round_trip < length
    ]
    stops.sort(key=lambda stop: stop[0])
    scene.line(*(point for _, point in stops), stroke=colour)
    if len(ends) > 2:
        inner = [point for _, point in order[1:-1]]
        scene.dots += [Dot(x, y, 0.03, colour, colour) for x, y in inner]


def _framed(scene: Scene, node: Contraction, legs: Sequence[Leg]) -> tuple[Scene, float]:
    left, top, right, bottom = _bounds(scene)
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
