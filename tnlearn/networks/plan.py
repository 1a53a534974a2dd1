"""How a graph is carried out: every step once, what can be folded, and what it costs.

A plan is found once for a graph and depends on its shapes only.  It holds a
table of terms in the order of computation, and splits them in three:

- *constant* terms depend on neither inputs nor parameters and are computed once;
- *frozen* terms depend on the inputs only, and are folded once for a data set;
- *live* terms depend on a parameter and are carried out at every step of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypeGuard

from tnlearn.errors import ConfigError
from tnlearn.networks.graph import (
    Constant,
    Contraction,
    Function,
    Graph,
    Node,
    Operand,
    Tree,
    count,
    opened,
    sizes_of,
)
from tnlearn.networks.search import enter_tree, find_tree, leaves_of, propose
from tnlearn.networks.terms import Term, TermTable, Value

__all__ = ["Cost", "Plan", "cost", "find_plan", "find_trees", "make_plan", "recall_trees"]

MAX_OPENED = 12  # tensors: what is made of more keeps its products whole


@dataclass(frozen=True)
class Cost:
    """What one forward pass costs, and one backward pass.

    Attributes
    ----------
    naive
        Flops of every contraction written as one nested loop over all its indices.
    path
        Flops of the chosen trees, each occurrence of a repeated step counted.
    shared
        Flops of the plan, in which a repeated step is carried out once.
    peak
        Entries of the largest intermediate array.
    parameters
        Trainable numbers.
    batch
        The number of samples this is for.
    backward
        Flops of the gradients of the parameters, where they were asked for.
    """

    naive: int
    path: int
    shared: int
    peak: int
    parameters: int
    batch: int
    backward: int = 0

    def __str__(self) -> str:
        saved = self.path / self.shared if self.shared else 1.0
        backward = f"backward {self.backward:.3g}, " if self.backward else ""
        return (
            f"batch {self.batch}: naive {self.naive:.3g} flops, path {self.path:.3g}, "
            f"shared {self.shared:.3g} ({saved:.2f}x less than the path), {backward}"
            f"peak intermediate {self.peak:,} entries, {self.parameters:,} parameters"
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """The terms of a graph in order, and where each node's value is among them."""

    graph: Graph
    trees: Mapping[str, Tree]
    table: TermTable
    values: Mapping[str, Value]
    output: Value
    needed: tuple[int, ...]
    frontier: tuple[int, ...]
    constants: tuple[int, ...]

    def term(self, i: int) -> Term:
        """Term number `i`."""
        return self.table.terms[i]

    @property
    def terms(self) -> list[Term]:
        """All terms the output needs, in order of computation."""
        return [self.table.terms[i] for i in self.needed]

    @property
    def leaves(self) -> dict[str, Term]:
        """The inputs, constants and parameters the output needs, by name."""
        return {term.name: term for term in self.terms if term.kind == "leaf"}

    @property
    def order(self) -> list[int]:
        """Axes of the output's term in the order of the output's indices."""
        inds = self.graph.nodes[self.graph.output].inds
        return [self.output.names.index(ind) for ind in inds]


def find_trees(graph: Graph, optimize: Any = None) -> dict[str, Tree]:
    """The contraction tree of every contraction of a graph; searched once, on first use.

    With `optimize`, whatever cotengra takes by that name, they are searched anew by it and stay.
    """
    if "trees" not in graph.memo or optimize is not None:
        trees: dict[str, Tree] = {}
        _enter_nodes(TermTable(complex=False), graph, trees, search=True, optimize=optimize)
        recall_trees(graph, trees)
    known: dict[str, Tree] = graph.memo["trees"]
    return known


def recall_trees(graph: Graph, trees: Mapping[str, Tree]) -> None:
    """Take trees that were searched before, if they are of as many tensors as a graph has."""
    nodes = {x.name: x for x in graph.nodes.values() if _has_tree(x)}
    if nodes.keys() == trees.keys() and all(
        len(leaves_of(trees[name])) in (len(node.parts), len(opened(node, graph)[0]))
        for name, node in nodes.items()
    ):
        graph.memo["trees"] = dict(trees)
        for complex in (False, True):
            graph.memo.pop(f"plan, complex={complex}", None)


def find_plan(graph: Graph, *, complex: bool = False) -> Plan:
    """How a graph is carried out, for real or complex inputs; worked out once, on first use."""
    key = f"plan, complex={complex}"
    if key not in graph.memo:
        graph.memo[key] = make_plan(graph, find_trees(graph), complex=complex)
    plan: Plan = graph.memo[key]
    return plan


def make_plan(graph: Graph, trees: Mapping[str, Tree], *, complex: bool) -> Plan:
    """The plan of a graph for real or complex inputs, given the tree of each contraction.

    Raises
    ------
    ConfigError
        If the output is complex.
    """
    table = TermTable(complex=complex)
    values = _enter_nodes(table, graph, dict(trees))
    out = values[graph.output]
    out = Value(table.terms[out.term.id], out.conj, out.names)
    if complex and not out.term.real:
        raise ConfigError(
            "for complex states the output of this network is complex; "
            "build the baseline with complex=True"
        )
    needed = _reachable(table, [out.term.id])
    terms = table.terms
    wanted = {out.term.id} | {use.term for i in needed if terms[i].live for use in terms[i].uses}
    frontier = tuple(sorted(i for i in wanted if terms[i].data and not terms[i].live))
    # Constants that a data-dependent or live step reads; their own making is done beforehand.
    readers = {use.term for i in needed if terms[i].data or terms[i].live for use in terms[i].uses}
    constants = tuple(
        sorted(i for i in readers | wanted if not terms[i].data and not terms[i].live)
    )
    return Plan(graph, trees, table, values, out, needed, frontier, constants)


