"""Cells of a chain, their positions and windows; blocks h by their diagonals.

A fast label needs the bonds of an open chain only, never the L x L block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, check_choice, check_whole

__all__ = [
    "BOUNDARIES",
    "Bands",
    "Window",
    "bands_of",
    "check_boundary",
    "check_cells",
    "displacement",
    "for_kernel",
    "gauge_to_real",
    "kept_cells",
    "only_bonds",
    "positions",
    "window_cells",
]

Array = NDArray[Any]
# Share of the cells in the middle of a chain, or its first cell and the one after its last.
Window = float | tuple[int, int]

BOUNDARIES = ("open", "periodic")


def check_cells(cells: Any) -> int:
    """Return `cells` as an int of at least 1, or raise `ConfigError`."""
    return check_whole("cells", cells, 1)


def check_boundary(boundary: Any) -> str:
    """Return `boundary` if it is "open" or "periodic", else raise `UnknownNameError`."""
    return check_choice("boundary", boundary, BOUNDARIES)


def positions(cells: int) -> Array:
    """Cell positions x = 0 … L−1 as floats, shape (cells,), in units of the lattice constant."""
    return np.arange(check_cells(cells), dtype=float)


def displacement(cells: int, boundary: str = "open") -> Array:
    """Displacement d(x, y) from a B cell y to an A cell x.

    Open chain: d = x − y.  Ring: the minimal image of x − y, in (−L/2, L/2), and
    0 at the tie |x − y| = L/2, where both ways round are equally long.

    Parameters
    ----------
    cells : int
        Number of unit cells L.
    boundary : "open" | "periodic"
        Boundary condition.

    Returns
    -------
    d : (cells, cells) float array
        d[x, y], in units of the lattice constant.

    Raises
    ------
    ConfigError, UnknownNameError
        For a size below 1 or an unknown boundary.

    Source: arXiv:2509.26261; minimal image as in docs/physics.md.
    """
    check_boundary(boundary)
    x = np.arange(check_cells(cells))
    d = x[:, None] - x[None, :]
    if boundary == "periodic":
        d = (d + cells // 2) % cells - cells // 2
        if cells % 2 == 0:
            d[2 * np.abs(d) == cells] = 0
    return d.astype(float)


def kept_cells(cells: int, window: Window) -> tuple[int, int]:
    """First cell and number of cells of a window: a share of the chain, or (start, stop).

    Of a share f the round(f · L) cells (half to even) that start at (L − kept) // 2; of a pair the
    cells start … stop − 1.  Raises `ConfigError` if the share is not in (0, 1], if the pair
    leaves the chain, or if no cell is kept.
    """
    check_cells(cells)
    if np.ndim(window) == 1 and len(window) == 2:  # type: ignore[arg-type]
        start, stop = (check_whole("an end of the window", end, 0) for end in window)  # type: ignore[union-attr]
        if not start < stop <= cells:
            raise ConfigError(
                f"window={window!r} must keep cells start … stop − 1 of 0 … {cells - 1}"
            )
        return start, stop - start
    try:
        share = float(window)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        share = float("nan")
    if not 0.0 < share <= 1.0:
        raise ConfigError(
            f"window must be a fraction in (0, 1], or cells (start, stop), got {window!r}"
        )
    kept = round(share * cells)
    if kept < 1:
        raise ConfigError(
            f"window={window!r} keeps no cell of a chain of {cells}; "
            f"take a fraction above {0.5 / cells:.3g}"
        )
    return (cells - kept) // 2, kept


def window_cells(cells: int, window: Window = 0.5) -> Array:
    """Indicator of the B cells over which the trace is taken, shape (cells,), 0.0 or 1.0.

    Those of `kept_cells`; the sum of the indicator is the L' of W = (1/L') Σ.
    """
    first, kept = kept_cells(cells, window)
    indicator = np.zeros(cells)
    indicator[first : first + kept] = 1.0
    return indicator


@dataclass(frozen=True, eq=False)
class Bands:
    """The diagonals of an open block: bonds[m][s, y] = h[y+m, y], zero outside the block.

    `low` and `high` are the smallest and largest offset with a bond (both 0 for a
    block of zeros).
    """

    cells: int
    bonds: dict[int, Array]

    @property
    def low(self) -> int:
        """Smallest offset."""
        return min(self.bonds)

    @property
    def high(self) -> int:
        """Largest offset."""
        return max(self.bonds)

    @property
    def samples(self) -> int:
        """Number of chains."""
        return len(next(iter(self.bonds.values())))

    @property
    def bidiagonal(self) -> bool:
        """Nearest-neighbour chains: the diagonal and one other next to it."""
        return self.high - self.low <= 1 and 0 in self.bonds

    def inside(self, m: int) -> Array:
        """The bonds of offset m that are in the block, (samples, cells − |m|)."""
        cut = slice(max(0, -m), self.cells - max(0, m))
        return self.bonds[m][:, cut]


def bands_of(block: Array) -> Bands:
    """The diagonals of (samples, cells, cells) blocks that hold any element."""
    samples, cells = block.shape[:2]
    rows, columns = np.nonzero(np.any(block != 0, axis=0))
    bonds = {}
    for m in np.unique(rows - columns).tolist():
        y = np.arange(max(0, -m), cells - max(0, m))
        bonds[m] = np.zeros((samples, cells), dtype=block.dtype)
        bonds[m][:, y] = block[:, y + m, y]
    return only_bonds(bonds, samples, cells)


def only_bonds(bonds: dict[int, Array], samples: int, cells: int) -> Bands:
    """Bands without the bonds that leave an open chain, and without offsets that have none.

    The diagonal stays: without it a bidiagonal block has exact zero modes.
    """
    present = {}
    for m, t in bonds.items():
        if m and abs(m) < cells:
            cut = slice(max(0, -m), cells - max(0, m))
            inside = np.zeros_like(t)
            inside[:, cut] = t[:, cut]
            t = inside
        if m == 0 or (abs(m) < cells and np.any(t)):
            present[m] = t
    if 0 not in present:
        present[0] = np.zeros((samples, cells))
    return Bands(cells, dict(sorted(present.items())))


def for_kernel(array: Array) -> Array:
    """The array as kernels take it: C-contiguous, float64, read only.

    One type whatever came, so that nothing is compiled twice; a copy only where needed.
    """
    plain: Array = np.ascontiguousarray(array, dtype=np.float64).view()
    plain.flags.writeable = False
    return plain


def gauge_to_real(bands: Bands) -> tuple[Array, Array, Array, Array]:
    """Moduli and phases of a bidiagonal block: h = diag(a) |h| diag(b)*.

    Returns
    -------
    diagonal, other : (samples, cells) and (samples, cells − 1) float arrays
        |h|, or h itself where it is real.
    a, b : (samples, cells) arrays of modulus 1
        Ones where h is real.
    """
    m = 1 if bands.high == 1 else -1
    p = bands.inside(0)
    r = bands.inside(m) if m in bands.bonds else np.zeros((len(p), bands.cells - 1))
    if not (np.iscomplexobj(p) or np.iscomplexobj(r)):
        one = np.ones(p.shape)
        return p, r, one, one
    turn, step = _phase(p), _phase(r)
    # Lower: a_x = turn_x b_x and a_{x+1} = step_x b_x; upper the same with a*, b* exchanged.
    if m == -1:
        turn, step = turn.conj(), step.conj()
    ones = np.ones((len(p), 1))
    b = np.cumprod(np.concatenate([ones, turn[:, 1:].conj() * step], axis=1), axis=1)
    b /= np.abs(b)
    a = turn * b
    return (np.abs(p), np.abs(r), a, b) if m == 1 else (np.abs(p), np.abs(r), b, a)


def _phase(t: Array) -> Array:
    size = np.abs(t)
    return np.divide(t, size, out=np.ones(t.shape, dtype=t.dtype), where=size > 0)
