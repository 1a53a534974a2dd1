"""Lattices in the plane, of any shape.

Cells sit at ``i a1 + j a2``, their orbitals at positions of their own; sites are numbered cell by
cell, the orbital last.  Lengths are in units of |a1|, energies in units of the hopping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import (
    ConfigError,
    ShapeError,
    check_choice,
    check_finite,
    check_memory,
    check_whole,
)
from tnlearn.shown import Shown

__all__ = ["PERIODIC", "Lattice", "Vector", "lattice", "sectors"]

Array = NDArray[Any]
Vector = tuple[int, int]

# The vectors a1, a2, and the orbitals of a cell in units of these.
KINDS: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "square": ([[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]]),
    "honeycomb": ([[1.0, 0.0], [0.5, np.sqrt(0.75)]], [[0.0, 0.0], [1 / 3, 1 / 3]]),
}
# Of coordinates (2, nx, ny) along a1 and a2, from −1 to 1 in the box, and of a1 and a2 themselves.
SHAPES: dict[str, Callable[[Array, Array], Any]] = {
    "rectangle": lambda x, box: np.ones(x.shape[1:], bool),
    "disc": lambda x, box: np.linalg.norm(np.tensordot(box.T, x, 1), axis=0) <= _inscribed(box),
    "L": lambda x, box: (x <= 0).any(axis=0),
    "ring": lambda x, box: abs(x).max(axis=0) > 1 / 3,
}
PERIODIC = {"open": (False, False), "cylinder": (True, False), "torus": (True, True)}


@dataclass(frozen=True, eq=False, repr=False)
class Lattice(Shown):
    """Unit cells of a lattice in the plane, in any shape, open or closed.

    Attributes
    ----------
    mask : (nx, ny) bool array
        Which cells ``i a1 + j a2`` are there.
    vectors : (2, 2) array
        a1 and a2, as rows.
    orbitals : (orbitals, 2) array
        Where the orbitals of a cell sit, in units of a1 and a2.
    boundary : "open" | "cylinder" | "torus"
        A cylinder is closed along a1, a torus along both.
    kind : str
        What it was made as.
    """

    mask: Array
    vectors: Array
    orbitals: Array
    boundary: str = "open"
    kind: str = "square"

    @cached_property
    def coordinates(self) -> Array:
        """Whole coordinates (i, j) of every cell, (cells, 2)."""
        return np.argwhere(self.mask)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.coordinates)

    @property
    def sites(self) -> int:
        """Number of sites: cells times orbitals."""
        return self.cells * len(self.orbitals)

    @property
    def area(self) -> float:
        """Area of a cell."""
        return float(abs(np.linalg.det(self.vectors)))

    @property
    def cell_of_site(self) -> Array:
        """The cell of every site, (sites,)."""
        return np.repeat(np.arange(self.cells), len(self.orbitals))

    @cached_property
    def fractions(self) -> Array:
        """Positions of the sites in units of a1 and a2, (sites, 2)."""
        return (self.coordinates[:, None] + self.orbitals).reshape(-1, 2)

    @cached_property
    def positions(self) -> Array:
        """Cartesian positions of the sites, (sites, 2)."""
        return self.fractions @ self.vectors

    @cached_property
    def depth(self) -> Array:
        """How far each cell is below the surface, in units of the root of a cell's area, (cells,).

        The distance to the nearest cell that is not there, less one half; infinite on a torus
        without holes.
        """
        shape, closed = np.array(self.mask.shape), np.array(PERIODIC[self.boundary])
        margin = np.where(closed, 0, 1)
        missing = np.argwhere(~np.pad(self.mask, [(m, m) for m in margin])) - margin
        shifts = [
            n * shape[k] * np.eye(2, dtype=int)[k] for k in (0, 1) if closed[k] for n in (-1, 1)
        ]
        missing = np.concatenate([missing, *(missing + shift for shift in shifts)])
        if not len(missing):
            return np.full(self.cells, np.inf)
        from scipy.spatial import cKDTree

        tree = cKDTree(missing @ self.vectors)
        return np.asarray(tree.query(self.coordinates @ self.vectors)[0] / np.sqrt(self.area) - 0.5)

    def window(self, fraction: float = 0.5) -> Array:
        """Cells whose depth is at least 1 − `fraction` of the largest: the bulk, (cells,) bool."""
        if not 0 < fraction <= 1:
            raise ConfigError(f"a window is a fraction above 0 and up to 1, not {fraction!r}")
        depth = self.depth
        return np.asarray(np.isinf(depth) | (depth >= (1 - fraction) * depth.max()))

    @property
    def centre(self) -> Array:
        """A point deep in the bulk, (2,): the middle of the deepest cells, or one of them."""
        places = self.coordinates @ self.vectors + (self.orbitals @ self.vectors).mean(axis=0)
        deep = places[np.isinf(self.depth) | (self.depth > self.depth.max() - 1e-9)]
        middle = deep.mean(axis=0)
        away = np.linalg.norm(deep - middle, axis=1)
        return np.asarray(middle if away.min() < 1.0 else deep[0])

    def sectors(self, radius: float = 0.75, centre: Any = None) -> tuple[Array, Array, Array]:
        """Three sectors of a disc, counter-clockwise about its centre, each (sites,) of 0 and 1.

        `radius` is a share of the largest depth; Kitaev's sum is taken over them.
        """
        depth = self.depth.max()
        if np.isinf(depth):
            raise ConfigError("a torus has no surface from which to measure a disc; open it")
        middle = self.centre if centre is None else np.asarray(centre, float)
        return sectors(self.positions, middle, radius * depth * np.sqrt(self.area))

    def bonds(self, d: Vector) -> tuple[Array, Array, Array]:
        """Pairs of cells r, r + d that are there: their numbers, and how often each way round."""
        shape, closed = np.array(self.mask.shape), PERIODIC[self.boundary]
        ends = self.coordinates + np.array(d)
        wraps = np.where(closed, ends // shape, 0)
        ends = ends - wraps * shape
        inside = ((ends >= 0) & (ends < shape)).all(axis=1)
        number = np.full(self.mask.shape, -1)
        number[tuple(self.coordinates.T)] = np.arange(self.cells)
        there = np.flatnonzero(inside)
        there = there[number[tuple(ends[there].T)] >= 0]
        return there, number[tuple(ends[there].T)], wraps[there]

    def plot(self, values: Any = None, *, ax: Any = None) -> Any:
        """The cells as dots, coloured by `values` (cells,) if they are given.

        Returns the axes it was drawn on, `ax` or those of a figure of its own.
        """
        from tnlearn.physics import plots

        places = self.coordinates @ self.vectors
        return plots.cells(places, values, ax=ax)

    def _facts(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "cells": f"{self.cells} of {self.mask.shape[0]} × {self.mask.shape[1]}",
            "orbitals": str(len(self.orbitals)),
            "boundary": self.boundary,
        }

    def _sketch(self) -> Any:
        return self.plot() if self.cells <= 10_000 else None


def sectors(positions: Array, centre: Array, radius: float) -> tuple[Array, Array, Array]:
    """Which sites lie in each third of a disc, counter-clockwise, three arrays (sites,)."""
    x, y = (positions - centre).T
    third = np.floor(np.mod(np.arctan2(y, x), 2 * np.pi) / (2 * np.pi / 3)).astype(int) % 3
    inside = np.hypot(x, y) <= radius
    first, second, last = ((inside & (third == k)).astype(float) for k in range(3))
    return first, second, last


def lattice(
    kind: str = "square",
    cells: Any = (10, 10),
    *,
    shape: str = "rectangle",
    mask: Any = None,
    boundary: str = "open",
    vectors: Any = None,
    orbitals: Any = None,
) -> Lattice:
    """Unit cells in the plane: a square lattice, a honeycomb, or one of your own.

    Parameters
    ----------
    kind : "square" | "honeycomb" | any name
        Another name needs `vectors`.
    cells : (int, int)
        How many along a1 and a2; of a shape, the box it fits in.
    shape : "rectangle" | "disc" | "L" | "ring"
        Which cells of the box are there.
    mask : (nx, ny) bool array, optional
        The same, cell by cell.
    boundary : "open" | "cylinder" | "torus"
        A cylinder is closed along a1, a torus along both.
    vectors : (2, 2) array, optional
        a1 and a2, as rows.
    orbitals : (orbitals, 2) array, optional
        Where the orbitals of a cell sit, in units of a1 and a2.

    Raises
    ------
    ConfigError, ShapeError, UnknownNameError
        If these do not make a lattice of at least one cell.

    Examples
    --------
    >>> import tnlearn as tnl
    >>> tnl.lattice("honeycomb", (6, 6))
    Lattice(kind=honeycomb, cells=36 of 6 × 6, orbitals=2, boundary=open)
    """
    if kind not in KINDS and vectors is None:
        check_choice("kind of lattice", kind, KINDS)
    a, tau = KINDS.get(kind, (vectors, [[0.0, 0.0]]))
    a = np.asarray(a if vectors is None else vectors, dtype=float)
    tau = np.asarray(tau if orbitals is None else orbitals, dtype=float)
    check_finite("vectors", a)
    check_finite("orbitals", tau)
    if a.shape != (2, 2) or abs(np.linalg.det(a)) < 1e-12:
        raise ShapeError(
            f"vectors are a1 and a2 as rows, (2, 2) and not parallel, got {a.tolist()}"
        )
    if tau.ndim != 2 or tau.shape[1:] != (2,) or not len(tau):
        raise ShapeError(
            f"orbitals are positions (orbitals, 2) in units of a1, a2, got {tau.shape}"
        )
    check_choice("boundary", boundary, PERIODIC)
    if mask is None:
        if np.shape(cells) != (2,):
            raise ShapeError(f"cells are two numbers (nx, ny), not {cells!r}")
        box = tuple(check_whole("cells", n, 1) for n in cells)
        check_memory(f"a box of {box[0]} × {box[1]} cells", 64 * box[0] * box[1])
        x = np.stack(np.meshgrid(*((2 * np.arange(n) + 1) / n - 1 for n in box), indexing="ij"))
        there = SHAPES[check_choice("shape", shape, SHAPES)](x, a * np.array(box)[:, None])
    else:
        there = np.asarray(mask, dtype=bool)
        if there.ndim != 2:
            raise ShapeError(f"a mask says of (nx, ny) cells which are there, got {there.shape}")
    if not there.any():
        raise ConfigError("this lattice has no cell")
    return Lattice(there, a, tau, boundary, kind)


def _inscribed(box: Array) -> float:
    """Twice the radius of the largest disc in a parallelogram of two sides."""
    return float(abs(np.linalg.det(box)) / np.linalg.norm(box, axis=1).max())
