"""Positions, displacements and windows of a chain: the constant nodes of the winding number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, check_choice

__all__ = [
    "BOUNDARIES",
    "check_boundary",
    "check_cells",
    "displacement",
    "kept_cells",
    "positions",
    "window_cells",
]

Array = NDArray[Any]

BOUNDARIES = ("open", "periodic")


def check_cells(cells: Any) -> int:
    """Return `cells` as an int of at least 1, or raise `ConfigError`."""
    whole = not isinstance(cells, bool) and isinstance(cells, (int, np.integer))
    if not whole or int(cells) < 1:
        raise ConfigError(f"cells must be a whole number of at least 1, got {cells!r}")
    return int(cells)


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


def kept_cells(cells: int, fraction: float) -> tuple[int, int]:
    """First cell and number of cells of the window of a given fraction.

    kept = round(fraction · L), half to even, starting at cell (L − kept) // 2.
    Raises `ConfigError` if `fraction` is not in (0, 1] or keeps no cell at all.
    """
    check_cells(cells)
    try:
        share = float(fraction)
    except (TypeError, ValueError):
        share = float("nan")
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"window must be a fraction in (0, 1], got {fraction!r}")
    kept = round(share * cells)
    if kept < 1:
        raise ConfigError(
            f"window={fraction!r} keeps no cell of a chain of {cells}; "
            f"take a fraction above {0.5 / cells:.3g}"
        )
    return (cells - kept) // 2, kept


def window_cells(cells: int, fraction: float = 0.5) -> Array:
    """Indicator of the B cells over which the trace is taken, shape (cells,), 0.0 or 1.0.

    The round(fraction · L) cells (half to even) that start at (L − kept) // 2 are
    kept; the sum of the indicator is the L' of W = (1/L') Σ.
    Raises `ConfigError` if the fraction is not in (0, 1] or keeps no cell.
    """
    first, kept = kept_cells(cells, fraction)
    indicator = np.zeros(cells)
    indicator[first : first + kept] = 1.0
    return indicator
