"""Formulas of physics as operator expressions, and how they become networks.

>>> import numpy as np
>>> from tnlearn.networks.formula import Tr, commutator, diagonal, states
>>> u, v = states(6)                                  # columns are eigenstates
>>> X = diagonal("X", np.arange(6.0))
>>> window = diagonal("window", np.array([0, 0, 1.0, 1.0, 0, 0]))
>>> q = u @ v.H                                       # q = Σ_n u_n v_n†
>>> W = Tr(window @ q.H @ commutator(X, q)) / 2       # a real-space winding number
>>> net = W.network()

*Operators* multiply with ``@``, have an adjoint ``.H``, may be added and scaled.  A diagonal
operator is one vector on a hyperindex, never a matrix.  A commutator with a diagonal operator
is one elementwise node, because ``[X, O]_xy = (X_x − X_y) O_xy``.  `define` gives a product or
sum a name: it is a node of the network then, computed once, and an operator afterwards.

*Scalars* are what operators are closed to: `Tr` gives one number a sample, `local` one a site or
cell.  They have parts (`Re`, `Im`), may be added, multiplied with each other and with numbers,
and raised to whole powers: a formula is a polynomial of what is fed in.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.errors import ConfigError, ShapeError, check_finite, check_whole
from tnlearn.networks.graph import BATCH, Function, Input, Node, as_constant

if TYPE_CHECKING:
    from tnlearn.models.network import Network

__all__ = [
    "NOTATION",
    "Adjoint",
    "Defined",
    "Elementwise",
    "Expression",
    "Im",
    "Part",
    "Product",
    "Re",
    "Scalar",
    "Scaled",
    "Sum",
    "Symbol",
    "Tr",
    "Trace",
    "amplitudes",
    "commutator",
    "define",
    "diagonal",
    "displacement",
    "eigenstates",
    "epsilon",
    "hadamard",
    "input",
    "local",
    "matrix",
    "occupied",
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

    def __radd__(self, other: Any) -> Expression:
        return self if _is_zero(other) else as_operator(other) + self

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


def _is_zero(value: Any) -> bool:
    """Whether it is the number that `sum` starts with."""
    return isinstance(value, int) and value == 0


def as_operator(value: Any) -> Expression:
    """The operator itself, or an error that says what else it is."""
    if isinstance(value, Scalar):
        raise ConfigError("a trace is a number and no operator; multiply numbers with '*'")
    if not isinstance(value, Expression):
        raise ConfigError(
            f"a formula joins operators with '@', '+' and '-'; a {type(value).__name__} is not "
            "one: wrap an array in formula.matrix(name, array) or formula.diagonal(name, vector)"
        )
    return value


def _factor(value: Any) -> float:
    if isinstance(value, (Expression, Scalar)):
        raise ConfigError("'*' takes a number here; the product of two operators is '@'")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"a factor of a formula is a real number, not {value!r}; "
            "put a complex one into a matrix or a diagonal operator, or write Re and Im"
        ) from None


@dataclass(frozen=True, eq=False)
class Symbol(Expression):
    """An operator with an array behind it.

    ``row`` and ``column`` are the axes of the node that the operator's two
    indices stand on; they are the same axis for a diagonal operator.
    ``elementwise`` marks a matrix d(x, y) that multiplies another entry by entry only.
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
class Defined(Expression):
    """An expression with a name: a node of the network, computed once."""

    name: str
    inner: Expression
    hermitian: bool


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
class Elementwise(Expression):
    """The entries of an operator times those of a factor, or times X_x − X_y of a diagonal X."""

    factor: Expression
    inner: Expression


@dataclass(frozen=True, eq=False)
class Trace:
    """The sum of the diagonal entries of an operator, or of those of each cell, or each of them.

    ``per`` is the (sites × cells) operator that adds up the sites of a cell.
    """

    inner: Expression
    local: bool = False
    per: Symbol | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """The ``"real"`` or ``"imag"`` part of a scalar."""

    op: str
    inner: Scalar


