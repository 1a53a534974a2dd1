"""The real-space winding number of chains of any range in linear time: the kernels.

h is banded, real or complex, offsets low … high, w = high − low; T = h†h has half-bandwidth
w.  With Zolotarev's poles q = h Σ_k c_k (T + s_k)⁻¹.  From T + s = L D L† (from the first
cell) and = U D' U† (from the last), both unit triangular, the column x of G = (T + s)⁻¹ is

    G_{y,x} = −Σ_{j=1..w} L*_{y+j,y} G_{y+j,x}   (y < x),
    G_{y,x} = −Σ_{j=1..w} U*_{y−j,y} G_{y−j,x}   (y ≥ x + w),

started from the band of G itself (Takahashi's recursion).  Arrays
end in the poles, or in the 16 columns that are worked side by side.

Forming T costs half the digits of singular values below 1e-8 of the norm, so the
cut-off stays above that; a mode that is left out, or anything else that goes wrong,
shows in Σ_y q_yx² ≠ 1, which is returned.

Sources: Takahashi, Fagan, Chen (1973); Erisman, Tinney, doi:10.1145/360680.360704.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.kernels import kernel

__all__ = ["banded_windings"]

Array = NDArray[Any]

# A pole is followed outward until some of its amplitudes in a row are below this.
_TAIL = 1e-14
# Columns worked side by side.
_WIDE = 16


@kernel
def _factor(t: Array, shifts: Array, l: Array, d: Array) -> None:
    """t[x, j] = T[x, x−j] to l[x, j, …] = L_{x,x−j} and d[x, …] = 1/D_x, of all poles."""
    cells, bands = t.shape
    n = len(shifts)
    for x in range(cells):
        here, pivot, reach = l[x], d[x], min(bands - 1, x)
        for k in range(n):
            pivot[k] = shifts[k] + t[x, 0].real
        for j in range(reach, 0, -1):
            row = here[j]
            row[:] = t[x, j]
            for i in range(j + 1, reach + 1):
                # here[i] still holds L_{x,x−i} D_{x−i}.
                raw, factor = here[i], l[x - j, i - j]
                for k in range(n):
                    row[k] -= raw[k] * np.conj(factor[k])
        for j in range(1, reach + 1):
            row, inverse = here[j], d[x - j]
            for k in range(n):
                scaled = row[k] * inverse[k]
                pivot[k] -= (row[k] * np.conj(scaled)).real
                row[k] = scaled
        for k in range(n):
            pivot[k] = 1.0 / pivot[k]


@kernel
def _band_of_inverse(l: Array, d: Array, g: Array) -> None:
    """g[y, i, …] = G_{y,y+i}, i = 0 … w, by Takahashi's recursion from the last cell."""
    cells, bands, n = l.shape
    for y in range(cells - 1, -1, -1):
        reach = min(bands - 1, cells - 1 - y)
        for i in range(reach, -1, -1):
            row = g[y, i]
            row[:] = 0.0
            for j in range(1, reach + 1):
                factor = l[y + j, j]
                if j <= i:
                    other = g[y + j, i - j]
                    for k in range(n):
                        row[k] -= np.conj(factor[k]) * other[k]
                else:
                    other = g[y + i, j - i]
                    for k in range(n):
                        row[k] -= np.conj(factor[k] * other[k])
        g[y, 0] += d[y]


@kernel
def _tables(
    t: Array, back: Array, shifts: Array, work: Array, d: Array, g: Array,
    lower: Array, upper: Array, start: Array,
) -> None:  # fmt: skip
    """What the columns are made of, all conjugate, pole by pole: start[k, x, i] = G*_{x,x+i},

    lower[k, y, j] = L*_{y+j,y} and upper[k, y, j] = U*_{y−j,y}, zero beyond the ends.
    """
    cells, bands = t.shape
    _factor(back, shifts, work, d)
    for y in range(cells):
        for j in range(1, min(bands, y + 1)):
            upper[:, y, j] = np.conj(work[cells - 1 - y + j, j])
    _factor(t, shifts, work, d)
    _band_of_inverse(work, d, g)
    for y in range(cells):
        start[:, y, 0] = np.conj(g[y, 0])
        for j in range(1, min(bands, cells - y)):
            lower[:, y, j] = np.conj(work[y + j, j])
            start[:, y, j] = np.conj(g[y, j])


@kernel
def _recur(past: Array, row: Array, y: int, step: int) -> Array:
    """The next amplitudes of 16 columns, −Σ_j row_j past_{y − j step}; kept among the past."""
    mask = len(past) - 1
    here: Array = past[y & mask]
    one = past[(y - step) & mask]
    for k in range(_WIDE):
        here[k] = -(row[1] * one[k])
    for j in range(2, len(row)):
        other, factor = past[(y - j * step) & mask], row[j]
        for k in range(_WIDE):
            here[k] -= factor * other[k]
    return here


@kernel
def _is_quiet(here: Array, weight: float) -> bool:
    total = 0.0
    for k in range(_WIDE):
        total += abs(here[k].real) + abs(here[k].imag)
    return weight * total < _TAIL


