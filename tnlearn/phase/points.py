"""The work of a phase diagram: draw the chains of some points, count what they say.

Points are taken in blocks of fixed length, each with random streams of its own, so
that the numbers depend neither on the number of processes nor on what was done
before an interruption.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.invariants import winding
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.memory import check_memory

__all__ = ["COLUMNS", "Counts", "Task", "block_length", "evaluate"]

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
class Task:
    """Some points of a diagram that one process does in one go: all it needs to know.

    Attributes
    ----------
    number : int
        Index of the block: the key of its random streams.
    amplitudes, strengths : dict of offset to (points,) array
    cells, samples, seed : int
    kind, boundary : str
    window : float
    """

    number: int
    amplitudes: dict[int, Array]
    strengths: dict[int, Array]
    cells: int
    samples: int
    seed: int
    kind: str
    boundary: str
    window: float


@dataclass(frozen=True)
class Counts:
    """What the samples of each point say, all (points,): see `PhaseDiagram`."""

    mean: Array
    error: Array
    majority: Array
    agreement: Array
    settled: Array


def block_length(samples: int) -> int:
    """Number of points of a block."""
    return max(1, COLUMNS // samples)


def evaluate(task: Task) -> Counts:
    """Draw all samples of the points of a task, and count."""
    points = len(next(iter(task.amplitudes.values())))
    offsets = sorted(task.amplitudes)
    if task.kind == "lyapunov" and len(offsets) == 2 and offsets[1] == offsets[0] + 1:
        value, settled = _by_logarithms(task, offsets[0])
    else:
        value, settled = _by_chains(task)
    # A real number that is far from an integer is a number all the same; an integer that could
    # not be settled is none.
    known = np.isfinite(value) & (settled | (task.kind == "rswn"))
    shape = (points, task.samples)
    return _count(value.reshape(shape), known.reshape(shape), settled.reshape(shape))


def _slabs(task: Task, offset: int) -> Iterator[Array]:
    """The hoppings t_m of the block's chains, (up to 16 cells, chains) at a time.

    One buffer, overwritten by each slab.
    """
    amplitude = np.repeat(task.amplitudes[offset], task.samples)
    strength = np.repeat(task.strengths[offset], task.samples)
    # Keyed by the offset as in `tnlearn.chain`: another offset leaves these draws alone.
    key = 2 * offset if offset >= 0 else -2 * offset - 1
    rng = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(task.number, key)))
    buffer = np.empty((min(_SLAB, task.cells), len(amplitude)))
    clean = not strength.any()
    for start in range(0, task.cells, _SLAB):
        rows = buffer[: min(_SLAB, task.cells - start)]
        if clean:
            yield np.broadcast_to(amplitude, rows.shape).copy()
            continue
        rng.random(out=rows)
        rows -= 0.5
        rows *= strength
        if np.iscomplexobj(amplitude):
            yield rows + amplitude
        else:
            rows += amplitude
            yield rows


def _log_sums(task: Task, offset: int) -> Array:
    """Σ_y ln|t_m(y)| of every chain; −∞ where a hopping vanishes."""
    top = np.abs(task.amplitudes[offset]) + task.strengths[offset] / 2
    scale = np.repeat(np.where(top > 0, top, 1.0), task.samples)
    total: Array = task.cells * np.log(scale)
    for slab in _slabs(task, offset):
        sizes = np.abs(slab, out=None if np.iscomplexobj(slab) else slab)
        sizes /= scale
        product = np.multiply.reduce(sizes, axis=0)
        with np.errstate(divide="ignore"):
            total += np.log(product, out=product)
    return total


def _by_logarithms(task: Task, low: int) -> tuple[Array, Array]:
    """m + (Σ ln|t_{m+1}| > Σ ln|t_m|): the count of growing exponents when there is one."""
    inner, outer = _log_sums(task, low), _log_sums(task, low + 1)
    with np.errstate(invalid="ignore"):
        difference: Array = outer - inner  # NaN where a hopping of either kind vanishes
        size = np.where(np.isfinite(difference), np.abs(inner) + np.abs(outer), 0.0)
        settled = np.abs(difference) > _ROUNDING * (size + task.cells)
    return low + (difference > 0).astype(float), settled


def _by_chains(task: Task) -> tuple[Array, Array]:
    """Any other number, from whole chains."""
    columns = len(next(iter(task.amplitudes.values()))) * task.samples
    check_memory(
        f"the hoppings of {columns} chains of {task.cells} cells",
        columns * task.cells * 16 * len(task.amplitudes),
    )
    hoppings = {}
    for m in sorted(task.amplitudes):
        hoppings[m] = np.concatenate([slab.T.copy() for slab in _slabs(task, m)], axis=1)
    if task.kind == "lyapunov":
        # Without the gap that `winding` would add at the cost of a diagonalisation.
        return lyapunov_winding(hoppings)
    chains = Chains(task.cells, hoppings, task.boundary)
    # (The way of a task is its own, not its process': the same bits with any number of workers.)
    found = winding(chains, task.kind, window=task.window, compiled=columns >= 1000)
    return found.value, found.reliable


def _count(value: Array, known: Array, settled: Array) -> Counts:
    """Averages over the samples, the second axis; what is not `known` is left out."""
    number = known.sum(axis=1)
    safe = np.maximum(number, 1)
    held = np.where(known, value, 0.0)
    mean = held.sum(axis=1) / safe
    spread = (np.where(known, value - mean[:, None], 0.0) ** 2).sum(axis=1)
    enough = number > 1
    error = np.sqrt(spread / np.where(enough, (safe - 1) * safe, 1))
    integer = np.round(held)
    majority = np.zeros(len(value))
    votes = np.full(len(value), 0)
    for candidate in np.unique(integer[known]):
        count = (known & (integer == candidate)).sum(axis=1)
        better = count > votes
        majority[better], votes[better] = candidate, count[better]
    return Counts(
        np.where(number > 0, mean, np.nan),
        np.where(enough, error, np.nan),
        majority.astype(np.int64),
        votes / value.shape[1],
        settled.mean(axis=1),
    )
