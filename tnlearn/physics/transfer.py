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

Four ways, each handing on what it cannot settle: two offsets compare their sums of
logarithms; on short rings the compounds of T, with a bound of their rounding, tell the
count (`compound`); far from a transition one coefficient of det(λA − B) outweighs all
others and tells it (Pellet's theorem); the rest is squared.

In the squarings all arrays carry the samples last: the algebra of tiny matrices is
done for all samples at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.structure import for_kernel

__all__ = ["lyapunov_winding"]

Array = NDArray[Any]

# Each squaring doubles the distance of an eigenvalue from the circle, in logs;
# 45 of them resolve |λ| = 1 ± 1e-12, about where rounding has moved λ anyway.
_SQUARINGS = 45
_SETTLED = 1e-7
# Numbers in the working array of one chunk of samples: about what a cache holds.
_CHUNK = 2**17
# Cells up to which the bound of the compounds pays, of real and of complex rings.
_SHORT = {"f": 128, "c": 64}


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
    samples, cells = hoppings[low].shape
    count = np.empty(samples)
    settled = np.zeros(samples, dtype=bool)
    if len(hoppings) == 2 and high - low == 1:
        count, settled = _two_offsets(hoppings, low, high)
    elif 2 <= high - low <= 4 and cells <= _SHORT[np.result_type(0.0, *hoppings.values()).kind]:
        from tnlearn.physics.compound import ring_powers

        power = np.empty(samples, dtype=np.int64)
        ring_powers(_listed(hoppings, low, high), high, power)
        settled = power >= 0
        count[:] = high - power
    open_ones = np.flatnonzero(~settled)
    chunk = max(1, _CHUNK // ((1 + 6 * (high - low) ** 2) * max(1, cells // 64)))
    for start in range(0, len(open_ones), chunk):
        some = open_ones[start : start + chunk]
        part: Any = slice(None) if len(some) == samples else some
        count[part], settled[part] = _count({m: t[part] for m, t in hoppings.items()}, low, high)
    return count, settled


def _count(hoppings: Mapping[int, Array], low: int, high: int) -> tuple[Array, Array]:
    r = high - low
    from tnlearn.physics.pencil import dominant_power, ring_pencil

    bonds = _stacked(hoppings, low, high)
    samples, _, cells = bonds.shape
    if r == 0:
        # One offset: det h = ± e^{i m φ} Π t_m, no exponent to count.
        alive = (bonds != 0).all(axis=(1, 2))
        return np.where(alive, float(low), np.nan), alive
    alive = np.empty(samples, dtype=bool)
    pencil = np.empty((samples, r, 2 * r), dtype=bonds.dtype)
    power = np.empty(samples, dtype=np.int64)
    ring_pencil(bonds, high, pencil, alive)
    dominant_power(pencil, power)
    outside = (r - power).astype(float)
    settled = power >= 0
    rest = np.flatnonzero(~settled)
    if len(rest):
        a = np.moveaxis(pencil[rest, :, :r], 0, -1)
        b = -np.moveaxis(pencil[rest, :, r:], 0, -1)
        outside[rest], settled[rest] = _settle(a, b, cells)
    return np.where(alive, low + outside, np.nan), settled & alive


def _settle(a: Array, b: Array, cells: int) -> tuple[Array, Array]:
    """The count where no coefficient of det(λA − B) dominates: near a transition, or short."""
    # Exponents add up over cells: on a short ring nothing is settled in fewer turns.
    turns = 1
    while turns * cells < 16:
        a, b = _square(a, b)
        turns *= 2
    return _divide(a, b)


def _two_offsets(hoppings: Mapping[int, Array], low: int, high: int) -> tuple[Array, Array]:
    """Of rings with two neighbouring offsets: the one exponent compares Σ ln|t_m|."""
    from tnlearn.physics.pencil import log_sums

    samples = len(hoppings[low])
    lower, upper = np.empty((2, samples))
    for m, sums in ((low, lower), (high, upper)):
        t = hoppings[m]
        log_sums(for_kernel(np.abs(t) if np.iscomplexobj(t) else t), sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = upper - lower
        size = np.abs(np.nan_to_num(upper, posinf=0, neginf=0)) + np.abs(
            np.nan_to_num(lower, posinf=0, neginf=0)
        )
        settled = np.abs(difference) > 1e-11 * (1.0 + size)
    return np.where(difference > 0, float(high), float(low)), settled


def _stacked(hoppings: Mapping[int, Array], low: int, high: int) -> Array:
    """The bonds t_m(y), m = high … low: (samples, r + 1, cells)."""
    samples, cells = next(iter(hoppings.values())).shape
    kind = np.result_type(*[t.dtype for t in hoppings.values()])
    bonds = np.zeros((samples, high - low + 1, cells), dtype=kind)
    for m, t in hoppings.items():
        bonds[:, high - m] = t
    return bonds


def _listed(hoppings: Mapping[int, Array], low: int, high: int) -> tuple[Array, ...]:
    """The same as a tuple of arrays of one type, without a copy where they have it already."""
    kind = np.result_type(np.float64, *[t.dtype for t in hoppings.values()])
    none = np.zeros(next(iter(hoppings.values())).shape)
    return tuple(for_kernel(hoppings.get(m, none), kind) for m in range(high, low - 1, -1))


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
