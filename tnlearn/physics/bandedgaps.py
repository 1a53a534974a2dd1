"""The smallest singular values of banded chains of any range in linear time: the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import kernel

__all__ = ["banded_gaps"]

Array = NDArray[Any]


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
