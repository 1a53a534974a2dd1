"""The tree of a contraction as a scene: tensors at the bottom, the result at the top.

Every step stands there once; one that the tree uses several times is outlined twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tnlearn.drawing.layout import Block, layered
from tnlearn.drawing.scene import SHARED, Scene, Text, box_size, page, si
from tnlearn.networks.export import chosen_contraction
from tnlearn.networks.graph import Contraction, Graph, Inds, Tree
from tnlearn.networks.plan import find_plan, operand_values, tree_operands
from tnlearn.networks.search import NOMINAL_BATCH, leaves_of
from tnlearn.networks.terms import Term, TermTable, Value

__all__ = ["LEGEND", "Step", "contraction_steps", "group_of", "tree_scene"]

LEGEND = {
    "frozen": "frozen: folded once for a data set",
    "live": "live: depends on a parameter",
    "constant": "constant: computed once",
}


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


@dataclass
class _Walk:
    """Goes through a tree as it was searched and notes the index names of every step."""

    table: TermTable
    out: Inds
    args: list[Value]
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
        return value


def contraction_steps(
    graph: Graph, contraction: str | None = None
) -> tuple[Contraction, dict[int, Step]]:
    """A contraction and the steps of its tree by number, each after those it uses."""
    node = chosen_contraction(graph, contraction)
    plan = find_plan(graph)
    tree = plan.trees.get(node.name, 0)
    parts, scale = tree_operands(graph, node, tree)
    args = operand_values(graph, parts, plan.values)
    table = plan.table.copy()  # every step is there already; nothing is added to the plan
    walk = _Walk(table, node.inds, args)
    if node.lowering is None:
        value = walk.note(table.reduce(walk.visit(tree), set(node.inds)))
        root = walk.note(table.scale(value, scale)).term.id
    else:
        for part in (args[0], args[-1]):  # torch forms no shift tensors
            walk.leaves.add(walk.note(part).term.id)
        root = plan.values[node.name].term.id
        walk.names[root] = node.inds
    names, terms = walk.names, table.terms
    leaves = walk.leaves | {term.id for term in terms if term.kind == "leaf"}
    used = {root}
    for i in range(root, -1, -1):  # a term comes after those it uses
        if i in used and i not in leaves:
            used |= {use.term for use in terms[i].uses}
    steps: dict[int, Step] = {}
    for i in sorted(used):
        term, leaf = terms[i], i in leaves
        uses = () if leaf else term.uses
        labelled: dict[int, str] = {}
        for use in uses:
            for label, name in zip(use.labels, names[use.term], strict=True):
                labelled.setdefault(label, name)
        gone = tuple(name for label, name in labelled.items() if label not in term.out)
        steps[i] = Step(
            name=term.name,
            inds=names[i],
            summed=gone if term.kind in ("pair", "sum", "conv2d") else (),
            leaf=leaf,
            kind=f"× {term.detail:.4g}" if term.kind == "scale" else term.kind,
            group=group_of(term),
            uses=tuple(dict.fromkeys(use.term for use in uses)),
            flops=0 if leaf else term.flops(terms, NOMINAL_BATCH),
            entries=term.elements(NOMINAL_BATCH),
            times=max(1, walk.times[i]),
        )
    return node, steps


def group_of(term: Term) -> str:
    """When a term is computed: at every step of training, once for a data set, or once."""
    return "live" if term.live else "frozen" if term.data else "constant"


def tree_scene(graph: Graph, contraction: str | None = None, title: str = "") -> Scene:
    """The whole drawing: title and cost, the tree of a contraction, a legend."""
    node, steps = contraction_steps(graph, contraction)
    rows = {i: _rows(step) for i, step in steps.items()}
    sizes = {i: box_size(steps[i].group, lines) for i, lines in rows.items()}
    blocks = {str(i): Block(width / 2, width / 2, height) for i, (width, height) in sizes.items()}
    edges = [(use, i) for i, step in steps.items() for use in step.uses]
    placed = layered(blocks, [(str(a), str(b)) for a, b in edges], across=0.25, down=0.34)
    height = placed.bottoms[-1]  # a layered drawing leads downwards, a tree upwards
    place = {
        i: (placed.anchors[str(i)][0], height - placed.anchors[str(i)][1] - sizes[i][1] / 2)
        for i in steps
    }
    scene = Scene()
    for (source, target), bends in zip(edges, placed.bends, strict=True):
        (ax, ay), (bx, by) = place[source], place[target]
        width, high = sizes[target]
        start = (ax, ay - sizes[source][1] / 2)
        end_x = bx + max(-0.5, min(0.5, (ax - bx) * 0.3)) * width / 2
        end = (end_x, by + (high + (SHARED if steps[target].times > 1 else 0.0)) / 2)
        way = [start, *((x, height - y) for x, y in bends), end]
        scene.line(*way, arrow=True)
        if sum(use.term == source for use in find_plan(graph).term(target).uses) > 1:
            x, y = (way[-2][0] + end[0]) / 2, (way[-2][1] + end[1]) / 2
            scene.clear(Text(x + 0.06, y, "twice", align="start"))
    for i, step in steps.items():
        (x, y), shared = place[i], step.times > 1
        scene.box(x, y, step.group, rows[i], step.name, round=not step.leaf, twice=shared)
    total = sum(step.flops for step in steps.values())
    saved = sum(step.flops * (step.times - 1) for step in steps.values())
    lines = [
        f"Contraction tree of {node.name}: {', '.join(node.inds)}",
        f"batch of {NOMINAL_BATCH}: {si(total)} flops; sharing repeated steps saves {si(saved)}",
    ]
    groups = {step.group for step in steps.values()}
    legend = [(group, words) for group, words in LEGEND.items() if group in groups]
    legend += [("", "square corners: tensors"), ("", "round corners: steps")]
    if any(step.times > 1 for step in steps.values()):
        legend.append(("", "double outline: shared, computed once"))
    return page(scene, title or f"Network of {graph.output}", lines, legend)


def _rows(step: Step) -> list[str]:
    shape = f"({', '.join(step.inds)})"
    if step.leaf:
        return [step.name, shape, f"{si(step.entries)} entries"]
    how = {
        "square": "squared",
        "abs2": "squared modulus",
        "conv2d": "convolution",
        "pair": "product",
    }
    action = f"sum over {', '.join(step.summed)}" if step.summed else how.get(step.kind, step.kind)
    rows = [step.name, f"{action} → {shape}", f"{si(step.flops)} flops, {si(step.entries)} entries"]
    return [*rows, f"× {step.times} shared"] if step.times > 1 else rows
