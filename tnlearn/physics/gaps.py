"""The smallest singular value of chains, dense or sparse."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.memory import chunk_length

__all__ = ["chain_gaps", "smallest_singular_value"]

Array = NDArray[Any]

# Chains above this size have their gap by sparse elimination.
_DENSE = 256
_EPS = float(np.finfo(float).eps)


def chain_gaps(chains: Chains) -> Array:
    """Smallest singular value of each block, (samples,), in units of the hopping.

    Beyond 256 cells in linear time: see `smallest_singular_value`.
    """
    if chains.cells > _DENSE:
        blocks = (_sparse(chains, k) for k in range(chains.samples))
        return np.array([smallest_singular_value(h) for h in blocks])
    gaps = np.empty(chains.samples)
    step = chunk_length(chains.cells)
    for start in range(0, chains.samples, step):
        block = chains[start : start + step].block()
        gaps[start : start + step] = np.linalg.svd(block, compute_uv=False)[:, -1]
    return gaps


def smallest_singular_value(h: Any) -> float:
    """Of a sparse square matrix, by Lanczos' iteration on (h†h)⁻¹ from a sparse LU.

    To 1e-11 relative where the value stands alone and up to 1,000 rows, to 1e-5 at the dense band
    edge of 20,000; of one that is zero to rounding no more than that.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh, splu

    size = h.shape[0]
    tol = min(5e-7 * size, 1e-2) ** 2
    start = np.random.default_rng(0).normal(size=size).astype(h.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lu = splu(h)
            inverse = LinearOperator(
                h.shape, lambda z: lu.solve(lu.solve(z, trans="H")), dtype=h.dtype
            )
            growth = np.linalg.norm(inverse @ start) / np.linalg.norm(start)
            if not growth * (_EPS * np.abs(h.data).max(initial=0.0)) ** 2 < 1.0:
                return float(1 / np.sqrt(growth)) if np.isfinite(growth) else 0.0
            top = eigsh(inverse, 1, v0=start, tol=tol, return_eigenvectors=False)[0]
    except (RuntimeError, ArpackError):  # exactly singular, or to the last digit
        return 0.0
    return float(1 / np.sqrt(top)) if np.isfinite(top) else 0.0


def _sparse(chains: Chains, sample: int) -> Any:
    """The block of one sample as a sparse array."""
    import scipy.sparse as sp

    size = chains.cells
    y = np.arange(size)
    parts = []
    for m, t in chains.hoppings.items():
        inside = (y + m >= 0) & (y + m < size) | (chains.boundary == "periodic")
        turns = np.exp(1j * chains.flux * ((y + m) // size)) if chains.flux else 1
        parts.append(((y + m)[inside] % size, y[inside], (t[sample] * turns)[inside]))
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sp.csc_array((values, (rows, columns)), shape=(size, size))
