"""Formulas of physics as operator expressions, and how they become networks.

>>> import numpy as np
>>> from tnlearn.networks.formula import Tr, commutator, diagonal, states
>>> u, v = states(6)                                  # columns are eigenstates
>>> X = diagonal("X", np.arange(6.0))
>>> window = diagonal("window", np.array([0, 0, 1.0, 1.0, 0, 0]))
>>> q = u @ v.H                                       # q = Σ_n u_n v_n†
>>> W = Tr(window @ q.H @ commutator(X, q)) / 2       # a real-space winding number
>>> net = W.network()

Operators multiply with ``@``, have an adjoint ``.H``, may be added and scaled.
A diagonal operator is one vector on a hyperindex, never a matrix.  A
commutator with a diagonal operator is one elementwise node, because
``[X, O]_xy = (X_x − X_y) O_xy``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite
from tnlearn.networks.nodes import (
    BATCH,
    Constant,
    Contraction,
    Function,
    Input,
    Node,
    Operand,
    as_constant,
)
from tnlearn.networks.search import Tree

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = [
    "Expression",
    "Scalar",
    "Tr",
    "commutator",
    "diagonal",
    "displacement",
    "eigenstates",
    "matrix",
    "states",
]


@dataclass(frozen=True, eq=False)
class Expression:
    """An operator expression; build it with ``@``, ``+``, ``-``, ``*`` and ``.H``."""

    # numpy leaves `array @ operator` and `number * operator` to this class.
    __array_ufunc__ = None

    def __matmul__(self, other: Expression) -> Expression:
        return _Product(self, _operator(other))

    def __rmatmul__(self, other: Any) -> Expression:
        return _Product(_operator(other), self)

    def __add__(self, other: Expression) -> Expression:
        return _Sum(self, _operator(other))

    def __sub__(self, other: Expression) -> Expression:
        return _Sum(self, _Scaled(_operator(other), -1.0))

    def __mul__(self, factor: float) -> Expression:
        return _Scaled(self, _factor(factor))

    __rmul__ = __mul__

    def __truediv__(self, factor: float) -> Expression:
        return _Scaled(self, 1.0 / _factor(factor))

    def __neg__(self) -> Expression:
        return _Scaled(self, -1.0)

    @property
    def H(self) -> Expression:
        """The adjoint."""
        return _Adjoint(self)


def _operator(given: Any) -> Expression:
    if not isinstance(given, Expression):
        raise ConfigError(
            f"a formula joins operators with '@', '+' and '-'; a {type(given).__name__} is not "
            "one: wrap an array in formula.matrix(name, array) or formula.diagonal(name, vector)"
        )
    return given


def _factor(given: Any) -> float:
    if isinstance(given, Expression):
        raise ConfigError("'*' takes a number; the product of two operators is '@'")
    try:
        return float(given)
    except (TypeError, ValueError):
        raise ConfigError(
            f"a factor of a formula is a real number, not {given!r}; "
            "put a complex one into a matrix or a diagonal operator"
        ) from None


@dataclass(frozen=True, eq=False)
class _Symbol(Expression):
    """An operator with an array behind it.

    ``row`` and ``column`` are the axes of the node that the operator's two
    indices stand on; they are the same axis for a diagonal operator.
    ``elementwise`` marks a matrix d(x, y) that can only stand in a commutator.
    """

    node: Node
    row: int
    column: int
    makers: tuple[Node, ...] = ()
    elementwise: bool = False

    @property
    def is_diagonal(self) -> bool:
        return self.row == self.column


@dataclass(frozen=True, eq=False)
class _Product(Expression):
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class _Sum(Expression):
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class _Scaled(Expression):
    inner: Expression
    factor: float


@dataclass(frozen=True, eq=False)
class _Adjoint(Expression):
    inner: Expression


@dataclass(frozen=True, eq=False)
class _Commutator(Expression):
    position: _Symbol
    inner: Expression


def diagonal(name: str, vector: Any) -> Expression:
    """A diagonal operator, from its (sites,) diagonal: a position, a projector, a window."""
    values = _entries(name, vector)
    if values.ndim != 1:
        raise ShapeError(f"diagonal operator {name!r} needs a (sites,) vector, not {values.shape}")
    return _Symbol(as_constant(name, ("x",), values), 0, 0)


def matrix(name: str, array: Any) -> Expression:
    """An operator from its (rows, columns) matrix."""
    values = _entries(name, array)
    if values.ndim != 2:
        raise ShapeError(f"operator {name!r} needs a (rows, columns) matrix, not {values.shape}")
    return _Symbol(as_constant(name, ("x", "y"), values), 0, 1)


def _entries(name: str, array: Any) -> Any:
    if not (isinstance(name, str) and all(name.split("."))):
        raise ConfigError(f"an operator needs a name such as 'X' or 'edge.left', not {name!r}")
    values = np.asarray(array)
    if values.dtype.kind not in "biufc":
        raise ShapeError(f"operator {name!r} needs an array of numbers, not of {values.dtype}")
    check_finite(f"operator {name!r}", values)
    return values


def displacement(name: str, array: Any) -> Expression:
    """The matrix d(x, y) that takes the place of X_x − X_y in a commutator (on a ring, say)."""
    symbol = matrix(name, array)
    assert isinstance(symbol, _Symbol)
    return _Symbol(symbol.node, 0, 1, elementwise=True)


def states(cells: int, count: int | None = None) -> tuple[Expression, Expression]:
    """The inputs u and v as operators (cells x states), so that ``q = u @ v.H``."""
    shape = (None, cells if count is None else count, cells)
    u, v = (Input(name, (BATCH, "state", "cell"), shape) for name in ("u", "v"))
    return _Symbol(u, 2, 1), _Symbol(v, 2, 1)


def eigenstates(cells: int, count: int | None = None) -> tuple[Expression, Expression]:
    """The eigenstates ψ = (u, ±v)/√2 as a (2 cells x 2 states) operator, and their signs σ.

    ``Q = psi @ sigma @ psi.H`` is the flattened Hamiltonian, sites in (A; B) order.
    """
    number = cells if count is None else count
    u, v = (Input(name, (BATCH, "state", "cell"), (None, number, cells)) for name in ("u", "v"))
    psi = Function(
        "psi",
        (BATCH, "level", "site"),
        (None, 2 * number, 2 * cells),
        "eigenstates",
        (Operand("u", u.inds), Operand("v", v.inds)),
    )
    signs = np.repeat([1.0, -1.0], number)
    return _Symbol(psi, 2, 1, makers=(u, v)), diagonal("sigma", signs)


def commutator(position: Expression, operator: Expression) -> Expression:
    """``[X, O]``; one elementwise node if X is diagonal, two products if it is a matrix."""
    position, operator = _operator(position), _operator(operator)
    if isinstance(position, _Symbol) and (position.is_diagonal or position.elementwise):
        return _Commutator(position, operator)
    return position @ operator - operator @ position


@dataclass(frozen=True, eq=False)
class Scalar:
    """A sum of traces with factors: one number per sample."""

    traces: tuple[tuple[float, Expression], ...]

    __array_ufunc__ = None

    def __add__(self, other: Scalar) -> Scalar:
        if not isinstance(other, Scalar):
            raise ConfigError(f"a trace adds to a trace, not to a {type(other).__name__}")
        return Scalar(self.traces + other.traces)

    def __sub__(self, other: Scalar) -> Scalar:
        return self + (-1.0) * other

    def __mul__(self, factor: float) -> Scalar:
        number = _factor(factor)
        return Scalar(tuple((weight * number, inner) for weight, inner in self.traces))

    __rmul__ = __mul__

    def __truediv__(self, factor: float) -> Scalar:
        return self * (1.0 / _factor(factor))

    def __neg__(self) -> Scalar:
        return self * -1.0

    def network(self, name: str = "W", part: str = "real") -> Network:
        """The formula as a `Network` whose output is its real (or imaginary) part."""
        from tnlearn.networks.network import Network

        return Network.from_formula(self, name=name, part=part)

    def build(
        self, name: str = "W", part: str = "real", dense: frozenset[str] = frozenset()
    ) -> tuple[dict[str, Node], dict[str, Tree]]:
        """The nodes of the formula in order, and the tree each contraction was written as.

        Diagonal operators named in `dense` become full matrices.
        """
        return _Builder(dense).build(self, name, part)


def Tr(expression: Expression) -> Scalar:
    """The trace of an operator expression."""
    return Scalar(((1.0, _operator(expression)),))


class _Builder:
    """Walks an expression and collects its nodes and operands."""

    def __init__(self, dense: frozenset[str]) -> None:
        self.dense = dense
        self.nodes: dict[str, Node] = {}
        self._fresh = 0

    def build(
        self, formula: Scalar, name: str, part: str
    ) -> tuple[dict[str, Node], dict[str, Tree]]:
        check_choice("part", part, ("real", "imag"))
        terms = [
            (weight * factor, term)
            for weight, expression in formula.traces
            for factor, term in _expand(self._densify(expression))
        ]
        written: dict[str, Tree] = {}
        contractions: list[Contraction] = []
        for number, (factor, term) in enumerate(terms):
            parts, tree = self._trace(term)
            label = "trace" if len(terms) == 1 else f"trace.{number}"
            batched = any(BATCH in part.inds for part in parts)
            contraction = Contraction(
                label,
                (BATCH,) if batched else (),
                (None,) if batched else (),
                tuple(parts),
                scale=factor,
            )
            contractions.append(contraction)
            written[label] = tree
        if not any(isinstance(node, Input) for node in self.nodes.values()):
            raise ConfigError(
                "the formula has no states, so there is nothing to feed in; "
                "write it with u, v = formula.states(cells)"
            )
        own = [*(c.name for c in contractions), *(["sum"] if len(contractions) > 1 else []), name]
        for taken in own:
            if taken in self.nodes or own.count(taken) > 1:
                raise ConfigError(
                    f"{taken!r} is the name of an operator of the formula and of a node that the "
                    f"network makes of it ({', '.join(own)}); rename the operator"
                )
        for contraction in contractions:
            self.nodes[contraction.name] = contraction
        last: Node = contractions[0]
        if len(contractions) > 1:
            last = Function(
                "sum",
                (BATCH,),
                (None,),
                "add",
                tuple(Operand(c.name, c.inds) for c in contractions),
            )
            self.nodes["sum"] = last
        self.nodes[name] = Function(
            name, last.inds, last.shape, part, (Operand(last.name, last.inds),)
        )
        return self.nodes, written

    def _densify(self, expression: Expression) -> Expression:
        """Replace diagonal operators that were asked for as full matrices."""
        match expression:
            case _Symbol() if expression.node.name in self.dense and expression.is_diagonal:
                assert isinstance(expression.node, Constant)
                return matrix(expression.node.name, np.diag(expression.node.array))
            case _Product():
                return _Product(self._densify(expression.left), self._densify(expression.right))
            case _Sum():
                return _Sum(self._densify(expression.left), self._densify(expression.right))
            case _Scaled():
                return _Scaled(self._densify(expression.inner), expression.factor)
            case _Adjoint():
                return _Adjoint(self._densify(expression.inner))
            case _Commutator():
                return commutator(
                    self._densify(expression.position), self._densify(expression.inner)
                )
        return expression

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
        self,
        expression: Expression,
        start: str,
        parts: list[Operand],
        *,
        adjoint: bool,
    ) -> tuple[Tree, str]:
        """Add the operands of a product that begins at index `start`; return its tree and end."""
        if isinstance(expression, _Adjoint):
            return self._walk(expression.inner, start, parts, adjoint=not adjoint)
        if isinstance(expression, _Product):
            first, second = expression.left, expression.right
            if adjoint:
                first, second = second, first
            left, middle = self._walk(first, start, parts, adjoint=adjoint)
            right, last = self._walk(second, middle, parts, adjoint=adjoint)
            return (left, right), last
        if isinstance(expression, _Commutator):
            inner, last = self._walk(expression.inner, start, parts, adjoint=adjoint)
            if last == start:  # a diagonal operator: it needs a second index to differ on
                last = self._index()
                size = int(expression.position.node.shape[0] or 0)
                parts.append(self._identity(size, start, last))
                inner = (inner, len(parts) - 1)
            ends = (last, start) if adjoint else (start, last)
            parts.append(self._difference(expression.position, ends, adjoint))
            return (inner, len(parts) - 1), last
        assert isinstance(expression, _Symbol)
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

    def _difference(self, position: _Symbol, ends: tuple[str, str], conj: bool) -> Operand:
        self._register(position.node)
        if position.elementwise:
            return Operand(position.node.name, ends, conj)
        name, size = f"{position.node.name}.difference", position.node.shape[0]
        difference = Function(
            name,
            ("x", "y"),
            (size, size),
            "subtract",
            (Operand(position.node.name, ("x",)), Operand(position.node.name, ("y",))),
        )
        self._register(difference)
        return Operand(name, ends, conj)


def _expand(expression: Expression) -> list[tuple[float, Expression]]:
    """Distribute sums and factors: a list of (factor, product)."""
    match expression:
        case _Sum():
            return _expand(expression.left) + _expand(expression.right)
        case _Scaled():
            return [(expression.factor * f, e) for f, e in _expand(expression.inner)]
        case _Adjoint():
            return [(f, _Adjoint(e)) for f, e in _expand(expression.inner)]
        case _Product():
            return [
                (f * g, _Product(a, b))
                for f, a in _expand(expression.left)
                for g, b in _expand(expression.right)
            ]
        case _Commutator():
            return [(f, _Commutator(expression.position, e)) for f, e in _expand(expression.inner)]
    return [(1.0, expression)]
