"""The integer of a ring from its Lyapunov exponents, without ever inverting a hopping.

h v = 0 reads, row by row, Σ_m t_m(x−m) v(x−m) = 0.  Once around the ring this
relates the r = m_max − m_min amplitudes before the seam to those after it,
V' = T V, and det h(z = e^{iφ}) vanishes where 1/z is an eigenvalue of T.  So

    W = m_min + (number of eigenvalues of T outside the unit circle),

the number of growing Lyapunov exponents, shifted.  T itself needs 1/t_{m_min}
and overflows; instead the relation is kept as a pencil A V' = B V, by unitary
eliminations only.  A vanishing hopping is then an eigenvalue at 0 or ∞ and no
special case.

Three ways, each handing on what it cannot settle: two neighbouring offsets compare their
sums of logarithms; where one coefficient of det(λA − B) outweighs all others, or does so
after some squarings of its roots, it tells the count (theorems of Pellet and Graeffe); the
rest is split by squaring the pencil itself (an inverse-free spectral division, Bai, Demmel,
Gu, doi:10.1007/s002110050264), and settled only if no ring within the rounding errors has
another count: if h(φ) stays regular by more than that at every flux.

Arrays of the algebra carry the samples last: it is done for all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.gaps import chain_gaps
from tnlearn.physics.memory import kernels_pay

__all__ = ["determinant", "lyapunov_winding", "ring_pencil", "stacked"]

Array = NDArray[Any]

_EPS = float(np.finfo(float).eps)
# Each squaring doubles the distance of an eigenvalue from the circle, in logarithms;
# 45 of them resolve |λ| = 1 ± 1e-12, about where rounding has moved λ anyway.
_SQUARINGS = 45
_GRAEFFE = 8
_SETTLED = 1e-7
# Samples that are worked side by side, fewer where they are long; and pieces of few samples.
_CHUNK = 2048
_PIECES = 256
# Cells up to which the bound on the rounding of a trace of a product of bonds pays.
_SHORT = 128
# Up to here a determinant is expanded in minors: 2^r of them.
_MINORS = 5


def lyapunov_winding(
    hoppings: Mapping[int, Array], compiled: bool | None = None
) -> tuple[Array, Array]:
    """Winding number of rings by counting growing Lyapunov exponents.

    For the SSH chain this is the sign of Σ ln|t_1| − Σ ln|t_0|.  Costs O(L r³).

    Parameters
    ----------
    hoppings : dict of offset m to (samples, cells) array
        t_m(y) on the whole ring.
    compiled : bool, optional
        Whether short real rings of range 2 and 3 go through the kernel of
        `tnlearn.physics.pencil` first; None: where that pays.

    Returns
    -------
    count : (samples,) float array
        A whole number where settled; else m_min plus the unfinished trace of the
        spectral projector; NaN where det h vanishes at every flux.
    settled : (samples,) bool array
        False where an exponent is zero to rounding (gap closed on the ring, or a
        zero of det h on the unit circle).

    Source: W from Lyapunov exponents, arXiv:1311.5233; docs/physics.md.
    """
    low, high = min(hoppings), max(hoppings)
    r = high - low
    samples, cells = hoppings[low].shape
    if r == 0:
        # One offset: det h = ± e^{i m φ} Π t_m, no exponent to count.
        alive = np.all(hoppings[low] != 0, axis=1)
        return np.where(alive, float(low), np.nan), alive
    count = np.empty(samples)
    settled = np.zeros(samples, dtype=bool)
    rest = np.arange(samples)
    if r == 1 and len(hoppings) == 2:
        count, settled = _two_offsets(hoppings, low, high)
        rest = np.flatnonzero(~settled)
    kind = np.result_type(*hoppings.values()).kind
    if not (2 <= r <= 3 and cells <= _SHORT and kind != "c"):
        compiled = False
    elif compiled is None:
        # (Measured, in seconds: a row of the elimination.)
        calls = -(-len(rest) // _CHUNK)
        compiled = kernels_pay(cells * (4e-5 * calls + 3e-8 * r * r * len(rest)))
    chunk = max(1, _CHUNK // max(1, cells // 64))
    for start in range(0, len(rest), chunk):
        some = rest[start : start + chunk]
        part = slice(start, start + len(some)) if len(rest) == samples else some
        bonds = stacked({m: t[part] for m, t in hoppings.items()}, low, high)
        count[part], settled[part] = _count(bonds, low, high, compiled)
    return count, settled


def _two_offsets(hoppings: Mapping[int, Array], low: int, high: int) -> tuple[Array, Array]:
    """Of rings with two neighbouring offsets: the one exponent compares Σ ln|t_m|."""
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = (np.log(np.abs(hoppings[m])).sum(axis=1) for m in (low, high))
        difference = upper - lower
        size = np.where(np.isfinite(upper), np.abs(upper), 0.0)
        size += np.where(np.isfinite(lower), np.abs(lower), 0.0)
        settled = np.abs(difference) > 1e-11 * (1.0 + size)
    return np.where(difference > 0, float(high), float(low)), settled


def stacked(hoppings: Mapping[int, Array], low: int, high: int) -> Array:
    """The bonds t_m(y), m = high … low: (samples, r + 1, cells)."""
    samples, cells = next(iter(hoppings.values())).shape
    kind = np.result_type(np.float64, *[t.dtype for t in hoppings.values()])
    bonds = np.zeros((samples, high - low + 1, cells), dtype=kind)
    for m, t in hoppings.items():
        bonds[:, high - m] = t
    return bonds


def _count(bonds: Array, low: int, high: int, compiled: bool) -> tuple[Array, Array]:
    r, cells = high - low, bonds.shape[2]
    power = np.full(len(bonds), -1)
    if compiled:
        from tnlearn.physics.pencil import ring_powers

        ring_powers(bonds, high, power)
    outside = (r - power).astype(float)
    settled = power >= 0
    rest = np.flatnonzero(~settled)
    if len(rest):
        a, b, alive = ring_pencil(bonds if len(rest) == len(bonds) else bonds[rest], high)
        power = dominant_power(a, b, cells)
        outside[rest] = np.where(alive, r - power, np.nan)
        settled[rest] = alive & (power >= 0)
        rest, open_ones = rest[alive & (power < 0)], alive & (power < 0)
        if len(rest):
            a, b = a[..., open_ones], b[..., open_ones]
            outside[rest], settled[rest] = _divide(a, b, cells)
            settled[rest] &= _regular(bonds[rest], high, a, b)
    return low + outside, settled


def ring_pencil(bonds: Array, high: int) -> tuple[Array, Array, Array]:
    """The pencil (A, B) of one turn around each ring, by unitary eliminations.

    bonds (samples, r + 1, cells): t_m(y) for m = high, high − 1 … low, so that row x
    of h has the coefficients t_m(x − m) of v(x − high) … v(x − low); each row is
    scaled to a largest modulus of 1.  Of few samples pieces of the rings are worked side by side,
    and joined in pairs.

    Returns
    -------
    a, b : (r, r, samples) arrays
    alive : (samples,) bool array
        False where a row of h vanishes.
    """
    samples, bands, cells = bonds.shape
    r = bands - 1
    rows = np.empty((cells, bands, samples), dtype=bonds.dtype)
    for k in range(bands):
        rows[:, k] = np.roll(bonds[:, k], high - k, axis=1).T
    top = np.abs(rows).max(axis=1, keepdims=True)
    rows /= np.where(top > 0, top, 1.0)
    pieces = 1
    while 2 * pieces * samples <= _PIECES and 32 * pieces <= cells:
        pieces *= 2
    length = cells // pieces
    sides: Array = rows[: pieces * length].reshape(pieces, length, bands, samples)
    sides = sides.transpose(1, 2, 0, 3).reshape(length, bands, pieces * samples)
    start = np.zeros((r, 2 * r, pieces * samples), dtype=bonds.dtype)
    start[range(r), range(r)] = 1.0
    start[range(r), range(r, 2 * r)] = -1.0
    part = _turned(start, sides).reshape(r, 2 * r, pieces, samples)
    while part.shape[2] > 1:
        first, then = (part[:, :, k::2].reshape(r, 2 * r, -1) for k in (0, 1))
        part = _joined(first, then).reshape(r, 2 * r, -1, samples)
    part = _turned(part[:, :, 0], rows[pieces * length :])
    return part[:, :r], -part[:, r:], (top > 0).all(axis=(0, 1))


def _turned(part: Array, rows: Array) -> Array:
    """[A | −B] of pencils (r, 2 r, samples) and then some rows (…, r + 1, samples) more."""
    r, _, samples = part.shape
    # The window of r + 1 amplitudes, and those before the first row.
    stack = np.zeros((r + 1, 2 * r + 1, samples), dtype=part.dtype)
    for row in rows:
        stack[:r, :r], stack[:r, r + 1 :] = part[:, :r], part[:, r:]
        stack[r, : r + 1] = row
        part = _eliminate(stack)
    return part


def _joined(first: Array, then: Array) -> Array:
    """[A | −B] of two pencils one after the other: A V₁ = B V₀ and A V₂ = B V₁ without V₁."""
    r, _, samples = first.shape
    stack = np.zeros((2 * r, 3 * r, samples), dtype=np.result_type(first, then))
    stack[:r, :r], stack[:r, r : 2 * r] = first[:, :r], first[:, r:]
    stack[r:, :r], stack[r:, 2 * r :] = then[:, r:], then[:, :r]
    for _ in range(r):
        stack = _eliminate(stack)
    return np.concatenate([stack[:, r:], stack[:, :r]], axis=1)


def _eliminate(stack: Array) -> Array:
    """Reflect the rows so that only one still knows column 0; drop that row and column."""
    column = stack[:, 0]
    head = np.abs(column[0])
    norm = np.sqrt((np.abs(column) ** 2).sum(axis=0))
    mirror = column.copy()
    mirror[0] += np.where(head > 0, column[0] / np.where(head > 0, head, 1.0), 1.0) * norm
    half = norm * (norm + head)
    weight = np.einsum("as,abs->bs", mirror.conj(), stack[:, 1:])
    weight /= np.where(half > 0, half, 1.0)
    rest: Array = stack[1:, 1:] - mirror[1:, None] * weight
    return rest


def dominant_power(a: Array, b: Array, cells: int) -> Array:
    """The j for which one coefficient of det(λA − B) = Σ c_j λ^j outweighs all others, or −1.

    By Pellet's theorem just j roots then lie inside the unit circle, so that r − j
    exponents grow.  Where none does, the roots are squared (Graeffe), as often as a bound on
    the error, carried along from the rounding of the eliminations, allows.
    a, b (r, r, samples); the result (samples,) int.
    """
    c = determinant(a, b)
    scale = (np.abs(a) + np.abs(b)).sum(axis=1).prod(axis=0)
    error = 4 * (cells + 8) * _EPS * scale
    bands, samples = c.shape
    power = np.full(samples, -1)
    todo = np.arange(samples)
    for _ in range(_GRAEFFE + 1):
        size = np.abs(c)
        total, at = size.sum(axis=0), size.argmax(axis=0)
        largest = size.max(axis=0)
        slack = bands * error
        done = largest - slack > (1.0 + 1e-6) * (total - largest + slack)
        power[todo[done]] = at[done]
        left = ~done & (slack < 0.1 * largest)
        if not left.any():
            break
        todo, c, error, total = todo[left], c[:, left], error[left], total[left]
        weight = 1.0 / largest[left]
        c, error, total = c * weight, error * weight + _EPS, total * weight
        squared = np.empty_like(c)
        for j in range(bands):
            acc = c[j] * c[j] * (-1.0) ** j
            for m in range(max(0, 2 * j - bands + 1), j):
                acc += (2.0 * (-1.0) ** m) * c[m] * c[2 * j - m]
            squared[j] = acc
        c = squared
        error = (2.0 * total + bands * error) * error + 8.0 * _EPS * total * total
    return power


def determinant(a: Array, b: Array) -> Array:
    """c_j of det(λA − B) = Σ_j c_j λ^j, (r + 1, samples)."""
    r, _, samples = a.shape
    if r > _MINORS:
        turns = np.exp(2j * np.pi * np.arange(r + 1) / (r + 1))
        matrices = (turns[:, None, None, None] * a - b).transpose(0, 3, 1, 2)
        return np.asarray(np.fft.fft(np.linalg.det(matrices), axis=0) / (r + 1))
    # Minors of the first k rows, by the set of their columns, as polynomials.
    minors: dict[tuple[int, ...], Array] = {(): np.ones((1, samples), dtype=a.dtype)}
    for k in range(r):
        larger = {}
        for columns in combinations(range(r), k + 1):
            acc = np.zeros((k + 2, samples), dtype=np.result_type(a, b))
            for place, column in enumerate(columns):
                below = minors[columns[:place] + columns[place + 1 :]]
                sign = (-1.0) ** (k - place)
                acc[1:] += (sign * a[k, column]) * below
                acc[:-1] -= (sign * b[k, column]) * below
            larger[columns] = acc
        minors = larger
    return minors[tuple(range(r))]


def _divide(a: Array, b: Array, cells: int) -> tuple[Array, Array]:
    """Number of λ with |λ| > 1 in A V' = B V, V' = λV, and whether each λ chose a side."""
    r, _, samples = a.shape
    # Exponents add up over cells: on a short ring nothing is settled in fewer turns.
    turns = 1
    while turns * cells < 16:
        a, b = _square(a, b)
        turns *= 2
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
    """The pencil of two turns, scaled."""
    r = len(a)
    part = np.concatenate([a, -b], axis=1)
    part = _joined(part, part)
    size = np.abs(part).max(axis=(0, 1))
    part /= np.where(size > 0, size, 1.0)
    return part[:, :r], -part[:, r:]


def _projector(a: Array, b: Array) -> Array:
    """(A + B)⁻¹A, samples first: eigenvalues 1/(1 + λ), so the projector on |λ| < 1 in the end."""
    return _solve(np.moveaxis(a + b, -1, 0), np.moveaxis(a, -1, 0))


def _solve(matrix: Array, right: Array) -> Array:
    """matrix⁻¹ right of each sample; NaN where it is singular."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        answer = np.full(right.shape, np.nan, dtype=np.result_type(matrix, right))
        for k in range(len(matrix)):
            try:
                answer[k] = np.linalg.solve(matrix[k], right[k])
            except np.linalg.LinAlgError:
                continue
        return answer


