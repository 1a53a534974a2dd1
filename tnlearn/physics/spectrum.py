"""The low end of the spectrum of bidiagonal blocks: smallest singular value, counts, zero modes.

h is lower bidiagonal with p_x = |h[x, x]| and r_x = |h[x+1, x]|, of norm at most 1
(the diagonal gauge that makes it real and non-negative changes no modulus of q).
All of it is O(L): pivots of hhᵀ − λ by the stationary quotient-difference form,

    d_x = p_x² + s_x,   s_0 = −λ,   s_{x+1} = r_x² s_x / d_x − λ,

which knows every singular value, however small, to relative precision.
Sources: Fernando, Parlett, doi:10.1007/s002110050024; Laguerre's iteration as in
Parlett, "The Symmetric Eigenvalue Problem".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.kernels import kernel

__all__ = [
    "LANES",
    "count_below",
    "low_marks",
    "pole_level",
    "smallest",
    "smallest_singular_value",
    "zero_mode",
]

Array = NDArray[Any]

# Chains worked side by side, one to a lane of the vector registers.
LANES = 16
_STEPS = 60


@kernel
def smallest(p2: Array, r2: Array, out: Array) -> None:
    """Squares of the smallest singular values of LANES chains by Laguerre's iteration.

    p2, r2 : (cells, LANES) squares of the diagonal and of the subdiagonal (its last
    row is not used); out : (LANES,).  From below, cubic and monotone.
    """
    cells, lanes = p2.shape
    s = np.empty(lanes)
    first = np.empty(lanes)
    second = np.empty(lanes)
    trace = np.empty(lanes)
    trace2 = np.empty(lanes)
    positive = np.empty(lanes)
    going = np.ones(lanes)
    for k in range(lanes):
        out[k] = 0.0
    for _ in range(_STEPS):
        for k in range(lanes):
            s[k] = -out[k]
            first[k] = -1.0
            second[k] = 0.0
            trace[k] = 0.0
            trace2[k] = 0.0
            positive[k] = 1.0
        for x in range(cells):
            for k in range(lanes):
                d = p2[x, k] + s[k]
                w = 1.0 / d
                positive[k] = min(positive[k], d)
                slope = first[k] * w
                bend = second[k] * w
                trace[k] -= slope
                trace2[k] += slope * slope - bend
                factor = r2[x, k] * p2[x, k] * w
                second[k] = factor * (bend - 2.0 * slope * slope)
                first[k] = factor * slope - 1.0
                s[k] = r2[x, k] * (s[k] * w) - out[k]
        busy = False
        for k in range(lanes):
            if going[k] == 0.0:
                continue
            if not positive[k] > 0.0 or not trace[k] < np.inf:
                going[k] = 0.0
                continue
            spread = (cells - 1.0) * (cells * trace2[k] - trace[k] * trace[k])
            if spread < np.inf:
                step = cells / (trace[k] + np.sqrt(max(spread, 0.0)))
            else:
                step = 1.0 / trace[k]
                going[k] = 0.0
            out[k] += step
            if step <= 1e-13 * out[k]:
                going[k] = 0.0
            if going[k] != 0.0:
                busy = True
        if not busy:
            break


@kernel
def count_below(p: Array, r: Array, marks: Array, counts: Array) -> None:
    """How many singular values lie below each mark; p (cells,), r (cells − 1,)."""
    n = len(marks)
    s = np.empty(n)
    level = np.empty(n)
    for k in range(n):
        level[k] = marks[k] * marks[k]
        s[k] = -level[k]
        counts[k] = 0.0
    cells = len(p)
    for x in range(cells):
        p2 = p[x] * p[x]
        r2 = r[x] * r[x] if x < cells - 1 else 0.0
        for k in range(n):
            d = p2 + s[k]
            d = 1e-300 if d == 0.0 else d
            counts[k] += 1.0 if d < 0.0 else 0.0
            s[k] = r2 * (s[k] / d) - level[k]


@kernel
def zero_mode(p: Array, r: Array, estimate: float, u: Array, v: Array) -> float:
    """The smallest singular value with its vectors, for one that is far below all others.

    v solves (h v)_x = 0 for x > 0 and u solves (hᵀu)_x = 0 for x < L − 1; a few
    steps of inverse iteration follow.  Below 1e-100 (`estimate` is the value as known) all
    that is done in logarithms, and the iteration, which then changes nothing, is
    left out.
    """
    if estimate < 1e-100:
        return _deep_zero_mode(p, r, u, v)
    cells = len(p)
    u[cells - 1] = 1.0
    norm = 1.0
    for x in range(cells - 2, -1, -1):
        u[x] = -u[x + 1] * (r[x] / p[x])
        norm += u[x] * u[x]
    norm = 1.0 / np.sqrt(norm)
    sign = norm if u[0] > 0.0 else -norm
    for x in range(cells):
        u[x] *= sign
    sigma = estimate
    for step in range(10):
        # v ← h⁻¹u, u ← h⁻ᵀv, each normalised: the norms are 1/σ.
        v[0] = u[0] / p[0]
        norm = v[0] * v[0]
        for x in range(1, cells):
            w = 1.0 / p[x]
            v[x] = u[x] * w - (r[x - 1] * w) * v[x - 1]
            norm += v[x] * v[x]
        norm = 1.0 / np.sqrt(norm)
        for x in range(cells):
            v[x] *= norm
        u[cells - 1] = v[cells - 1] / p[cells - 1]
        norm = u[cells - 1] * u[cells - 1]
        for x in range(cells - 2, -1, -1):
            w = 1.0 / p[x]
            u[x] = v[x] * w - (r[x] * w) * u[x + 1]
            norm += u[x] * u[x]
        before = sigma
        sigma = 1.0 / np.sqrt(norm)
        for x in range(cells):
            u[x] *= sigma
        # The value errs by the square of what the vectors err.
        if step > 0 and abs(sigma - before) < 1e-12 * sigma:
            break
    return sigma


@kernel
def _deep_zero_mode(p: Array, r: Array, u: Array, v: Array) -> float:
    cells = len(p)
    v[0] = 0.0
    top = 0.0
    for x in range(1, cells):
        v[x] = v[x - 1] + np.log(r[x - 1]) - np.log(p[x])
        top = max(top, v[x])
    log_v = -top - 0.5 * np.log(_exponentials(v, top))
    u[cells - 1] = 0.0
    top = 0.0
    for x in range(cells - 2, -1, -1):
        u[x] = u[x + 1] + np.log(r[x]) - np.log(p[x])
        top = max(top, u[x])
    log_u = u[0] - top
    log_u -= 0.5 * np.log(_exponentials(u, top))
    sigma: float = np.exp(log_v + np.log(p[0]) + log_u)
    return sigma


@kernel
def _exponentials(logs: Array, top: float) -> float:
    """logs → ± exp(logs − top), alternating and normalised; the squared norm before that."""
    norm = 0.0
    for x in range(len(logs)):
        logs[x] = np.exp(logs[x] - top) * (1.0 - 2.0 * (x % 2))
        norm += logs[x] * logs[x]
    for x in range(len(logs)):
        logs[x] /= np.sqrt(norm)
    return norm


@kernel
def low_marks() -> tuple[Array, Array]:
    """Candidates for the cut-off of the poles, and deeper ones.

    Quarter decades to 1e-4, then three quarters to 1e-16; and, where two values are below
    even that, more to 1e-53.
    """
    steps = np.arange(32.0)
    marks = 10.0 ** (-0.5 - np.where(steps < 16, 0.25 * steps, 3.75 + 0.75 * (steps - 15)))
    deeper = 10.0 ** (-17.5 - 1.125 * steps)
    return marks, deeper


@kernel
def smallest_singular_value(
    p: Array, r: Array, sigma: float, marks: Array, deeper: Array,
    below: Array, u: Array, v: Array,
) -> tuple[float, float, bool]:  # fmt: skip
    """The smallest singular value, the cut-off for the poles, and whether they leave it out.

    sigma is the value as `smallest` has it; where it stands alone, far below all others, it
    is left out of the poles' range, and u, v are filled with its vectors.
    """
    if sigma >= 3e-3:
        return sigma, sigma, False
    choice = marks
    count_below(p, r, choice, below)
    if below[31] > 1.5 and sigma < 1e-20:
        choice = deeper
        count_below(p, r, choice, below)
    for j in range(32):
        if below[j] < 1.5:
            if choice[j] >= 1e3 * sigma:
                return zero_mode(p, r, sigma, u, v), choice[j], True
            break
    return sigma, sigma, False


@kernel
def pole_level(levels: Array, cut: float) -> int:
    """The first of the descending levels at or below the cut-off, or the last."""
    level = 0
    while level < len(levels) - 1 and levels[level] > cut:
        level += 1
    return level
