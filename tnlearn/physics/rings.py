"""Integers of rings from h(z), from det h(φ) and from the logarithm form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.lyapunov import determinant, ring_pencil, stacked

__all__ = ["log_winding", "momentum_winding", "twist_winding", "zeros_inside"]

Array = NDArray[Any]

# Hoppings that vary by more than this from cell to cell are disordered.
_CLEAN = 1e-12
# A polynomial that comes nearer to zero than this share of its coefficients, somewhere on the
# unit circle, may have another number of zeros inside: so does rounding.
_ROUNDING = 1e-12
# Rings above this size have their determinants from one turn of amplitudes.
_DENSE = 256
# An eigenvalue of X_A X_B† this near to −1 could be taken for either side of the cut.
_CUT = 1e-6


def zeros_inside(coefficients: Array) -> tuple[Array, Array]:
    """Number of zeros of Σ_k c_k z^k inside the unit circle, and whether rounding can change it.

    By Rouché's theorem it cannot where |Σ c_k z^k| on the circle exceeds what the c_k may be
    off by, taken as 1e-12 Σ|c_k|; where the polynomial is smallest its zeros tell.

    Parameters
    ----------
    coefficients : (samples, n) array

    Returns
    -------
    count : (samples,) float array
        NaN where all vanish.
    clear : (samples,) bool array
    """
    count = np.full(len(coefficients), np.nan)
    clear = np.zeros(len(coefficients), dtype=bool)
    powers = np.arange(coefficients.shape[1])
    for k, c in enumerate(coefficients):
        sizes = np.abs(c)
        present = np.flatnonzero(sizes > 1e-5 * _ROUNDING * sizes.max(initial=0.0))
        if not len(present):
            continue
        c = c / sizes.max()
        zeros = np.roots(c[present[0] : present[-1] + 1][::-1])
        count[k] = present[0] + np.count_nonzero(np.abs(zeros) < 1.0)
        nearest = np.exp(1j * np.angle(np.append(zeros, 1.0)))
        least = np.abs(nearest[:, None] ** powers @ c).min()
        clear[k] = least > _ROUNDING * np.abs(c).sum()
    return count, clear


def momentum_winding(chains: Chains) -> tuple[Array, Array]:
    """W = lowest power + number of zeros of h(z) = Σ_m t_m z^m inside the unit circle.

    Parameters
    ----------
    chains : Chains
        Clean ones: each t_m the same in every cell.

    Returns
    -------
    value : (samples,) float array
        Whole numbers; NaN where every hopping vanishes.
    clear : (samples,) bool array
        False where a zero lies on the unit circle to rounding: see `zeros_inside`.

    Raises
    ------
    ConfigError
        For a disordered sample: momentum is no quantum number there.

    Source: Cauchy's argument principle; docs/physics.md.
    """
    low, high = chains.offsets[0], chains.offsets[-1]
    coefficients = np.zeros((chains.samples, high - low + 1), dtype=chains.dtype)
    scale = np.max([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
    for m, t in chains.hoppings.items():
        spread = np.abs(t - t[:, :1]).max(axis=1)
        dirty = spread > _CLEAN * scale
        if dirty.any():
            first = int(np.argmax(dirty))
            where = f"in sample {first} " if chains.samples > 1 else ""
            raise ConfigError(
                f"the momentum method is for clean chains, and {where}the hopping of "
                f"offset {m} varies by {spread[first]:.3g} from cell to cell; use "
                'method="lyapunov" or "twist"'
            )
        coefficients[:, m - low] = t[:, 0]
    count, clear = zeros_inside(coefficients)
    return low + count, clear


def twist_winding(chains: Chains) -> tuple[Array, Array]:
    """Winding number of det h(φ) as a flux φ is threaded through each ring, from 0 to 2π.

    With offsets m_min … m_max, det h is a Laurent polynomial in z = e^{iφ} with powers
    m_min … m_max.  Its coefficients follow exactly from r + 1 = m_max − m_min + 1
    determinants, and its winding from its zeros inside the unit circle.  Beyond 256 cells they
    are those of the pencil of one turn, det(A/z − B): in linear time.

    Parameters
    ----------
    chains : Chains
        Closed into rings if they are not; a flux already there only moves the
        starting point.

    Returns
    -------
    value : (samples,) float array
        Whole numbers; NaN where det h vanishes at every flux.
    resolved : (samples,) bool array
        False where the curve passes zero as near as rounding: see `zeros_inside`.

    Source: docs/physics.md; Niu, Thouless, Wu, doi:10.1103/PhysRevB.31.3372 for
    invariants from twisted boundary conditions.
    """
    low, high = chains.offsets[0], chains.offsets[-1]
    points = high - low + 1
    if chains.cells > _DENSE and points > 1:
        a, b, alive = ring_pencil(stacked(chains.hoppings, low, high), high)
        inside, resolved = zeros_inside(determinant(a, b).T)
        return np.where(alive, high - inside, np.nan), resolved & alive
    fluxes = 2 * np.pi * np.arange(points) / points
    sign = np.empty((chains.samples, points), dtype=complex)
    size = np.empty((chains.samples, points))
    for j, flux in enumerate(fluxes):
        block = chains.with_boundary("periodic", float(flux)).block()
        sign[:, j], size[:, j] = _phase_and_log_det(block)
    top = size.max(axis=1, keepdims=True)
    dead = ~np.isfinite(top)
    values = sign * np.exp(np.where(dead, -np.inf, size - np.where(dead, 0.0, top)))
    inverse = np.exp(-1j * np.arange(low, high + 1)[:, None] * fluxes) / points
    count, resolved = zeros_inside(values @ inverse.T)
    return low + count, resolved


def _phase_and_log_det(block: Array) -> tuple[Array, Array]:
    """Phase and ln|det| of matrices (samples, cells, cells), from a Householder QR.

    `numpy.linalg.slogdet` uses LU, whose pivots grow on long banded rings until
    the winding is wrong; reflections cannot grow.  Each has determinant
    1 − τ|v|², with v of leading entry 1.
    """
    factored, tau = np.linalg.qr(block, mode="raw")  # [s, j, i]: column j below and above r_jj
    diagonal = np.einsum("sjj->sj", factored)
    below = (np.abs(np.triu(factored, 1)) ** 2).sum(axis=-1)
    with np.errstate(divide="ignore"):
        phases = (1 - tau * (1 + below)) * np.exp(1j * np.angle(diagonal))
        return phases.prod(axis=-1), np.log(np.abs(diagonal)).sum(axis=-1)


def log_winding(block: Array) -> tuple[Array, Array, Array]:
    """W = (1/2πi) Tr log(X_A X_B†) of the blocks of rings.

    X_A = U† e^{2πiX/L} U and X_B = V† e^{2πiX/L} V with h = U S V†; the logarithm
    is the principal one of the unitary matrix, so 2πW is the sum of the angles of
    its eigenvalues, which are those of e^{2πiX/L} q e^{−2πiX/L} q†.

    Parameters
    ----------
    block : (samples, cells, cells) array
        h[x, y] on a ring.

    Returns
    -------
    value : (samples,) float array
        W, an integer to rounding.
    energies : (samples, cells) float array
        Singular values of the block, descending.
    clear : (samples,) bool array
        False where an eigenvalue lies on the branch cut at −1.

    Source: Lin, Ke, Lee, arXiv:2101.08546; the sign as in docs/physics.md.
    """
    u, s, vh = np.linalg.svd(block)
    q = u @ vh
    size = block.shape[-1]
    twist = np.exp(2j * np.pi * np.arange(size) / size)
    turned = (twist[:, None] * q * twist.conj()) @ q.conj().swapaxes(1, 2)
    angles = np.angle(np.linalg.eigvals(turned))
    clear = (np.pi - np.abs(angles)).min(axis=1) > _CUT
    return angles.sum(axis=1) / (2 * np.pi), s, clear
