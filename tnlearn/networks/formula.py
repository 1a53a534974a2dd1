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

from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, ShapeError, check_finite
from tnlearn.networks.nodes import BATCH, Function, Input, Operand, as_constant
from tnlearn.networks.operators import Commutator, Expression, Scalar, Symbol, as_operator

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
    shape = (None, cells if count is None else count, cells)
    u, v = (Input(name, (BATCH, "state", "cell"), shape) for name in ("u", "v"))
    return Symbol(u, 2, 1), Symbol(v, 2, 1)


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
