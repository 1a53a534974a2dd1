"""The real-space winding number and the gap of chains of any range in linear time: the kernels.

h is banded, real or complex, offsets low … high, w = high − low; T = h†h has half-bandwidth
w.  With Zolotarev's poles q = h Σ_k c_k (T + s_k)⁻¹.  From T + s = L D L† (from the first
cell) and = U D' U† (from the last), both unit triangular, the column x of G = (T + s)⁻¹ is

    G_{y,x} = −Σ_{j=1..w} L*_{y+j,y} G_{y+j,x}   (y < x),
    G_{y,x} = −Σ_{j=1..w} U*_{y−j,y} G_{y−j,x}   (y ≥ x + w),

started from the band of G itself (Takahashi's recursion).  Arrays end in the poles, eight of
them to a vector of `simd`; complex ones as eight real and then eight imaginary parts.

Forming T costs half the digits of singular values below 1e-8 of the norm, so the
cut-off stays above that; a mode that is left out, or anything else that goes wrong,
shows in Σ_y q_yx² ≠ 1, which is returned.

Sources: Takahashi, Fagan, Chen (1973); Erisman, Tinney, doi:10.1145/360680.360704.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import kernel
from tnlearn.physics.simd import (
    LANES,
    conjugate,
    load,
    load16_as,
    load_as,
    number_as,
    real_part,
    size,
    spread16_as,
    spread_as,
    store,
    total,
)

__all__ = ["banded_gaps", "banded_windings"]

Array = NDArray[Any]

# A pole is followed outward until some of its amplitudes in a row are below this.
_TAIL = 1e-14


@kernel
def _factor(t: Array, shifts: Array, l: Array, d: Array) -> None:
    """t[x, j] = T[x, x−j] to l[x, j, …] = L_{x,x−j} and d[x, …] = 1/D_x, of LANES poles."""
    cells, bands = t.shape
    w = bands - 1
    for x in range(cells):
        here, reach = l[x], min(w, x)
        pivot = load(shifts, 0) + t[x, 0].real
        for j in range(reach, 0, -1):
            acc = spread_as(t, t[x, j])
            for i in range(j + 1, reach + 1):
                # l[x, i] still holds L_{x,x−i} D_{x−i}.
                acc = acc - load_as(t, here[i], 0) * conjugate(load_as(t, l[x - j, i - j], 0))
            store(here[j], 0, acc)
        for j in range(1, reach + 1):
            raw = load_as(t, here[j], 0)
            scaled = raw * load(d[x - j], 0)
            pivot = pivot - real_part(raw * conjugate(scaled))
            store(here[j], 0, scaled)
        store(d[x], 0, 1.0 / pivot)


@kernel
def _band_of_inverse(like: Array, l: Array, d: Array, g: Array) -> None:
    """g[y, i, …] = G_{y,y+i}, i = 0 … w, by Takahashi's recursion from the last cell."""
    cells, bands, _ = l.shape
    w = bands - 1
    for y in range(cells - 1, -1, -1):
        reach = min(w, cells - 1 - y)
        for i in range(reach, -1, -1):
            acc = spread_as(like, 0.0)
            for j in range(1, reach + 1):
                factor = conjugate(load_as(like, l[y + j, j], 0))
                if j <= i:
                    acc = acc - factor * load_as(like, g[y + j, i - j], 0)
                else:
                    acc = acc - factor * conjugate(load_as(like, g[y + i, j - i], 0))
            store(g[y, i], 0, acc)
        # (The first is real.)
        store(g[y, 0], 0, load(g[y, 0], 0) + load(d[y], 0))


