"""How a freed node is parametrised: dense, diagonal, of low rank, or a function of position.

Whatever the structure, the last node made carries the freed node's own name
and indices, so nothing downstream changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.init import Init
from tnlearn.networks.nodes import (
    CHANNEL,
    Contraction,
    Inds,
    Node,
    Operand,
    Parameter,
    as_constant,
)

__all__ = ["STRUCTURES", "free", "position_basis"]

STRUCTURES = ("dense", "diagonal", "lowrank", "position")
Floats = npt.NDArray[np.float64]

# Displacements (in cells) at which a position function of two indices has a knot.
KNOTS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24], dtype=np.float64)
DEGREES = 4  # Chebyshev degree along the chain


def free(
    name: str,
    inds: Inds,
    exact: Floats,
    *,
    structure: str,
    channels: int | None,
    init: Init,
    bond: int | None,
    cells: int,
) -> list[Node]:
    """The nodes that replace a constant `name` when it is set free.

    Raises
    ------
    UnknownNameError
        For a structure that does not exist.
    ConfigError
        If the structure needs two indices and the node has one, or `bond` is missing.
    """
    check_choice("structure", structure, STRUCTURES)
    front: Inds = () if channels is None else (CHANNEL,)
    copies: tuple[int, ...] = () if channels is None else (channels,)
    if structure == "dense" or (structure == "diagonal" and len(inds) == 1):
        return [Parameter(name, (*front, *inds), (*copies, *exact.shape), init, exact)]
    out_inds, out_shape = (*front, *inds), (*copies, *exact.shape)
    if structure == "position":
        basis = position_basis(exact, cells)
        start = np.zeros(len(basis))
        start[0] = 1.0  # the first function is the exact node itself
        weights = Parameter(
            f"{name}.weights", (*front, "basis"), (*copies, len(basis)), init, start
        )
        functions = as_constant(f"{name}.basis", ("basis", *inds), basis)
        parts = (
            Operand(weights.name, weights.inds),
            Operand(functions.name, functions.inds),
        )
        return [weights, functions, Contraction(name, out_inds, out_shape, parts)]
    if len(inds) != 2:
        raise ConfigError(
            f"structure {structure!r} needs a node with two indices; {name!r} has {len(inds)}. "
            "Use structure='dense' or 'position'"
        )
    row = inds[0]
    if structure == "diagonal":
        size = min(exact.shape)
        entries = Parameter(
            f"{name}.diagonal",
            (*front, row),
            (*copies, size),
            init,
            np.diagonal(exact).copy(),
        )
        identity = as_constant(f"{name}.identity", inds, np.eye(*exact.shape))
        parts = (Operand(entries.name, entries.inds), Operand(identity.name, inds))
        return [entries, identity, Contraction(name, out_inds, out_shape, parts)]
    return _low_rank(name, inds, exact, front, copies, init, bond)


def _low_rank(
    name: str,
    inds: Inds,
    exact: Floats,
    front: Inds,
    copies: tuple[int, ...],
    init: Init,
    bond: int | None,
) -> list[Node]:
    limit = min(exact.shape)
    if not isinstance(bond, (int, np.integer)) or not 1 <= bond <= limit:
        raise ConfigError(
            f"structure 'lowrank' of {name!r} needs bond between 1 and {limit}, not {bond!r}"
        )
    left, values, right = np.linalg.svd(exact)
    root = np.sqrt(values[:bond])
    row, column = inds
    factors = (
        Parameter(
            f"{name}.left",
            (*front, row, "bond"),
            (*copies, exact.shape[0], bond),
            init,
            left[:, :bond] * root,
        ),
        Parameter(
            f"{name}.right",
            (*front, column, "bond"),
            (*copies, exact.shape[1], bond),
            init,
            right[:bond].T * root,
        ),
    )
    parts = tuple(Operand(f.name, f.inds) for f in factors)
    shape = (*copies, *exact.shape)
    return [*factors, Contraction(name, (*front, *inds), shape, parts)]


def position_basis(exact: Floats, cells: int) -> Floats:
    """Functions of position, (functions, *shape); the first is the exact node itself.

    A node with one index is expanded in Chebyshev polynomials of the position
    on [−1, 1], on each sublattice apart if it has 2 `cells` entries.  A node
    D(x, y) is expanded in hat functions of the displacement x − y (knots in
    cells, linear beyond the last) times Chebyshev polynomials of the centre
    (x + y)/2.  The functions are the same for every length, divided by it as
    the trace is, so weights trained at one length serve at another.
    """
    size = exact.shape[0]
    blocks = 2 if size == 2 * cells else 1
    functions: list[Any] = [exact]
    centre = (2 * np.arange(cells) + 1) / cells - 1
    if exact.ndim == 1:
        height = np.abs(exact).max() or 1.0
        for block in range(blocks):
            for degree in range(DEGREES + 3):
                function = np.zeros(size)
                start = block * cells
                function[start : start + cells] = height * _chebyshev(degree, centre)
                functions.append(function)
        return np.array(functions)
    if exact.ndim != 2 or exact.shape != (size, size):
        raise ConfigError(f"a position function needs one or two site indices, not {exact.shape}")
    x, y = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    middle = (x + y + 1) / cells - 1
    for hat in _hats(x - y):
        for degree in range(DEGREES + 1):
            block_function = hat * _chebyshev(degree, middle) / cells
            for block in range(blocks**2):
                function2 = np.zeros((size, size))
                row, column = divmod(block, blocks)
                function2[
                    row * cells : (row + 1) * cells, column * cells : (column + 1) * cells
                ] = block_function
                functions.append(function2)
    return np.array(functions)


def _chebyshev(degree: int, x: Floats) -> Floats:
    return np.asarray(np.cos(degree * np.arccos(np.clip(x, -1, 1))), dtype=np.float64)


def _hats(displacement: npt.NDArray[np.int64]) -> list[Floats]:
    """Hat functions of x − y at ± the knots, the outermost growing linearly beyond."""
    knots = np.concatenate([-KNOTS[:0:-1], KNOTS])
    hats = []
    for number in range(len(knots)):
        values = np.zeros(len(knots))
        values[number] = 1.0
        hat = np.interp(displacement, knots, values)
        if number in (0, len(knots) - 1):
            beyond = displacement / knots[number]
            hat = np.where(beyond > 1, beyond, hat)
        hats.append(hat)
    return hats
