"""Blocks read from matrices, and the integer of their bulk from the bonds that are there.

A raw open block knows no ring: the bonds that would close it are not in it, and none is
made up.  Two rings need none:

- the cell of a bulk that repeats, h[x + d, y + d] = h[x, y] + E: every ring of that cell has
  its integer, and so has the block wherever ‖E‖ is below the gap min_k σ_min(h(k)), since the
  gap cannot close on the way from one to the other;
- the complete rows of the chain, x = max(m) … L − 1 + min(m): each holds all its bonds, and
  the last cells are joined to the first where the rows end.  That is trusted only if the two
  halves of the chain say the same and the real-space winding number agrees.

A ring holds all its bonds: its integer is its own, and counted; only where elements below
rounding were left out the real-space winding number has to agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.memory import check_memory
from tnlearn.physics.orders import minimal_image

__all__ = ["Blocks", "Bulk", "bulk_of", "stacked"]

Array = NDArray[Any]
Bonds = dict[int, Array]

# Sparse blocks up to this size are as well dense; beyond, and with few bands, they are not.
_DENSE_CELLS = 256
_SHARE = 4
# Orbitals on a sublattice and cell that a repeating bulk may have, if it is not said.
_ORBITALS = 6
# Stretches of k that are looked at first.
_GRID = 64


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks h[x, y] = <A,x|H|B,y> of chains of which no more is known than the matrix holds.

    Attributes
    ----------
    source : (samples, cells, cells) array, or `Chains`
        Chains where the matrices were sparse and long: bonds that an open one lacks are 0.
    boundary : "open" | "periodic"
    tolerance : float
        Share of the largest element that counts as rounding.
    exponents : (samples,) int array
        Energies are to be multiplied by 2^exponent; 0 but for extreme scales.
    orbitals : int or None
        On each sublattice of a unit cell, where it is said.
    """

    source: Array | Chains
    boundary: str
    tolerance: float
    exponents: Array
    orbitals: int | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def cells(self) -> int:
        """Number of cells of one orbital on each sublattice."""
        return int(self.source.cells if isinstance(self.source, Chains) else self.source.shape[-1])

    def dense(self) -> Array:
        """The blocks at their own scale, (samples, cells, cells)."""
        from tnlearn.physics.matrices import times_power

        h = self.source.block() if isinstance(self.source, Chains) else self.source
        return times_power(h, self.exponents[:, None, None])

    def chains(self) -> tuple[Chains, Array]:
        """The bonds above rounding, 0 where an open block has none, and a bound ‖E‖ of the rest.

        On a ring offsets are minimal images, the tie L/2 being +L/2.
        """
        if isinstance(self.source, Chains):
            return self.source, np.zeros(len(self))
        size, ring = self.cells, self.boundary == "periodic"
        weight = np.abs(self.source)
        largest = weight.max(axis=(1, 2))
        scaled = np.divide(
            weight,
            largest[:, None, None],
            where=largest[:, None, None] > 0,
            out=np.zeros_like(weight),
        ).max(axis=0)
        x, y = np.indices(scaled.shape)
        offset = minimal_image(x - y, size) if ring else x - y
        heavy = np.unique(offset[scaled > self.tolerance])
        bonds: Bonds = {}
        columns = np.arange(size)
        for m in heavy.tolist():
            bonds[m] = np.zeros((len(self), size), dtype=self.source.dtype)
            inside = columns if ring else columns[max(0, -m) : size - max(0, m)]
            bonds[m][:, inside] = self.source[:, (inside + m) % size, inside]
        if not bonds:
            bonds[0] = np.zeros((len(self), size), dtype=self.source.dtype)
        rest = np.where(np.isin(offset, heavy), 0.0, weight)
        return Chains(size, bonds, self.boundary), np.sqrt((rest**2).sum(axis=(1, 2)))


