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
from tnlearn.physics.simd import LANES, load, load_as, number_as, size, store

__all__ = ["ring_powers"]

Array = NDArray[Any]

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
    like = bonds[0]
    r = bands - 1
    parts = 2 if np.iscomplexobj(like) else 1
    wide = parts * LANES
    # [cell, bond, part, lane]
    near = np.zeros(cells * bands * wide)
    # [power, part, lane], and the same of the bounds; one, then zero: a start.
    traces = np.zeros(bands * wide)
    bounds = np.zeros(bands * LANES)
    unit = np.zeros(3 * LANES)
    unit[:LANES] = 1.0
    c = np.zeros(bands, dtype=like.dtype)
    squared = np.zeros(bands, dtype=like.dtype)
    # Roundings a cell: four products, three sums; complex products err by less than thrice that.
    rounding = 5.0 * (2 * parts - 1) * (cells + 2) * _EPS
    for start in range(0, samples, LANES):
        count = min(LANES, samples - start)
        for b in range(bands):
            _transpose(bonds[b][start : start + count], high - b, b * wide, bands * wide, near)
        _ends(like, near, cells, r, unit, traces, bounds)
        if r == 2:
            _of_two(like, near, cells, unit, traces[wide:], bounds[LANES:])
        elif r == 3:
            # c_1 and c_2.
            _of_three(like, near, cells, unit, traces[wide:], bounds[LANES:])
        else:
            _of_four(like, near, cells, unit, traces[wide:], bounds[LANES:])
            _middle_of_four(like, near, cells, unit, traces[2 * wide :], bounds[2 * LANES :])
        for k in range(count):
            worst = 0.0
            for j in range(bands):
                c[j] = number_as(like, traces, j * wide + k)
                # The determinant of a companion matrix is (−1)^r b_0/b_r.
                flips = r * (cells + 1) if j == 0 else r - j
                if flips % 2:
                    c[j] = -c[j]
                worst = max(worst, bounds[j * LANES + k])
            power[start + k] = _dominant(c, squared, rounding * worst)


@kernel
def _transpose(bonds: Array, m: int, first: int, step: int, near: Array) -> None:
    """near[x, …, lane] = t_m(x − m) of the samples, where row x needs it."""
    count, cells = bonds.shape
    parts = 2 if np.iscomplexobj(bonds) else 1
    for x in range(cells):
        y = (x - m) % cells
        now = near[x * step + first : x * step + first + parts * LANES]
        for k in range(count):
            now[k] = bonds[k, y].real
        if parts == 2:
            for k in range(count):
                now[LANES + k] = bonds[k, y].imag


@kernel
def _ends(
    like: Array, near: Array, cells: int, r: int, unit: Array, traces: Array, bounds: Array
) -> None:
    """Π b_0 and Π b_r, and their moduli."""
    wide = LANES * (2 if np.iscomplexobj(like) else 1)
    for j in range(2):
        b = j * r
        x, s = load_as(like, unit, 0), load(unit, 0)
        for cell in range(cells):
            bond = load_as(like, near, (cell * (r + 1) + b) * wide)
            x = x * bond
            s = s * size(bond) + _TINY
        store(traces, b * wide, x)
        store(bounds, b * LANES, s)


@kernel
def _of_two(like: Array, near: Array, cells: int, unit: Array, trace: Array, bound: Array) -> None:
    """Range 2: C_x = [[0, b_2], [−b_0, −b_1]]."""
    wide = LANES * (2 if np.iscomplexobj(like) else 1)
    x0, x1 = load_as(like, unit, 0), load_as(like, unit, LANES)
    y0, y1 = load_as(like, unit, LANES), load_as(like, unit, 0)
    s0, s1 = load(unit, 0), load(unit, 0)
    for cell in range(cells):
        at = cell * 3 * wide
        b0, b1 = load_as(like, near, at), load_as(like, near, at + wide)
        b2 = load_as(like, near, at + 2 * wide)
        x0, x1 = b2 * x1, -(b0 * x0 + b1 * x1)
        y0, y1 = b2 * y1, -(b0 * y0 + b1 * y1)
        s0, s1 = size(b2) * s1 + _TINY, size(b0) * s0 + size(b1) * s1 + _TINY
    store(trace, 0, x0 + y1)
    store(bound, 0, s0 + s1)