@kernel
def _tables(
    t: Array, back: Array, shifts: Array, work: Array, d: Array, g: Array,
    lower: Array, upper: Array, start: Array,
) -> None:  # fmt: skip
    """What the columns are made of, all conjugate, pole by pole: start[k, x, i] = G*_{x,x+i},

    lower[k, y, j] = L*_{y+j,y} and upper[k, y, j] = U*_{y−j,y}, zero beyond the ends.
    """
    cells, bands = t.shape
    for first in range(0, len(shifts), LANES):
        poles = shifts[first : first + LANES]
        _factor(back, poles, work, d)
        for k in range(LANES):
            for y in range(cells):
                for j in range(1, min(bands, y + 1)):
                    upper[first + k, y, j] = np.conj(number_as(t, work[cells - 1 - y + j, j], k))
        _factor(t, poles, work, d)
        _band_of_inverse(t, work, d, g)
        for k in range(LANES):
            for y in range(cells):
                start[first + k, y, 0] = g[y, 0, k]
                for j in range(1, min(bands, cells - y)):
                    lower[first + k, y, j] = np.conj(number_as(t, work[y + j, j], k))
                    start[first + k, y, j] = np.conj(number_as(t, g[y, j], k))


@kernel
def _down(
    like: Array, upper: Array, start: Array, weight: float, x: int, count: int,
    f: Array, past: Array,
) -> int:  # fmt: skip
    """Add c G_{y,x'} of one pole, y ≥ x', for the columns x' = x … x + count − 1 in the lanes.

    f: (cells + 2 w) vectors of 16, cell 0 at w; past: a power of two above w of them.
    Returns the first row not reached.
    """
    cells: int = upper.shape[0]
    bands = upper.shape[1]
    w = bands - 1
    wide = 32 if np.iscomplexobj(like) else 16
    mask = len(past) // wide - 1
    one = two = spread16_as(like, 0.0)
    past[:] = 0.0
    quiet = 0
    for y in range(x, cells):
        row = upper[y]
        at = (y & mask) * wide
        here = -(spread16_as(like, row[1]) * one)
        if w > 1:
            here = here - spread16_as(like, row[2]) * two
        for j in range(3, bands):
            other = load16_as(like, past, ((y - j) & mask) * wide)
            here = here - spread16_as(like, row[j]) * other
        if y < x + count + w:
            # Some columns start, or have not started.
            store(past, at, here)
            for k in range(max(0, y - w + 1 - x), min(count, y + 1 - x)):
                number = start[x + k, y - x - k]
                past[at + k] = number.real
                if wide == 32:
                    past[at + 16 + k] = number.imag
            here = load16_as(like, past, at)
        elif w > 2:
            store(past, at, here)
        place = (w + y) * wide
        store(f, place, load16_as(like, f, place) + weight * here)
        two = one
        one = here
        if y % 4 == 0 and y >= x + count + w:
            quiet = quiet + 1 if weight * total(size(here)) < _TAIL else 0
            if 4 * quiet > w + 4:
                return y + 1
    return cells


@kernel
def _up(
    like: Array, lower: Array, start: Array, weight: float, x: int, count: int,
    f: Array, past: Array,
) -> int:  # fmt: skip
    """The same for y < x'; returns the last row reached."""
    cells, bands = lower.shape
    w = bands - 1
    wide = 32 if np.iscomplexobj(like) else 16
    mask = len(past) // wide - 1
    one = two = spread16_as(like, 0.0)
    past[:] = 0.0
    quiet = 0
    for y in range(min(cells, x + count + w) - 1, -1, -1):
        row = lower[y]
        at = (y & mask) * wide
        here = -(spread16_as(like, row[1]) * one)
        if w > 1:
            here = here - spread16_as(like, row[2]) * two
        for j in range(3, bands):
            other = load16_as(like, past, ((y + j) & mask) * wide)
            here = here - spread16_as(like, row[j]) * other
        if y >= x:
            store(past, at, here)
            for k in range(min(count, y + 1 - x)):
                number = start[x + k, y - x - k] if y - x - k < w else start[0, 0] * 0.0
                past[at + k] = number.real
                if wide == 32:
                    past[at + 16 + k] = number.imag
            here = load16_as(like, past, at)
            # What is at or below the diagonal was added on the way down.
            for k in range(y + 1 - x, count):
                f[(w + y) * wide + k] += weight * past[at + k]
                if wide == 32:
                    f[(w + y) * wide + 16 + k] += weight * past[at + 16 + k]
        else:
            if w > 2:
                store(past, at, here)
            place = (w + y) * wide
            store(f, place, load16_as(like, f, place) + weight * here)
        two = one
        one = here
        if y % 4 == 0 and y < x - w:
            quiet = quiet + 1 if weight * total(size(here)) < _TAIL else 0
            if 4 * quiet > w + 4:
                return y
    return 0


