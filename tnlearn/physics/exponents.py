"""Lyapunov exponents of long disordered chains: their phase, and how far it is from the next.

h v = 0 reads Σ_m t_m(x−m) v(x−m) = 0, a recursion for the amplitudes of zero modes on B.
Its r = m_max − m_min exponents γ_i per cell (growth of v to the right) give

    W = m_min + #{γ_i > 0},        distance from the transition  δ = min_i |γ_i|,

the inverse of the longest localisation length of the zero modes.  In a clean chain γ_i =
−ln |z_i|, z_i the zeros of Σ_m t_m z^m, and δ is the distance of `tnlearn.data.near`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.kernels import kernel

__all__ = ["Phase", "phase_of"]

Array = NDArray[Any]

_PIECE = 1000  # cells drawn at a time
_BLOCKS = 16  # of the chain, for the standard error


@dataclass(frozen=True, eq=False)
class Phase:
    """The phase of infinite chains.

    Attributes
    ----------
    integer : (samples,) int64 array
        W of the infinite chain.
    exponents, error : (samples, r) float arrays
        γ_i per cell, descending, and their standard errors.
    distance : (samples,) float array
        min_i |γ_i|.
    settled : (samples,) bool array
        Whether every exponent is farther from zero than four of its standard errors.
    """

    integer: Array
    exponents: Array
    error: Array
    distance: Array
    settled: Array


def phase_of(
    amplitudes: Mapping[int, Array],
    strengths: Mapping[int, float],
    *,
    cells: int = 16_000,
    seed: int | np.random.SeedSequence = 0,
) -> Phase:
    """Phase of infinite disordered chains t_m + W_m r(y), r uniform on [−1/2, 1/2).

    Parameters
    ----------
    amplitudes : dict of offset m to (samples,) real array
        Neighbouring offsets, two or more.
    strengths : dict of offset to W_m
    cells : int
        Length of the chains; each standard error falls as 1/√cells.
    seed : int or SeedSequence
        Sample i has a stream of its own.

    Returns
    -------
    Phase

    Raises
    ------
    ConfigError
        If the offsets are not neighbours, or the amplitudes not real.

    Source: exponents by repeated orthogonalisation, Benettin et al.,
    doi:10.1007/BF02128236; W from their signs, arXiv:1311.5233.
    """
    low, high = min(amplitudes), max(amplitudes)
    r = high - low
    if r < 1 or sorted(amplitudes) != list(range(low, high + 1)):
        raise ConfigError(f"neighbouring offsets are needed, not {sorted(amplitudes)}")
    columns = [np.asarray(amplitudes[m]) for m in range(high, low - 1, -1)]
    if any(np.iscomplexobj(t) for t in columns):
        raise ConfigError("the exponents of complex chains are not computed; take real amplitudes")
    clean = np.stack(columns, axis=1).astype(float)
    strength = np.array([float(strengths.get(m, 0.0)) for m in range(high, low - 1, -1)])
    samples = len(clean)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    length = -(-cells // _BLOCKS)
    means = np.empty((_BLOCKS, samples, r))
    for k, child in enumerate(root.spawn(samples)):
        rng = np.random.default_rng(child)
        frame = np.eye(r)
        sums = np.zeros(r)
        # What the start remembers of its frame is not counted.
        _grow(_bonds(clean[k], strength, min(_PIECE, length), rng), frame, sums)
        for block in range(_BLOCKS):
            sums[:] = 0.0
            for first in range(0, length, _PIECE):
                piece = _bonds(clean[k], strength, min(_PIECE, length - first), rng)
                _grow(piece, frame, sums)
            means[block, k] = sums / length
    exponents = means.mean(axis=0)
    error = means.std(axis=0, ddof=1) / np.sqrt(_BLOCKS)
    order = np.argsort(-exponents, axis=1, kind="stable")
    exponents = np.take_along_axis(exponents, order, axis=1)
    error = np.take_along_axis(error, order, axis=1)
    return Phase(
        (low + (exponents > 0).sum(axis=1)).astype(np.int64),
        exponents,
        error,
        np.abs(exponents).min(axis=1),
        (np.abs(exponents) > 4 * error).all(axis=1),
    )


def _bonds(clean: Array, strength: Array, cells: int, rng: np.random.Generator) -> Array:
    """t_m(y) of a stretch of chain, (cells, r + 1), m from high to low.

    Column b of row x is the bond t_{high−b} that ends on A in cell x.  Bonds of the disorder
    are independent, so that only each bond's being drawn once matters.
    """
    return np.asarray(clean + strength * (rng.random((cells, len(clean))) - 0.5))


@kernel
def _grow(bonds: Array, frame: Array, sums: Array) -> None:
    """Carry an orthonormal frame (r, r) along the rows of h; add ln of its growth to `sums`."""
    cells, width = bonds.shape
    r = width - 1
    last = np.empty(r)
    for x in range(cells):
        # v(x − low) = −(1/t_low) Σ_{m > low} t_m v(x − m); the frame's rows are v(x − high) …
        scale = -1.0 / bonds[x, r]
        for c in range(r):
            total = 0.0
            for b in range(r):
                total += bonds[x, b] * frame[b, c]
            last[c] = scale * total
        for c in range(r):
            for b in range(r - 1):
                frame[b, c] = frame[b + 1, c]
            frame[r - 1, c] = last[c]
        for c in range(r):
            for e in range(c):
                overlap = 0.0
                for b in range(r):
                    overlap += frame[b, e] * frame[b, c]
                for b in range(r):
                    frame[b, c] -= overlap * frame[b, e]
            norm = 0.0
            for b in range(r):
                norm += frame[b, c] * frame[b, c]
            norm = np.sqrt(norm)
            sums[c] += np.log(norm)
            for b in range(r):
                frame[b, c] /= norm