@kernel
def _of_three(
    like: Array, near: Array, cells: int, unit: Array, trace: Array, bound: Array
) -> None:
    """Range 3: C_x = [[0, b_3, 0], [0, 0, b_3], [−b_0, −b_1, −b_2]] for c_2, and for c_1

    [[0, 0, b_3], [b_0, 0, −b_2], [0, b_0, b_1]] over the pairs (01), (02), (12) of rows.
    """
    wide = LANES * (2 if np.iscomplexobj(like) else 1)
    first, other = load_as(like, unit, LANES), load_as(like, unit, LANES)
    for column in range(3):
        x0 = load_as(like, unit, 0 if column == 0 else LANES)
        x1 = load_as(like, unit, 0 if column == 1 else LANES)
        x2 = load_as(like, unit, 0 if column == 2 else LANES)
        y0, y1, y2 = x0, x1, x2
        for cell in range(cells):
            at = cell * 4 * wide
            b0, b1 = load_as(like, near, at), load_as(like, near, at + wide)
            b2, b3 = load_as(like, near, at + 2 * wide), load_as(like, near, at + 3 * wide)
            x0, x1, x2 = b3 * x1, b3 * x2, -(b0 * x0 + b1 * x1 + b2 * x2)
            y0, y1, y2 = b3 * y2, b0 * y0 - b2 * y2, b0 * y1 + b1 * y2
        if column == 0:
            first, other = x0, y0
        elif column == 1:
            first, other = first + x1, other + y1
        else:
            first, other = first + x2, other + y2
    s0, s1, s2 = load(unit, 0), load(unit, 0), load(unit, 0)
    z0, z1, z2 = s0, s1, s2
    for cell in range(cells):
        at = cell * 4 * wide
        a0, a1 = size(load_as(like, near, at)), size(load_as(like, near, at + wide))
        a2 = size(load_as(like, near, at + 2 * wide))
        a3 = size(load_as(like, near, at + 3 * wide))
        s0, s1, s2 = a3 * s1 + _TINY, a3 * s2 + _TINY, a0 * s0 + a1 * s1 + a2 * s2 + _TINY
        z0, z1, z2 = a3 * z2 + _TINY, a0 * z0 + a2 * z2 + _TINY, a0 * z1 + a1 * z2 + _TINY
    store(trace, 0, other)
    store(trace, wide, first)
    store(bound, 0, z0 + z1 + z2)
    store(bound, LANES, s0 + s1 + s2)


