"""The tree of a contraction as a scene: tensors at the bottom, the result at the top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tnlearn.drawing.layout import Block, layered
from tnlearn.drawing.page import NOMINAL_BATCH, caption, page, si
from tnlearn.drawing.scene import (
    EDGE,
    FILL,
    INK,
    ROW,
    SMALL,
    Line,
    Point,
    Rect,
    Scene,
    Text,
    rows_width,
)
from tnlearn.networks.export import chosen_contraction
from tnlearn.networks.nodes import Contraction, Inds
from tnlearn.networks.search import Tree, leaves_of
from tnlearn.networks.terms import Term, TermTable, Value

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["Step", "Steps", "contraction_steps", "tree_scene"]


@dataclass(frozen=True)
class Step:
    """One step of a tree, or a tensor it starts from.

    `group` is ``"live"`` (depends on a parameter), ``"frozen"`` (on the inputs only)
    or ``"constant"``; `times` says how often the tree uses the step, which is carried
    out once; flops and entries are for a batch of 64.
    """

    name: str
    inds: Inds
    summed: Inds
    leaf: bool
    kind: str
    group: str
    uses: tuple[int, ...]
    flops: int
    entries: int
    times: int


Steps = dict[int, Step]


@dataclass
class _Walk:
    """Goes through a tree and notes the index names of every term."""

    table: TermTable
    out: Inds
    args: list[Value]
    inds: Mapping[str, Inds]
    names: dict[int, Inds] = field(default_factory=dict)
    times: Counter[int] = field(default_factory=Counter)
    leaves: set[int] = field(default_factory=set)

    def note(self, value: Value) -> Value:
        self.names.setdefault(value.term.id, value.names)
        return value

    def visit(self, branch: Tree) -> Value:
        if isinstance(branch, int):
            self.leaves.add(self.args[branch].term.id)
            return self.note(self.args[branch])
        a, b = self.visit(branch[0]), self.visit(branch[1])
        inside = set(leaves_of(branch))
        outside = [set(arg.names) for i, arg in enumerate(self.args) if i not in inside]
        keep = set(self.out).union(*outside)
        a = self.note(self.table.reduce(a, keep | set(b.names)))
        b = self.note(self.table.reduce(b, keep | set(a.names)))
        value = self.note(self.table.pair(a, b, keep))
        self.times[value.term.id] += 1
        self.between(value.term)
        return value

    def between(self, term: Term) -> None:
        """Note what a step was carried out through, where it was not the tree as it stands.

        A trained node made of fixed functions is contracted with these first (see `fuse`).
        """
        for use in term.uses:
            below = self.table.terms[use.term]
            if below.id in self.names:
                continue
            if below.kind == "leaf":
                self.leaves.add(below.id)
                self.names[below.id] = self.inds[below.name]
                continue
            self.between(below)
            known: dict[int, str] = {}
            for inner in below.uses:
                for label, name in zip(inner.labels, self.names[inner.term], strict=True):
                    known.setdefault(label, name)
            self.names[below.id] = tuple(known[label] for label in below.out)


def contraction_steps(
    network: Network, contraction: str | None = None
) -> tuple[Contraction, Steps]:
    """A contraction and the steps of its tree by number, each after those it uses."""
    node = chosen_contraction(network, contraction)
    plan = network.plan()
    args = [
        plan.values[part.node].renamed(
            dict(zip(network.nodes[part.node].inds, part.inds, strict=True)), part.conj
        )
        for part in node.parts
    ]
    table = plan.table.copy()  # every step is there already; nothing is added to the plan
    walk = _Walk(table, node.inds, args, {n.name: n.inds for n in network.nodes.values()})
    if node.lowering is None:
        value = walk.note(table.reduce(walk.visit(network.trees[node.name]), set(node.inds)))
        root = walk.note(table.scale(value, node.scale)).term.id
    else:
        for part in (args[0], args[-1]):  # torch forms no shift tensors
            walk.leaves.add(walk.note(part).term.id)
        root = plan.values[node.name].term.id
        walk.names[root] = node.inds
    terms = table.terms
    steps: Steps = {}
    for i in _used(terms, root, walk.leaves):
        term, leaf = terms[i], i in walk.leaves
        uses = () if leaf else tuple(dict.fromkeys(use.term for use in term.uses))
        entering = dict.fromkeys(name for use in uses for name in walk.names[use])
        summed = tuple(name for name in entering if name not in walk.names[i])
        if term.kind == "pair" and not leaf:
            summed = _summed(term, walk.names)
        steps[i] = Step(
            name=term.name,
            inds=walk.names[i],
            summed=summed if term.kind in ("pair", "sum", "conv2d") else (),
            leaf=leaf,
            kind=term.kind if term.kind != "scale" else f"× {term.detail:.4g}",
            group="live" if term.live else ("frozen" if term.data else "constant"),
            uses=uses,
            flops=0 if leaf else term.flops(terms, NOMINAL_BATCH),
            entries=term.elements(NOMINAL_BATCH),
            times=max(1, walk.times[i]),
        )
    return node, steps


def _used(terms: list[Term], root: int, leaves: set[int]) -> list[int]:
    found, stack = {root}, [root]
    while stack:
        i = stack.pop()
        below = set() if i in leaves else {use.term for use in terms[i].uses} - found
        found |= below
        stack.extend(below)
    return sorted(found)


def _summed(term: Term, names: dict[int, Inds]) -> Inds:
    gone: dict[int, str] = {}
    for use in term.uses:
        for label, name in zip(use.labels, names[use.term], strict=True):
            if label not in term.out:
                gone.setdefault(label, name)
    return tuple(gone.values())


def tree_scene(network: Network, contraction: str | None = None) -> Scene:
    """The drawing of the tree of a contraction."""
    node, steps = contraction_steps(network, contraction)
    rows = {str(i): _rows(step) for i, step in steps.items()}
    blocks = {}
    for name, lines in rows.items():
        half = rows_width(lines) / 2 + 0.1
        blocks[name] = Block(half, half, ROW * len(lines) + 0.14)
    edges = [(str(use), str(i)) for i, step in steps.items() for use in step.uses]
    placed = layered(blocks, edges, across=0.25, down=0.34)
    height = placed.bottoms[-1]

    def place(name: str) -> Point:
        x, top = placed.anchors[name]
        return x, height - top - blocks[name].height / 2

    body = Scene()
    for (source, target), bends in zip(edges, placed.bends, strict=True):
        (ax, ay), (bx, by) = place(source), place(target)
        start = (ax, ay - blocks[source].height / 2)
        end_x = bx + max(-0.5, min(0.5, (ax - bx) * 0.3)) * blocks[target].left
        outline = 0.04 if steps[int(target)].times > 1 else 0.0
        end = (end_x, by + blocks[target].height / 2 + outline)
        points = (start, *((x, height - y) for x, y in bends), end)
        body.lines.append(Line(points, INK, 1.0, arrow=True))
        if sum(use.term == int(source) for use in network.plan().term(int(target)).uses) > 1:
            middle = ((points[-2][0] + end[0]) / 2, (points[-2][1] + end[1]) / 2)
            body.texts.append(
                Text(middle[0] + 0.06, middle[1], "twice", SMALL, align="start", halo=True)
            )
    for i, step in steps.items():
        x, y = place(str(i))
        block = blocks[str(i)]
        fill, edge = FILL[step.group], EDGE[step.group]
        radius = 0.0 if step.leaf else 0.08
        wide, high = 2 * block.left, block.height
        if step.times > 1:  # a second outline marks what is shared
            body.rects.append(
                Rect(x, y, wide + 0.08, high + 0.08, "#FFFFFF", edge, 1.0, radius + 0.04)
            )
        line = 1.8 if step.group == "live" else 1.0
        body.rects.append(Rect(x, y, wide, high, fill, edge, line, radius, node=step.name))
        body.rows(x, y, rows[str(i)], node=step.name)
    title, _ = caption(network)
    made = [step for step in steps.values() if not step.leaf]
    total, saved = sum(s.flops for s in made), sum(s.flops * (s.times - 1) for s in made)
    lines = [
        f"Contraction tree of {node.name}: {', '.join(node.inds)}",
        f"batch of {NOMINAL_BATCH}: {si(total)} flops; sharing repeated steps saves {si(saved)}",
    ]
    groups = {step.group for step in steps.values()}
    legend = [
        (kind, text)
        for kind, text in (
            ("frozen", "frozen: folded once for a data set"),
            ("live", "live: depends on a parameter"),
            ("constant", "constant: computed once"),
        )
        if kind in groups
    ]
    notes = ["square corners: tensors", "round corners: steps"]
    if any(step.times > 1 for step in made):
        notes.append("double outline: shared, computed once")
    return page(body, title, lines, legend, notes)


def _rows(step: Step) -> list[str]:
    shape = f"({', '.join(step.inds)})"
    if step.leaf:
        return [step.name, shape, f"{si(step.entries)} entries"]
    how = {"square": "squared", "abs2": "squared modulus", "conv2d": "convolution"}
    if step.summed:
        action = f"sum over {', '.join(step.summed)}"
    else:
        action = how.get(step.kind, "product" if step.kind == "pair" else step.kind)
    rows = [step.name, f"{action} → {shape}", f"{si(step.flops)} flops, {si(step.entries)} entries"]
    if step.times > 1:
        rows.append(f"× {step.times} shared")
    return rows