@kernel
def _down(
    upper: Array, start: Array, weight: float, x: int, count: int, f: Array, past: Array
) -> int:
    """Add c G_{y,x'} of one pole, y ≥ x', for the columns x' = x … x + count − 1.

    f: cells + 2 w rows, cell 0 at w; past: a power of two above w of them.
    Returns the first row not reached.
    """
    cells: int = upper.shape[0]
    w = upper.shape[1] - 1
    past[:] = 0.0
    quiet = 0
    for y in range(x, cells):
        here = _recur(past, upper[y], y, 1)
        if y < x + count + w:
            # Some columns start, or have not started.
            for k in range(max(0, y - w + 1 - x), min(count, y + 1 - x)):
                here[k] = start[x + k, y - x - k]
        out = f[w + y]
        for k in range(_WIDE):
            out[k] += weight * here[k]
        if y % 4 == 0 and y >= x + count + w:
            quiet = quiet + 1 if _is_quiet(here, weight) else 0
            if 4 * quiet > w + 4:
                return y + 1
    return cells


@kernel
def _up(
    lower: Array, start: Array, weight: float, x: int, count: int, f: Array, past: Array
) -> int:
    """The same for y < x'; returns the last row reached."""
    cells, bands = lower.shape
    w = bands - 1
    past[:] = 0.0
    quiet = 0
    for y in range(min(cells, x + count + w) - 1, -1, -1):
        here = _recur(past, lower[y], y, -1)
        out = f[w + y]
        if y >= x:
            for k in range(min(count, y + 1 - x)):
                here[k] = start[x + k, y - x - k] if y - x - k < w else 0.0
            # What is at or below the diagonal was added on the way down.
            for k in range(y + 1 - x, count):
                out[k] += weight * here[k]
        else:
            for k in range(_WIDE):
                out[k] += weight * here[k]
        if y % 4 == 0 and y < x - w:
            quiet = quiet + 1 if _is_quiet(here, weight) else 0
            if 4 * quiet > w + 4:
                return y
    return 0


@kernel
def _columns(
    h: Array, low: int, lower: Array, upper: Array, start: Array, weights: Array,
    first: int, kept: int, f: Array, past: Array, result: Array,
) -> None:  # fmt: skip
    """Σ over the window of Σ_y (y − x) |q_yx|² and the worst |1 − Σ_y |q_yx|²|."""
    cells, bands = h.shape
    w = bands - 1
    high = low + w
    mass = np.zeros(_WIDE)
    q = np.zeros(_WIDE, dtype=h.dtype)
    whole, worst = 0.0, 0.0
    for x in range(first, first + kept, _WIDE):
        count = min(_WIDE, first + kept - x)
        top, bottom = x, x + 1
        for pole in range(len(weights)):
            weight = weights[pole]
            bottom = max(bottom, _down(upper[pole], start[pole], weight, x, count, f, past))
            top = min(top, _up(lower[pole], start[pole], weight, x, count, f, past))
        mass[:] = 0.0
        for y in range(max(0, top + low), min(cells, bottom + high)):
            q[:] = 0.0
            # The bond to y from z = y − low − a, where that is a cell.
            for a in range(max(0, y - low - cells + 1), min(bands, y - low + 1)):
                bond, column = h[y - low - a, a], f[w + y - low - a]
                for k in range(_WIDE):
                    q[k] += bond * column[k]
            for k in range(count):
                square = (q[k] * np.conj(q[k])).real
                mass[k] += square
                whole += (y - x - k) * square
        f[w + top : w + bottom] = 0.0
        for k in range(count):
            worst = max(worst, abs(1.0 - mass[k]))
    result[0] = whole / kept
    result[1] = worst


@kernel
def banded_windings(
    h: Array, low: int, first: int, kept: int, shifts: Array, weights: Array,
    value: Array, defect: Array,
) -> None:  # fmt: skip
    """Winding numbers of a batch with one table of poles.

    h (samples, cells, w + 1): h[s, y, m − low] = h[y+m, y], zero outside the block,
    norms at most 1.  Out: value and defect, the worst |1 − Σ_y |q_yx|²| of a column.
    """
    samples, cells, bands = h.shape
    w = bands - 1
    n = len(shifts)
    t = np.zeros((cells, bands), dtype=h.dtype)
    back = np.zeros((cells, bands), dtype=h.dtype)
    work = np.zeros((cells, bands, n), dtype=h.dtype)
    g = np.zeros((cells, bands, n), dtype=h.dtype)
    d = np.empty((cells, n))
    lower = np.zeros((n, cells, bands), dtype=h.dtype)
    upper = np.zeros((n, cells, bands), dtype=h.dtype)
    start = np.zeros((n, cells, bands), dtype=h.dtype)
    f = np.zeros((cells + 2 * w, _WIDE), dtype=h.dtype)
    slots = 1
    while slots <= w:
        slots *= 2
    past = np.zeros((slots, _WIDE), dtype=h.dtype)
    result = np.empty(2)
    for i in range(samples):
        for x in range(cells):
            for j in range(min(w, x) + 1):
                # T[x, x−j] = Σ_m h*[x+m, x] h[x+m, x−j], the offset of the second being m + j.
                acc = h[i, x, 0] * 0.0
                for a in range(bands - j):
                    acc += np.conj(h[i, x, a]) * h[i, x - j, a + j]
                t[x, j] = acc
                back[cells - 1 - x + j, j] = np.conj(acc)
        _tables(t, back, shifts, work, d, g, lower, upper, start)
        _columns(h[i], low, lower, upper, start, weights, first, kept, f, past, result)
        value[i] = result[0]
        defect[i] = result[1]