@kernel
def _of_four(like: Array, near: Array, cells: int, unit: Array, trace: Array, bound: Array) -> None:
    """Range 4: c_3, and c_1 over the triples (012), (013), (023), (123) of rows."""
    wide = LANES * (2 if np.iscomplexobj(like) else 1)
    first, other = load_as(like, unit, LANES), load_as(like, unit, LANES)
    for column in range(4):
        x0 = load_as(like, unit, 0 if column == 0 else LANES)
        x1 = load_as(like, unit, 0 if column == 1 else LANES)
        x2 = load_as(like, unit, 0 if column == 2 else LANES)
        x3 = load_as(like, unit, 0 if column == 3 else LANES)
        y0, y1, y2, y3 = x0, x1, x2, x3
        for cell in range(cells):
            at = cell * 5 * wide
            b0, b1 = load_as(like, near, at), load_as(like, near, at + wide)
            b2, b3 = load_as(like, near, at + 2 * wide), load_as(like, near, at + 3 * wide)
            b4 = load_as(like, near, at + 4 * wide)
            last = b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
            x0, x1, x2, x3 = b4 * x1, b4 * x2, b4 * x3, -last
            last = b0 * y2 + b1 * y3
            y0, y1, y2, y3 = b4 * y3, -(b0 * y0 + b3 * y3), b2 * y3 - b0 * y1, -last
        if column == 0:
            first, other = x0, y0
        elif column == 1:
            first, other = first + x1, other + y1
        elif column == 2:
            first, other = first + x2, other + y2
        else:
            first, other = first + x3, other + y3
    s0, s1, s2, s3 = load(unit, 0), load(unit, 0), load(unit, 0), load(unit, 0)
    z0, z1, z2, z3 = s0, s1, s2, s3
    for cell in range(cells):
        at = cell * 5 * wide
        a0, a1 = size(load_as(like, near, at)), size(load_as(like, near, at + wide))
        a2 = size(load_as(like, near, at + 2 * wide))
        a3 = size(load_as(like, near, at + 3 * wide))
        a4 = size(load_as(like, near, at + 4 * wide))
        total = a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3 + _TINY
        s0, s1, s2, s3 = a4 * s1 + _TINY, a4 * s2 + _TINY, a4 * s3 + _TINY, total
        total = a0 * z2 + a1 * z3 + _TINY
        z0, z1, z2 = a4 * z3 + _TINY, a0 * z0 + a3 * z3 + _TINY, a2 * z3 + a0 * z1 + _TINY
        z3 = total
    store(trace, 0, other)
    store(trace, 2 * wide, first)
    store(bound, 0, z0 + z1 + z2 + z3)
    store(bound, 2 * LANES, s0 + s1 + s2 + s3)


@kernel
def _middle_of_four(
    like: Array, near: Array, cells: int, unit: Array, trace: Array, bound: Array
) -> None:
    """Range 4: c_2, over the pairs (01), (02), (03), (12), (13), (23) of rows."""
    wide = LANES * (2 if np.iscomplexobj(like) else 1)
    total = load_as(like, unit, LANES)
    for column in range(6):
        x0 = load_as(like, unit, 0 if column == 0 else LANES)
        x1 = load_as(like, unit, 0 if column == 1 else LANES)
        x2 = load_as(like, unit, 0 if column == 2 else LANES)
        x3 = load_as(like, unit, 0 if column == 3 else LANES)
        x4 = load_as(like, unit, 0 if column == 4 else LANES)
        x5 = load_as(like, unit, 0 if column == 5 else LANES)
        for cell in range(cells):
            at = cell * 5 * wide
            b0, b1 = load_as(like, near, at), load_as(like, near, at + wide)
            b2, b3 = load_as(like, near, at + 2 * wide), load_as(like, near, at + 3 * wide)
            b4 = load_as(like, near, at + 4 * wide)
            y2 = b0 * x0 - b2 * x3 - b3 * x4
            y4 = b0 * x1 + b1 * x3 - b3 * x5
            y5 = b0 * x2 + b1 * x4 + b2 * x5
            x0, x1, x2, x3, x4, x5 = b4 * x3, b4 * x4, y2, b4 * x5, y4, y5
        if column < 2:
            total = total + (x0 if column == 0 else x1)
        elif column < 4:
            total = total + (x2 if column == 2 else x3)
        else:
            total = total + (x4 if column == 4 else x5)
    s0, s1, s2 = load(unit, 0), load(unit, 0), load(unit, 0)
    s3, s4, s5 = s0, s1, s2
    for cell in range(cells):
        at = cell * 5 * wide
        a0, a1 = size(load_as(like, near, at)), size(load_as(like, near, at + wide))
        a2 = size(load_as(like, near, at + 2 * wide))
        a3 = size(load_as(like, near, at + 3 * wide))
        a4 = size(load_as(like, near, at + 4 * wide))
        t2 = a0 * s0 + a2 * s3 + a3 * s4 + _TINY
        t4 = a0 * s1 + a1 * s3 + a3 * s5 + _TINY
        t5 = a0 * s2 + a1 * s4 + a2 * s5 + _TINY
        s0, s1, s3 = a4 * s3 + _TINY, a4 * s4 + _TINY, a4 * s5 + _TINY
        s2, s4, s5 = t2, t4, t5
    store(trace, 0, total)
    store(bound, 0, s0 + s1 + s2 + s3 + s4 + s5)


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
