"""The structure of a block: which diagonals hold bonds, and the bonds as bands.

A fast label needs the bonds of an open chain only, never the L x L block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains

__all__ = ["Bands", "bands_of", "for_kernel", "gauge_to_real"]

Array = NDArray[Any]


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


def bands_of(given: Chains | Array) -> Bands | None:
    """The bands of open chains or of a (samples, cells, cells) block; None for a ring.

    Offsets without any bond are left out, the diagonal excepted.
    """
    if isinstance(given, Chains):
        if given.boundary != "open":
            return None
        cells = given.cells
        found = {m: t for m, t in given.hoppings.items() if abs(m) < cells}
        bonds = {m: _inside(t, m, cells) for m, t in found.items()}
        samples = given.samples
    else:
        samples, cells = given.shape[:2]
        rows, columns = np.nonzero(np.any(given != 0, axis=0))
        present = np.unique(rows - columns)
        bonds = {}
        for m in present.tolist():
            y = np.arange(max(0, -m), cells - max(0, m))
            bonds[m] = np.zeros((samples, cells), dtype=given.dtype)
            bonds[m][:, y] = given[:, y + m, y]
    bonds = {m: t for m, t in bonds.items() if m == 0 or np.any(t)}
    if 0 not in bonds:
        # Without the diagonal a bidiagonal block has exact zero modes: see `fast`.
        bonds[0] = np.zeros((samples, cells))
    return Bands(cells, dict(sorted(bonds.items())))


def for_kernel(array: Array, kind: Any = np.float64) -> Array:
    """The array as kernels take it: C-contiguous, of that dtype, read only.

    One type whatever was given, so that nothing is compiled twice; a copy only where needed.
    """
    found: Array = np.ascontiguousarray(array, dtype=kind).view()
    found.flags.writeable = False
    return found


def _inside(t: Array, m: int, cells: int) -> Array:
    if m == 0:
        return t
    kept = np.zeros_like(t)
    cut = slice(max(0, -m), cells - max(0, m))
    kept[:, cut] = t[:, cut]
    return kept


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
