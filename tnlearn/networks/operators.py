"""Operator expressions: symbols with arrays behind them, and what can be made of them.

An expression is a tree of products, sums, adjoints and commutators over
symbols; a `Scalar` is a sum of traces.  `formula` makes symbols, `builder`
turns a scalar into a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tnlearn.errors import ConfigError
from tnlearn.networks.nodes import Node

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = [
    "Adjoint",
    "Commutator",
    "Expression",
    "Product",
    "Scalar",
    "Scaled",
    "Sum",
    "Symbol",
    "as_operator",
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


def as_operator(given: Any) -> Expression:
    """The operator given, or an error that says what else it is."""
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
        from tnlearn.networks.network import Network

        return Network.from_formula(self, name=name, part=part)
