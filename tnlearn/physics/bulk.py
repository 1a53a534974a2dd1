"""The integer of the bulk of chains and of raw blocks, from the bonds that are there.

A raw open block knows no ring: the bonds that would close it are not in it, and none is
made up.  Two rings need none:

- the cell of a bulk that repeats, h[x + d, y + d] = h[x, y] + E: every ring of that cell has
  its integer, and so has the block wherever ‖E‖ is below the gap min_k σ_min(h(k)), since the
  gap cannot close on the way from one to the other;
- the complete rows of the chain, x = max(m) … L − 1 + min(m): each holds all its bonds, and
  the last cells are joined to the first where the rows end.  That is trusted only if the spectral
  localizer all over the middle half and the real-space winding number say the same.

A ring holds all its bonds, and its integer is counted; it is trusted if the bulk repeats, or if
the real-space winding number of every half of the ring says the same, so that a wall shows.
`Chains` hold the bonds of their ring, too, and are what their maker says: the count is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.localizer import localizer_values
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.matrices import TOLERANCES
from tnlearn.physics.memory import chunk_length, in_threads
from tnlearn.physics.rawblocks import Blocks
from tnlearn.physics.rswn import DENSE_CELLS, ROUNDING_LIMIT, local_windings, rswn, zero_level

__all__ = ["Bulk", "bulk_of", "confirmed"]

Array = NDArray[Any]
Bonds = dict[int, Array]

# Orbitals on a sublattice and cell that a repeating bulk may have, if it is not said.
_ORBITALS = 6
# Stretches of k that are looked at first, and at most: beyond, as near a multiple zero, the gap
# is called closed.
_GRID = 4
_STRETCHES = 1024


@dataclass(frozen=True, eq=False)
class Bulk:
    """The integer of the bulk of each sample, and rings that have it.

    Attributes
    ----------
    count : (samples,) float array
        Of growing Lyapunov exponents of the ring, shifted: the integer where it is settled.
    settled : (samples,) bool array
        Whether rounding cannot change the count.
    certain : (samples,) bool array
        Whether a bound excludes any other integer of the bulk; the others that are settled have
        to be confirmed by methods of another kind.
    rings : list of (samples, Chains)
        Rings, for the methods that need one.
    """

    count: Array
    settled: Array
    certain: Array
    rings: list[tuple[Array, Chains]]

    @property
    def integer(self) -> Array:
        """The count as int64, 0 where there is none."""
        return np.round(np.nan_to_num(self.count)).astype(np.int64)


def bulk_of(source: Chains | Blocks, compiled: bool | None = None, threads: int = 1) -> Bulk:
    """What the bulk of chains or of raw blocks says: see the head of this module."""
    if isinstance(source, Chains) and not _cut_open(source):
        count, settled = np.empty((2, len(source)))

        def work(part: slice) -> None:
            bonds = {m: t[part] for m, t in source.hoppings.items()}
            count[part], settled[part] = lyapunov_winding(bonds, compiled)

        in_threads(work, len(source), threads, group=32)
        ring = [(np.arange(len(source)), source.with_boundary("periodic", source.flux))]
        return Bulk(count, settled > 0, settled > 0, ring)
    return _of_raw(source if isinstance(source, Blocks) else _raw(source))


def _raw(chains: Chains) -> Blocks:
    return Blocks(chains, "open", TOLERANCES[0], np.zeros(len(chains), dtype=int))


def _cut_open(chains: Chains) -> bool:
    """Whether open chains have hoppings between cells, but none across their ends."""
    bonds = {m: t for m, t in chains.hoppings.items() if m}
    ends = [t[:, -m:] if m > 0 else t[:, :-m] for m, t in bonds.items()]
    return chains.boundary == "open" and bool(bonds) and not any(np.any(t) for t in ends)


def _of_raw(blocks: Blocks) -> Bulk:
    chains, rest = blocks.chains()
    bonds, samples, size = chains.hoppings, len(blocks), blocks.cells
    ring = blocks.boundary == "periodic"
    count = np.zeros(samples)
    settled, certain = np.zeros((2, samples), dtype=bool)
    rings: list[tuple[Array, Chains]] = []
    todo = np.arange(samples)
    for d in [blocks.orbitals] if blocks.orbitals else range(1, _ORBITALS + 1):
        if 4 * d > size or (ring and size % d) or not len(todo):
            continue
        cell, error = _repeating({m: t[todo] for m, t in bonds.items()}, d, size, ring)
        largest = np.max([np.abs(t).max(axis=1) for t in cell.values()], axis=0)
        sure = _gapped(cell, d, 1.001 * (error + rest[todo]) + 1e-11 * largest)
        # (A repeating bulk without a gap has no integer, but this count.)
        taken = sure | (error <= blocks.tolerance * largest)
        if not taken.any():
            continue
        some, length = todo[taken], size // d
        repeated = {m: np.tile(t[taken], (1, length)) for m, t in cell.items()}
        closed = Chains(length * d, repeated, "periodic")
        count[some], known = lyapunov_winding(closed.hoppings)
        settled[some] = certain[some] = known & sure[taken]
        rings.append((some, chains[some] if ring else closed))
        todo = todo[~taken]
    if len(todo):
        whole, enough = _rows({m: t[todo] for m, t in bonds.items()}, size, ring)
        count[todo], settled[todo] = lyapunov_winding(whole.hoppings)
        settled[todo] &= enough
        rings.append((todo, whole))
    return Bulk(count, settled, certain, rings)


def confirmed(
    source: Chains | Blocks, bulk: Bulk, asked: Array, compiled: bool | None = None
) -> Array:
    """Whether the bulk of each sample asked for is certain, or seen by methods of another kind.

    Open blocks: what lies beyond the ends is not known, so that all of the middle half has to
    have one integer by the spectral localizer, and the real-space winding number there agrees.
    Rings: so does that of every half of the ring (of up to 4,096 cells; in longer ones the count
    alone is trusted).
    """
    sure = bulk.certain & asked
    doubt = np.flatnonzero(bulk.settled & asked & ~sure)
    if not len(doubt):
        return sure
    blocks = source if isinstance(source, Blocks) else _raw(source)
    if blocks.boundary == "open":
        bands = blocks.chains()[0][doubt].bands()
        value, clear, _ = localizer_values(bands, False, compiled=compiled)
        doubt = doubt[clear & (value == bulk.count[doubt])]
        labels = rswn(blocks.source[doubt], "open", 0.5, compiled=compiled)
        near = np.abs(labels.value - bulk.count[doubt]) <= ROUNDING_LIMIT
        sure[doubt] = near & labels.sound
        return sure
    size = blocks.cells
    sure[doubt] = size > DENSE_CELLS
    step = chunk_length(size)
    for start in range(0, len(doubt) * (size <= DENSE_CELLS), step):
        some = doubt[start : start + step]
        local, energies, _ = local_windings(blocks[some].block(), "periodic")
        turns = [np.roll(local, shift, axis=1) for shift in range(0, size, max(1, size // 8))]
        halves = [turn[:, : max(1, size // 2)].mean(axis=1) for turn in turns]
        away = np.abs(np.array([local.mean(axis=1), *halves]) - bulk.count[some]).max(axis=0)
        sure[some] = (energies[:, -1] > zero_level(energies)) & (away <= ROUNDING_LIMIT)
    return sure


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
    not decide are halved; where 50 halvings or 1,024 stretches do not, it is called closed.
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
        gapped &= np.bincount(s[rest], minlength=len(least)) <= _STRETCHES
        rest &= gapped[s]
        s, k, width = np.repeat(s[rest], 2), np.repeat(k[rest], 2), width / 2
        if not len(s):
            return gapped
        k += np.tile([-width, width], len(k) // 2)
    gapped[s] = False
    return gapped


def _rows(bonds: Bonds, size: int, ring: bool) -> tuple[Chains, bool]:
    """A ring of the complete rows, and whether there are enough of them to tell a bulk."""
    if ring:
        return Chains(size, bonds, "periodic"), True
    low, high = min(bonds), max(bonds)
    first, last = max(0, high), size + min(0, low)
    rows = last - first
    if high - low > 1:  # two neighbouring bonds are one orbital a cell
        rows = _even(rows)
    if rows < max(8, 4 * (high - low)):
        return Chains(size, bonds, "periodic"), False
    return Chains(rows, _ring(bonds, first, rows), "periodic"), True


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