def _regular(bonds: Array, high: int, a: Array, b: Array) -> Array:
    """Whether h(φ) is regular by more than rounding at every flux.

    Looked at where the eigenvalues of the pencil point to, since a ring within the rounding
    errors has a zero of det h on the circle only near them.
    """
    samples, bands, cells = bonds.shape
    a, b = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    # λA − B = λ(A − ωB) + (λω − 1) B, at a point ω where A − ωB is regular as a rule.
    omega = np.exp(2.39996j)
    mu = _solve(a - omega * b, b.astype(complex))
    known = np.asarray(np.isfinite(mu).all(axis=(1, 2)))
    mu = np.linalg.eigvals(np.where(known[:, None, None], mu, 0.0))
    fluxes = -np.angle(mu * np.conj(1.0 + omega * mu))
    least = np.empty(samples)
    for k in range(samples):
        hoppings = {high - j: bonds[k, j][None] for j in range(bands)}
        least[k] = min(
            chain_gaps(Chains(cells, hoppings, "periodic", flux))[0] for flux in fluxes[k].tolist()
        )
    norm = np.abs(bonds).max(axis=2).sum(axis=1)
    # (The eigenvalues of a multiple zero are off by far more than rounding.)
    return np.asarray(known & (least > 1e3 * cells * _EPS * norm))
