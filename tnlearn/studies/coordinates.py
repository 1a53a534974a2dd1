"""Where a weight sits in the chain: which of its entries belong to which cell, state, sublattice.

The edge of a chain is its outer cells, a fraction of the chain at each end.  An
entry of a weight lies on the edge if every cell it belongs to does: D_xy if
both x and y are outer cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.studies.weights import Singular, Weight

__all__ = [
    "cell_positions",
    "edge_entries",
    "has_cells",
    "has_states",
    "leading_pictures",
    "outer",
    "profiles",
    "share_of",
]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_NAMES = {
    "x": "cell x",
    "y": "cell y",
    "e": "outer cell y",
    "cell": "cell",
    "state": "state",
}
# Indices that run over cells; "x" also over the 2L sites of the operator form.
_CELLS = ("x", "y", "cell", "e")
# Features of a first layer by their number; those of later layers have no place in the chain.
_PANELS = {2: ["u, sublattice A", "v, sublattice B"], 3: ["|u|²", "|v|²", "u v*"]}


def cell_positions(ind: str, size: int, cells: int) -> Floats | None:
    """Cell (from 0) of each entry along an index, (size,), or None if it runs over no cells.

    An index of 2L entries runs over the sites, A then B.  One that a stride has
    shortened stands at the middle of the stretch of cells it comes from.  `e`
    are the outer quarters that the edge network sees.
    """
    if ind not in _CELLS:
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
    found = {}
    for axis, (ind, size) in enumerate(zip(weight.inds, weight.shape, strict=True)):
        positions = cell_positions(ind, size, cells)
        if positions is not None:
            found[axis] = positions
    return found


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
        lowest = (np.arange(size) + 1) * cells / size <= states
        there &= _along(weight, axis, lowest)
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
    total = squares.sum(axis=axes)
    there_sum = (squares * there).sum(axis=axes)
    unknown = np.full(len(total), np.nan)
    return np.asarray(np.divide(there_sum, total, out=unknown, where=total > 0))


def profiles(weight: Weight, values: npt.NDArray[Any], cells: int) -> dict[str, Floats]:
    """Share of the norm² in each entry along every index of cells, (members, size), by index."""
    squares = np.asarray(values, dtype=np.float64) ** 2
    found = {}
    for axis in _cell_axes(weight, cells):
        others = tuple(a for a in range(1, squares.ndim) if a != axis + 1)
        along = squares.sum(axis=others)
        total = along.sum(axis=1, keepdims=True)
        empty = np.zeros_like(along)
        found[weight.inds[axis]] = np.divide(along, total, out=empty, where=total > 0)
    return found


def leading_pictures(found: Singular, member: int, count: int, cells: int) -> dict[str, Any] | None:
    """The leading singular vectors of one member in physical coordinates.

    Of the copies (channels) the one with the largest norm is taken.  A vector
    over physical indices stands for itself; where rows and columns are both
    physical (D) their outer product is drawn.  Indices without a place in the
    chain are summed over in the square.  The sign, which is free, makes the
    largest entry positive.

    Returns
    -------
    dict or None
        `axes` (names of the one or two axes drawn), `panels` (names of the sublattices or
        products, one where there are none), `pictures` (count, panels, …), `values` (count,),
        `norm` (of the whole matrix), `copy`; None if no index of the weight has a place in the
        chain.
    """
    weight = found.weight
    skipped = len(weight.inds) - len(weight.matrix_inds)
    inds, shape = weight.matrix_inds, weight.shape[skipped:]
    cut = weight.row_axes
    sides = [
        side
        for side in ((inds[:cut], shape[:cut], 0), (inds[cut:], shape[cut:], 1))
        if any(_place(ind, size, cells) for ind, size in zip(side[0], side[1], strict=True))
    ]
    if not sides:
        return None
    norms = (found.values[member] ** 2).sum(axis=-1)
    copy = int(np.argmax(norms))
    drawn = [ind for side in sides for ind in side[0]]
    sizes = tuple(size for side in sides for size in side[1])
    pictures = []
    for k in range(min(count, found.values.shape[-1])):
        vectors = (found.left[member, copy, :, k], found.right[member, copy, k, :])
        tensor = np.ones(1)
        for *_, which in sides:
            tensor = np.outer(tensor, vectors[which]).ravel()
        pictures.append(_drawn(tensor.reshape(sizes), drawn, cells))
    places = (_place(ind, size, cells) for ind, size in zip(drawn, sizes, strict=True))
    return {
        "axes": [place for place in places if place],
        "panels": _PANELS.get(len(pictures[0]), [""]),
        "pictures": np.round(pictures, 4),
        "values": found.values[member, copy, : len(pictures)],
        "norm": float(np.sqrt(norms[copy])),
        "copy": copy,
    }


def _place(ind: str, size: int, cells: int) -> str | None:
    """What an index of a weight means in space, or None."""
    if ind == "x" and size == 2 * cells:
        return "site (cells of A, then of B)"
    return _NAMES.get(ind)


def _drawn(values: Floats, inds: list[str], cells: int) -> Floats:
    """(panels, one or two physical axes) of a tensor, the rest summed in the square."""
    sizes = dict(zip(inds, values.shape, strict=True))
    panel = [a for a, ind in enumerate(inds) if ind == "feature" and sizes[ind] in _PANELS]
    kept = [a for a, ind in enumerate(inds) if _place(ind, sizes[ind], cells)]
    rest = [a for a in range(values.ndim) if a not in (*panel, *kept)]
    turned = np.transpose(values, (*rest, *panel, *kept))
    if rest:
        turned = np.sqrt((turned**2).sum(axis=tuple(range(len(rest)))))
    if not panel:
        turned = turned[None]
    largest = turned.flat[int(np.abs(turned).argmax())]
    return np.asarray(turned if largest >= 0 else -turned)
