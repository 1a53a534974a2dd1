"""`tnlearn.winding`: every winding number of a chain, with its gap and a flag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import check_choice
from tnlearn.physics.blocks import check_block, hoppings_from_block
from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import check_boundary, kept_cells
from tnlearn.physics.log import log_values
from tnlearn.physics.momentum import momentum_winding
from tnlearn.physics.rswn import rswn_values
from tnlearn.physics.transfer import lyapunov_winding
from tnlearn.physics.twist import twist_winding

__all__ = ["METHODS", "Winding", "is_gapless", "winding"]

Array = NDArray[Any]

METHODS = ("rswn", "lyapunov", "twist", "log", "momentum")

# A real winding number further than this from an integer is not rounded in good faith.
ROUNDING_LIMIT = 0.3
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Winding:
    """Winding numbers of a batch, each with what is needed to trust it or not.

    Attributes
    ----------
    value : (samples,) float array
        The number before rounding.  NaN where it does not exist (det h vanishes
        at every flux).
    integer : (samples,) int array
        `value` rounded; 0 where it does not exist.
    gap : (samples,) float array
        Smallest singular value of the block the method looks at, in units of
        the hopping: of the open block for `rswn` on an open chain, of the ring
        for all else.
    reliable : (samples,) bool array
        False if the gap is zero to rounding, if |value − integer| > 0.3, or if
        the method could not settle its count.
    method : str
        Which number this is.
    """

    value: Array
    integer: Array
    gap: Array
    reliable: Array
    method: str

    def __len__(self) -> int:
        return len(self.value)


def winding(
    chains_or_h: Chains | Any,
    method: str = "rswn",
    boundary: str | None = None,
    window: float = 0.5,
) -> Winding:
    """Winding number of chiral chains by one of five methods.

    ========== =======================================================  ================
    method     formula                                                  note
    ========== =======================================================  ================
    `rswn`     (1/L') Σ_{y in window} Σ_x d(x, y) |q_xy|²               real
    `lyapunov` m_min + number of growing Lyapunov exponents             integer, O(L r³)
    `twist`    winding of det h(φ) as the flux goes 0 → 2π              integer
    `log`      (1/2πi) Tr log(X_A X_B†)                                 integer on a ring
    `momentum` lowest power + zeros of Σ t_m z^m in the unit circle     clean chains only
    ========== =======================================================  ================

    `rswn` looks at the chain as it is; the others look at the same sample closed
    into a ring: `Chains` hold the hopping of every cell, also where an open chain
    leaves the bond out.  The SSH chain with |t_1| > |t_0| has W = +1.

    Parameters
    ----------
    chains_or_h : Chains, or a block (cells, cells) or (samples, cells, cells)
        h[x, y] = <A,x|H|B,y>, real or complex, in units of the hopping.  A raw
        open block lacks the bonds across the seam; `rswn` does not need them, for
        the others they are filled in as told by
        `tnlearn.physics.hoppings_from_block`.
    method : str
        One of the table.
    boundary : "open" | "periodic", optional
        Known where chains are given; giving it all the same opens them or closes
        them.  "open" for a raw block unless told otherwise.
    window : float
        Fraction of the cells over which `rswn` traces an open chain.

    Returns
    -------
    Winding
        Nothing is rounded silently: see its `value`, `gap` and `reliable`.  With a
        zero mode the pairing of the two sublattices' states is arbitrary: the
        number is computed and flagged.

    Raises
    ------
    UnknownNameError, ShapeError, NotFiniteError, ConfigError, MemoryLimitError
        For unknown names, shapes that do not fit (a whole Hamiltonian among
        them), NaN or infinity, a window out of range, `momentum` of a disordered
        chain, a size past memory.

    Sources: rswn arXiv:2509.26261; lyapunov arXiv:1311.5233; log arXiv:2101.08546.
    """
    check_choice("method", method, METHODS)
    if boundary is not None:
        check_boundary(boundary)
    if isinstance(chains_or_h, Chains):
        given = chains_or_h
        if boundary is not None and boundary != given.boundary:
            given = given.with_boundary(boundary)
        if method == "rswn":
            return _rswn((c.block() for c in _chunks(given)), given.cells, given.boundary, window)
    else:
        block = check_block(chains_or_h)
        where = boundary or "open"
        if method == "rswn":
            size = block.shape[-1]
            step = _chunk_length(size)
            parts = (block[k : k + step] for k in range(0, len(block), step))
            return _rswn(parts, size, where, window)
        given = hoppings_from_block(block, where)
    flux = given.flux if given.boundary == "periodic" else 0.0
    return _assemble(
        method, [_RING[method](c) for c in _chunks(given.with_boundary("periodic", flux))]
    )


def is_gapless(energies: Array) -> Array:
    """Whether the smallest of the singular values (descending) is zero to the SVD's rounding."""
    rounding = 4 * energies.shape[1] * np.finfo(float).eps
    return np.asarray(energies[:, -1] <= rounding * energies[:, 0])


Part = tuple[Array, Array, Array]


def _rswn(blocks: Iterator[Array], cells: int, boundary: str, window: float) -> Winding:
    parts = []
    # Over a whole open chain the trace vanishes identically: it says nothing of W.
    whole = kept_cells(cells, window)[1] == cells and boundary == "open"
    for block in blocks:
        value, energies = rswn_values(block, boundary, window)
        sound = ~is_gapless(energies)
        parts.append((value, energies[:, -1], sound & (not whole)))
    return _assemble("rswn", parts)


def _lyapunov(chains: Chains) -> Part:
    value, settled = lyapunov_winding(chains.hoppings)
    return _with_gap(chains, value, settled)


def _twist(chains: Chains) -> Part:
    value, resolved = twist_winding(chains)
    return _with_gap(chains, value, resolved)


def _momentum(chains: Chains) -> Part:
    value, clear = momentum_winding(chains)
    return _with_gap(chains, value, clear)


def _log(chains: Chains) -> Part:
    value, energies, clear = log_values(chains.block())
    return value, energies[:, -1], clear & ~is_gapless(energies)


_RING: dict[str, Callable[[Chains], Part]] = {
    "lyapunov": _lyapunov,
    "twist": _twist,
    "log": _log,
    "momentum": _momentum,
}


def _with_gap(chains: Chains, value: Array, settled: Array) -> Part:
    energies = np.linalg.svd(chains.block(), compute_uv=False)
    return value, energies[:, -1], settled & ~is_gapless(energies)


def _assemble(method: str, parts: list[Part]) -> Winding:
    value, gap, sound = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    exists = np.isfinite(value)
    nearest = np.round(np.where(exists, value, 0.0))
    near = np.abs(np.where(exists, value, np.inf) - nearest) <= ROUNDING_LIMIT
    return Winding(value, nearest.astype(np.int64), gap, sound & near & exists, method)


def _chunk_length(cells: int) -> int:
    return max(1, _CHUNK_BYTES // (16 * cells * cells))


def _chunks(chains: Chains) -> Iterator[Chains]:
    step = _chunk_length(chains.cells)
    for start in range(0, chains.samples, step):
        yield chains[start : start + step]
