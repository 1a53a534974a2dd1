"""The integer of a sample from its transfer matrix, without ever inverting a hopping.

h v = 0 reads, row by row, Σ_m t_m(x−m) v(x−m) = 0.  Once around the ring this
relates the r = m_max − m_min amplitudes before the seam to those after it,
V' = T V, and det h(z = e^{iφ}) vanishes where 1/z is an eigenvalue of T.  So

    W = m_min + (number of eigenvalues of T outside the unit circle),

the number of growing Lyapunov exponents, shifted.  T itself needs 1/t_{m_min}
and overflows; instead the relation is kept as a pencil A V' = B V with unitary
eliminations only, and the eigenvalues are split by squaring the pencil (an
inverse-free spectral division, Bai, Demmel, Gu, doi:10.1007/s002110050264).  A
vanishing hopping is then an eigenvalue at 0 or ∞ and no special case.

All arrays here carry the samples last: the algebra of tiny matrices is done for
all samples at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["lyapunov_winding"]

Array = NDArray[Any]

# Each squaring doubles the distance of an eigenvalue from the circle, in logs;
# 45 of them resolve |λ| = 1 ± 1e-12, about where rounding has moved λ anyway.
_SQUARINGS = 45
_SETTLED = 1e-7
# Numbers in the working array of one chunk of samples: about what a cache holds.
_CHUNK = 2**17


def lyapunov_winding(hoppings: Mapping[int, Array]) -> tuple[Array, Array]:
    """Winding number of rings by counting growing Lyapunov exponents.

    For the SSH chain this is the sign of Σ ln|t_1| − Σ ln|t_0|.  Costs O(L r³).

    Parameters
    ----------
    hoppings : dict of offset m to (samples, cells) array
        t_m(y) on the whole ring.

    Returns
    -------
    count : (samples,) float array
        A whole number where settled; else m_min plus the unfinished trace of the
        spectral projector; NaN where det h vanishes at every flux.
    settled : (samples,) bool array
        False where an exponent is zero to rounding (gap closed on the ring).

    Source: W from Lyapunov exponents, arXiv:1311.5233; docs/physics.md.
    """
    low, high = min(hoppings), max(hoppings)
    samples = len(hoppings[low])
    count = np.empty(samples)
    settled = np.empty(samples, dtype=bool)
    chunk = max(1, _CHUNK // (1 + 6 * (high - low) ** 2))
    for start in range(0, samples, chunk):
        part = slice(start, start + chunk)
        count[part], settled[part] = _count({m: t[part] for m, t in hoppings.items()}, low, high)
    return count, settled


def _count(hoppings: Mapping[int, Array], low: int, high: int) -> tuple[Array, Array]:
    r = high - low
    rows = _rows(hoppings, low, high)
    cells, _, samples = rows.shape
    scale = np.abs(rows).max(axis=1)
    alive = (scale > 0).all(axis=0)
    if r == 0:
        # One offset: det h = ± e^{i m φ} Π t_m, no exponent to count.
        return np.where(alive, float(low), np.nan), alive
    rows /= np.where(scale > 0, scale, 1.0)[:, None]
    pencil = np.zeros((r, 2 * r, samples), dtype=rows.dtype)
    pencil[np.arange(r), np.arange(r)] = 1.0
    pencil[np.arange(r), r + np.arange(r)] = -1.0
    # Columns: the moving amplitudes v(x') … v(x'+r−1), then the r before the seam.
    for row in rows:
        stack = np.zeros((r + 1, 2 * r + 1, samples), dtype=rows.dtype)
        stack[:r, :r] = pencil[:, :r]
        stack[:r, r + 1 :] = pencil[:, r:]
        stack[r, : r + 1] = row
        pencil = _eliminate(stack)
    a, b = pencil[:, :r], -pencil[:, r:]
    # Exponents add up over cells: on a short ring nothing is settled in fewer turns.
    turns = 1
    while turns * cells < 16:
        a, b = _square(a, b)
        turns *= 2
    outside, settled = _divide(a, b)
    return np.where(alive, low + outside, np.nan), settled & alive


def _rows(hoppings: Mapping[int, Array], low: int, high: int) -> Array:
    """Row x of h as coefficients of v(x − high), …, v(x − low): (cells, r+1, samples)."""
    first = next(iter(hoppings.values()))
    samples, cells = first.shape
    kind = np.result_type(*[t.dtype for t in hoppings.values()])
    rows = np.zeros((cells, high - low + 1, samples), dtype=kind)
    for m, t in hoppings.items():
        rows[:, high - m] = np.roll(t, m, axis=1).T
    return rows


def _eliminate(stack: Array) -> Array:
    """Rotate the rows so that only one still knows column 0; drop that row and column."""
    column = stack[:, 0]
    norm = np.sqrt((np.abs(column) ** 2).sum(axis=0))
    head = np.abs(column[0])
    phase = np.where(head > 0, column[0] / np.where(head > 0, head, 1.0), 1.0)
    mirror = column.copy()
    mirror[0] += phase * norm
    half = norm * (norm + head)
    weight = (mirror.conj()[:, None] * stack[:, 1:]).sum(axis=0)
    weight /= np.where(half > 0, half, 1.0)
    rest: Array = stack[1:, 1:] - mirror[1:, None] * weight
    return rest


def _divide(a: Array, b: Array) -> tuple[Array, Array]:
    """Number of λ with |λ| > 1 in A V' = B V, V' = λV, and whether each λ chose a side."""
    r, _, samples = a.shape
    outside = np.full(samples, np.nan)
    settled = np.zeros(samples, dtype=bool)
    todo = np.arange(samples)
    for _ in range(_SQUARINGS):
        a, b = _square(a, b)
        projector = _projector(a, b)
        trace = np.einsum("sii->s", projector).real
        defect = np.abs(projector @ projector - projector).max(axis=(1, 2))
        size = 1.0 + np.abs(projector).max(axis=(1, 2)) ** 2
        done = (defect < _SETTLED * size) & (np.abs(trace - np.round(trace)) < _SETTLED * size)
        outside[todo] = r - np.where(done, np.round(trace), trace)
        settled[todo[done]] = True
        if done.all():
            break
        todo, a, b = todo[~done], a[..., ~done], b[..., ~done]
    return outside, settled


def _square(a: Array, b: Array) -> tuple[Array, Array]:
    """The pencil of two turns: from A V₁ = B V₀ and A V₂ = B V₁, eliminate V₁."""
    r, _, samples = a.shape
    stack = np.zeros((2 * r, 3 * r, samples), dtype=np.result_type(a, b))
    stack[:r, :r] = a
    stack[:r, r : 2 * r] = -b
    stack[r:, :r] = -b
    stack[r:, 2 * r :] = a
    for _ in range(r):
        stack = _eliminate(stack)
    size = np.abs(stack).max(axis=(0, 1))
    stack /= np.where(size > 0, size, 1.0)
    return stack[:, r:], -stack[:, :r]


def _projector(a: Array, b: Array) -> Array:
    """(A + B)⁻¹A, samples first: eigenvalues 1/(1 + λ), so the projector on |λ| < 1 in the end."""
    total = np.moveaxis(a + b, -1, 0)
    part = np.moveaxis(a, -1, 0)
    try:
        found: Array = np.linalg.solve(total, part)
    except np.linalg.LinAlgError:
        found = np.full(part.shape, np.nan, dtype=part.dtype)
        for k, (matrix, right) in enumerate(zip(total, part, strict=True)):
            try:
                found[k] = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                continue
    return found
