"""The real-space winding number of chains of any range in linear time: the kernels.

h is real and banded, offsets low … high, w = high − low; T = hᵀh has half-bandwidth w.
With Zolotarev's poles q = h Σ_k c_k (T + s_k)⁻¹.  From T + s = L D Lᵀ (from the first
cell) and = U D' Uᵀ (from the last), both unit triangular, the column x of G = (T + s)⁻¹ is

    G_{y,x} = −Σ_{j=1..w} L_{y+j,y} G_{y+j,x}   (y < x),
    G_{y,x} = −Σ_{j=1..w} U_{y−j,y} G_{y−j,x}   (y ≥ x + w),

started from the band of G itself (Takahashi's recursion).  The pole index is
innermost in every array, so that all of it vectorises.

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

__all__ = ["banded_gaps", "banded_windings"]

Array = NDArray[Any]

# Columns are followed outward until w amplitudes in a row are below this.
_TAIL = 1e-13


@kernel
def _factor(t: Array, shifts: Array, l: Array, d: Array) -> None:
    """t[x, j] = T[x, x−j] to l[x, j, k] = L_{x,x−j} and d[x, k] = 1/D_x."""
    cells, bands = t.shape
    w = bands - 1
    n = len(shifts)
    for x in range(cells):
        for k in range(n):
            d[x, k] = t[x, 0] + shifts[k]
        for j in range(min(w, x), 0, -1):
            for k in range(n):
                l[x, j, k] = t[x, j]
            for i in range(j + 1, min(w, x) + 1):
                # l[x, i] still holds L_{x,x−i} D_{x−i}.
                for k in range(n):
                    l[x, j, k] -= l[x, i, k] * l[x - j, i - j, k]
        for j in range(1, min(w, x) + 1):
            for k in range(n):
                scaled = l[x, j, k] * d[x - j, k]
                d[x, k] -= l[x, j, k] * scaled
                l[x, j, k] = scaled
        for k in range(n):
            d[x, k] = 1.0 / d[x, k]


@kernel
def _band_of_inverse(l: Array, d: Array, g: Array) -> None:
    """g[y, i, k] = G_{y,y+i}, i = 0 … w, by Takahashi's recursion from the last cell."""
    cells, bands, n = l.shape
    w = bands - 1
    for y in range(cells - 1, -1, -1):
        reach = min(w, cells - 1 - y)
        for i in range(reach, -1, -1):
            for k in range(n):
                g[y, i, k] = d[y, k] if i == 0 else 0.0
            for j in range(1, reach + 1):
                a, b = min(i, j), abs(i - j)
                for k in range(n):
                    g[y, i, k] -= l[y + j, j, k] * g[y + a, b, k]


@kernel
def _columns(
    h: Array, low: int, l: Array, u: Array, g: Array, weights: Array,
    first: int, kept: int, result: Array,
) -> None:  # fmt: skip
    """Σ over the window of Σ_y (y − x) q_yx² and the worst |1 − Σ_y q_yx²|."""
    cells, bands, n = l.shape
    w = bands - 1
    high = low + w
    f = np.zeros(cells)
    # A ring buffer of the last w + 1 columns' poles.
    ring = np.zeros((w + 1, n))
    total, worst = 0.0, 0.0
    for x in range(first, first + kept):
        bottom = min(cells, x + w)
        for y in range(x, bottom):
            acc = 0.0
            for k in range(n):
                ring[y % (w + 1), k] = g[x, y - x, k]
                acc += weights[k] * g[x, y - x, k]
            f[y] = acc
        quiet = 0
        while bottom < cells and quiet < w + 1:
            y = bottom
            row = y % (w + 1)
            for k in range(n):
                ring[row, k] = 0.0
            for j in range(1, w + 1):
                other = (y - j) % (w + 1)
                for k in range(n):
                    ring[row, k] -= u[cells - 1 - y + j, j, k] * ring[other, k]
            acc = 0.0
            for k in range(n):
                acc += weights[k] * ring[row, k]
            f[y] = acc
            quiet = quiet + 1 if abs(acc) < _TAIL else 0
            bottom += 1
        for y in range(x, min(cells, x + w)):
            for k in range(n):
                ring[y % (w + 1), k] = g[x, y - x, k]
        top = x
        quiet = 0
        while top > 0 and quiet < w + 1:
            y = top - 1
            row = y % (w + 1)
            for k in range(n):
                ring[row, k] = 0.0
            for j in range(1, min(w, cells - 1 - y) + 1):
                other = (y + j) % (w + 1)
                for k in range(n):
                    ring[row, k] -= l[y + j, j, k] * ring[other, k]
            acc = 0.0
            for k in range(n):
                acc += weights[k] * ring[row, k]
            f[y] = acc
            quiet = quiet + 1 if abs(acc) < _TAIL else 0
            top -= 1
        mass, value = 0.0, 0.0
        for y in range(max(0, top + low), min(cells, bottom + high)):
            q = 0.0
            for m in range(low, high + 1):
                z = y - m
                if top <= z < bottom:
                    q += h[z, m - low] * f[z]
            mass += q * q
            value += (y - x) * q * q
        total += value
        worst = max(worst, abs(1.0 - mass))
    result[0] = total / kept
    result[1] = worst