@dataclass(frozen=True, eq=False)
class Scalar:
    """A polynomial of traces: a sum of products, each with a number in front.

    It is one number a sample, or one for each site or cell of it.
    """

    terms: tuple[tuple[float, tuple[Trace | Part | Scalar, ...]], ...]

    __array_ufunc__ = None

    def __add__(self, other: Scalar) -> Scalar:
        if not isinstance(other, Scalar):
            raise ConfigError(f"a trace adds to a trace, not to a {type(other).__name__}")
        return Scalar(self.terms + other.terms)

    def __radd__(self, other: Any) -> Scalar:
        return self if _is_zero(other) else self + other

    def __sub__(self, other: Scalar) -> Scalar:
        return self + (-1.0) * other

    def __mul__(self, factor: Scalar | float) -> Scalar:
        if isinstance(factor, Scalar):
            (weight, left), (number, right) = self._monomial, factor._monomial
            return Scalar(((weight * number, left + right),))
        number = _factor(factor)
        return Scalar(tuple((weight * number, product) for weight, product in self.terms))

    __rmul__ = __mul__

    @property
    def _monomial(self) -> tuple[float, tuple[Trace | Part | Scalar, ...]]:
        return self.terms[0] if len(self.terms) == 1 else (1.0, (self,))

    def __pow__(self, power: int) -> Scalar:
        weight, product = self._monomial
        times = check_whole("the power of a trace", power, 1)
        return Scalar(((weight**times, product * times),))

    def __truediv__(self, factor: Any) -> Scalar:
        if isinstance(factor, Scalar):
            raise ConfigError("a formula is a polynomial: a trace is divided by numbers only")
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


def diagonal(name: str, vector: Any) -> Symbol:
    """A diagonal operator, from its (sites,) diagonal: a position, a projector, a window."""
    values = _entries(name, vector)
    if values.ndim != 1:
        raise ShapeError(f"diagonal operator {name!r} needs a (sites,) vector, not {values.shape}")
    return Symbol(as_constant(name, ("x",), values), 0, 0)


def matrix(name: str, array: Any) -> Symbol:
    """An operator from its (rows, columns) matrix."""
    values = _entries(name, array)
    if values.ndim != 2:
        raise ShapeError(f"operator {name!r} needs a (rows, columns) matrix, not {values.shape}")
    return Symbol(as_constant(name, ("x", "y"), values), 0, 1)


def _entries(name: str, array: Any) -> Any:
    values = np.asarray(array)
    if values.dtype.kind not in "biufc":
        raise ShapeError(f"operator {_named(name)!r} needs an array of numbers, not {values.dtype}")
    check_finite(f"operator {_named(name)!r}", values)
    return values


def _named(name: str) -> str:
    if not (isinstance(name, str) and all(name.split("."))):
        raise ConfigError(f"an operator needs a name such as 'X' or 'edge.left', not {name!r}")
    return name


def displacement(name: str, array: Any) -> Symbol:
    """A matrix d(x, y) that multiplies another operator entry by entry.

    In a commutator it takes the place of X_x − X_y (on a ring, say); anywhere else it stands in
    `hadamard`.
    """
    return Symbol(matrix(name, array).node, 0, 1, elementwise=True)


def input(name: str, rows: int, columns: int | None = None, *, hermitian: bool = False) -> Symbol:
    """An operator that is fed in by its name: an array (samples, rows, columns).

    Parameters
    ----------
    name
        ``net(psi=array)`` feeds in what is called ``"psi"``.
    rows, columns
        Its shape; a square matrix by default.
    hermitian
        That it is its own adjoint, as a projector is: products with it are shared then.

    >>> from tnlearn.networks.formula import Tr, diagonal, input
    >>> P = input("P", 4, hermitian=True)
    >>> charge = Tr(diagonal("left", [1.0, 1.0, 0.0, 0.0]) @ P).network("charge")
    """
    rows = check_whole("rows", rows, 1)
    columns = rows if columns is None else check_whole("columns", columns, 1)
    if hermitian and rows != columns:
        raise ShapeError(f"a {rows} × {columns} matrix {name!r} cannot be hermitian")
    inds = (BATCH, "row", "column")
    node = Input(_named(name), inds, (None, rows, columns), hermitian=hermitian)
    return Symbol(node, 1, 2)


def occupied(name: str, sites: int, count: int) -> Symbol:
    """States that are fed in as an operator (sites × states): an array (samples, states, sites).

    ``P = psi @ psi.H`` is the projector on them.  Eigenvectors as numpy gives them, one a
    column, are an `input` of so many rows and columns.
    """
    shape = (None, check_whole("count", count, 1), check_whole("sites", sites, 1))
    return Symbol(Input(_named(name), (BATCH, "state", "site"), shape), 2, 1)


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


