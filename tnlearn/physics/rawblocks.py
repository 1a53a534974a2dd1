"""Blocks read from matrices: of which no more is known than the matrix holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.matrices import times_power
from tnlearn.physics.memory import check_memory
from tnlearn.physics.orders import minimal_image

__all__ = ["Blocks", "stacked"]

Array = NDArray[Any]
Bonds = dict[int, Array]

# Sparse blocks up to this size are as well dense; beyond, and with few bands, they are not.
_DENSE_CELLS = 256
_SHARE = 4


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

    def __getitem__(self, samples: Any) -> Blocks:
        """Some of the samples."""
        return replace(self, source=self.source[samples], exponents=self.exponents[samples])

    @property
    def cells(self) -> int:
        """Number of cells of one orbital on each sublattice."""
        return int(self.source.cells if isinstance(self.source, Chains) else self.source.shape[-1])

    def block(self) -> Array:
        """The blocks as they are worked with, (samples, cells, cells)."""
        return self.source.block() if isinstance(self.source, Chains) else self.source

    def dense(self) -> Array:
        """The blocks at their own scale, (samples, cells, cells)."""
        return times_power(self.block(), self.exponents[:, None, None])

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