def stacked(
    parts: list[tuple[Array, Any]],
    boundary: str,
    tolerance: float,
    exponents: Array,
    orbitals: int | None,
) -> Blocks:
    """Blocks put together from (samples, blocks) of each way of reading; sparse ones as lists."""
    total = sum(len(samples) for samples, _ in parts)
    first = parts[0][1]
    if not isinstance(first, list):
        if len(parts) == 1:
            return Blocks(np.ascontiguousarray(first), boundary, tolerance, exponents, orbitals)
        dense = np.empty((total, *first.shape[1:]), dtype=first.dtype)
        for samples, blocks in parts:
            dense[samples] = blocks
        return Blocks(dense, boundary, tolerance, exponents, orbitals)
    ordered: list[Any] = [None] * total
    for samples, blocks in parts:
        for s, block in zip(samples, blocks, strict=True):
            ordered[s] = block
    banded = _banded(ordered, boundary, tolerance)
    if banded is not None:
        return Blocks(banded, boundary, tolerance, exponents, orbitals)
    size = ordered[0].shape[0]
    width = np.result_type(np.float64, *[b.dtype for b in ordered]).itemsize
    check_memory(f"{total} dense blocks of {size} cells", total * size**2 * width)
    full = np.stack([b.toarray() for b in ordered])
    return Blocks(full, boundary, tolerance, exponents, orbitals)


def _banded(blocks: list[Any], boundary: str, tolerance: float) -> Chains | None:
    """Long sparse blocks as chains, 0 where an open one has no bond; None if dense is as good."""
    size = blocks[0].shape[0]
    if size <= _DENSE_CELLS:
        return None
    entries = []
    for block in blocks:
        matrix = sp.coo_array(block)
        y, t = matrix.col.astype(np.int64), matrix.data
        m = matrix.row.astype(np.int64) - y
        heavy = np.abs(t) > tolerance * np.abs(t).max(initial=0.0)
        entries.append((minimal_image(m, size) if boundary == "periodic" else m, y, t, heavy))
    offsets = np.unique(np.concatenate([m[heavy] for m, _, _, heavy in entries]))
    if _SHARE * len(offsets) > size:
        return None
    kind = np.result_type(np.float64, *[t.dtype for _, _, t, _ in entries])
    bonds = {
        int(m): np.zeros((len(blocks), size), kind) for m in (*offsets, 0)[: len(offsets) or 1]
    }
    for sample, (m, y, t, _) in enumerate(entries):
        for offset, values in bonds.items():
            there = m == offset
            values[sample, y[there]] = t[there]
    return Chains(size, bonds, boundary)


@dataclass(frozen=True, eq=False)
class Bulk:
    """The integer of the bulk of each sample, and rings that have it.

    Attributes
    ----------
    integer : (samples,) int array
    certain : (samples,) bool array
        Whether a bound excludes any other integer.
    likely : (samples,) bool array
        Whether whole and halves say the same: to be confirmed by a method of another kind.
    rings : list of (samples, Chains)
        Rings, for the methods that need one.
    """

    integer: Array
    certain: Array
    likely: Array
    rings: list[tuple[Array, Chains]]


def bulk_of(blocks: Blocks) -> Bulk:
    """What the bulk of raw blocks says: see the head of this module."""
    chains, rest = blocks.chains()
    bonds, samples, size = chains.hoppings, len(blocks), blocks.cells
    ring = blocks.boundary == "periodic"
    integer = np.zeros(samples, dtype=np.int64)
    certain, likely = np.zeros((2, samples), dtype=bool)
    rings: list[tuple[Array, Chains]] = []
    todo = np.arange(samples)
    counts = [blocks.orbitals] if blocks.orbitals else range(1, _ORBITALS + 1)
    for d in counts:
        if 4 * d > size or (ring and size % d) or not len(todo):
            continue
        cell, error = _repeating({m: t[todo] for m, t in bonds.items()}, d, size, ring)
        largest = np.max([np.abs(t).max(axis=1) for t in cell.values()], axis=0)
        sure = _gapped(cell, d, 1.001 * (error + rest[todo]) + 1e-11 * largest)
        exact = error <= blocks.tolerance * largest
        if not (sure | exact).any():
            continue
        taken = sure | exact  # a repeating bulk without a gap has no integer, but this ring
        some, length = todo[taken], size // d
        repeated = {m: np.tile(t[taken], (1, length)) for m, t in cell.items()}
        closed = Chains(length * d, repeated, "periodic")
        count, settled = lyapunov_winding(closed.hoppings)
        integer[some] = np.round(np.nan_to_num(count)).astype(np.int64)
        certain[some] = settled & sure[taken]
        rings.append((some, chains[some] if ring else closed))
        todo = todo[~taken]
    if len(todo):
        left = {m: t[todo] for m, t in bonds.items()}
        whole, count, agreed = _rows(left, size, ring)
        integer[todo] = np.round(np.nan_to_num(count)).astype(np.int64)
        likely[todo] = agreed
        certain[todo] = agreed & ring & (rest[todo] == 0)
        rings.append((todo, whole))
    return Bulk(integer, certain, likely, rings)


