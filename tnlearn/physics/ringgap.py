"""The smallest singular value of long rings, by sparse elimination and Lanczos' iteration."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains

__all__ = ["ring_gaps"]

Array = NDArray[Any]

_STEPS = 300


def ring_gaps(chains: Chains) -> tuple[Array, Array]:
    """Gap of each ring in linear time, and a bound of its norm: both (samples,).

    h = L U with partial pivoting (the seam is one more border of a banded matrix),
    then the largest eigenvalue of (h†h)⁻¹ by Lanczos' iteration, which comes from below,
    so that the gap is never too small: to 1e-8 relative for gaps that stand alone, to
    about 1e-5 at the dense band edge of rings of 10⁴ cells and more.
    """
    norm = np.sum([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
    return np.array([_gap(chains, k) for k in range(chains.samples)]), norm


def _gap(chains: Chains, sample: int) -> float:
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    size = chains.cells
    y = np.arange(size)
    rows, columns, values = [], [], []
    for m, t in chains.hoppings.items():
        bond = t[sample]
        if chains.flux:
            bond = bond * np.exp(1j * chains.flux * ((y + m) // size))
        rows.append((y + m) % size)
        columns.append(y)
        values.append(bond)
    h = sp.csc_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(size, size),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            factors = splu(h)
    except RuntimeError:  # exactly singular
        return 0.0
    rng = np.random.default_rng(0)
    z = rng.normal(size=size).astype(h.dtype)
    z /= np.linalg.norm(z)
    old, beta = np.zeros_like(z), 0.0
    alphas: list[float] = []
    betas: list[float] = []
    best, calm = 0.0, 0
    for _ in range(min(_STEPS, 2 * size)):
        w = factors.solve(factors.solve(z, trans="H"))
        if not np.isfinite(w).all():
            return 0.0
        alpha = float(np.vdot(z, w).real)
        w = w - alpha * z - beta * old
        beta = float(np.linalg.norm(w))
        alphas.append(alpha)
        largest = _largest(alphas, betas)
        calm = calm + 1 if largest - best <= 1e-9 * largest else 0
        best = max(best, largest)
        betas.append(beta)
        if calm >= 3 or beta <= 1e-13 * best:
            break
        old, z = z, w / beta
    return float(1 / np.sqrt(best))


def _largest(alphas: list[float], betas: list[float]) -> float:
    from scipy.linalg import eigvalsh_tridiagonal

    if len(alphas) == 1:
        return alphas[0]
    last = len(alphas) - 1
    found = eigvalsh_tridiagonal(alphas, betas[:last], select="i", select_range=(last, last))
    return float(found[0])
