"""The real-space winding number: by its formula, and of open chains in linear time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.blocks import (
    Bands,
    Window,
    bands_of,
    displacement,
    for_kernel,
    gauge_to_real,
    kept_cells,
    window_cells,
)
from tnlearn.physics.chains import Chains
from tnlearn.physics.gaps import chain_gaps
from tnlearn.physics.memory import check_memory, chunk_length, in_threads, kernels_pay
from tnlearn.physics.states import bidiagonal_svd
from tnlearn.physics.zolotarev import pole_error, pole_tables, poles

__all__ = [
    "ROUNDING_LIMIT",
    "TOLERANCE",
    "Labels",
    "banded_applies",
    "banded_rswn",
    "bidiagonal_rswn",
    "check_tolerance",
    "dense_rswn",
    "local_windings",
    "plain_bidiagonal_rswn",
    "rswn",
    "rswn_values",
    "svd_error",
    "zero_level",
]

Array = NDArray[Any]

# A real winding number further than this from an integer is not rounded in good faith.
ROUNDING_LIMIT = 0.3
# Below what the four networks are compared to; few poles more than for 1e-11.
TOLERANCE = 1e-12
# Largest chain for which the dense SVD is a way out.
DENSE_CELLS = 4096
# Below this the dense SVD of a banded block is as good.
BANDED_CELLS = 64
# An error of W from which on it is not sound.
_ERROR = 0.05
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


def bidiagonal_rswn(bands: Bands, window: Window, tolerance: float, threads: int) -> Labels:
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
            by_svd, energies = rswn_values(block, "open", (first, first + kept))
            value[k] = by_svd[0]
            bound[k] = min(bound[k], svd_error(energies, real=True)[0])
    return Labels(value if down else -value, gap, bound, sound & (bound < _ERROR))


def plain_bidiagonal_rswn(bands: Bands, window: Window, threads: int) -> Labels:
    """The same from the SVD by LAPACK, chain by chain: what is far below the norm by `dbdsqr`.

    The error is that of the singular vectors: as `svd_error`, and for pairs that LAPACK's
    relative precision tells from one another as far apart as these are.
    """
    cells, samples = bands.cells, bands.samples
    diagonal, other, _, _ = gauge_to_real(bands)
    norm = np.abs(diagonal).max(axis=1) + np.abs(other).max(axis=1, initial=0.0)
    norm = np.where(norm > 0, norm, 1.0)
    p, r = diagonal / norm[:, None], other / norm[:, None]
    inside = window_cells(cells, window)
    weight = displacement(cells).T * (inside / inside.sum())[:, None]
    value, gap, error = np.empty((3, samples))

    def work(part: slice) -> None:
        u, vt = np.empty((2, 1, cells, cells))
        s = np.empty((1, cells))
        scratch = np.empty(3 * cells * cells + 4 * cells)
        for k in range(part.start, part.stop):
            here = p[k : k + 1], r[k : k + 1], bands.high == 1, u, vt, s, scratch
            known = bidiagonal_svd(*here)
            error[k] = svd_error(s, real=True)[0]
            if not known or s[0, -1] < 1e-8:
                known = bidiagonal_svd(*here, relative=True)
                error[k] = _relative_error(s[0])
            if not known:
                gap[k], value[k], error[k] = 0.0, np.nan, cells
                continue
            # q_xy in the order [y, x].
            value[k] = np.vdot((vt[0] @ u[0]) ** 2, weight)
            gap[k] = s[0, -1]

    in_threads(work, samples, threads)
    least = np.abs(p).min(axis=1)
    return Labels(
        value, np.where(least > 0, gap, 0.0) * norm, error, (least > 4 * _EPS) & (error < _ERROR)
    )


def _relative_error(s: Array) -> float:
    """Error of W by singular vectors of singular values s, descending, each known relatively."""
    tiny = max(1, int(np.count_nonzero(s < 1e-8)))
    # Those above are told apart from these and one another as in any SVD.
    cells = len(s)
    above = s[-tiny - 1] if tiny < cells else s[0]
    small = s[-tiny:]
    apart = np.abs(np.diff(small)) / np.maximum(small[1:] + small[:-1], np.finfo(float).tiny)
    closest = min(float(apart.min(initial=1.0)), float(above / s[0]) if s[0] > 0 else 0.0)
    moved = 8 * _EPS * np.sqrt(cells) / max(closest, _EPS)
    return float(min(2 * cells * moved, cells))


def banded_applies(bands: Bands) -> bool:
    """Whether `banded_rswn` takes these chains: of short range, and long enough to gain."""
    w = bands.high - bands.low
    return bands.cells >= BANDED_CELLS and w <= 8 and 16 * w <= bands.cells


def banded_rswn(bands: Bands, window: Window, threads: int) -> Labels:
    """RSWN of long open chains of any range, in linear time: see `tnlearn.physics.banded`.

    Two tables of poles are tried, with cut-offs 1e-3 and 1e-6 of the norm, each
    judged by Σ_y q_yx² = 1 in every column of the window; what neither satisfies
    goes to the dense SVD (up to 4,096 cells).  The error is a bound: 2 L times that
    of the poles, plus L √(2 d) for columns that miss d of their normalisation.  (A mode
    v_0 that the poles cut costs a column d = 2ε v_0(x)² but W up to 2ε |v_0(x)| L.)
    Whether a sample is reliable is judged by L d, which is nearer to what is seen.
    """
    from tnlearn.physics.banded import banded_windings

    cells, samples, low = bands.cells, bands.samples, bands.low
    first, kept = kept_cells(cells, window)
    norm = np.sum([np.abs(t).max(axis=1) for t in bands.bonds.values()], axis=0)
    norm = np.where(norm > 0, norm, 1.0)
    kind = np.result_type(np.float64, *bands.bonds.values())
    h = np.zeros((samples, cells, bands.high - low + 1), dtype=kind)
    scaled = Chains(cells, {m: t / norm[:, None] for m, t in bands.bonds.items()})
    for m, t in scaled.hoppings.items():
        h[:, :, m - low] = t
    value, defect, error = np.empty((3, samples))
    check_memory(f"the poles of chains of {cells} cells", threads * 5 * 40 * h[0].nbytes)

    def work(part: slice) -> None:
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
    gap = chain_gaps(scaled)
    defect[~np.isfinite(defect)] = np.inf
    error[:] = cells * (2 * tables[1].error + np.sqrt(2 * defect))
    likely = cells * (2 * tables[1].error + defect)
    sound = (gap > 4 * _EPS * cells) | (defect < 1e-9)
    poor = np.flatnonzero(defect > 1e-7) if cells <= DENSE_CELLS else np.empty(0, dtype=int)
    if len(poor):
        dense = dense_rswn(scaled[poor], "open", window, threads)
        value[poor], gap[poor], sound[poor] = dense.value, dense.gap, dense.sound
        error[poor] = likely[poor] = dense.error
    return Labels(value, gap * norm, np.minimum(error, cells), sound & (likely < _ERROR))


def rswn(
    source: Chains | Array,
    boundary: str,
    window: Window,
    tolerance: float = TOLERANCE,
    threads: int = 1,
    compiled: bool | None = None,
) -> Labels:
    """RSWN of chains or of blocks by the fastest sound way for their structure and number.

    Compiled kernels take linear time for open chains of short range; where plain linear algebra
    has cost the process less than a second in all nothing is compiled (`kernels_pay`), unless
    `compiled` says so.  The ways agree to the errors returned, 1e-10 as a rule.
    """
    cells = source.cells if isinstance(source, Chains) else source.shape[-1]
    # Over a whole open chain the trace vanishes identically: it says nothing of W.
    whole = kept_cells(cells, window)[1] == cells and boundary == "open"
    bands = None
    if boundary == "open":
        bands = source.bands() if isinstance(source, Chains) else bands_of(source)
    near = bands is not None and bands.bidiagonal
    if bands is None or not (near or banded_applies(bands)):
        labels = dense_rswn(source, boundary, window, threads)
    else:
        if compiled is None:
            each = 4e-9 if near or source.dtype.kind == "f" else 1.2e-8
            compiled = kernels_pay(len(source) * (5e-5 + each * cells**3))
        if near and compiled:
            labels = bidiagonal_rswn(bands, window, tolerance, threads)
        elif near:
            labels = plain_bidiagonal_rswn(bands, window, threads)
        elif compiled:
            labels = banded_rswn(bands, window, threads)
        else:
            labels = dense_rswn(source, boundary, window, threads)
    return replace(labels, sound=labels.sound & (not whole))


def dense_rswn(source: Chains | Array, boundary: str, window: Window, threads: int) -> Labels:
    """RSWN of any chains or blocks by the SVD, a few at a time."""
    cells = source.cells if isinstance(source, Chains) else source.shape[-1]
    samples = len(source)
    value, gap, error = np.empty((3, samples))
    sound = np.empty(samples, dtype=bool)
    step = chunk_length(cells)
    kept = slice(None)
    if boundary == "open":
        first, count = kept_cells(cells, window)
        kept = slice(first, first + count)

    def work(part: slice) -> None:
        for k in range(part.start, part.stop, step):
            piece = slice(k, min(k + step, part.stop))
            block = source[piece].block() if isinstance(source, Chains) else source[piece]
            local, s, modes = local_windings(block, boundary)
            value[piece] = local[:, kept].mean(axis=1)
            gap[piece] = s[:, -1]
            # Zero modes whose pairing is arbitrary do no harm where the window hardly sees them:
            # of weight w on a cell y they move Σ_x d |q_xy|² by L (2 √w + w) at most.
            null = s <= zero_level(s)[:, None]
            weight = np.einsum("sn,sny->sy", null, modes[..., kept]).max(axis=1)
            moved = cells * (2 * np.sqrt(weight) + weight)
            harmless = null.any(axis=1) & (moved < _ERROR)
            clear = np.where(null & harmless[:, None], s[:, :1], s)
            bound = svd_error(np.sort(clear, axis=1)[:, ::-1], real=not np.iscomplexobj(block))
            error[piece] = np.minimum(bound + harmless * moved, cells)
            sound[piece] = ~null.any(axis=1) | (harmless & (s[:, 0] > 0))

    in_threads(work, samples, threads)
    return Labels(value, gap, error, sound)


def zero_level(energies: Array) -> Array:
    """Below this a singular value, of some in descending order, is zero to the SVD's rounding."""
    return np.asarray(4 * energies.shape[1] * _EPS * energies[:, 0])