@kernel
def _columns(
    h: Array, low: int, lower: Array, upper: Array, start: Array, weights: Array,
    first: int, kept: int, f: Array, past: Array, masses: Array, result: Array,
) -> None:  # fmt: skip
    """Σ over the window of Σ_y (y − x) |q_yx|² and the worst |1 − Σ_y |q_yx|²|."""
    cells, bands = h.shape
    w = bands - 1
    high = low + w
    wide = 32 if np.iscomplexobj(h) else 16
    whole, worst = 0.0, 0.0
    for x in range(first, first + kept, 16):
        count = min(16, first + kept - x)
        top, bottom = x, x + 1
        for k in range(len(weights)):
            bottom = max(bottom, _down(h, upper[k], start[k], weights[k], x, count, f, past))
            top = min(top, _up(h, lower[k], start[k], weights[k], x, count, f, past))
        mass = moment = real_part(spread16_as(h, 0.0))
        for y in range(max(0, top + low), min(cells, bottom + high)):
            q = spread16_as(h, 0.0)
            # The bond to y from z = y − low − a, where that is a cell.
            for a in range(max(0, y - low - cells + 1), min(bands, y - low + 1)):
                z = y - low - a
                q = q + spread16_as(h, h[z, a]) * load16_as(h, f, (w + z) * wide)
            square = real_part(q * conjugate(q))
            mass = mass + square
            moment = moment + float(y - x) * square
        f[(w + top) * wide : (w + bottom) * wide] = 0.0
        store(masses, 0, mass)
        store(masses, 16, moment)
        for k in range(count):
            whole += masses[16 + k] - k * masses[k]
            worst = max(worst, abs(1.0 - masses[k]))
    result[0] = whole / kept
    result[1] = worst


@kernel
def banded_windings(
    h: Array, low: int, first: int, kept: int, shifts: Array, weights: Array,
    value: Array, defect: Array,
) -> None:  # fmt: skip
    """Winding numbers of a batch with one table of poles, a multiple of LANES of them.

    h (samples, cells, w + 1): h[s, y, m − low] = h[y+m, y], zero outside the block,
    norms at most 1.  Out: value and defect, the worst |1 − Σ_y |q_yx|²| of a column.
    """
    samples, cells, bands = h.shape
    w = bands - 1
    n = len(shifts)
    parts = 2 if np.iscomplexobj(h) else 1
    t = np.zeros((cells, bands), dtype=h.dtype)
    back = np.zeros((cells, bands), dtype=h.dtype)
    work = np.zeros((cells, bands, parts * LANES))
    g = np.zeros((cells, bands, parts * LANES))
    d = np.empty((cells, LANES))
    lower = np.zeros((n, cells, bands), dtype=h.dtype)
    upper = np.zeros((n, cells, bands), dtype=h.dtype)
    start = np.zeros((n, cells, bands), dtype=h.dtype)
    f = np.zeros((cells + 2 * w) * 16 * parts)
    slots = 1
    while slots <= w:
        slots *= 2
    past = np.zeros(slots * 16 * parts)
    masses = np.zeros(32)
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
        _columns(h[i], low, lower, upper, start, weights, first, kept, f, past, masses, result)
        value[i] = result[0]
        defect[i] = result[1]


