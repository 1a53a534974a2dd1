"""The spectral localizer of open chains: an integer from the inertia of one banded matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.physics.blocks import Bands
from tnlearn.physics.gaps import smallest_singular_value
from tnlearn.physics.kernels import kernel

__all__ = ["KAPPA", "localizer_values"]

Array = NDArray[Any]

# Beyond this growth of the elimination its signs are not to be trusted.
_GROWTH = 1e9
# κ in units of ‖h‖/L.  Measured: at 2 the ends of the chain are out of sight, and the integer is
# that of a few cells in the middle; below 0.1 it feels the edge modes of short chains overlap.
KAPPA = 0.2
_DENSE_CELLS = 1024


def localizer_values(
    bands: Bands, gap: bool = True, strength: float = KAPPA, compiled: bool | None = None
) -> tuple[Array, Array, Array]:
    """Half the signature of the spectral localizer, of open chains.

        W = −½ sig [[κ(X − x_0), h], [h†, −κ(X − x_0)]],   κ = strength · ‖h‖/L

    with x_0 next to the middle of the chain (a quarter cell off, so that no diagonal
    element vanishes).  The signature is that of D in an L D L† elimination in site
    order, O(L w²); of few short chains, and where the elimination grows, it is taken from the
    eigenvalues.

    The integer is that of the surroundings of x_0, as far as states of energy below
    κ|x − x_0| reach.  Moving x_0 by s moves no eigenvalue by more than κ s: so it is the
    integer of the whole middle half of the chain where no eigenvalue lies within κ L/4 of zero,
    and only then is it called clear.  (The bound that proves it from the gap g of the bulk,
    κ ≤ g³/(12 ‖H‖ ‖[X, H]‖) and κ L ≥ 4 g, asks for at least 48 ‖H‖ ‖[X, H]‖/g² cells.)

    Parameters
    ----------
    bands : Bands
    gap : bool
        Whether to find the gap of the localizer, which costs tens of eliminations more.
    compiled : bool, optional
        Whether by eliminations in a compiled kernel, or from the eigenvalues; None: where these
        would take more than a second.

    Returns
    -------
    value : (samples,) float array
        W.
    clear : (samples,) bool array
        Whether the gap of the localizer exceeds κ L/4.  False also where the elimination
        was not stable and the chain too long for eigenvalues, and for a block of zeros.
    size : (samples,) float array
        That gap, its eigenvalue of smallest modulus, in units of the hopping.  NaN if not asked
        for.

    Source: Loring, arXiv:1502.03498; Loring, Schulz-Baldes, arXiv:1802.04517.
    """
    cells, samples = bands.cells, bands.samples
    reach = max(abs(bands.low), abs(bands.high))
    width = 2 * reach + 1
    norm = np.sum([np.abs(t).max(axis=1) for t in bands.bonds.values()], axis=0)
    kappa = strength * np.where(norm > 0, norm, 1.0) / cells
    kind = np.result_type(np.float64, *bands.bonds.values())
    value, size = np.empty((2, samples))
    clear = np.empty(samples, dtype=bool)
    away = np.arange(cells) - (cells - 1) / 2 - 0.25
    if compiled is None:
        # What eigenvalues take longer than a second for.
        compiled = samples * (1e-4 + 2e-8 * cells**3) > 1.0
    step = max(1, 2**22 // cells**2)
    for start in range(0, samples, step):
        part = slice(start, min(start + step, samples))
        shape = (part.stop - start, 2 * cells, width + 1)
        # matrix[s, i, j] = element (i, i − j), in the order A0 B0 A1 B1 …
        matrix = np.zeros(shape, dtype=kind)
        matrix[:, 0::2, 0] = kappa[part, None] * away
        matrix[:, 1::2, 0] = -matrix[:, 0::2, 0]
        for m, t in bands.bonds.items():
            y = np.arange(max(0, -m), cells - max(0, m))
            row, column = 2 * (y + m), 2 * y + 1
            lower = row > column
            matrix[:, row[lower], (row - column)[lower]] = t[part, y[lower]]
            matrix[:, column[~lower], (column - row)[~lower]] = t[part, y[~lower]].conj()
        least = kappa[part] * cells / 4
        if compiled:
            for k in range(len(matrix)):
                at = start + k
                value[at], clear[at], size[at] = _by_inertia(matrix[k], least[k], gap)
        else:
            value[part], clear[part], size[part] = _by_eigenvalues(matrix, least)
    if not gap:
        size[:] = np.nan
    return value, clear & (norm > 0), size


def _by_eigenvalues(matrix: Array, least: Array) -> tuple[Array, Array, Array]:
    samples, size, bands = matrix.shape
    full = np.zeros((samples, size, size), dtype=matrix.dtype)
    for j in range(bands):
        i = np.arange(j, size)
        full[:, i, i - j] = matrix[:, i, j]
    energies = np.linalg.eigvalsh(full)
    smallest = np.abs(energies).min(axis=1)
    return (energies < 0).sum(axis=1) - size / 2, smallest > least, smallest


def _by_inertia(matrix: Array, least: float, gap: bool) -> tuple[float, bool, float]:
    cells, width = len(matrix) // 2, matrix.shape[1]
    negative, growth = inertia(matrix, 0.0)
    within = count_within(matrix, least)
    if growth <= _GROWTH and within >= 0:
        size = np.nan
        if gap:
            below = [matrix[j:, j] for j in range(width)]
            lower = sp.diags_array(below, offsets=list(range(0, -width, -1)), format="csc")
            size = smallest_singular_value(lower + sp.tril(lower, -1).conj().T)
        return float(negative - cells), within == 0, size
    if cells > _DENSE_CELLS:
        return float(negative - cells), False, np.nan
    value, clear, smallest = _by_eigenvalues(matrix[None], np.array([least]))
    return float(value[0]), bool(clear[0]), float(smallest[0])


@kernel
def inertia(matrix: Array, shift: float) -> tuple[int, float]:
    """Number of eigenvalues below `shift` of a banded Hermitian matrix, and the growth."""
    size, bands = matrix.shape
    w = bands - 1
    l = np.zeros((size, bands), dtype=matrix.dtype)
    d = np.empty(size)
    negative = 0
    largest = 1e-300
    for i in range(size):
        for j in range(bands):
            largest = max(largest, abs(matrix[i, j]))
    growth = 0.0
    for i in range(size):
        reach = min(w, i)
        pivot = matrix[i, 0].real - shift
        for j in range(reach, 0, -1):
            acc = matrix[i, j]
            for k in range(j + 1, min(w, reach) + 1):
                if k - j <= w:
                    acc -= l[i, k] * np.conj(l[i - j, k - j])
            # l[i, j] holds L D for now.
            l[i, j] = acc
        for j in range(1, reach + 1):
            scaled = l[i, j] / d[i - j]
            pivot -= (l[i, j] * np.conj(scaled)).real
            l[i, j] = scaled
        if pivot == 0.0:
            pivot = -1e-300
        d[i] = pivot
        growth = max(growth, abs(pivot) / largest)
        if pivot < 0.0:
            negative += 1
    return negative, growth


@kernel
def count_within(matrix: Array, mark: float) -> int:
    """Number of eigenvalues in ±mark, or of a mark some 1e-8 larger; −1 if it is not found.

    (Where a leading minor is singular the elimination tells nothing: elsewhere it is not.)
    """
    for _ in range(5):
        below, less = inertia(matrix, -mark)
        upto, more = inertia(matrix, mark)
        if max(less, more) <= _GROWTH:
            return upto - below
        mark *= 1.0 + 1.3e-8
    return -1
