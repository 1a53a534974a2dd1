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

from tnlearn.errors import ConfigError, ShapeError, check_finite
from tnlearn.networks.graph import BATCH, Function, Input, Node, as_constant

if TYPE_CHECKING:
    from tnlearn.models.network import Network

__all__ = [
    "NOTATION",
    "Adjoint",
    "Commutator",
    "Expression",
    "Product",
    "Scalar",
    "Scaled",
    "Sum",
    "Symbol",
    "Tr",
    "amplitudes",
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
        return Product(self, as_operator(other))

    def __rmatmul__(self, other: Any) -> Expression:
        return Product(as_operator(other), self)

    def __add__(self, other: Expression) -> Expression:
        return Sum(self, as_operator(other))

    def __sub__(self, other: Expression) -> Expression:
        return Sum(self, Scaled(as_operator(other), -1.0))

    def __mul__(self, factor: float) -> Expression:
        return Scaled(self, _factor(factor))

    __rmul__ = __mul__

    def __truediv__(self, factor: float) -> Expression:
        return Scaled(self, 1.0 / _factor(factor))

    def __neg__(self) -> Expression:
        return Scaled(self, -1.0)

    @property
    def H(self) -> Expression:
        """The adjoint."""
        return Adjoint(self)


def as_operator(value: Any) -> Expression:
    """The operator itself, or an error that says what else it is."""
    if not isinstance(value, Expression):
        raise ConfigError(
            f"a formula joins operators with '@', '+' and '-'; a {type(value).__name__} is not "
            "one: wrap an array in formula.matrix(name, array) or formula.diagonal(name, vector)"
        )
    return value


def _factor(value: Any) -> float:
    if isinstance(value, Expression):
        raise ConfigError("'*' takes a number; the product of two operators is '@'")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"a factor of a formula is a real number, not {value!r}; "
            "put a complex one into a matrix or a diagonal operator"
        ) from None


@dataclass(frozen=True, eq=False)
class Symbol(Expression):
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
        """Whether both indices stand on one axis."""
        return self.row == self.column


@dataclass(frozen=True, eq=False)
class Product(Expression):
    """The operator product left @ right."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Sum(Expression):
    """The sum of two operators."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Scaled(Expression):
    """A number times an operator."""

    inner: Expression
    factor: float


@dataclass(frozen=True, eq=False)
class Adjoint(Expression):
    """The adjoint of an operator."""

    inner: Expression


@dataclass(frozen=True, eq=False)
class Commutator(Expression):
    """[X, O] with a diagonal X: one elementwise node."""

    position: Symbol
    inner: Expression


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
        from tnlearn.models.network import Network  # upward: the formula's way to its face

        return Network.from_formula(self, name=name, part=part)


# What physicists call the product of two operators: the flattened block Σ_n u_n v_n†, the
# flattened Hamiltonian ψσψ†.
NOTATION = {frozenset({"u", "v"}): "q", frozenset({"psi", "psi_sigma"}): "Q"}


def diagonal(name: str, vector: Any) -> Expression:
    """A diagonal operator, from its (sites,) diagonal: a position, a projector, a window."""
    values = _entries(name, vector)
    if values.ndim != 1:
        raise ShapeError(f"diagonal operator {name!r} needs a (sites,) vector, not {values.shape}")
    return Symbol(as_constant(name, ("x",), values), 0, 0)


def matrix(name: str, array: Any) -> Expression:
    """An operator from its (rows, columns) matrix."""
    values = _entries(name, array)
    if values.ndim != 2:
        raise ShapeError(f"operator {name!r} needs a (rows, columns) matrix, not {values.shape}")
    return Symbol(as_constant(name, ("x", "y"), values), 0, 1)


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
    assert isinstance(symbol, Symbol)
    return Symbol(symbol.node, 0, 1, elementwise=True)


def states(cells: int, count: int | None = None) -> tuple[Expression, Expression]:
    """The inputs u and v as operators (cells x states), so that ``q = u @ v.H``."""
    u, v = amplitudes(cells, count)
    return Symbol(u, 2, 1), Symbol(v, 2, 1)


def amplitudes(cells: int, count: int | None = None) -> tuple[Input, Input]:
    """The input nodes u and v, each (batch, state, cell), of `count` states (all by default)."""
    shape = (None, cells if count is None else count, cells)
    return Input("u", (BATCH, "state", "cell"), shape), Input("v", (BATCH, "state", "cell"), shape)


def eigenstates(cells: int, count: int | None = None) -> tuple[Expression, Expression]:
    """The eigenstates ψ = (u, ±v)/√2 as a (2 cells x 2 states) operator, and their signs σ.

    ``Q = psi @ sigma @ psi.H`` is the flattened Hamiltonian, sites in (A; B) order.
    """
    number = cells if count is None else count
    u, v = amplitudes(cells, count)
    psi = Function(
        "psi",
        (BATCH, "level", "site"),
        (None, 2 * number, 2 * cells),
        "eigenstates",
        (u.use, v.use),
    )
    signs = np.repeat([1.0, -1.0], number)
    return Symbol(psi, 2, 1, makers=(u, v)), diagonal("sigma", signs)


def commutator(position: Expression, operator: Expression) -> Expression:
    """``[X, O]``; one elementwise node if X is diagonal, two products if it is a matrix."""
    position, operator = as_operator(position), as_operator(operator)
    if isinstance(position, Symbol) and (position.is_diagonal or position.elementwise):
        return Commutator(position, operator)
    return position @ operator - operator @ position


def Tr(expression: Expression) -> Scalar:
    """The trace of an operator expression."""
    return Scalar(((1.0, as_operator(expression)),))