def define(name: str, expression: Expression, *, hermitian: bool = False) -> Expression:
    """An operator of that name: what it stands for is computed once, wherever it is used.

    Parameters
    ----------
    name
        Of the node of the network, in ``net.nodes``, drawings and costs.
    expression
        What it is, with two open indices (or one, if it is diagonal).
    hermitian
        That it is its own adjoint: ``A @ B`` and ``B @ A`` of two such operators then cost one
        product.  ``net(…)`` checks it on what is fed in; training, which does not, takes it for
        what does not depend on a parameter only.
    """
    return Defined(_named(name), as_operator(expression), hermitian)


def hadamard(factor: Expression, operator: Expression) -> Expression:
    """The entrywise product ``g_xy O_xy`` with a matrix or displacement g."""
    if isinstance(as_operator(factor), Symbol) and factor.is_diagonal:  # type: ignore[attr-defined]
        raise ConfigError("hadamard takes a matrix or a displacement, not a diagonal operator")
    if not isinstance(factor, (Symbol, Defined)):
        raise ConfigError("the factor in hadamard is computed: name it with define(name, …) first")
    return Elementwise(factor, as_operator(operator))


def commutator(position: Expression, operator: Expression) -> Expression:
    """``[X, O]``; one elementwise node if X is diagonal, two products if it is a matrix."""
    position, operator = as_operator(position), as_operator(operator)
    if isinstance(position, Symbol) and (position.is_diagonal or position.elementwise):
        return Elementwise(position, operator)
    return position @ operator - operator @ position


def Tr(expression: Expression) -> Scalar:
    """The trace of an operator expression: one number a sample."""
    return Scalar(((1.0, (Trace(as_operator(expression)),)),))


def local(expression: Expression, per: Any = None) -> Scalar:
    """The diagonal of an operator: one number for each cell, or each site, of a sample.

    Parameters
    ----------
    expression
        The operator; the sum of its local values is its trace.
    per
        The number of the cell that each site belongs to, (sites,), 0 … cells − 1; or an operator
        `matrix` (sites × cells) of weights; or None for the sites themselves.

    >>> from tnlearn.networks.formula import input, local
    >>> density = local(input("P", 4, hermitian=True), per=[0, 0, 1, 1]).network("density")
    """
    expression = as_operator(expression)
    if per is not None and not isinstance(per, Symbol):
        cells = np.asarray(per)
        if cells.ndim != 1 or cells.dtype.kind not in "iu" or not len(cells) or cells.min() < 0:
            raise ShapeError(
                "per is the number of the cell of every site, (sites,) whole numbers from 0, or "
                f"an operator formula.matrix(name, …) (sites × cells), not {per!r}"
            )
        per = matrix("cells", (cells[:, None] == np.arange(cells.max() + 1)).astype(float))
    if per is not None and (per.is_diagonal or per.node.kind != "constant"):
        raise ConfigError("per is an operator formula.matrix(name, …) (sites × cells)")
    return Scalar(((1.0, (Trace(expression, True, per),)),))


def Re(scalar: Any) -> Scalar:
    """The real part of a trace or of a polynomial of traces."""
    return _part("real", scalar)


def Im(scalar: Any) -> Scalar:
    """The imaginary part of a trace or of a polynomial of traces."""
    return _part("imag", scalar)


def _part(op: str, scalar: Any) -> Scalar:
    if not isinstance(scalar, Scalar):
        raise ConfigError(
            f"Re and Im take numbers, such as Tr(…) and local(…), not a {type(scalar).__name__}"
        )
    return Scalar(((1.0, (Part(op, scalar),)),))


def epsilon(dimensions: int) -> list[tuple[int, tuple[int, ...]]]:
    """The permutations of 0 … d − 1 with their signs, for antisymmetrised sums.

    >>> sum(sign * i for sign, (i, j, k) in epsilon(3))
    0
    """
    count = check_whole("dimensions", dimensions, 1)
    orders = itertools.permutations(range(count))
    pairs = list(itertools.combinations(range(count), 2))
    return [((-1) ** sum(order[a] > order[b] for a, b in pairs), order) for order in orders]
