"""Singular vectors of small bidiagonal blocks by implicit QR: the kernels.

Demmel and Kahan's algorithm as in LAPACK's `dbdsqr`: shifted sweeps, and a sweep with zero shift
where a shift could cost a tiny singular value its relative accuracy; each sweep runs
from the end where the large values are.  Other than there, the vectors are the rows of
contiguous arrays, so that each rotation turns two rows in vector instructions while the next
rotation is being found: at 20 cells that is several times faster than `dbdsdc`, whose
own small blocks go through `dlasr`.

Source: Demmel, Kahan, doi:10.1137/0911052; LAPACK working note 3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import strict_kernel

__all__ = ["qr_states"]

Array = NDArray[Any]

_EPS = float(np.finfo(float).eps) / 2
# Relative size of what is dropped, in the units of `dbdsqr`.
_DROP = _EPS * max(10.0, min(100.0, _EPS**-0.125))
_TINY = float(np.finfo(float).tiny)
# Rows are padded to whole turns of the unrolled loops.
_PAD = 16
_SWEEPS = 6


@strict_kernel
def qr_states(diagonal: Array, other: Array, u: Array, v: Array, energies: Array) -> bool:
    """SVD B = Σ_n s_n u_n v_nᵀ of upper bidiagonal matrices, ascending.

    diagonal (samples, n) and other (samples, n − 1), the superdiagonal, both real.  Filled:
    u[i, n, x] = u_n(x), v[i, n, y] = v_n(y), energies[i, n] = s_n ≥ 0.  False where a sample
    does not converge, as after 6 n² rotations.  (A lower bidiagonal matrix is the transpose:
    u and v change places.)
    """
    samples, n = diagonal.shape
    wide = (n + _PAD - 1) // _PAD * _PAD
    left = np.zeros((n, wide))
    right = np.zeros((n, wide))
    d = np.zeros(n)
    e = np.zeros(n)
    order = np.zeros(n, dtype=np.int64)
    for i in range(samples):
        top = 0.0
        for k in range(n):
            d[k] = diagonal[i, k]
            e[k] = other[i, k] if k < n - 1 else 0.0
            top = max(top, abs(d[k]), abs(e[k]))
        # A power of two near the largest element: nothing overflows, and nothing is rounded.
        scale = 2.0 ** -math.floor(math.log2(top)) if top > 0.0 else 1.0
        for k in range(n):
            d[k] *= scale
            e[k] *= scale
        left[:] = 0.0
        right[:] = 0.0
        for k in range(n):
            left[k, k] = 1.0
            right[k, k] = 1.0
        if not _diagonalise(d, e, left, right):
            return False
        for k in range(n):
            # Ascending, by insertion.
            size = abs(d[k])
            at = k
            while at > 0 and abs(d[order[at - 1]]) > size:
                order[at] = order[at - 1]
                at -= 1
            order[at] = k
        for k in range(n):
            row = order[k]
            energies[i, k] = abs(d[row]) / scale
            sign = -1.0 if d[row] < 0.0 else 1.0
            for x in range(n):
                u[i, k, x] = left[row, x]
            for x in range(n):
                v[i, k, x] = sign * right[row, x]
    return True


@strict_kernel
def _turn(rows: Array, i: int, c: float, s: float) -> None:
    """Rotate rows i and i + 1: (a, b) ← (c a + s b, c b − s a)."""
    for x in range(rows.shape[1]):
        upper, lower = rows[i, x], rows[i + 1, x]
        rows[i, x] = c * upper + s * lower
        rows[i + 1, x] = c * lower - s * upper


@strict_kernel
def _rotation(f: float, g: float) -> tuple[float, float, float]:
    """c, s, r with c f + s g = r and c g − s f = 0."""
    square = f * f + g * g
    if 1e-280 < square < 1e280:
        r = math.sqrt(square)
        # Both at the same time, instead of one after the other.
        inverse = r * (1.0 / square)
        return f * inverse, g * inverse, r
    size = max(abs(f), abs(g))
    if size == 0.0:
        return 1.0, 0.0, 0.0
    f, g = f / size, g / size
    r = math.sqrt(f * f + g * g)
    return f / r, g / r, r * size


@strict_kernel
def _diagonalise(d: Array, e: Array, left: Array, right: Array) -> bool:
    """Turn e into zeros and d into ± singular values, the rows of left and right along."""
    n = len(d)
    drop = _threshold(d, e)
    turns = _SWEEPS * n * n
    last = n - 1
    old_first, old_last = -1, -1
    downward = True
    while last > 0:
        if turns < 0:
            return False
        # The block first … last without a vanishing bond.
        largest = abs(d[last])
        first = 0
        for k in range(last - 1, -1, -1):
            if abs(e[k]) <= drop:
                e[k] = 0.0
                first = k + 1
                break
            largest = max(largest, abs(d[k]), abs(e[k]))
        if first == last:
            last -= 1
            continue
        if first == last - 1:
            low, high, sin_r, cos_r, sin_l, cos_l = _two_by_two(d[first], e[first], d[last])
            d[first], d[last], e[first] = high, low, 0.0
            _turn(right, first, cos_r, sin_r)
            _turn(left, first, cos_l, sin_l)
            last -= 2
            continue
        if first > old_last or last < old_first or old_last < 0:
            downward = abs(d[first]) >= abs(d[last])
        smallest = _negligible(d, e, first, last, downward)
        if smallest < 0.0:
            continue
        old_first, old_last = first, last
        shift = 0.0
        if n * _DROP * (smallest / largest) > max(_EPS, 0.01 * _DROP):
            if downward:
                head = abs(d[first])
                shift = _lower_value(d[last - 1], e[last - 1], d[last])
            else:
                head = abs(d[last])
                shift = _lower_value(d[first], e[first], d[first + 1])
            if head > 0.0 and (shift / head) ** 2 < _EPS:
                shift = 0.0
        turns -= last - first
        if downward and shift == 0.0:
            _down_without_shift(d, e, first, last, left, right)
        elif downward:
            _down(d, e, first, last, shift, left, right)
        elif shift == 0.0:
            _up_without_shift(d, e, first, last, left, right)
        else:
            _up(d, e, first, last, shift, left, right)
        edge = last - 1 if downward else first
        if abs(e[edge]) <= drop:
            e[edge] = 0.0
    return True


@strict_kernel
def _threshold(d: Array, e: Array) -> float:
    """Bonds below this change no singular value by more than the relative error allowed."""
    n = len(d)
    least: float = abs(d[0])
    mu = least
    for k in range(1, n):
        if least == 0.0:
            break
        mu = abs(d[k]) * (mu / (mu + abs(e[k - 1])))
        least = min(least, mu)
    drop: float = max(_DROP * (least / math.sqrt(n)), _SWEEPS * n * n * _TINY)
    return drop


@strict_kernel
def _negligible(d: Array, e: Array, first: int, last: int, downward: bool) -> float:
    """A lower bound of the singular values of a block; −1 if a bond was dropped instead."""
    if downward:
        if abs(e[last - 1]) <= _DROP * abs(d[last]):
            e[last - 1] = 0.0
            return -1.0
        mu: float = abs(d[first])
        least: float = mu
        for k in range(first, last):
            if abs(e[k]) <= _DROP * mu:
                e[k] = 0.0
                return -1.0
            mu = abs(d[k + 1]) * (mu / (mu + abs(e[k])))
            least = min(least, mu)
        return least
    if abs(e[first]) <= _DROP * abs(d[first]):
        e[first] = 0.0
        return -1.0
    mu = abs(d[last])
    least = mu
    for k in range(last - 1, first - 1, -1):
        if abs(e[k]) <= _DROP * mu:
            e[k] = 0.0
            return -1.0
        mu = abs(d[k]) * (mu / (mu + abs(e[k])))
        least = min(least, mu)
    return least


@strict_kernel
def _down_without_shift(
    d: Array, e: Array, first: int, last: int, left: Array, right: Array
) -> None:
    c, old_c, old_s = 1.0, 1.0, 0.0
    for i in range(first, last):
        c, s, r = _rotation(d[i] * c, e[i])
        if i > first:
            e[i - 1] = old_s * r
        old_c, old_s, d[i] = _rotation(old_c * r, d[i + 1] * s)
        _turn(right, i, c, s)
        _turn(left, i, old_c, old_s)
    h = d[last] * c
    d[last] = h * old_c
    e[last - 1] = h * old_s


@strict_kernel
def _up_without_shift(d: Array, e: Array, first: int, last: int, left: Array, right: Array) -> None:
    c, old_c, old_s = 1.0, 1.0, 0.0
    for i in range(last, first, -1):
        c, s, r = _rotation(d[i] * c, e[i - 1])
        if i < last:
            e[i] = old_s * r
        old_c, old_s, d[i] = _rotation(old_c * r, d[i - 1] * s)
        _turn(right, i - 1, old_c, -old_s)
        _turn(left, i - 1, c, -s)
    h = d[first] * c
    d[first] = h * old_c
    e[first] = h * old_s


@strict_kernel
def _down(
    d: Array, e: Array, first: int, last: int, shift: float, left: Array, right: Array
) -> None:
    f = (abs(d[first]) - shift) * (math.copysign(1.0, d[first]) + shift / d[first])
    g = e[first]
    for i in range(first, last):
        c, s, r = _rotation(f, g)
        if i > first:
            e[i - 1] = r
        f = c * d[i] + s * e[i]
        e[i] = c * e[i] - s * d[i]
        g = s * d[i + 1]
        d[i + 1] = c * d[i + 1]
        _turn(right, i, c, s)
        c, s, d[i] = _rotation(f, g)
        f = c * e[i] + s * d[i + 1]
        d[i + 1] = c * d[i + 1] - s * e[i]
        if i < last - 1:
            g = s * e[i + 1]
            e[i + 1] = c * e[i + 1]
        _turn(left, i, c, s)
    e[last - 1] = f


@strict_kernel
def _up(d: Array, e: Array, first: int, last: int, shift: float, left: Array, right: Array) -> None:
    f = (abs(d[last]) - shift) * (math.copysign(1.0, d[last]) + shift / d[last])
    g = e[last - 1]
    for i in range(last, first, -1):
        c, s, r = _rotation(f, g)
        if i < last:
            e[i] = r
        f = c * d[i] + s * e[i - 1]
        e[i - 1] = c * e[i - 1] - s * d[i]
        g = s * d[i - 1]
        d[i - 1] = c * d[i - 1]
        _turn(left, i - 1, c, -s)
        c, s, d[i] = _rotation(f, g)
        f = c * e[i - 1] + s * d[i - 1]
        d[i - 1] = c * d[i - 1] - s * e[i - 1]
        if i > first + 1:
            g = s * e[i - 2]
            e[i - 2] = c * e[i - 2]
        _turn(right, i - 1, c, -s)
    e[first] = f


@strict_kernel
def _lower_value(f: float, g: float, h: float) -> float:
    """The smaller singular value of [[f, g], [0, h]], to relative precision."""
    f, g, h = abs(f), abs(g), abs(h)
    low, high = min(f, h), max(f, h)
    if low == 0.0:
        return 0.0
    a = 1.0 + low / high
    b = (high - low) / high
    if g < high:
        square = (g / high) ** 2
        return low * (2.0 / (math.sqrt(a * a + square) + math.sqrt(b * b + square)))
    ratio = high / g
    if ratio == 0.0:
        return low * high / g
    c = 1.0 / (math.sqrt(1.0 + (a * ratio) ** 2) + math.sqrt(1.0 + (b * ratio) ** 2))
    return 2.0 * (low * c * ratio)


@strict_kernel
def _two_by_two(f: float, g: float, h: float) -> tuple[float, float, float, float, float, float]:
    """SVD of [[f, g], [0, h]]: smaller and larger value (with signs), sin and cos right, left.

    [[cl, sl], [−sl, cl]] [[f, g], [0, h]] [[cr, −sr], [sr, cr]] = diag(larger, smaller), to
    relative precision, as in LAPACK's `dlasv2`.
    """
    ft, ht, gt = f, h, g
    swap = abs(h) > abs(f)
    if swap:
        ft, ht = ht, ft
    fa, ha, ga = abs(ft), abs(ht), abs(gt)
    # Which of f, g, h is the largest: 1, 2, 3.
    at = 3 if swap else 1
    if ga == 0.0:
        low, high = ha, fa
        cl, cr, sl, sr = 1.0, 1.0, 0.0, 0.0
    else:
        if ga > fa:
            at = 2
        if ga > fa and fa / ga < _EPS:
            high = ga
            low = fa / (ga / ha) if ha > 1.0 else fa / ga * ha
            cl, sl, sr, cr = 1.0, ht / gt, 1.0, ft / gt
        else:
            difference = fa - ha
            l = 1.0 if difference == fa else difference / fa
            m = gt / ft
            t = 2.0 - l
            mm = m * m
            s = math.sqrt(t * t + mm)
            r = abs(m) if l == 0.0 else math.sqrt(l * l + mm)
            a = 0.5 * (s + r)
            low, high = ha / a, fa * a
            if mm == 0.0:
                # m is tiny.
                if l == 0.0:
                    t = math.copysign(2.0, ft) * math.copysign(1.0, gt)
                else:
                    t = gt / math.copysign(difference, ft) + m / t
            else:
                t = (m / (s + t) + m / (r + l)) * (1.0 + a)
            l = math.sqrt(t * t + 4.0)
            cr, sr = 2.0 / l, t / l
            cl = (cr + sr * m) / a
            sl = ht / ft * sr / a
    if swap:
        cl, sl, cr, sr = sr, cr, sl, cl
    if at == 1:
        sign = math.copysign(1.0, cr) * math.copysign(1.0, cl) * math.copysign(1.0, f)
    elif at == 2:
        sign = math.copysign(1.0, sr) * math.copysign(1.0, cl) * math.copysign(1.0, g)
    else:
        sign = math.copysign(1.0, sr) * math.copysign(1.0, sl) * math.copysign(1.0, h)
    high = math.copysign(high, sign)
    low = math.copysign(low, sign * math.copysign(1.0, f) * math.copysign(1.0, h))
    return low, high, sr, cr, sl, cl
