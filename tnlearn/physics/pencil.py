"""Transfer matrices as pencils, cell by cell: the compiled inner loops of `transfer`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.jit import kernel

__all__ = ["dominant_power", "log_sums", "ring_pencil"]

Array = NDArray[Any]

_LANES = 8
# Few enough that the rounding of the coefficients, doubled each time, cannot matter.
_SQUARINGS = 8
# Bonds multiplied before one logarithm is taken, and the size that each may have: 1e±289 at most.
_BLOCK = 16
_LARGE = 1e17


@kernel
def log_sums(bonds: Array, out: Array) -> None:
    """Σ_y ln|t(y)| of each sample: bonds (samples, cells) real, out (samples,).

    Moduli are multiplied as far as no product can leave the range of the numbers;
    −infinity where a bond is zero.
    """
    samples, cells = bonds.shape
    for i in range(samples):
        total, product = 0.0, 1.0
        for start in range(0, cells, _BLOCK):
            part = bonds[i, start : min(start + _BLOCK, cells)]
            some, small, large = 1.0, 1.0, 1.0
            for k in range(len(part)):
                size = abs(part[k])
                some *= size
                small = size if size < small else small
                large = size if size > large else large
            if small > 1.0 / _LARGE and large < _LARGE:
                product *= some
                if not 1e-15 < product < 1e15:
                    total += np.log(product)
                    product = 1.0
            else:
                for k in range(len(part)):
                    total += np.log(abs(part[k]))
        out[i] = total + np.log(product)


@kernel
def ring_pencil(bonds: Array, high: int, pencil: Array, alive: Array) -> None:
    """The pencil [A | −B] of one turn around each ring, by unitary eliminations.

    bonds (samples, r + 1, cells): t_m(y) for m = high, high − 1 … low, so that row x
    of h has the coefficients t_m(x − m) of v(x − high) … v(x − low); each row is
    scaled to a largest modulus of 1.  Filled: pencil (samples, r, 2 r), and alive
    (samples,), False where a row vanishes.  Eight samples are worked side by side.
    """
    samples, bands, cells = bonds.shape
    r = bands - 1
    wide = 2 * r + 1
    part = np.zeros((r, 2 * r, _LANES), dtype=bonds.dtype)
    stack = np.zeros((r + 1, wide, _LANES), dtype=bonds.dtype)
    weight = np.zeros((wide, _LANES), dtype=bonds.dtype)
    mirror = np.zeros((r + 1, _LANES), dtype=bonds.dtype)
    half = np.zeros(_LANES)
    lives = np.ones(_LANES, dtype=np.bool_)
    for start in range(0, samples, _LANES):
        part[:] = 0.0
        lives[:] = True
        for a in range(r):
            for k in range(_LANES):
                part[a, a, k] = 1.0
                part[a, r + a, k] = -1.0
        for x in range(cells):
            stack[:] = 0.0
            for a in range(r):
                for b in range(r):
                    for k in range(_LANES):
                        stack[a, b, k] = part[a, b, k]
                        stack[a, r + 1 + b, k] = part[a, r + b, k]
            for k in range(_LANES):
                half[k] = 0.0
            for b in range(bands):
                y = (x - high + b) % cells
                for k in range(_LANES):
                    bond = bonds[min(start + k, samples - 1), b, y]
                    stack[r, b, k] = bond
                    half[k] = max(half[k], abs(bond))
            for k in range(_LANES):
                lives[k] = lives[k] and half[k] > 0.0
                half[k] = 1.0 / half[k] if half[k] > 0.0 else 1.0
            for b in range(bands):
                for k in range(_LANES):
                    stack[r, b, k] *= half[k]
            for k in range(_LANES):
                half[k] = 0.0
            for a in range(r + 1):
                for k in range(_LANES):
                    mirror[a, k] = stack[a, 0, k]
                    half[k] += abs(stack[a, 0, k]) ** 2
            for k in range(_LANES):
                norm = np.sqrt(half[k])
                head = abs(mirror[0, k])
                if head > 0.0:
                    mirror[0, k] += mirror[0, k] / head * norm
                else:
                    mirror[0, k] += norm
                half[k] = norm * (norm + head)
                half[k] = 1.0 / half[k] if half[k] > 0.0 else 0.0
            weight[:] = 0.0
            for a in range(r + 1):
                for b in range(1, wide):
                    for k in range(_LANES):
                        weight[b, k] += np.conj(mirror[a, k]) * stack[a, b, k]
            for a in range(r):
                for b in range(2 * r):
                    for k in range(_LANES):
                        part[a, b, k] = (
                            stack[a + 1, b + 1, k] - mirror[a + 1, k] * weight[b + 1, k] * half[k]
                        )
        for k in range(min(_LANES, samples - start)):
            alive[start + k] = lives[k]
            for a in range(r):
                for b in range(2 * r):
                    pencil[start + k, a, b] = part[a, b, k]


@kernel
def dominant_power(pencil: Array, power: Array) -> None:
    """The j for which one coefficient of det(λA − B) = Σ c_j λ^j outweighs all others, or −1.

    By Pellet's theorem just j roots then lie inside the unit circle, so that r − j
    exponents grow.  Where none does, the roots are squared (Graeffe), a few times.
    pencil (samples, r, 2 r) = [A | −B]; power (samples,) int.
    """
    samples, r = pencil.shape[:2]
    points = r + 1
    values = np.empty(points, dtype=np.complex128)
    matrix = np.empty((r, r), dtype=np.complex128)
    turns = np.exp(2j * np.pi * np.arange(points) / points)
    coefficients = np.empty(points, dtype=np.complex128)
    squared = np.empty(points, dtype=np.complex128)
    for i in range(samples):
        for m in range(points):
            z = turns[m]
            for a in range(r):
                for b in range(r):
                    matrix[a, b] = z * pencil[i, a, b] + pencil[i, a, r + b]
            det = 1.0 + 0.0j
            for c in range(r):
                best = c
                for a in range(c + 1, r):
                    if abs(matrix[a, c]) > abs(matrix[best, c]):
                        best = a
                if best != c:
                    det = -det
                    for b in range(r):
                        matrix[c, b], matrix[best, b] = matrix[best, b], matrix[c, b]
                pivot = matrix[c, c]
                det *= pivot
                if abs(pivot) == 0.0:
                    break
                for a in range(c + 1, r):
                    factor = matrix[a, c] / pivot
                    for b in range(c + 1, r):
                        matrix[a, b] -= factor * matrix[c, b]
            values[m] = det
        for j in range(points):
            acc = 0.0j
            for m in range(points):
                acc += values[m] * np.conj(turns[j * m % points])
            coefficients[j] = acc / points
        power[i] = -1
        for step in range(_SQUARINGS + 1):
            total, largest, at = 0.0, 0.0, -1
            for j in range(points):
                size = abs(coefficients[j])
                total += size
                if size > largest:
                    largest, at = size, j
            # The first time well above the rounding of determinants of order one.
            if step == 0 and not largest > 1e-7:
                break
            if largest > (1.0 + 1e-6) * (total - largest):
                power[i] = at
                break
            for j in range(points):
                acc = 0.0j
                for m in range(max(0, 2 * j - r), min(r, 2 * j) + 1):
                    sign = 1.0 - 2.0 * (m % 2)
                    acc += sign * coefficients[m] * coefficients[2 * j - m]
                squared[j] = acc / (largest * largest)
            for j in range(points):
                coefficients[j] = squared[j]
