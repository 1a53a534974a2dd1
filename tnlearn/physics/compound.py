"""The integers of short rings without a division: compounds of the transfer matrix.

Row x of h v = 0 is b_0 v(x−m_max) + … + b_r v(x−m_min) = 0, b_j = t_{m_max−j}.  The step
V → V' of the r amplitudes is a companion matrix T_x with last row −(b_0 … b_{r−1})/b_r, and
with T = Π T_x

    det(λ − T) Π b_r = Σ_j c_j λ^j,    c_j = (−1)^{r−j} tr Π_x C_x,   C_x = b_r Λ^{r−j} T_x.

The compound Λ^i of a companion matrix divides by b_r once and not i times, so that C_x
holds nothing but bonds: c_0 = ± Π b_0, c_r = Π b_r, and what is between are traces of
products of tiny sparse matrices.  A few multiplications a cell, no square root.

What rounding does to a trace is bounded by the same product of moduli, |δ tr| ≤
γ Σ_i (Π|C_x| 1)_i, which is computed along.  It grows exponentially with the cells, unlike
that of the unitary eliminations in `pencil`: so this is for short rings, and a sample for
which the bound leaves Pellet's theorem a choice is handed back.

Sources: docs/physics.md; Householder, "The Numerical Treatment of a Single Nonlinear
Equation", for Pellet's theorem and Graeffe's squaring; Higham, "Accuracy and Stability of
Numerical Algorithms", section 3.3, for running error bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import kernel

__all__ = ["ring_powers"]

Array = NDArray[Any]

# Samples worked side by side.
_LANES = 32
_2, _3, _4, _5, _6 = 2 * _LANES, 3 * _LANES, 4 * _LANES, 5 * _LANES, 6 * _LANES
# Added to the bounds in each step: what underflow may have cost, and more.
_TINY = 1e-290
_SQUARINGS = 40
_EPS = float(np.finfo(float).eps)


@kernel
def ring_powers(bonds: tuple[Array, ...], high: int, power: Array) -> None:
    """The j for which just j eigenvalues of the transfer matrix lie inside the unit circle.

    bonds: t_m for m = high … low, each (samples, cells) and C-contiguous, r + 1 of them,
    r = 2, 3 or 4; power (samples,) int: j, or −1 where the bound on the rounding leaves it open.
    """
    bands = len(bonds)
    samples, cells = bonds[0].shape
    r = bands - 1
    row = np.zeros(bands * _LANES, dtype=bonds[0].dtype)
    # Compounds 1, r − 1 and, for r = 4, 2: [column, row, lane]; the bounds lack the columns.
    first = np.zeros(r * r * _LANES, dtype=bonds[0].dtype)
    other = np.zeros(r * r * _LANES, dtype=bonds[0].dtype)
    middle = np.zeros(36 * _LANES, dtype=bonds[0].dtype)
    ends = np.zeros(_2, dtype=bonds[0].dtype)
    bounds = np.zeros((4, 6 * _LANES))
    c = np.zeros(bands, dtype=bonds[0].dtype)
    squared = np.zeros(bands, dtype=bonds[0].dtype)
    # Roundings a cell: four products, three sums; complex products err by less than thrice that.
    rounding = (15.0 if np.iscomplexobj(row) else 5.0) * (cells + 2) * _EPS
    for start in range(0, samples, _LANES):
        count = min(_LANES, samples - start)
        _unit(first, r)
        _unit(other, r)
        _unit(middle, 6)
        ends[:] = 1.0
        bounds[:] = 1.0
        for x in range(cells):
            for b in range(bands):
                y = (x - high + b) % cells
                given = bonds[b][start : start + count]
                now = row[b * _LANES : (b + 1) * _LANES]
                for k in range(count):
                    now[k] = given[k, y]
            _ends(row[:_LANES], row[r * _LANES :], ends, bounds[0])
            if r == 2:
                _step_of_two(row, first, bounds[1])
            elif r == 3:
                _step_of_three(row, first, other, bounds[1], bounds[2])
            else:
                _step_of_four(row, first, other, bounds[1], bounds[2])
                _middle_of_four(row, middle, bounds[3])
        for k in range(count):
            # (−1)^r Π (−1)^r b_0: the determinant of a companion matrix has a sign.
            c[0] = -ends[k] if r * (cells + 1) % 2 else ends[k]
            c[r] = ends[_LANES + k]
            worst = max(bounds[0, k], bounds[0, _LANES + k])
            c[1], size = _trace(other[k:], bounds[2, k:], r)
            if r > 2:
                worst = max(worst, size)
            c[1] = c[1] if r % 2 else -c[1]
            c[r - 1], size = _trace(first[k:], bounds[1, k:], r)
            worst = max(worst, size)
            c[r - 1] = -c[r - 1]
            if r == 4:
                c[2], size = _trace(middle[k:], bounds[3, k:], 6)
                worst = max(worst, size)
            power[start + k] = _dominant(c, squared, rounding * worst)


@kernel
def _unit(state: Array, rows: int) -> None:
    state[:] = 0.0
    for a in range(rows):
        for k in range(_LANES):
            state[a * (rows + 1) * _LANES + k] = 1.0


@kernel
def _trace(state: Array, bound: Array, rows: int) -> tuple[Any, float]:
    """The trace of a compound and the sum of its bounds; the arrays start at the lane."""
    trace, size = state[0], bound[0]
    for a in range(1, rows):
        trace += state[a * (rows + 1) * _LANES]
        size += bound[a * _LANES]
    return trace, size


@kernel
def _size(z: Any) -> float:
    """|z| of a real number, and at least |z| of a complex one."""
    size: float = abs(z.real) + abs(z.imag)
    return size


@kernel
def _ends(b0: Array, last: Array, ends: Array, bound: Array) -> None:
    """Π b_0 and Π b_r, and their moduli."""
    for k in range(_LANES):
        ends[k] *= b0[k]
        bound[k] = bound[k] * _size(b0[k]) + _TINY
    for k in range(_LANES):
        ends[_LANES + k] *= last[k]
        bound[_LANES + k] = bound[_LANES + k] * _size(last[k]) + _TINY


@kernel
def _step_of_two(row: Array, first: Array, bound: Array) -> None:
    """One cell of range 2: b_r Λ¹T is [[0, b_2], [−b_0, −b_1]]."""
    for column in range(2):
        a = first[column * _2 : (column + 1) * _2]
        for k in range(_LANES):
            old = a[_LANES + k]
            a[_LANES + k] = -(row[k] * a[k] + row[_LANES + k] * old)
            a[k] = row[_2 + k] * old
    for k in range(_LANES):
        size = bound[_LANES + k]
        new = _size(row[k]) * bound[k] + _size(row[_LANES + k]) * size + _TINY
        bound[k] = _size(row[_2 + k]) * size + _TINY
        bound[_LANES + k] = new


@kernel
def _step_of_three(
    row: Array, first: Array, other: Array, bound: Array, bound_other: Array
) -> None:
    """One cell of range 3: b_r Λ¹T, and b_r Λ²T over the pairs (01), (02), (12) of rows.

    They are [[0, b_3, 0], [0, 0, b_3], [−b_0, −b_1, −b_2]] and
    [[0, 0, b_3], [b_0, 0, −b_2], [0, b_0, b_1]].
    """
    for column in range(3):
        # One loop over lanes an array: only so do they become vector instructions.
        a = first[column * _3 : (column + 1) * _3]
        for k in range(_LANES):
            x1, x2 = a[_LANES + k], a[_2 + k]
            last = -(row[k] * a[k] + row[_LANES + k] * x1 + row[_2 + k] * x2)
            a[k] = row[_3 + k] * x1
            a[_LANES + k] = row[_3 + k] * x2
            a[_2 + k] = last
        a = other[column * _3 : (column + 1) * _3]
        for k in range(_LANES):
            x0, x1, x2 = a[k], a[_LANES + k], a[_2 + k]
            a[k] = row[_3 + k] * x2
            a[_LANES + k] = row[k] * x0 - row[_2 + k] * x2
            a[_2 + k] = row[k] * x1 + row[_LANES + k] * x2
    for k in range(_LANES):
        s1, s2 = bound[_LANES + k], bound[_2 + k]
        size = _size(row[k]) * bound[k] + _size(row[_LANES + k]) * s1 + _size(row[_2 + k]) * s2
        bound[k] = _size(row[_3 + k]) * s1 + _TINY
        bound[_LANES + k] = _size(row[_3 + k]) * s2 + _TINY
        bound[_2 + k] = size + _TINY
    for k in range(_LANES):
        s0, s1, s2 = bound_other[k], bound_other[_LANES + k], bound_other[_2 + k]
        bound_other[k] = _size(row[_3 + k]) * s2 + _TINY
        bound_other[_LANES + k] = _size(row[k]) * s0 + _size(row[_2 + k]) * s2 + _TINY
        bound_other[_2 + k] = _size(row[k]) * s1 + _size(row[_LANES + k]) * s2 + _TINY


@kernel
def _step_of_four(row: Array, first: Array, other: Array, bound: Array, bound_other: Array) -> None:
    """One cell of range 4: b_r Λ¹T, and b_r Λ³T over the triples (012), (013), (023), (123)."""
    for column in range(4):
        a = first[column * _4 : (column + 1) * _4]
        for k in range(_LANES):
            x1, x2, x3 = a[_LANES + k], a[_2 + k], a[_3 + k]
            last = row[k] * a[k] + row[_LANES + k] * x1 + row[_2 + k] * x2 + row[_3 + k] * x3
            a[k] = row[_4 + k] * x1
            a[_LANES + k] = row[_4 + k] * x2
            a[_2 + k] = row[_4 + k] * x3
            a[_3 + k] = -last
        a = other[column * _4 : (column + 1) * _4]
        for k in range(_LANES):
            x0, x1, x2, x3 = a[k], a[_LANES + k], a[_2 + k], a[_3 + k]
            a[k] = row[_4 + k] * x3
            a[_LANES + k] = -(row[k] * x0 + row[_3 + k] * x3)
            a[_2 + k] = row[_2 + k] * x3 - row[k] * x1
            a[_3 + k] = -(row[k] * x2 + row[_LANES + k] * x3)
    for k in range(_LANES):
        s1, s2, s3 = bound[_LANES + k], bound[_2 + k], bound[_3 + k]
        size = _size(row[k]) * bound[k] + _size(row[_LANES + k]) * s1 + _size(row[_2 + k]) * s2
        bound[k] = _size(row[_4 + k]) * s1 + _TINY
        bound[_LANES + k] = _size(row[_4 + k]) * s2 + _TINY
        bound[_2 + k] = _size(row[_4 + k]) * s3 + _TINY
        bound[_3 + k] = size + _size(row[_3 + k]) * s3 + _TINY
    for k in range(_LANES):
        s0, s1, s2 = bound_other[k], bound_other[_LANES + k], bound_other[_2 + k]
        s3 = bound_other[_3 + k]
        bound_other[k] = _size(row[_4 + k]) * s3 + _TINY
        bound_other[_LANES + k] = _size(row[k]) * s0 + _size(row[_3 + k]) * s3 + _TINY
        bound_other[_2 + k] = _size(row[_2 + k]) * s3 + _size(row[k]) * s1 + _TINY
        bound_other[_3 + k] = _size(row[k]) * s2 + _size(row[_LANES + k]) * s3 + _TINY


@kernel
def _middle_of_four(row: Array, middle: Array, bound: Array) -> None:
    """The same of b_4 Λ²T over the pairs (01), (02), (03), (12), (13), (23)."""
    for column in range(6):
        a = middle[column * _6 : (column + 1) * _6]
        for k in range(_LANES):
            x0, x1, x2 = a[k], a[_LANES + k], a[_2 + k]
            x3, x4, x5 = a[_3 + k], a[_4 + k], a[_5 + k]
            a[k] = row[_4 + k] * x3
            a[_LANES + k] = row[_4 + k] * x4
            a[_2 + k] = row[k] * x0 - row[_2 + k] * x3 - row[_3 + k] * x4
            a[_3 + k] = row[_4 + k] * x5
            a[_4 + k] = row[k] * x1 + row[_LANES + k] * x3 - row[_3 + k] * x5
            a[_5 + k] = row[k] * x2 + row[_LANES + k] * x4 + row[_2 + k] * x5
    for k in range(_LANES):
        b0, b1, b2, b3 = row[k], row[_LANES + k], row[_2 + k], row[_3 + k]
        s0, s1, s2 = bound[k], bound[_LANES + k], bound[_2 + k]
        s3, s4, s5 = bound[_3 + k], bound[_4 + k], bound[_5 + k]
        bound[k] = _size(row[_4 + k]) * s3 + _TINY
        bound[_LANES + k] = _size(row[_4 + k]) * s4 + _TINY
        bound[_2 + k] = _size(b0) * s0 + _size(b2) * s3 + _size(b3) * s4 + _TINY
        bound[_3 + k] = _size(row[_4 + k]) * s5 + _TINY
        bound[_4 + k] = _size(b0) * s1 + _size(b1) * s3 + _size(b3) * s5 + _TINY
        bound[_5 + k] = _size(b0) * s2 + _size(b1) * s4 + _size(b2) * s5 + _TINY


@kernel
def _dominant(c: Array, squared: Array, error: float) -> int:
    """The j of the one |c_j| above the sum of all others, each known to `error`, or −1.

    Where there is none the roots are squared, as long as the error allows; c is used up.
    """
    bands = len(c)
    for _ in range(_SQUARINGS):
        total, largest, at = 0.0, 0.0, -1
        for j in range(bands):
            size = abs(c[j])
            total += size
            if size > largest:
                largest, at = size, j
        slack = bands * error
        if largest - slack > (1.0 + 1e-6) * (total - largest + slack):
            return at
        # (Also for NaN and infinity.)
        if not slack < 0.1 * largest < np.inf:
            return -1
        scale = 1.0 / largest
        for j in range(bands):
            c[j] *= scale
        error = error * scale + _EPS
        total *= scale
        for j in range(bands):
            acc = c[j] * c[j]
            if j % 2:
                acc = -acc
            for m in range(max(0, 2 * j - bands + 1), j):
                both = 2.0 * c[m] * c[2 * j - m]
                acc += -both if m % 2 else both
            squared[j] = acc
        for j in range(bands):
            c[j] = squared[j]
        error = (2.0 * total + bands * error) * error + 8.0 * _EPS * total * total
    return -1
