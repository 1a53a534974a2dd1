"""A formula becomes a graph: its operators the leaves, each trace one contraction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.formula import (
    Adjoint,
    Commutator,
    Expression,
    Product,
    Scalar,
    Scaled,
    Sum,
    Symbol,
    commutator,
    matrix,
)
from tnlearn.networks.graph import (
    BATCH,
    Constant,
    Contraction,
    Function,
    Graph,
    Input,
    Node,
    Operand,
    Tree,
    as_constant,
)

__all__ = ["build"]


def build(
    formula: Scalar, name: str = "W", part: str = "real", dense: frozenset[str] = frozenset()
) -> Graph:
    """The graph of a formula, whose output `name` is its real (or imaginary) part.

    Parameters
    ----------
    formula
        A sum of traces.
    name
        Name of the output node.
    part
        ``"real"`` or ``"imag"``.
    dense
        Diagonal operators that become full matrices.

    Raises
    ------
    ConfigError
        If nothing can be fed in, or two nodes would have one name.
    ShapeError
        If two operators do not fit together.
    """
    return _Builder(dense).build(formula, name, part)


class _Builder:
    """Walks an expression and collects its nodes and operands."""

    def __init__(self, dense: frozenset[str]) -> None:
        self.dense = dense
        self.nodes: dict[str, Node] = {}
        self._fresh = 0

    def build(self, formula: Scalar, name: str, part: str) -> Graph:
        check_choice("part", part, ("real", "imag"))
        terms = [
            (weight * factor, term)
            for weight, expression in formula.traces
            for factor, term in _expand(self._densify(expression))
        ]
        written: dict[str, Tree] = {}
        contractions: list[Node] = []
        for number, (factor, term) in enumerate(terms):
            parts, tree = self._trace(term)
            label = "trace" if len(terms) == 1 else f"trace.{number}"
            inds = (BATCH,) if any(BATCH in part.inds for part in parts) else ()
            shape = (None,) * len(inds)
            contractions.append(Contraction(label, inds, shape, tuple(parts), scale=factor))
            written[label] = tree
        if not any(isinstance(node, Input) for node in self.nodes.values()):
            raise ConfigError(
                "the formula has no states, so there is nothing to feed in; "
                "write it with those of formula.states(cells)"
            )
        computed = contractions
        if len(contractions) > 1:
            uses = tuple(c.use for c in contractions)
            computed = [*contractions, Function("sum", (BATCH,), (None,), "add", uses)]
        last = computed[-1]
        computed = [*computed, Function(name, last.inds, last.shape, part, (last.use,))]
        names = [node.name for node in computed]
        for node in computed:
            if node.name in self.nodes or names.count(node.name) > 1:
                raise ConfigError(
                    f"{node.name!r} is the name of an operator of the formula and of a node that "
                    f"the network makes of it ({', '.join(names)}); rename the operator"
                )
        nodes = {**self.nodes, **{node.name: node for node in computed}}
        return Graph(nodes, name, written=written)

    def _densify(self, expression: Expression) -> Expression:
        """Replace diagonal operators that were asked for as full matrices."""
        if isinstance(expression, Symbol):
            node = expression.node
            if node.name not in self.dense or not expression.is_diagonal:
                return expression
            assert isinstance(node, Constant)
            return matrix(node.name, np.diag(node.array))
        inner = {
            name: self._densify(operand)
            for name, operand in vars(expression).items()
            if isinstance(operand, Expression)
        }
        if isinstance(expression, Commutator):  # with a full matrix it is two products
            return commutator(inner["position"], inner["inner"])
        return replace(expression, **inner)

    def _index(self) -> str:
        self._fresh += 1
        return f"i{self._fresh}"

    def _register(self, node: Node) -> None:
        known = self.nodes.setdefault(node.name, node)
        same = known is node or (
            type(known) is type(node)
            and known.shape == node.shape
            and (not isinstance(known, Constant) or np.array_equal(known.array, node.array))  # type: ignore[attr-defined]
        )
        if not same:
            raise ConfigError(
                f"two different operators of the formula are called {node.name!r}; rename one"
            )

    def _trace(self, term: Expression) -> tuple[list[Operand], Tree]:
        start = self._index()
        parts: list[Operand] = []
        tree, end = self._walk(term, start, parts, adjoint=False)
        if end != start:
            # Close the loop: rename the last index.  A lone dense operator would then
            # carry one index twice, so its trace goes through an identity.
            if any(end in part.inds and start in part.inds for part in parts):
                size = next(
                    self.nodes[p.node].shape[p.inds.index(end)] for p in parts if end in p.inds
                )
                parts.append(self._identity(int(size or 0), end, start))
                return parts, (tree, len(parts) - 1)
            parts = [
                Operand(p.node, tuple(start if i == end else i for i in p.inds), p.conj)
                for p in parts
            ]
        return parts, tree

    def _identity(self, size: int, row: str, column: str) -> Operand:
        identity = as_constant(f"identity.{size}", ("x", "y"), np.eye(size))
        self._register(identity)
        return Operand(identity.name, (row, column))

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
        if isinstance(expression, Commutator):
            inner, last = self._walk(expression.inner, start, parts, adjoint=adjoint)
            if last == start:  # a diagonal operator: it needs a second index to differ on
                last = self._index()
                size = int(expression.position.node.shape[0] or 0)
                parts.append(self._identity(size, start, last))
                inner = (inner, len(parts) - 1)
            ends = (last, start) if adjoint else (start, last)
            parts.append(self._difference(expression.position, ends, adjoint))
            return (inner, len(parts) - 1), last
        assert isinstance(expression, Symbol)
        if expression.elementwise:
            raise ConfigError(
                f"{expression.node.name!r} is a displacement d(x, y): "
                "it can only stand in commutator(X, …)"
            )
        node = expression.node
        for maker in expression.makers:
            self._register(maker)
        self._register(node)
        if expression.is_diagonal:
            last = start
            inds = {expression.row: start}
        else:
            last = self._index()
            inds = {expression.row: start, expression.column: last}
            if adjoint:
                inds = {expression.column: start, expression.row: last}
        names = tuple(inds.get(axis, name) for axis, name in enumerate(node.inds))
        parts.append(Operand(node.name, names, conj=adjoint))
        return len(parts) - 1, last

    def _difference(self, position: Symbol, ends: tuple[str, str], conj: bool) -> Operand:
        self._register(position.node)
        if position.elementwise:
            return Operand(position.node.name, ends, conj)
        name, (size, *_) = f"{position.node.name}.difference", position.node.shape
        uses = tuple(Operand(position.node.name, (ind,)) for ind in ("x", "y"))
        self._register(Function(name, ("x", "y"), (size, size), "subtract", uses))
        return Operand(name, ends, conj)


def _expand(expression: Expression) -> list[tuple[float, Expression]]:
    """Distribute sums and factors: a list of (factor, product)."""
    match expression:
        case Sum():
            return _expand(expression.left) + _expand(expression.right)
        case Scaled():
            return [(expression.factor * f, e) for f, e in _expand(expression.inner)]
        case Adjoint():
            return [(f, Adjoint(e)) for f, e in _expand(expression.inner)]
        case Product():
            return [
                (f * g, Product(a, b))
                for f, a in _expand(expression.left)
                for g, b in _expand(expression.right)
            ]
        case Commutator():
            return [(f, Commutator(expression.position, e)) for f, e in _expand(expression.inner)]
    return [(1.0, expression)]
