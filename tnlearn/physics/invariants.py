"""Every winding number of a chain, with its gap and a flag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import check_choice
from tnlearn.physics.chains import Chains
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.matrices import times_power
from tnlearn.physics.rawblocks import Blocks, Bulk, bulk_of
from tnlearn.physics.rings import log_winding, momentum_winding, ring_gaps, twist_winding
from tnlearn.physics.rswn import (
    TOLERANCE,
    Labels,
    check_threads,
    check_tolerance,
    chunk_length,
    in_threads,
    rswn,
    zero_level,
)
from tnlearn.physics.structure import bands_of

__all__ = ["METHODS", "Winding", "winding"]

Array = NDArray[Any]

METHODS = ("rswn", "lyapunov", "twist", "log", "momentum", "localizer")

# A real winding number further than this from an integer is not rounded in good faith.
ROUNDING_LIMIT = 0.3
# Hoppings of this power of two and beyond are scaled before anything is computed.
_PLAIN_EXPONENT = 100


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
        for all else; but for `localizer` the gap of the localizer.
    reliable : (samples,) bool array
        False if the gap is zero to rounding, if |value − integer| > 0.3, or if
        the method could not settle its count; for `localizer`, if its integer
        might be another one elsewhere in the middle half of the chain; for raw blocks, if
        their bulk does not say the same (`tnlearn.physics.rawblocks`).
    method : str
        Which number this is.
    error : (samples,) float array
        Bound of the error of `value` by poles, tails and rounding (first order in
        the rounding), in the units of `value`; 0 for a count that is settled, and
        infinity where nothing is known.
    """

    value: Array
    integer: Array
    gap: Array
    reliable: Array
    method: str
    error: Array

    def __len__(self) -> int:
        return len(self.value)


def winding(
    source: Chains | Blocks,
    method: str = "rswn",
    boundary: str | None = None,
    window: float = 0.5,
    *,
    tolerance: float | None = None,
    threads: int | None = 1,
    gap: bool = True,
    compiled: bool | None = None,
) -> Winding:
    """Winding numbers of chains, or of blocks that were read, by one of six methods.

    What `tnlearn.winding` comes to once its input is read (`tnlearn.physics.hamiltonians.read`):
    the formulas of the methods, and what the options mean, are told there.

    `rswn` looks at the chain as it is, `localizer` at the open chain; the others look at the
    same sample closed into a ring: `Chains` hold the hopping of every cell, also where an open
    chain leaves the bond out.  `Blocks` hold what was in the matrix: an open one answers by
    the rings of its bulk, and every answer has to be the bulk's (`tnlearn.physics.rawblocks`).
    `boundary` opens chains or closes them.  `compiled`: whether by compiled kernels, or by plain
    linear algebra; the ways agree to `error`, not to the bit.  None: the plain way until it has
    cost the process a second.

    Raises
    ------
    UnknownNameError, ConfigError, MemoryLimitError
        For an unknown method, a window out of range, `momentum` of a disordered chain, a size
        past memory.
    """
    check_choice("method", method, METHODS)
    limit = check_tolerance(TOLERANCE if tolerance is None else tolerance)
    workers = check_threads(threads)
    if not len(source):
        none = np.empty(0)
        return _assemble(method, [Labels(none, none, none, none.astype(bool))])
    if isinstance(source, Blocks):
        number = partial(rswn, tolerance=limit, threads=workers, compiled=compiled)
        return _assemble(method, [_of_blocks(source, method, window, number, gap, compiled)])
    if boundary is not None and boundary != source.boundary:
        source = source.with_boundary(boundary)
    source, exponents = _scaled(source)
    if exponents.any():
        labels = winding(
            source, method, window=window, tolerance=tolerance, threads=threads, gap=gap,
            compiled=compiled,
        )  # fmt: skip
        return replace(labels, gap=np.ldexp(labels.gap, exponents))
    if method == "rswn":
        return _assemble("rswn", [rswn(source, source.boundary, window, limit, workers, compiled)])
    ring = source.with_boundary("periodic", source.flux)
    if method == "lyapunov" and not gap:
        # In linear time and memory: no need of chunks.
        return _assemble(method, [_counted(ring, workers, compiled)])
    return _assemble(method, [_RING[method](c, gap, compiled) for c in _chunks(ring)])


def _of_blocks(
    blocks: Blocks,
    method: str,
    window: float,
    number: Callable[..., Labels],
    gap: bool,
    compiled: bool | None,
) -> Labels:
    """Blocks by one method; reliable only where the bulk says the same.

    `number(source, boundary, window)` is their real-space winding number.
    """
    bulk = bulk_of(blocks)
    if method == "rswn":
        labels = number(blocks.source, blocks.boundary, window)
        agreed = labels
    else:
        pieces = _pieces(blocks, bulk, method)
        labels = _in_order(len(blocks), [(s, _RING[method](c, gap, compiled)) for s, c in pieces])
        # Where no bound says it, the real-space number has to be the bulk's, too.
        agreed = labels
        if (bulk.likely & labels.sound).any():
            agreed = number(blocks.source, blocks.boundary, 0.5)
    near = np.abs(np.nan_to_num(agreed.value, nan=np.inf) - bulk.integer) <= ROUNDING_LIMIT
    doubt = np.flatnonzero(labels.sound & near & bulk.likely & ~bulk.certain)
    if len(doubt) and blocks.boundary == "open":
        # What lies beyond the ends is not known: the middle half has to have one integer.
        middle = _localizer(blocks.chains()[0][doubt], False, compiled)
        near[doubt] = middle.sound & (middle.value == bulk.integer[doubt])
    same = np.round(np.nan_to_num(labels.value)) == bulk.integer
    sound = labels.sound & same & (bulk.certain | (bulk.likely & agreed.sound & near))
    return replace(labels, gap=times_power(labels.gap, blocks.exponents), sound=sound)


