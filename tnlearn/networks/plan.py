"""How a graph is carried out: every step once, what can be folded, and what it costs.

A plan is found once for a graph and depends on its shapes only.  It holds a
table of terms in the order of computation, and splits them in three:

- *constant* terms depend on neither inputs nor parameters and are computed once;
- *frozen* terms depend on the inputs only, and are folded once for a data set;
- *live* terms depend on a parameter and are carried out at every step of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tnlearn.errors import ConfigError
from tnlearn.networks.graph import (
    Constant,
    Contraction,
    Function,
    Graph,
    Node,
    Tree,
    count,
    sizes_of,
)
from tnlearn.networks.search import enter_tree, find_tree, leaves_of
from tnlearn.networks.terms import Term, TermTable, Value

__all__ = ["Cost", "Plan", "cost", "find_plan", "find_trees", "make_plan", "recall_trees"]


@dataclass(frozen=True)
class Cost:
    """What one forward pass costs.

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
    """

    naive: int
    path: int
    shared: int
    peak: int
    parameters: int
    batch: int

    def __str__(self) -> str:
        saved = self.path / self.shared if self.shared else 1.0
        return (
            f"batch {self.batch}: naive {self.naive:.3g} flops, path {self.path:.3g}, "
            f"shared {self.shared:.3g} ({saved:.2f}x less than the path), "
            f"peak intermediate {self.peak:,} entries, {self.parameters:,} parameters"
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """The terms of a graph in order, and where each node's value is among them."""

    graph: Graph
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


def find_trees(graph: Graph) -> dict[str, Tree]:
    """The contraction tree of every contraction of a graph; searched once, on first use."""
    if "trees" not in graph.memo:
        trees: dict[str, Tree] = {}
        _enter_nodes(TermTable(complex=False), graph, trees, search=True)
        graph.memo["trees"] = trees
    known: dict[str, Tree] = graph.memo["trees"]
    return known


def recall_trees(graph: Graph, trees: Mapping[str, Tree]) -> None:
    """Take trees that were searched before, if they are of as many tensors as a graph has."""
    sizes = {x.name: len(x.operands) for x in graph.nodes.values() if _has_tree(x)}
    if sizes == {name: len(leaves_of(tree)) for name, tree in trees.items()}:
        graph.memo["trees"] = dict(trees)


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
    return Plan(graph, table, values, out, needed, frontier, constants)


def _reachable(table: TermTable, roots: Iterable[int]) -> tuple[int, ...]:
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack.extend(use.term for use in table.terms[i].uses)
    return tuple(sorted(seen))


def _has_tree(node: Node) -> bool:
    return isinstance(node, Contraction) and node.lowering is None


def _enter_nodes(
    table: TermTable, graph: Graph, trees: dict[str, Tree], *, search: bool = False
) -> dict[str, Value]:
    """Enter all nodes into the table, contracted along their trees, which are searched if asked."""
    values: dict[str, Value] = {}
    for node in graph.nodes.values():
        args = [
            values[p.node].renamed(dict(zip(graph.nodes[p.node].inds, p.inds, strict=True)), p.conj)
            for p in node.operands
        ]
        if search and _has_tree(node):
            written = graph.written.get(node.name)
            trees[node.name] = find_tree(table, args, node.inds, written=written)
        value = values[node.name] = _enter(table, node, args, trees.get(node.name))
        # A function that does nothing (the real part of what is real) has its operand's term,
        # and a leaf keeps its own name.
        if value.term.kind != "leaf":
            table.rename(value.term, node.name)
    return values


def _enter(table: TermTable, node: Node, args: list[Value], tree: Tree) -> Value:
    real = all(arg.term.real for arg in args)
    if isinstance(node, Contraction):
        if node.lowering is None:
            return table.scale(enter_tree(table, args, node.inds, tree), node.scale)
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


def cost(plan: Plan, batch: int = 1) -> Cost:
    """The cost of one forward pass; see `Cost`."""
    nodes, terms = plan.graph.nodes, plan.table.terms
    naive = path = 0
    for node in nodes.values():
        value = plan.values[node.name]
        if isinstance(node, Contraction):
            everything = count(tuple(sizes_of(node, nodes).values()), batch)
            scaling = count(node.shape, batch) if node.scale != 1.0 else 0
            naive += len(node.parts) * everything + scaling
            leaves = {plan.values[part.node].term.id for part in node.parts}
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
    )


def _tree_flops(terms: list[Term], root: int, leaves: set[int], batch: int) -> int:
    """Flops of a term with every occurrence of a repeated step counted, down to the leaves."""
    if root in leaves:
        return 0
    term = terms[root]
    times = 2 if term.kind in ("square", "abs2") else 1  # a product with itself
    below = sum(_tree_flops(terms, use.term, leaves, batch) for use in term.uses)
    return term.flops(terms, batch) + times * below
