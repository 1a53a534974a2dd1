"""The real-space winding number: by its formula, and of open chains in linear time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.geometry import displacement, kept_cells
from tnlearn.physics.memory import check_memory
from tnlearn.physics.structure import Bands, for_kernel
from tnlearn.physics.zolotarev import pole_count, poles

__all__ = [
    "TOLERANCE",
    "Labels",
    "banded_applies",
    "banded_rswn",
    "bidiagonal_rswn",
    "check_threads",
    "check_tolerance",
    "in_threads",
    "rswn_values",
    "svd_error",
]

Array = NDArray[Any]

# Below what the four networks are compared to; few poles more than for 1e-11.
TOLERANCE = 1e-12
# Largest chain for which the dense SVD is a way out.
DENSE_CELLS = 4096
# Below this the dense SVD of a banded block is as good.
BANDED_CELLS = 64
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Labels:
    """Winding numbers of a batch, with gap, error bound and flag, before rounding: (samples,)."""

    value: Array
    gap: Array
    error: Array
    sound: Array


def check_tolerance(tolerance: Any) -> float:
    """Return the tolerance as a float in [1e-13, 0.1], or raise `ConfigError`."""
    try:
        number = float(tolerance)
    except (TypeError, ValueError):
        number = float("nan")
    if not 1e-13 <= number <= 0.1:
        raise ConfigError(f"tolerance must be a number from 1e-13 to 0.1, got {tolerance!r}")
    return number


def check_threads(threads: Any) -> int:
    """The number of threads, all the cores for None; or raise `ConfigError`."""
    if threads is None:
        return os.cpu_count() or 1
    whole = not isinstance(threads, bool) and isinstance(threads, (int, np.integer))
    if not whole or threads < 1:
        raise ConfigError(f"threads must be a whole number of at least 1 or None, got {threads!r}")
    return int(threads)


def in_threads(work: Callable[[slice], None], samples: int, threads: int, group: int = 8) -> None:
    """Call `work` on slices of the samples, side by side; whole groups stay together."""
    if threads == 1 or samples == 1:
        work(slice(0, samples))
        return
    group = min(group, max(1, samples // (2 * threads)))
    # Many pieces a thread, since chains differ in cost.
    step = -(-samples // (16 * threads * group)) * group
    pieces = iter([slice(k, min(k + step, samples)) for k in range(0, samples, step)])

    def some() -> None:
        try:
            for piece in pieces:
                work(piece)
        except BaseException:
            for _ in pieces:  # the others shall stop, too
                pass
            raise

    # This thread works as well: one that only waited would be woken, and take a core, ever again.
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(some) for _ in range(threads - 1)]
        some()
    for other in others:
        other.result()


@lru_cache(maxsize=32)
def pole_tables(error: float) -> tuple[Array, Array, Array, Array, Array]:
    """Tables for cut-offs 10^(−1/4), 10^(−1/2), … 10^(−16), … 10^(−60), of errors below `error`.

    Returns levels, counts, shifts, weights, errors; shifts and weights padded to
    the longest table.
    """
    levels = 10.0 ** -np.concatenate([np.arange(1, 65) / 4, np.arange(17.0, 61.0)])
    tables = [poles(low, pole_count(low, error)) for low in levels.tolist()]
    counts = np.array([len(t.shifts) for t in tables])
    shifts = np.ones((len(levels), counts.max()))
    weights = np.zeros(shifts.shape)
    for j, t in enumerate(tables):
        shifts[j, : counts[j]] = t.shifts
        weights[j, : counts[j]] = t.weights
    return levels, counts, shifts, weights, np.array([t.error for t in tables])


def pole_error(tolerance: float, cells: int) -> float:
    """Relative error of the poles for an error of W below the tolerance."""
    # |q_yx|² weighs the distance, which localisation keeps well below L: the bound
    # returned with a result is made with L itself.
    target = tolerance / (8 * min(cells, 128))
    # Two steps to a decade, so that few tabless are ever made.
    return max(float(10 ** (np.floor(2 * np.log10(target)) / 2)), 1e-15)


def bidiagonal_rswn(bands: Bands, window: float, tolerance: float, threads: int) -> Labels:
    """RSWN of open nearest-neighbour chains, in linear time: see `tnlearn.physics.bidiagonal`.

    A sample whose error bound misses the tolerance by far is computed again by
    the dense SVD where it has at most 4,096 cells.
    """
    from tnlearn.physics.bidiagonal import bidiagonal_room, bidiagonal_windings, scale_bonds

    cells, samples = bands.cells, bands.samples
    first, kept = kept_cells(cells, window)
    down = bands.high == 1 or bands.low == 0
    m = 1 if down else -1
    diagonal, other = [
        for_kernel(np.abs(t) if np.iscomplexobj(t) else t)
        for t in (bands.bonds[0], bands.bonds.get(m, bands.bonds[0]))
    ]
    if not down:
        # The mirror image of an upper bidiagonal block is lower bidiagonal.
        first = cells - first - kept
    tables = pole_tables(pole_error(tolerance, cells))
    check_memory(f"the poles of {threads} chains of {cells} cells", threads * cells * 40 * 40)
    p, r = np.empty((samples, cells)), np.empty((samples, cells - 1))
    value, gap, bound, low, norm, least = np.empty((6, samples))

    def work(part: slice) -> None:
        scale_bonds(
            diagonal[part], other[part], m in bands.bonds, down,
            p[part], r[part], norm[part], least[part],
        )  # fmt: skip
        out = value[part], gap[part], bound[part], low[part]
        room = bidiagonal_room(cells, tables[2])
        bidiagonal_windings(p[part], r[part], first, kept, *tables, *out, room)

    in_threads(work, samples, threads, group=16)
    bound += 16 * _EPS * cells
    # A diagonal bond that is zero to rounding is a zero mode: its pairing is arbitrary.
    sound = least > 4 * _EPS
    gap = np.where(least > 0, gap, 0.0) * norm
    poor = np.flatnonzero((bound > max(1e3 * tolerance, 1e-8 * cells / 128)) & (norm > 0))
    if len(poor) and cells <= DENSE_CELLS:
        for k in poor.tolist():
            block = (np.diag(p[k]) + np.diag(r[k], -1))[None]
            found, energies = rswn_values(block, "open", window, start=first)
            value[k] = found[0]
            bound[k] = min(bound[k], svd_error(energies, real=True)[0])
    return Labels(value if down else -value, gap, bound, sound & (bound < 0.05))


def banded_applies(bands: Bands) -> bool:
    """Whether `banded_rswn` takes these chains: of short range, and long enough to gain."""
    w = bands.high - bands.low
    return bands.cells >= BANDED_CELLS and w <= 8 and 16 * w <= bands.cells


def banded_rswn(bands: Bands, window: float, threads: int) -> Labels:
    """RSWN of long open chains of any range, in linear time: see `tnlearn.physics.banded`.

    Two tables of poles are tried, with cut-offs 1e-3 and 1e-6 of the norm, each
    judged by Σ_y q_yx² = 1 in every column of the window; what neither satisfies
    goes to the dense SVD (up to 4,096 cells).  The error is a bound: 2 L times that
    of the poles, plus L √(2 d) for columns that miss d of their normalisation.  (A mode
    v_0 that the poles cut costs a column d = 2ε v_0(x)² but W up to 2ε |v_0(x)| L.)
    Whether a sample is reliable is judged by L d, which is nearer to what is seen.
    """
    from tnlearn.physics.banded import banded_windings
    from tnlearn.physics.bandedgaps import banded_gaps

    cells, samples, low = bands.cells, bands.samples, bands.low
    first, kept = kept_cells(cells, window)
    norm = np.sum([np.abs(t).max(axis=1) for t in bands.bonds.values()], axis=0)
    norm = np.where(norm > 0, norm, 1.0)
    kind = np.result_type(np.float64, *bands.bonds.values())
    h = np.zeros((samples, cells, bands.high - low + 1), dtype=kind)
    for m, t in bands.bonds.items():
        h[:, :, m - low] = t / norm[:, None]
    value, gap, defect, error = np.empty((4, samples))
    check_memory(f"the poles of chains of {cells} cells", threads * 3 * 40 * h[0].nbytes)

    def work(part: slice) -> None:
        banded_gaps(h[part], low, 200, gap[part])
        out = value[part], defect[part]
        banded_windings(h[part], low, first, kept, *coarse, *out)
        again = np.flatnonzero(defect[part] > 1e-9) + part.start
        if len(again):
            some, left = np.empty((2, len(again)))
            out = some, left
            banded_windings(h[again], low, first, kept, *fine, *out)
            value[again], defect[again] = some, left

    tables = [poles(low_end, count) for low_end, count in ((1e-3, 24), (1e-6, 40))]
    coarse, fine = [(t.shifts, t.weights) for t in tables]
    in_threads(work, samples, threads)
    defect[~np.isfinite(defect)] = np.inf
    error[:] = cells * (2 * tables[1].error + np.sqrt(2 * defect))
    likely = cells * (2 * tables[1].error + defect)
    sound = (gap > 4 * _EPS * cells) | (defect < 1e-9)
    for k in np.flatnonzero(defect > 1e-7).tolist() if cells <= DENSE_CELLS else []:
        block = np.zeros((1, cells, cells), dtype=kind)
        for m, t in bands.bonds.items():
            y = np.arange(max(0, -m), cells - max(0, m))
            block[0, y + m, y] = t[k, y] / norm[k]
        found, energies = rswn_values(block, "open", window)
        value[k], gap[k] = found[0], energies[0, -1]
        error[k] = likely[k] = svd_error(energies, real=kind == np.float64)[0]
        sound[k] = gap[k] > 4 * _EPS * cells
    return Labels(value, gap * norm, np.minimum(error, cells), sound & (likely < 0.05))


def rswn_values(
    block: Array, boundary: str = "open", window: float = 0.5, start: int | None = None
) -> tuple[Array, Array]:
    """Real-space winding number (RSWN) of blocks by their polar factor.

    With h = U S V† and q = U V†,

        W = (1/L') Tr{P_B Q P_A [X, P_A Q P_B]} = (1/L') Σ_{y in window} Σ_x d(x, y) |q_xy|².

    On an open chain the trace runs over the window of L' cells (over the whole
    chain it is identically zero); on a ring there is no window, L' = L, and d is
    the minimal image of x − y.

    Parameters
    ----------
    block : (samples, cells, cells) array
        h[x, y] = <A,x|H|B,y>.
    boundary, window
        As in `tnlearn.physics.displacement` and `window_cells`.
    start : int, optional
        First cell of the window, where it is not to stand in the middle.

    Returns
    -------
    value : (samples,) float array
    energies : (samples, cells) float array
        Singular values of the block, descending.

    Source: arXiv:2509.26261, with its two sublattice names exchanged, so that the
    SSH chain with |t_1| > |t_0| has W = +1.
    """
    u, s, vh = np.linalg.svd(block)
    size = block.shape[-1]
    d = displacement(size, boundary)
    if boundary == "open":
        first, kept = kept_cells(size, window)
        inside = np.zeros(size)
        inside[first if start is None else start :][:kept] = 1 / kept
        d = d * inside
    else:
        d = d / size
    weight = np.abs(u @ vh) ** 2
    return np.einsum("sxy,xy->s", weight, d), s


def svd_error(energies: Array, real: bool) -> Array:
    """First-order bound of the error of W by the SVD's rounding, (samples,).

    q moves by at most 2 ‖δh‖/(σ_0 + σ_1) if h is real (σ_0, σ_1 the smallest two)
    and by ‖δh‖/σ_0 if it is complex (Li, Sun, doi:10.1137/S0895479801393380).
    """
    cells = energies.shape[1]
    pair = energies[:, -1] + energies[:, -2] if real and cells > 1 else 2 * energies[:, -1]
    pair = np.maximum(pair, np.finfo(float).tiny)
    moved = 2 * 4 * _EPS * np.sqrt(cells) * energies[:, 0] / pair
    return np.asarray(np.minimum(2 * cells * moved, float(cells)))
