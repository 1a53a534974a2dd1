"""The winding of det h(φ) as a flux is threaded through the ring, proved by a Lipschitz bound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains

__all__ = ["twist_winding"]

Array = NDArray[Any]

# Rounding of the determinants, relative to the largest on the circle: nearer to
# zero than this the curve is not known, and the winding is flagged.
_ROUNDING = 1e-12
_HALVINGS = 48


def twist_winding(chains: Chains) -> tuple[Array, Array]:
    """Winding number of det h(φ), φ from 0 to 2π, on the ring of each sample.

    With offsets m_min … m_max, det h is a Laurent polynomial in z = e^{iφ} with
    powers m_min … m_max.  Its coefficients follow exactly from r + 1 = m_max −
    m_min + 1 determinants; the winding of the polynomial is then summed over
    arcs, each so short that, by the bound Σ|k c_k| on its slope, the phase
    provably turns by less than π on it.

    Parameters
    ----------
    chains : Chains
        Closed into rings if they are not; a flux already there only moves the
        starting point.

    Returns
    -------
    value : (samples,) float array
        Integers to rounding; NaN where det h vanishes at every flux.
    resolved : (samples,) bool array
        False where the curve passes zero as near as rounding.

    Source: docs/physics.md; Niu, Thouless, Wu, doi:10.1103/PhysRevB.31.3372 for
    invariants from twisted boundary conditions.
    """
    powers, coefficients = determinant_polynomial(chains)
    return _winding(powers, coefficients)


def determinant_polynomial(chains: Chains) -> tuple[Array, Array]:
    """Powers (r+1,) and coefficients (samples, r+1) of det h(z), scaled to a largest value of 1."""
    offsets = chains.offsets
    powers = np.arange(offsets[0], offsets[-1] + 1)
    points = len(powers)
    fluxes = 2 * np.pi * np.arange(points) / points
    sign = np.empty((chains.samples, points), dtype=complex)
    size = np.empty((chains.samples, points))
    for j, flux in enumerate(fluxes):
        block = chains.with_boundary("periodic", float(flux)).block()
        sign[:, j], size[:, j] = _slogdet(block)
    top = size.max(axis=1, keepdims=True)
    dead = ~np.isfinite(top)
    values = sign * np.exp(np.where(dead, -np.inf, size - np.where(dead, 0.0, top)))
    inverse = np.exp(-1j * powers[:, None] * fluxes[None, :]) / points
    return powers, values @ inverse.T


def _slogdet(block: Array) -> tuple[Array, Array]:
    """Phase and ln|det| of matrices (samples, cells, cells), from a Householder QR.

    `numpy.linalg.slogdet` uses LU, whose pivots grow on long banded rings until
    the winding is wrong; reflections cannot grow.  Each has determinant
    1 − τ|v|², with v of leading entry 1.
    """
    factored, tau = np.linalg.qr(block, mode="raw")  # [s, j, i]: column j below and above r_jj
    diagonal = np.einsum("sjj->sj", factored)
    below = (np.abs(np.triu(factored, 1)) ** 2).sum(axis=-1)
    modulus = np.abs(diagonal)
    with np.errstate(divide="ignore", invalid="ignore"):
        phases = (1 - tau * (1 + below)) * np.where(modulus > 0, diagonal / modulus, 0)
        return phases.prod(axis=-1), np.log(modulus).sum(axis=-1)


def _winding(powers: Array, coefficients: Array) -> tuple[Array, Array]:
    samples = len(coefficients)
    slope = (np.abs(powers) * np.abs(coefficients)).sum(axis=1)
    top = np.abs(coefficients).sum(axis=1)
    total = np.zeros(samples)
    resolved = top > 0

    def value(s: Array, phi: Array) -> Array:
        found: Array = (coefficients[s] * np.exp(1j * phi[:, None] * powers)).sum(axis=1)
        return found

    arcs = 8 * (1 + int(np.abs(powers).max()))
    edges = 2 * np.pi * np.arange(arcs + 1) / arcs
    s = np.repeat(np.flatnonzero(resolved), arcs)
    start = np.tile(edges[:-1], int(resolved.sum()))
    end = np.tile(edges[1:], int(resolved.sum()))
    left, right = value(s, start), value(s, end)
    for _ in range(_HALVINGS):
        near = np.minimum(np.abs(left), np.abs(right))
        lost = near < _ROUNDING * top[s]
        resolved[s[lost]] = False
        # On each half of the arc the curve stays in a disc that leaves out zero.
        short = slope[s] * (end - start) < 1.8 * near
        step = np.angle(right[short] * left[short].conj())
        total += np.bincount(s[short], weights=step, minlength=samples)
        rest = ~short & resolved[s]
        s, start, end, left, right = s[rest], start[rest], end[rest], left[rest], right[rest]
        if not len(s):
            break
        middle = (start + end) / 2
        between = value(s, middle)
        s = np.concatenate([s, s])
        start, end = np.concatenate([start, middle]), np.concatenate([middle, end])
        left, right = np.concatenate([left, between]), np.concatenate([between, right])
    resolved[s] = False
    return np.where(top > 0, total / (2 * np.pi), np.nan), resolved
