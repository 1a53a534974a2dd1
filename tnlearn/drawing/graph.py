"""The graph of a network as a scene: layers from the inputs down to the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tnlearn.drawing.layout import Block, Placed, layered
from tnlearn.drawing.page import caption, page
from tnlearn.drawing.panel import panel
from tnlearn.drawing.scene import (
    INK,
    MUTED,
    SMALL,
    Dot,
    Point,
    Scene,
    Text,
    box_size,
    rows_width,
    text_width,
)
from tnlearn.networks.nodes import Contraction, Function, Node, Operand

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["graph_scene"]

DOWN, LEAD = 0.22, 0.24
HUB = 0.07  # radius of the circle of a contraction of two tensors
TALL = 10.0  # a taller drawing is folded into columns
GUTTER = 0.5
PAIR = 0.12  # two lines enter a block this far from its middle


@dataclass
class _Item:
    """A node in the flow, the leaves that hang beside it, and its picture about its anchor."""

    node: Node
    flows: list[Operand]
    leaves: list[Operand]
    block: Block
    picture: Scene
    middle: float  # of the box or circle, below the top of the block
    half: float  # half the height of that box or circle
    slots: list[str] = field(default_factory=list)


def graph_scene(network: Network, *, tall: float = TALL) -> Scene:
    """The whole drawing: title and costs, the graph, a legend.

    A graph taller than `tall` inches is folded into columns where one node alone
    links what is above to what is below.
    """
    items = _items(network)
    blocks = {name: item.block for name, item in items.items()}
    edges = [(flow.node, name) for name, item in items.items() for flow in item.flows]
    labels = [
        "" if _is_panel(item.node) else _label(flow)
        for item in items.values()
        for flow in item.flows
    ]
    placed = layered(blocks, edges, across=0.3, down=DOWN)
    columns = _columns(placed, edges, items, tall)
    body = Scene()
    for name, item in items.items():
        x, top = _moved(columns, placed.layer[name], placed.anchors[name])
        body.add(item.picture, x, top)
    _draw_edges(body, items, placed, edges, labels, columns)
    _draw_output(body, network, items, placed, columns)
    return _page(network, body)


def _is_panel(node: Node) -> bool:
    return isinstance(node, Contraction) and len(node.parts) > 2


def _label(part: Operand) -> str:
    return ("conj: " if part.conj else "") + ", ".join(part.inds)


# ------------------------------------------------------------------ the pieces


def _items(network: Network) -> dict[str, _Item]:
    nodes = network.nodes
    items: dict[str, _Item] = {}
    for node in nodes.values():
        if isinstance(node, (Contraction, Function)):
            if isinstance(node, Contraction) and _is_panel(node):
                flows = {
                    part.node: part
                    for part in node.operands
                    if isinstance(nodes[part.node], (Contraction, Function))
                }
                items[node.name] = _panel_item(node, list(flows.values()), nodes)
            else:
                flow = [part for part in node.operands if _flows(nodes[part.node])]
                leaf = [part for part in node.operands if not _flows(nodes[part.node])]
                items[node.name] = _item(node, flow, leaf, nodes)
    entering = {flow.node for item in items.values() for flow in item.flows}
    inputs = {
        name: _leaf_item(nodes[name]) for name in nodes if name in entering and name not in items
    }
    return {name: (inputs | items)[name] for name in nodes if name in inputs or name in items}


def _flows(node: Node) -> bool:
    """Inputs and computed nodes stand in the flow; constants and parameters beside it."""
    return node.kind in ("input", "contraction", "function")


def _shape(node: Node) -> str:
    return " × ".join("batch" if size is None else str(size) for size in node.shape)


def _leaf_item(node: Node) -> _Item:
    rows = [node.name, _shape(node)]
    width, height = box_size(node.kind, rows)
    picture = Scene()
    picture.box(0, height / 2, node.kind, rows, node.name)
    block = Block(width / 2, width / 2, height)
    return _Item(node, [], [], block, picture, height / 2, height / 2)


def _panel_item(node: Contraction, flows: list[Operand], nodes: Mapping[str, Node]) -> _Item:
    picture, leaves_at = panel(node, nodes)
    moved = Scene()
    moved.add(picture, -leaves_at, 0.0)
    height = picture.height
    block = Block(leaves_at, picture.width - leaves_at, height, 0.12 if flows else 0.0)
    return _Item(node, flows, [], block, moved, height / 2, height / 2)


def _item(
    node: Contraction | Function,
    flows: list[Operand],
    leaves: list[Operand],
    nodes: Mapping[str, Node],
) -> _Item:
    picture = Scene()
    names = [text_width(_label(flow), SMALL) + 0.2 for flow in flows]
    beside = [box_size(nodes[leaf.node].kind, [leaf.node]) for leaf in leaves]
    tower = sum(height + 0.06 for _, height in beside) - 0.06
    if isinstance(node, Contraction):
        title = node.name if node.scale == 1.0 else f"{node.name}  × {node.scale:.4g}"
        rows = [title, _shape(node)]
        half_width, half = HUB, HUB
        height = max(tower, 0.30)
        picture.dots.append(Dot(0, height / 2, HUB, "#FFFFFF", INK, node.name))
        picture.rows(-HUB - 0.08, height / 2, rows, node=node.name, align="end")
        left = HUB + 0.08 + rows_width(rows)
    else:
        rows = [node.name, f"{_operation(node)} · {_shape(node)}"]
        width, box_height = box_size("function", rows)
        if len(names) > 2:  # they enter side by side
            width = max(width, sum(names) + 0.1)
        half_width, half = width / 2, box_height / 2
        height = max(tower, box_height)
        picture.box(0, height / 2, "function", rows, node.name, width)
        left = half_width
    right = half_width
    y = (height - tower) / 2
    middle = height / 2
    for leaf, (wide, high) in zip(leaves, beside, strict=True):
        y += high / 2
        label = _label(leaf)
        room = text_width(label, SMALL)
        start = half_width + (0.22 if isinstance(node, Contraction) and len(leaves) > 1 else 0.05)
        x = start + room + 0.18 + wide / 2
        picture.line((0.0, middle), (start, y), (x, y))
        picture.texts.append(
            Text(start + 0.04, y - 0.075, label, SMALL, align="start", colour=MUTED)
        )
        picture.box(x, y, nodes[leaf.node].kind, [leaf.node], leaf.node)
        right = max(right, x + wide / 2)
        y += high / 2 + 0.06
    if len(names) == 1:
        right = max(right, names[0])
    elif len(names) == 2:  # one name to the left of its line, one to the right
        left, right = max(left, PAIR + max(names)), max(right, PAIR + max(names))
    lead = LEAD if flows else 0.0
    return _Item(node, flows, leaves, Block(left, right, height, lead), picture, middle, half)


def _operation(node: Function) -> str:
    over = node.options.get("ind") or ", ".join(node.options.get("inds", ()))
    if node.op in ("mean", "max"):
        (part,) = node.parts
        over = ", ".join(ind for ind in part.inds if ind not in node.inds)
    name = node.op.replace("_", " ")
    return f"{name} over {over}" if over and node.op != "stack" else name


# ------------------------------------------------------------------ folding into columns


@dataclass
class _Columns:
    """Which column each layer stands in, and how far it moves there."""

    column: list[int]
    shift: list[Point]
    left: list[float]


def _columns(
    placed: Placed, edges: Sequence[tuple[str, str]], items: Mapping[str, _Item], tall: float
) -> _Columns:
    layers = len(placed.tops)
    height = placed.bottoms[-1]
    wanted = max(1, round(height / tall + 0.35))
    passing: list[set[str]] = [set() for _ in range(layers)]  # whose edges leave each layer
    for source, target in edges:
        for depth in range(placed.layer[source], placed.layer[target]):
            passing[depth].add(source)
    cuts: list[int] = []
    for number in range(1, wanted):
        goal = height * number / wanted
        free = [d for d in range(layers - 1) if len(passing[d]) == 1 and d not in cuts]
        if free:
            best = min(free, key=lambda d: abs(placed.bottoms[d] - goal))
            if abs(placed.bottoms[best] - goal) < 0.5 * height / wanted:
                cuts.append(best)
    column = [sum(depth > cut for cut in cuts) for depth in range(layers)]
    starts = [0, *(cut + 1 for cut in cuts)]
    lows, highs = [0.0] * len(starts), [0.0] * len(starts)
    for number in range(len(starts)):
        inside = [n for n in items if column[placed.layer[n]] == number]
        lows[number] = min(placed.anchors[n][0] - items[n].block.left for n in inside)
        highs[number] = max(placed.anchors[n][0] + items[n].block.right for n in inside)
        bends = [
            x
            for (source, target), points in zip(edges, placed.bends, strict=True)
            for x, _ in points
            if column[placed.layer[source]] == number or column[placed.layer[target]] == number
        ]
        lows[number] = min([lows[number], *bends])
        highs[number] = max([highs[number], *bends])
    lead = [max(items[n].block.lead for n in items if placed.layer[n] == s) for s in starts]
    at, moves, left = 0.0, [], []
    for number, start in enumerate(starts):
        top = placed.tops[start] - lead[number]
        moves.append((at - lows[number], -top + (0.2 if number else 0.0)))
        left.append(at)
        at += highs[number] - lows[number] + GUTTER
    return _Columns(column, [moves[column[d]] for d in range(layers)], left)


def _moved(columns: _Columns, layer: int, point: Point) -> Point:
    dx, dy = columns.shift[layer]
    return point[0] + dx, point[1] + dy


# ------------------------------------------------------------------ edges


def _draw_edges(
    body: Scene,
    items: Mapping[str, _Item],
    placed: Placed,
    edges: Sequence[tuple[str, str]],
    labels: Sequence[str],
    columns: _Columns,
) -> None:
    for name, item in items.items():
        mine = [i for i, (_, target) in enumerate(edges) if target == name]
        # Enter side by side, in the order of where they come from.
        mine.sort(
            key=lambda i: (
                placed.bends[i][-1][0] if placed.bends[i] else placed.anchors[edges[i][0]][0]
            )
        )
        x, top = _moved(columns, placed.layer[name], placed.anchors[name])
        ports = _ports(item, [labels[i] for i in mine], x, top, body, edges, mine, placed, columns)
        for i, port in zip(mine, ports, strict=True):
            source = edges[i][0]
            _draw_edge(body, items, placed, columns, i, source, name, port)
            if labels[i]:
                left = len(mine) == 2 and i == mine[0]
                body.texts.append(
                    Text(
                        port[0] + (-0.05 if left else 0.05),
                        top - 0.16,
                        labels[i],
                        SMALL,
                        align="end" if left else "start",
                        colour=MUTED,
                    )
                )


def _ports(
    item: _Item,
    labels: Sequence[str],
    x: float,
    top: float,
    body: Scene,
    edges: Sequence[tuple[str, str]],
    mine: Sequence[int],
    placed: Placed,
    columns: _Columns,
) -> list[Point]:
    """Where each edge meets the top of a block."""
    if _is_panel(item.node):
        half = item.block.left - 0.2
        ports = []
        for i in mine:
            source = edges[i][0]
            came = placed.bends[i][-1] if placed.bends[i] else placed.anchors[source]
            at = came[0] + columns.shift[placed.layer[item.node.name]][0]
            ports.append((min(max(at, x - half), x + half), top))
        return ports
    if len(labels) == 1:
        return [(x, top + item.middle - item.half)]
    y = top + item.middle - item.half
    if len(labels) == 2:
        return [(x - PAIR, y), (x + PAIR, y)]
    widths = [text_width(label, SMALL) + 0.2 for label in labels]
    at = x - sum(widths) / 2
    ports = []
    for width in widths:
        ports.append((at + 0.05, y))
        at += width
    return ports


def _draw_edge(
    body: Scene,
    items: Mapping[str, _Item],
    placed: Placed,
    columns: _Columns,
    number: int,
    source: str,
    target: str,
    port: Point,
) -> None:
    item, aim = items[source], items[target]
    depth, goal = placed.layer[source], placed.layer[target]
    sx, stop = _moved(columns, depth, placed.anchors[source])
    x, top = _moved(columns, goal, placed.anchors[target])
    passed: list[tuple[int, Point]] = [(depth, (sx, stop + item.middle + item.half))]
    if placed.bends[number] or abs(sx - port[0]) > 1e-6:
        passed.append((depth, (sx, placed.bottoms[depth] + columns.shift[depth][1])))
    for n, point in enumerate(placed.bends[number]):
        layer = depth + 1 + n // 2
        passed.append((layer, _moved(columns, layer, point)))
    passed.append((goal, (port[0], top - max(aim.block.lead - 0.02, 0.0))))
    points = [passed[0][1]]
    for (before, a), (after, b) in pairwise(passed):
        old, new = columns.column[before], columns.column[after]
        if new > old:  # over to the next column, through the gutter between them
            last = max(layer for layer, column in enumerate(columns.column) if column == old)
            first = last + 1
            gutter = columns.left[new] - GUTTER / 2
            low = placed.bottoms[last] + columns.shift[last][1] + 0.12
            high = placed.tops[first] + columns.shift[first][1] - LEAD - 0.12
            points += [(a[0], low), (gutter, low), (gutter, high), (b[0], high)]
        points.append(b)
    if isinstance(aim.node, Contraction) and not _is_panel(aim.node):
        # Lines meet at the circle itself.
        body.line(*points, (port[0], top + aim.middle - 0.12), (x, top + aim.middle))
    else:
        body.line(*points, port, arrow=True)


def _draw_output(
    body: Scene, network: Network, items: Mapping[str, _Item], placed: Placed, columns: _Columns
) -> None:
    item = items[network.output]
    depth = placed.layer[network.output]
    x, top = _moved(columns, depth, placed.anchors[network.output])
    y = top + item.middle + item.half
    body.line((x, y), (x, y + 0.32))
    label = ", ".join(network.nodes[network.output].inds)
    body.texts.append(Text(x + 0.06, y + 0.2, label, SMALL, align="start", colour=MUTED))


# ------------------------------------------------------------------ the page


def _page(network: Network, body: Scene) -> Scene:
    nodes = network.nodes.values()
    entries = [(kind, kind) for kind in ("input", "constant", "parameter", "function")]
    shown = [entry for entry in entries if any(node.kind == entry[0] for node in nodes)]
    notes = []
    panels = [node for node in nodes if _is_panel(node)]
    if any(isinstance(n, Contraction) and not _is_panel(n) for n in nodes):
        notes.append("circle: contraction")
    if panels:
        notes.append("frame: contraction of more than two tensors")
        notes.append("dot: index on three or more tensors")
    if any(part.conj for node in panels for part in node.operands):
        notes.append("*: complex conjugate")
    title, lines = caption(network)
    return page(body, title, lines, shown, notes)
