"""The counts of `tnlearn.physics.lyapunov` as a compiled kernel, eight samples side by side.

Short real rings of range up to 3 need no elimination.  With the rows b_0 v(x−m_max) + … +
b_r v(x−m_min) = 0, b_j = t_{m_max−j}, the step of the amplitudes is a companion matrix T_x with
last row −(b_0 … b_{r−1})/b_r, and with T = Π T_x

    det(λ − T) Π b_r = Σ_j c_j λ^j,   c_r = Π b_r,   c_0 = ± Π b_0,
    c_{r−1} = −tr Π b_r T_x,          c_1 = ∓ tr Π b_0 T_x⁻¹,

products of bonds only, the last being the one before it of the mirror image.  What rounding
does to a trace is bounded by the same product of moduli.  That bound grows exponentially with
the cells: where it leaves Pellet's theorem a choice the ring is handed back.

Source: Higham, "Accuracy and Stability of Numerical Algorithms", section 3.3, for running
error bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.kernels import LANES, kernel, load, size, store

__all__ = ["ring_powers"]

Array = NDArray[Any]

_EPS = float(np.finfo(float).eps)
# Added to the bounds in each step: what underflow may have cost, and more.
_TINY = 1e-290
_SQUARINGS = 40


@kernel
def ring_powers(bonds: Array, high: int, power: Array) -> None:
    """The j for which just j eigenvalues of T lie inside the unit circle, or −1 where open.

    bonds (samples, r + 1, cells) real, r = 2 or 3: t_m(y) for m = high … low; power (samples,).
    """
    samples, bands, cells = bonds.shape
    r = bands - 1
    # [cell, b_0 … b_3, lane]: range 2 is range 3 with b_0 = 0 in front, one more eigenvalue at 0.
    shift = 3 - r
    near = np.zeros(cells * 4 * LANES)
    mirrored = np.zeros(cells * 4 * LANES)
    traces = np.zeros(4 * LANES)
    bounds = np.zeros(4 * LANES)
    c = np.zeros(4)
    squared = np.zeros(4)
    rounding = 5.0 * (cells + 2) * _EPS
    for start in range(0, samples, LANES):
        count = min(LANES, samples - start)
        for b in range(bands):
            for x in range(cells):
                y = (x - high + b) % cells
                at = (x * 4 + b + shift) * LANES
                mirror = ((cells - 1 - x) * 4 + 3 - b - shift) * LANES
                for k in range(count):
                    bond = bonds[start + k, b, y]
                    near[at + k] = bond
                    mirrored[mirror + k] = bond
        _companion_trace(near, cells, traces, bounds, 2)
        _companion_trace(mirrored, cells, traces, bounds, 1)
        for k in range(count):
            c[0] = c[3] = 1.0
            for x in range(cells):
                c[0] *= near[x * 4 * LANES + k]
                c[3] *= near[(x * 4 + 3) * LANES + k]
            worst = max(abs(c[0]), abs(c[3]), bounds[LANES + k], bounds[2 * LANES + k])
            flip = 1.0 - 2.0 * (cells % 2)
            c[0] *= -flip
            c[1] = flip * traces[LANES + k]
            c[2] = -traces[2 * LANES + k]
            power[start + k] = max(_dominant(c, squared, rounding * worst + _TINY) - shift, -1)


@kernel
def _companion_trace(near: Array, cells: int, traces: Array, bounds: Array, at: int) -> None:
    """tr Π_x [[0, b_3, 0], [0, 0, b_3], [−b_0, −b_1, −b_2]], and the same sum of moduli."""
    none = load(near, 0) - load(near, 0)
    total = none
    for column in range(3):
        x = none + (1.0 if column == 0 else 0.0)
        y = none + (1.0 if column == 1 else 0.0)
        z = none + (1.0 if column == 2 else 0.0)
        for cell in range(cells):
            row = cell * 4 * LANES
            b3 = load(near, row + 3 * LANES)
            last = load(near, row) * x + load(near, row + LANES) * y
            last = last + load(near, row + 2 * LANES) * z
            x, y, z = b3 * y, b3 * z, -last
        if column == 0:
            total = total + x
        elif column == 1:
            total = total + y
        else:
            total = total + z
    x = y = z = none + 1.0
    for cell in range(cells):
        row = cell * 4 * LANES
        b3 = size(load(near, row + 3 * LANES))
        last = size(load(near, row)) * x + size(load(near, row + LANES)) * y + _TINY
        last = last + size(load(near, row + 2 * LANES)) * z
        x, y, z = b3 * y + _TINY, b3 * z + _TINY, last
    store(traces, at * LANES, total)
    store(bounds, at * LANES, x + y + z)


@kernel
def _dominant(c: Array, squared: Array, error: float) -> int:
    """As `tnlearn.physics.lyapunov.dominant_power`, of one sample; c is used up."""
    bands = len(c)
    for _ in range(_SQUARINGS):
        total, largest, at = 0.0, 0.0, -1
        for j in range(bands):
            modulus = abs(c[j])
            total += modulus
            if modulus > largest:
                largest, at = modulus, j
        slack = bands * error
        if largest - slack > (1.0 + 1e-6) * (total - largest + slack):
            return at
        # (Also for NaN and infinity.)
        if not slack < 0.1 * largest < np.inf:
            break
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
