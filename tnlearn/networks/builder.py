"""A formula becomes a graph: its operators the leaves, each trace one contraction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, ShapeError, check_choice
from tnlearn.networks.formula import (
    Adjoint,
    Defined,
    Elementwise,
    Expression,
    Part,
    Product,
    Scalar,
    Scaled,
    Sum,
    Symbol,
    Trace,
    commutator,
    matrix,
)
from tnlearn.networks.graph import (
    BATCH,
    Constant,
    Contraction,
    Function,
    Graph,
    Inds,
    Input,
    Node,
    Operand,
    Tree,
    as_constant,
)

__all__ = ["build"]


def build(
    formula: Any, name: str = "W", part: str = "real", dense: frozenset[str] = frozenset()
) -> Graph:
    """The graph of a formula, whose output `name` is its real (or imaginary) part.

    Parameters
    ----------
    formula
        A polynomial of traces.
    name
        Name of the output node.
    part
        ``"real"`` or ``"imag"``.
    dense
        Diagonal operators that become full matrices.

    Raises
    ------
    ConfigError
        If nothing can be fed in, two nodes would have one name, or an operator was not closed.
    ShapeError
        If two operators do not fit together, or an operator that is traced is not square.
    """
    if not isinstance(formula, Scalar):
        what = "an operator with two open indices" if isinstance(formula, Expression) else formula
        raise ConfigError(
            f"a formula ends in numbers, but this is {what!s}: "
            "close it with formula.Tr(…) or formula.local(…)"
        )
    return _Builder(dense).build(formula, name, check_choice("part", part, ("real", "imag")))


class _Builder:
    """Walks an expression and collects its nodes and operands."""

    def __init__(self, dense: frozenset[str]) -> None:
        self.dense = dense
        self.operators: dict[str, Node] = {}  # of the formula's own names
        self.computed: list[Node] = []
        self.written: dict[str, Tree] = {}
        self._known: dict[int, Node] = {}  # of what stands in the formula several times
        self._count: Counter[str] = Counter()

    def build(self, formula: Scalar, name: str, part: str) -> Graph:
        last = self._value(formula)
        if not any(isinstance(node, Input) for node in self.operators.values()):
            raise ConfigError(
                "the formula has no states, so there is nothing to feed in; "
                "write it with those of formula.states(cells) or formula.input(name, …)"
            )
        self._compute(Function(name, last.inds, last.shape, part, (last.use,)))
        names = [node.name for node in self.computed]
        for node in self.computed:
            if node.name in self.operators or names.count(node.name) > 1:
                raise ConfigError(
                    f"{node.name!r} is the name of an operator of the formula and of a node that "
                    f"the network makes of it ({', '.join(names)}); rename the operator"
                )
        nodes = {**self.operators, **{node.name: node for node in self.computed}}
        return Graph(nodes, name, written=self.written)

    def _compute(self, node: Node) -> Node:
        self.computed.append(node)
        return node

    def _name(self, kind: str) -> str:
        """``trace``, ``trace.1``, ``trace.2``, …"""
        number = self._count[kind]
        self._count[kind] += 1
        return f"{kind}.{number}" if number else kind

    # ------------------------------------------------------------------ numbers

    def _value(self, scalar: Trace | Part | Scalar) -> Node:
        """The node of a scalar, or of a factor of one."""
        if id(scalar) not in self._known:
            if isinstance(scalar, Trace):
                node = self._sum(self._traces(scalar, 1.0))
            elif isinstance(scalar, Part):
                of = self._value(scalar.inner)
                node = Function(self._name(scalar.op), of.inds, of.shape, scalar.op, (of.use,))
                self._compute(node)
            else:
                node = self._sum([x for term in scalar.terms for x in self._summands(*term)])
            self._known[id(scalar)] = node
        return self._known[id(scalar)]

    def _summands(self, weight: float, factors: Sequence[Trace | Part | Scalar]) -> list[Node]:
        """A product of scalars times a number, as nodes to be added."""
        if len(factors) == 1 and isinstance(factors[0], Trace):
            return self._traces(factors[0], weight)
        nodes = [self._value(factor) for factor in factors]
        if len(nodes) == 1 and weight == 1.0:
            return nodes
        sizes = {i: n for x in nodes for i, n in zip(x.inds, x.shape, strict=True)}
        parts = tuple(x.use for x in nodes)
        name, inds = self._name("product"), tuple(sizes)
        return [self._compute(Contraction(name, inds, tuple(sizes.values()), parts, weight))]

    def _sum(self, nodes: Sequence[Node], name: str = "", hermitian: bool = False) -> Node:
        if len(nodes) == 1 and not name:
            return nodes[0]
        widest = max(nodes, key=lambda node: len(node.inds))
        for node in nodes:
            if not set(node.inds) <= set(widest.inds):
                raise ShapeError(
                    f"numbers for each {node.inds[-1]} and for each {widest.inds[-1]} do not add"
                )
        uses = tuple(node.use for node in nodes)
        inds, shape = widest.inds, widest.shape
        total = Function(name or self._name("sum"), inds, shape, "add", uses, hermitian=hermitian)
        return total if name else self._compute(total)

    def _traces(self, trace: Trace, weight: float) -> list[Node]:
        """A trace as contractions to be added, one for each product in it."""
        nodes: list[Node] = []
        for factor, product in self._expand(trace.inner):
            label, parts = self._name("trace"), list[Operand]()
            tree, end = self._walk(product, "site", parts, adjoint=False)
            # Close the loop: rename the last index.  A lone dense operator would then
            # carry one index twice, so its trace goes through an identity.
            if end != "site" and any({"site", end} <= set(part.inds) for part in parts):
                rows, columns = (self._size(ind, parts) for ind in ("site", end))
                if rows != columns:
                    raise ShapeError(
                        f"{parts[0].node!r} has {rows} rows and {columns} columns, so the formula "
                        "does not close: only a square operator has a trace"
                    )
                parts.append(self._identity(rows, end, "site"))
                tree = (tree, len(parts) - 1)
            elif end != "site":
                parts = [
                    Operand(p.node, tuple("site" if i == end else i for i in p.inds), p.conj)
                    for p in parts
                ]
            inds: Inds = ("site",) if trace.local else ()
            if trace.per is not None:
                inds = ("cell",)
                self._register(trace.per.node)
                parts.append(Operand(trace.per.node.name, ("site", "cell")))
                tree = (tree, len(parts) - 1)
            nodes.append(self._contraction(label, inds, parts, tree, weight * factor))
        return nodes

    # ------------------------------------------------------------------ operators

    def _contraction(
        self,
        name: str,
        inds: Inds,
        parts: Sequence[Operand],
        tree: Tree,
        scale: float,
        hermitian: bool = False,
        *,
        operator: bool = False,
    ) -> Node:
        """A contraction to these indices and the batch, if any of its operands has one."""
        inds = (BATCH, *inds) if any(BATCH in part.inds for part in parts) else inds
        shape = tuple(None if i == BATCH else self._size(i, parts) for i in inds)
        node = Contraction(name, inds, shape, tuple(parts), scale, hermitian=hermitian)
        self.written[name] = tree
        return node if operator else self._compute(node)

    def _size(self, ind: str, parts: Sequence[Operand]) -> int:
        """The size of an index, as the first operand has it that holds it."""
        part = next(part for part in parts if ind in part.inds)
        return int(self.operators[part.node].shape[part.inds.index(ind)] or 0)

    def _expand(self, expression: Expression) -> list[tuple[float, Expression]]:
        """Distribute sums and factors: a list of (factor, product)."""
        match expression:
            case Sum():
                return self._expand(expression.left) + self._expand(expression.right)
            case Scaled():
                return [(expression.factor * f, e) for f, e in self._expand(expression.inner)]
            case Adjoint():
                return [(f, Adjoint(e)) for f, e in self._expand(expression.inner)]
            case Product():
                return [
                    (f * g, Product(a, b))
                    for f, a in self._expand(expression.left)
                    for g, b in self._expand(expression.right)
                ]
            case Elementwise(factor=Symbol() as x) if x.is_diagonal and x.node.name in self.dense:
                # with a full matrix it is two products
                return self._expand(commutator(_full(x), expression.inner))
            case Elementwise():
                inner = self._expand(expression.inner)
                return [(f, Elementwise(expression.factor, e)) for f, e in inner]
        return [(1.0, expression)]

    def _walk(
        self, expression: Expression, start: str, parts: list[Operand], *, adjoint: bool
    ) -> tuple[Tree, str]:
        """Add the operands of a product that begins at index `start`; return its tree and end."""
        if isinstance(expression, Adjoint):
            return self._walk(expression.inner, start, parts, adjoint=not adjoint)
        if isinstance(expression, Product):
            first, second = expression.left, expression.right
            if adjoint:
                first, second = second, first
            left, middle = self._walk(first, start, parts, adjoint=adjoint)
            right, last = self._walk(second, middle, parts, adjoint=adjoint)
            return (left, right), last
        if isinstance(expression, Elementwise):
            inner, last = self._walk(expression.inner, start, parts, adjoint=adjoint)
            if last == start:  # a diagonal operator: it needs a second index to differ on
                last = self._index()
                parts.append(self._identity(self._size(start, parts), start, last))
                inner = (inner, len(parts) - 1)
            ends = (last, start) if adjoint else (start, last)
            parts.append(self._factor(expression.factor, ends, adjoint))
            return (inner, len(parts) - 1), last
        node, row, column = self._operator(expression)
        if isinstance(expression, Symbol) and expression.elementwise:
            raise ConfigError(
                f"{node.name!r} is a displacement d(x, y): "
                "it can only stand in commutator(d, …) or hadamard(d, …)"
            )
        last = start if row == column else self._index()
        adjoint = adjoint and not node.hermitian
        inds = {column: start, row: last} if adjoint else {row: start, column: last}
        names = tuple(inds.get(axis, name) for axis, name in enumerate(node.inds))
        parts.append(Operand(node.name, names, conj=adjoint))
        return len(parts) - 1, last

    def _index(self) -> str:
        self._count["index"] += 1
        return f"i{self._count['index']}"

    def _operator(self, expression: Expression) -> tuple[Node, int, int]:
        """The node of an operator that has one, and the axes of its two indices."""
        if isinstance(expression, Defined):
            node = self._define(expression)
            axes = len(node.inds) - (BATCH in node.inds)
            return node, len(node.inds) - axes, len(node.inds) - 1
        assert isinstance(expression, Symbol)
        if expression.is_diagonal and expression.node.name in self.dense:
            expression = _full(expression)
        for maker in (*expression.makers, expression.node):
            self._register(maker)
        return expression.node, expression.row, expression.column

    def _factor(self, factor: Expression, ends: tuple[str, str], conj: bool) -> Operand:
        """The operand that multiplies entry by entry; X_x − X_y for a diagonal operator X."""
        node, row, column = self._operator(factor)
        if row != column:
            inds = {row: ends[0], column: ends[1]}
            names = tuple(inds.get(axis, name) for axis, name in enumerate(node.inds))
            return Operand(node.name, names, conj)
        name, (size, *_) = f"{node.name}.difference", node.shape
        uses = tuple(Operand(node.name, (ind,)) for ind in ("x", "y"))
        self._register(Function(name, ("x", "y"), (size, size), "subtract", uses))
        return Operand(name, ends, conj)

    def _define(self, defined: Defined) -> Node:
        """The node of a definition, built where it is first used."""
        if id(defined) in self._known:
            return self._known[id(defined)]
        name, products = defined.name, self._expand(defined.inner)
        walked = []
        for factor, product in products:
            parts: list[Operand] = []
            tree, end = self._walk(product, "x", parts, adjoint=False)
            walked.append((factor, parts, tree, end))
        matrices = any(end != "x" for *_, end in walked)
        hermitian = matrices and defined.hermitian
        nodes: list[Node] = []
        for number, (factor, parts, tree, end) in enumerate(walked):
            if matrices and end == "x":  # a diagonal operator beside matrices is one of them
                parts.append(self._identity(self._size("x", parts), "x", "y"))
                tree = (tree, len(parts) - 1)
            names = [tuple("y" if i == end != "x" else i for i in part.inds) for part in parts]
            parts = [Operand(p.node, inds, p.conj) for p, inds in zip(parts, names, strict=True)]
            alone = len(walked) == 1
            label = name if alone else f"{name}.{number}"
            inds = ("x", "y") if matrices else ("x",)
            flag = alone and hermitian
            nodes.append(self._contraction(label, inds, parts, tree, factor, flag, operator=alone))
        node = nodes[0] if len(nodes) == 1 else self._sum(nodes, name, hermitian)
        self._register(node)
        self._known[id(defined)] = node
        return node

    def _register(self, node: Node) -> None:
        known = self.operators.setdefault(node.name, node)
        same = known is node or (
            type(known) is type(node)
            and known.shape == node.shape
            and not isinstance(known, Contraction)
            and (not isinstance(known, Constant) or np.array_equal(known.array, node.array))  # type: ignore[attr-defined]
        )
        if not same:
            raise ConfigError(
                f"two different operators of the formula are called {node.name!r}; rename one"
            )

    def _identity(self, size: int, row: str, column: str) -> Operand:
        identity = as_constant(f"identity.{size}", ("x", "y"), np.eye(size))
        self._register(identity)
        return Operand(identity.name, (row, column))


def _full(symbol: Symbol) -> Symbol:
    """A diagonal operator as a full matrix."""
    assert isinstance(symbol.node, Constant)
    return matrix(symbol.node.name, np.diag(symbol.node.array))
