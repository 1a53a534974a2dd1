"""The work of a phase diagram: draw the chains of some points, count their winding numbers.

Points are taken in blocks of fixed length, each with random streams of its own, so
that the numbers depend neither on the number of processes nor on what was done
before an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.memory import check_memory
from tnlearn.physics.winding import winding

__all__ = ["COLUMNS", "Ensemble", "Points", "neighbours"]

Array = NDArray[Any]

# Chains of one block, side by side: two slabs of them stay in a core's cache.
COLUMNS = 4096
# Cells whose |t| are multiplied before a logarithm is taken.  Each |t| / (|a| + w/2) is at
# most 1 and, where not zero, at least about 2^-54 (the grain of the random numbers), so
# that a product of 16 neither overflows nor underflows.
_SLAB = 16
# Σ ln|t_{m+1}| − Σ ln|t_m| below this share of its terms is zero to rounding.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Points:
    """Some points of a diagram, done in one go.

    Attributes
    ----------
    number : int
        Index of the block: the key of its random streams.
    amplitudes, strengths : dict of offset to (points, 1) or (points, cells) array
        t_m and W_m.
    """

    number: int
    amplitudes: Mapping[int, Array]
    strengths: Mapping[int, Array]

    def block(self, number: int, length: int) -> Points:
        """So many of the points: the block of that number."""
        part = slice(number * length, (number + 1) * length)
        pairs = (self.amplitudes, self.strengths)
        return Points(number, *({m: x[part] for m, x in each.items()} for each in pairs))


@dataclass(frozen=True)
class Ensemble:
    """The disordered chains of every point, and which winding number is taken of them.

    The fields are the settings of `tnlearn.phase_diagram`.
    """

    cells: int
    samples: int
    kind: str
    boundary: str
    window: float
    seed: int

    @property
    def block(self) -> int:
        """Number of points of a block."""
        return max(1, COLUMNS // self.samples)

    def __call__(self, points: Points) -> dict[str, Array]:
        """Averages over the chains of each point, all (points,): see `PhaseDiagram`."""
        offsets = sorted(points.amplitudes)
        if self.kind == "lyapunov" and neighbours(offsets):
            value, settled = self.by_logarithms(points, offsets[0])
        else:
            value, settled = self.by_chains(points)
        # A real number that is far from an integer is a number all the same; an integer that
        # could not be settled is none.
        known = np.isfinite(value) & (settled | (self.kind == "rswn"))
        return _counted(*(x.reshape(-1, self.samples) for x in (value, known, settled)))

    def chains(self, points: Points) -> dict[int, Array]:
        """The hoppings t_m(y) of all chains by offset, (points · samples, cells) arrays."""
        count = len(next(iter(points.amplitudes.values()))) * self.samples
        check_memory(
            f"the hoppings of {count} chains of {self.cells} cells",
            count * self.cells * 16 * len(points.amplitudes),
        )
        return {
            m: np.concatenate([slab.T.copy() for _, slab in self._slabs(points, m)], axis=1)
            for m in sorted(points.amplitudes)
        }

    def by_chains(self, points: Points) -> tuple[Array, Array]:
        """Any number, from whole chains: its values, and whether they can be trusted."""
        hoppings = self.chains(points)
        if self.kind == "lyapunov":
            # Without the gap that `winding` would add at the cost of a diagonalisation.
            return lyapunov_winding(hoppings)
        chains = Chains(self.cells, hoppings, self.boundary)
        # The way of a block is its own, not its process': the same bits with any number of workers.
        result = winding(chains, self.kind, window=self.window, compiled=len(chains) >= 1000)
        return result.value, result.reliable

    def by_logarithms(self, points: Points, low: int) -> tuple[Array, Array]:
        """m + (Σ ln|t_{m+1}| > Σ ln|t_m|): the count of growing exponents when there is one."""
        inner, outer = self._log_sums(points, low), self._log_sums(points, low + 1)
        with np.errstate(invalid="ignore"):
            difference: Array = outer - inner  # NaN where a hopping of either kind vanishes
            size = np.where(np.isfinite(difference), np.abs(inner) + np.abs(outer), 0.0)
            settled = np.abs(difference) > _ROUNDING * (size + self.cells)
        return low + (difference > 0).astype(float), settled

    def _log_sums(self, points: Points, m: int) -> Array:
        """Σ_y ln|t_m(y)| of every chain; −∞ where a hopping vanishes."""
        top = np.abs(points.amplitudes[m]) + points.strengths[m] / 2
        scale = np.where(top > 0, top, 1.0)
        scales = self._by_slab(scale)
        total = np.repeat(self.cells * np.log(scale).mean(axis=1), self.samples)
        for start, slab in self._slabs(points, m):
            sizes = np.abs(slab, out=None if np.iscomplexobj(slab) else slab)
            sizes /= scales(start)
            product = np.multiply.reduce(sizes, axis=0)
            with np.errstate(divide="ignore"):
                total += np.log(product, out=product)
        return total

    def _slabs(self, points: Points, m: int) -> Iterator[tuple[int, Array]]:
        """First cell, and the hoppings t_m of up to 16 cells of all chains, (cells, chains).

        One buffer, overwritten by each slab.
        """
        amplitude, strength = points.amplitudes[m], points.strengths[m]
        # Keyed by the offset as in `tnlearn.chain`: another offset leaves these draws alone.
        key = (points.number, 2 * m if m >= 0 else -2 * m - 1)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
        buffer = np.empty((min(_SLAB, self.cells), len(amplitude) * self.samples))
        clean = not strength.any()
        amplitudes, strengths = self._by_slab(amplitude), self._by_slab(strength)
        for start in range(0, self.cells, _SLAB):
            rows = buffer[: self.cells - start]
            middle = amplitudes(start)
            if clean:
                yield start, np.broadcast_to(middle, rows.shape).copy()
                continue
            rng.random(out=rows)
            rows -= 0.5
            rows *= strengths(start)
            yield start, np.add(rows, middle, out=None if np.iscomplexobj(middle) else rows)

    def _by_slab(self, values: Array) -> Callable[[int], Array]:
        """By the first cell of a slab, the values of every chain in it, (1 or cells, chains)."""
        if values.shape[1] == 1:
            row = np.repeat(values.T, self.samples, axis=1)
            return lambda start: row
        return lambda start: np.repeat(values[:, start : start + _SLAB].T, self.samples, axis=1)


def neighbours(offsets: Sequence[int]) -> bool:
    """Whether there are two ascending offsets m, m + 1: one exponent, known in closed form."""
    return len(offsets) == 2 and offsets[1] == offsets[0] + 1


def _counted(value: Array, known: Array, settled: Array) -> dict[str, Array]:
    """Averages over the samples, the second axis; what is not `known` is left out."""
    number = known.sum(axis=1)
    safe = np.maximum(number, 1)
    held = np.where(known, value, 0.0)
    mean = held.sum(axis=1) / safe
    spread = (np.where(known, value - mean[:, None], 0.0) ** 2).sum(axis=1)
    enough = number > 1
    error = np.sqrt(spread / np.where(enough, (safe - 1) * safe, 1))
    integer = np.round(held)
    majority = np.zeros(len(value), dtype=np.int64)
    votes = np.zeros(len(value), dtype=np.int64)
    for candidate in np.unique(integer[known]):
        count = (known & (integer == candidate)).sum(axis=1)
        better = count > votes
        majority[better], votes[better] = candidate, count[better]
    return {
        "mean": np.where(number > 0, mean, np.nan),
        "error": np.where(enough, error, np.nan),
        "majority": majority,
        "agreement": votes / value.shape[1],
        "settled": settled.mean(axis=1),
    }