def _repeating(bonds: Bonds, d: int, size: int, ring: bool) -> tuple[Bonds, Array]:
    """The mean cell of d columns, t_m(j) (samples, d), and a bound of ‖h − its repetition‖."""
    cell: Bonds = {}
    samples = len(next(iter(bonds.values())))
    rows, columns = np.zeros((2, samples, size))
    y = np.arange(size)
    for m, t in bonds.items():
        inside = y if ring else y[max(0, -m) : size - max(0, m)]
        number = np.bincount(inside % d, minlength=d)
        mean = np.zeros((samples, d), dtype=t.dtype)
        for j in range(d):
            mine = inside[inside % d == j]
            if number[j]:
                mean[:, j] = t[:, mine].mean(axis=1)
        cell[m] = mean
        wrong = np.abs(t[:, inside] - mean[:, inside % d])
        columns[:, inside] += wrong
        rows[:, (inside + m) % size] += wrong
    return cell, np.sqrt(rows.max(axis=1) * columns.max(axis=1))


def _gapped(cell: Bonds, d: int, least: Array) -> Array:
    """Whether σ_min(h(k)) exceeds `least` at every k, proved by a bound of its slope; (samples,).

    h(k)[i, j] = Σ t_m(j) e^{ikq} with j + m = q d + i.  Stretches of k on which the bound does
    not decide are halved; where 50 halvings do not, the gap is called closed.
    """
    places = [
        (i, j, q, t[:, j]) for m, t in cell.items() for j in range(d) for q, i in [divmod(j + m, d)]
    ]
    slopes = np.zeros((len(least), d, d))
    for i, j, q, t in places:
        slopes[:, i, j] += np.abs(q * t)
    slope = np.sqrt(slopes.sum(axis=1).max(axis=1) * slopes.sum(axis=2).max(axis=1))
    width = np.pi / _GRID
    s = np.repeat(np.arange(len(least)), _GRID)
    k = np.tile(2 * width * np.arange(_GRID), len(least))
    gapped = np.ones(len(least), dtype=bool)
    for _ in range(50):
        h = np.zeros((len(k), d, d), dtype=complex)
        for i, j, q, t in places:
            h[:, i, j] += t[s] * np.exp(1j * q * k)
        low = np.abs(h[:, 0, 0]) if d == 1 else np.linalg.svd(h, compute_uv=False)[:, -1]
        gapped[s[low <= least[s]]] = False
        rest = gapped[s] & (low - slope[s] * width <= least[s])
        s, k, width = np.repeat(s[rest], 2), np.repeat(k[rest], 2), width / 2
        if not len(s):
            return gapped
        k += np.tile([-width, width], len(k) // 2)
    gapped[s] = False
    return gapped


def _rows(bonds: Bonds, size: int, ring: bool) -> tuple[Chains, Array, Array]:
    """A ring of the complete rows, its integer, and whether the halves of an open chain agree."""
    if ring:
        return Chains(size, bonds, "periodic"), *lyapunov_winding(bonds)
    low, high = min(bonds), max(bonds)
    first, last = max(0, high), size + min(0, low)
    unit = _even if high - low > 1 else int  # two neighbouring bonds are one orbital a cell
    half = unit((last - first) // 2)
    if half < max(4, 2 * (high - low)):
        empty = np.zeros(len(next(iter(bonds.values()))))
        whole = Chains(size, bonds, "periodic")
        return whole, empty, empty.astype(bool)
    rows = unit(last - first)
    whole = Chains(rows, _ring(bonds, first, rows), "periodic")
    count, agreed = lyapunov_winding(whole.hoppings)
    for start in (first, last - half):
        part, settled = lyapunov_winding(_ring(bonds, start, half))
        agreed &= settled & (part == count)
    return whole, count, agreed


def _even(rows: int) -> int:
    """The most of these rows that are whole cells of two, three or four orbitals."""
    unit = next((u for u in (12, 4, 2) if rows >= 2 * u), 1)
    return rows - rows % unit


def _ring(bonds: Bonds, start: int, rows: int) -> Bonds:
    """The rows start … start + rows − 1 with all their bonds, as a ring of so many cells."""
    closed = {}
    for m, t in bonds.items():
        y = np.arange(start, start + rows) - m
        closed[m] = np.zeros((len(t), rows), dtype=t.dtype)
        closed[m][:, (y - start) % rows] = t[:, y % t.shape[1]]
    return closed