def _reachable(table: TermTable, roots: Iterable[int]) -> tuple[int, ...]:
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack.extend(use.term for use in table.terms[i].uses)
    return tuple(sorted(seen))


def _has_tree(node: Node) -> TypeGuard[Contraction]:
    return isinstance(node, Contraction) and node.lowering is None


def tree_operands(graph: Graph, node: Contraction, tree: Tree) -> tuple[tuple[Operand, ...], float]:
    """The operands that a tree joins and the factor: those of the node, or it `opened`."""
    if node.lowering is None and len(leaves_of(tree)) > len(node.parts):
        return opened(node, graph)
    return node.parts, node.scale


def operand_values(
    graph: Graph, parts: Iterable[Operand], values: Mapping[str, Value]
) -> list[Value]:
    """The values of operands under the index names of their use."""
    return [
        values[p.node].renamed(dict(zip(graph.nodes[p.node].inds, p.inds, strict=True)), p.conj)
        for p in parts
    ]


def _enter_nodes(
    table: TermTable,
    graph: Graph,
    trees: dict[str, Tree],
    *,
    search: bool = False,
    optimize: Any = None,
) -> dict[str, Value]:
    """Enter all nodes into the table, contracted along their trees, which are searched if asked."""
    values: dict[str, Value] = {}
    # A product that stands in others is paid for by the first that does not pass by it.
    inner = {p.node for x in graph.nodes.values() if _has_tree(x) for p in x.operands}
    paid: set[int] = set()
    for node in graph.nodes.values():
        if isinstance(node, Contraction) and node.lowering is None:
            if search:
                trees[node.name] = _search(table, graph, node, values, paid, optimize)
            tree = trees[node.name]
            parts, scale = tree_operands(graph, node, tree)
            args = operand_values(graph, parts, values)
            value = table.scale(enter_tree(table, args, node.inds, tree), scale)
        else:
            value = _enter(table, node, operand_values(graph, node.operands, values))
        values[node.name] = value
        if node.name not in inner:
            paid |= table.below(value.term)
        if node.hermitian:
            table.declare_hermitian(value, *node.inds[-2:])
        # A function that does nothing (the real part of what is real) has its operand's term,
        # and a leaf keeps its own name.
        if value.term.kind != "leaf":
            table.rename(value.term, node.name)
    return values


def _search(
    table: TermTable,
    graph: Graph,
    node: Contraction,
    values: Mapping[str, Value],
    paid: Set[int],
    optimize: Any,
) -> Tree:
    """The tree of a contraction, of the products it is made of where that costs less."""
    written = graph.written.get(node.name)
    args = operand_values(graph, node.parts, values)
    if optimize is not None:
        return propose(args, node.inds, optimize)
    cost, tree = find_tree(table, args, node.inds, paid=paid, written=written)
    parts, _ = opened(node, graph)
    if len(node.parts) < len(parts) <= MAX_OPENED:
        args = operand_values(graph, parts, values)
        less, other = find_tree(table, args, node.inds, paid=paid)
        tree = other if less < cost else tree
    return tree


def _enter(table: TermTable, node: Node, args: list[Value]) -> Value:
    real = all(arg.term.real for arg in args)
    if isinstance(node, Contraction):
        image, _, _, kernel = args
        real, options = image.term.real and kernel.term.real, node.options
        args = [image, kernel]
        return table.step("conv2d", node.name, args, node.inds, node.shape, options, real=real)
    if isinstance(node, Function):
        op = node.op
        if op in ("real", "imag"):
            if real and op == "real":
                return args[0]
            op = "zeros_like" if real else op
            real = True
        detail = {"op": op, **node.options}
        return table.step("function", node.name, args, node.inds, node.shape, detail, real=real)
    if isinstance(node, Constant):
        return table.leaf(node, real=node.array.dtype.kind != "c")
    return table.leaf(node, real=node.kind == "parameter" or not table.complex)


def cost(plan: Plan, batch: int = 1, *, backward: bool = False) -> Cost:
    """The cost of one forward pass, and of the backward one if asked; see `Cost`."""
    nodes, terms = plan.graph.nodes, plan.table.terms
    naive = path = 0
    for node in nodes.values():
        value = plan.values[node.name]
        if isinstance(node, Contraction):
            everything = count(tuple(sizes_of(node, nodes).values()), batch)
            scaling = count(node.shape, batch) if node.scale != 1.0 else 0
            naive += len(node.parts) * everything + scaling
            parts, _ = tree_operands(plan.graph, node, plan.trees.get(node.name, 0))
            leaves = {plan.values[part.node].term.id for part in parts}
            path += _tree_flops(terms, value.term.id, leaves, batch)
        elif isinstance(node, Function) and value.term.kind == "function":
            flops = value.term.flops(terms, batch)
            naive += flops
            path += flops
    steps = [term for term in plan.terms if term.kind != "leaf"]
    return Cost(
        naive=naive,
        path=path,
        shared=sum(term.flops(terms, batch) for term in steps),
        peak=max((term.elements(batch) for term in steps), default=0),
        parameters=plan.graph.parameter_count(),
        batch=batch,
        backward=sum(term.backward_flops(terms, batch) for term in steps) if backward else 0,
    )


def _tree_flops(terms: list[Term], root: int, leaves: set[int], batch: int) -> int:
    """Flops of a term with every occurrence of a repeated step counted, down to the leaves."""
    if root in leaves:
        return 0
    term = terms[root]
    times = 2 if term.kind in ("square", "abs2") else 1  # a product with itself
    below = sum(_tree_flops(terms, use.term, leaves, batch) for use in term.uses)
    return term.flops(terms, batch) + times * below