def _pieces(blocks: Blocks, bulk: Bulk, method: str) -> Iterator[tuple[Array, Chains]]:
    """The chains a method looks at, a few samples at a time: the rings, or the blocks opened."""
    whole = [(np.arange(len(blocks)), blocks.chains()[0])]
    for some, chains in whole if method == "localizer" else bulk.rings:
        step = chunk_length(chains.cells)
        for start in range(0, len(some), step):
            yield some[start : start + step], chains[start : start + step]


def _in_order(samples: int, parts: list[tuple[Array, Labels]]) -> Labels:
    arrays = []
    for name in ("value", "gap", "error", "sound"):
        array = np.empty(samples, dtype=bool if name == "sound" else float)
        for some, labels in parts:
            array[some] = getattr(labels, name)
        arrays.append(array)
    return Labels(*arrays)


def _scaled(chains: Chains) -> tuple[Chains, Array]:
    """The chains with hoppings of order one, and the power of two that each sample was over it.

    Only samples whose squares could leave the range of the numbers are touched.
    """
    top = np.zeros(chains.samples)
    with np.errstate(over="ignore", under="ignore"):
        squares = sum(np.einsum("sy,sy->s", t, t.conj()).real for t in chains.hoppings.values())
    if np.all((squares > 1e-60) & (squares < 1e60)):
        return chains, top.astype(int)
    for t in chains.hoppings.values():
        for part in (t.real, t.imag) if np.iscomplexobj(t) else (t,):
            top = np.maximum(top, np.maximum(part.max(axis=1), -part.min(axis=1)))
    exponents = np.where(top > 0, np.frexp(top)[1], 0)
    exponents[np.abs(exponents) < _PLAIN_EXPONENT] = 0
    if not exponents.any():
        return chains, exponents
    scaled = {}
    for m, t in chains.hoppings.items():
        power = -exponents[:, None]
        scaled[m] = np.ldexp(t.real, power)
        if np.iscomplexobj(t):
            scaled[m] = scaled[m] + 1j * np.ldexp(t.imag, power)
    return replace(chains, hoppings=scaled), exponents


def _localizer(chains: Chains, gap: bool, compiled: bool | None = None) -> Labels:
    from tnlearn.physics.localizer import localizer_values

    bands = bands_of(chains.with_boundary("open"))
    assert bands is not None
    value, clear, size = localizer_values(bands, gap, compiled=compiled)
    return Labels(value, size, np.where(clear, 0.0, np.inf), clear)


def _lyapunov(chains: Chains, gap: bool, compiled: bool | None = None) -> Labels:
    value, settled = lyapunov_winding(chains.hoppings, compiled)
    return _with_gap(chains, value, settled, gap)


def _counted(chains: Chains, threads: int, compiled: bool | None) -> Labels:
    """The count of `lyapunov` alone."""
    value = np.empty(chains.samples)
    settled = np.empty(chains.samples, dtype=bool)

    def work(part: slice) -> None:
        bonds = {m: t[part] for m, t in chains.hoppings.items()}
        value[part], settled[part] = lyapunov_winding(bonds, compiled)

    in_threads(work, chains.samples, threads, group=32)
    return _with_gap(chains, value, settled, gap=False)


def _twist(chains: Chains, gap: bool, compiled: bool | None = None) -> Labels:
    value, resolved = twist_winding(chains)
    # The determinants of nearly singular rings are off by more than rounding: another
    # method has to agree.
    count, settled = lyapunov_winding(chains.hoppings)
    resolved &= settled & (count == value)
    return _with_gap(chains, value, resolved, gap)


def _momentum(chains: Chains, gap: bool, compiled: bool | None = None) -> Labels:
    value, clear = momentum_winding(chains)
    return _with_gap(chains, value, clear, gap)


def _log(chains: Chains, gap: bool, compiled: bool | None = None) -> Labels:
    value, energies, clear = log_winding(chains.block())
    sound = clear & (energies[:, -1] > zero_level(energies))
    return Labels(value, energies[:, -1], np.abs(value - np.round(value)), sound)


_RING: dict[str, Callable[[Chains, bool, bool | None], Labels]] = {
    "lyapunov": _lyapunov,
    "twist": _twist,
    "log": _log,
    "momentum": _momentum,
    "localizer": _localizer,
}


def _with_gap(chains: Chains, value: Array, settled: Array, gap: bool) -> Labels:
    error = np.where(settled & np.isfinite(value), 0.0, np.inf)
    if not gap:
        return Labels(value, np.full(len(value), np.nan), error, settled)
    smallest = ring_gaps(chains)
    norm = np.sum([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
    rounding = 4 * chains.cells * np.finfo(float).eps
    return Labels(value, smallest, error, settled & (smallest > rounding * norm))


def _assemble(method: str, parts: list[Labels]) -> Winding:
    value, gap, error = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("value", "gap", "error")
    )
    sound = np.concatenate([p.sound for p in parts])
    exists = np.isfinite(value)
    nearest = np.round(np.where(exists, value, 0.0))
    near = np.abs(np.where(exists, value, np.inf) - nearest) <= ROUNDING_LIMIT
    integer = nearest.astype(np.int64)
    return Winding(value, integer, gap, sound & near & exists, method, error)


def _chunks(chains: Chains) -> Iterator[Chains]:
    step = chunk_length(chains.cells)
    for start in range(0, chains.samples, step):
        yield chains[start : start + step]