def rswn_values(block: Array, boundary: str = "open", window: Window = 0.5) -> tuple[Array, Array]:
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
        As in `tnlearn.physics.blocks.displacement` and `window_cells`.

    Returns
    -------
    value : (samples,) float array
    energies : (samples, cells) float array
        Singular values of the block, descending.

    Source: arXiv:2509.26261, with its two sublattice names exchanged, so that the
    SSH chain with |t_1| > |t_0| has W = +1.
    """
    local, s, _ = local_windings(block, boundary)
    inside = window_cells(block.shape[-1], window if boundary == "open" else 1.0)
    return local @ (inside / inside.sum()), s


def local_windings(block: Array, boundary: str = "open") -> tuple[Array, Array, Array]:
    """Winding number cell by cell, c(y) = Σ_x d(x, y) |q_xy|², whose mean over a window is W.

    Parameters
    ----------
    block : (samples, cells, cells) array

    Returns
    -------
    local : (samples, cells) float array
    energies : (samples, cells) float array
        Singular values, descending.
    modes : (samples, states, cells) float array
        |v_n(y)|².
    """
    u, s, vh = np.linalg.svd(block)
    weight = np.abs(u @ vh) ** 2
    local = np.einsum("sxy,xy->sy", weight, displacement(block.shape[-1], boundary))
    return local, s, np.abs(vh) ** 2


def svd_error(energies: Array, real: bool) -> Array:
    """First-order bound of the error of W by the SVD's rounding, (samples,).

    q moves by at most 2 ‖δh‖/(σ_0 + σ_1) if h is real (σ_0, σ_1 the smallest two)
    and by ‖δh‖/σ_0 if it is complex (Li, Sun, doi:10.1137/S0895479801393380).
    """
    cells = energies.shape[1]
    pair = energies[:, -1] + energies[:, -2] if real and cells > 1 else 2 * energies[:, -1]
    pair = np.maximum(pair, np.finfo(float).tiny)
    with np.errstate(over="ignore"):  # of a singular block with large elements
        moved = 2 * 4 * _EPS * np.sqrt(cells) * energies[:, 0] / pair
    return np.asarray(np.minimum(2 * cells * moved, float(cells)))
