"""Where a weight sits in the chain: which of its entries belong to which cell, state, sublattice.

The edge of a chain is its outer cells, a fraction of the chain at each end.  An entry of a weight
lies on the edge if every cell it belongs to does: D_xy if both x and y are outer cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.analysis.weights import Singular, Weight

__all__ = [
    "SITES",
    "Vector",
    "cell_positions",
    "edge_entries",
    "has_cells",
    "has_states",
    "leading_vectors",
    "outer",
    "share_of",
]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SITES = "site (cells of A, then of B)"
# What an index of a weight means in space; "x" also runs over the 2L sites of the operator form.
_NAMES = {"x": "cell x", "y": "cell y", "e": "outer cell y", "cell": "cell", "state": "state"}
# Features of a first layer by their number; those of later layers have no place in the chain.
_PANELS = {2: ("u, sublattice A", "v, sublattice B"), 3: ("|u|²", "|v|²", "u v*")}


def cell_positions(ind: str, size: int, cells: int) -> Floats | None:
    """Cell (from 0) of each entry along an index, (size,), or None if it runs over no cells.

    An index of 2L entries runs over the sites, A then B.  One that a stride has shortened stands
    at the middle of the stretch of cells it comes from.  `e` are the outer quarters that the edge
    network sees.
    """
    if ind not in _NAMES or ind == "state":
        return None
    if size == 2 * cells:
        return np.tile(np.arange(cells, dtype=np.float64), 2)
    if ind == "e":
        return np.concatenate([np.arange(size // 2), np.arange(cells - size // 2, cells)]) * 1.0
    return np.asarray((np.arange(size) + 0.5) * cells / size - 0.5)


def outer(positions: Floats, cells: int, edge: float) -> Mask:
    """Which cells are within `edge` (a fraction of the chain) of either end."""
    depth = edge * cells
    middle = positions + 0.5
    return np.asarray((middle < depth) | (middle > cells - depth))


def _cell_axes(weight: Weight, cells: int) -> dict[int, Floats]:
    """Positions along each axis of the node that runs over cells, by axis."""
    axes = enumerate(zip(weight.inds, weight.shape, strict=True))
    positions = {axis: cell_positions(ind, size, cells) for axis, (ind, size) in axes}
    return {axis: cell for axis, cell in positions.items() if cell is not None}


def has_states(weight: Weight) -> bool:
    """Whether the weight has an index of states beside one of cells."""
    return "state" in weight.inds and "cell" in weight.inds


def has_cells(weight: Weight, cells: int) -> bool:
    """Whether some of the weight's entries can be off the edge and others on it."""
    return any(weight.inds[axis] != "e" for axis in _cell_axes(weight, cells))


def edge_entries(weight: Weight, cells: int, edge: float, states: int | None = None) -> Mask:
    """Which entries of a weight are on the edge, (*shape); with `states`, in the edge states.

    Edge states are the `states` pairs nearest zero energy in the outer cells; the weight must
    then have an index of states (see `has_states`).
    """
    there = np.ones(weight.shape, dtype=bool)
    for axis, positions in _cell_axes(weight, cells).items():
        there &= _along(weight, axis, outer(positions, cells, edge))
    if states is not None:
        axis = weight.inds.index("state")
        size = weight.shape[axis]
        there &= _along(weight, axis, (np.arange(size) + 1) * cells / size <= states)
    return there


def _along(weight: Weight, axis: int, values: Mask) -> Mask:
    shape = [1] * len(weight.shape)
    shape[axis] = -1
    return values.reshape(shape)


def share_of(there: Mask, values: npt.NDArray[Any]) -> Floats:
    """Share of the norm² of a weight (members, *shape) in the entries `there`, (members,).

    NaN for a weight that is zero.  A weight of equal entries would have ``there.mean()``.
    """
    squares = np.asarray(values, dtype=np.float64) ** 2
    axes = tuple(range(1, squares.ndim))
    total, part = squares.sum(axis=axes), (squares * there).sum(axis=axes)
    return np.asarray(np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0))


@dataclass(frozen=True)
class Vector:
    """A leading singular vector of one member, in the coordinates of the chain.

    Attributes
    ----------
    number : int
        From 1, the largest singular value first.
    share : float
        Of the norm² of its matrix.
    panel : str
        Sublattice or product of amplitudes, where there are several; else "".
    axes : tuple of str
        What the one or two axes of `values` run over: cells, states or sites.
    values : array
        One or two axes.
    """

    number: int
    share: float
    panel: str
    axes: tuple[str, ...]
    values: Floats


def leading_vectors(parts: Singular, member: int, count: int, cells: int) -> Iterator[Vector]:
    """The leading singular vectors of one member in the coordinates of the chain.

    Of the copies (channels) the one with the largest norm is taken.  A vector over physical
    indices stands for itself; where rows and columns are both physical (D) it is their outer
    product.  Indices without a place in the chain are summed over in the square.  The sign, which
    is free, makes the largest entry positive.  Nothing where no index has a place in the chain.
    """
    weight, cut = parts.weight, parts.weight.row_axes
    indices = list(zip(weight.matrix_inds, weight.matrix_shape, strict=True))
    sides = {which: side for which, side in enumerate((indices[:cut], indices[cut:]))
             if any(_place(ind, size, cells) for ind, size in side)}  # fmt: skip
    drawn = [index for side in sides.values() for index in side]
    axes = tuple(place for ind, size in drawn if (place := _place(ind, size, cells)))
    squares = parts.values[member] ** 2
    copy = int(np.argmax(squares.sum(axis=-1)))
    total = float(squares[copy].sum()) or 1.0
    for k in range(min(count, squares.shape[-1]) if sides else 0):
        vectors = (parts.left[member, copy, :, k], parts.right[member, copy, k, :])
        tensor = np.ones(1)
        for which in sides:
            tensor = np.outer(tensor, vectors[which]).ravel()
        shown = _in_space(tensor.reshape([size for _, size in drawn]), drawn, cells)
        panels = _PANELS.get(len(shown), ("",))
        for panel, values in zip(panels, shown, strict=True):
            yield Vector(k + 1, float(squares[copy, k]) / total, panel, axes, values)


def _place(ind: str, size: int, cells: int) -> str | None:
    """What an index of a weight means in space, or None."""
    return SITES if ind == "x" and size == 2 * cells else _NAMES.get(ind)


def _in_space(values: Floats, indices: list[tuple[str, int]], cells: int) -> Floats:
    """(panels, one or two physical axes) of a tensor, the rest summed in the square."""
    panel = [a for a, (ind, size) in enumerate(indices) if ind == "feature" and size in _PANELS]
    kept = [a for a, index in enumerate(indices) if _place(*index, cells)]
    rest = [a for a in range(values.ndim) if a not in (*panel, *kept)]
    turned = np.transpose(values, (*rest, *panel, *kept))
    if rest:
        turned = np.sqrt((turned**2).sum(axis=tuple(range(len(rest)))))
    if not panel:
        turned = turned[None]
    largest = turned.flat[int(np.abs(turned).argmax())]
    return np.asarray(turned if largest >= 0 else -turned)
