"""The graph of a network as a scene: layers from the inputs down to the output.

Inputs, contractions and functions stand in the flow, constants and parameters beside what
uses them.  A contraction of more than two tensors is drawn out in a frame (see `panel`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeGuard

from tnlearn.drawing.layout import Block, Placed, folded, layered
from tnlearn.drawing.panel import contraction_title, panel
from tnlearn.drawing.scene import (
    MARKS,
    MUTED,
    WHITE,
    Point,
    Scene,
    box_size,
    page,
    rows_width,
    si,
    text_width,
)
from tnlearn.networks.graph import Contraction, Function, Graph, Node, Operand
from tnlearn.networks.plan import cost, find_plan
from tnlearn.networks.search import NOMINAL_BATCH

__all__ = ["cost_lines", "graph_scene"]

DOWN, LEAD = 0.22, 0.24
HUB = 0.07  # radius of the circle of a contraction of two tensors
TALL = 10.0  # a taller drawing is folded into columns
PAIR = 0.12  # two lines enter a block this far from its middle


@dataclass(frozen=True)
class _Item:
    """A node in the flow with the leaves that hang beside it, and its picture about its anchor."""

    node: Node
    flows: Sequence[Operand]
    block: Block
    picture: Scene
    half: float  # half the height of its box or circle, in the middle of the block


def graph_scene(graph: Graph, title: str = "", *, tall: float = TALL) -> Scene:
    """The whole drawing: title and costs, all nodes and the lines between them, a legend.

    A graph taller than `tall` inches is folded into columns where one node alone
    links what is above to what is below.
    """
    items = _items(graph.nodes)
    blocks = {name: item.block for name, item in items.items()}
    edges = [(flow.node, name) for name, item in items.items() for flow in item.flows]
    placed = folded(layered(blocks, edges, across=0.3, down=DOWN), blocks, edges, tall)
    flow = _Flow(items, edges, placed)
    scene = Scene()
    for name, item in items.items():
        if item.flows:
            flow.enter(scene, name)
    x, y = flow.bottom(graph.output)
    scene.line((x, y), (x, y + 0.32))
    scene.label(x + 0.06, y + 0.2, ", ".join(graph.nodes[graph.output].inds), "start", MUTED)
    for name, item in items.items():
        scene.add(item.picture, *placed.anchors[name])
    return page(scene, title or f"Network of {graph.output}", cost_lines(graph), _legend(graph))


def cost_lines(graph: Graph) -> list[str]:
    """What one forward pass of a batch of 64 costs, in words."""
    costs = cost(find_plan(graph), NOMINAL_BATCH)
    return [
        f"flops of a batch of {NOMINAL_BATCH}: naive {si(costs.naive)}, path {si(costs.path)}, "
        f"shared {si(costs.shared)}",
        f"largest intermediate {si(costs.peak)} entries, {costs.parameters:,} parameters",
    ]


def _legend(graph: Graph) -> list[tuple[str, str]]:
    """What the colours, marks and signs mean, those that are in the drawing."""
    nodes = graph.nodes.values()
    panels = [node for node in nodes if _is_panel(node)]
    entries = [
        (kind, kind)
        for kind in ("input", "constant", "parameter", "function")
        if any(node.kind == kind for node in nodes)
    ]
    marked = {ind for node in panels for part in node.operands for ind in part.inds}
    entries += [(mark, f"{mark} index") for mark in MARKS if mark in marked]
    if any(isinstance(node, Contraction) and not _is_panel(node) for node in nodes):
        entries.append(("", "circle: contraction"))
    if panels:
        entries.append(("", "frame: contraction of more than two tensors"))
    if any(_has_dot(node) for node in panels):
        entries.append(("", "dot: index on three or more tensors"))
    if any(part.conj for node in panels for part in node.operands):
        entries.append(("", "*: complex conjugate"))
    return entries


def _is_panel(node: Node) -> TypeGuard[Contraction]:
    return isinstance(node, Contraction) and len(node.parts) > 2


def _has_dot(node: Node) -> bool:
    holders = [node.inds, *(part.inds for part in node.operands)]
    held = [ind for inds in holders for ind in set(inds)]
    return any(held.count(ind) > 2 for ind in held if ind not in MARKS)


# ------------------------------------------------------------------ the pieces


def _items(nodes: Mapping[str, Node]) -> dict[str, _Item]:
    items: dict[str, _Item] = {}
    for node in nodes.values():
        if _is_panel(node):
            items[node.name] = _panel_item(node, nodes)
        elif isinstance(node, (Contraction, Function)):
            items[node.name] = _item(node, nodes)
    entering = {flow.node for item in items.values() for flow in item.flows}
    items |= {name: _input_item(nodes[name]) for name in entering if name not in items}
    return {name: items[name] for name in nodes if name in items}


def _shape(node: Node) -> str:
    return " × ".join("batch" if size is None else str(size) for size in node.shape)


def _label(part: Operand) -> str:
    return ("conj: " if part.conj else "") + ", ".join(part.inds)


def _input_item(node: Node) -> _Item:
    rows = [node.name, _shape(node)]
    width, height = box_size(node.kind, rows)
    picture = Scene()
    picture.box(0, height / 2, node.kind, rows, node.name)
    return _Item(node, (), Block(width / 2, width / 2, height), picture, height / 2)


def _panel_item(node: Contraction, nodes: Mapping[str, Node]) -> _Item:
    computed = (part for part in node.parts if nodes[part.node].operands)
    flows = tuple({part.node: part for part in computed}.values())
    frame, picture = panel(node, nodes), Scene()
    half, height = frame.width / 2, frame.height
    picture.add(frame, -half)
    block = Block(half, half, height, 0.12 if flows else 0.0)
    return _Item(node, flows, block, picture, height / 2)


def _item(node: Contraction | Function, nodes: Mapping[str, Node]) -> _Item:
    leaves = [part for part in node.parts if nodes[part.node].kind in ("constant", "parameter")]
    flows = [part for part in node.parts if part not in leaves]
    names = [text_width(_label(flow)) + 0.2 for flow in flows]
    beside = [box_size(nodes[leaf.node].kind, [leaf.node]) for leaf in leaves]
    tower = sum(height + 0.06 for _, height in beside) - 0.06
    boxed = Scene()
    if isinstance(node, Contraction):
        rows = [contraction_title(node), _shape(node)]
        half_width = half = HUB
        left = HUB + 0.08 + rows_width(rows)
        height = max(tower, 0.30)
        middle = height / 2
        boxed.disc(0, middle, HUB, WHITE, node.name)
        boxed.rows(-HUB - 0.08, middle, rows, node=node.name, align="end")
    else:
        rows = [node.name, f"{_operation(node)} · {_shape(node)}"]
        width, box_height = box_size("function", rows)
        if len(names) > 2:  # they enter side by side
            width = max(width, sum(names) + 0.1)
        left = half_width = width / 2
        half = box_height / 2
        height = max(tower, box_height)
        middle = height / 2
        boxed.box(0, middle, "function", rows, node.name, least=width)
    right = half_width
    picture = Scene()
    y = middle - tower / 2
    for leaf, (wide, high) in zip(leaves, beside, strict=True):
        y += high / 2
        label = _label(leaf)
        start = half_width + (0.22 if isinstance(node, Contraction) and len(leaves) > 1 else 0.05)
        x = start + text_width(label) + 0.18 + wide / 2
        picture.line((0.0, middle), (start, y), (x, y))
        picture.label(start + 0.04, y - 0.075, label, "start", MUTED)
        picture.box(x, y, nodes[leaf.node].kind, [leaf.node], leaf.node)
        right = max(right, x + wide / 2)
        y += high / 2 + 0.06
    picture.add(boxed)
    if len(names) == 1:
        right = max(right, names[0])
    elif len(names) == 2:  # one name to the left of its line, one to the right
        left, right = max(left, PAIR + max(names)), max(right, PAIR + max(names))
    block = Block(left, right, height, LEAD if flows else 0.0)
    return _Item(node, flows, block, picture, half)


def _operation(node: Function) -> str:
    over = node.options.get("ind") or ", ".join(node.options.get("inds", ()))
    if node.op in ("mean", "max"):
        over = ", ".join(ind for ind in node.parts[0].inds if ind not in node.inds)
    name = node.op.replace("_", " ")
    return f"{name} over {over}" if over and node.op != "stack" else name


# ------------------------------------------------------------------ edges


@dataclass(frozen=True)
class _Flow:
    """Where everything stands, and the lines from one node to the next."""

    items: Mapping[str, _Item]
    edges: Sequence[tuple[str, str]]
    placed: Placed

    def bottom(self, name: str) -> Point:
        (x, top), item = self.placed.anchors[name], self.items[name]
        return x, top + item.block.height / 2 + item.half

    def enter(self, scene: Scene, name: str) -> None:
        """Lines into a node from above, side by side in the order of where they come from."""
        item, (x, top) = self.items[name], self.placed.anchors[name]
        middle = top + item.block.height / 2
        numbers = [n for n, (_, target) in enumerate(self.edges) if target == name]
        labels = dict(zip(numbers, map(_label, item.flows), strict=True))
        origin = {
            n: (self.placed.bends[n] or [self.bottom(self.edges[n][0])])[-1][0] for n in numbers
        }
        numbers.sort(key=origin.__getitem__)
        framed = _is_panel(item.node)
        if framed:
            half = item.block.left - 0.2
            ports = [min(max(origin[n], x - half), x + half) for n in numbers]
        elif len(numbers) <= 2:
            ports = [x] if len(numbers) == 1 else [x - PAIR, x + PAIR]
        else:
            widths = [text_width(labels[n]) + 0.2 for n in numbers]
            ports = [x - sum(widths) / 2 + before for before in accumulate(widths, initial=0.05)]
        for n, port in zip(numbers, ports, strict=False):
            way = self.way(n, port)
            if isinstance(item.node, Contraction) and not framed:
                # Lines meet at the circle itself.
                scene.line(*way, (port, middle - 0.12), (x, middle))
            else:
                scene.line(*way, (port, middle - item.half), arrow=True)
            if not framed:
                left = len(numbers) == 2 and n == numbers[0]
                at, align = (port - 0.05, "end") if left else (port + 0.05, "start")
                scene.label(at, top - 0.16, labels[n], align, MUTED)

    def way(self, number: int, port: float) -> list[Point]:
        """The points of an edge from the bottom of its source to just above its target."""
        source, target = self.edges[number]
        bends = self.placed.bends[number]
        x, y = self.bottom(source)
        points = [(x, y)]
        if bends or abs(x - port) > 1e-6:
            points.append((x, self.placed.bottoms[self.placed.layer[source]]))
        lead = max(self.items[target].block.lead - 0.02, 0.0)
        return [*points, *bends, (port, self.placed.anchors[target][1] - lead)]