@kernel
def banded_windings(
    h: Array, low: int, first: int, kept: int, shifts: Array, weights: Array,
    value: Array, defect: Array,
) -> None:  # fmt: skip
    """Winding numbers of a batch with one table of poles.

    h (samples, cells, w + 1): h[s, y, m − low] = h[y+m, y], zero outside the block,
    norms at most 1.  Out: value and defect, the worst |1 − Σ_y q_yx²| of a column.
    """
    samples, cells, bands = h.shape
    w = bands - 1
    n = len(shifts)
    t = np.zeros((cells, bands))
    back = np.zeros((cells, bands))
    l = np.zeros((cells, bands, n))
    u = np.zeros((cells, bands, n))
    g = np.zeros((cells, bands, n))
    d = np.empty((cells, n))
    result = np.empty(2)
    for i in range(samples):
        for x in range(cells):
            for j in range(min(w, x) + 1):
                # T[x, x−j] = Σ_m h[x+m, x] h[x+m, x−j], the offset of the second being m + j.
                acc = 0.0
                for a in range(bands - j):
                    acc += h[i, x, a] * h[i, x - j, a + j]
                t[x, j] = acc
                back[cells - 1 - x + j, j] = acc
        _factor(back, shifts, u, d)
        _factor(t, shifts, l, d)
        _band_of_inverse(l, d, g)
        _columns(h[i], low, l, u, g, weights, first, kept, result)
        value[i] = result[0]
        defect[i] = result[1]


@kernel
def banded_gaps(h: Array, low: int, steps: int, gap: Array) -> None:
    """Smallest singular values by Lanczos' iteration on (hᵀh)⁻¹ = R⁻¹R⁻ᵀ with h = Q R banded.

    Same h as `banded_windings`.  To 1e-9 relative where `steps` suffice (they do for
    edge modes, and for bulk gaps of chains up to thousands of cells); never below the
    truth but by rounding.
    """
    samples, cells, bands = h.shape
    w = bands - 1
    high = low + w
    # Rows of h of columns x + low' …; `low` > 0 or `high` < 0 has exact zero modes.
    r = np.zeros((cells + w + 1, 2 * w + 2))
    z = np.empty(cells)
    old = np.empty(cells)
    y = np.empty(cells)
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
                norm = np.sqrt(a * a + b * b)
                c, s = a / norm, b / norm
                for j in range(col, min(cells, col + w + 1)):
                    upper = r[col, j - col + high]
                    lower = r[row, j - row + high] if j - row + high < 2 * w + 2 else 0.0
                    r[col, j - col + high] = c * upper + s * lower
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
            norm += z[x] * z[x]
            old[x] = 0.0
        norm = 1.0 / np.sqrt(norm)
        for x in range(cells):
            z[x] *= norm
        last, best, calm = 0.0, 0.0, 0
        for step in range(steps):
            for x in range(cells):
                acc = z[x]
                for j in range(max(0, x - w), x):
                    acc -= r[j, x - j + high] * y[j]
                y[x] = acc / r[x, high]
            for x in range(cells - 1, -1, -1):
                acc = y[x]
                for j in range(x + 1, min(cells, x + w + 1)):
                    acc -= r[x, j - x + high] * y[j]
                y[x] = acc / r[x, high]
            product = 0.0
            for x in range(cells):
                product += z[x] * y[x]
            norm = 0.0
            for x in range(cells):
                y[x] -= product * z[x] + last * old[x]
                norm += y[x] * y[x]
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
