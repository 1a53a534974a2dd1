"""In which order a block is a chain, and whether that chain is open or a ring.

Both are seen from where the block has elements.  In the right order it joins near cells
only; corner elements that join the last cells to the first make it a ring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, ShapeError, UnclearError, check_finite

__all__ = ["Place", "minimal_image", "places", "position_order"]

Array = NDArray[Any]

# More orbitals on a sublattice and cell than this are not looked for.
_ORBITALS = 16


@dataclass(frozen=True, eq=False)
class Place:
    """An order of the orbitals of each sublattice along the chain, and its ends."""

    order: Array
    boundary: str
    words: str = ""


def minimal_image(m: Array, cells: int) -> Array:
    """The offset on a ring, in (−L/2, L/2]."""
    low = -((cells - 1) // 2)
    return np.asarray((m - low) % cells + low)


def places(
    pattern: Any, order: str | None, cells: int | None, boundary: str | None, alone: bool = False
) -> Iterator[Place]:
    """The orders in which a block is a chain: one, if it is clear.

    Parameters
    ----------
    pattern : sparse (L, L) array
        Where the block has elements above rounding; rows and columns as they came.
    order, cells, boundary
        What is said of it, as in `tnlearn.physics.hamiltonians.read`.
    alone : bool
        Whether the order it came in is the one to take (positions were given).
    """
    size = pattern.shape[0]
    if cells is not None and size % cells:
        raise ConfigError(f"cells={cells} does not divide the {size} orbitals of a sublattice")
    free = order is None and not alone
    x, y = pattern.nonzero()
    if order != "orbital":
        where = _closure(x, y, size, boundary)
        if where is not None and not (free and cells is None and _is_sheet(x, y, size, where)):
            yield Place(np.arange(size), where, 'one chain, cell after cell (order="site")')
        if not free or (where is not None and not _falls_apart(x, y, size)):
            return
    counts = [size // cells] if cells else range(2, min(_ORBITALS, size // 4) + 1)
    taken: list[int] = []
    for count in counts:
        # A ring counted twice round is a ring of twice the orbitals: the fewest are meant.
        if count < 2 or size % count or any(count % t == 0 for t in taken):
            continue
        new = np.arange(size).reshape(count, -1).T.ravel()
        back = np.argsort(new)
        where = _closure(back[x], back[y], size, boundary)
        if where is not None and not _is_sheet(back[x], back[y], size, where):
            taken.append(count)
            each = f'{count} orbitals a cell, one after the other (order="orbital")'
            yield Place(new, where, each)


def _closure(x: Array, y: Array, size: int, said: str | None) -> str | None:
    """ "open" or "periodic", or None where elements join cells that are far apart."""
    m = x - y
    far = 2 * np.abs(m) > size
    turned = minimal_image(m, size)
    turn = int(np.abs(turned).max(initial=0))
    if said == "open":
        return None if far.any() else "open"
    if said == "periodic":
        if size > 4 and np.any(m) and not far.any():
            raise UnclearError(
                'boundary="periodic" is said, but no element joins the last cells to the first: '
                'the chain is open (boundary="open"), or the bonds across its seam are missing'
            )
        return "periodic" if turn <= size // 3 or size < 4 else None
    reach = int(np.abs(m).max(initial=0))
    # (Of few cells, or of a range as long as half the chain: a band is open, a ring is none.)
    narrow = np.ptp(m) <= 4 and 3 * reach <= 2 * size and reach < size - 1 if len(m) else True
    if reach <= max(size // 3, min(2, size // 2)) or narrow:
        return "open"
    # Each offset across the seam is one of the bulk: there the most of its bonds are.
    offsets, across = np.unique(turned[far], return_counts=True)
    seam = all(
        np.count_nonzero(m[~far] == o) >= 2 * n for o, n in zip(offsets, across, strict=True)
    )
    long = size >= 4 if turn < 2 else size > 4 * turn
    return "periodic" if long and far.any() and seam else None


def _falls_apart(x: Array, y: Array, size: int) -> bool:
    """Whether the block is several of one size, one after the other, that no element joins."""
    if not np.any(x != y):
        return False
    crossing = np.zeros(size + 1, dtype=int)
    np.add.at(crossing, np.minimum(x, y) + 1, 1)
    np.add.at(crossing, np.maximum(x, y) + 1, -1)
    cut = np.cumsum(crossing) == 0  # cut[p]: nothing joins cells before p to p and after
    return any(
        size % s == 0 and cut[size // s : size : size // s].all()
        for s in range(2, min(_ORBITALS, size // 2) + 1)
    )


def _is_sheet(x: Array, y: Array, size: int, boundary: str) -> bool:
    """Whether distances on the graph grow as in two dimensions.

    From the first orbital the shells of a chain soon have one size, at most that of a
    neighbourhood; those of a lattice of two dimensions grow until its far side.
    """
    from scipy.sparse.csgraph import dijkstra

    m = minimal_image(x - y, size) if boundary == "periodic" else x - y
    if np.ptp(m) < 4 if len(m) else True:
        return False
    ones = np.ones(len(x))
    graph = sp.csr_array((ones, (x, size + y)), shape=(2 * size, 2 * size))
    steps = dijkstra(graph, directed=False, unweighted=True, indices=0)
    shells = np.bincount(steps[np.isfinite(steps)].astype(int))
    widest, depth = int(shells.max()), len(shells) - 1
    neighbours = int(max(np.bincount(x).max(), np.bincount(y).max()))
    if boundary == "periodic":  # it grows both ways round
        return widest > 2 * (neighbours - 1) and widest >= 1.2 * depth
    return widest > neighbours and widest >= 0.3 * depth


def _turns_one_way(plane: Array) -> bool:
    """Whether orbitals on a closed curve follow it as they come: the order of a ring."""
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    steps = (np.diff(angle) + np.pi) % (2 * np.pi) - np.pi
    return bool(np.all(steps > -1e-9) or np.all(steps < 1e-9))


def position_order(positions: Any, size: int) -> Array:
    """The orbitals in the order of their positions along the longest extent.

    On a circle, in the order they have, if that follows the circle.

    Raises
    ------
    ShapeError, NotFiniteError
        For positions of another number than the orbitals, or not finite.
    UnclearError
        Where they do not order a chain: spread over two dimensions, or on a circle.
    """
    try:
        where = np.asarray(positions, dtype=float)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"positions must be numbers: {error}") from None
    if where.ndim not in (1, 2) or len(where) != size or where.size == 0:
        raise ShapeError(
            f"positions has shape {where.shape}; ({size},) or ({size}, dimensions) is expected"
        )
    check_finite("positions", where)
    if where.ndim == 2:
        _, spread, axes = np.linalg.svd(where - where.mean(axis=0), full_matrices=False)
        if len(spread) > 1 and 3 * spread[1] > spread[0] and size > 8:
            if _turns_one_way((where - where.mean(axis=0)) @ axes[:2].T):
                return np.arange(size)
            raise UnclearError(
                "these positions spread over two dimensions (a sheet, a circle): they do not order "
                "a chain.  Give one coordinate along the chain for each orbital, or order="
            )
        where = where[:, int(np.ptp(where, axis=0).argmax())]
    # Positions equal to rounding keep the order of H.
    span = float(np.ptp(where))
    return np.argsort(np.round(where / span, 12) if span else where, kind="stable")