@kernel
def banded_gaps(h: Array, low: int, steps: int, gap: Array) -> None:
    """Smallest singular values by Lanczos' iteration on (h†h)⁻¹ = R⁻¹R⁻† with h = Q R banded.

    Same h as `banded_windings`.  To 1e-9 relative where `steps` suffice (they do for
    edge modes, and for bulk gaps of chains up to thousands of cells); never below the
    truth but by rounding.
    """
    samples, cells, bands = h.shape
    w = bands - 1
    high = low + w
    # Rows of h of columns x + low' …; `low` > 0 or `high` < 0 has exact zero modes.
    r = np.zeros((cells + w + 1, 2 * w + 2), dtype=h.dtype)
    z = np.empty(cells, dtype=h.dtype)
    old = np.empty(cells, dtype=h.dtype)
    y = np.empty(cells, dtype=h.dtype)
    alpha = np.empty(steps)
    beta = np.empty(steps)
    rng = 12345
    for i in range(samples):
        if low > 0 or high < 0:
            gap[i] = 0.0
            continue
        # r[x, c]: row x, column x − high + c.
        r[:] = 0.0
        for col in range(cells):
            for a in range(bands):
                row = col + low + a
                if 0 <= row < cells:
                    r[row, col - row + high] = h[i, col, a]
        singular = False
        for col in range(cells):
            for row in range(min(cells - 1, col + high), col, -1):
                b = r[row, col - row + high]
                if b == 0.0:
                    continue
                a = r[col, high]
                norm = np.sqrt((a * np.conj(a)).real + (b * np.conj(b)).real)
                c, s = a / norm, b / norm
                for j in range(col, min(cells, col + w + 1)):
                    upper = r[col, j - col + high]
                    lower = r[row, j - row + high] if j - row + high < 2 * w + 2 else 0.0
                    r[col, j - col + high] = np.conj(c) * upper + np.conj(s) * lower
                    if j - row + high < 2 * w + 2:
                        r[row, j - row + high] = c * lower - s * upper
            if abs(r[col, high]) < 1e-150:
                singular = True
        if singular:
            gap[i] = 0.0
            continue
        norm = 0.0
        for x in range(cells):
            rng = (rng * 1103515245 + 12345) % 2147483648
            z[x] = rng / 2147483648.0 - 0.5
            norm += (z[x] * np.conj(z[x])).real
            old[x] = 0.0
        norm = 1.0 / np.sqrt(norm)
        for x in range(cells):
            z[x] *= norm
        last, best, calm = 0.0, 0.0, 0
        for step in range(steps):
            for x in range(cells):
                acc = z[x]
                for j in range(max(0, x - w), x):
                    acc -= np.conj(r[j, x - j + high]) * y[j]
                y[x] = acc / np.conj(r[x, high])
            for x in range(cells - 1, -1, -1):
                acc = y[x]
                for j in range(x + 1, min(cells, x + w + 1)):
                    acc -= r[x, j - x + high] * y[j]
                y[x] = acc / r[x, high]
            product = 0.0
            for x in range(cells):
                product += (np.conj(z[x]) * y[x]).real
            norm = 0.0
            for x in range(cells):
                y[x] -= product * z[x] + last * old[x]
                norm += (y[x] * np.conj(y[x])).real
            norm = np.sqrt(norm)
            alpha[step] = product
            beta[step] = norm
            largest = _largest(alpha, beta, step + 1, best)
            calm = calm + 1 if largest - best <= 1e-10 * largest else 0
            best = max(best, largest)
            if calm >= 3 or norm <= 1e-14 * best:
                break
            last = norm
            for x in range(cells):
                old[x] = z[x]
                z[x] = y[x] / norm
        gap[i] = 1.0 / np.sqrt(best) if best < np.inf else 0.0


@kernel
def _largest(alpha: Array, beta: Array, n: int, lower: float) -> float:
    """Largest eigenvalue of the tridiagonal matrix (alpha, beta), known to be >= lower."""
    top = 0.0
    for k in range(n):
        side = beta[k] if k < n - 1 else 0.0
        other = beta[k - 1] if k > 0 else 0.0
        top = max(top, alpha[k] + side + other)
    low = lower * (1.0 - 1e-15)
    high = top * (1.0 + 1e-15)
    for _ in range(200):
        if high - low <= 1e-13 * high:
            break
        middle = 0.5 * (low + high)
        pivot = alpha[0] - middle
        above = pivot > 0.0
        for k in range(1, n):
            if above:
                break
            pivot = pivot if pivot != 0.0 else -1e-300
            pivot = alpha[k] - middle - beta[k - 1] * beta[k - 1] / pivot
            above = pivot > 0.0
        if above:
            low = middle
        else:
            high = middle
    return high
