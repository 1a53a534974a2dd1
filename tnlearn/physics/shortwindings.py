"""The real-space winding number of short nearest-neighbour chains: the kernel.

The formulas are those of `tnlearn.physics.bidiagonal`.  In a short chain there is nothing to
save by stopping early, and so q is summed whole, pole by pole, for 16 chains at once that
need about as many poles: no sum ever runs across lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import kernel
from tnlearn.physics.simd import load16, store
from tnlearn.physics.spectrum import LANES, level_of, low_end, low_marks, smallest

__all__ = ["short_windings"]

Array = NDArray[Any]

# Chains worked side by side, the width of `load16`.
_WIDE = 16
# Chains among which those with alike numbers of poles are looked for.
_BLOCK = 256


@kernel
def short_windings(
    p: Array, r: Array, first: int, kept: int,
    levels: Array, counts: Array, shifts: Array, weights: Array, errors: Array,
    value: Array, gap: Array, bound: Array, low: Array,
) -> None:  # fmt: skip
    """Winding numbers of a batch of short chains; arguments as in `bidiagonal_windings`."""
    samples, cells = p.shape
    marks, deeper = low_marks()
    below = np.empty(32)
    p2 = np.empty((cells, LANES))
    r2 = np.empty((cells, LANES))
    lowest = np.empty(LANES)
    u = np.zeros((_BLOCK, cells))
    v = np.zeros((_BLOCK, cells))
    level = np.zeros(_BLOCK, dtype=np.int64)
    deflated = np.zeros(_BLOCK, dtype=np.bool_)
    order = np.zeros(_BLOCK, dtype=np.int64)
    starts = np.zeros(len(levels) + 2, dtype=np.int64)
    bonds = np.zeros((2, cells * _WIDE))
    tables = np.zeros((5, cells * _WIDE))
    spare = np.zeros((2, _WIDE))
    q = np.zeros(kept * cells * _WIDE)
    masses = np.zeros((kept + 1) * _WIDE)
    for begin in range(0, samples, _BLOCK):
        size = min(_BLOCK, samples - begin)
        for i in range(begin, begin + size):
            lane = (i - begin) % LANES
            if lane == 0:
                for k in range(LANES):
                    j = min(i + k, samples - 1)
                    for x in range(cells):
                        p2[x, k] = p[j, x] * p[j, x]
                        r2[x, k] = r[j, x] * r[j, x] if x < cells - 1 else 0.0
                smallest(p2, r2, lowest)
            j = i - begin
            sigma, cut, deflated[j] = low_end(
                p[i], r[i], np.sqrt(lowest[lane]), marks, deeper, below, u[j], v[j]
            )
            gap[i] = sigma
            level[j] = level_of(levels, cut)
            low[i] = cut if levels[level[j]] <= cut else -cut
        # Sorted by level, so that chains side by side need as many poles.
        starts[:] = 0
        for j in range(size):
            starts[level[j] + 1] += 1
        for j in range(len(levels)):
            starts[j + 1] += starts[j]
        for j in range(size):
            order[starts[level[j]]] = j
            starts[level[j]] += 1
        for group in range(0, size, _WIDE):
            lanes = order[group : min(group + _WIDE, size)]
            for k in range(len(lanes)):
                i = begin + lanes[k]
                for x in range(cells):
                    bonds[0, x * _WIDE + k] = p[i, x]
                for x in range(cells - 1):
                    bonds[1, x * _WIDE + k] = r[i, x]
            q[:] = 0.0
            for pole in range(counts[level[lanes[-1]]]):
                for k in range(len(lanes)):
                    at = level[lanes[k]]
                    spare[0, k] = shifts[at, pole]
                    spare[1, k] = weights[at, pole]
                _sweeps(bonds[0], bonds[1], spare[0], spare[1], tables)
                _add(q, first, kept, tables)
            if deflated[lanes].any():
                for k in range(len(lanes)):
                    _fill(
                        lanes[k], k, gap[begin + lanes[k]], deflated, level,
                        counts, shifts, weights, u, v, tables,
                    )  # fmt: skip
                _add(q, first, kept, tables)
            _weigh(q, first, kept, masses)
            for k in range(len(lanes)):
                i = begin + lanes[k]
                if low[i] < 0.0:
                    value[i] = np.nan
                    bound[i] = np.inf
                    continue
                worst = 0.0
                for x in range(kept):
                    worst = max(worst, abs(1.0 - masses[x * _WIDE + k]))
                error = errors[level[lanes[k]]]
                value[i] = masses[kept * _WIDE + k] / kept
                bound[i] = 2.0 * cells * error
                if worst > 100.0 * (4.0 * error + 2e-14):
                    bound[i] += cells * worst


@kernel
def _sweeps(p: Array, r: Array, shifts: Array, weights: Array, tables: Array) -> None:
    """e, ρ, f, λ and g = c G_xx of one pole, each (cells, lanes)."""
    e, rho, f, lam, g = tables[0], tables[1], tables[2], tables[3], tables[4]
    last = len(p) - _WIDE
    shift = load16(shifts, 0)
    weight = load16(weights, 0)
    # From the right; τ waits in g.
    carry = shift
    store(g, last, shift - shift)
    for x in range(last, 0, -_WIDE):
        px, rx = load16(p, x), load16(r, x - _WIDE)
        w = 1.0 / (px * px + carry)
        ratio = rx * (carry * w)
        store(rho, x, -(rx * px * w))
        store(e, x, ratio)
        tau = rx * ratio
        store(g, x - _WIDE, tau)
        carry = shift + tau
    # From the left.
    px = load16(p, 0)
    store(f, 0, px)
    carry = px * px + shift
    for x in range(0, last, _WIDE):
        rx, px = load16(r, x), load16(p, x + _WIDE)
        # One division for 1/(v + τ) and 1/(r² + v): neither is below 1e-124.
        here, there = carry + load16(g, x), rx * rx + carry
        both = 1.0 / (here * there)
        store(g, x, weight * (there * both))
        w = here * both
        store(lam, x, -(rx * px * w))
        ratio = px * (carry * w)
        store(f, x + _WIDE, ratio)
        carry = shift + px * ratio
    store(g, last, weight / carry)


@kernel
def _add(q: Array, first: int, kept: int, tables: Array) -> None:
    """Add one pole to q[x, y, lane] = q_yx, x of the window."""
    e, rho, f, lam, g = tables[0], tables[1], tables[2], tables[3], tables[4]
    size = len(e)
    for x in range(kept):
        middle = (first + x) * _WIDE
        column = q[x * size : (x + 1) * size]
        start = load16(g, middle)
        store(column, middle, load16(column, middle) + load16(f, middle) * start)
        here = start
        for y in range(middle + _WIDE, size, _WIDE):
            store(column, y, load16(column, y) + load16(e, y) * here)
            here = here * load16(rho, y)
        here = start
        for y in range(middle - _WIDE, -_WIDE, -_WIDE):
            here = here * load16(lam, y)
            store(column, y, load16(column, y) + load16(f, y) * here)


@kernel
def _fill(
    j: int, k: int, sigma: float, deflated: Array, level: Array,
    counts: Array, shifts: Array, weights: Array, u: Array, v: Array, tables: Array,
) -> None:  # fmt: skip
    """The tables of the pair that the poles leave out, for one lane."""
    cells = u.shape[1]
    share = 0.0
    if deflated[j]:
        share = 1.0
        at = level[j]
        for pole in range(counts[at]):
            share -= weights[at, pole] * sigma / (sigma * sigma + shifts[at, pole])
    for x in range(cells):
        y = x * _WIDE + k
        tables[0, y] = tables[2, y] = u[j, x]
        tables[1, y] = tables[3, y] = 1.0
        tables[4, y] = share * v[j, x]


@kernel
def _weigh(q: Array, first: int, kept: int, masses: Array) -> None:
    """Σ_y q_yx² for each x, and Σ (y − x) q_yx² after them, in each lane."""
    size = len(q) // kept
    none = load16(q, 0) - load16(q, 0)
    total = none
    for x in range(kept):
        mass = none
        away = float(-first - x)
        for y in range(x * size, (x + 1) * size, _WIDE):
            square = load16(q, y) * load16(q, y)
            mass = mass + square
            total = total + away * square
            away += 1.0
        store(masses, x * _WIDE, mass)
    store(masses, kept * _WIDE, total)
